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
            MapError,
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
    },
    time::msecs_to_jiffies, //
};

use super::{
    adapter::Adapter,
    desc::Context,
    hw::Hw,
    regs,
    ring::{
        stop_below,
        Size,
        WAKE_THRESHOLD, //
    },
    tx_ring::{
        Sent,
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

/// The Ethernet type of IPv4.
const ETH_P_IP: u16 = 0x0800;
/// The protocol number of TCP.
const IPPROTO_TCP: u8 = 6;

/// So many packets are taken out of the ring before the lock is released.
const BATCH: usize = 16;

/// The transmit side of a card.
#[pin_data]
pub(crate) struct Tx<'bound> {
    #[pin]
    ring: SpinLockIrq<Option<KBox<TxRing<'bound>>>>,
    /// How many descriptors are free: what the ring says, for those who do not have its lock.
    unused: Atomic<u32>,
    /// How many are free when the card has no packets.
    most: Atomic<u32>,
    /// See [`Errata::last_tso`]. Whoever has the lock of the transmit queue writes it.
    last_tso: Atomic<bool>,
    /// A hang is to be looked for.
    watch: Atomic<bool>,
    /// After how many seconds a packet that was not sent is a hang.
    hang_seconds: Atomic<u32>,
}

impl<'bound> Tx<'bound> {
    /// A side without a ring.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            ring <- new_spinlock_irq!(None),
            unused: Atomic::new(0),
            most: Atomic::new(0),
            last_tso: Atomic::new(false),
            watch: Atomic::new(false),
            hang_seconds: Atomic::new(1),
        })
    }

    /// Puts an empty ring into the place of another one. The card uses neither.
    pub(crate) fn replace(&self, ring: Option<KBox<TxRing<'bound>>>) {
        let unused = ring.as_ref().map_or(0, |ring| ring.unused());
        let old = {
            let mut slot = self.ring.lock();

            self.unused.store(unused.into(), Relaxed);
            self.most.store(unused.into(), Relaxed);
            core::mem::replace(&mut *slot, ring)
        };

        // Packets are not freed under the lock.
        drop(old);
    }

    /// Tells the card where the ring is. It is empty. `delay`: interrupts may come later.
    pub(crate) fn program(&self, hw: &Hw<'_>, delay: bool) {
        if let Some(ring) = &mut *self.ring.lock() {
            ring.program(hw, delay);
        }
    }

    /// Throws away what the card has not sent. It does not use the ring.
    pub(crate) fn clean(&self, hw: &Hw<'_>) {
        loop {
            let sent = {
                let mut slot = self.ring.lock();
                let Some(ring) = &mut *slot else {
                    break;
                };
                let sent = ring.take();

                self.unused.store(ring.unused().into(), Relaxed);
                sent
            };

            // It is freed without the lock.
            if sent.is_none() {
                break;
            }
        }
        self.last_tso.store(false, Relaxed);
        hw.write(regs::TDH, 0);
        hw.write(regs::TDT, 0);
    }

    /// Tells the card of all packets that it has.
    fn kick(&self, hw: &Hw<'_>) {
        if let Some(ring) = &*self.ring.lock() {
            hw.write(regs::TDT, ring.next_to_use.into());
        }
    }

    /// How many descriptors are free.
    #[inline]
    fn unused(&self) -> u32 {
        self.unused.load(Relaxed)
    }

    /// Whether the card has packets.
    pub(crate) fn has_packets(&self) -> bool {
        self.ring
            .lock()
            .as_ref()
            .is_some_and(|ring| ring.has_packets())
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

/// What a packet needs of the card.
struct Request {
    plan: Plan,
    context: Option<Context>,
    offload: Offload,
    /// Packets and bytes on the wire.
    counts: (u16, u32),
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
        // The card pads too, but not rightly on all buses.
        if skb.pad().is_err() {
            self.drop_unsent(skb);
            return Ok(());
        }
        let packet = Packet {
            mss: skb.gso_size(),
            partial_checksum: skb.partial_checksum().is_some(),
            linear: skb.is_linear(),
        };
        let errata = Errata {
            pcix: self.hw.bus.pcix,
            last_tso: self.tx.last_tso.load(Relaxed),
        };
        let plan = Plan::new(packet, errata);
        let head = u32::try_from(skb.headlen()).unwrap_or(u32::MAX);
        let frags = skb
            .frags()
            .map(|frag| u32::try_from(frag.len()).unwrap_or(u32::MAX));
        // Head must not come up to tail.
        let needed = plan.needed(head, frags).saturating_add(2);

        if needed > self.tx.most.load(Relaxed) {
            // It would wait for ever, and all others behind it.
            self.drop_unsent(skb);
            return Ok(());
        }
        if xmit.maybe_stop(needed, needed, || self.tx.unused()) {
            self.tx.kick(&self.hw);
            return Err(skb.busy());
        }

        let Ok(request) = Self::prepare(&mut skb, plan, head) else {
            self.drop_unsent(skb);
            return Ok(());
        };
        let bytes = u32::try_from(skb.len()).unwrap_or(u32::MAX);

        skb.tx_timestamp();
        let mapped = match skb.map(dev.parent()) {
            Ok(mapped) => mapped,
            Err(MapError { skb, .. }) => {
                dev_err!(self.pdev, "TX DMA map failed\n");
                self.drop_unsent(skb);
                return Ok(());
            }
        };
        let mut slot = self.tx.ring.lock();
        let pushed = match &mut *slot {
            Some(ring) => {
                let result = ring.push(
                    mapped,
                    &request.plan,
                    request.context,
                    &request.offload,
                    request.counts,
                );

                if result.is_ok() && request.offload.tso {
                    self.tx.last_tso.store(true, Relaxed);
                } else if result.is_ok() && request.plan.pays_for_tso() {
                    self.tx.last_tso.store(false, Relaxed);
                }
                self.tx.unused.store(ring.unused().into(), Relaxed);
                result.map(|()| ring.next_to_use)
            }
            None => Err(mapped),
        };

        drop(slot);
        let tail = match pushed {
            Ok(tail) => tail,
            Err(mapped) => {
                self.drop_unsent(mapped.unmap());
                return Ok(());
            }
        };
        let kick = xmit.sent(bytes);

        // The next packet may be as large as any.
        let stopped = xmit.maybe_stop(STOP_BELOW, STOP_BELOW, || self.tx.unused());

        if kick || stopped {
            // What has been written before is seen before this.
            self.hw.write(regs::TDT, tail.into());
        }
        Ok(())
    }

    /// Drops a packet that cannot be sent. Those before it may still have to be told to the card.
    #[cold]
    fn drop_unsent(&self, skb: SkBuff) {
        self.counts.tx_dropped.add(1);
        skb.drop_with(DropReason::NOT_SPECIFIED);
        self.tx.kick(&self.hw);
    }

    /// Finds out what a packet needs. Headers are changed as segmentation needs them.
    fn prepare(skb: &mut SkBuff, plan: Plan, head: u32) -> Result<Request> {
        let len = u32::try_from(skb.len())?;
        let mut offload = Offload {
            vlan: skb.vlan_tag(),
            no_fcs: skb.no_fcs(),
            ipv4: skb.vlan_get_protocol() == ETH_P_IP,
            ..Offload::default()
        };
        let context = if let Some(tso) = skb.prepare_tso()? {
            let headers = Headers {
                network: u16::try_from(tso.ip_start)?,
                transport: u16::try_from(tso.tcp_start)?,
                len: u16::try_from(tso.header_length)?,
                ipv4: !tso.is_v6,
            };

            offload.tso = true;
            Some(tso_context(headers, len, tso.segment_size).ok_or(EINVAL)?)
        } else if let Some(checksum) = skb.partial_checksum() {
            let tcp = skb.ip_protocol() == Some(IPPROTO_TCP);

            offload.checksum = true;
            let start = u32::try_from(checksum.start)?;
            let offset = u16::try_from(checksum.offset)?;

            Some(checksum_context(start, offset, tcp).ok_or(EINVAL)?)
        } else {
            None
        };
        let segments = skb.gso_segs().max(1);

        Ok(Request {
            plan,
            context,
            offload,
            counts: (segments, wire_bytes(len, head, segments)),
        })
    }

    /// Gives up what the card has sent (C: `e1000_clean_tx_irq`). Returns whether that was all.
    #[inline]
    pub(crate) fn clean_tx(&self, dev: &Device<'bound, E1000>, poll: &Poll<'_>) -> bool {
        let (mut packets, mut bytes) = (0u32, 0u32);
        let (mut segments, mut wire_bytes) = (0u32, 0u32);
        let mut left = u32::from(Size::MAX.count());
        let mut all = false;

        while !all && left > 0 {
            let mut batch: [Option<Sent<'bound>>; BATCH] = [const { None }; BATCH];

            {
                let mut slot = self.tx.ring.lock();
                let Some(ring) = &mut *slot else {
                    break;
                };

                for entry in &mut batch {
                    *entry = ring.pop();
                    if entry.is_none() {
                        all = true;
                        break;
                    }
                    left = left.saturating_sub(1);
                }
                self.tx.unused.store(ring.unused().into(), Relaxed);
            }
            // Packets are not freed with interrupts switched off.
            for sent in batch.into_iter().flatten() {
                packets += 1;
                bytes = bytes.wrapping_add(sent.bytes);
                segments = segments.wrapping_add(sent.segments.into());
                wire_bytes = wire_bytes.wrapping_add(sent.wire_bytes);
                poll.consume(sent.skb.unmap());
            }
        }

        if packets > 0 {
            let woken = poll.tx_completed(
                packets,
                bytes,
                WAKE_THRESHOLD.into(),
                || self.tx.unused(),
                || dev.carrier_ok() && !self.is_down(),
            );

            if woken {
                self.counts.restart_queue.add(1);
            }
            self.add_traffic(false, segments, wire_bytes);
            self.counts.tx_packets.add(segments.into());
            self.counts.tx_bytes.add(wire_bytes.into());
        }
        if self.tx.watch.load(Relaxed) {
            self.look_for_hang(dev);
        }
        all
    }

    fn look_for_hang(&self, dev: &Device<'bound, E1000>) {
        self.tx.watch.store(false, Relaxed);

        let seconds = self.tx.hang_seconds.load(Relaxed);
        let patience = msecs_to_jiffies(seconds.saturating_mul(1000));
        let stuck = self
            .tx
            .ring
            .lock()
            .as_ref()
            .and_then(|ring| ring.stuck(patience));

        if let Some(stuck) = stuck {
            // A partner may have asked us to wait.
            if self.hw.read(regs::STATUS) & regs::status::TXOFF == 0 {
                self.report_hang(dev, &stuck);
            }
        }
    }
}
