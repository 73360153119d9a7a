// SPDX-License-Identifier: GPL-2.0

//! A card made of software: what it is given to send it keeps, until it is told to have sent it;
//! what it is told to have received it passes on.

use super::{
    census::Census,
    must, //
};
use crate::{
    net::{
        napi::{
            NewSkb,
            PageSkb,
            Poll,
            Polled,
            Unit, //
        },
        netdev::{
            message::MessageLevel,
            Address,
            Device,
            Features,
            Handle,
            Operations,
            Rtnl,
            RxMode,
            Statistics,
            VlanProtocol,
            Xmit, //
        },
        skb::{
            Busy,
            DropReason,
            ReceivedChecksum,
            SkBuff, //
        }, //
    },
    new_spinlock_irq,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        SpinLockIrq, //
    }, //
};

/// How many packets the card has room for.
pub(super) const RING: u32 = 8;

/// The protocol of the packets of the tests; others, which the stack may send, are dropped.
pub(super) const PROTOCOL: u16 = 0x88b5;

/// What the card does to a packet that it has to send.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Mode {
    /// Keeps it until it is told to have sent it.
    Keep,
    /// Drops it without a word.
    Forget,
    /// Drops it with a reason.
    Reject,
    /// Hands it back, and is woken up by who has asked for that.
    HandBack,
    /// Hands another one back, and keeps it.
    HandAnotherBack,
}

/// What the card is to receive.
pub(super) enum Arrival {
    Bytes(KVec<u8>),
    Tagged(KVec<u8>, u16),
    Pages(PageSkbPlan),
}

/// So many pages with so many bytes each.
#[derive(Clone, Copy)]
pub(super) struct PageSkbPlan {
    pub(super) pages: usize,
    pub(super) length: usize,
}

pub(super) struct Ring {
    /// What the card has not sent.
    pub(super) waiting: KVec<SkBuff>,
    /// What it has, but not told.
    pub(super) sent: KVec<SkBuff>,
    pub(super) arrivals: KVec<Arrival>,
    /// A packet of pages that is not complete.
    pub(super) unfinished: Option<PageSkb>,
}

/// The data of the card.
#[pin_data(PinnedDrop)]
pub(super) struct CardData<'bound> {
    pub(super) census: Arc<Census>,
    pub(super) handle: Handle<'bound, Card>,
    pub(super) mode: Atomic<u32>,
    /// How many descriptors are used.
    pub(super) used: Atomic<u32>,
    #[pin]
    pub(super) ring: SpinLockIrq<Ring>,
    /// How often the card was to send a packet of the tests.
    pub(super) xmits: Atomic<u32>,
    /// How often the queue was woken up by NAPI.
    pub(super) wakes: Atomic<u32>,
    pub(super) polls: Atomic<u32>,
    /// The largest number of units of a budget that were used in a run.
    pub(super) most_used: Atomic<u32>,
    /// How often a run went beyond its budget.
    pub(super) excesses: Atomic<u32>,
    pub(super) rearms: Atomic<u32>,
    /// How many bytes more than there were a run counts as sent.
    pub(super) exaggeration: Atomic<u32>,
    /// Whether `open` fails after it has enabled NAPI.
    pub(super) fail_open: Atomic<bool>,
    /// Whether `stop` leaves NAPI enabled.
    pub(super) lazy_stop: Atomic<bool>,
    pub(super) unicast: Atomic<u32>,
    pub(super) multicast: Atomic<u32>,
    pub(super) promisc: Atomic<bool>,
    pub(super) last_multicast: Atomic<u32>,
    pub(super) vids: Atomic<u32>,
    pub(super) refuse_features: Atomic<bool>,
    pub(super) commit_features: Atomic<bool>,
    pub(super) message_level: Atomic<u32>,
}

