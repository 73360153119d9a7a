// SPDX-License-Identifier: GPL-2.0

//! What becomes of the buffers that the card has filled (C: `e1000_clean_rx_irq`,
//! `e1000_clean_jumbo_rx_irq`). Nothing of the adapter is needed here, so a ring can be tried with
//! a card made of software.

use kernel::{
    net::{
        napi::{
            Poll,
            Unit, //
        },
        netdev::VlanProtocol,
        skb::{
            ReceivedChecksum,
            SkBuff,
            MAX_SKB_FRAGS, //
        }, //
    },
    prelude::*, //
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
        Verdict,
        MAX_JUMBO_FRAME, //
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
        let rules = Rules {
            buffer: self.buffer_size,
            max_packet: MAX_JUMBO_FRAME,
            max_buffers: match self.buffers {
                Buffers::Small(_) => 1,
                Buffers::Large(_) => MAX_SKB_FRAGS as u16,
            },
            all: settings.all,
            keep_fcs: settings.keep_fcs,
        };
        let size = self.size();
        let mut received = Received::default();
        let mut cleaned = 0;

        while let Some(done) = self.done() {
            let Some(unit) = poll.take() else {
                break;
            };

            self.receive_buffer(poll, unit, &rules, settings.copybreak, &done, &mut received);
            self.next_to_clean = size.next(self.next_to_clean);
            cleaned += 1;
            if cleaned == RX_BUFFER_WRITE {
                cleaned = 0;
                received.alloc_failed += self.refill(registers);
            }
        }
        received.alloc_failed += self.refill(registers);
        received
    }

    /// Does with the next buffer what the card, and the rules, say.
    #[inline]
    fn receive_buffer<'p>(
        &mut self,
        poll: &Poll<'p>,
        unit: Unit<'p>,
        rules: &Rules,
        copybreak: u32,
        done: &RxDone,
        received: &mut Received,
    ) {
        match self.chain.next(rules, done) {
            Verdict::Drop(reason) => {
                self.top = None;
                received.dropped += u32::from(reason.is_loss());
            }
            Verdict::Part(bytes) => {
                if self.add_page(poll, &unit, bytes).is_err() {
                    self.top = None;
                    self.chain.abandon(done);
                    received.alloc_failed += 1;
                    received.dropped += 1;
                }
            }
            Verdict::End { in_buffer, packet } => {
                let metadata = Metadata::new(done, received);
                let copies = self.top.is_none() && u32::from(in_buffer) <= copybreak;
                let result = match &self.buffers {
                    _ if copies => self
                        .copy(poll, &unit, packet)
                        .map(|skb| pass(poll, unit, skb, metadata)),
                    Buffers::Small(_) => self
                        .build(poll, &unit, packet)
                        .map(|skb| pass(poll, unit, skb, metadata)),
                    Buffers::Large(_) => self
                        .add_page(poll, &unit, in_buffer)
                        .and_then(|()| self.pass_pages(poll, unit, packet, metadata)),
                };

                match result {
                    Ok(()) => {
                        received.packets += 1;
                        // As C counts: without the check sequence, even where it is kept.
                        let fcs = if rules.keep_fcs {
                            rxparse::FCS_BYTES
                        } else {
                            0
                        };

                        received.bytes = received.bytes.wrapping_add(packet - u32::from(fcs));
                    }
                    Err(_) => {
                        self.top = None;
                        received.alloc_failed += 1;
                        received.dropped += 1;
                    }
                }
            }
        }
    }

    /// Copies a small packet, so that the buffer stays where it is (C: `e1000_copybreak`).
    #[inline]
    fn copy<'p>(&mut self, poll: &Poll<'p>, unit: &Unit<'p>, packet: u32) -> Result<SkBuff> {
        let index = usize::from(self.next_to_clean);
        let len = usize::try_from(packet)?;
        let mut skb = poll.alloc_skb(unit, len).ok_or(ENOMEM)?;
        let view = match &mut self.buffers {
            Buffers::Small(places) => places
                .get_mut(index)
                .and_then(Option::as_mut)
                .ok_or(EINVAL)?
                .sync_for_cpu(len)?,
            Buffers::Large(places) => places
                .get_mut(index)
                .and_then(Option::as_mut)
                .ok_or(EINVAL)?
                .sync_for_cpu(len)?,
        };

        skb.put_with(len, |room| view.copy_to_uninit(0, room))?;
        Ok(skb)
    }

    /// Makes a packet of the buffer itself.
    #[inline]
    fn build<'p>(&mut self, poll: &Poll<'p>, unit: &Unit<'p>, packet: u32) -> Result<SkBuff> {
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
                received.csum_good += 1;
                ReceivedChecksum::Unnecessary
            }
            Checksum::Bad => {
                received.csum_bad += 1;
                ReceivedChecksum::None
            }
        };

        Self {
            checksum,
            vlan: vlan(done),
        }
    }
}

/// Passes on a packet that is in one piece.
#[inline]
fn pass<'p>(poll: &Poll<'p>, unit: Unit<'p>, mut skb: SkBuff, metadata: Metadata) {
    skb.set_checksum(metadata.checksum);
    if let Some(tag) = metadata.vlan {
        skb.set_vlan_tag(VlanProtocol::Ctag, tag);
    }
    poll.receive(unit, skb);
}
