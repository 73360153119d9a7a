/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How long the configuration space of a virtio-mmio device is. A part of
 * virtio_mmio.c.
 */

static u32 vm_config_len(struct virtio_device *vdev)
{
	struct virtio_mmio_device *vm_dev = to_virtio_mmio_device(vdev);
	struct resource *mem;

	mem = platform_get_resource(vm_dev->pdev, IORESOURCE_MEM, 0);
	if (!mem || resource_size(mem) <= VIRTIO_MMIO_CONFIG)
		return 0;
	return resource_size(mem) - VIRTIO_MMIO_CONFIG;
}
