/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How long the configuration space of a modern virtio-pci device is. A part of
 * virtio_pci_modern.c.
 */

/* virtio config->config_len() implementation */
static u32 vp_config_len(struct virtio_device *vdev)
{
	return to_vp_device(vdev)->mdev.device_len;
}
