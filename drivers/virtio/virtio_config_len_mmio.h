/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How long the configuration space of a virtio-mmio device is. A part of
 * virtio_mmio.c.
 */

static u32 vm_config_len(struct virtio_device *vdev)
{
	struct virtio_mmio_device *vm_dev = to_virtio_mmio_device(vdev);
	struct resource *mem;
	resource_size_t size;

	mem = platform_get_resource(vm_dev->pdev, IORESOURCE_MEM, 0);
	if (!mem)
		return 0;

	size = resource_size(mem);
	/*
	 * Regions are often given without the configuration space. It is there,
	 * as whole pages are mapped.
	 */
	if (size <= VIRTIO_MMIO_CONFIG) {
		size = PAGE_ALIGN(mem->end + 1) - mem->start;
		if (size <= VIRTIO_MMIO_CONFIG)
			return 0;
		dev_warn(&vm_dev->pdev->dev,
			 "the region of %pa bytes ends before the configuration space\n",
			 &(resource_size_t){ resource_size(mem) });
	}
	return min_t(resource_size_t, size - VIRTIO_MMIO_CONFIG, U32_MAX);
}
