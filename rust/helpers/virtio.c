// SPDX-License-Identifier: GPL-2.0

#ifdef CONFIG_RUST_VIRTIO_ABSTRACTIONS
#include <linux/virtio_config.h>

__rust_helper void
rust_helper_virtio_synchronize_cbs(struct virtio_device *dev)
{
	virtio_synchronize_cbs(dev);
}

/*
 * What virtio_device_ready() does before it sets DRIVER_OK. The function itself
 * warns about a device that claims to run already, as a bad one can.
 */
__rust_helper void rust_helper_virtio_prepare_ready(struct virtio_device *dev)
{
#ifdef CONFIG_VIRTIO_HARDEN_NOTIFICATION
	virtio_synchronize_cbs(dev);
	__virtio_unbreak_device(dev);
#endif
}
#endif
