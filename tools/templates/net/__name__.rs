// SPDX-License-Identifier: GPL-2.0

//! A network driver without hardware: what is sent comes back, as if each address answered.
//!
//! ```text
//! insmod __name__.ko
//! ip addr add 192.0.2.1/24 dev eth0
//! ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev eth0
//! ip link set eth0 up
//! ping 192.0.2.2
//! ```

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

/// How many frames can be on their way.
const ROOM: usize = 64;

/// What the network stack calls.
struct Mirror;

/// What there is for the network device. It is shared by all that run for it.
#[pin_data]
struct Data<'bound> {
    handle: Handle<'bound, Mirror>,
    /// What was sent, and has not come back.
    #[pin]
    frames: SpinLockIrq<KVec<SkBuff>>,
    sent: Atomic<u64>,
    answered: Atomic<u64>,
    dropped: Atomic<u64>,
}

impl<'bound> Data<'bound> {
    fn new(handle: Handle<'bound, Mirror>) -> impl PinInit<Self, Error> + 'bound {
        try_pin_init!(Self {
            handle,
            frames <- new_spinlock_irq!(KVec::new()),
            sent: Atomic::new(0),
            answered: Atomic::new(0),
            dropped: Atomic::new(0),
        }? Error)
    }

    /// The frame that was sent first, and what `poll` has left to receive it with.
    fn next<'a>(&self, poll: &mut Poll<'a>) -> Option<(SkBuff, Unit<'a>)> {
        let mut frames = self.frames.lock();

        if frames.is_empty() {
            return None;
        }
        let unit = poll.take()?;

        Some((frames.remove(0).ok()?, unit))
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
        // Memory is allocated outside of the lock.
        let frames = KVec::with_capacity(ROOM, GFP_KERNEL)?;

        *dev.data().frames.lock() = frames;
        dev.napi_enable(rtnl);
        dev.start_queue();
        Ok(())
    }

    fn stop<'bound>(dev: &netdev::Device<'bound, Self>, rtnl: &Rtnl) {
        dev.tx_disable();
        dev.napi_disable(rtnl);

        let frames = core::mem::take(&mut *dev.data().frames.lock());

        drop(frames);
    }

    fn start_xmit<'bound>(
        dev: &netdev::Device<'bound, Self>,
        _xmit: Xmit<'_>,
        skb: SkBuff,
    ) -> Result<(), Busy> {
        let data = dev.data();
        let pushed = data.frames.lock().push_within_capacity(skb);

        if let Err(full) = pushed {
            data.dropped.fetch_add(1, Relaxed);
            full.0.drop_with(DropReason::FULL_RING);
        }
        data.handle.napi_schedule();
        Ok(())
    }

    fn poll<'bound>(dev: &netdev::Device<'bound, Self>, mut poll: Poll<'_>) -> Polled {
        let data = dev.data();

        while let Some((skb, unit)) = data.next(&mut poll) {
            let answer = data.turned(&poll, &unit, &skb);

            poll.consume(skb);
            data.sent.fetch_add(1, Relaxed);
            if let Ok(answer) = answer {
                poll.receive(unit, answer);
                data.answered.fetch_add(1, Relaxed);
            }
        }
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
    name: "__name__",
    authors: ["The author of __name__"],
    description: "A network device that answers whatever is sent",
    license: "GPL",
}
