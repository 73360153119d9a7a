// SPDX-License-Identifier: GPL-2.0

//! Transmission: packets become descriptors, and are given up when the card has sent them
//! (C: `e1000_xmit_frame`, `e1000_clean_tx_irq`).

use kernel::{
    net::{
        napi::Poll,
        netdev::{
            Device,
            Xmit, //
        },
        skb::{
            Busy,
            DropReason,
            MappedSkb,
            PartialChecksum,
            SkBuff,
            Tso,
            MAX_SKB_FRAGS, //
        }, //
    },
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        Slot, //
    },
    time::msecs_to_jiffies, //
};

use super::{
    adapter::Adapter,
    hw::Hw,
    itr::Traffic,
    regs,
    ring::{
        stop_below,
        Size,
        WAKE_THRESHOLD, //
    },
    tx_ring::{
        Cleaner,
        Filler,
        Pushed,
        Request,
        TxRing, //
    },
    txplan::{
        checksum_context,
        tso_context,
        wire_bytes,
        Errata,
        Headers,
        Offload,
        Packet,
        Plan, //
    },
    E1000, //
};

/// The queue is stopped when fewer descriptors are free.
const STOP_BELOW: u32 = stop_below(MAX_SKB_FRAGS as u16) as u32;

/// Head must not come up to tail: so many descriptors stay free besides.
const GAP: u32 = 2;

/// The protocol number of TCP.
const IPPROTO_TCP: u8 = 6;

/// The transmit side of a card.
pub(crate) struct Tx<'bound> {
    /// The side of the ring that is filled, by whoever has the lock of the transmit queue.
    filler: Slot<Filler<'bound>>,
    /// The side that is emptied, by NAPI, or by whoever has switched that off.
    cleaner: Slot<Cleaner<'bound>>,
    /// How many descriptors are free.
    unused: Atomic<u32>,
    /// How many are free when the card has no packets.
    most: Atomic<u32>,
    /// The descriptor after the last one of the last packet.
    tail: Atomic<u32>,
    /// See [`Errata::last_tso`]. Whoever has the lock of the transmit queue writes it.
    last_tso: Atomic<bool>,
    /// A hang is to be looked for.
    watch: Atomic<bool>,
    /// After how many seconds a packet that was not sent is a hang.
    hang_seconds: Atomic<u32>,
}

impl<'bound> Tx<'bound> {
    /// A side without a ring.
    pub(crate) fn new() -> Self {
        Self {
            filler: Slot::new(None),
            cleaner: Slot::new(None),
            unused: Atomic::new(0),
            most: Atomic::new(0),
            tail: Atomic::new(0),
            last_tso: Atomic::new(false),
            watch: Atomic::new(false),
            hang_seconds: Atomic::new(1),
        }
    }

    /// Puts an empty ring into the place of another one. The card uses neither.
    pub(crate) fn replace(&self, ring: Option<TxRing<'bound>>) {
        // One descriptor always stays unused.
        let most = ring.as_ref().map_or(0, |ring| ring.size.count() - 1);
        let (filler, cleaner) = ring.map(|ring| (ring.filler, ring.cleaner)).unzip();

        drop(self.filler.replace(filler));
        drop(self.cleaner.replace(cleaner));
        self.most.store(most.into(), Relaxed);
        self.start_over();
    }

    /// Whether there is a ring.
    pub(crate) fn has_ring(&self) -> bool {
        self.most.load(Relaxed) != 0
    }

    /// The card has no packets.
    fn start_over(&self) {
        self.unused.store(self.most.load(Relaxed), Relaxed);
        self.tail.store(0, Relaxed);
        self.last_tso.store(false, Relaxed);
    }

    /// Tells the card where the ring is. It is empty. `delay`: interrupts may come later.
    pub(crate) fn program(&self, hw: &Hw<'_>, delay: bool) {
        if let Some(mut filler) = self.filler.take() {
            filler.program(hw, delay);
            let _ = self.filler.put_back(filler);
        }
    }

