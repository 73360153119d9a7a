// SPDX-License-Identifier: GPL-2.0

//! Packets that a card may read.
//!
//! C headers:
//! [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h),
//! [`include/linux/dma-mapping.h`](srctree/include/linux/dma-mapping.h)

use super::{
    SkBuff,
    MAX_SKB_FRAGS, //
};
use crate::{
    device::{
        self,
        Bound, //
    },
    dma::DmaAddress,
    prelude::*, //
};
use core::mem::{
    ManuallyDrop,
    MaybeUninit, //
};

/// The most parts that there are: the linear one and the fragments.
const MAX_PARTS: usize = MAX_SKB_FRAGS + 1;

/// A part of a packet, as a card sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where it is.
    pub address: DmaAddress,
    /// The number of bytes.
    pub length: u32,
}

/// Why a packet could not be mapped, and the packet.
pub struct MapError {
    /// - [`ENOMEM`] if the card cannot reach the packet.
    pub error: Error,
    /// The packet.
    pub skb: SkBuff,
}

impl From<MapError> for Error {
    fn from(error: MapError) -> Self {
        error.error
    }
}

/// A packet that is mapped for a card to read: the packet stays, and does not change, until the
/// card cannot reach it any more.
///
/// Each part is mapped once, and can be described to the card in as many pieces as it needs. When
/// this is dropped, the packet is unmapped, and then freed.
///
/// A ring that has a place for this need not move it: the packet comes into the place with nothing
/// mapped, is mapped there [head](Self::map_head) first and then [fragment](Self::map_frag) by
/// fragment, and is [taken out](Self::take_from) of it again.
///
/// # Invariants
///
/// - The first `mapped` parts of `skb` are mapped for `dev`, except for those without data.
/// - The first `mapped` of `addresses` are initialized, and have where these parts are; so `mapped`
///   is at most `MAX_PARTS`.
pub struct MappedSkb<'a> {
    skb: ManuallyDrop<SkBuff>,
    dev: &'a device::Device<Bound>,
    mapped: usize,
    addresses: [MaybeUninit<DmaAddress>; MAX_PARTS],
}

impl SkBuff {
    /// The length of a part: of the linear one, which has number 0, or of a fragment.
    #[inline]
    fn part_length(&self, number: usize) -> Option<usize> {
        match number.checked_sub(1) {
            None => Some(self.headlen()),
            Some(number) => self.frags().nth(number).map(|frag| frag.len()),
        }
    }

    /// Maps the packet, so that the card `dev` can read it.
    ///
    /// # Context
    ///
    /// Any.
    ///
    /// # Errors
    ///
    /// The packet comes back, with the reason: see [`MapError`].
    #[inline]
    pub fn map(self, dev: &device::Device<Bound>) -> Result<MappedSkb<'_>, MapError> {
        let mut mapped = MappedSkb::new(self, dev);
        let mut result = mapped.map_head();

        while result.is_ok() {
            match mapped.map_frag() {
                Some(part) => result = part,
                None => return Ok(mapped),
            }
        }
        Err(MapError {
            error: result.err().unwrap_or(ENOMEM),
            skb: mapped.unmap(),
        })
    }
}

impl<'a> MappedSkb<'a> {
    /// Takes a packet to be mapped for the card `dev`, part by part. Nothing of it is mapped yet.
    #[inline]
    pub fn new(skb: SkBuff, dev: &'a device::Device<Bound>) -> Self {
        // INVARIANT: Nothing is mapped.
        Self {
            skb: ManuallyDrop::new(skb),
            dev,
            mapped: 0,
            addresses: [const { MaybeUninit::uninit() }; MAX_PARTS],
        }
    }

    /// Maps the linear part, and returns where it is. It may have no data.
    ///
    /// # Context
    ///
    /// Any.
    ///
    /// # Errors
    ///
    /// - [`ENOMEM`] if the card cannot reach it.
    /// - [`EBUSY`] if it is mapped.
    #[inline]
    pub fn map_head(&mut self) -> Result<Part> {
        if self.mapped != 0 {
            return Err(EBUSY);
        }

        // CAST: A packet has no more bytes.
        let length = self.skb.headlen() as u32;
        let mut address = 0;
        let result = match length {
            0 => 0,
            // SAFETY: The device is bound. The packet stays and does not change until it is
            // unmapped, or for ever.
            _ => unsafe {
                bindings::skb_dma_map_head(self.dev.as_raw(), self.skb.as_raw(), &mut address)
            },
        };

        if result != 0 {
            return Err(ENOMEM);
        }
        self.keep(address, length)
    }

