// SPDX-License-Identifier: GPL-2.0

//! Packets that are sent: none is lost, and the queue goes on.

use super::{
    card::{
        Mode,
        RING, //
    },
    census::wait_until,
    must,
    peer::{
        counted,
        send, //
    },
    setup::Test, //
};
use crate::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
    workqueue, //
};

/// A card that is up, and whose queue has no limit but that of the card.
fn card() -> Result<Test> {
    let test = Test::new()?;

    test.up()?;
    // SAFETY: The device is registered, and nobody sends.
    unsafe { bindings::netdev_bql_set_limit(test.dev(), 1 << 20) };
    Ok(test)
}

/// Sends so many packets of the tests.
fn send_some(test: &Test, count: usize) -> Result {
    for _ in 0..count {
        send(test, counted(&test.census, 60)?);
    }
    Ok(())
}

fn in_flight(test: &Test) -> u32 {
    // SAFETY: The device is registered.
    unsafe { bindings::netdev_bql_in_flight(test.dev()) }
}

/// Sends packets while the card, on another CPU if there is one, tells that it has sent them.
fn race(test: &Test) -> Result {
    const PACKETS: u32 = 3000;

    let done = Arc::new(Atomic::new(false), GFP_KERNEL)?;
    let card_is_done = done.clone();
    let handle = test.registration.handle().clone();

    workqueue::system_unbound().try_spawn(GFP_KERNEL, move || {
        while !card_is_done.load(Relaxed) {
            if let Some(dev) = handle.access() {
                dev.data().send(2);
            }
            // SAFETY: It is enabled again below.
            unsafe { bindings::local_bh_disable() };
            handle.napi_schedule();
            // SAFETY: It was disabled above.
            unsafe { bindings::local_bh_enable() };
            fsleep(Delta::from_micros(20));
        }
        drop(handle);
        card_is_done.store(false, Relaxed);
    })?;

    for number in 0..PACKETS {
        send(test, counted(&test.census, 60)?);
        // The queue of the stack has an end, too.
        if number % 500 == 499 {
            must(wait_until(|| test.census.counts().1 == 0))?;
        }
    }
    must(wait_until(|| test.census.counts().1 == 0))?;
    must(test.data(|data| data.free())? == RING)?;
    must(test.data(|data| data.xmits.load(Relaxed))? >= PACKETS)?;
    done.store(true, Relaxed);
    must(wait_until(|| !done.load(Relaxed)))
}

