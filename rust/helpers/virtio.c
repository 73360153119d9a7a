// SPDX-License-Identifier: GPL-2.0

#ifdef CONFIG_RUST_VIRTIO_ABSTRACTIONS
#include <linux/scatterlist.h>
#include <linux/virtio_config.h>

__rust_helper void rust_helper_sg_set_buf(struct scatterlist *sg,
					  const void *buf, unsigned int len)
{
	sg_set_buf(sg, buf, len);
}

__rust_helper void rust_helper_sg_mark_end(struct scatterlist *sg)
{
	sg_mark_end(sg);
}

__rust_helper void rust_helper_sg_unmark_end(struct scatterlist *sg)
{
	sg_unmark_end(sg);
}

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
