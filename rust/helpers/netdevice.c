// SPDX-License-Identifier: GPL-2.0

#ifdef CONFIG_RUST_NETDEV_ABSTRACTIONS
#include <linux/bottom_half.h>
#include <linux/etherdevice.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>

__rust_helper void rust_helper_netif_napi_add(struct net_device *dev,
					      struct napi_struct *napi,
					      int (*poll)(struct napi_struct *,
							  int))
{
	netif_napi_add(dev, napi, poll);
}

__rust_helper void rust_helper_netif_napi_del(struct napi_struct *napi)
{
	netif_napi_del(napi);
}

__rust_helper void rust_helper_netif_napi_set_irq(struct napi_struct *napi,
						  int irq)
{
	netif_napi_set_irq(napi, irq);
}

__rust_helper gro_result_t
rust_helper_napi_gro_receive(struct napi_struct *napi, struct sk_buff *skb)
{
	return napi_gro_receive(napi, skb);
}

__rust_helper bool rust_helper_netif_carrier_ok(const struct net_device *dev)
{
	return netif_carrier_ok(dev);
}

__rust_helper bool rust_helper_netif_running(const struct net_device *dev)
{
	return netif_running(dev);
}

__rust_helper bool
rust_helper_netif_device_present(const struct net_device *dev)
{
	return netif_device_present(dev);
}

__rust_helper void rust_helper_eth_hw_addr_set(struct net_device *dev,
					       const u8 *addr)
{
	eth_hw_addr_set(dev, addr);
}

__rust_helper void rust_helper_netif_addr_lock_bh(struct net_device *dev)
{
	netif_addr_lock_bh(dev);
}

__rust_helper void rust_helper_netif_addr_unlock_bh(struct net_device *dev)
{
	netif_addr_unlock_bh(dev);
}

__rust_helper void rust_helper_netif_start_queue(struct net_device *dev)
{
	netif_start_queue(dev);
}

__rust_helper void rust_helper_netif_stop_queue(struct net_device *dev)
{
	netif_stop_queue(dev);
}

__rust_helper void rust_helper_netif_wake_queue(struct net_device *dev)
{
	netif_wake_queue(dev);
}

__rust_helper bool rust_helper_netif_queue_stopped(const struct net_device *dev)
{
	return netif_queue_stopped(dev);
}

__rust_helper bool rust_helper_netif_xmit_stopped(const struct net_device *dev)
{
	return netif_xmit_stopped(netdev_get_tx_queue(dev, 0));
}

__rust_helper void rust_helper_netif_tx_disable(struct net_device *dev)
{
	netif_tx_disable(dev);
}

__rust_helper void rust_helper_netif_trans_update(struct net_device *dev)
{
	netif_trans_update(dev);
}

__rust_helper bool rust_helper_netdev_xmit_more(void)
{
	return netdev_xmit_more();
}

__rust_helper bool rust_helper___netdev_sent_queue(struct net_device *dev,
						   unsigned int bytes,
						   bool xmit_more)
{
	return __netdev_sent_queue(dev, bytes, xmit_more);
}

/* A bit field. */
__rust_helper void rust_helper_netdev_add_priv_flags(struct net_device *dev,
						     u32 flags)
{
	dev->priv_flags |= flags;
}

/*
 * netdev_completed_queue() that orders what was done before against what
 * follows, and that does not complete more than was sent, which is a bug to
 * the dynamic queue limits. Returns how much was.
 */
__rust_helper unsigned int
rust_helper_netdev_completed_queue_mb(struct net_device *dev,
				      unsigned int packets, unsigned int bytes)
{
#ifdef CONFIG_BQL
	struct dql *dql = &netdev_get_tx_queue(dev, 0)->dql;

	bytes = min(bytes, READ_ONCE(dql->num_queued) - dql->num_completed);
	netdev_completed_queue(dev, packets, bytes);
#endif
	if (!IS_ENABLED(CONFIG_BQL) || !bytes)
		smp_mb(); /* Pairs with that of Xmit::maybe_stop(). */
	return bytes;
}

/* netdev_reset_queue() that excludes ndo_start_xmit(). */
__rust_helper void rust_helper_netdev_reset_queue_locked(struct net_device *dev)
{
	struct netdev_queue *txq = netdev_get_tx_queue(dev, 0);

	__netif_tx_lock_bh(txq);
	netdev_reset_queue(dev);
	__netif_tx_unlock_bh(txq);
}

#ifdef CONFIG_RUST_NETDEV_KUNIT_TEST
__rust_helper void rust_helper_local_bh_disable(void)
{
	local_bh_disable();
}

__rust_helper void rust_helper_local_bh_enable(void)
{
	local_bh_enable();
}

__rust_helper int rust_helper_dev_queue_xmit(struct sk_buff *skb)
{
	return dev_queue_xmit(skb);
}

/* Lets so many bytes be in flight, until the queue is reset. */
__rust_helper void rust_helper_netdev_bql_set_limit(struct net_device *dev,
						    unsigned int limit)
{
#ifdef CONFIG_BQL
	struct dql *dql = &netdev_get_tx_queue(dev, 0)->dql;

	dql->min_limit = limit;
	dql->limit = limit;
	dql->adj_limit = limit + dql->num_completed;
#endif
}

__rust_helper unsigned int
rust_helper_netdev_bql_in_flight(const struct net_device *dev)
{
#ifdef CONFIG_BQL
	const struct dql *dql = &netdev_get_tx_queue(dev, 0)->dql;

	return dql->num_queued - dql->num_completed;
#else
	return 0;
#endif
}
#endif
#endif