#[kunit_tests(rust_net_transmit)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_freed_when_they_were_sent() -> Result {
        let test = card()?;

        send_some(&test, 3)?;
        assert!(wait_until(|| test
            .data(|data| data.used.load(Relaxed) == 3)
            == Ok(true)));
        assert_eq!(test.census.counts(), (1, 3));
        test.sent(2)?;
        assert_eq!(test.census.counts(), (1, 1));
        test.sent(1)?;
        assert_eq!(test.census.counts(), (1, 0));
        Ok(())
    }

    #[test]
    fn packets_that_the_driver_drops_are_freed() -> Result {
        let test = card()?;

        test.data(|data| data.set_mode(Mode::Forget))?;
        send_some(&test, 2)?;
        assert!(wait_until(|| test
            .data(|data| data.xmits.load(Relaxed) == 2)
            == Ok(true)));
        assert!(wait_until(|| test.census.counts() == (1, 0)));
        test.data(|data| data.set_mode(Mode::Reject))?;
        send_some(&test, 2)?;
        assert!(wait_until(|| test
            .data(|data| data.xmits.load(Relaxed) == 4)
            == Ok(true)));
        assert!(wait_until(|| test.census.counts() == (1, 0)));
        Ok(())
    }

    #[test]
    fn a_packet_that_is_handed_back_is_sent_later() -> Result {
        let test = card()?;

        test.data(|data| data.set_mode(Mode::HandBack))?;
        send_some(&test, 1)?;
        assert!(wait_until(|| test
            .data(|data| data.xmits.load(Relaxed) == 1)
            == Ok(true)));
        assert_eq!(test.census.counts(), (1, 1));
        test.data(|data| data.set_mode(Mode::Keep))?;
        test.with(|dev, _| {
            assert!(dev.queue_stopped());
            dev.wake_queue();
        })?;
        assert!(wait_until(|| test
            .data(|data| data.used.load(Relaxed) == 1)
            == Ok(true)));
        test.sent(1)?;
        assert_eq!(test.census.counts(), (1, 0));
        assert_eq!(test.data(|data| data.xmits.load(Relaxed))?, 2);
        Ok(())
    }

    #[test]
    fn another_packet_cannot_be_handed_back() -> Result {
        let test = card()?;

        test.data(|data| data.set_mode(Mode::HandAnotherBack))?;
        send_some(&test, 1)?;
        assert!(wait_until(|| test
            .data(|data| data.used.load(Relaxed) == 1)
            == Ok(true)));
        test.sent(1)?;
        // It was not sent a second time.
        assert_eq!(test.data(|data| data.xmits.load(Relaxed))?, 1);
        assert_eq!(test.census.counts(), (1, 0));
        Ok(())
    }

    #[test]
    fn packets_in_the_card_are_freed_when_it_goes_down() -> Result {
        let test = card()?;

        send_some(&test, 3)?;
        assert!(wait_until(|| test
            .data(|data| data.used.load(Relaxed) == 3)
            == Ok(true)));
        test.down();
        assert_eq!(test.census.counts(), (1, 0));
        assert_eq!(in_flight(&test), 0);
        Ok(())
    }

    #[test]
    fn a_full_queue_stops_and_goes_on() -> Result {
        let test = card()?;

        send_some(&test, RING as usize + 2)?;
        assert!(wait_until(|| test.data(|data| data.free() == 0) == Ok(true)));
        assert!(test.with(|dev, _| dev.queue_stopped())?);
        // Not enough is free.
        test.sent(1)?;
        assert!(test.with(|dev, _| dev.queue_stopped())?);
        test.sent(1)?;
        assert!(wait_until(|| test
            .data(|data| data.xmits.load(Relaxed) == RING + 2)
            == Ok(true)));
        assert_eq!(test.data(|data| data.wakes.load(Relaxed))?, 1);
        test.sent(RING as usize)?;
        assert_eq!(test.census.counts(), (1, 0));
        assert!(!test.with(|dev, _| dev.queue_stopped())?);
        Ok(())
    }

    #[test]
    fn no_wake_up_is_lost_when_the_ring_is_full() -> Result {
        let test = card()?;

        race(&test)?;
        assert!(test.data(|data| data.wakes.load(Relaxed))? > 0);
        Ok(())
    }

    #[test]
    fn no_wake_up_is_lost_when_too_many_bytes_are_in_flight() -> Result {
        let test = Test::new()?;

        test.up()?;
        race(&test)
    }

    #[test]
    fn descriptors_that_come_free_meanwhile_keep_the_queue_going() -> Result {
        use crate::net::netdev::Xmit;

        let test = card()?;

        test.with(|dev, _| {
            // SAFETY: Nobody sends.
            let xmit = unsafe { Xmit::new_for_tests(test.dev()) };
            let asked = Atomic::new(0);

            // None at first, and some when the queue is stopped.
            assert!(!xmit.maybe_stop(1, 2, || asked.fetch_add(2, Relaxed)));
            assert!(!dev.queue_stopped());
            assert!(!xmit.is_stopped());
            // Too few for the queue to go on.
            assert!(xmit.maybe_stop(1, 2, || 0));
            assert!(dev.queue_stopped());
            assert!(xmit.is_stopped());
            // Enough not to stop.
            dev.start_queue();
            assert!(!xmit.maybe_stop(1, 2, || 1));
            assert!(!dev.queue_stopped());
        })
    }

    #[test]
    fn the_byte_queue_limits_balance() -> Result {
        let test = card()?;

        send_some(&test, 3)?;
        assert!(wait_until(|| test
            .data(|data| data.used.load(Relaxed) == 3)
            == Ok(true)));
        if cfg!(CONFIG_BQL) {
            assert_eq!(in_flight(&test), 180);
        }
        test.sent(1)?;
        if cfg!(CONFIG_BQL) {
            assert_eq!(in_flight(&test), 120);
        }
        // C takes it for a bug if more comes back than was sent.
        test.data(|data| data.exaggeration.store(1000, Relaxed))?;
        test.sent(1)?;
        assert_eq!(in_flight(&test), 0);
        test.sent(1)?;
        assert_eq!(in_flight(&test), 0);
        assert_eq!(test.census.counts(), (1, 0));
        Ok(())
    }

    #[test]
    fn a_packet_counts_as_many_bytes_as_c_can_count() -> Result {
        let test = card()?;

        // SAFETY: Nobody sends.
        let xmit = unsafe { crate::net::netdev::Xmit::new_for_tests(test.dev()) };

        assert!(xmit.sent(u32::MAX));
        if cfg!(CONFIG_BQL) {
            assert_eq!(in_flight(&test), u32::MAX / 16);
        }
        test.down();
        assert_eq!(in_flight(&test), 0);
        Ok(())
    }

    #[test]
    fn what_was_not_sent_is_forgotten_when_the_queue_is_reset() -> Result {
        let test = card()?;

        send_some(&test, 2)?;
        assert!(wait_until(|| test
            .data(|data| data.used.load(Relaxed) == 2)
            == Ok(true)));
        test.with(|dev, rtnl| {
            assert_eq!(dev.reset_queue(rtnl), Err(EBUSY));
            dev.tx_disable();
            dev.napi_disable(rtnl);
            assert_eq!(dev.reset_queue(rtnl), Ok(()));
            dev.napi_enable(rtnl);
            dev.wake_queue();
        })?;
        assert_eq!(in_flight(&test), 0);
        // They are sent after all.
        test.sent(2)?;
        assert_eq!(in_flight(&test), 0);
        assert_eq!(test.census.counts(), (1, 0));
        Ok(())
    }
}
