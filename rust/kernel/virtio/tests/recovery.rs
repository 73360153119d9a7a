// SPDX-License-Identifier: GPL-2.0

//! Recovery: a device that has failed is brought up again, or given up, and nobody waits for ever.

use super::{
    super::{
        fake::{
            Event,
            Options, //
        },
        recovery::budget::{
            Budget,
            CURES_PERIOD,
            MAX_CURES, //
        },
        Device, //
    },
    bench::{
        Bench,
        Plan,
        Session,
        MODERN, //
    },
    driver::{
        Minimal,
        TestDriver,
        Testable, //
    },
};
use crate::{
    bindings,
    device::Core,
    prelude::*,
    sync::atomic::ordering::Relaxed,
    time::{
        delay::fsleep,
        Delta,
        Instant, //
    }, //
};

const ACKNOWLEDGE: u32 = bindings::VIRTIO_CONFIG_S_ACKNOWLEDGE;
const DRIVER: u32 = ACKNOWLEDGE | bindings::VIRTIO_CONFIG_S_DRIVER;
const FEATURES_OK: u32 = DRIVER | bindings::VIRTIO_CONFIG_S_FEATURES_OK;
const DRIVER_OK: u32 = FEATURES_OK | bindings::VIRTIO_CONFIG_S_DRIVER_OK;
const FAILED: u32 = bindings::VIRTIO_CONFIG_S_FAILED;
pub(super) const NEEDS_RESET: u32 = bindings::VIRTIO_CONFIG_S_NEEDS_RESET;

pub(super) const PREPARE: Event = Event::Driver("recovery prepare");
pub(super) const DONE: Event = Event::Driver("recovery done");
pub(super) const GIVEN_UP: Event = Event::Driver("recovery failed");

/// The driver was told that the configuration has changed.
const TOLD: Event = Event::Driver("config changed");

/// What asking for one queue looks like to the transport.
const FIND: Event = Event::FindVqs {
    count: 1,
    affinity: None,
};

/// A recovery that goes well, with one buffer in the queue.
const RECOVERY: [Event; 11] = [
    PREPARE,
    Event::Reset,
    Event::Synchronize,
    Event::Detached { queue: 0, id: 0 },
    Event::DelVqs,
    Event::Status(ACKNOWLEDGE),
    Event::Status(DRIVER),
    Event::Status(FEATURES_OK),
    FIND,
    Event::Status(DRIVER_OK),
    DONE,
];

/// A driver with one buffer in its queue, which takes what the device has used.
pub(super) const FILLED: Plan = Plan {
    fill: 1,
    drain: true,
    ..Plan::DEFAULT
};

/// A device with a configuration space.
const WITH_SPACE: Options = Options {
    config: &[0; 37],
    ..MODERN
};

/// Sets up a device that can be recovered.
pub(super) fn set_up<T: Testable>(plan: Plan, options: Options) -> Result<Session<T>> {
    let session = Session::<T>::with_driver(plan, options)?;

    session.events()?;
    session.device().knobs.recovers.store(true, Relaxed);
    Ok(session)
}

/// Waits until an event is in the log so often, but not for ever.
pub(super) fn wait_for(bench: &Bench, event: Event, times: usize) -> Result {
    for _ in 0..6000 {
        if bench.log.count(event) >= times {
            return Ok(());
        }
        fsleep(Delta::from_millis(1));
    }
    pr_err!("{:?} has not come\n", event);
    Err(ETIMEDOUT)
}

/// Waits until a recovery is over, with whatever result.
pub(super) fn wait_until_settled<T: Testable>(session: &Session<T>) -> Result {
    // Takes the lock of the device, which the recovery holds.
    session.fake()?.with_core(|_| ())
}

