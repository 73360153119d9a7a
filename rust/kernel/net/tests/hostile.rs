// SPDX-License-Identifier: GPL-2.0

//! A card that writes nonsense into its receive descriptors, with the ring of a real driver, memory
//! for DMA, and NAPI: nothing beyond what the card has written reaches the stack, nothing is lost
//! without being counted, and the next good packet arrives.

use super::{
    census::wait_until,
    e1000::{
        desc::{
            rx_error,
            rx_status, //
        },
        mac::Mac,
        reception::{
            Received,
            Settings, //
        },
        regs::{
            self,
            Registers, //
        },
        ring::Size,
        rx_ring::RxRing, //
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

/// The largest frame that takes one small buffer, and one that takes pages.
const SMALL: u32 = 1518;
const LARGE: u32 = 9018;

/// Packets are received as they come.
const PLAIN: Settings = Settings {
    copybreak: 256,
    all: false,
    keep_fcs: false,
};

/// A driver with these settings, and one with all others.
const OTHERS: Settings = Settings {
    copybreak: 0,
    all: true,
    keep_fcs: true,
};

/// The registers that the driver writes, and the card reads.
struct Window {
    low: Atomic<u32>,
    high: Atomic<u32>,
    bytes: Atomic<u32>,
    tail: Atomic<u32>,
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
    fn descriptor(&self, index: u32) -> u64 {
        let base = u64::from(self.high.load(Relaxed)) << 32 | u64::from(self.low.load(Relaxed));

        base + u64::from(index) * 16
    }

    /// How many there are.
    fn count(&self) -> u32 {
        self.bytes.load(Relaxed) / 16
    }
}

/// What the card writes into a descriptor.
#[derive(Clone, Copy)]
struct Lie {
    length: u16,
    status: u8,
    errors: u8,
    special: u16,
}

/// A packet as it should be.
const GOOD: Lie = Lie {
    length: 600,
    status: rx_status::DD | rx_status::EOP | rx_status::IXSM,
    errors: 0,
    special: 0,
};

/// The end of a packet, or one that is too short.
const END: Lie = Lie { length: 5, ..GOOD };

/// The data of the driver.
#[pin_data]
struct Data {
    ring: Slot<RxRing<'static>>,
    window: Window,
    settings: Settings,
    /// How many bytes of a buffer are the card's.
    buffer: usize,
    /// What all runs have come to.
    #[pin]
    received: SpinLockIrq<Received>,
    /// The largest number of units of a budget in a run.
    most_used: Atomic<u32>,
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
            let run = ring.receive(&data.window, &mut poll, data.settings);
            let _ = data.ring.put_back(ring);
            let mut all = data.received.lock();

            all.packets += run.packets;
            all.bytes += run.bytes;
            all.dropped += run.dropped;
            all.alloc_failed += run.alloc_failed;
            all.csum_good += run.csum_good;
            all.csum_bad += run.csum_bad;
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
struct Card {
    tap: Pin<KBox<Tap>>,
    registration: Registration<'static, Receiver>,
    _binding: Binding,
    _dev: SoftDevice,
    /// The descriptor that the card uses next.
    head: u32,
}

impl Card {
    /// A card for frames of up to `max_frame` bytes.
    fn new(max_frame: u32, settings: Settings, size: Size) -> Result<Self> {
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

        ring.program(&window, settings.all);
        if ring.refill(&window) != 0 {
            return Err(ENOMEM);
        }

        let buffer = usize::from(ring.buffer_size);
        let mut new = NewDevice::<Receiver>::new(parent, |_handle| {
            KBox::pin_init(
                pin_init!(Data {
                    ring: Slot::new(Some(ring)),
                    window,
                    settings,
                    buffer,
                    received <- new_spinlock_irq!(Received::default()),
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
    fn data<R>(&self, f: impl FnOnce(&Data) -> R) -> Result<R> {
        let access = self.registration.handle().access().ok_or(ENODEV)?;

        Ok(f(access.data()))
    }

    fn received(&self) -> Result<Received> {
        self.data(|data| *data.received.lock())
    }

    /// The card fills a buffer, and writes into its descriptor.
    fn tell_at(&self, index: u32, lie: Lie) -> Result {
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
    fn tell(&mut self, lie: Lie) -> Result {
        self.tell_at(self.head, lie)?;
        self.head = (self.head + 1) % self.data(|data| data.window.count())?;
        Ok(())
    }

    /// The card interrupts; NAPI has nothing left to do when this returns.
    fn interrupt(&self) -> Result {
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
    fn packets(&self) -> Result<KVec<usize>> {
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
    fn works(&mut self) -> Result {
        // What has begun ends.
        self.tell(END)?;
        self.interrupt()?;
        self.packets()?;

        let before = self.received()?;

        self.tell(GOOD)?;
        self.interrupt()?;

        let fcs = if self.data(|data| data.settings.keep_fcs)? {
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

/// Both kinds of buffers, with settings that have nothing in common.
const CARDS: [(u32, Settings); 4] = [
    (SMALL, PLAIN),
    (SMALL, OTHERS),
    (LARGE, PLAIN),
    (LARGE, OTHERS),
];

/// Lengths around everything that there is.
const LENGTHS: [u16; 27] = [
    0, 1, 3, 4, 5, 13, 14, 17, 18, 19, 59, 60, 64, 255, 256, 257, 1517, 1518, 1522, 1523, 2047,
    2048, 2049, 4095, 4096, 4097, 65535,
];

#[kunit_tests(rust_net_hostile)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_descriptor_says_the_next_packet_arrives() -> Result {
        for (max_frame, settings) in CARDS {
            let mut card = Card::new(max_frame, settings, Size::MIN)?;

            for length in LENGTHS {
                for status in [0, rx_status::EOP, !rx_status::VP] {
                    for errors in [0, rx_error::CE, rx_error::TCPE, 0xff] {
                        card.tell(Lie {
                            length,
                            status: status | rx_status::DD,
                            errors,
                            special: 0xffff,
                        })?;
                    }
                }
                card.interrupt()?;
                card.packets()?;
            }
            card.works()?;
        }
        Ok(())
    }

    #[test]
    fn a_length_beyond_the_buffer_is_no_packet() -> Result {
        for (max_frame, settings) in CARDS {
            let mut card = Card::new(max_frame, settings, Size::MIN)?;
            let buffer = card.data(|data| data.buffer)?;

            for more in [1, 2, 100, 40_000] {
                let before = card.received()?;

                card.tell(Lie {
                    length: u16::try_from(buffer + more)?,
                    ..GOOD
                })?;
                card.interrupt()?;

                let after = card.received()?;

                assert_eq!(after.packets, before.packets);
                assert_eq!(after.dropped, before.dropped + 1);
            }
            assert!(card.packets()?.is_empty());
            card.works()?;
        }
        Ok(())
    }

    #[test]
    fn a_packet_that_never_ends_is_one_loss() -> Result {
        for (max_frame, settings) in CARDS {
            let mut card = Card::new(max_frame, settings, Size::MIN)?;

            for _ in 0..200 {
                card.tell(Lie {
                    length: 1000,
                    status: rx_status::DD,
                    ..GOOD
                })?;
                card.interrupt()?;
            }

            let received = card.received()?;

            assert_eq!((received.packets, received.dropped), (0, 1));
            assert!(card.packets()?.is_empty());
            card.works()?;
            assert_eq!(card.received()?.dropped, 1);
        }
        Ok(())
    }

    /// What looks like a packet by itself is not one while another one goes on.
    #[test]
    fn the_end_of_a_packet_belongs_to_its_beginning() -> Result {
        for settings in [PLAIN, OTHERS] {
            let mut card = Card::new(LARGE, settings, Size::MIN)?;
            let fcs = if settings.keep_fcs { 0 } else { 4 };

            for _ in 0..100 {
                card.tell(Lie {
                    length: 1000,
                    status: rx_status::DD,
                    ..GOOD
                })?;
                card.tell(GOOD)?;
                card.interrupt()?;
                assert_eq!(card.packets()?[..], [1600 - ETH_HLEN - fcs]);
            }
            assert_eq!(card.received()?.packets, 100);
            card.works()?;
        }
        Ok(())
    }

    #[test]
    fn descriptors_are_done_in_their_order() -> Result {
        let mut card = Card::new(SMALL, PLAIN, Size::MIN)?;

        for index in [2, 1, 40, 46] {
            card.tell_at(index, GOOD)?;
            card.interrupt()?;
            assert_eq!(card.received()?, Received::default());
        }
        card.tell_at(0, GOOD)?;
        card.interrupt()?;
        // Those that follow on each other.
        assert_eq!(card.packets()?.len(), 3);
        card.head = 3;
        card.works()
    }

    #[test]
    fn what_the_card_does_not_have_is_not_looked_at() -> Result {
        let mut card = Card::new(SMALL, PLAIN, Size::MIN)?;
        let count = card.data(|data| data.window.count())?;
        let own = count - 1;

        assert_eq!(card.data(|data| data.window.tail.load(Relaxed))?, own - 1);
        card.data(|data| device_write(data.window.descriptor(own) + 12, &[0xff; 4]))?;
        for _ in 0..own {
            card.tell(GOOD)?;
        }
        card.interrupt()?;
        card.interrupt()?;
        assert_eq!(card.received()?.packets, own);
        assert_eq!(card.packets()?.len(), own as usize);
        card.works()
    }

    #[test]
    fn a_card_that_has_everything_done_does_not_exceed_the_budget() -> Result {
        let mut card = Card::new(SMALL, PLAIN, Size::DEFAULT)?;
        let all = card.data(|data| data.window.count())? - 1;

        for _ in 0..3 {
            for _ in 0..all {
                card.tell(GOOD)?;
            }
            card.interrupt()?;
        }
        assert_eq!(card.packets()?.len(), 3 * all as usize);
        assert_eq!(
            card.data(|data| data.most_used.load(Relaxed))?,
            bindings::NAPI_POLL_WEIGHT
        );
        card.works()
    }

    /// What is counted as delivered is.
    #[test]
    fn nonsense_of_any_kind_adds_up() -> Result {
        let mut seed = 1_u64;

        for (max_frame, settings) in CARDS {
            let mut card = Card::new(max_frame, settings, Size::MIN)?;
            let mut delivered = 0;

            for _ in 0..60 {
                seed = seed
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);

                let [a, b, status, errors, count, s0, s1, _] = (seed >> 8).to_le_bytes();

                for _ in 0..=count % 16 {
                    card.tell(Lie {
                        // Short ones are as likely as long ones.
                        length: u16::from_le_bytes([a, b]) >> (errors >> 4),
                        status: status | rx_status::DD,
                        errors: errors & status,
                        // Nobody has a VLAN: there is no number.
                        special: u16::from_le_bytes([s0, s1]) & 0xf000,
                    })?;
                }
                card.interrupt()?;
                delivered += card.packets()?.len();
            }
            assert_eq!(card.received()?.packets as usize, delivered);
            assert!(delivered > 0);
            card.works()?;
        }
        Ok(())
    }
}
