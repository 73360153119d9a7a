// SPDX-License-Identifier: GPL-2.0

//! Packets that are received: none is lost, and no budget is exceeded.

use super::{
    card::{
        Arrival,
        PageSkbPlan, //
    },
    census::wait_until,
    peer::{
        header,
        Tap, //
    },
    setup::Test, //
};
use crate::{
    net::{
        napi::Poll,
        netdev::VlanProtocol,
        skb::{
            Fragment,
            FragmentSize,
            SkBuff,
            HEADROOM, //
        }, //
    },
    page::PAGE_SIZE,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};
use core::{
    mem::MaybeUninit,
    ptr::NonNull, //
};

/// A card that is up, and who gets what it receives.
fn card() -> Result<(Test, Pin<KBox<Tap>>)> {
    let test = Test::new()?;

    test.up()?;

    let tap = Tap::new(&test)?;

    Ok((test, tap))
}

/// A packet of the tests with this data.
fn packet(data: &[u8]) -> Result<KVec<u8>> {
    let mut bytes = KVec::new();

    bytes.extend_from_slice(&header(), GFP_KERNEL)?;
    bytes.extend_from_slice(data, GFP_KERNEL)?;
    Ok(bytes)
}

/// Writes the room of a packet.
fn filled(room: &mut [MaybeUninit<u8>]) -> &mut [u8] {
    let length = room.len();

    for byte in room.iter_mut() {
        byte.write(7);
    }
    // SAFETY: All of it was written.
    unsafe { core::slice::from_raw_parts_mut(room.as_mut_ptr().cast(), length) }
}

#[kunit_tests(rust_net_receive)]
mod tests {
    use super::*;

    #[test]
    fn packets_reach_their_protocol() -> Result {
        let (test, tap) = card()?;

        test.arrive(Arrival::Bytes(packet(b"something to read")?))?;
        assert!(test.interrupt());
        assert!(wait_until(|| tap.count() == 1));

        let received = tap.take();

        assert_eq!(received[0].head(), b"something to read");
        assert_eq!(received[0].protocol(), super::super::card::PROTOCOL);
        assert_eq!(received[0].vlan_tag(), None);
        assert!(test.data(|data| data.rearms.load(Relaxed))? >= 1);
        Ok(())
    }

    #[test]
    fn a_priority_tag_stays_on_the_packet() -> Result {
        let (test, tap) = card()?;

        // The number zero is no VLAN.
        test.arrive(Arrival::Tagged(packet(b"urgent")?, 0xa000))?;
        test.interrupt();
        assert!(wait_until(|| tap.count() == 1));
        assert_eq!(tap.take()[0].head(), b"urgent");
        Ok(())
    }

    #[test]
    fn no_budget_is_exceeded() -> Result {
        const PACKETS: usize = 300;

        let (test, tap) = card()?;

        for _ in 0..PACKETS {
            test.arrive(Arrival::Bytes(packet(&[7; 60])?))?;
        }
        test.interrupt();
        assert!(wait_until(|| tap.count() == PACKETS));
        test.data(|data| {
            assert_eq!(data.most_used.load(Relaxed), bindings::NAPI_POLL_WEIGHT);
            assert_eq!(data.excesses.load(Relaxed), 0);
            assert!(data.polls.load(Relaxed) >= 5);
            // Once, when there was nothing left to do.
            assert!(data.rearms.load(Relaxed) >= 1);
        })?;
        Ok(())
    }

    #[test]
    fn netpoll_has_no_budget() -> Result {
        let test = Test::new()?;
        let polled = test.with(|dev, _| {
            // SAFETY: NAPI is disabled, so nobody else has it.
            let mut poll = unsafe { Poll::new(dev.header().napi.get(), 0) };

            assert!(poll.is_exhausted());
            assert!(poll.take().is_none());
            assert_eq!(poll.used(), 0);
            // It must not be completed.
            poll.complete(|| panic!()).into_raw()
        })?;

        assert_eq!(polled, 0);
        Ok(())
    }

    #[test]
    fn an_exhausted_budget_is_not_completed() -> Result {
        let test = Test::new()?;

        test.with(|dev, _| {
            // SAFETY: NAPI is disabled, so nobody else has it.
            let mut poll = unsafe { Poll::new(dev.header().napi.get(), 2) };

            assert!(poll.take().is_some());
            assert_eq!(poll.used(), 1);
            assert!(poll.take().is_some());
            assert!(poll.take().is_none());
            assert_eq!(poll.used(), 2);
            assert_eq!(poll.complete(|| panic!()).into_raw(), 2);

            // SAFETY: As above.
            let mut poll = unsafe { Poll::new(dev.header().napi.get(), 64) };

            assert!(poll.take().is_some());
            assert_eq!(poll.again().into_raw(), 64);
        })
    }

