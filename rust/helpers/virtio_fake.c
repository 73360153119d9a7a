// SPDX-License-Identifier: GPL-2.0

#if defined(CONFIG_RUST_VIRTIO_KUNIT_TEST) || \
	defined(CONFIG_RUST_NETDEV_KUNIT_TEST) || \
	defined(CONFIG_RUST_DRIVER_CORE_KUNIT_TEST)
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>

__rust_helper void *rust_helper_phys_to_virt(phys_addr_t addr)
{
	return phys_to_virt(addr);
}

__rust_helper phys_addr_t rust_helper_virt_to_phys(void *addr)
{
	return virt_to_phys(addr);
}

__rust_helper phys_addr_t rust_helper_page_to_phys(struct page *page)
{
	return page_to_phys(page);
}

#ifdef CONFIG_TINY_RCU
__rust_helper void
rust_helper_get_state_synchronize_rcu_full(struct rcu_gp_seq *gsp)
{
	get_state_synchronize_rcu_full(gsp);
}

__rust_helper bool
rust_helper_poll_state_synchronize_rcu_full(struct rcu_gp_seq *gsp)
{
	return poll_state_synchronize_rcu_full(gsp);
}
#endif
#endif
