/* SPDX-License-Identifier: GPL-2.0 */
/*
 * To be included at the end of virtio_ring.c.
 *
 * An indirect table is allocated for each buffer of more than one part, which
 * costs more instructions than the whole way from a driver to the ring. Where
 * there is room, the parts can as well be in the ring itself: both kinds are
 * told apart for each buffer when it comes out.
 *
 * Rings that do not go in order have functions of their own, which decide once
 * for a buffer what virtio_ring.c asks for each part: split ones here, packed
 * ones in virtio_ring_direct_packed.h. Split rings whose buffers are mapped are
 * only emptied here. All leave desc_state, desc_extra, the list of free
 * descriptors and all indexes as those of virtio_ring.c would, so that each can
 * take back what the other has added.
 */
#ifdef CONFIG_RUST_VIRTIO_ABSTRACTIONS
#include <linux/virtio_ring_direct.h>

/* Whether buffers are added here: nothing has to be mapped for the device. */
static __always_inline bool direct_is_split(const struct vring_virtqueue *vq)
{
	return vq->layout == VQ_LAYOUT_SPLIT && !vq->use_map_api;
}

/* Returns what follows an entry of a scatterlist that is not the last one. */
static __always_inline struct scatterlist *direct_next(struct scatterlist *sg)
{
	sg++;
	return unlikely(sg_is_chain(sg)) ? sg_chain_ptr(sg) : sg;
}

/* Returns where the device finds an entry. */
static __always_inline dma_addr_t direct_addr(struct scatterlist *sg, u16 flags)
{
	phys_addr_t addr = sg_phys(sg);

	kmsan_handle_dma(addr, sg->length,
			 flags & VRING_DESC_F_WRITE ? DMA_FROM_DEVICE :
						      DMA_TO_DEVICE);
	return addr;
}

/*
 * Describes lists in free descriptors, from number i on, all of which lead to
 * others. Returns the next one that is free, and tells the last one.
 */
static __always_inline unsigned int direct_fill_ring(struct vring_virtqueue *vq,
						     struct scatterlist *sgs[],
						     unsigned int count,
						     u16 flags, unsigned int i,
						     unsigned int *last)
{
	struct vring_desc_extra *extra = vq->split.desc_extra;
	struct vring_desc *desc = vq->split.vring.desc;
	unsigned int n;

	for (n = 0; n < count; n++) {
		struct scatterlist *sg = sgs[n];

		for (;;) {
			*last = i;
			i = virtqueue_add_desc_split(vq, desc, extra, i,
						     direct_addr(sg, flags),
						     sg->length, flags, false);
			if (sg_is_last(sg))
				break;
			sg = direct_next(sg);
		}
	}
	return i;
}

/* Describes lists in a table. Returns the place behind them. */
static __always_inline struct vring_desc *
direct_fill_table(struct vring_virtqueue *vq, struct scatterlist *sgs[],
		  unsigned int count, u16 flags, struct vring_desc *desc,
		  u16 *next)
{
	struct virtio_device *vdev = vq->vq.vdev;
	unsigned int n;

	for (n = 0; n < count; n++) {
		struct scatterlist *sg = sgs[n];

		for (;;) {
			desc->addr = cpu_to_virtio64(vdev,
						     direct_addr(sg, flags));
			desc->len = cpu_to_virtio32(vdev, sg->length);
			desc->flags = cpu_to_virtio16(vdev, flags);
			desc->next = cpu_to_virtio16(vdev, ++*next);
			desc++;
			if (sg_is_last(sg))
				break;
			sg = direct_next(sg);
		}
	}
	return desc;
}

/*
 * Describes a buffer in a table of its own. Nothing is noted about the entries:
 * nobody looks at that where they are not mapped.
 */
static struct vring_desc *direct_make_table(struct vring_virtqueue *vq,
					    struct scatterlist *sgs[],
					    unsigned int total_sg,
					    unsigned int out_sgs,
					    unsigned int in_sgs, gfp_t gfp)
{
	struct vring_desc *table, *end;
	u16 next = 0;

	/* The device gets its physical address. */
	table = kmalloc_array(total_sg, sizeof(*table), gfp & ~__GFP_HIGHMEM);
	if (!table)
		return NULL;

	end = direct_fill_table(vq, sgs, out_sgs, VRING_DESC_F_NEXT, table,
				&next);
	end = direct_fill_table(vq, sgs + out_sgs, in_sgs,
				VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, end,
				&next);
	end[-1].flags &= ~cpu_to_virtio16(vq->vq.vdev, VRING_DESC_F_NEXT);
	return table;
}

