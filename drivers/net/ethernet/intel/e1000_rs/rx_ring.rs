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
        napi::{
            PageSkb,
            Poll, //
        },
        netdev::Features,
        skb::{
            Fragment,
            FragmentSize, //
        }, //
    },
    page::{
        Page,
        PAGE_SIZE, //
    },
    prelude::*, //
};

use super::{
    desc::{
        self,
        RxDone, //
    },
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
        Chain,
        Usual, //
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

/// What is wanted of packets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Those of up to this size are copied, and their buffer is used again.
    pub(crate) copybreak: u32,
    /// Those of [`Self::FEATURES`] that are on.
    pub(crate) features: Features,
}

impl Settings {
    /// The features that matter.
    pub(crate) const FEATURES: Features = Features::RXALL.union(Features::RXFCS);

    /// Whether bad ones are passed on too.
    #[inline]
    pub(crate) fn all(self) -> bool {
        self.features.contains(Features::RXALL)
    }

    /// Whether the check sequence is left in them.
    #[inline]
    pub(crate) fn keep_fcs(self) -> bool {
        self.features.contains(Features::RXFCS)
    }
}

/// What went wrong.
#[derive(Clone, Copy, Default)]
pub(crate) struct Trouble {
    /// Packets that were lost.
    pub(crate) dropped: u32,
    /// Memory that could not be had.
    pub(crate) alloc_failed: u32,
    /// Checksums that the card found wrong.
    pub(crate) csum_bad: u32,
}

// There are never so many that any of these wraps.
impl Trouble {
    /// Counts memory that could not be had.
    pub(crate) fn count_failed(&mut self) {
        self.alloc_failed = self.alloc_failed.wrapping_add(1);
    }

    /// Counts a packet that was lost.
    pub(crate) fn count_dropped(&mut self) {
        self.dropped = self.dropped.wrapping_add(1);
    }

    /// Counts a packet for which there was no memory.
    pub(crate) fn count_lost(&mut self) {
        self.count_failed();
        self.count_dropped();
    }

    /// Counts a checksum that is wrong.
    pub(crate) fn count_csum_bad(&mut self) {
        self.csum_bad = self.csum_bad.wrapping_add(1);
    }
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
    /// What went wrong and was not counted yet.
    pub(crate) trouble: Option<Trouble>,
    /// What nearly all packets look like by the settings of the last run of NAPI.
    pub(crate) usual: Option<(Settings, Usual)>,
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
                trouble: None,
                usual: None,
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
        self.usual = None;
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

    /// Where what goes wrong is counted until somebody takes it.
    #[cold]
    pub(crate) fn trouble(&mut self) -> &mut Trouble {
        self.trouble.get_or_insert_default()
    }

    /// Prepares a descriptor that is next to be cleaned, whose buffer, at `address`, stays. If
    /// others before it are not prepared, this is left to the next refill.
    #[inline]
    pub(crate) fn keep_buffer(&mut self, index: u16, address: u64) {
        if self.prepared == index && self.descriptors.write(index, desc::rx(address)).is_ok() {
            self.prepared = self.size().next(index);
        }
    }

    /// Gives buffers to the card, as many as it can have. `poll` is there in a run of NAPI.
    #[inline]
    pub(crate) fn refill<R: Registers>(&mut self, registers: &R, poll: Option<&Poll<'_>>) {
        let size = self.size();
        let clean = self.next_to_clean;
        // All are, or none, and then the card has none either.
        let failed = if self.prepared != clean || self.next_to_use == clean {
            self.prepare(poll)
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
        if failed {
            // Those that the card has will do until the next time.
            self.trouble().count_failed();
        }
    }

    /// Gets buffers for all descriptors that the card is done with and that have none, and writes
    /// the descriptors that are not written. Returns whether one could not be had.
    fn prepare(&mut self, poll: Option<&Poll<'_>>) -> bool {
        let source = Source {
            dev: self.dev,
            mac: self.mac,
            bytes: self.buffer_size,
        };
        let filler = Filler {
            descriptors: &self.descriptors,
            index: self.prepared,
            end: self.next_to_clean,
        };
        let size = FragmentSize::new(self.buffer_size.into());
        let (prepared, failed) = match (&mut self.buffers, size, poll) {
            (Buffers::Small(places), Some(size), Some(poll)) => {
                filler.fill(places, || source.map(poll.alloc_frag(size)?))
            }
            (Buffers::Small(places), Some(size), None) => {
                filler.fill(places, || source.map(Fragment::new(size)?))
            }
            (Buffers::Small(_), None, _) => (filler.index, true),
            (Buffers::Large(places), ..) => filler.fill(places, || source.large()),
        };

        self.prepared = prepared;
        failed
    }

    /// The descriptors that the card was given and that were not looked at yet: the first one, and
    /// the one after the last one.
    #[inline]
    pub(crate) fn given(&self) -> (u16, u16) {
        (self.next_to_clean, self.next_to_use)
    }

    /// Whether the card has all that it can have, and has not used any of it.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        let (index, end) = self.given();

        end == self.size().previous(index) && !self.half(index).is_some_and(RxDone::is_done)
    }

    /// The second half of a descriptor, as a number. The card need not be done with it.
    #[inline]
    pub(crate) fn half(&self, index: u16) -> Option<u64> {
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
    /// The one after the last one. If that is the first one, these are all of the ring.
    end: u16,
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
        let runs = if self.index < self.end {
            [self.index..self.end, 0..0]
        } else {
            [self.index..self.descriptors.size().count(), 0..self.end]
        };

        for run in runs {
            let Some(places) = places.get_mut(usize::from(run.start)..usize::from(run.end)) else {
                return (run.start, true);
            };

            for (index, place) in run.zip(places) {
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
            }
        }
        (self.end, false)
    }
}
