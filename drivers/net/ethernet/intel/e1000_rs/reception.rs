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
    regs::Registers,
    ring::RX_BUFFER_WRITE,
    rx_ring::{
        Buffers,
        RxRing, //
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

/// What is wanted of packets.
#[derive(Clone, Copy)]
pub(crate) struct Settings {
    /// Those of up to this size are copied, and their buffer is used again.
    pub(crate) copybreak: u32,
    /// Bad ones are passed on too.
    pub(crate) all: bool,
    /// The check sequence is left in them.
    pub(crate) keep_fcs: bool,
}

/// What has come of a run of NAPI.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Received {
    /// Packets that were passed on, and their bytes.
    pub(crate) packets: u32,
    pub(crate) bytes: u32,
    /// Packets that were lost.
    pub(crate) dropped: u32,
    /// Memory that could not be had.
    pub(crate) alloc_failed: u32,
    /// Checksums that the card found right, or wrong.
    pub(crate) csum_good: u32,
    pub(crate) csum_bad: u32,
}

impl Received {
    // There are never so many that any of these wraps.
    #[inline]
    fn count_packet(&mut self, bytes: u32) {
        self.packets = self.packets.wrapping_add(1);
        self.bytes = self.bytes.wrapping_add(bytes);
    }

    #[inline]
    fn count_failed(&mut self, more: u32) {
        self.alloc_failed = self.alloc_failed.wrapping_add(more);
    }

    /// Counts a packet for which there was no memory.
    #[cold]
    fn count_lost(&mut self) {
        self.count_failed(1);
        self.count_dropped(1);
    }

    #[inline]
    fn count_dropped(&mut self, more: u32) {
        self.dropped = self.dropped.wrapping_add(more);
    }
}

/// What the stack is told of a packet.
#[derive(Clone, Copy)]
struct Metadata {
    checksum: ReceivedChecksum,
    vlan: Option<u16>,
}

