/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How long the configuration space of a virtio device is.
 */
#ifndef _LINUX_VIRTIO_CONFIG_LEN_H
#define _LINUX_VIRTIO_CONFIG_LEN_H

struct virtio_device;

long virtio_config_len(struct virtio_device *vdev);

#endif /* _LINUX_VIRTIO_CONFIG_LEN_H */
