// SPDX-License-Identifier: GPL-2.0

//! What becomes of the buffers that the card has filled (C: `e1000_clean_rx_irq`,
//! `e1000_clean_jumbo_rx_irq`). Nothing of the adapter is needed here, so a ring can be tried with
//! a card made of software.

use kernel::{
    dma::streaming::{
        FromDevice,
        Mapping,
        Memory, //
    },
    net::{
        napi::{
            NewSkb,
            Poll,
            Unit, //
        },
        netdev::VlanProtocol,
        skb::{
            ReceivedChecksum,
            MAX_SKB_FRAGS, //
        }, //
    },
    prelude::*,
    sync::barrier::{
        dma_mb,
        Read, //
    }, //
};

use super::{
    desc::RxDone,
    itr::Traffic,
    regs::Registers,
    ring::RX_BUFFER_WRITE,
    rx_ring::{
        Buffers,
        RxRing,
        Settings, //
    },
    rxparse::{
        self,
        vlan,
        Checksum,
        Rules,
        Usual,
        Verdict,
        MAX_RECEIVED, //
    }, //
};

/// What has come of a run of NAPI.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Received {
    /// What was passed on.
    pub(crate) traffic: Traffic,
    /// Checksums that the card found right.
    pub(crate) csum_good: u32,
}

impl Received {
    /// Counts a packet of so many bytes that was passed on.
    // There are never so many that anything here wraps.
    #[inline]
    fn count(&mut self, passed: Passed) {
        self.traffic.packets = self.traffic.packets.wrapping_add(1);
        self.traffic.bytes = self.traffic.bytes.wrapping_add(passed.bytes);
        self.csum_good = self.csum_good.wrapping_add(passed.csum_good.into());
    }

    /// Takes the check sequences off that were left in the packets, as C counts.
    #[cold]
    fn without_fcs(&mut self) {
        let fcs = self.traffic.packets.wrapping_mul(rxparse::FCS_BYTES.into());

        self.traffic.bytes = self.traffic.bytes.wrapping_sub(fcs);
    }
}

/// A packet that was passed on.
#[derive(Clone, Copy)]
struct Passed {
    bytes: u32,
    /// The card found its checksum right.
    csum_good: bool,
}

/// What the stack is told of a packet.
#[derive(Clone, Copy)]
struct Metadata {
    checksum: ReceivedChecksum,
    vlan: Option<u16>,
}