/* Refuses a buffer, and asks the device to make room, as virtio_ring.c does. */
static noinline int direct_no_room(struct vring_virtqueue *vq,
				   unsigned int out_sgs)
{
	if (out_sgs)
		vq->notify(&vq->vq);
	END_USE(vq);
	return -ENOSPC;
}

/* Notifies the device when the number of buffers is about to overflow. */
static noinline int direct_kick(struct vring_virtqueue *vq)
{
	virtqueue_kick(&vq->vq);
	return 0;
}

/*
 * Makes a buffer available whose first descriptor is filled in. The next one
 * that is free is number next.
 */
static __always_inline int direct_publish(struct vring_virtqueue *vq,
					  unsigned int descs,
					  unsigned int next, void *data,
					  struct vring_desc *table)
{
	struct vring *vring = &vq->split.vring;
	unsigned int head = vq->free_head;
	u16 avail = vq->split.avail_idx_shadow;

	vq->vq.num_free -= descs;
	vq->free_head = next;
	vq->split.desc_state[head].data = data;
	vq->split.desc_state[head].indir_desc = table;
	vring->avail->ring[avail & (vring->num - 1)] =
		cpu_to_virtio16(vq->vq.vdev, head);
	vq->split.avail_idx_shadow = ++avail;

	/* The device sees a buffer as soon as it sees the index. */
	virtio_wmb(vq->weak_barriers);
	vring->avail->idx = cpu_to_virtio16(vq->vq.vdev, avail);
	vq->num_added++;

	END_USE(vq);

	if (unlikely(vq->num_added == U16_MAX))
		return direct_kick(vq);
	return 0;
}

static __always_inline int direct_add_ring(struct vring_virtqueue *vq,
					   struct scatterlist *sgs[],
					   unsigned int total_sg,
					   unsigned int out_sgs,
					   unsigned int in_sgs, void *data)
{
	struct vring_desc_extra *extra = vq->split.desc_extra;
	unsigned int next = vq->free_head, last = next;

	START_USE(vq);

	if (unlikely(vq->broken)) {
		END_USE(vq);
		return -EIO;
	}

	LAST_ADD_TIME_UPDATE(vq);

	if (unlikely(vq->vq.num_free < total_sg))
		return direct_no_room(vq, out_sgs);

	next = direct_fill_ring(vq, sgs, out_sgs, VRING_DESC_F_NEXT, next,
				&last);
	next = direct_fill_ring(vq, sgs + out_sgs, in_sgs,
				VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, next,
				&last);
	extra[last].flags &= ~VRING_DESC_F_NEXT;
	vq->split.vring.desc[last].flags =
		cpu_to_virtio16(vq->vq.vdev, extra[last].flags);

	return direct_publish(vq, total_sg, next, data, NULL);
}

/* The caller has seen that there is a descriptor, and that tables are known. */
static int direct_add_table(struct vring_virtqueue *vq,
			    struct scatterlist *sgs[], unsigned int total_sg,
			    unsigned int out_sgs, unsigned int in_sgs,
			    void *data, gfp_t gfp)
{
	struct vring_desc *table;
	unsigned int next;

	START_USE(vq);

	if (unlikely(vq->broken)) {
		END_USE(vq);
		return -EIO;
	}

	LAST_ADD_TIME_UPDATE(vq);

	table = direct_make_table(vq, sgs, total_sg, out_sgs, in_sgs, gfp);
	if (unlikely(!table)) {
		END_USE(vq);
		return direct_add_ring(vq, sgs, total_sg, out_sgs, in_sgs,
				       data);
	}

	next = virtqueue_add_desc_split(vq, vq->split.vring.desc,
					vq->split.desc_extra, vq->free_head,
					virt_to_phys(table),
					total_sg * sizeof(*table),
					VRING_DESC_F_INDIRECT, false);
	return direct_publish(vq, 1, next, data, table);
}

/*
 * Breaks a ring of num descriptors whose device has used what it was not given.
 */