impl<'bound> CardData<'bound> {
    pub(super) fn new(
        census: Arc<Census>,
        handle: Handle<'bound, Card>,
    ) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            handle,
            mode: Atomic::new(Mode::Keep as u32),
            used: Atomic::new(0),
            ring <- new_spinlock_irq!(Ring {
                waiting: KVec::with_capacity(RING as usize, GFP_KERNEL)?,
                sent: KVec::with_capacity(RING as usize, GFP_KERNEL)?,
                arrivals: KVec::new(),
                unfinished: None,
            }),
            xmits: Atomic::new(0),
            wakes: Atomic::new(0),
            polls: Atomic::new(0),
            most_used: Atomic::new(0),
            excesses: Atomic::new(0),
            rearms: Atomic::new(0),
            exaggeration: Atomic::new(0),
            fail_open: Atomic::new(false),
            lazy_stop: Atomic::new(false),
            unicast: Atomic::new(0),
            multicast: Atomic::new(0),
            promisc: Atomic::new(false),
            last_multicast: Atomic::new(0),
            vids: Atomic::new(0),
            refuse_features: Atomic::new(false),
            commit_features: Atomic::new(false),
            message_level: Atomic::new(MessageLevel::DRV.bits()),
            _: { census.data.fetch_add(1, Relaxed); },
            census,
        })
    }

    pub(super) fn free(&self) -> u32 {
        RING.saturating_sub(self.used.load(Relaxed))
    }

    fn mode(&self) -> u32 {
        self.mode.load(Relaxed)
    }

    pub(super) fn set_mode(&self, mode: Mode) {
        self.mode.store(mode as u32, Relaxed);
    }

    /// The card has sent so many of what waits.
    pub(super) fn send(&self, count: usize) {
        let mut ring = self.ring.lock();

        for _ in 0..count.min(ring.waiting.len()) {
            if let Ok(skb) = ring.waiting.remove(0) {
                // There is room: what is here was in the other one.
                let _ = ring.sent.push_within_capacity(skb);
            }
        }
    }

    /// Passes on what has arrived.
    fn receive(&self, poll: &mut Poll<'_>) {
        loop {
            if self.ring.lock().arrivals.is_empty() {
                return;
            }
            let Some(unit) = poll.take() else {
                return;
            };
            let Ok(arrival) = self.ring.lock().arrivals.remove(0) else {
                return;
            };

            match arrival {
                Arrival::Bytes(bytes) => {
                    if let Some(skb) = packet(poll, &unit, &bytes) {
                        poll.receive(unit, skb);
                    }
                }
                Arrival::Tagged(bytes, tci) => {
                    if let Ok(mut skb) = new_packet(poll, &unit, &bytes) {
                        skb.set_checksum(ReceivedChecksum::Complete(7));
                        skb.set_checksum(ReceivedChecksum::Unnecessary);
                        skb.set_vlan_tag(VlanProtocol::Ctag, tci);
                        poll.receive_new(unit, skb);
                    }
                }
                Arrival::Pages(plan) => {
                    let unfinished = self.ring.lock().unfinished.take();
                    let skb = unfinished.or_else(|| poll.page_skb(&unit));

                    if let Some(skb) = skb.and_then(|skb| fill(skb, plan)) {
                        poll.receive_pages(unit, skb);
                    }
                }
            }
        }
    }

    /// Gives up what was sent.
    fn clean(&self, poll: &Poll<'_>) {
        let mut packets = 0;
        let mut bytes = 0;

        loop {
            let Ok(skb) = self.ring.lock().sent.remove(0) else {
                break;
            };

            packets += 1;
            bytes += u32::try_from(skb.len()).unwrap_or(0);
            poll.consume(skb);
        }
        self.used.fetch_sub(packets, Relaxed);
        bytes += self.exaggeration.load(Relaxed);
        if poll.tx_completed(packets, bytes, 2, || self.free(), || true) {
            self.wakes.fetch_add(1, Relaxed);
        }
    }
}

/// A packet with these bytes.
fn packet<'a>(poll: &Poll<'a>, unit: &Unit<'a>, bytes: &[u8]) -> Option<SkBuff> {
    let mut skb = poll.alloc_skb(unit, bytes.len())?;

    skb.put_data(bytes).ok()?;
    Some(skb)
}

