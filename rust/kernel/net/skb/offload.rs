// SPDX-License-Identifier: GPL-2.0

//! What a packet asks the card to do, and what the card has done to a packet.
//!
//! C header: [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h)

use super::SkBuff;
use crate::net::netdev::VlanProtocol;

/// Where a checksum begins and belongs that the card has to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartialChecksum {
    /// The first byte that it covers, from the beginning of the packet. It covers all that follow.
    pub start: usize,
    /// Where the result goes, from the first byte that it covers.
    pub offset: usize,
}

/// What the card has found out of the checksums of a packet that it has received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceivedChecksum {
    /// Nothing: the stack verifies them.
    None,
    /// They are right.
    Unnecessary,
    /// This is the sum of all that follows the Ethernet header.
    Complete(u32),
}

impl SkBuff {
    /// The protocol, as a number in the Ethernet header (`ETH_P_IP` is 0x0800). If there is a VLAN
    /// tag in the packet, it is that.
    #[inline]
    pub fn protocol(&self) -> u16 {
        // SAFETY: By the type invariant, the packet is valid.
        u16::from_be(unsafe { bindings::skb_field_protocol(self.as_raw()) })
    }

    /// The VLAN tag that the card has to insert, or that it has taken out: priority in the upper
    /// bits, number in the lower ones.
    #[inline]
    pub fn vlan_tag(&self) -> Option<u16> {
        // SAFETY: By the type invariant, the packet is valid.
        if !unsafe { bindings::skb_vlan_tag_present(self.as_raw()) } {
            return None;
        }
        // SAFETY: As above.
        Some(unsafe { bindings::skb_field_vlan_tci(self.as_raw()) })
    }

    /// The protocol of the [VLAN tag](Self::vlan_tag).
    pub fn vlan_protocol(&self) -> Option<VlanProtocol> {
        self.vlan_tag()?;
        // SAFETY: By the type invariant, the packet is valid.
        VlanProtocol::from_be(unsafe { bindings::skb_field_vlan_proto(self.as_raw()) }).ok()
    }

    /// Sets the VLAN tag that the card has taken out of the packet.
    ///
    /// # Safety
    ///
    /// Nobody else must have the packet.
    #[inline]
    pub(in crate::net) unsafe fn set_vlan_tag(&mut self, protocol: VlanProtocol, tci: u16) {
        // SAFETY: By the type invariant, the packet is valid. Nobody else has it, by the
        // requirement of this function.
        unsafe { bindings::__vlan_hwaccel_put_tag(self.as_raw(), protocol.as_be(), tci) };
    }

    /// Whether the packet has its frame check sequence, so that the card must not append one.
    #[inline]
    pub fn no_fcs(&self) -> bool {
        // SAFETY: By the type invariant, the packet is valid.
        unsafe { bindings::skb_field_no_fcs(self.as_raw()) }
    }

    /// The checksum that the card has to compute, if any.
    #[inline]
    pub fn partial_checksum(&self) -> Option<PartialChecksum> {
        // SAFETY: By the type invariant, the packet is valid.
        let summed = unsafe { bindings::skb_field_ip_summed(self.as_raw()) };

        if u32::from(summed) != bindings::CHECKSUM_PARTIAL {
            return None;
        }
        // SAFETY: As above.
        let start = unsafe { bindings::skb_field_csum_start(self.as_raw()) };
        // SAFETY: As above.
        let offset = unsafe { bindings::skb_field_csum_offset(self.as_raw()) };

        Some(PartialChecksum {
            start: usize::from(start).checked_sub(self.headroom())?,
            offset: usize::from(offset),
        })
    }

    /// Says what the card has found out of the checksums.
    ///
    /// # Safety
    ///
    /// Nobody else must have the packet.
    #[inline]
    pub(in crate::net) unsafe fn set_checksum(&mut self, checksum: ReceivedChecksum) {
        let summed = match checksum {
            ReceivedChecksum::None => bindings::CHECKSUM_NONE,
            ReceivedChecksum::Unnecessary => bindings::CHECKSUM_UNNECESSARY,
            ReceivedChecksum::Complete(sum) => {
                // SAFETY: By the type invariant, the packet is valid. Nobody else has it, by the
                // requirement of this function.
                unsafe { bindings::skb_field_set_csum(self.as_raw(), sum) };
                bindings::CHECKSUM_COMPLETE
            }
        };

        // CAST: It has two bits.
        //
        // SAFETY: As above.
        unsafe { bindings::skb_field_set_ip_summed(self.as_raw(), summed as u8) };
    }

    /// Where the network header begins, from the beginning of the packet.
    #[inline]
    pub fn network_offset(&self) -> Option<usize> {
        // SAFETY: By the type invariant, the packet is valid.
        let header = unsafe { bindings::skb_field_network_header(self.as_raw()) };

        usize::from(header).checked_sub(self.headroom())
    }

    /// Where the transport header begins, from the beginning of the packet.
    #[inline]
    pub fn transport_offset(&self) -> Option<usize> {
        // SAFETY: By the type invariant, the packet is valid.
        let header = unsafe { bindings::skb_field_transport_header(self.as_raw()) };

        // It was not set.
        if header == u16::MAX {
            return None;
        }
        usize::from(header).checked_sub(self.headroom())
    }

    /// The protocol above IP; for IPv6 that of the first header behind it.
    #[inline]
    pub fn ip_protocol(&self) -> Option<u8> {
        let header = self.head().get(self.network_offset()?..)?;

        match header.first()? >> 4 {
            4 => header.get(9).copied(),
            6 => header.get(6).copied(),
            _ => None,
        }
    }

    /// The size of the segments into which the card has to cut the packet; zero if it has not.
    #[inline]
    pub fn gso_size(&self) -> u16 {
        // SAFETY: By the type invariant, the packet is valid.
        unsafe { (*self.shinfo()).gso_size }
    }

    /// The number of those segments; zero if nobody has counted them.
    #[inline]
    pub fn gso_segs(&self) -> u16 {
        // SAFETY: By the type invariant, the packet is valid.
        unsafe { (*self.shinfo()).gso_segs }
    }

    /// Whether the card has to cut the packet into segments.
    #[inline]
    pub fn is_gso(&self) -> bool {
        self.gso_size() != 0
    }

    #[inline]
    pub(super) fn gso_type(&self) -> u32 {
        // SAFETY: By the type invariant, the packet is valid.
        unsafe { (*self.shinfo()).gso_type }
    }
}
