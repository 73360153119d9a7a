// SPDX-License-Identifier: GPL-2.0

//! The receive ring: buffers that the card fills, and their descriptors.

use kernel::{
    device::{
        self,
        Bound, //
    },
    dma::streaming::{
        FromDevice,
        Mapping,
        Memory, //
    },
    net::{
        napi::PageSkb,
        skb::Fragment, //
    },
    page::{
        Page,
        PAGE_SIZE, //
    },
    prelude::*, //
};

use super::{
    desc,
    mac::{
        is_within_64k,
        Mac, //
    },
    regs::{
        self,
        Registers, //
    },
    ring::Size,
    ring_dma::Descriptors,
    rxparse::{
        self,
        Chain, //
    }, //
};

/// A buffer that packets fit into.
pub(crate) type Small<'bound> = Mapping<'bound, Fragment, FromDevice>;
/// A buffer that packets take several of.
pub(crate) type Large<'bound> = Mapping<'bound, Page, FromDevice>;

/// The smallest buffer that the card can be told of.
const SMALLEST: u16 = 2048;

/// The buffers of a ring, each at the place of its descriptor.
pub(crate) enum Buffers<'bound> {
    Small(KVVec<Option<Small<'bound>>>),
    Large(KVVec<Option<Large<'bound>>>),
}

/// A receive ring.
pub(crate) struct RxRing<'bound> {
    dev: &'bound device::Device<Bound>,
    mac: Mac,
    descriptors: Descriptors,
    pub(crate) buffers: Buffers<'bound>,
    /// The size of the buffers that good frames need.
    frame_buffer_size: u16,
    /// The size that they have.
    pub(crate) buffer_size: u16,
    next_to_use: u16,
    /// The descriptors from `next_to_use` up to this one, without it, have buffers and are written.
    /// The card gets them with the next refill.
    prepared: u16,
    pub(crate) next_to_clean: u16,
    pub(crate) chain: Chain,
    /// What has been received of a packet that takes several buffers.
    pub(crate) top: Option<PageSkb>,
}

/// As many places as there are descriptors.
fn places<T>(size: Size) -> Result<KVVec<Option<T>>> {
    let mut places = KVVec::with_capacity(size.count().into(), GFP_KERNEL)?;

    for _ in 0..size.count() {
        places.push(None, GFP_KERNEL)?;
    }
    Ok(places)
}

impl<'bound> RxRing<'bound> {
    /// Makes a ring without buffers, for frames of up to `max_frame` bytes, with their check
    /// sequence.
    ///
    /// # Errors
    ///
    /// - [`ENOMEM`].
    pub(crate) fn new(
        dev: &'bound device::Device<Bound>,
        mac: Mac,
        size: Size,
        max_frame: u32,
    ) -> Result<KBox<Self>> {
        // Pages that are larger than any frame have room for it.
        let page = u16::try_from(PAGE_SIZE.min(16384))?;
        let needed = rxparse::buffer_size(max_frame, page);
        let (buffers, buffer_size) = if max_frame > rxparse::MAX_FRAME {
            // A page is there in any case.
            (Buffers::Large(places(size)?), needed.max(SMALLEST))
        } else {
            (Buffers::Small(places(size)?), needed)
        };

        Ok(KBox::new(
            Self {
                dev,
                mac,
                descriptors: Descriptors::new(dev, mac, size)?,
                buffers,
                frame_buffer_size: buffer_size,
                buffer_size,
                next_to_use: 0,
                prepared: 0,
                next_to_clean: 0,
                chain: Chain::default(),
                top: None,
            },
            GFP_KERNEL,
        )?)
    }

    /// Tells the card where the ring is, which has no buffers. `all`: bad frames are received too.
    pub(crate) fn program<R: Registers>(&mut self, registers: &R, all: bool) {
        let address = self.descriptors.dma_address();

        // Frames that are too long are bad ones, and are written up to the end of a buffer of the
        // smallest size that the card can be told of.
        self.buffer_size = if all {
            self.frame_buffer_size.max(SMALLEST)
        } else {
            self.frame_buffer_size
        };
        registers.write(regs::RDLEN, self.descriptors.register_bytes());
        // CAST: The halves are meant.
        registers.write(regs::RDBAH, (address >> 32) as u32);
        registers.write(regs::RDBAL, address as u32);
        registers.write(regs::RDT, 0);
        registers.write(regs::RDH, 0);
    }

    /// Takes the buffers back. The card does not use the ring, which is as new afterwards.
    pub(crate) fn empty<R: Registers>(&mut self, registers: &R) {
        for index in 0..self.size().count() {
            self.clear(index.into());
        }
        self.top = None;
        self.chain = Chain::default();
        self.next_to_use = 0;
        self.prepared = 0;
        self.next_to_clean = 0;
        registers.write(regs::RDH, 0);
        registers.write(regs::RDT, 0);
    }

