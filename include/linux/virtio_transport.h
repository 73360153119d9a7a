/* SPDX-License-Identifier: GPL-2.0 */
/* What recovery has to know about the bus below a virtio device. */
#ifndef _LINUX_VIRTIO_TRANSPORT_H
#define _LINUX_VIRTIO_TRANSPORT_H

#include <linux/types.h>

struct virtio_device;
struct workqueue_struct;

extern struct workqueue_struct *virtio_recovery_wq;

bool virtio_transport_present(struct virtio_device *vdev);
bool virtio_transport_sleeps(struct virtio_device *vdev);
void virtio_transport_reach(struct virtio_device *vdev);
void virtio_transport_enable(struct virtio_device *vdev);
void virtio_transport_silence(struct virtio_device *vdev);

#endif /* _LINUX_VIRTIO_TRANSPORT_H */