/// The same, made at once.
fn new_packet<'a>(poll: &Poll<'a>, unit: &Unit<'a>, bytes: &[u8]) -> Result<NewSkb> {
    poll.alloc_skb_with(unit, bytes.len(), |room| {
        let length = room.len();

        for (place, byte) in room.iter_mut().zip(bytes) {
            place.write(*byte);
        }
        // SAFETY: All of it was written, as there are as many.
        Ok(unsafe { core::slice::from_raw_parts_mut(room.as_mut_ptr().cast(), length) })
    })
}

/// Adds the pages of a plan, the first of which begins with an Ethernet header.
fn fill(mut skb: PageSkb, plan: PageSkbPlan) -> Option<PageSkb> {
    for number in 0..plan.pages {
        let page = crate::page::Page::alloc_page(GFP_ATOMIC | __GFP_ZERO).ok()?;

        if number == 0 && plan.length >= 14 {
            let header = super::peer::header();

            // SAFETY: Nobody else has the page.
            unsafe { page.write_raw(header.as_ptr(), 0, header.len()) }.ok()?;
        }
        skb.add_page(page, 0, plan.length).ok()?;
    }
    Some(skb)
}

#[pinned_drop]
impl PinnedDrop for CardData<'_> {
    fn drop(self: Pin<&mut Self>) {
        self.census.note("data dropped");
        self.census.data.fetch_sub(1, Relaxed);
    }
}

/// The driver of the card.
pub(super) struct Card;

#[vtable]
impl Operations for Card {
    type Data<'bound> = CardData<'bound>;

