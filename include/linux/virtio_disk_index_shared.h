/* SPDX-License-Identifier: GPL-2.0 */
/*
 * To be included by virtio_blk.c right after it has defined vd_index_ida: from
 * there on the shared numbers are meant.
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