static noinline void *direct_bad_id(struct vring_virtqueue *vq, u32 id,
				    unsigned int num)
{
	if (id >= num)
		BAD_RING(vq, "id %u out of range\n", id);
	else
		BAD_RING(vq, "id %u is not a head!\n", id);
	return NULL;
}

#include "virtio_ring_direct_packed.h"

/**
 * virtqueue_add_sgs_direct - expose buffers to the other end, in the ring itself
 * @_vq: the virtqueue
 * @sgs: array of terminated scatterlists, none of them empty
 * @total_sg: the number of entries in all of them
 * @out_sgs: the number of scatterlists that the other side reads
 * @in_sgs: the number of scatterlists that it writes, behind the former
 * @data: what identifies the buffer
 *
 * Each entry takes a descriptor of the ring.
 *
 * Callers serialize this with other operations on the virtqueue, as for
 * virtqueue_add_sgs().
 *
 * Return: 0, or what virtqueue_add_sgs() returns.
 */
int virtqueue_add_sgs_direct(struct virtqueue *_vq, struct scatterlist *sgs[],
			     unsigned int total_sg, unsigned int out_sgs,
			     unsigned int in_sgs, void *data)
{
	struct vring_virtqueue *vq = to_vvq(_vq);
	bool indirect = vq->indirect;
	int ret;

	if (likely(direct_is_split(vq)))
		return direct_add_ring(vq, sgs, total_sg, out_sgs, in_sgs,
				       data);
	if (likely(direct_is_packed(vq)))
		return direct_add_packed(vq, sgs, total_sg, out_sgs, in_sgs,
					 data);

	/* What is decided for one buffer does not count for others. */
	vq->indirect = false;
	ret = virtqueue_add(_vq, sgs, total_sg, out_sgs, in_sgs, data, NULL,
			    false, GFP_ATOMIC, 0);
	vq->indirect = indirect;
	return ret;
}
EXPORT_SYMBOL_GPL(virtqueue_add_sgs_direct);

/**
 * virtqueue_add_sgs_indirect - expose buffers to the other end, by a table
 * @_vq: the virtqueue
 * @sgs: array of terminated scatterlists, none of them empty
 * @total_sg: the number of entries in all of them
 * @out_sgs: the number of scatterlists that the other side reads
 * @in_sgs: the number of scatterlists that it writes, behind the former
 * @data: what identifies the buffer
 * @gfp: how to allocate the table
 *
 * More than one entry take one descriptor of the ring if the device knows
 * indirect tables, and there is memory for one; otherwise each takes one.
 *
 * Callers serialize this with other operations on the virtqueue, as for
 * virtqueue_add_sgs().
 *
 * Return: 0, or what virtqueue_add_sgs() returns.
 */
int virtqueue_add_sgs_indirect(struct virtqueue *_vq,
			       struct scatterlist *sgs[],
			       unsigned int total_sg, unsigned int out_sgs,
			       unsigned int in_sgs, void *data, gfp_t gfp)
{
	struct vring_virtqueue *vq = to_vvq(_vq);

	if (likely(direct_is_split(vq))) {
		if (virtqueue_use_indirect(vq, total_sg))
			return direct_add_table(vq, sgs, total_sg, out_sgs,
						in_sgs, data, gfp);
		return direct_add_ring(vq, sgs, total_sg, out_sgs, in_sgs,
				       data);
	}

	return virtqueue_add(_vq, sgs, total_sg, out_sgs, in_sgs, data, NULL,
			     false, gfp, 0);
}
EXPORT_SYMBOL_GPL(virtqueue_add_sgs_indirect);

/* Frees the table of a buffer that is taken out. Returns its data. */
static noinline void *direct_free_table(struct vring_virtqueue *vq,
					unsigned int head, void *data)
{
	detach_indirect_split(vq, head);
	return data;
}

/*
 * Makes the descriptors of a buffer free again. Where the buffer ends says
 * desc_extra, which is out of reach for the device.
 */
static __always_inline void direct_put_back(struct vring_virtqueue *vq,
					    unsigned int head, bool is_mapped)
{
	struct vring_desc_extra *extra = vq->split.desc_extra;
	unsigned int i, descs = 1;

	vq->split.desc_state[head].data = NULL;

	for (i = head; extra[i].flags & VRING_DESC_F_NEXT; i = extra[i].next) {
		if (is_mapped)
			vring_unmap_one_split(vq, &extra[i]);
		descs++;
	}
	if (is_mapped)
		vring_unmap_one_split(vq, &extra[i]);

	extra[i].next = vq->free_head;
	vq->free_head = head;
	vq->vq.num_free += descs;
}

