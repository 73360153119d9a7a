// SPDX-License-Identifier: GPL-2.0

//! A network card made of software that fills the buffers of a real ring, and writes into their
//! descriptors whatever it is told; its driver; and what has become of the packets.

use super::super::{
    census::wait_until,
    e1000::{
        desc::rx_status,
        mac::Mac,
        regs::{
            self,
            Registers, //
        },
        ring::Size,
        rx_ring::{
            RxRing,
            Settings, //
        }, //
    },
    must,
    peer::Tap,
    setup::ADDRESS, //
};
use crate::{
    device::{
        self,
        scope::Scope,
        Bound, //
    },
    dma::streaming::soft::{
        device_read,
        device_write,
        SoftDevice, //
    },
    error::to_result,
    net::{
        napi::{
            Poll,
            Polled, //
        },
        netdev::{
            Device,
            NewDevice,
            Operations,
            Registration,
            Rtnl,
            Xmit, //
        },
        skb::{
            Busy,
            SkBuff,
            ETH_HLEN, //
        }, //
    },
    new_spinlock_irq,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Slot,
        SpinLockIrq, //
    }, //
};

/// What the card writes into a buffer, as far as it says so: a header of an Ethernet packet for
/// somebody else, of a protocol with this number twice, and its data.
const TOLD: u8 = 0x5a;
/// What it writes behind that.
const UNTOLD: u8 = 0xa5;

/// The registers that the driver writes, and the card reads.
pub(super) struct Window {
    low: Atomic<u32>,
    high: Atomic<u32>,
    bytes: Atomic<u32>,
    pub(super) tail: Atomic<u32>,
}

impl Registers for Window {
    fn write(&self, offset: usize, value: u32) {
        let register = match offset {
            regs::RDBAL => &self.low,
            regs::RDBAH => &self.high,
            regs::RDLEN => &self.bytes,
            regs::RDT => &self.tail,
            _ => return,
        };

        register.store(value, Relaxed);
    }
}

impl Window {
    fn new() -> Self {
        Self {
            low: Atomic::new(0),
            high: Atomic::new(0),
            bytes: Atomic::new(0),
            tail: Atomic::new(0),
        }
    }

    /// Where a descriptor is.
    pub(super) fn descriptor(&self, index: u32) -> u64 {
        let base = u64::from(self.high.load(Relaxed)) << 32 | u64::from(self.low.load(Relaxed));

        base + u64::from(index) * 16
    }

    /// How many there are.
    pub(super) fn count(&self) -> u32 {
        self.bytes.load(Relaxed) / 16
    }
}

/// What the card writes into a descriptor.
#[derive(Clone, Copy)]
pub(super) struct Lie {
    pub(super) length: u16,
    pub(super) status: u8,
    pub(super) errors: u8,
    pub(super) special: u16,
}

/// A packet as it should be.
pub(super) const GOOD: Lie = Lie {
    length: 600,
    status: rx_status::DD | rx_status::EOP | rx_status::IXSM,
    errors: 0,
    special: 0,
};

/// The beginning of a packet that goes on.
pub(super) const BEGINNING: Lie = Lie {
    length: 1000,
    status: rx_status::DD,
    ..GOOD
};

/// The end of a packet, or one that is too short.
pub(super) const END: Lie = Lie { length: 5, ..GOOD };

/// What runs of NAPI have come to.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Total {
    pub(super) packets: u32,
    pub(super) dropped: u32,
    alloc_failed: u32,
    /// Checksums that the card has looked at.
    checksums: u32,
}

/// The data of the driver.
#[pin_data]
pub(super) struct Data {
    ring: Slot<RxRing<'static>>,
    pub(super) window: Window,
    #[pin]
    settings: SpinLockIrq<Settings>,
    /// How many bytes of a buffer are the card's.
    pub(super) buffer: usize,
    /// What all runs have come to.
    #[pin]
    received: SpinLockIrq<Total>,
    /// The largest number of units of a budget in a run.
    pub(super) most_used: Atomic<u32>,
    /// How often NAPI had nothing left to do.
    ends: Atomic<u32>,
}

/// A driver that receives, and sends nothing.
struct Receiver;

#[vtable]
impl Operations for Receiver {
    type Data<'bound> = Pin<KBox<Data>>;

