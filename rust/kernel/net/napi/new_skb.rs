// SPDX-License-Identifier: GPL-2.0

//! Received packets that were just made.

use crate::{
    net::netdev::VlanProtocol,
    net::skb::{
        ReceivedChecksum,
        SkBuff, //
    }, //
};
use core::ops::Deref;

/// A packet that was just made of what a card has received.
///
/// It is passed on with [`Poll::receive_new`](super::Poll::receive_new), which need not look at
/// what is known of it.
///
/// # Invariants
///
/// Nobody else has the packet or its data, and all of its bytes are in the linear part.
pub struct NewSkb(SkBuff);

impl NewSkb {
    /// # Safety
    ///
    /// The invariants of [`NewSkb`] must hold for `skb`.
    #[inline]
    pub(in crate::net) unsafe fn new(skb: SkBuff) -> Self {
        // INVARIANT: By the requirement of this function.
        Self(skb)
    }

    /// Says what the card has found out of the checksums.
    #[inline]
    pub fn set_checksum(&mut self, checksum: ReceivedChecksum) {
        // SAFETY: By the type invariant, nobody else has it.
        unsafe { self.0.set_checksum(checksum) };
    }

    /// Sets the VLAN tag that the card has taken out of the packet.
    #[inline]
    pub fn set_vlan_tag(&mut self, protocol: VlanProtocol, tci: u16) {
        // SAFETY: By the type invariant, nobody else has it.
        unsafe { self.0.set_vlan_tag(protocol, tci) };
    }
}

impl Deref for NewSkb {
    type Target = SkBuff;

    #[inline]
    fn deref(&self) -> &SkBuff {
        &self.0
    }
}

impl From<NewSkb> for SkBuff {
    #[inline]
    fn from(skb: NewSkb) -> Self {
        skb.0
    }
}