    /// Throws away what the card has not sent. It does not use the ring, and nobody sends, nor does
    /// NAPI run.
    pub(crate) fn empty(&self, hw: &Hw<'_>) {
        if let (Some(mut filler), Some(mut cleaner)) = (self.filler.take(), self.cleaner.take()) {
            cleaner.empty();
            filler.reset();
            let _ = self.cleaner.put_back(cleaner);
            let _ = self.filler.put_back(filler);
            self.start_over();
        }
        hw.write(regs::TDH, 0);
        hw.write(regs::TDT, 0);
    }

    /// Tells the card of all packets that it has. To be called with the lock of the transmit queue.
    fn kick(&self, hw: &Hw<'_>) {
        hw.write(regs::TDT, self.tail.load(Relaxed));
    }

    /// How many descriptors are free. What was in them has been looked at.
    #[inline]
    fn unused(&self) -> u32 {
        // Pairs with the release in `Adapter::clean_tx`.
        self.unused.load(Acquire)
    }

    /// Whether the card has packets. It does not have those of which it was not told.
    #[inline]
    pub(crate) fn has_packets(&self) -> bool {
        self.unused() != self.most.load(Relaxed)
    }

    /// Sets after how many seconds a packet that was not sent is a hang.
    pub(crate) fn set_hang_seconds(&self, seconds: u32) {
        self.hang_seconds.store(seconds, Relaxed);
    }

    /// Lets the next run of NAPI look for a hang.
    pub(crate) fn watch_for_hang(&self) {
        self.watch.store(true, Relaxed);
    }
}

/// Whether there is room for a packet.
enum Room {
    /// There is.
    Enough,
    /// There will be, and the queue is stopped until then.
    Later,
    /// There never is. It would wait for ever, and all others behind it.
    Never,
}

impl<'bound> Adapter<'bound> {
    /// Gives a packet to the card (C: `e1000_xmit_frame`).
    #[inline]
    pub(crate) fn xmit(
        &self,
        dev: &Device<'bound, E1000>,
        xmit: &Xmit<'_>,
        mut skb: SkBuff,
    ) -> Result<(), Busy> {
        // The card would keep it until there is a link.
        if !dev.carrier_ok() {
            self.drop_unsent(Some(skb), DropReason::DEV_READY);
            return Ok(());
        }
        // The card pads too, but not rightly on all buses.
        let Ok(is_another) = skb.pad() else {
            self.drop_unsent(Some(skb), DropReason::NOMEM);
            return Ok(());
        };
        let checksum = skb.partial_checksum();
        let packet = Packet {
            mss: skb.gso_size(),
            partial_checksum: checksum.is_some(),
            linear: skb.is_linear(),
        };
        let errata = Errata {
            pcix: self.hw.bus.pcix,
            last_tso: self.tx.last_tso.load(Relaxed),
        };
        let plan = Plan::new(packet, errata);
        let len = u32::try_from(skb.len()).unwrap_or(u32::MAX);
        // CAST: There are few.
        let most = plan.at_most(len, skb.nr_frags() as u32);

        if self.tx.unused() < most.wrapping_add(GAP) {
            match self.room(xmit, &skb, packet, errata) {
                Room::Enough => (),
                Room::Never => {
                    self.drop_unsent(Some(skb), DropReason::FULL_RING);
                    return Ok(());
                }
                Room::Later => {
                    self.tx.kick(&self.hw);
                    if is_another {
                        self.drop_unsent(Some(skb), DropReason::FULL_RING);
                        return Ok(());
                    }
                    return Err(skb.busy());
                }
            }
        }

        let request = match Self::prepare(&mut skb, plan, checksum) {
            Ok(request) => request,
            Err(error) => {
                let reason = if error == ENOMEM {
                    DropReason::NOMEM
                } else if packet.mss == 0 {
                    DropReason::SKB_CSUM
                } else {
                    DropReason::SKB_BAD_GSO
                };

                self.drop_unsent(Some(skb), reason);
                return Ok(());
            }
        };
        xmit.timestamp(&mut skb);

        let Some(mut filler) = self.tx.filler.take() else {
            self.drop_unsent(Some(skb), DropReason::DEV_READY);
            return Ok(());
        };
        let pushed = filler.push(skb, dev.parent(), &request);

        let _ = self.tx.filler.put_back(filler);

        let Pushed { descriptors, tail } = match pushed {
            Ok(pushed) => pushed,
            Err(skb) => {
                dev_err!(self.pdev, "TX DMA map failed\n");
                self.drop_unsent(skb, DropReason::NOMEM);
                return Ok(());
            }
        };

        // Before the card is told: who looks after the interrupt of this packet must see it.
        self.tx.unused.fetch_sub(u32::from(descriptors), Relaxed);
        self.tx.tail.store(tail.into(), Relaxed);
        if request.tso {
            self.tx.last_tso.store(true, Relaxed);
        } else if plan.pays_for_tso() {
            self.tx.last_tso.store(false, Relaxed);
        }

        // The next packet may be as large as any.
        xmit.maybe_stop(STOP_BELOW, STOP_BELOW, || self.tx.unused());
        if xmit.sent(len) {
            // What has been written before is seen before this.
            self.hw.write_known::<{ regs::TDT }>(tail.into());
        }
        Ok(())
    }

