// SPDX-License-Identifier: GPL-2.0

#include <linux/dma-mapping.h>
#include <linux/mm.h>

/*
 * dma_map_single() for what is known to be in the linear mapping. By way of
 * the page, as virt_to_phys() is too narrow on some machines.
 */
__rust_helper dma_addr_t rust_helper_dma_map_linear(struct device *dev,
						    void *ptr, size_t size,
						    enum dma_data_direction dir)
{
	debug_dma_map_single(dev, ptr, size);
	return dma_map_phys(dev,
			    page_to_phys(virt_to_page(ptr)) +
				    offset_in_page(ptr),
			    size, dir, 0);
}

#ifndef CONFIG_HAS_DMA
__rust_helper void
rust_helper_dma_unmap_page_attrs(struct device *dev, dma_addr_t addr,
				 size_t size, enum dma_data_direction dir,
				 unsigned long attrs)
{
	dma_unmap_page_attrs(dev, addr, size, dir, attrs);
}
#endif

__rust_helper int rust_helper_dma_mapping_error(struct device *dev,
						dma_addr_t dma_addr)
{
	return dma_mapping_error(dev, dma_addr);
}

__rust_helper void
rust_helper_dma_sync_single_for_cpu(struct device *dev, dma_addr_t addr,
				    size_t size, enum dma_data_direction dir)
{
	dma_sync_single_for_cpu(dev, addr, size, dir);
}

__rust_helper void
rust_helper_dma_sync_single_for_device(struct device *dev, dma_addr_t addr,
				       size_t size, enum dma_data_direction dir)
{
	dma_sync_single_for_device(dev, addr, size, dir);
}

__rust_helper void *rust_helper_page_address(const struct page *page)
{
	return page_address(page);
}