    fn open<'bound>(dev: &Device<'bound, Self>, rtnl: &Rtnl) -> Result {
        dev.data().census.note("open");
        dev.napi_enable(rtnl);
        if dev.data().fail_open.load(Relaxed) {
            return Err(EIO);
        }
        dev.carrier_on();
        dev.start_queue();
        Ok(())
    }

    fn stop<'bound>(dev: &Device<'bound, Self>, rtnl: &Rtnl) {
        let data = dev.data();

        data.census.note("stop");
        dev.tx_disable();
        dev.carrier_off();
        if data.lazy_stop.load(Relaxed) {
            return;
        }
        dev.napi_disable(rtnl);

        let mut ring = data.ring.lock();
        let waiting = core::mem::take(&mut ring.waiting);
        let sent = core::mem::take(&mut ring.sent);
        let unfinished = ring.unfinished.take();

        drop(ring);
        drop((waiting, sent, unfinished));
        data.used.store(0, Relaxed);
        // NAPI is disabled.
        let _ = dev.reset_queue(rtnl);
    }

    fn start_xmit<'bound>(
        dev: &Device<'bound, Self>,
        xmit: Xmit<'_>,
        mut skb: SkBuff,
    ) -> Result<(), Busy> {
        let data = dev.data();

        if skb.protocol() != PROTOCOL {
            skb.consume();
            return Ok(());
        }
        data.xmits.fetch_add(1, Relaxed);

        let mode = data.mode();

        if mode == Mode::Forget as u32 {
            return Ok(());
        }
        if mode == Mode::Reject as u32 {
            skb.drop_with(DropReason::FULL_RING);
            return Ok(());
        }
        if mode == Mode::HandBack as u32 {
            dev.stop_queue();
            return Err(skb.busy());
        }

        let other = (mode == Mode::HandAnotherBack as u32)
            .then(|| SkBuff::new(16, GFP_ATOMIC).ok())
            .flatten();

        if data.free() == 0 {
            dev.stop_queue();
            return Err(skb.busy());
        }
        xmit.timestamp(&mut skb);

        let bytes = u32::try_from(skb.len()).unwrap_or(0);

        data.used.fetch_add(1, Relaxed);
        xmit.maybe_stop(1, 2, || data.free());
        // This card needs not be told.
        let _ = xmit.sent(bytes);
        if let Err(error) = data.ring.lock().waiting.push(skb, GFP_ATOMIC) {
            let _ = error;
        }
        match other {
            Some(other) => Err(other.busy()),
            None => Ok(()),
        }
    }

    fn poll<'bound>(dev: &Device<'bound, Self>, mut poll: Poll<'_>) -> Polled {
        let data = dev.data();

        data.polls.fetch_add(1, Relaxed);
        data.clean(&poll);
        data.receive(&mut poll);

        let used = poll.used();

        if used > data.most_used.load(Relaxed) {
            data.most_used.store(used, Relaxed);
        }
        if poll.is_exhausted() && poll.take().is_some() {
            data.excesses.fetch_add(1, Relaxed);
        }
        poll.complete(|| {
            data.rearms.fetch_add(1, Relaxed);
        })
    }

    fn set_rx_mode<'bound>(dev: &Device<'bound, Self>, mode: &RxMode<'_>) {
        let data = dev.data();
        let last = mode.multicast().last().map_or(0, |address| address[5]);

        data.unicast.store(mode.unicast().count() as u32, Relaxed);
        data.multicast.store(mode.multicast_count() as u32, Relaxed);
        data.last_multicast.store(last.into(), Relaxed);
        data.promisc.store(mode.is_promisc(), Relaxed);
    }

    fn set_mac_address<'bound>(
        dev: &Device<'bound, Self>,
        _rtnl: &Rtnl,
        address: &Address,
    ) -> Result {
        // The card has its own opinion on one of them.
        if address[5] == 0xee {
            return Err(EIO);
        }
        dev.data().census.note("address");
        Ok(())
    }

    fn change_mtu<'bound>(dev: &Device<'bound, Self>, _rtnl: &Rtnl, mtu: u32) -> Result {
        if mtu == 1000 {
            return Err(EBUSY);
        }
        assert_ne!(dev.mtu(), mtu);
        Ok(())
    }

    fn mii_phy<'bound>(_dev: &Device<'bound, Self>, _rtnl: &Rtnl) -> Result<u16> {
        Ok(1)
    }

    fn mii_read<'bound>(
        _dev: &Device<'bound, Self>,
        _rtnl: &Rtnl,
        phy: u16,
        register: u16,
    ) -> Result<u16> {
        if phy != 1 {
            return Err(EIO);
        }
        Ok(register + 1)
    }

    fn mii_write<'bound>(
        dev: &Device<'bound, Self>,
        _rtnl: &Rtnl,
        _phy: u16,
        register: u16,
        value: u16,
    ) -> Result {
        if register != value {
            return Err(EINVAL);
        }
        dev.data().census.note("mii write");
        Ok(())
    }

    fn get_stats64<'bound>(dev: &Device<'bound, Self>, statistics: &mut Statistics) {
        statistics.tx_packets = dev.data().xmits.load(Relaxed).into();
        statistics.rx_crc_errors = 1 << 40;
    }

    fn vlan_rx_add_vid<'bound>(
        dev: &Device<'bound, Self>,
        _rtnl: &Rtnl,
        protocol: VlanProtocol,
        _vid: u16,
    ) -> Result {
        must(protocol == VlanProtocol::Ctag)?;
        dev.data().vids.fetch_add(1, Relaxed);
        Ok(())
    }

    fn vlan_rx_kill_vid<'bound>(
        dev: &Device<'bound, Self>,
        _rtnl: &Rtnl,
        _protocol: VlanProtocol,
        _vid: u16,
    ) -> Result {
        dev.data().vids.fetch_sub(1, Relaxed);
        Ok(())
    }

    fn fix_features<'bound>(
        _dev: &Device<'bound, Self>,
        _rtnl: &Rtnl,
        features: Features,
    ) -> Features {
        // Without one, there is no other.
        if features.contains(Features::RXCSUM) {
            features
        } else {
            features - Features::RXFCS
        }
    }

    fn set_features<'bound>(dev: &Device<'bound, Self>, rtnl: &Rtnl, features: Features) -> Result {
        let data = dev.data();

        if data.commit_features.load(Relaxed) {
            dev.commit_features(rtnl, features);
        }
        if data.refuse_features.load(Relaxed) {
            return Err(EIO);
        }
        Ok(())
    }
}
