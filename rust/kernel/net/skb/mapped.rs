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
use core::mem::ManuallyDrop;

/// How many parts a packet can have: the linear one, and fragments.
const MAX_PARTS: usize = MAX_SKB_FRAGS + 1;

/// How many parts take no further memory. Packets that were not merged hardly have more.
const INLINE: usize = 3;

/// A part of a packet, as a card sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where it is.
    pub address: DmaAddress,
    /// The number of bytes.
    pub length: usize,
}

/// Why a packet could not be mapped, and the packet.
pub struct MapError {
    /// - [`ENOMEM`] if there is no memory, or if the card cannot reach the packet.
    pub error: Error,
    /// The packet.
    pub skb: SkBuff,
}

impl From<MapError> for Error {
    fn from(error: MapError) -> Self {
        error.error
    }
}

/// Where the parts of a packet are mapped, by their number.
struct Addresses {
    first: [DmaAddress; INLINE],
    more: KVec<DmaAddress>,
}

impl Addresses {
    /// Makes room for as many as there are parts.
    fn new(count: usize) -> Result<Self> {
        Ok(Self {
            first: [0; INLINE],
            more: KVec::with_capacity(count.saturating_sub(INLINE), GFP_ATOMIC | __GFP_NOWARN)?,
        })
    }

    /// Sets the next one, which is that of this number.
    #[inline]
    fn set(&mut self, number: usize, address: DmaAddress) -> Result {
        match self.first.get_mut(number) {
            Some(slot) => *slot = address,
            None => self.more.push(address, GFP_ATOMIC)?,
        }
        Ok(())
    }

    #[inline]
    fn at(&self, number: usize) -> Option<DmaAddress> {
        match self.first.get(number) {
            Some(address) => Some(*address),
            None => self.more.get(number.checked_sub(INLINE)?).copied(),
        }
    }
}

/// A packet that is mapped for a card to read: the packet stays, and does not change, until the
/// card cannot reach it any more.
///
/// Each part is mapped once, and can be described to the card in as many pieces as it needs. When
/// this is dropped, the packet is unmapped, and then freed.
///
/// # Invariants
///
/// The first `mapped` parts of `skb` are mapped for `dev`, except for those without data, and
/// `addresses` has where.
pub struct MappedSkb<'a> {
    skb: ManuallyDrop<SkBuff>,
    dev: &'a device::Device<Bound>,
    addresses: Addresses,
    mapped: usize,
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
        let count = self.nr_frags() + 1;
        let addresses = match Addresses::new(count) {
            Ok(addresses) => addresses,
            Err(error) => return Err(MapError { error, skb: self }),
        };
        // INVARIANT: Nothing is mapped.
        let mut mapped = MappedSkb {
            skb: ManuallyDrop::new(self),
            dev,
            addresses,
            mapped: 0,
        };

        match mapped.map_parts(count) {
            Ok(()) => Ok(mapped),
            Err(error) => Err(MapError {
                error,
                skb: mapped.unmap(),
            }),
        }
    }
}

impl MappedSkb<'_> {
    #[inline]
    fn map_parts(&mut self, count: usize) -> Result {
        for number in 0..count {
            let address = self.map_part(number)?;

            if let Err(error) = self.addresses.set(number, address) {
                self.unmap_part(number, address);
                return Err(error);
            }
            // INVARIANT: It was mapped above.
            self.mapped = number + 1;
        }
        Ok(())
    }

    /// Maps a part, unless it has no data.
    #[inline]
    fn map_part(&self, number: usize) -> Result<DmaAddress> {
        let mut address = 0;
        let result = match number.checked_sub(1) {
            None if self.skb.headlen() == 0 => 0,
            // SAFETY: The device is bound. The packet stays and does not change until it is
            // unmapped, or for ever.
            None => unsafe {
                bindings::skb_dma_map_head(self.dev.as_raw(), self.skb.as_raw(), &mut address)
            },
            Some(number) => match self.skb.frags().nth(number) {
                Some(frag) if !frag.is_empty() => {
                    // SAFETY: As above.
                    unsafe {
                        bindings::skb_dma_map_frag(self.dev.as_raw(), frag.as_raw(), &mut address)
                    }
                }
                _ => 0,
            },
        };

        if result != 0 {
            return Err(ENOMEM);
        }
        Ok(address)
    }

    #[inline]
    fn unmap_part(&self, number: usize, address: DmaAddress) {
        let length = self.skb.part_length(number).unwrap_or(0);

        if length == 0 {
            return;
        }
        // SAFETY: The part was mapped for the device with this length, and is not used any more.
        unsafe { bindings::skb_dma_unmap(self.dev.as_raw(), address, length) };
    }

    #[inline]
    fn unmap_parts(&mut self) {
        // INVARIANT: They are unmapped below.
        let mapped = core::mem::take(&mut self.mapped);

        for number in 0..mapped.min(MAX_PARTS) {
            if let Some(address) = self.addresses.at(number) {
                self.unmap_part(number, address);
            }
        }
    }

    /// The packet.
    #[inline]
    pub fn skb(&self) -> &SkBuff {
        &self.skb
    }

    /// The parts that have data, in their order.
    #[inline]
    pub fn parts(&self) -> Parts<'_> {
        Parts {
            skb: &self.skb,
            addresses: &self.addresses,
            next: 0,
        }
    }

    /// Unmaps the packet, which the card must not read any more.
    #[inline]
    pub fn unmap(self) -> SkBuff {
        let mut this = ManuallyDrop::new(self);

        this.unmap_parts();
        // SAFETY: It is not used after this.
        let skb = unsafe { ManuallyDrop::take(&mut this.skb) };
        let addresses = &raw mut this.addresses;

        // SAFETY: It is not used after this.
        unsafe { addresses.drop_in_place() };
        skb
    }
}

impl Drop for MappedSkb<'_> {
    fn drop(&mut self) {
        self.unmap_parts();
        // SAFETY: It is not used after this.
        unsafe { ManuallyDrop::drop(&mut self.skb) };
    }
}

/// The parts of a mapped packet.
pub struct Parts<'a> {
    skb: &'a SkBuff,
    addresses: &'a Addresses,
    next: usize,
}

impl Iterator for Parts<'_> {
    type Item = Part;

    #[inline]
    fn next(&mut self) -> Option<Part> {
        loop {
            let length = self.skb.part_length(self.next)?;
            let address = self.addresses.at(self.next)?;

            self.next += 1;
            if length != 0 {
                return Some(Part { address, length });
            }
        }
    }
}
