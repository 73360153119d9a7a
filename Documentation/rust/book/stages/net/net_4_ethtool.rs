// SPDX-License-Identifier: GPL-2.0

//! A network driver without hardware, fourth stage: `ethtool` can tell and set what there is.
//!
//! `ethtool -S` counts what happens to the queue, `ethtool -g` and `-G` tell and set the size of
//! the ring, and there is a link as long as there is a carrier, which a parameter of the module
//! decides.

#![deny(unsafe_code)]

use kernel::{
    device::{
        scope::Scope,
        Bound,
        Device, //
    },
    faux::lifecycle,
    net::{
        ethtool::{
            self,
            DriverInfo,
            RingParam, //
        },
        napi::{
            Poll,
            Polled,
            Unit, //
        },
        netdev::{
            self,
            Address,
            Handle,
            NewDevice,
            Operations,
            Registration,
            Rtnl,
            Statistics,
            Xmit, //
        },
        skb::{
            Busy,
            DropReason,
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
        SpinLockIrq, //
    }, //
};

#[path = "logic/src/arp.rs"]
pub mod arp;
#[path = "logic/src/mirror.rs"]
pub mod mirror;

/// How many frames the ring has room for, if the user does not choose otherwise, and what he can
/// choose from.
const ROOM: u32 = 64;
const ROOMS: core::ops::RangeInclusive<u32> = 16..=1024;
/// The sizes of frames that the user can choose from, without the Ethernet header.
const MTU: (u32, u32) = (68, 9000);

struct Mirror;

/// Frames in the order in which they were sent.
struct Ring {
    frames: KVec<SkBuff>,
    /// How many of them are on their way.
    told: usize,
}

impl Ring {
    const NONE: Self = Self {
        frames: KVec::new(),
        told: 0,
    };

    fn new(size: u32) -> Result<Self> {
        Ok(Self {
            frames: KVec::with_capacity(usize::try_from(size)?, GFP_KERNEL)?,
            told: 0,
        })
    }
}

#[pin_data]
struct Data<'bound> {
    handle: Handle<'bound, Mirror>,
    #[pin]
    ring: SpinLockIrq<Ring>,
    /// How many frames the ring has room for.
    size: Atomic<u32>,
    stops: Atomic<u64>,
    wakes: Atomic<u64>,
    sent: Atomic<u64>,
    sent_bytes: Atomic<u64>,
    answered: Atomic<u64>,
    answered_bytes: Atomic<u64>,
    dropped: Atomic<u64>,
}

impl<'bound> Data<'bound> {
    fn new(handle: Handle<'bound, Mirror>) -> impl PinInit<Self, Error> + 'bound {
        try_pin_init!(Self {
            handle,
            ring <- new_spinlock_irq!(Ring::NONE),
            size: Atomic::new(ROOM),
            stops: Atomic::new(0),
            wakes: Atomic::new(0),
            sent: Atomic::new(0),
            sent_bytes: Atomic::new(0),
            answered: Atomic::new(0),
            answered_bytes: Atomic::new(0),
            dropped: Atomic::new(0),
        }? Error)
    }

    /// How many frames there is room for.
    fn room(&self) -> u32 {
        let used = self.ring.lock().frames.len();

        // CAST: There are no more than the ring has room for.
        self.size.load(Relaxed).saturating_sub(used as u32)
    }

    /// The queue goes on when there is room for so many.
    fn wake(&self) -> u32 {
        self.size.load(Relaxed) / 2
    }

    /// Lets nothing be sent any more, and forgets what was.
    fn halt(dev: &netdev::Device<'bound, Mirror>, rtnl: &Rtnl) {
        dev.tx_disable();
        dev.napi_disable(rtnl);

        let ring = core::mem::replace(&mut *dev.data().ring.lock(), Ring::NONE);

        drop(ring);
        // What was in the ring counts as given to the card, and never comes back. NAPI is disabled,
        // so this is possible.
        let _ = dev.reset_queue(rtnl);
    }

    /// Lets go of all frames that are in the ring.
    fn tell(&self) {
        {
            let mut ring = self.ring.lock();

            ring.told = ring.frames.len();
        }
        self.handle.napi_schedule();
    }

    /// The frame that has been on its way for the longest time, and what `poll` has left to receive
    /// it with.
    fn next<'a>(&self, poll: &mut Poll<'a>) -> Option<(SkBuff, Unit<'a>)> {
        let mut ring = self.ring.lock();

        if ring.told == 0 {
            return None;
        }
        let unit = poll.take()?;

        ring.told -= 1;
        // Moves all others. A card has indices that go round.
        Some((ring.frames.remove(0).ok()?, unit))
    }

    /// The answer to a frame.
    fn answer<'a>(&self, poll: &Poll<'a>, unit: &Unit<'a>, skb: &SkBuff) -> Result<SkBuff> {
        let mut bytes = KVec::from_elem(0u8, skb.len(), GFP_ATOMIC)?;

        skb.copy_bits(0, &mut bytes)?;
        if !arp::answer(&mut bytes) && !mirror::turn(&mut bytes) {
            return Err(EINVAL);
        }

        let mut answer = poll.alloc_skb(unit, bytes.len()).ok_or(ENOMEM)?;

        answer.put_data(&bytes)?;
        Ok(answer)
    }
}

#[vtable]
impl Operations for Mirror {
    type Data<'bound> = Data<'bound>;