    /// Drops a packet that cannot be sent. Those before it may still have to be told to the card.
    #[cold]
    fn drop_unsent(&self, skb: Option<SkBuff>, reason: DropReason) {
        if let Some(skb) = skb {
            self.counts.tx_dropped.add(1);
            skb.drop_with(reason);
        }
        self.tx.kick(&self.hw);
    }

    /// Looks whether there is room for a packet, with all of its parts; stops the queue if not.
    #[cold]
    fn room(&self, xmit: &Xmit<'_>, skb: &SkBuff, packet: Packet, errata: Errata) -> Room {
        let plan = Plan::new(packet, errata);
        let head = u32::try_from(skb.headlen()).unwrap_or(u32::MAX);
        let frags = skb
            .frags()
            .map(|frag| u32::try_from(frag.len()).unwrap_or(u32::MAX));
        let needed = plan.needed(head, frags).saturating_add(GAP);

        if needed > self.tx.most.load(Relaxed) {
            return Room::Never;
        }
        if xmit.maybe_stop(needed, needed, || self.tx.unused()) {
            return Room::Later;
        }
        Room::Enough
    }

    /// Finds out what a packet needs. Headers are changed as segmentation needs them.
    #[inline]
    fn prepare(skb: &mut SkBuff, plan: Plan, checksum: Option<PartialChecksum>) -> Result<Request> {
        let len = u32::try_from(skb.len())?;
        let offload = Offload {
            vlan: skb.vlan_tag(),
            no_fcs: skb.no_fcs(),
            ..Offload::default()
        };

        if let Some(tso) = skb.prepare_tso()? {
            return Self::prepare_segments(skb, plan, offload, &tso);
        }

        let (context, fields) = match checksum {
            Some(checksum) => {
                let tcp = skb.ip_protocol() == Some(IPPROTO_TCP);
                let start = u32::try_from(checksum.start)?;
                let offset = u16::try_from(checksum.offset)?;
                let context = checksum_context(start, offset, tcp).ok_or(EINVAL)?;
                let offload = Offload {
                    checksum: true,
                    ..offload
                };

                (Some(context.to_words()), offload.fields())
            }
            None => (None, offload.fields()),
        };

        Ok(Request {
            plan,
            context,
            tso: false,
            fields,
            segments: 1,
            wire_bytes: len,
        })
    }