    #[test]
    fn packets_without_a_header_are_dropped() -> Result {
        let (test, tap) = card()?;

        for length in [0, 1, 13] {
            let mut bytes = KVec::new();

            bytes.extend_from_slice(&header()[..length], GFP_KERNEL)?;
            test.arrive(Arrival::Bytes(bytes))?;
        }
        test.arrive(Arrival::Pages(PageSkbPlan {
            pages: 1,
            length: 13,
        }))?;
        test.arrive(Arrival::Pages(PageSkbPlan {
            pages: 0,
            length: 0,
        }))?;
        test.arrive(Arrival::Bytes(packet(&[])?))?;
        test.interrupt();
        assert!(wait_until(|| tap.count() == 1));
        assert_eq!(tap.take()[0].len(), 0);
        assert_eq!(test.data(|data| data.most_used.load(Relaxed))?, 6);
        Ok(())
    }

    #[test]
    fn packets_of_pages_reach_their_protocol() -> Result {
        let (test, tap) = card()?;

        for pages in [1, 4] {
            test.arrive(Arrival::Pages(PageSkbPlan {
                pages,
                length: PAGE_SIZE,
            }))?;
            test.interrupt();
            assert!(wait_until(|| tap.count() == 1));

            let mut received = tap.take();
            let in_frags = received[0].frags().map(|frag| frag.len()).sum();

            assert_eq!(received[0].len(), pages * PAGE_SIZE - 14);
            assert_eq!(received[0].data_len(), in_frags);
            assert_eq!(received[0].headlen() + in_frags, received[0].len());
            assert_eq!(received[0].frags().len(), received[0].nr_frags());
            assert!(received[0].frags().nth(pages).is_none());
            assert!(!received[0].is_linear());
            assert_eq!(received[0].protocol(), super::super::card::PROTOCOL);

            let mut end = [1; 16];

            received[0].copy_bits(received[0].len() - 16, &mut end)?;
            assert_eq!(end, [0; 16]);
            received[0].linearize()?;
            assert_eq!(received[0].head().len(), pages * PAGE_SIZE - 14);
            assert_eq!(received[0].nr_frags(), 0);
        }
        Ok(())
    }

    #[test]
    fn a_packet_of_pages_can_be_completed_later() -> Result {
        let (test, tap) = card()?;

        test.with(|dev, _| -> Result {
            // SAFETY: It is enabled again below.
            unsafe { bindings::local_bh_disable() };
            // SAFETY: The only other one that uses NAPI is an interrupt, and there is none.
            let mut poll = unsafe { Poll::new(dev.header().napi.get(), 1) };
            let unit = poll.take();
            let skb = unit.as_ref().and_then(|unit| poll.page_skb(unit));
            // Another one, which is not the same.
            let other = unit.as_ref().and_then(|unit| poll.page_skb(unit));

            // SAFETY: It was disabled above.
            unsafe { bindings::local_bh_enable() };
            assert!(other.is_some_and(|skb| skb.is_empty()));
            dev.data().ring.lock().unfinished = skb;
            Ok(())
        })??;
        test.arrive(Arrival::Pages(PageSkbPlan {
            pages: 2,
            length: 100,
        }))?;
        test.interrupt();
        assert!(wait_until(|| tap.count() == 1));
        assert_eq!(tap.take()[0].len(), 200 - 14);
        Ok(())
    }

    #[test]
    fn a_packet_has_so_many_pages_and_no_more() -> Result {
        use crate::page::Page;

        let (test, _tap) = card()?;

        test.with(|dev, _| -> Result {
            // SAFETY: It is enabled again below.
            unsafe { bindings::local_bh_disable() };
            // SAFETY: The only other one that uses NAPI is an interrupt, and there is none.
            let mut poll = unsafe { Poll::new(dev.header().napi.get(), 1) };
            let skb = poll.take().and_then(|unit| poll.page_skb(&unit));

            // SAFETY: It was disabled above.
            unsafe { bindings::local_bh_enable() };

            let mut skb = skb.ok_or(ENOMEM)?;
            let page = Page::alloc_page(GFP_KERNEL)?;
            let Err(page) = skb.add_page(page, 1, PAGE_SIZE) else {
                return Err(EINVAL);
            };

            assert!(skb.add_page(page, 0, PAGE_SIZE).is_ok());
            while skb.nr_pages() < crate::net::skb::MAX_SKB_FRAGS {
                assert!(skb.add_page(Page::alloc_page(GFP_KERNEL)?, 0, 1).is_ok());
            }
            assert!(skb.add_page(Page::alloc_page(GFP_KERNEL)?, 0, 1).is_err());
            assert_eq!(skb.len(), PAGE_SIZE + crate::net::skb::MAX_SKB_FRAGS - 1);
            skb.trim(100)?;
            assert_eq!(skb.len(), 100);
            assert!(skb.nr_pages() <= 1);
            skb.set_vlan_tag(VlanProtocol::Ctag, 5);
            Ok(())
        })?
    }

