// SPDX-License-Identifier: GPL-2.0

#include <linux/mm.h>

__rust_helper bool rust_helper_virt_addr_valid(const void *addr)
{
	return virt_addr_valid(addr);
}