impl RxRing<'_> {
    /// Passes on what was received, and gives buffers to the card.
    #[inline]
    pub(crate) fn receive<R: Registers>(
        &mut self,
        registers: &R,
        poll: &mut Poll<'_>,
        settings: Settings,
    ) -> Received {
        let usual = Usual::new(&self.rules(settings));
        let size = self.size();
        let mut received = Received::default();
        let mut cleaned = 0;

        while let Some(half) = self.next_half() {
            match usual.packet(half) {
                Some(packet) if self.chain.is_at_start() => {
                    let Some(unit) = poll.take() else {
                        break;
                    };

                    // The packet comes before the card says so.
                    dma_mb(Read);
                    self.receive_whole(poll, unit, settings, half, packet, &mut received);
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
                    self.receive_part(poll, unit, settings, half, &mut received);
                }
            }
            self.next_to_clean = size.next(self.next_to_clean);
            cleaned += 1;
            if cleaned >= RX_BUFFER_WRITE {
                cleaned = 0;
                received.count_failed(self.refill(registers));
            }
        }
        received.count_failed(self.refill(registers));
        if settings.keep_fcs {
            // As C counts: without the check sequence, even where it is kept.
            let fcs = received.packets.wrapping_mul(rxparse::FCS_BYTES.into());

            received.bytes = received.bytes.wrapping_sub(fcs);
        }
        received
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
            all: settings.all,
            keep_fcs: settings.keep_fcs,
        }
    }

    /// Passes on a packet of so many bytes that is in the next buffer.
    #[inline]
    fn receive_whole<'p>(
        &mut self,
        poll: &Poll<'p>,
        unit: Unit<'p>,
        settings: Settings,
        half: u64,
        packet: u32,
        received: &mut Received,
    ) {
        let done = RxDone::from_half(half);
        let made = if u32::from(done.length) <= settings.copybreak {
            self.copy(poll, &unit, packet)
        } else if let Buffers::Small(_) = self.buffers {
            self.build(poll, &unit, packet)
        } else {
            self.receive_part(poll, unit, settings, half, received);
            return;
        };

        match made {
            Ok(skb) => {
                pass(poll, unit, skb, Metadata::new(&done, received));
                received.count_packet(packet);
            }
            Err(_) => received.count_lost(),
        }
    }

    /// Does with the next buffer what the card, and the rules, say: it is part of a packet, or its
    /// packet is lost.
    #[inline(never)]
    fn receive_part<'p>(
        &mut self,
        poll: &Poll<'p>,
        unit: Unit<'p>,
        settings: Settings,
        half: u64,
        received: &mut Received,
    ) {
        let done = RxDone::from_half(half);
        let rules = self.rules(settings);
        let result = match self.chain.next(&rules, &done) {
            Verdict::Drop(reason) => {
                self.top = None;
                received.count_dropped(reason.is_loss().into());
                Ok(())
            }
            Verdict::Part(bytes) => self
                .add_page(poll, &unit, bytes)
                .inspect_err(|_| self.chain.abandon(&done)),
            Verdict::End { in_buffer, packet } => {
                let metadata = Metadata::new(&done, received);

                self.add_page(poll, &unit, in_buffer)
                    .and_then(|()| self.pass_pages(poll, unit, packet, metadata))
                    .map(|()| received.count_packet(packet))
            }
        };

        if result.is_err() {
            self.top = None;
            received.count_lost();
        }
    }

    /// Copies a small packet, so that the buffer stays where it is (C: `e1000_copybreak`).
    // Once for each packet of most kinds of traffic that has small ones.
    #[inline(always)]
    fn copy<'p>(&mut self, poll: &Poll<'p>, unit: &Unit<'p>, packet: u32) -> Result<NewSkb> {
        let index = usize::from(self.next_to_clean);
        let len = usize::try_from(packet)?;

        let (skb, address) = match &mut self.buffers {
            Buffers::Small(places) => copy_from(poll, unit, places.get_mut(index), len)?,
            Buffers::Large(places) => copy_from(poll, unit, places.get_mut(index), len)?,
        };

        self.keep_buffer(address);
        Ok(skb)
    }

    /// Makes a packet of the buffer itself.
    #[inline]
    fn build<'p>(&mut self, poll: &Poll<'p>, unit: &Unit<'p>, packet: u32) -> Result<NewSkb> {
        let index = usize::from(self.next_to_clean);
        let Buffers::Small(places) = &mut self.buffers else {
            return Err(EINVAL);
        };
        let place = places.get_mut(index).ok_or(EINVAL)?;
        let buffer = place.take().ok_or(EINVAL)?;

        poll.build_skb(unit, buffer.unmap(), usize::try_from(packet)?)
            .map_err(|_| ENOMEM)
    }

    /// Adds a page to the packet that is being received.
    fn add_page<'p>(&mut self, poll: &Poll<'p>, unit: &Unit<'p>, bytes: u16) -> Result {
        let index = usize::from(self.next_to_clean);
        let Buffers::Large(places) = &mut self.buffers else {
            return Err(EINVAL);
        };
        let mut top = match self.top.take() {
            Some(top) => top,
            None => poll.page_skb(unit).ok_or(ENOMEM)?,
        };
        let place = places.get_mut(index).ok_or(EINVAL)?;
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
    /// What the card has found out of a packet.
    #[inline]
    fn new(done: &RxDone, received: &mut Received) -> Self {
        let checksum = match Checksum::from_done(done) {
            Checksum::Unknown => ReceivedChecksum::None,
            Checksum::Good => {
                received.csum_good = received.csum_good.wrapping_add(1);
                ReceivedChecksum::Unnecessary
            }
            Checksum::Bad => {
                received.csum_bad = received.csum_bad.wrapping_add(1);
                ReceivedChecksum::None
            }
        };

        Self {
            checksum,
            vlan: vlan(done),
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