impl RxRing<'_> {
    /// Passes on what was received, and gives buffers to the card. What goes wrong is counted in
    /// the ring.
    #[inline]
    pub(crate) fn receive<R: Registers>(
        &mut self,
        registers: &R,
        poll: &mut Poll<'_>,
        settings: Settings,
    ) -> Received {
        // Where packets are sent, many runs of NAPI are for these alone.
        if self.is_idle() {
            return Received::default();
        }
        self.receive_some(registers, poll, settings)
    }

    /// Does what [`Self::receive`] says, if there is something to do.
    // By itself it has the registers of the CPU to itself.
    #[inline(never)]
    fn receive_some<R: Registers>(
        &mut self,
        registers: &R,
        poll: &mut Poll<'_>,
        settings: Settings,
    ) -> Received {
        let usual = self.usual(settings);
        let size = self.size();
        let mut received = Received::default();
        let mut cleaned = 0;
        let (mut index, mut end) = self.given();

        while index != end {
            let Some(half) = self.half(index) else {
                break;
            };

            match usual.packet(half) {
                Some(packet) if self.chain.is_at_start() => {
                    let Some(unit) = poll.take() else {
                        break;
                    };

                    // The packet comes before the card says so.
                    dma_mb(Read);

                    let done = RxDone::from_half(half);
                    let made = if u32::from(done.length) <= settings.copybreak {
                        self.copy(poll, &unit, index, packet)
                    } else {
                        self.build(poll, &unit, index, packet)
                    };

                    if let Ok(skb) = made {
                        let metadata = self.metadata(&done);

                        pass(poll, unit, skb, metadata);
                        received.count(metadata.passed(packet));
                    } else if let Some(passed) = self.rescue(poll, unit, index, packet, half) {
                        received.count(passed);
                    }
                }
                _ => {
                    if !RxDone::is_done(half) {
                        break;
                    }
                    let Some(unit) = poll.take() else {
                        break;
                    };

                    // As above.
                    dma_mb(Read);
                    if let Some(passed) = self.receive_part(poll, unit, settings, index, half) {
                        received.count(passed);
                    }
                }
            }
            index = size.next(index);
            cleaned += 1;
            if cleaned >= RX_BUFFER_WRITE {
                cleaned = 0;
                self.next_to_clean = index;
                self.refill(registers, Some(poll));
                (_, end) = self.given();
            }
        }
        self.next_to_clean = index;
        self.refill(registers, Some(poll));
        if settings.keep_fcs() {
            received.without_fcs();
        }
        received
    }

    /// What nearly all packets look like that need not be put together.
    #[inline]
    fn usual(&mut self, settings: Settings) -> Usual {
        match self.usual {
            Some((known, usual)) if known == settings => usual,
            _ => self.find_usual(settings),
        }
    }

    /// Finds it out, when something was changed.
    #[cold]
    fn find_usual(&mut self, settings: Settings) -> Usual {
        let usual = Usual::new(&self.rules(settings));
        let usual = match self.buffers {
            Buffers::Small(_) => usual,
            // Longer ones become part of a packet as they are.
            Buffers::Large(_) => usual.up_to(u16::try_from(settings.copybreak).unwrap_or(u16::MAX)),
        };

        self.usual = Some((settings, usual));
        usual
    }

    /// What is accepted.
    #[inline]
    fn rules(&self, settings: Settings) -> Rules {
        Rules {
            buffer: self.buffer_size,
            max_packet: MAX_RECEIVED,
            max_buffers: match self.buffers {
                Buffers::Small(_) => 1,
                Buffers::Large(_) => MAX_SKB_FRAGS as u16,
            },
            all: settings.all(),
            keep_fcs: settings.keep_fcs(),
        }
    }

    /// Does with a buffer what the card, and the rules, say: it is part of a packet, or its
    /// packet is lost.
    #[inline(never)]
    fn receive_part<'p>(
        &mut self,
        poll: &Poll<'p>,
        unit: Unit<'p>,
        settings: Settings,
        index: u16,
        half: u64,
    ) -> Option<Passed> {
        let done = RxDone::from_half(half);
        let rules = self.rules(settings);
        let result = match self.chain.next(&rules, &done) {
            Verdict::Drop(reason) => {
                self.top = None;
                if reason.is_loss() {
                    self.trouble().count_dropped();
                }
                Ok(None)
            }
            Verdict::Part(bytes) => self
                .add_page(poll, &unit, index, bytes)
                .inspect_err(|_| self.chain.abandon(&done))
                .map(|()| None),
            Verdict::End { in_buffer, packet } => {
                let metadata = self.metadata(&done);

                self.add_page(poll, &unit, index, in_buffer)
                    .and_then(|()| self.pass_pages(poll, unit, packet, metadata))
                    .map(|()| Some(metadata.passed(packet)))
            }
        };

        result.unwrap_or_else(|_| {
            self.top = None;
            self.trouble().count_lost();
            None
        })
    }

    /// What the card has found out of a packet.
    #[inline]
    fn metadata(&mut self, done: &RxDone) -> Metadata {
        let checksum = match Checksum::from_done(done) {
            Checksum::Unknown => ReceivedChecksum::None,
            Checksum::Good => ReceivedChecksum::Unnecessary,
            Checksum::Bad => {
                self.trouble().count_csum_bad();
                ReceivedChecksum::None
            }
        };

        Metadata {
            checksum,
            vlan: vlan(done),
        }
    }

    /// Copies a small packet, so that the buffer stays where it is (C: `e1000_copybreak`).
    // Once for each packet of most kinds of traffic that has small ones.
    #[inline(always)]
    fn copy<'p>(
        &mut self,
        poll: &Poll<'p>,
        unit: &Unit<'p>,
        index: u16,
        packet: u32,
    ) -> Result<NewSkb> {
        let place = usize::from(index);
        let len = usize::try_from(packet)?;

        let (skb, address) = match &mut self.buffers {
            Buffers::Small(places) => copy_from(poll, unit, places.get_mut(place), len)?,
            Buffers::Large(places) => copy_from(poll, unit, places.get_mut(place), len)?,
        };

        self.keep_buffer(index, address);
        Ok(skb)
    }

    /// Makes a packet of the buffer itself.
    #[inline]
    fn build<'p>(
        &mut self,
        poll: &Poll<'p>,
        unit: &Unit<'p>,
        index: u16,
        packet: u32,
    ) -> Result<NewSkb> {
        let Buffers::Small(places) = &mut self.buffers else {
            return Err(EINVAL);
        };
        let place = places.get_mut(usize::from(index)).ok_or(EINVAL)?;
        let buffer = place.take().ok_or(EINVAL)?;

        poll.build_skb(unit, buffer.unmap(), usize::try_from(packet)?)
            .map_err(|_| ENOMEM)
    }

    /// Passes on a packet in its buffer, if there was no memory for a copy; otherwise it is lost.
    #[cold]
    #[inline(never)]
    fn rescue<'p>(
        &mut self,
        poll: &Poll<'p>,
        unit: Unit<'p>,
        index: u16,
        packet: u32,
        half: u64,
    ) -> Option<Passed> {
        let Ok(skb) = self.build(poll, &unit, index, packet) else {
            self.trouble().count_lost();
            return None;
        };
        let metadata = self.metadata(&RxDone::from_half(half));

        self.trouble().count_failed();
        pass(poll, unit, skb, metadata);
        Some(metadata.passed(packet))
    }

    /// Adds a page to the packet that is being received.
    fn add_page<'p>(&mut self, poll: &Poll<'p>, unit: &Unit<'p>, index: u16, bytes: u16) -> Result {
        let Buffers::Large(places) = &mut self.buffers else {
            return Err(EINVAL);
        };
        let mut top = match self.top.take() {
            Some(top) => top,
            None => poll.page_skb(unit).ok_or(ENOMEM)?,
        };
        let place = places.get_mut(usize::from(index)).ok_or(EINVAL)?;
        let buffer = place.take().ok_or(EINVAL)?;

        top.add_page(buffer.unmap(), 0, bytes.into())
            .map_err(|_| ENOSPC)?;
        self.top = Some(top);
        Ok(())
    }

    /// Passes on a packet that is made of pages.
    fn pass_pages<'p>(
        &mut self,
        poll: &Poll<'p>,
        unit: Unit<'p>,
        packet: u32,
        metadata: Metadata,
    ) -> Result {
        let mut skb = self.top.take().ok_or(EINVAL)?;

        skb.trim(usize::try_from(packet)?)?;
        skb.set_checksum(metadata.checksum);
        if let Some(tag) = metadata.vlan {
            skb.set_vlan_tag(VlanProtocol::Ctag, tag);
        }
        poll.receive_pages(unit, skb);
        Ok(())
    }
}

