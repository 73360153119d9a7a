// SPDX-License-Identifier: GPL-2.0
/* The numbers of virtio block devices, shared by their drivers. */
#include <linux/export.h>
#include <linux/virtio_disk_index.h>

struct ida virtio_disk_index = IDA_INIT(virtio_disk_index);
EXPORT_SYMBOL_GPL(virtio_disk_index);