    fn open<'bound>(dev: &Device<'bound, Self>, rtnl: &Rtnl) -> Result {
        dev.napi_enable(rtnl);
        dev.carrier_on();
        Ok(())
    }

    fn stop<'bound>(dev: &Device<'bound, Self>, rtnl: &Rtnl) {
        dev.napi_disable(rtnl);
    }

    fn start_xmit<'bound>(
        _dev: &Device<'bound, Self>,
        _xmit: Xmit<'_>,
        skb: SkBuff,
    ) -> Result<(), Busy> {
        skb.consume();
        Ok(())
    }

    fn poll<'bound>(dev: &Device<'bound, Self>, mut poll: Poll<'_>) -> Polled {
        let data = dev.data();

        if let Some(mut ring) = data.ring.take() {
            let settings = *data.settings.lock();
            let run = ring.receive(&data.window, &mut poll, settings);
            let trouble = ring.trouble.take();
            let _ = data.ring.put_back(ring);
            let mut all = data.received.lock();

            all.packets += run.traffic.packets;
            all.checksums += run.csum_good;
            if let Some(trouble) = trouble {
                all.dropped += trouble.dropped;
                all.alloc_failed += trouble.alloc_failed;
                all.checksums += trouble.csum_bad;
            }
        }
        if poll.used() > data.most_used.load(Relaxed) {
            data.most_used.store(poll.used(), Relaxed);
        }
        poll.complete(|| {
            data.ends.fetch_add(1, Relaxed);
        })
    }
}

