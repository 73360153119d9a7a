/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The numbers behind the names vda, vdb, ...
 *
 * More than one driver can serve virtio block devices. They take the numbers
 * of their disks from here, so that a name is never given twice.
 */
#ifndef _LINUX_VIRTIO_DISK_INDEX_H
#define _LINUX_VIRTIO_DISK_INDEX_H

#include <linux/idr.h>

#ifdef CONFIG_RUST_BLK_VIRTIO
extern struct ida virtio_disk_index;
#endif

#endif /* _LINUX_VIRTIO_DISK_INDEX_H */