    fn open<'bound>(dev: &netdev::Device<'bound, Self>, rtnl: &Rtnl) -> Result {
        let ring = Ring::new(dev.data().size.load(Relaxed))?;

        *dev.data().ring.lock() = ring;
        dev.napi_enable(rtnl);
        dev.start_queue();
        if module_parameters::carrier.value() != 0 {
            dev.carrier_on();
        }
        Ok(())
    }

    fn stop<'bound>(dev: &netdev::Device<'bound, Self>, rtnl: &Rtnl) {
        dev.carrier_off();
        Data::halt(dev, rtnl);
    }

    fn start_xmit<'bound>(
        dev: &netdev::Device<'bound, Self>,
        xmit: Xmit<'_>,
        skb: SkBuff,
    ) -> Result<(), Busy> {
        let data = dev.data();
        let Ok(length) = u32::try_from(skb.len()) else {
            skb.drop_with(DropReason::PKT_TOO_BIG);
            return Ok(());
        };

        // The queue was stopped when the ring became full, so this does not happen.
        if xmit.maybe_stop(1, 1, || data.room()) {
            return Err(skb.busy());
        }

        let pushed = data.ring.lock().frames.push_within_capacity(skb);

        if let Err(full) = pushed {
            data.dropped.fetch_add(1, Relaxed);
            full.0.drop_with(DropReason::FULL_RING);
            return Ok(());
        }
        if xmit.maybe_stop(1, data.wake(), || data.room()) {
            data.stops.fetch_add(1, Relaxed);
        }
        // Not if more frames follow at once.
        if xmit.sent(length) {
            data.tell();
        }
        Ok(())
    }

    fn poll<'bound>(dev: &netdev::Device<'bound, Self>, mut poll: Poll<'_>) -> Polled {
        let data = dev.data();
        let mut packets = 0;
        let mut bytes = 0;

        while let Some((skb, unit)) = data.next(&mut poll) {
            let answer = data.answer(&poll, &unit, &skb);

            packets += 1;
            // CAST: Longer ones were not sent.
            bytes += skb.len() as u32;
            poll.consume(skb);
            if let Ok(answer) = answer {
                data.answered.fetch_add(1, Relaxed);
                data.answered_bytes.fetch_add(answer.len() as u64, Relaxed);
                poll.receive(unit, answer);
            }
        }
        data.sent.fetch_add(packets.into(), Relaxed);
        data.sent_bytes.fetch_add(bytes.into(), Relaxed);
        if poll.tx_completed(packets, bytes, data.wake(), || data.room(), || true) {
            data.wakes.fetch_add(1, Relaxed);
        }
        poll.complete(|| ())
    }

    // The stack keeps the address, and the size of frames; there is no card to be told.
    fn set_mac_address<'bound>(
        _dev: &netdev::Device<'bound, Self>,
        _rtnl: &Rtnl,
        _address: &Address,
    ) -> Result {
        Ok(())
    }

    fn change_mtu<'bound>(_dev: &netdev::Device<'bound, Self>, _rtnl: &Rtnl, _mtu: u32) -> Result {
        Ok(())
    }

    fn get_stats64<'bound>(dev: &netdev::Device<'bound, Self>, statistics: &mut Statistics) {
        let data = dev.data();

        statistics.tx_packets = data.sent.load(Relaxed);
        statistics.tx_bytes = data.sent_bytes.load(Relaxed);
        statistics.tx_dropped = data.dropped.load(Relaxed);
        statistics.rx_packets = data.answered.load(Relaxed);
        statistics.rx_bytes = data.answered_bytes.load(Relaxed);
    }
}

#[vtable]
impl ethtool::Operations for Mirror {
    const STATISTICS: &'static [&'static str] = &["queue_stops", "queue_wakes"];

    fn get_drvinfo<'bound>(_dev: &netdev::Device<'bound, Self>, info: &mut DriverInfo<'_>) {
        info.set_driver("net_4_ethtool");
    }

    fn get_ethtool_stats<'bound>(
        dev: &netdev::Device<'bound, Self>,
        _rtnl: &Rtnl,
        statistics: &mut [u64],
    ) {
        let data = dev.data();

        for (to, counter) in statistics.iter_mut().zip([&data.stops, &data.wakes]) {
            *to = counter.load(Relaxed);
        }
    }

    fn get_ringparam<'bound>(dev: &netdev::Device<'bound, Self>, _rtnl: &Rtnl) -> RingParam {
        RingParam {
            tx_max_pending: *ROOMS.end(),
            tx_pending: dev.data().size.load(Relaxed),
            ..RingParam::default()
        }
    }

    fn set_ringparam<'bound>(
        dev: &netdev::Device<'bound, Self>,
        rtnl: &Rtnl,
        ring: &RingParam,
    ) -> Result {
        let size = ring.tx_pending.clamp(*ROOMS.start(), *ROOMS.end());

        if !dev.is_running() {
            dev.data().size.store(size, Relaxed);
            return Ok(());
        }

        // What may fail comes first: the device goes on with what it has.
        let new = Ring::new(size)?;

        Data::halt(dev, rtnl);
        dev.data().size.store(size, Relaxed);
        *dev.data().ring.lock() = new;
        dev.napi_enable(rtnl);
        dev.wake_queue();
        Ok(())
    }
}

struct TheDriver;

impl lifecycle::Driver for TheDriver {
    type Data<'bound> = Registration<'bound, Mirror>;

    fn probe<'bound>(
        dev: &'bound Device<Bound>,
        scope: &'bound Scope<'bound>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound {
        let mut new = NewDevice::new(dev, Data::new)?;

        new.set_address(&[2, 0, 0, 0, 0, 1]);
        new.set_mtu_range(MTU.0, MTU.1);
        new.set_ethtool_ops();
        new.carrier_off();
        new.register(scope)
    }
}

kernel::module_faux_driver! {
    type: TheDriver,
    name: "net_4_ethtool",
    authors: ["The linux-virtio-rs developers"],
    description: "A network driver without hardware, fourth stage",
    license: "GPL",
    params: {
        carrier: u8 {
            default: 1,
            description: "Whether there is a link",
        },
    },
}