/// The time for which the parent is bound. Ends when this is dropped.
struct Binding(Pin<KBox<Scope<'static>>>);

impl Drop for Binding {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// A card that is up, its driver, and who gets what it receives. It goes in this order.
pub(super) struct Card {
    tap: Pin<KBox<Tap>>,
    registration: Registration<'static, Receiver>,
    _binding: Binding,
    _dev: SoftDevice,
    /// The descriptor that the card uses next.
    pub(super) head: u32,
}

impl Card {
    /// A card for frames of up to `max_frame` bytes.
    pub(super) fn new(max_frame: u32, settings: Settings, size: Size) -> Result<Self> {
        let dev = SoftDevice::new(c"rust_net_hostile")?;
        let parent: *const device::Device<Bound> = dev.bound();
        // SAFETY: It is there until the card has gone.
        let parent: &'static device::Device<Bound> = unsafe { &*parent };
        // SAFETY: It is closed when the card goes.
        let binding = Binding(KBox::pin_init(unsafe { Scope::new() }, GFP_KERNEL)?);
        let scope: *const Scope<'static> = &raw const *binding.0;
        // SAFETY: It is there until it was closed, after which nobody uses it.
        let scope: &'static Scope<'static> = unsafe { &*scope };
        let mut ring = RxRing::new(parent, Mac::I82540, size, max_frame)?;
        let window = Window::new();

        ring.program(&window, settings.all());
        ring.refill(&window, None);
        if ring.trouble.is_some() {
            return Err(ENOMEM);
        }

        let buffer = usize::from(ring.buffer_size);
        let mut new = NewDevice::<Receiver>::new(parent, |_handle| {
            KBox::pin_init(
                pin_init!(Data {
                    ring: Slot::new(Some(ring)),
                    window,
                    settings <- new_spinlock_irq!(settings),
                    buffer,
                    received <- new_spinlock_irq!(Total::default()),
                    most_used: Atomic::new(0),
                    ends: Atomic::new(0),
                }),
                GFP_KERNEL,
            )
        })?;

        new.set_address(&ADDRESS);

        let registration = new.register(scope)?;
        let raw = registration.handle().as_raw_for_tests();

        {
            let _rtnl = Rtnl::lock();

            // SAFETY: The device is registered, and RTNL is held.
            to_result(unsafe { bindings::dev_open(raw, core::ptr::null_mut()) })?;
        }
        Ok(Self {
            tap: Tap::of(raw, u16::from_be_bytes([TOLD; 2]))?,
            registration,
            _binding: binding,
            _dev: dev,
            head: 0,
        })
    }

    /// Calls `f` with the data of the driver. It must not sleep.
    pub(super) fn data<R>(&self, f: impl FnOnce(&Data) -> R) -> Result<R> {
        let access = self.registration.handle().access().ok_or(ENODEV)?;

        Ok(f(access.data()))
    }

    /// The user wants something else of packets.
    pub(super) fn change(&self, settings: Settings) -> Result {
        self.data(|data| *data.settings.lock() = settings)
    }

    /// The card is reset, and gets no buffers before NAPI runs.
    pub(super) fn starve(&mut self) -> Result {
        self.data(|data| {
            if let Some(mut ring) = data.ring.take() {
                ring.empty(&data.window);
                let _ = data.ring.put_back(ring);
            }
        })?;
        self.head = 0;
        Ok(())
    }

    pub(super) fn received(&self) -> Result<Total> {
        self.data(|data| *data.received.lock())
    }

    /// The card fills a buffer, and writes into its descriptor.
    pub(super) fn tell_at(&self, index: u32, lie: Lie) -> Result {
        // A card that writes beyond its buffers is beyond help: all that it may write it does.
        let room = self.data(|data| data.buffer)?;
        let mut bytes = KVec::from_elem(UNTOLD, room, GFP_KERNEL)?;
        let told = usize::from(lie.length).min(room);

        bytes[..told].fill(TOLD);

        let [l0, l1] = lie.length.to_le_bytes();
        let [s0, s1] = lie.special.to_le_bytes();
        let mut address = [0; 8];

        self.data(|data| {
            let at = data.window.descriptor(index);

            device_read(at, &mut address);
            device_write(u64::from_le_bytes(address), &bytes);
            device_write(at + 8, &[l0, l1, 0, 0, lie.status, lie.errors, s0, s1]);
        })
    }

    /// The same for the next descriptor.
    pub(super) fn tell(&mut self, lie: Lie) -> Result {
        self.tell_at(self.head, lie)?;
        self.head = (self.head + 1) % self.data(|data| data.window.count())?;
        Ok(())
    }

    /// Where the buffers are that the card can fill, from the next one on. Their descriptors say of
    /// none that it is filled.
    pub(super) fn buffers(&self) -> Result<KVec<u64>> {
        let (count, tail) =
            self.data(|data| (data.window.count(), data.window.tail.load(Relaxed)))?;
        let mut buffers = KVec::new();
        let mut index = self.head;

        loop {
            let mut descriptor = [0; 16];

            self.data(|data| device_read(data.window.descriptor(index), &mut descriptor))?;
            must(descriptor[8..] == [0; 8])?;
            buffers.push(
                u64::from_le_bytes(*descriptor.first_chunk().ok_or(EINVAL)?),
                GFP_KERNEL,
            )?;
            if index == tail {
                return Ok(buffers);
            }
            index = (index + 1) % count;
        }
    }

    /// The card interrupts; NAPI has nothing left to do when this returns.
    pub(super) fn interrupt(&self) -> Result {
        let ends = || self.data(|data| data.ends.load(Relaxed));
        let before = ends()?;

        // SAFETY: It is enabled again below, and nothing in between sleeps.
        unsafe { bindings::local_bh_disable() };
        self.registration.handle().napi_schedule();
        // SAFETY: It was disabled above.
        unsafe { bindings::local_bh_enable() };
        must(wait_until(|| ends().is_ok_and(|ends| ends != before)))
    }

    /// The lengths of the packets that have arrived, without their header. In them must be what the
    /// card has written, and told.
    pub(super) fn packets(&self) -> Result<KVec<usize>> {
        let mut lengths = KVec::new();

        for skb in &self.tap.take() {
            let mut bytes = KVec::from_elem(0, skb.len(), GFP_KERNEL)?;

            skb.copy_bits(0, &mut bytes)?;
            must(bytes.iter().all(|byte| *byte == TOLD))?;
            lengths.push(skb.len(), GFP_KERNEL)?;
        }
        Ok(lengths)
    }

    /// A packet that is as it should be arrives, whatever was there before.
    pub(super) fn works(&mut self) -> Result {
        // What has begun ends.
        self.tell(END)?;
        self.interrupt()?;
        self.packets()?;

        let before = self.received()?;

        self.tell(GOOD)?;
        self.interrupt()?;

        let fcs = if self.data(|data| data.settings.lock().keep_fcs())? {
            0
        } else {
            4
        };

        must(self.packets()?[..] == [usize::from(GOOD.length) - ETH_HLEN - fcs])?;

        let after = self.received()?;

        must(after.packets == before.packets + 1)?;
        must(after.dropped == before.dropped)?;
        must(after.alloc_failed == 0)
    }
}
