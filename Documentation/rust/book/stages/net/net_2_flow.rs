// SPDX-License-Identifier: GPL-2.0

//! A network driver without hardware, second stage: nothing is lost when there is no room.
//!
//! The queue is stopped when the ring is full, and woken up when half of it is free. As with a
//! card, frames are put into the ring one by one, and are on their way when that is told.

#![deny(unsafe_code)]

use kernel::{
    device::{
        scope::Scope,
        Bound,
        Device, //
    },
    faux::lifecycle,
    net::{
        napi::{
            Poll,
            Polled,
            Unit, //
        },
        netdev::{
            self,
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

#[path = "logic/src/mirror.rs"]
pub mod mirror;

/// How many frames the ring has room for.
const ROOM: u32 = 64;
/// The queue goes on when there is room for so many.
const WAKE: u32 = ROOM / 2;

struct Mirror;

/// Frames in the order in which they were sent.
struct Ring {
    frames: KVec<SkBuff>,
    /// How many of them are on their way.
    told: usize,
}

#[pin_data]
struct Data<'bound> {
    handle: Handle<'bound, Mirror>,
    #[pin]
    ring: SpinLockIrq<Ring>,
    sent: Atomic<u64>,
    answered: Atomic<u64>,
    dropped: Atomic<u64>,
}

impl<'bound> Data<'bound> {
    fn new(handle: Handle<'bound, Mirror>) -> impl PinInit<Self, Error> + 'bound {
        try_pin_init!(Self {
            handle,
            ring <- new_spinlock_irq!(Ring {
                frames: KVec::new(),
                told: 0,
            }),
            sent: Atomic::new(0),
            answered: Atomic::new(0),
            dropped: Atomic::new(0),
        }? Error)
    }

    /// How many frames there is room for.
    fn room(&self) -> u32 {
        let used = self.ring.lock().frames.len();

        // CAST: There are no more than `ROOM`.
        ROOM.saturating_sub(used as u32)
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
        Some((ring.frames.remove(0).ok()?, unit))
    }

    /// A copy of a frame, turned around.
    fn turned<'a>(&self, poll: &Poll<'a>, unit: &Unit<'a>, skb: &SkBuff) -> Result<SkBuff> {
        let mut bytes = KVec::from_elem(0u8, skb.len(), GFP_ATOMIC)?;

        skb.copy_bits(0, &mut bytes)?;
        if !mirror::turn(&mut bytes) {
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
        let frames = KVec::with_capacity(usize::try_from(ROOM)?, GFP_KERNEL)?;

        *dev.data().ring.lock() = Ring { frames, told: 0 };
        dev.napi_enable(rtnl);
        dev.start_queue();
        Ok(())
    }

    fn stop<'bound>(dev: &netdev::Device<'bound, Self>, rtnl: &Rtnl) {
        dev.tx_disable();
        dev.napi_disable(rtnl);

        let none = Ring {
            frames: KVec::new(),
            told: 0,
        };
        let ring = core::mem::replace(&mut *dev.data().ring.lock(), none);

        drop(ring);
        // What was in the ring counts as given to the card, and never comes back. NAPI is disabled,
        // so this is possible.
        let _ = dev.reset_queue(rtnl);
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
        xmit.maybe_stop(1, WAKE, || data.room());
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
            let answer = data.turned(&poll, &unit, &skb);

            packets += 1;
            // CAST: Longer ones were not sent.
            bytes += skb.len() as u32;
            poll.consume(skb);
            if let Ok(answer) = answer {
                poll.receive(unit, answer);
                data.answered.fetch_add(1, Relaxed);
            }
        }
        data.sent.fetch_add(packets.into(), Relaxed);
        poll.tx_completed(packets, bytes, WAKE, || data.room(), || true);
        poll.complete(|| ())
    }

    fn get_stats64<'bound>(dev: &netdev::Device<'bound, Self>, statistics: &mut Statistics) {
        let data = dev.data();

        statistics.tx_packets = data.sent.load(Relaxed);
        statistics.tx_dropped = data.dropped.load(Relaxed);
        statistics.rx_packets = data.answered.load(Relaxed);
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
        new.register(scope)
    }
}

kernel::module_faux_driver! {
    type: TheDriver,
    name: "net_2_flow",
    authors: ["The linux-virtio-rs developers"],
    description: "A network driver without hardware, second stage",
    license: "GPL",
}