impl Metadata {
    /// What is counted of a packet of so many bytes.
    #[inline]
    fn passed(self, bytes: u32) -> Passed {
        Passed {
            bytes,
            csum_good: self.checksum == ReceivedChecksum::Unnecessary,
        }
    }
}

/// Makes a packet of the first bytes of a buffer; returns also where that is.
#[inline]
fn copy_from<'p, M: Memory>(
    poll: &Poll<'p>,
    unit: &Unit<'p>,
    place: Option<&mut Option<Mapping<'_, M, FromDevice>>>,
    len: usize,
) -> Result<(NewSkb, u64)> {
    let buffer = place.and_then(Option::as_mut).ok_or(EINVAL)?;
    let address = buffer.dma_address();
    let view = buffer.sync_for_cpu(len)?;
    let skb = poll.alloc_skb_with(unit, len, |room| view.copy_to_uninit(0, room))?;

    Ok((skb, address))
}

/// Passes on a packet that is in one piece.
#[inline]
fn pass<'p>(poll: &Poll<'p>, unit: Unit<'p>, mut skb: NewSkb, metadata: Metadata) {
    // A new one says nothing of checksums.
    if metadata.checksum != ReceivedChecksum::None {
        skb.set_checksum(metadata.checksum);
    }
    if let Some(tag) = metadata.vlan {
        skb.set_vlan_tag(VlanProtocol::Ctag, tag);
    }
    poll.receive_new(unit, skb);
}
