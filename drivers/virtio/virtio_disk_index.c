// SPDX-License-Identifier: GPL-2.0
#include <linux/export.h>
#include <linux/virtio_disk_index.h>

DEFINE_IDA(virtio_disk_index);
EXPORT_SYMBOL_GPL(virtio_disk_index);
