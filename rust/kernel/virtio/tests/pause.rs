// SPDX-License-Identifier: GPL-2.0

//! Suspend and transport resets: down and up again without an unbind (law 7).

use super::{
    super::{
        fake::{
            Event,
            Fake, //
        },
        Device, //
    },
    bench::{
        count_warnings,
        Bench,
        Plan,
        Session,
        MODERN, //
    },
    driver::{
        Minimal,
        Picky,
        Testable, //
    },
    recovery::wait_for,
};
use crate::{
    bindings,
    device::Core,
    prelude::*,
    sync::atomic::ordering::Relaxed,
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

const ACKNOWLEDGE: u32 = bindings::VIRTIO_CONFIG_S_ACKNOWLEDGE;
const DRIVER: u32 = ACKNOWLEDGE | bindings::VIRTIO_CONFIG_S_DRIVER;
const FEATURES_OK: u32 = DRIVER | bindings::VIRTIO_CONFIG_S_FEATURES_OK;
const DRIVER_OK: u32 = FEATURES_OK | bindings::VIRTIO_CONFIG_S_DRIVER_OK;
const FAILED: u32 = bindings::VIRTIO_CONFIG_S_FAILED;

/// What asking for one queue looks like to the transport.
const FIND: Event = Event::FindVqs {
    count: 1,
    affinity: None,
};

/// What happens from the reset of a device to the callback of its driver.
const COMING_UP: [Event; 6] = [
    Event::Status(ACKNOWLEDGE),
    Event::Status(DRIVER),
    Event::Status(FEATURES_OK),
    FIND,
    Event::Status(DRIVER_OK),
    Event::Driver("restore"),
];

/// The two ways to pause a device: its methods to go down and up.
type Pause = (&'static str, fn(&Fake) -> Result, fn(&Fake) -> Result);

const PAUSES: &[Pause] = &[
    (
        "transport reset",
        |fake| fake.reset_prepare(),
        |fake| fake.reset_done(),
    ),
    #[cfg(CONFIG_PM_SLEEP)]
    ("suspend", |fake| fake.freeze(), |fake| fake.restore()),
];

/// Runs a case for both ways, with one buffer in the queue.
fn for_each_pause<T: Testable>(case: impl Fn(&Pause, &mut Session<T>) -> Result) -> Result {
    for pause in PAUSES {
        let plan = Plan {
            fill: 1,
            ..Plan::DEFAULT
        };
        let mut session = Session::<T>::with_driver(plan, MODERN)?;

        session.events()?;
        case(pause, &mut session).inspect_err(|_| {
            pr_err!("failed for {}\n", pause.0);
        })?;
        session.remove_device();
        ensure_eq!((pause.0, session.buffers()), (pause.0, 0));
    }
    Ok(())
}

#[kunit_tests(rust_virtio_pause)]
mod cases {
    use super::{
        super::driver::TestDriver,
        *, //
    };

    #[test]
    fn going_down_is_quiet_reset_buffers_rings() -> Result {
        for_each_pause::<TestDriver>(|(_, down, _), session| {
            down(session.fake()?)?;
            ensure_eq!(
                session.events()?[..],
                [
                    Event::Driver("freeze"),
                    Event::Reset,
                    Event::Synchronize,
                    Event::Detached { queue: 0, id: 0 },
                    Event::DelVqs,
                ]
            );
            ensure_eq!(session.device().rings(), 0);
            Ok(())
        })
    }

    #[test]
    fn coming_up_is_rings_driver_ok_driver() -> Result {
        for_each_pause::<TestDriver>(|(_, down, up), session| {
            down(session.fake()?)?;
            session.events()?;
            up(session.fake()?)?;

            let events = session.events()?;

            ensure_eq!(events.first(), Some(&Event::Reset));
            ensure_eq!(events[1..], COMING_UP);
            Ok(())
        })
    }

    #[test]
    fn a_binding_that_meets_the_end_of_a_pause_is_taken_down_first() -> Result {
        for_each_pause::<TestDriver>(|(_, down, up), session| {
            down(session.fake()?)?;
            session.events()?;
            session.device().knobs.rebind.store(true, Relaxed);
            up(session.fake()?)?;

            let events = session.events()?;
            let mut rest = events
                .iter()
                .skip_while(|&&event| event != Event::Driver("probe"))
                .skip_while(|&&event| event != Event::Status(DRIVER_OK))
                .filter(|&&event| event != Event::Driver("scan"))
                // The core goes on with what it was at.
                .skip_while(|&&event| event == Event::Status(DRIVER_OK))
                .copied();

            // The new driver's buffer comes back after a reset, and the rings go.
            for expected in [
                Event::Reset,
                Event::Synchronize,
                Event::Detached { queue: 0, id: 0 },
                Event::DelVqs,
            ] {
                ensure_eq!(rest.next(), Some(expected));
            }
            for expected in COMING_UP {
                ensure_eq!(rest.next(), Some(expected));
            }

            session.add(0, 1)?;
            session.serve(0)?;
            ensure!(session.queue(0)?.lock().pop().is_some());
            Ok(())
        })
    }

    #[test]
    fn queues_go_away_and_come_back() -> Result {
        for_each_pause::<TestDriver>(|(_, down, up), session| {
            let queue = session.queue(0)?;

            for id in 1..4 {
                session.add(0, id)?;
                session.serve(0)?;
                ensure!(queue.lock().pop().is_some());

                down(session.fake()?)?;
                ensure_eq!(session.add(0, id), Err(ENODEV));
                ensure_eq!(queue.notify(), Err(ENODEV));
                ensure_eq!(queue.lock().vring_size(), 0);

                up(session.fake()?)?;
                ensure_eq!(queue.lock().vring_size(), 8);
                ensure_eq!(queue.lock().num_free(), 8);
            }
            Ok(())
        })
    }

    #[test]
    fn a_driver_that_cannot_stop_goes_on() -> Result {
        for_each_pause::<TestDriver>(|(_, down, _), session| {
            session.freeze_fails.store(true, Relaxed);
            ensure_eq!(down(session.fake()?), Err(EBUSY));
            ensure_eq!(session.events()?[..], [Event::Driver("freeze")]);

            // The queue is as it was: the buffer of before comes first.
            session.serve(0)?;
            let used = session.queue(0)?.lock().pop().ok_or(ENOENT)?;
            ensure_eq!(used.token.id, 0);
            Ok(())
        })
    }

    #[test]
    fn a_device_that_does_not_come_up_is_failed_and_can_be_removed() -> Result {
        for_each_pause::<TestDriver>(|(_, down, up), session| {
            down(session.fake()?)?;
            session
                .device()
                .knobs
                .find_errno
                .store(ENOMEM.to_errno(), Relaxed);
            session.events()?;
            ensure_eq!(up(session.fake()?), Err(ENOMEM));
            ensure!(session.device().status() & FAILED != 0);
            ensure!(session.device().is_bound());
            ensure_eq!(session.log.count(Event::Driver("restore")), 0);
            ensure_eq!(session.add(0, 1), Err(ENODEV));

            session.events()?;
            session.remove_device();
            // The rings are gone already: deleting them again is a fault on some transports.
            ensure_eq!(session.log.count(Event::DelVqs), 0);
            ensure_eq!(session.log.count(Event::Driver("unbind")), 1);
            ensure_eq!(session.log.count(Event::Driver("data dropped")), 1);
            Ok(())
        })
    }

    #[test]
    fn a_device_that_has_lost_a_queue_is_failed_and_can_be_removed() -> Result {
        for_each_pause::<TestDriver>(|(_, down, up), session| {
            down(session.fake()?)?;
            session.device().knobs.null_queue.store(0, Relaxed);
            ensure_eq!(up(session.fake()?), Err(ENODEV));
            ensure!(session.device().is_bound());
            ensure_eq!(session.add(0, 1), Err(ENODEV));

            session.events()?;
            session.remove_device();
            ensure_eq!(session.device().rings(), 0);
            Ok(())
        })
    }

    #[test]
    fn a_device_that_refuses_its_features_afterwards_can_be_removed() -> Result {
        for_each_pause::<TestDriver>(|(_, down, up), session| {
            down(session.fake()?)?;
            session
                .device()
                .knobs
                .finalize_errno
                .store(EIO.to_errno(), Relaxed);
            ensure_eq!(up(session.fake()?), Err(EIO));
            ensure_eq!(session.log.count(FIND), 0);
            Ok(())
        })
    }

    #[cfg(CONFIG_PM_SLEEP)]
    #[test]
    fn a_device_that_did_not_come_to_its_driver_after_a_suspend_is_given_up() -> Result {
        let mut session = Session::new(Plan::DEFAULT, MODERN)?;
        let failed = Event::Driver("recovery failed");

        // One that has, and one that was not suspended.
        session.fake()?.freeze()?;
        session.fake()?.restore()?;
        session.fake()?.complete();
        session.fake()?.complete();
        ensure_eq!(session.log.count(failed), 0);
        session.add(0, 1)?;

        session.fake()?.freeze()?;
        session
            .device()
            .knobs
            .finalize_errno
            .store(EIO.to_errno(), Relaxed);
        ensure_eq!(session.fake()?.restore(), Err(EIO));
        ensure_eq!(session.log.count(failed), 0);
        session.fake()?.complete();
        ensure_eq!(session.log.count(failed), 1);
        ensure!(session.device().status() & FAILED != 0);
        ensure_eq!(session.add(0, 2), Err(ENODEV));

        session.fake()?.complete();
        ensure_eq!(session.log.count(failed), 1);
        session.remove_device();
        Ok(())
    }

    /// A driver can look by itself, although the core does not tell.
    #[test]
    fn no_change_of_the_configuration_is_told_during_a_pause() -> Result {
        fn look(dev: &Device<Core<'_>>, bench: &Bench) {
            dev.look_at_config();
            fsleep(Delta::from_millis(50));

            let told = bench.log.count(Event::Driver("config changed"));

            bench.note.fetch_add(told as u64, Relaxed);
        }

        for (name, down, up) in PAUSES {
            let plan = Plan {
                in_callback: look,
                ..Plan::DEFAULT
            };
            let session = Session::new(plan, MODERN)?;
            let told = Event::Driver("config changed");

            down(session.fake()?)?;
            down(session.fake()?)?;
            up(session.fake()?)?;
            ensure_eq!((name, session.note.load(Relaxed)), (name, 0));
            wait_for(&session, told, 1)?;

            // One that the driver has refused is over.
            session.freeze_fails.store(true, Relaxed);
            ensure_eq!(down(session.fake()?), Err(EBUSY));
            wait_for(&session, told, 2)?;
        }
        Ok(())
    }

    #[test]
    fn a_driver_that_cannot_resume_stays_bound() -> Result {
        for_each_pause::<TestDriver>(|(_, down, up), session| {
            session.restore_fails.store(true, Relaxed);
            down(session.fake()?)?;
            ensure_eq!(up(session.fake()?), Err(EIO));
            ensure!(session.device().is_bound());
            ensure!(session.device().status() & FAILED != 0);
            // Nobody waits for it.
            ensure_eq!(session.log.count(Event::Driver("recovery failed")), 1);
            ensure_eq!(session.buffers(), 0);

            session.events()?;
            session.remove_device();
            ensure_eq!(session.log.count(Event::DelVqs), 1);
            Ok(())
        })
    }

    #[test]
    fn what_a_broken_device_has_comes_back_before_the_driver_waits_for_it() -> Result {
        for_each_pause::<TestDriver>(|(_, down, _), session| {
            session.device().break_device();
            session.events()?;
            down(session.fake()?)?;
            ensure_eq!(
                session.events()?[..],
                [
                    Event::Reset,
                    Event::Synchronize,
                    Event::Detached { queue: 0, id: 0 },
                    Event::Driver("freeze"),
                    Event::Reset,
                    Event::Synchronize,
                    Event::DelVqs,
                ]
            );
            Ok(())
        })
    }

    #[test]
    fn a_paused_device_can_be_removed() -> Result {
        for_each_pause::<TestDriver>(|(_, down, _), session| {
            down(session.fake()?)?;
            session.events()?;
            session.remove_device();
            ensure_eq!(
                session.events()?[..],
                [
                    Event::Driver("unbind"),
                    Event::Driver("data dropped"),
                    Event::Driver("part dropped"),
                    Event::Reset,
                    Event::Status(ACKNOWLEDGE),
                    Event::Driver("queue freed"),
                ]
            );
            Ok(())
        })
    }

    #[test]
    fn coming_up_without_having_gone_down_leaves_one_set_of_rings() -> Result {
        for_each_pause::<TestDriver>(|(_, _, up), session| {
            session.add(0, 9)?;
            session.events()?;
            up(session.fake()?)?;

            // The old rings went as always, with what was in them.
            ensure_eq!(session.log.count(Event::Detached { queue: 0, id: 9 }), 1);
            ensure_eq!(session.log.count(Event::DelVqs), 1);
            ensure_eq!(session.device().rings(), 1);

            session.add(0, 3)?;
            session.serve(0)?;
            let used = session.queue(0)?.lock().pop().ok_or(ENOENT)?;
            ensure_eq!(used.token.id, 3);
            Ok(())
        })
    }

    #[test]
    fn going_down_twice_is_going_down_once() -> Result {
        for_each_pause::<TestDriver>(|(_, down, up), session| {
            down(session.fake()?)?;
            down(session.fake()?)?;
            ensure_eq!(session.log.count(Event::DelVqs), 1);
            up(session.fake()?)?;
            session.add(0, 1)
        })
    }

    #[test]
    fn a_driver_without_queues_is_paused() -> Result {
        for (_, down, up) in PAUSES {
            let plan = Plan {
                queues: 0,
                ..Plan::DEFAULT
            };
            let session = Session::new(plan, MODERN)?;

            session.events()?;
            down(session.fake()?)?;
            up(session.fake()?)?;
            ensure_eq!(session.log.count(Event::DelVqs), 0);
            ensure_eq!(session.log.count(Event::Status(DRIVER_OK)), 1);
            ensure_eq!(session.log.count(Event::Driver("restore")), 1);
        }
        Ok(())
    }

    #[test]
    fn a_driver_without_callbacks_is_paused() -> Result {
        for_each_pause::<Minimal>(|(_, down, up), session| {
            down(session.fake()?)?;
            ensure_eq!(session.log.count(Event::DelVqs), 1);
            up(session.fake()?)?;
            session.add(0, 1)?;
            session.serve(0)
        })
    }

    #[test]
    fn a_driver_can_tell_resets_from_suspends() -> Result {
        // `First`, without which this driver takes no device.
        let session = Session::<Picky>::with_driver(Plan::DEFAULT, MODERN.with_features(&[0]))?;

        session.events()?;
        session.fake()?.reset_prepare()?;
        session.fake()?.reset_done()?;

        let events = session.events()?;

        ensure_eq!(events[0], Event::Driver("reset prepare"));
        ensure_eq!(events[events.len() - 1], Event::Driver("reset done"));
        Ok(())
    }

    #[test]
    fn an_unbound_device_is_not_the_drivers() -> Result {
        let mut session = Session::new(Plan::DEFAULT, MODERN)?;

        session.fake_mut()?.unbind();
        session.events()?;
        // The core answers for a device without a driver.
        ensure_eq!(session.fake()?.reset_prepare(), Err(EOPNOTSUPP));
        ensure_eq!(session.fake()?.reset_done(), Err(EOPNOTSUPP));
        ensure_eq!(session.events()?[..], []);
        Ok(())
    }

    #[test]
    fn a_device_that_does_not_reset_is_paused_without_a_warning() -> Result {
        for_each_pause::<TestDriver>(|(_, down, up), session| {
            session.device().knobs.sticky_status.store(true, Relaxed);
            let (ret, warnings) = count_warnings(|| down(session.fake()?));

            ensure_eq!(ret, Ok(()));
            ensure_eq!(warnings, 0);
            session.device().knobs.sticky_status.store(false, Relaxed);
            up(session.fake()?)
        })
    }
}
