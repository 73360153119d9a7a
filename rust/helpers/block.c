// SPDX-License-Identifier: GPL-2.0

#ifdef CONFIG_RUST_BLK_MQ_ABSTRACTIONS
#include <linux/bio.h>
#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/bvec.h>
#include <linux/module.h>
#include <linux/percpu-refcount.h>
#include <linux/srcu.h>

__rust_helper bool
rust_helper_blk_mq_add_to_batch(struct request *req, struct io_comp_batch *iob,
				bool is_error,
				void (*complete)(struct io_comp_batch *))
{
	return blk_mq_add_to_batch(req, iob, is_error, complete);
}

__rust_helper bool rust_helper_blk_should_fake_timeout(struct request_queue *q)
{
	return blk_should_fake_timeout(q);
}

__rust_helper void rust_helper_blk_mq_set_request_complete(struct request *rq)
{
	blk_mq_set_request_complete(rq);
}

__rust_helper unsigned int
rust_helper_blk_mq_freeze_queue(struct request_queue *q)
{
	return blk_mq_freeze_queue(q);
}

__rust_helper void rust_helper_blk_mq_unfreeze_queue(struct request_queue *q,
						     unsigned int memflags)
{
	blk_mq_unfreeze_queue(q, memflags);
}

__rust_helper struct queue_limits
rust_helper_queue_limits_start_update(struct request_queue *q)
{
	return queue_limits_start_update(q);
}

/*
 * If blk_mq_alloc_tag_set() fails after it has made some requests, then
 * cleanup_srcu_struct() finds callbacks pending that refer to the set, and
 * leaves it at that. Wait for them, and clean up, before the set is freed.
 *
 * Nothing but the usage of the SRCU struct tells whether that has happened.
 * This goes when blk_mq_alloc_tag_set() itself calls srcu_barrier(), as
 * blk_mq_free_tag_set() does.
 */
__rust_helper void
rust_helper_blk_mq_settle_failed_tag_set(struct blk_mq_tag_set *set)
{
#ifdef CONFIG_TREE_SRCU
	if (set->tags_srcu.srcu_sup) {
		srcu_barrier(&set->tags_srcu);
		cleanup_srcu_struct(&set->tags_srcu);
	}
#endif
}

__rust_helper void
rust_helper_queue_limits_cancel_update(struct request_queue *q)
{
	queue_limits_cancel_update(q);
}

__rust_helper sector_t rust_helper_get_capacity(struct gendisk *disk)
{
	return get_capacity(disk);
}

__rust_helper int rust_helper_get_disk_ro(struct gendisk *disk)
{
	return get_disk_ro(disk);
}

__rust_helper struct gendisk *rust_helper_dev_to_disk(struct device *dev)
{
	return dev_to_disk(dev);
}

__rust_helper struct device *rust_helper_disk_to_dev(struct gendisk *disk)
{
	return disk_to_dev(disk);
}

__rust_helper struct bio_vec rust_helper_bio_iter_iovec(struct bio *bio,
							struct bvec_iter iter)
{
	return bio_iter_iovec(bio, iter);
}

__rust_helper void rust_helper_bio_advance_iter_single(const struct bio *bio,
						       struct bvec_iter *iter,
						       unsigned int bytes)
{
	bio_advance_iter_single(bio, iter, bytes);
}

__rust_helper void rust_helper_memcpy_from_bvec(char *to,
						struct bio_vec *bvec)
{
	memcpy_from_bvec(to, bvec);
}

__rust_helper void rust_helper_memcpy_to_bvec(struct bio_vec *bvec,
					      const char *from)
{
	memcpy_to_bvec(bvec, from);
}

__rust_helper void rust_helper_memzero_bvec(struct bio_vec *bvec)
{
	memzero_bvec(bvec);
}

__rust_helper void rust_helper_percpu_ref_get(struct percpu_ref *ref)
{
	percpu_ref_get(ref);
}

__rust_helper void rust_helper_percpu_ref_put(struct percpu_ref *ref)
{
	percpu_ref_put(ref);
}

__rust_helper int
rust_helper_register_module_notifier(struct notifier_block *nb)
{
	return register_module_notifier(nb);
}

__rust_helper bool rust_helper_try_module_get(struct module *module)
{
	return try_module_get(module);
}

__rust_helper void rust_helper_module_put(struct module *module)
{
	module_put(module);
}
#endif
