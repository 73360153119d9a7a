// SPDX-License-Identifier: GPL-2.0

#ifdef CONFIG_RUST_NETDEV_ABSTRACTIONS
#include <linux/dma-mapping.h>
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <net/ip6_checksum.h>

__rust_helper struct skb_shared_info *
rust_helper_skb_shinfo(const struct sk_buff *skb)
{
	return skb_shinfo(skb);
}

__rust_helper bool rust_helper_skb_shared(const struct sk_buff *skb)
{
	return skb_shared(skb);
}

__rust_helper int rust_helper_skb_cloned(const struct sk_buff *skb)
{
	return skb_cloned(skb);
}

__rust_helper int rust_helper_skb_cow_head(struct sk_buff *skb,
					   unsigned int headroom)
{
	return skb_cow_head(skb, headroom);
}

__rust_helper void rust_helper_skb_orphan(struct sk_buff *skb)
{
	skb_orphan(skb);
}

__rust_helper int rust_helper_skb_unclone(struct sk_buff *skb, gfp_t pri)
{
	return skb_unclone(skb, pri);
}

__rust_helper int rust_helper_skb_linearize(struct sk_buff *skb)
{
	return skb_linearize(skb);
}

__rust_helper int rust_helper_pskb_trim(struct sk_buff *skb, unsigned int len)
{
	return pskb_trim(skb, len);
}

__rust_helper void rust_helper_skb_reserve(struct sk_buff *skb, int len)
{
	skb_reserve(skb, len);
}

__rust_helper int rust_helper_skb_tailroom(const struct sk_buff *skb)
{
	return skb_tailroom(skb);
}

__rust_helper int rust_helper___skb_put_padto(struct sk_buff *skb,
					      unsigned int len,
					      bool free_on_error)
{
	return __skb_put_padto(skb, len, free_on_error);
}

__rust_helper void rust_helper_skb_add_rx_frag(struct sk_buff *skb, int i,
					       struct page *page, int off,
					       int size, unsigned int truesize)
{
	skb_add_rx_frag(skb, i, page, off, size, truesize);
}

__rust_helper unsigned int rust_helper_skb_frag_size(const skb_frag_t *frag)
{
	return skb_frag_size(frag);
}

__rust_helper unsigned int rust_helper_skb_frag_off(const skb_frag_t *frag)
{
	return skb_frag_off(frag);
}

__rust_helper void rust_helper___vlan_hwaccel_put_tag(struct sk_buff *skb,
						      __be16 vlan_proto,
						      u16 vlan_tci)
{
	__vlan_hwaccel_put_tag(skb, vlan_proto, vlan_tci);
}

__rust_helper bool rust_helper_skb_vlan_tag_present(const struct sk_buff *skb)
{
	return skb_vlan_tag_present(skb);
}

__rust_helper void rust_helper_skb_tx_timestamp_of(struct sk_buff *skb,
						   struct net_device *dev)
{
	/* The one that it was made for may be gone. */
	skb->dev = dev;
	skb_tx_timestamp(skb);
}

__rust_helper void *rust_helper_netdev_alloc_frag(unsigned int fragsz)
{
	return netdev_alloc_frag(fragsz);
}

__rust_helper void rust_helper_skb_free_frag(void *addr)
{
	skb_free_frag(addr);
}

/* Bit fields, and fields of which bindgen makes no names that last. */

__rust_helper u8 rust_helper_skb_field_ip_summed(const struct sk_buff *skb)
{
	return skb->ip_summed;
}

__rust_helper void rust_helper_skb_field_set_ip_summed(struct sk_buff *skb, u8 summed)
{
	skb->ip_summed = summed;
}

__rust_helper void rust_helper_skb_field_set_csum(struct sk_buff *skb, u32 csum)
{
	skb->csum = (__force __wsum)csum;
}

__rust_helper u16 rust_helper_skb_field_csum_start(const struct sk_buff *skb)
{
	return skb->csum_start;
}

__rust_helper u16 rust_helper_skb_field_csum_offset(const struct sk_buff *skb)
{
	return skb->csum_offset;
}

__rust_helper bool rust_helper_skb_field_no_fcs(const struct sk_buff *skb)
{
	return skb->no_fcs;
}

__rust_helper __be16 rust_helper_skb_field_protocol(const struct sk_buff *skb)
{
	return skb->protocol;
}

__rust_helper void rust_helper_skb_field_set_protocol(struct sk_buff *skb,
						      __be16 protocol)
{
	skb->protocol = protocol;
}

__rust_helper u16 rust_helper_skb_field_vlan_tci(const struct sk_buff *skb)
{
	return skb->vlan_tci;
}

__rust_helper __be16 rust_helper_skb_field_vlan_proto(const struct sk_buff *skb)
{
	return skb->vlan_proto;
}

__rust_helper u16 rust_helper_skb_field_network_header(const struct sk_buff *skb)
{
	return skb->network_header;
}

__rust_helper u16 rust_helper_skb_field_transport_header(const struct sk_buff *skb)
{
	return skb->transport_header;
}

#ifdef CONFIG_RUST_NETDEV_KUNIT_TEST
__rust_helper void rust_helper_skb_field_reset_headers(struct sk_buff *skb)
{
	skb_reset_mac_header(skb);
	skb_set_network_header(skb, ETH_HLEN);
}

__rust_helper void rust_helper_skb_field_set_transport(struct sk_buff *skb,
						       u16 network,
						       u16 transport)
{
	skb_set_network_header(skb, network);
	skb_set_transport_header(skb, transport);
}

__rust_helper void rust_helper_skb_field_set_partial(struct sk_buff *skb,
						     u16 start, u16 offset)
{
	skb->ip_summed = CHECKSUM_PARTIAL;
	skb->csum_start = skb_headroom(skb) + start;
	skb->csum_offset = offset;
}

__rust_helper struct sk_buff *rust_helper_skb_get_for_tests(struct sk_buff *skb)
{
	return skb_get(skb);
}

__rust_helper void
rust_helper_skb_set_destructor_for_tests(struct sk_buff *skb,
					 void (*destructor)(struct sk_buff *))
{
	skb->destructor = destructor;
}

/* What tcp_v6_gso_csum_prep() makes of a header. */
__rust_helper u16 rust_helper_tcp_v6_pseudo_for_tests(const u8 *header)
{
	const struct ipv6hdr *ip = (const struct ipv6hdr *)header;

	return (__force u16)~tcp_v6_check(0, &ip->saddr, &ip->daddr, 0);
}
#endif

__rust_helper int rust_helper_skb_dma_map_head(struct device *dev,
					       struct sk_buff *skb,
					       dma_addr_t *addr)
{
	/*
	 * Heads are in the linear mapping: only those of netlink may be
	 * elsewhere, and it copies these before a device gets them.
	 */
	*addr = rust_helper_dma_map_linear(dev, skb->data, skb_headlen(skb),
					   DMA_TO_DEVICE);
	return dma_mapping_error(dev, *addr);
}

__rust_helper int rust_helper_skb_dma_map_frag(struct device *dev,
					       const skb_frag_t *frag,
					       dma_addr_t *addr)
{
	*addr = skb_frag_dma_map(dev, frag);
	return dma_mapping_error(dev, *addr);
}

/* What was mapped as linear memory may be unmapped as a page. */
__rust_helper void rust_helper_skb_dma_unmap(struct device *dev,
					     dma_addr_t addr, size_t len)
{
	dma_unmap_page(dev, addr, len, DMA_TO_DEVICE);
}
#endif
