// SPDX-License-Identifier: GPL-2.0
#include <linux/export.h>
#include <linux/virtio_disk_index.h>

struct ida virtio_disk_index = IDA_INIT(virtio_disk_index);
EXPORT_SYMBOL_GPL(virtio_disk_index);