/* Takes a used buffer out of a split ring. */
static __always_inline void *direct_get_split(struct vring_virtqueue *vq,
					      unsigned int *len,
					      bool is_mapped)
{
	struct vring *vring = &vq->split.vring;
	struct vring_desc_state_split *state;
	unsigned int head;
	void *data;
	u16 used;

	START_USE(vq);

	if (unlikely(vq->broken) || !more_used_split(vq)) {
		END_USE(vq);
		return NULL;
	}

	/* The device has written what it used before the index. */
	virtio_rmb(vq->weak_barriers);

	used = vq->last_used_idx & (vring->num - 1);
	head = vring_read_split_used_id(vq, used);
	*len = vring_read_split_used_len(vq, used);

	if (unlikely(head >= vring->num))
		return direct_bad_id(vq, head, vring->num);
	state = &vq->split.desc_state[head];
	data = state->data;
	if (unlikely(!data))
		return direct_bad_id(vq, head, vring->num);

	direct_put_back(vq, head, is_mapped);
	used = ++vq->last_used_idx;

	/* Ask for an interrupt for the next one before looking for that. */
	if (!(vq->split.avail_flags_shadow & VRING_AVAIL_F_NO_INTERRUPT))
		virtio_store_mb(vq->weak_barriers, &vring_used_event(vring),
				cpu_to_virtio16(vq->vq.vdev, used));

	LAST_ADD_TIME_INVALID(vq);

	END_USE(vq);

	if (state->indir_desc)
		return direct_free_table(vq, head, data);
	return data;
}

static noinline void *direct_get_mapped(struct vring_virtqueue *vq,
					unsigned int *len)
{
	return direct_get_split(vq, len, true);
}

/**
 * virtqueue_get_buf_direct - get the next used buffer
 * @_vq: the virtqueue, none of whose buffers has a context
 * @len: the length that the device says it has written
 *
 * On a split ring that does not go in order, it makes no difference what the
 * device may have written into the descriptors.
 *
 * Callers serialize this with other operations on the virtqueue, as for
 * virtqueue_get_buf().
 *
 * Return: what identifies the buffer, or NULL if there is none.
 */
void *virtqueue_get_buf_direct(struct virtqueue *_vq, unsigned int *len)
{
	struct vring_virtqueue *vq = to_vvq(_vq);

	if (likely(direct_is_split(vq)))
		return direct_get_split(vq, len, false);
	if (likely(direct_is_packed(vq)))
		return direct_get_packed(vq, len);
	if (vq->layout == VQ_LAYOUT_SPLIT)
		return direct_get_mapped(vq, len);
	return virtqueue_get_buf_ctx(_vq, len, NULL);
}
EXPORT_SYMBOL_GPL(virtqueue_get_buf_direct);

/**
 * virtqueue_detach_unused_buf_direct - take out a buffer that was not used
 * @_vq: the virtqueue, none of whose buffers has a context
 *
 * On a split ring that does not go in order, it makes no difference what the
 * device may have written into the descriptors, and it is no error if there is
 * no buffer.
 *
 * Otherwise as virtqueue_detach_unused_buf(): the queue must not be active.
 *
 * Return: what identifies the buffer, or NULL if there is none.
 */
void *virtqueue_detach_unused_buf_direct(struct virtqueue *_vq)
{
	struct vring_virtqueue *vq = to_vvq(_vq);
	void *data = NULL;
	unsigned int i;

	if (vq->layout != VQ_LAYOUT_SPLIT)
		return virtqueue_detach_unused_buf(_vq);

	START_USE(vq);

	for (i = 0; i < vq->split.vring.num; i++) {
		data = vq->split.desc_state[i].data;
		if (!data)
			continue;

		direct_put_back(vq, i, vq->use_map_api);
		detach_indirect_split(vq, i);
		vq->split.avail_idx_shadow--;
		vq->split.vring.avail->idx =
			cpu_to_virtio16(vq->vq.vdev,
					vq->split.avail_idx_shadow);
		break;
	}

	END_USE(vq);
	return data;
}
EXPORT_SYMBOL_GPL(virtqueue_detach_unused_buf_direct);
#endif
