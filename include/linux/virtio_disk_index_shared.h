/* SPDX-License-Identifier: GPL-2.0 */
/*
 * To be included by virtio_blk.c right after it has defined vd_index_ida: from
 * there on the shared numbers are meant.
 *
 * Two drivers that count by themselves would both have a vda. Neither could
 * go round that: who comes second gets -EEXIST and a warning from the core, and
 * virtio_blk does not try another name. So both must take their numbers from
 * one place, and that cannot be in a module.
 *
 * A change to virtio_blk.c itself would replace the definition in its three
 * users. The overlay only inserts lines, hence the macro.
 */
#include <linux/virtio_disk_index.h>

#ifdef CONFIG_RUST_BLK_VIRTIO
/* The driver's own numbers are left without a user. */
static inline struct ida *virtio_disk_index_own(void)
{
	return &vd_index_ida;
}

#define vd_index_ida virtio_disk_index
#endif
