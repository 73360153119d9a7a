/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How long the configuration space of a legacy virtio-pci device is. A part of
 * virtio_pci_legacy.c.
 */

/* virtio config->config_len() implementation */
static u32 vp_config_len(struct virtio_device *vdev)
{
	resource_size_t len = pci_resource_len(to_vp_device(vdev)->pci_dev, 0);

	/* The larger offset: interrupts are set up later. */
	return len > VIRTIO_PCI_CONFIG_OFF(true) ?
	       len - VIRTIO_PCI_CONFIG_OFF(true) : 0;
}
