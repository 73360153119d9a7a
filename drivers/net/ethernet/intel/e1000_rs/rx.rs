// SPDX-License-Identifier: GPL-2.0

//! Reception: buffers that the card fills, and the packets that are made of them
//! (C: `e1000_clean_rx_irq`, `e1000_clean_jumbo_rx_irq`, `e1000_alloc_rx_buffers`).

use kernel::{
    net::{
        napi::{
            Poll,
            Unit, //
        },
        netdev::{
            Device,
            Features,
            VlanProtocol, //
        },
        skb::{
            ReceivedChecksum,
            SkBuff,
            MAX_SKB_FRAGS, //
        }, //
    },
    new_spinlock_irq,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        SpinLockIrq, //
    }, //
};

use super::{
    adapter::Adapter,
    desc::RxDone,
    hw::Hw,
    parameters,
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
    },
    E1000, //
};

/// The receive side of a card.
#[pin_data]
pub(crate) struct Rx<'bound> {
    /// The ring. Who works with it takes it out, as the lock must not be held for long.
    #[pin]
    ring: SpinLockIrq<Option<KBox<RxRing<'bound>>>>,
    /// The size of the buffers.
    buffer_size: Atomic<u32>,
}

impl<'bound> Rx<'bound> {
    /// A side without a ring.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            ring <- new_spinlock_irq!(None),
            buffer_size: Atomic::new(rxparse::MAX_VLAN_FRAME),
        })
    }

    /// The size of the buffers.
    pub(crate) fn buffer_size(&self) -> u32 {
        self.buffer_size.load(Relaxed)
    }

    /// Puts a ring into the place of another one. The card uses neither.
    pub(crate) fn replace(&self, ring: Option<KBox<RxRing<'bound>>>) {
        if let Some(ring) = &ring {
            self.buffer_size.store(ring.buffer_size.into(), Relaxed);
        }

        let old = {
            let mut slot = self.ring.lock();

            core::mem::replace(&mut *slot, ring)
        };

        drop(old);
    }

    /// Tells the card where the ring is, which has no buffers. `all`: bad frames are received too.
    pub(crate) fn program(&self, hw: &Hw<'_>, all: bool) {
        if let Some(ring) = &mut *self.ring.lock() {
            ring.program(hw, all);
            self.buffer_size.store(ring.buffer_size.into(), Relaxed);
        }
    }

    /// Works with the ring, which nobody else does meanwhile: NAPI is one, and whoever has switched
    /// it off the other.
    fn with_ring<R>(&self, f: impl FnOnce(&mut RxRing<'bound>) -> R) -> Option<R> {
        let ring = self.ring.lock().take();
        let mut ring = ring?;
        let result = f(&mut ring);

        *self.ring.lock() = Some(ring);
        Some(result)
    }

    /// Gives buffers to the card. NAPI is disabled.
    pub(crate) fn refill(&self, adapter: &Adapter<'bound>) {
        let failed = self.with_ring(|ring| ring.refill(&adapter.hw));

        adapter.counts.alloc_failed.add(failed.unwrap_or(0));
    }

    /// Takes the buffers back. The card does not use the ring, and NAPI is disabled.
    pub(crate) fn clean(&self, hw: &Hw<'_>) {
        self.with_ring(|ring| ring.clean(hw));
    }
}

/// What the stack is told of a packet.
#[derive(Clone, Copy)]
struct Metadata {
    checksum: ReceivedChecksum,
    vlan: Option<u16>,
}

/// How much was received.
#[derive(Default)]
struct Received {
    packets: u32,
    bytes: u32,
    dropped: u32,
}

impl<'bound> Adapter<'bound> {
    /// Passes on what was received (C: `e1000_clean_rx_irq`, `e1000_clean_jumbo_rx_irq`).
    #[inline]
    pub(crate) fn clean_rx(&self, dev: &Device<'bound, E1000>, poll: &mut Poll<'_>) {
        self.rx.with_ring(|ring| self.clean_ring(dev, poll, ring));
    }

    fn clean_ring(
        &self,
        dev: &Device<'bound, E1000>,
        poll: &mut Poll<'_>,
        ring: &mut RxRing<'bound>,
    ) {
        let features = dev.features();
        let copybreak = parameters::copybreak.value();
        let rules = Rules {
            buffer: ring.buffer_size,
            max_packet: MAX_JUMBO_FRAME,
            max_buffers: match ring.buffers {
                Buffers::Small(_) => 1,
                Buffers::Large(_) => MAX_SKB_FRAGS as u16,
            },
            all: features.contains(Features::RXALL),
            keep_fcs: features.contains(Features::RXFCS),
        };
        let size = ring.size();
        let mut received = Received::default();
        let mut cleaned = 0;

        while let Some(done) = ring.done() {
            let Some(unit) = poll.take() else {
                break;
            };

            self.receive(poll, unit, ring, &rules, &done, copybreak, &mut received);
            ring.next_to_clean = size.next(ring.next_to_clean);
            cleaned += 1;
            if cleaned == RX_BUFFER_WRITE {
                cleaned = 0;
                self.counts.alloc_failed.add(ring.refill(&self.hw));
            }
        }
        self.counts.alloc_failed.add(ring.refill(&self.hw));

        if received.packets > 0 {
            self.add_traffic(true, received.packets, received.bytes);
            self.counts.rx_packets.add(received.packets.into());
            self.counts.rx_bytes.add(received.bytes.into());
        }
        if received.dropped > 0 {
            self.counts.rx_dropped.add(received.dropped.into());
        }
    }

