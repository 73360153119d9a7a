// SPDX-License-Identifier: GPL-2.0

//! Received packets that are made of pages.
//!
//! C header: [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h)

use crate::{
    net::netdev::VlanProtocol,
    net::skb::{
        ReceivedChecksum,
        SkBuff,
        MAX_SKB_FRAGS, //
    },
    page::{
        Page,
        PAGE_SIZE, //
    },
    prelude::*, //
};
use core::ptr::NonNull;

/// A packet whose data is in pages, as cards fill them with packets that do not fit into one.
///
/// It is passed on with [`Poll::receive_pages`](super::Poll::receive_pages). One that is dropped
/// is freed, with its pages. A short one may be copied into the linear part of the packet, which is
/// empty otherwise, when it is [trimmed](Self::trim).
///
/// # Invariants
///
/// Nobody else has the packet.
pub struct PageSkb(SkBuff);

impl PageSkb {
    /// # Safety
    ///
    /// As for [`SkBuff::from_raw`], and the packet must have no data, and nobody else have it.
    pub(super) unsafe fn from_raw(skb: NonNull<bindings::sk_buff>) -> Self {
        // INVARIANT: By the requirement of this function.
        //
        // SAFETY: As above.
        Self(unsafe { SkBuff::from_raw(skb) })
    }

    pub(super) fn into_skb(self) -> SkBuff {
        self.0
    }

    /// Sets the device that has received a packet.
    ///
    /// # Safety
    ///
    /// `skb` must belong to the caller, and `dev` stay as long as that has the packet.
    pub(super) unsafe fn set_dev(skb: *mut bindings::sk_buff, dev: *mut bindings::net_device) {
        // SAFETY: By the requirement of this function.
        let fields = unsafe { &mut (*skb).__bindgen_anon_1.__bindgen_anon_1 };

        fields.__bindgen_anon_1.dev = dev;
    }

    /// Adds a page, of which `length` bytes from `offset` on belong to the packet.
    ///
    /// # Errors
    ///
    /// The page comes back if these are not all in the page, or if the packet has as many pages as
    /// it can have.
    pub fn add_page(&mut self, page: Page, offset: usize, length: usize) -> Result<(), Page> {
        let end = offset.checked_add(length);
        let nr_frags = self.0.nr_frags();

        if end.is_none_or(|end| end > PAGE_SIZE) || nr_frags >= MAX_SKB_FRAGS {
            return Err(page);
        }
        let page = core::mem::ManuallyDrop::new(page);

        // CAST: None is larger than a page, or than the number of fragments.
        //
        // SAFETY: The packet has a place for the fragment, and is owned. The page is owned, and
        // passes to the packet.
        unsafe {
            bindings::skb_add_rx_frag(
                self.0.as_raw(),
                nr_frags as c_int,
                page.as_ptr(),
                offset as c_int,
                length as c_int,
                PAGE_SIZE as c_uint,
            )
        };
        Ok(())
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of pages.
    pub fn nr_pages(&self) -> usize {
        self.0.nr_frags()
    }

    /// Takes bytes from the end, until there are `length`. See [`SkBuff::trim`].
    ///
    /// # Errors
    ///
    /// See [`SkBuff::trim`].
    pub fn trim(&mut self, length: usize) -> Result {
        self.0.trim(length)
    }

    /// Says what the card has found out of the checksums.
    pub fn set_checksum(&mut self, checksum: ReceivedChecksum) {
        // SAFETY: By the type invariant, nobody else has it.
        unsafe { self.0.set_checksum(checksum) };
    }

    /// Sets the VLAN tag that the card has taken out of the packet.
    pub fn set_vlan_tag(&mut self, protocol: VlanProtocol, tci: u16) {
        // SAFETY: By the type invariant, nobody else has it.
        unsafe { self.0.set_vlan_tag(protocol, tci) };
    }
}