    /// Finds out what a packet needs that the card has to segment.
    #[inline]
    fn prepare_segments(skb: &SkBuff, plan: Plan, offload: Offload, tso: &Tso) -> Result<Request> {
        let len = u32::try_from(skb.len())?;
        let head = u32::try_from(skb.headlen())?;
        let segments = skb.gso_segs().max(1);
        let headers = Headers {
            network: tso.ip_start,
            transport: tso.tcp_start,
            len: tso.header_length,
            ipv4: !tso.is_v6,
        };
        let context = tso_context(headers, len, tso.segment_size).ok_or(EINVAL)?;
        let offload = Offload {
            tso: true,
            ipv4: headers.ipv4,
            ..offload
        };

        Ok(Request {
            plan,
            context: Some(context.to_words()),
            tso: true,
            fields: offload.fields(),
            segments,
            wire_bytes: wire_bytes(len, head, segments),
        })
    }

    /// Gives up what the card has sent (C: `e1000_clean_tx_irq`). Returns whether that was all, and
    /// what it was.
    #[inline]
    pub(crate) fn clean_tx(&self, dev: &Device<'bound, E1000>, poll: &Poll<'_>) -> (bool, Traffic) {
        // What comes meanwhile has an interrupt of its own.
        if !self.tx.has_packets() {
            return (true, Traffic::default());
        }
        self.clean_sent(dev, poll)
    }

    /// Does what [`Self::clean_tx`] says.
    // By itself it and what is received have the registers of the CPU to themselves.
    #[inline(never)]
    fn clean_sent(&self, dev: &Device<'bound, E1000>, poll: &Poll<'_>) -> (bool, Traffic) {
        let mut traffic = Traffic::default();
        let Some(mut cleaner) = self.tx.cleaner.take() else {
            return (true, traffic);
        };
        let (mut packets, mut bytes) = (0u32, 0u32);
        let mut descriptors = 0u32;
        let mut all = true;

        let mut last = None;

        while let Some(mut sent) = cleaner.done() {
            packets = packets.wrapping_add(1);
            descriptors = descriptors.wrapping_add(sent.descriptors.into());
            traffic.packets = traffic.packets.wrapping_add(sent.segments.into());
            traffic.bytes = traffic.bytes.wrapping_add(sent.wire_bytes);
            last = Some(sent.last);
            if let Some(skb) = MappedSkb::take_from(&mut sent.skb) {
                // CAST: A packet has no more bytes.
                bytes = bytes.wrapping_add(skb.len() as u32);
                poll.consume(skb);
            }
            sent.remove();
            // Others send meanwhile.
            if descriptors >= u32::from(Size::MAX.count()) {
                all = false;
                break;
            }
        }

        if let Some(last) = last {
            cleaner.cleaned(last);
            // Pairs with the acquire in `Tx::unused`.
            self.tx.unused.fetch_add(descriptors, Release);

            let woken = poll.tx_completed(
                packets,
                bytes,
                WAKE_THRESHOLD.into(),
                || self.tx.unused(),
                || !self.is_down(),
            );

            if woken {
                self.counts.restart_queue.add(1);
            }
            self.counts.tx_packets.add(traffic.packets.into());
            self.counts.tx_bytes.add(traffic.bytes.into());
        }
        if self.tx.watch.load(Relaxed) {
            self.look_for_hang(dev, &cleaner);
        }

        let _ = self.tx.cleaner.put_back(cleaner);

        (all, traffic)
    }

    #[cold]
    fn look_for_hang(&self, dev: &Device<'bound, E1000>, cleaner: &Cleaner<'bound>) {
        self.tx.watch.store(false, Relaxed);

        let seconds = self.tx.hang_seconds.load(Relaxed);
        let patience = msecs_to_jiffies(seconds.saturating_mul(1000));

        if let Some(stuck) = cleaner.stuck(patience) {
            // A partner may have asked us to wait.
            if self.hw.read(regs::STATUS) & regs::status::TXOFF == 0 {
                self.report_hang(dev, &stuck, self.tx.tail.load(Relaxed));
            }
        }
    }
}