    /// How many descriptors there are.
    #[inline]
    pub(crate) fn size(&self) -> Size {
        self.descriptors.size()
    }

    fn clear(&mut self, index: usize) {
        match &mut self.buffers {
            Buffers::Small(places) => {
                places.get_mut(index).map(Option::take);
            }
            Buffers::Large(places) => {
                places.get_mut(index).map(Option::take);
            }
        }
    }

    /// Prepares the descriptor that is next to be cleaned, whose buffer, at `address`, stays. If
    /// others before it are not prepared, this is left to the next refill.
    #[inline]
    pub(crate) fn keep_buffer(&mut self, address: u64) {
        let index = self.next_to_clean;

        if self.prepared == index && self.descriptors.write(index, desc::rx(address)).is_ok() {
            self.prepared = self.size().next(index);
        }
    }

    /// Gives buffers to the card, as many as it can have. Returns how many could not be had.
    #[inline]
    pub(crate) fn refill<R: Registers>(&mut self, registers: &R) -> u32 {
        let size = self.size();
        let clean = self.next_to_clean;
        // All are, or none, and then the card has none either.
        let failed = if self.prepared != clean || self.next_to_use == clean {
            self.prepare()
        } else {
            false
        };
        // One always stays unused.
        let next = if self.prepared == clean && !failed {
            size.previous(clean)
        } else {
            self.prepared
        };

        if next != self.next_to_use {
            self.next_to_use = next;
            // The card has those up to this one, without it. What has been written before is seen
            // before this.
            registers.write_known::<{ regs::RDT }>(size.previous(next).into());
        }
        // Those that the card has will do until the next time.
        failed.into()
    }

    /// Gets buffers for all descriptors that the card is done with and that have none, and writes
    /// the descriptors that are not written. Returns whether one could not be had.
    fn prepare(&mut self) -> bool {
        let size = self.size();
        let source = Source {
            dev: self.dev,
            mac: self.mac,
            bytes: self.buffer_size,
        };
        let filler = Filler {
            descriptors: &self.descriptors,
            index: self.prepared,
            count: match size.used(self.prepared, self.next_to_clean) {
                0 => size.count(),
                count => count,
            },
        };
        let (prepared, failed) = match &mut self.buffers {
            Buffers::Small(places) => filler.fill(places, || source.small()),
            Buffers::Large(places) => filler.fill(places, || source.large()),
        };

        self.prepared = prepared;
        failed
    }

    /// The second half of the next descriptor, as a number, if the card was given one. It need not
    /// be done with that.
    #[inline]
    pub(crate) fn next_half(&self) -> Option<u64> {
        let index = self.next_to_clean;

        if index == self.next_to_use {
            return None;
        }
        self.descriptors.read_received(index).ok()
    }
}

/// Where buffers come from.
struct Source<'bound> {
    dev: &'bound device::Device<Bound>,
    mac: Mac,
    /// The size of a buffer.
    bytes: u16,
}

impl<'bound> Source<'bound> {
    /// Gets a buffer that packets fit into.
    #[inline]
    fn small(&self) -> Result<Small<'bound>> {
        self.map(Fragment::new(self.bytes.into())?)
    }

    /// Gets a buffer that packets take several of.
    fn large(&self) -> Result<Large<'bound>> {
        self.map(Page::alloc_page(GFP_ATOMIC | __GFP_NOWARN)?)
    }

    #[inline]
    fn map<M: Memory>(&self, memory: M) -> Result<Mapping<'bound, M, FromDevice>> {
        let buffer = Mapping::new(self.dev, memory, FromDevice)?;

        if self.mac.has_64k_erratum() && !is_within_64k(buffer.dma_address(), self.bytes.into()) {
            return Err(ENOMEM);
        }
        Ok(buffer)
    }
}

/// Who writes the descriptors of buffers.
struct Filler<'a> {
    descriptors: &'a Descriptors,
    /// The first one.
    index: u16,
    /// How many there are.
    count: u16,
}

impl Filler<'_> {
    /// Writes them, and gets buffers for those that have none. Returns the one after the last one,
    /// and whether a buffer could not be had.
    #[inline]
    fn fill<'bound, M: Memory>(
        self,
        places: &mut [Option<Mapping<'bound, M, FromDevice>>],
        mut get: impl FnMut() -> Result<Mapping<'bound, M, FromDevice>>,
    ) -> (u16, bool) {
        let size = self.descriptors.size();
        let mut index = self.index;

        for _ in 0..self.count {
            let Some(place) = places.get_mut(usize::from(index)) else {
                return (index, true);
            };
            let address = match place {
                Some(buffer) => buffer.dma_address(),
                None => match get() {
                    Ok(buffer) => place.insert(buffer).dma_address(),
                    Err(_) => return (index, true),
                },
            };

            if self.descriptors.write(index, desc::rx(address)).is_err() {
                return (index, true);
            }
            index = size.next(index);
        }
        (index, false)
    }
}