    /// Maps the next fragment that has data, and returns where it is; none if all are mapped.
    ///
    /// # Context
    ///
    /// Any.
    ///
    /// # Errors
    ///
    /// - [`ENOMEM`] if the card cannot reach it.
    /// - [`EINVAL`] if the linear part is not mapped, which comes first.
    #[inline]
    pub fn map_frag(&mut self) -> Option<Result<Part>> {
        loop {
            // Most packets have none.
            if self.is_mapped() {
                return None;
            }

            let Some(index) = self.mapped.checked_sub(1) else {
                return Some(Err(EINVAL));
            };
            let frag = self.skb.frags().nth(index)?;
            // CAST: A packet has no more bytes.
            let length = frag.len() as u32;
            let mut address = 0;
            let result = match length {
                0 => 0,
                // SAFETY: As in `map_head`.
                _ => unsafe {
                    bindings::skb_dma_map_frag(self.dev.as_raw(), frag.as_raw(), &mut address)
                },
            };

            if result != 0 {
                return Some(Err(ENOMEM));
            }
            let kept = self.keep(address, length);

            if length != 0 || kept.is_err() {
                return Some(kept);
            }
        }
    }

    /// Keeps in mind where the next part is, which was mapped if it has data.
    #[inline]
    fn keep(&mut self, address: DmaAddress, length: u32) -> Result<Part> {
        let Some(place) = self.addresses.get_mut(self.mapped) else {
            // CAST: 32 bits fit.
            self.unmap_part(address, length as usize);
            return Err(EINVAL);
        };

        place.write(address);
        // INVARIANT: The caller has mapped it, and its address was written above.
        self.mapped = self.mapped.wrapping_add(1);
        Ok(Part { address, length })
    }

    /// Whether all parts are mapped.
    #[inline]
    pub fn is_mapped(&self) -> bool {
        self.mapped > self.skb.nr_frags()
    }

    /// Where the parts are that are mapped.
    #[inline]
    fn addresses(&self) -> &[DmaAddress] {
        let addresses = self.addresses.as_ptr().cast();

        // SAFETY: By the type invariant, so many are initialized.
        unsafe { core::slice::from_raw_parts(addresses, self.mapped) }
    }

    #[inline]
    fn unmap_part(&self, address: DmaAddress, length: usize) {
        if length == 0 {
            return;
        }
        // SAFETY: The part was mapped for the device with this length, and is not used any more.
        unsafe { bindings::skb_dma_unmap(self.dev.as_raw(), address, length) };
    }

    #[inline(always)]
    fn unmap_parts(&mut self) {
        if let Some((head, rest)) = self.addresses().split_first() {
            self.unmap_part(*head, self.skb.headlen());
            for (address, frag) in rest.iter().zip(self.skb.frags()) {
                self.unmap_part(*address, frag.len());
            }
        }
        // INVARIANT: They were unmapped above.
        self.mapped = 0;
    }

    /// The packet.
    #[inline]
    pub fn skb(&self) -> &SkBuff {
        &self.skb
    }

    /// The parts that have data and are mapped, in their order.
    #[inline]
    pub fn parts(&self) -> Parts<'_> {
        Parts {
            mapped: self,
            next: 0,
        }
    }

    /// Unmaps the packet, which the card must not read any more.
    #[inline]
    pub fn unmap(self) -> SkBuff {
        let mut this = ManuallyDrop::new(self);

        // SAFETY: It is not used after this.
        unsafe { this.take_apart() }
    }

    /// Unmaps the packet in a place, which the card must not read any more, and empties the place.
    /// Returns none if there is no packet.
    ///
    /// This is what `place.take().map(MappedSkb::unmap)` does, without moving anything but the
    /// packet.
    // Once for each packet that is sent.
    #[inline(always)]
    pub fn take_from(place: &mut Option<Self>) -> Option<SkBuff> {
        let this = place.as_mut()?;
        // SAFETY: It is overwritten below, without being dropped.
        let skb = unsafe { this.take_apart() };
        let place = &raw mut *place;

        // SAFETY: It is a reference, and there is nothing left in it that had to be dropped.
        unsafe { place.write(None) };
        Some(skb)
    }

    /// Unmaps the packet.
    ///
    /// # Safety
    ///
    /// `self` must not be used after this, nor dropped.
    #[inline(always)]
    unsafe fn take_apart(&mut self) -> SkBuff {
        self.unmap_parts();
        // SAFETY: By the requirement of this function, it is not used after this.
        unsafe { ManuallyDrop::take(&mut self.skb) }
    }
}

impl Drop for MappedSkb<'_> {
    // What was sent is taken apart.
    #[cold]
    #[inline(never)]
    fn drop(&mut self) {
        self.unmap_parts();
        // SAFETY: It is not used after this.
        unsafe { ManuallyDrop::drop(&mut self.skb) };
    }
}

/// The parts of a mapped packet.
pub struct Parts<'a> {
    mapped: &'a MappedSkb<'a>,
    next: usize,
}

impl Iterator for Parts<'_> {
    type Item = Part;

    #[inline]
    fn next(&mut self) -> Option<Part> {
        while let Some(address) = self.mapped.addresses().get(self.next) {
            let length = self.mapped.skb.part_length(self.next)?;

            self.next += 1;
            if length != 0 {
                return Some(Part {
                    address: *address,
                    // CAST: A packet has no more bytes.
                    length: length as u32,
                });
            }
        }
        None
    }
}