/// A way in which a device fails.
type Failure = (&'static str, fn(&Session) -> Result);

/// Evidence, by itself or with what the driver or the transport does next.
const FAILURES: &[Failure] = &[
    ("a used buffer that does not exist", |session| {
        session.device().push_bogus(0, 7, 0)?;
        session.device().interrupt(0);
        Ok(())
    }),
    ("a notification that fails", |session| {
        session.device().knobs.notify_fails.store(true, Relaxed);
        // With this buffer, there are two.
        let added = session.add(0, 1);

        session.device().knobs.notify_fails.store(false, Relaxed);
        ensure_eq!(added, Err(EIO));
        Ok(())
    }),
    ("a broken queue", |session| {
        session.device().break_queue(0);
        ensure_eq!(session.add(0, 1), Err(EAGAIN));
        Ok(())
    }),
    ("a device that needs a reset", |session| {
        session.device().add_status(NEEDS_RESET);
        session.device().config_changed();
        Ok(())
    }),
    ("a device that has forgotten its driver", |session| {
        session.device().forget_status();
        ensure!(session.fake()?.bound()?.has_failed());
        Ok(())
    }),
    ("a driver that has lost patience", |session| {
        session.fake()?.bound()?.recover()
    }),
];

#[kunit_tests(rust_virtio_recovery)]
mod cases {
    use super::*;

    #[test]
    fn a_device_that_fails_works_again() -> Result {
        for &(name, fail) in FAILURES {
            let session = set_up::<TestDriver>(FILLED, WITH_SPACE)?;

            fail(&session)?;
            wait_for(&session, DONE, 1)
                .and_then(|()| wait_until_settled(&session))
                .inspect_err(|_| pr_err!("failed for {}\n", name))?;

            let events = session.events()?;
            let mut recovery = events
                .iter()
                .skip_while(|&&event| event != PREPARE)
                // Not all failures are possible without these.
                .filter(|&&event| event != Event::Detached { queue: 0, id: 1 })
                .filter(|&&event| event != TOLD)
                .copied();

            for expected in RECOVERY {
                ensure_eq!((name, recovery.next()), (name, Some(expected)));
            }
            ensure_eq!((name, recovery.next()), (name, None));

            session.add(0, 2)?;
            session.serve(0)?;
            ensure!(session.take_used().is_some());
            ensure_eq!(session.fake()?.bound()?.recoveries(), 1);
            ensure!(!session.fake()?.bound()?.has_failed());
        }
        Ok(())
    }

    #[test]
    fn a_device_that_is_silent_is_left_alone() -> Result {
        let session = set_up::<TestDriver>(FILLED, WITH_SPACE)?;

        ensure!(!session.fake()?.bound()?.has_failed());
        session.device().config_changed();
        fsleep(Delta::from_millis(50));
        ensure_eq!(session.log.count(PREPARE), 0);
        ensure_eq!(session.fake()?.bound()?.recoveries(), 0);
        Ok(())
    }

    #[test]
    fn a_driver_that_ignores_recovery_is_recovered() -> Result {
        let session = set_up::<Minimal>(FILLED, MODERN)?;

        session.device().push_bogus(0, 7, 0)?;
        session.device().interrupt(0);
        wait_for(&session, Event::Status(DRIVER_OK), 1)?;
        session.fake()?.with_core(|_| ())?;
        ensure_eq!(session.fake()?.bound()?.recoveries(), 1);
        ensure_eq!(session.buffers(), 0);

        session.add(0, 2)?;
        session.serve(0)?;
        ensure!(session.take_used().is_some());
        Ok(())
    }

    #[test]
    fn a_change_that_came_with_the_failure_is_told_afterwards() -> Result {
        let session = set_up::<TestDriver>(FILLED, WITH_SPACE)?;

        session.device().add_status(NEEDS_RESET);
        session.device().config_changed();
        wait_for(&session, TOLD, 1)?;

        let events = session.events()?;
        let place = |event| events.iter().position(|&e| e == event).ok_or(ENOENT);

        ensure!(place(DONE)? < place(TOLD)?);
        Ok(())
    }

    #[test]
    fn a_device_that_is_gone_is_given_up_and_not_reset() -> Result {
        let mut session = set_up::<TestDriver>(FILLED, WITH_SPACE)?;

        session.device().knobs.gone.store(true, Relaxed);
        ensure!(session.fake()?.bound()?.has_failed());
        wait_for(&session, GIVEN_UP, 1)?;
        wait_until_settled(&session)?;
        ensure_eq!(session.buffers(), 0);
        ensure_eq!(session.add(0, 1), Err(ENODEV));
        ensure_eq!(session.fake()?.bound()?.recover(), Err(ENODEV));
        ensure!(session.fake()?.bound()?.has_failed());

        // Nothing is tried again.
        session.fake()?.reset_prepare()?;
        ensure_eq!(session.log.count(Event::ResetOfNothing), 0);
        ensure_eq!(session.log.count(PREPARE), 1);

        // The core resets on its own when it is told to, and wants to see that.
        session.device().knobs.gone.store(false, Relaxed);
        ensure_eq!(session.fake()?.reset_done(), Err(ENODEV));
        session.remove_device();
        Ok(())
    }

    #[test]
    fn a_device_that_sleeps_is_not_taken_for_gone() -> Result {
        let session = set_up::<TestDriver>(FILLED, WITH_SPACE)?;

        session.device().set_asleep(true);
        session.device().knobs.gone.store(true, Relaxed);
        ensure!(!session.fake()?.bound()?.has_failed());

        // What is asked for meanwhile comes later.
        session.device().config_changed();
        session.fake()?.bound()?.recover()?;
        fsleep(Delta::from_millis(50));
        ensure_eq!(session.log.count(PREPARE), 0);
        ensure_eq!(session.log.count(TOLD), 0);

        session.device().knobs.gone.store(false, Relaxed);
        session.device().set_asleep(false);
        wait_for(&session, DONE, 1)?;
        wait_for(&session, TOLD, 1)?;
        ensure_eq!(session.fake()?.bound()?.recoveries(), 1);
        session.add(0, 1)
    }

    #[test]
    fn a_failure_during_the_start_of_a_recovery_is_not_missed() -> Result {
        let session = set_up::<TestDriver>(FILLED, WITH_SPACE)?;

        session.device().knobs.holds_start.store(true, Relaxed);
        session.fake()?.bound()?.recover()?;
        wait_for(&session, Event::Status(DRIVER_OK), 1)?;
        // The recovery has the rings, so that whoever is told of this has to wait for his turn.
        session.device().add_status(NEEDS_RESET);
        session.device().config_changed();
        fsleep(Delta::from_millis(50));
        session.device().knobs.holds_start.store(false, Relaxed);

        wait_for(&session, DONE, 2)?;
        wait_until_settled(&session)?;
        ensure_eq!(session.fake()?.bound()?.recoveries(), 2);
        session.add(0, 1)
    }

    #[test]
    fn nothing_is_added_before_a_recovered_device_was_told_to_start() -> Result {
        let session = set_up::<Minimal>(FILLED, MODERN)?;

        session.device().knobs.holds_start.store(true, Relaxed);
        session.fake()?.bound()?.recover()?;
        wait_for(&session, Event::Status(DRIVER_OK), 1)?;

        let early = session.add(0, 1);

        session.device().knobs.holds_start.store(false, Relaxed);
        ensure_eq!(early, Err(ENODEV));
        wait_until_settled(&session)?;
        session.add(0, 2)
    }

    #[test]
    fn a_device_that_does_not_come_back_is_given_up() -> Result {
        type Refuse = fn(&Session);
        // And how often the device is reset: once for each attempt, and what a driver that has
        // refused has given it is taken back by another.
        let refusals: [(&str, usize, Refuse); 5] = [
            ("features", 3, |session| {
                session.device().knobs.refuse_features.store(true, Relaxed)
            }),
            ("features withdrawn", 3, |session| {
                let version = 1 << bindings::VIRTIO_F_VERSION_1;

                session.device().knobs.withdrawn.store(version, Relaxed)
            }),
            ("queues", 3, |session| {
                let none = ENOENT.to_errno();

                session.device().knobs.find_errno.store(none, Relaxed)
            }),
            ("transport", 3, |session| {
                let error = EIO.to_errno();

                session.device().knobs.finalize_errno.store(error, Relaxed)
            }),
            ("driver", 2, |session| {
                session.recovery_fails.store(true, Relaxed)
            }),
        ];

        for (name, resets, refuse) in refusals {
            let mut session = set_up::<TestDriver>(FILLED, MODERN)?;

            refuse(&session);
            session.fake()?.bound()?.recover()?;
            wait_for(&session, GIVEN_UP, 1).inspect_err(|_| pr_err!("failed for {}\n", name))?;
            wait_until_settled(&session)?;
            ensure_eq!((name, session.log.count(PREPARE)), (name, 1));
            ensure_eq!((name, session.log.count(Event::Reset)), (name, resets));
            ensure_eq!((name, session.fake()?.bound()?.recoveries()), (name, 0));
            ensure!(session.device().status() & FAILED != 0);
            ensure_eq!(session.buffers(), 0);
            ensure_eq!(session.add(0, 1), Err(ENODEV));
            session.remove_device();
            ensure_eq!((name, session.device().rings()), (name, 0));
        }
        Ok(())
    }

    #[test]
    fn a_device_that_comes_back_late_is_recovered() -> Result {
        let session = set_up::<TestDriver>(FILLED, MODERN)?;
        let knobs = &session.device().knobs;

        knobs.refuse_features.store(true, Relaxed);
        session.fake()?.bound()?.recover()?;
        wait_for(&session, Event::Status(FEATURES_OK), 1)?;
        knobs.refuse_features.store(false, Relaxed);
        wait_for(&session, DONE, 1)?;
        wait_until_settled(&session)?;
        ensure_eq!(session.log.count(Event::Reset), 2);
        ensure_eq!(session.log.count(PREPARE), 1);
        ensure_eq!(session.fake()?.bound()?.recoveries(), 1);
        session.add(0, 1)
    }

    #[test]
    fn old_recoveries_do_not_count() -> Result {
        let begun = Instant::now();
        let at = |seconds| begun + Delta::from_secs(seconds);
        let mut budget = Budget::new();

        for second in 0..MAX_CURES as i64 {
            ensure!(budget.spend(at(second)));
        }
        ensure!(!budget.spend(at(10)));
        ensure!(!budget.spend(at(CURES_PERIOD - 1)));
        // The first one is old enough; the second one is not.
        ensure!(budget.spend(at(CURES_PERIOD)));
        ensure!(!budget.spend(at(CURES_PERIOD)));
        ensure!(budget.spend(at(CURES_PERIOD + 1)));
        Ok(())
    }

    #[test]
    fn a_device_that_fails_again_and_again_is_given_up() -> Result {
        let session = set_up::<TestDriver>(FILLED, MODERN)?;

        for times in 1..=5 {
            session.fake()?.bound()?.recover()?;
            wait_for(&session, DONE, times)?;
            wait_until_settled(&session)?;
        }
        ensure_eq!(session.fake()?.bound()?.recoveries(), 5);
        ensure_eq!(session.log.count(GIVEN_UP), 0);

        session.add(0, 1)?;
        session.fake()?.bound()?.recover()?;
        wait_for(&session, GIVEN_UP, 1)?;
        wait_until_settled(&session)?;
        ensure_eq!(session.log.count(DONE), 5);
        ensure_eq!(session.log.count(Event::Detached { queue: 0, id: 1 }), 1);
        ensure_eq!(session.add(0, 2), Err(ENODEV));
        Ok(())
    }

    #[test]
    fn a_binding_starts_with_a_clean_record() -> Result {
        let mut session = set_up::<TestDriver>(FILLED, MODERN)?;

        session.device().knobs.gone.store(true, Relaxed);
        ensure!(session.fake()?.bound()?.has_failed());
        wait_for(&session, GIVEN_UP, 1)?;
        session.device().knobs.gone.store(false, Relaxed);
        session.fake_mut()?.unbind();

        ensure!(session.fake_mut()?.attach());
        ensure_eq!(session.fake()?.bound()?.recoveries(), 0);
        session.add(0, 1)?;
        session.serve(0)
    }

    #[test]
    fn a_ring_can_come_back_with_another_size() -> Result {
        fn look(_: &Device<Core<'_>>, bench: &Bench) {
            let size = bench.queue(0).map_or(0, |queue| queue.lock().vring_size());

            bench.note.store(size.into(), Relaxed);
        }

        let plan = Plan {
            in_callback: look,
            ..FILLED
        };
        let session = set_up::<TestDriver>(plan, MODERN)?;

        session.device().knobs.ring_size.store(4, Relaxed);
        session.fake()?.bound()?.recover()?;
        wait_for(&session, DONE, 1)?;
        wait_until_settled(&session)?;
        ensure_eq!(session.note.load(Relaxed), 4);
        Ok(())
    }

    #[test]
    fn a_paused_device_is_not_recovered() -> Result {
        let session = set_up::<TestDriver>(FILLED, WITH_SPACE)?;

        session.fake()?.reset_prepare()?;
        ensure_eq!(session.fake()?.bound()?.recover(), Err(ENODEV));
        // Its status is zero, like that of a device that has forgotten its driver.
        ensure!(!session.fake()?.bound()?.has_failed());
        session.fake()?.reset_done()?;
        fsleep(Delta::from_millis(50));
        ensure_eq!(session.log.count(PREPARE), 0);
        session.add(0, 1)
    }

    #[test]
    fn a_device_that_failed_is_not_recovered_after_a_shutdown() -> Result {
        let session = set_up::<TestDriver>(FILLED, MODERN)?;

        session.device().shutdown();
        ensure_eq!(session.buffers(), 0);
        ensure_eq!(session.fake()?.bound()?.recover(), Err(ENODEV));
        fsleep(Delta::from_millis(50));
        ensure_eq!(session.log.count(PREPARE), 0);
        Ok(())
    }

    #[test]
    fn a_device_that_is_gone_is_not_reset_by_a_shutdown() -> Result {
        let session = set_up::<TestDriver>(FILLED, MODERN)?;

        session.device().knobs.gone.store(true, Relaxed);
        session.device().shutdown();
        ensure_eq!(session.log.count(Event::ResetOfNothing), 0);
        ensure_eq!(session.buffers(), 0);

        // The core resets on its own when the device is unbound, and wants to see that.
        session.device().knobs.gone.store(false, Relaxed);
        Ok(())
    }

    #[test]
    fn an_unbind_that_meets_a_failure_wins_or_waits() -> Result {
        for _ in 0..50 {
            let mut session = set_up::<TestDriver>(FILLED, WITH_SPACE)?;

            session.device().push_bogus(0, 7, 0)?;
            session.device().interrupt(0);
            session.fake_mut()?.unbind();
            ensure_eq!(session.buffers(), 0);
            ensure_eq!(session.device().rings(), 0);
            ensure_eq!(
                session.log.count(PREPARE),
                session.log.count(DONE) + session.log.count(GIVEN_UP)
            );
        }
        Ok(())
    }
}