    #[test]
    fn a_fragment_becomes_a_packet() -> Result {
        let (test, _tap) = card()?;

        test.with(|dev, _| -> Result {
            assert_eq!(FragmentSize::new(PAGE_SIZE), None);
            assert_eq!(FragmentSize::new(usize::MAX), None);

            let size = FragmentSize::new(1536).ok_or(EINVAL)?;
            // SAFETY: The only other one that uses NAPI is an interrupt, and there is none.
            let mut poll = unsafe { Poll::new(dev.header().napi.get(), 1) };
            let unit = poll.take().ok_or(EINVAL)?;

            // SAFETY: As above. This is how netpoll runs it.
            let netpoll = unsafe { Poll::new(dev.header().napi.get(), 0) };

            // Not from what NAPI uses, which it could have interrupted.
            assert_eq!(netpoll.alloc_frag(size)?.len(), 1536);

            for in_napi in [false, true] {
                // SAFETY: It is enabled again below.
                unsafe { bindings::local_bh_disable() };
                let fragment = if in_napi {
                    poll.alloc_frag(size)
                } else {
                    Fragment::new(size)
                };
                let built = fragment.and_then(|fragment| {
                    assert_eq!(fragment.len(), 1536);
                    poll.build_skb(&unit, fragment, 1537)
                        .map_or_else(|fragment| poll.build_skb(&unit, fragment, 1500), Ok)
                        .map_err(|_| ENOMEM)
                });

                // SAFETY: It was disabled above.
                unsafe { bindings::local_bh_enable() };

                let skb = built?;

                assert_eq!((skb.len(), skb.headroom()), (1500, HEADROOM));
                assert!(skb.is_linear());
                assert!(skb.tailroom() >= 36);
            }
            Ok(())
        })?
    }

    #[test]
    fn a_packet_is_made_of_what_was_written_and_of_nothing_else() -> Result {
        let (test, _tap) = card()?;

        test.with(|dev, _| -> Result {
            let elsewhere = KBox::into_raw(KBox::new([0; 60], GFP_KERNEL)?);
            // SAFETY: It is enabled again below.
            unsafe { bindings::local_bh_disable() };
            // SAFETY: The only other one that uses NAPI is an interrupt, and there is none.
            let mut poll = unsafe { Poll::new(dev.header().napi.get(), 1) };
            let made = poll.take().ok_or(EINVAL).map(|unit| {
                [
                    poll.alloc_skb_with(&unit, 60, |room| Ok(filled(room))),
                    // Some of it may be uninitialized.
                    poll.alloc_skb_with(&unit, 60, |room| Ok(filled(&mut room[..59]))),
                    poll.alloc_skb_with(&unit, 60, |room| Ok(filled(&mut room[1..]))),
                    // SAFETY: It is valid, and nobody else uses it.
                    poll.alloc_skb_with(&unit, 60, |_| Ok(unsafe { &mut *elsewhere })),
                    poll.alloc_skb_with(&unit, 60, |_| Err(ENOSPC)),
                    poll.alloc_skb_with(&unit, usize::MAX, |_| Err(ENOSPC)),
                ]
            });

            // SAFETY: It was disabled above.
            unsafe { bindings::local_bh_enable() };

            // SAFETY: It was made by `into_raw`, and nobody uses it any more.
            drop(unsafe { KBox::from_raw(elsewhere) });

            let [good, short, late, other, refused, endless] = made?;

            assert_eq!(good?.head(), [7; 60]);
            for wrong in [short, late, other] {
                assert_eq!(wrong.err(), Some(EINVAL));
            }
            assert_eq!(refused.err(), Some(ENOSPC));
            assert_eq!(endless.err(), Some(ENOMEM));
            Ok(())
        })?
    }

    #[test]
    fn a_new_packet_is_passed_on_if_it_has_a_header() -> Result {
        let (test, tap) = card()?;
        let bytes = packet(b"header")?;
        // What is passed on and nobody wants is counted.
        let unwanted = || {
            let mut stats = bindings::rtnl_link_stats64::default();

            // SAFETY: The device is registered.
            unsafe { bindings::dev_get_stats(test.dev(), &mut stats) };
            stats.rx_dropped
        };
        let before = unwanted();

        test.with(|dev, _| {
            // SAFETY: It is enabled again below.
            unsafe { bindings::local_bh_disable() };
            // SAFETY: The only other one that uses NAPI is an interrupt, and there is none.
            let mut poll = unsafe { Poll::new(dev.header().napi.get(), 3) };

            for length in [13, 14, 20] {
                if let Some(unit) = poll.take() {
                    let made = poll.alloc_skb_with(&unit, length, |room| {
                        let room = filled(room);

                        room.copy_from_slice(&bytes[..length]);
                        Ok(room)
                    });

                    if let Ok(skb) = made {
                        poll.receive_new(unit, skb);
                    }
                }
            }
            // SAFETY: It was disabled above.
            unsafe { bindings::local_bh_enable() };
        })?;
        // What was passed on waits for the end of a run.
        test.interrupt();
        assert!(wait_until(|| tap.count() == 2));

        let received = tap.take();

        assert_eq!((received[0].len(), received[1].head()), (0, &b"header"[..]));
        assert_eq!(unwanted(), before);
        Ok(())
    }

