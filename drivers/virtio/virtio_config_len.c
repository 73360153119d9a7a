// SPDX-License-Identifier: GPL-2.0
/*
 * How long the configuration space of a virtio device is.
 *
 * struct virtio_config_ops does not tell, but its accessors take any offset.
 * The transports that know keep it to themselves, so this file looks there.
 */

#include <linux/ioport.h>
#include <linux/platform_device.h>
#include <linux/string.h>
#include <linux/virtio.h>
#include <linux/virtio_config_len.h>
#include <linux/virtio_mmio.h>

#if IS_ENABLED(CONFIG_VIRTIO_PCI)
#include <linux/pci.h>
#include "virtio_pci_common.h"

static bool is_pci(struct device *parent)
{
	/* vDPA devices can have a PCI parent too, which is no transport. */
	return dev_is_pci(parent) && !strcmp(parent->driver->name, "virtio-pci");
}

static long pci_config_len(struct virtio_device *vdev)
{
	struct virtio_pci_device *vp_dev = to_vp_device(vdev);
	resource_size_t len;

	if (!vp_dev->is_legacy)
		return vp_dev->mdev.device_len;

	/* The larger offset: interrupts are set up later. */
	len = pci_resource_len(vp_dev->pci_dev, 0);
	return len > VIRTIO_PCI_CONFIG_OFF(true) ?
	       len - VIRTIO_PCI_CONFIG_OFF(true) : 0;
}
#else
static bool is_pci(struct device *parent)
{
	return false;
}

static long pci_config_len(struct virtio_device *vdev)
{
	return -ENODEV;
}
#endif

static long mmio_config_len(struct platform_device *pdev)
{
	struct resource *region = platform_get_resource(pdev, IORESOURCE_MEM, 0);

	if (!region)
		return -ENODEV;
	return resource_size(region) > VIRTIO_MMIO_CONFIG ?
	       resource_size(region) - VIRTIO_MMIO_CONFIG : 0;
}

/**
 * virtio_config_len - the length of the configuration space
 * @vdev: a device that is registered
 *
 * Return: the length in bytes, or a negative number where nobody knows.
 */
long virtio_config_len(struct virtio_device *vdev)
{
	struct device *parent = vdev->dev.parent;

	if (!parent || !parent->driver)
		return -ENODEV;
	if (is_pci(parent))
		return pci_config_len(vdev);
	if (dev_is_platform(parent) &&
	    !strcmp(parent->driver->name, "virtio-mmio"))
		return mmio_config_len(to_platform_device(parent));
	return -ENODEV;
}
