// SPDX-License-Identifier: GPL-2.0

#include <linux/io.h>
#include <linux/pci.h>
#include <xen/xen.h>

#ifdef CONFIG_PCI
__rust_helper unsigned long rust_helper_pci_resource_flags(struct pci_dev *pdev,
							   int bar)
{
	return pci_resource_flags(pdev, bar);
}

__rust_helper int rust_helper_pci_channel_offline(struct pci_dev *pdev)
{
	return pci_channel_offline(pdev);
}

/* Xen's pcifront calls them without the lock of the device. */
__rust_helper bool rust_helper_pci_error_handlers_run_unlocked(void)
{
	return xen_pv_domain() && !xen_initial_domain();
}
#endif /* CONFIG_PCI */

#ifdef CONFIG_HAS_IOPORT
__rust_helper u8 rust_helper_inb(unsigned long port)
{
	return inb(port);
}

__rust_helper u16 rust_helper_inw(unsigned long port)
{
	return inw(port);
}

__rust_helper u32 rust_helper_inl(unsigned long port)
{
	return inl(port);
}

__rust_helper void rust_helper_outb(u8 value, unsigned long port)
{
	outb(value, port);
}

__rust_helper void rust_helper_outw(u16 value, unsigned long port)
{
	outw(value, port);
}

__rust_helper void rust_helper_outl(u32 value, unsigned long port)
{
	outl(value, port);
}
#endif /* CONFIG_HAS_IOPORT */