    #[test]
    fn a_packet_that_somebody_else_has_too_is_not_received() -> Result {
        let (test, tap) = card()?;

        test.with(|dev, _| -> Result {
            let mut skb = SkBuff::new(64, GFP_KERNEL)?;

            skb.put_data(&packet(b"shared")?)?;

            // SAFETY: The packet is valid.
            let raw = unsafe { bindings::skb_get_for_tests(skb.as_raw()) };
            // SAFETY: It was just returned, with a reference of its own.
            let other = unsafe { SkBuff::from_raw(NonNull::new(raw).ok_or(EINVAL)?) };

            // SAFETY: It is enabled again below.
            unsafe { bindings::local_bh_disable() };
            // SAFETY: The only other one that uses NAPI is an interrupt, and there is none.
            let mut poll = unsafe { Poll::new(dev.header().napi.get(), 1) };

            if let Some(unit) = poll.take() {
                poll.receive(unit, skb);
            }
            // SAFETY: It was disabled above.
            unsafe { bindings::local_bh_enable() };
            // It is as it was, and has one owner.
            assert_eq!(other.head(), &packet(b"shared")?[..]);
            assert!(!other.is_shared());
            Ok(())
        })??;
        test.interrupt();
        test.arrive(Arrival::Bytes(packet(b"alone")?))?;
        test.interrupt();
        assert!(wait_until(|| tap.count() == 1));
        assert_eq!(tap.take()[0].head(), b"alone");
        Ok(())
    }

    /// What is told to who has sent a packet.
    static SENT: Atomic<u32> = Atomic::new(0);

    /// # Safety
    ///
    /// None: nothing of the packet is looked at.
    unsafe extern "C" fn count_sent(_skb: *mut bindings::sk_buff) {
        SENT.fetch_add(1, Relaxed);
    }

    #[test]
    fn a_packet_whose_data_another_one_has_is_received_with_its_own() -> Result {
        let (test, tap) = card()?;

        SENT.store(0, Relaxed);
        test.with(|dev, _| -> Result {
            let mut skb = SkBuff::new(64, GFP_KERNEL)?;

            skb.put_data(&packet(b"cloned")?)?;
            // SAFETY: The packet is valid, and has nobody who is told yet.
            unsafe { bindings::skb_set_destructor_for_tests(skb.as_raw(), Some(count_sent)) };

            // SAFETY: The packet is valid.
            let raw = unsafe { bindings::skb_clone(skb.as_raw(), GFP_KERNEL.as_raw()) };
            // SAFETY: It was just made.
            let other = unsafe { SkBuff::from_raw(NonNull::new(raw).ok_or(ENOMEM)?) };
            // SAFETY: The packet is valid.
            let is_cloned = || unsafe { bindings::skb_cloned(other.as_raw()) } != 0;

            assert!(is_cloned());
            // SAFETY: It is enabled again below.
            unsafe { bindings::local_bh_disable() };
            // SAFETY: The only other one that uses NAPI is an interrupt, and there is none.
            let mut poll = unsafe { Poll::new(dev.header().napi.get(), 1) };

            if let Some(unit) = poll.take() {
                poll.receive(unit, skb);
            }
            // SAFETY: It was disabled above.
            unsafe { bindings::local_bh_enable() };
            // It is as it was, and nobody else has its data, nor waits for the packet.
            assert!(!is_cloned());
            assert_eq!(other.head(), &packet(b"cloned")?[..]);
            assert_eq!(SENT.load(Relaxed), 1);
            Ok(())
        })??;
        test.interrupt();
        assert!(wait_until(|| tap.count() == 1));
        assert_eq!(tap.take()[0].head(), b"cloned");
        assert_eq!(SENT.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn what_has_not_arrived_when_the_card_goes_is_freed() -> Result {
        let (test, tap) = card()?;
        let census = test.census.clone();

        test.arrive(Arrival::Bytes(packet(&[1])?))?;
        assert_eq!(census.counts(), (1, 0));
        drop(tap);
        drop(test);
        assert_eq!(census.counts(), (0, 0));
        Ok(())
    }
}