    /// Does with a buffer what the card, and the rules, say.
    #[inline]
    #[allow(clippy::too_many_arguments)]
    fn receive<'p>(
        &self,
        poll: &Poll<'p>,
        unit: Unit<'p>,
        ring: &mut RxRing<'bound>,
        rules: &Rules,
        done: &RxDone,
        copybreak: u32,
        received: &mut Received,
    ) {
        let verdict = ring.chain.next(rules, done);
        let index = usize::from(ring.next_to_clean);

        match verdict {
            Verdict::Drop(reason) => {
                ring.top = None;
                received.dropped += u32::from(reason.is_loss());
            }
            Verdict::Part(bytes) => {
                if Self::add_page(poll, &unit, ring, index, bytes).is_err() {
                    ring.top = None;
                    ring.chain.abandon(done);
                    self.counts.alloc_failed.add(1);
                    received.dropped += 1;
                }
            }
            Verdict::End { in_buffer, packet } => {
                let metadata = self.metadata(done);
                let whole = ring.top.is_none();
                let result = match &ring.buffers {
                    _ if whole && u32::from(in_buffer) <= copybreak => {
                        Self::copy(poll, &unit, ring, index, packet)
                            .map(|skb| Self::pass(poll, unit, skb, metadata))
                    }
                    Buffers::Small(_) => Self::build(poll, &unit, ring, index, packet)
                        .map(|skb| Self::pass(poll, unit, skb, metadata)),
                    Buffers::Large(_) => Self::add_page(poll, &unit, ring, index, in_buffer)
                        .and_then(|()| Self::pass_pages(poll, unit, ring, packet, metadata)),
                };

                match result {
                    Ok(()) => {
                        received.packets += 1;
                        // As C counts: without the check sequence, even where it is kept.
                        let fcs = if rules.keep_fcs { 4 } else { 0 };

                        received.bytes = received.bytes.wrapping_add(packet - fcs);
                    }
                    Err(_) => {
                        ring.top = None;
                        self.counts.alloc_failed.add(1);
                        received.dropped += 1;
                    }
                }
            }
        }
    }

    /// What the card has found out of a packet.
    #[inline]
    fn metadata(&self, done: &RxDone) -> Metadata {
        let checksum = match Checksum::from_done(done) {
            Checksum::Unknown => ReceivedChecksum::None,
            Checksum::Good => {
                self.counts.csum_good.add(1);
                ReceivedChecksum::Unnecessary
            }
            Checksum::Bad => {
                self.counts.csum_bad.add(1);
                ReceivedChecksum::None
            }
        };

        Metadata {
            checksum,
            vlan: vlan(done),
        }
    }

    /// Copies a small packet, so that the buffer stays where it is (C: `e1000_copybreak`).
    #[inline]
    fn copy<'p>(
        poll: &Poll<'p>,
        unit: &Unit<'p>,
        ring: &mut RxRing<'bound>,
        index: usize,
        packet: u32,
    ) -> Result<SkBuff> {
        let len = usize::try_from(packet)?;
        let mut skb = poll.alloc_skb(unit, len).ok_or(ENOMEM)?;
        let view = match &mut ring.buffers {
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
    fn build<'p>(
        poll: &Poll<'p>,
        unit: &Unit<'p>,
        ring: &mut RxRing<'bound>,
        index: usize,
        packet: u32,
    ) -> Result<SkBuff> {
        let Buffers::Small(places) = &mut ring.buffers else {
            return Err(EINVAL);
        };
        let place = places.get_mut(index).ok_or(EINVAL)?;
        let buffer = place.take().ok_or(EINVAL)?;

        poll.build_skb(unit, buffer.unmap(), usize::try_from(packet)?)
            .map_err(|_| ENOMEM)
    }

    /// Adds a page to the packet that is being received.
    fn add_page<'p>(
        poll: &Poll<'p>,
        unit: &Unit<'p>,
        ring: &mut RxRing<'bound>,
        index: usize,
        bytes: u16,
    ) -> Result {
        let Buffers::Large(places) = &mut ring.buffers else {
            return Err(EINVAL);
        };
        let mut top = match ring.top.take() {
            Some(top) => top,
            None => poll.page_skb(unit).ok_or(ENOMEM)?,
        };
        let place = places.get_mut(index).ok_or(EINVAL)?;
        let buffer = place.take().ok_or(EINVAL)?;

        top.add_page(buffer.unmap(), 0, bytes.into())
            .map_err(|_| ENOSPC)?;
        ring.top = Some(top);
        Ok(())
    }

    #[inline]
    fn pass<'p>(poll: &Poll<'p>, unit: Unit<'p>, mut skb: SkBuff, metadata: Metadata) {
        skb.set_checksum(metadata.checksum);
        if let Some(tag) = metadata.vlan {
            skb.set_vlan_tag(VlanProtocol::Ctag, tag);
        }
        poll.receive(unit, skb);
    }

    fn pass_pages<'p>(
        poll: &Poll<'p>,
        unit: Unit<'p>,
        ring: &mut RxRing<'bound>,
        packet: u32,
        metadata: Metadata,
    ) -> Result {
        let mut skb = ring.top.take().ok_or(EINVAL)?;

        skb.trim(usize::try_from(packet)?)?;
        skb.set_checksum(metadata.checksum);
        if let Some(tag) = metadata.vlan {
            skb.set_vlan_tag(VlanProtocol::Ctag, tag);
        }
        poll.receive_pages(unit, skb);
        Ok(())
    }
}
