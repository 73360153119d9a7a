// SPDX-License-Identifier: GPL-2.0

//! Binding and unbinding: one order of teardown, from wherever it starts (laws 5 and 7).

use super::{
    super::{
        fake::Event,
        Device, //
    },
    bench::{
        count_warnings,
        Bench,
        Plan,
        Session,
        Step,
        MODERN, //
    },
    driver::{
        Buffer,
        Minimal,
        TestDriver,
        Testable, //
    },
};
use crate::{
    bindings,
    device::Core,
    prelude::*,
    sync::{
        atomic::ordering::Relaxed,
        Arc, //
    },
};

/// Device status after each step of a bind that goes well.
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

/// The events of a teardown that finds one buffer of queue 0 with the device.
const TEARDOWN: [Event; 6] = [
    Event::Reset,
    Event::Synchronize,
    Event::Detached { queue: 0, id: 0 },
    Event::DelVqs,
    Event::Driver("queue freed"),
    Event::Status(ACKNOWLEDGE),
];

/// A driver with one buffer in its queue.
const FILLED: Plan = Plan {
    fill: 1,
    ..Plan::DEFAULT
};

/// Sets up a device and a driver that fails at the given step.
fn failing<T: Testable>(step: Step) -> Result<Session<T>> {
    let plan = Plan {
        fail_at: Some(step),
        ..FILLED
    };

    Session::with_driver(plan, MODERN)
}

#[kunit_tests(rust_virtio_probe)]
mod cases {
    use super::*;

    #[test]
    fn probe_goes_from_reset_to_driver_ok() -> Result {
        let session = Session::new(FILLED, MODERN)?;

        ensure_eq!(
            session.events()?[..],
            [
                Event::Reset,
                Event::Status(ACKNOWLEDGE),
                Event::Status(DRIVER),
                Event::Status(FEATURES_OK),
                Event::Driver("probe"),
                FIND,
                Event::Status(DRIVER_OK),
                Event::Driver("scan"),
            ]
        );
        Ok(())
    }

    #[test]
    fn scan_runs_after_the_core_has_told_the_device_to_start() -> Result {
        let plan = Plan {
            ready: false,
            ..FILLED
        };
        let session = Session::new(plan, MODERN)?;
        let events = session.events()?;

        ensure_eq!(
            events[events.len() - 3..],
            [FIND, Event::Status(DRIVER_OK), Event::Driver("scan")]
        );
        Ok(())
    }

    #[test]
    fn unbind_is_followed_by_data_reset_buffers_rings_and_queues() -> Result {
        let mut session = Session::new(FILLED, MODERN)?;

        session.events()?;
        session.fake_mut()?.unbind();

        let events = session.events()?;

        ensure_eq!(
            events[..3],
            [
                Event::Driver("unbind"),
                Event::Driver("data dropped"),
                Event::Driver("part dropped"),
            ]
        );
        // The core acknowledges the device again before what interrupts can reach is freed.
        ensure_eq!(
            events[3..],
            [
                TEARDOWN[0],
                TEARDOWN[1],
                TEARDOWN[2],
                TEARDOWN[3],
                TEARDOWN[5],
                TEARDOWN[4]
            ]
        );
        ensure_eq!(session.buffers(), 0);
        Ok(())
    }

    #[test]
    fn removing_the_device_or_the_driver_is_an_unbind() -> Result {
        let unbound = {
            let mut session = Session::new(FILLED, MODERN)?;

            session.events()?;
            session.fake_mut()?.unbind();
            session.events()?
        };
        let removed = {
            let mut session = Session::new(FILLED, MODERN)?;

            session.events()?;
            session.remove_device();
            session.events()?
        };
        let unloaded = {
            let mut session = Session::new(FILLED, MODERN)?;

            session.events()?;
            session.remove_driver();
            session.events()?
        };

        ensure_eq!(removed[..], unbound[..]);
        ensure_eq!(unloaded[..], unbound[..]);
        ensure_eq!(unbound.len(), 9);
        Ok(())
    }

    #[test]
    fn a_probe_that_fails_before_its_queues_resets_the_device() -> Result {
        for step in [Step::Start, Step::Added] {
            let session = failing::<TestDriver>(step)?;
            let events = session.events()?;
            let queue_freed = Event::Driver("queue freed");
            let last: &[Event] = if step == Step::Added {
                &[queue_freed, Event::Reset, Event::Status(FAILED)]
            } else {
                &[Event::Reset, Event::Status(FAILED)]
            };

            ensure_eq!(events[4], Event::Driver("probe"));
            ensure_eq!(events[5..], *last);
            ensure!(!session.device().is_bound());
        }
        Ok(())
    }

    #[test]
    fn a_probe_that_fails_after_its_queues_takes_them_down() -> Result {
        for step in [Step::Found, Step::Ready, Step::Data] {
            let mut session = failing::<TestDriver>(step)?;
            let events = session.events()?;
            let mut rest = &events[4..];
            let mut expect = |event| {
                let (first, tail) = rest.split_first().ok_or(EINVAL)?;

                ensure_eq!((step, *first), (step, event));
                rest = tail;
                Ok(())
            };

            expect(Event::Driver("probe"))?;
            expect(FIND)?;
            if step != Step::Found {
                expect(Event::Status(DRIVER_OK))?;
            }
            if step == Step::Data {
                expect(Event::Driver("part dropped"))?;
            }
            for event in &TEARDOWN[..5] {
                expect(*event)?;
            }
            expect(Event::Status(FAILED))?;
            ensure!(rest.is_empty());

            ensure!(!session.device().is_bound());
            ensure_eq!(session.buffers(), 0);
            ensure_eq!(session.device().rings(), 0);

            // There is nothing left that could be taken down once more.
            session.remove_device();
            ensure_eq!(session.events()?[..], []);
        }
        Ok(())
    }

    #[test]
    fn a_failed_probe_leaves_a_device_that_can_be_bound_again() -> Result {
        fn probe(_: &Device<Core<'_>>, bench: &Arc<Bench>) -> Result {
            // Fails at the start, three times.
            if bench.note.fetch_add(1, Relaxed) < 3 {
                return Err(EAGAIN);
            }
            Ok(())
        }

        let plan = Plan {
            in_probe: probe,
            ..FILLED
        };
        let mut session = Session::new(plan, MODERN)?;

        ensure!(!session.device().is_bound());
        ensure!(!session.fake_mut()?.attach());
        ensure!(!session.fake_mut()?.attach());
        ensure!(session.fake_mut()?.attach());
        session.add(0, 5)?;
        session.serve(0)?;
        Ok(())
    }

    #[test]
    fn binding_many_times_leaves_nothing_behind() -> Result {
        let options = MODERN.with_features(&[bindings::VIRTIO_F_ACCESS_PLATFORM]);
        let mut session = Session::new(FILLED, options)?;

        for id in 0..50 {
            session.add(0, id)?;
            session.fake_mut()?.unbind();
            ensure_eq!(session.buffers(), 0);
            ensure_eq!(session.device().rings(), 0);
            ensure_eq!(session.device().mappings(), 0);
            ensure!(session.fake_mut()?.attach());
            session.events()?;
        }
        Ok(())
    }

    #[test]
    fn a_driver_without_queues_is_reset_all_the_same() -> Result {
        let plan = Plan {
            queues: 0,
            ..Plan::DEFAULT
        };
        let mut session = Session::new(plan, MODERN)?;

        session.events()?;
        session.fake_mut()?.unbind();
        ensure_eq!(
            session.events()?[..],
            [
                Event::Driver("unbind"),
                Event::Driver("data dropped"),
                Event::Driver("part dropped"),
                Event::Reset,
                Event::Status(ACKNOWLEDGE),
            ]
        );
        Ok(())
    }

    #[test]
    fn a_driver_without_callbacks_is_bound_and_unbound() -> Result {
        let mut session = Session::<Minimal>::with_driver(FILLED, MODERN)?;

        session.device().config_changed();
        session.device().shutdown();
        session.events()?;
        session.fake_mut()?.unbind();
        ensure_eq!(session.log.count(Event::Driver("unbind")), 0);
        ensure_eq!(session.log.count(Event::Driver("data dropped")), 1);
        ensure_eq!(session.log.count(Event::DelVqs), 1);
        ensure_eq!(session.buffers(), 0);
        Ok(())
    }

    #[test]
    fn the_driver_can_use_its_queues_until_its_data_is_gone() -> Result {
        fn in_drop(bench: &Bench) {
            let usable = bench.queue(0).and_then(|queue| {
                let buffer = bench.buffer(8)?;
                let ret = queue.lock().add(buffer, Buffer::describe);

                ret.map_err(|err| err.error)?;
                queue.notify()
            });

            bench.note.store(u64::from(usable.is_ok()), Relaxed);
        }

        let plan = Plan {
            in_drop,
            ..Plan::DEFAULT
        };
        let mut session = Session::new(plan, MODERN)?;

        session.remove_device();
        ensure_eq!(session.note.load(Relaxed), 1);
        ensure_eq!(session.log.count(Event::Detached { queue: 0, id: 8 }), 1);
        Ok(())
    }

    #[test]
    fn a_leaked_queue_does_not_keep_its_buffers() -> Result {
        let mut session = Session::new(FILLED, MODERN)?;
        let queue = session.queue(0)?;

        // Keeps a reference for ever, as far as the teardown can tell.
        let leaked = Arc::into_raw(queue.clone());

        session.remove_device();
        ensure_eq!(session.buffers(), 0);
        ensure_eq!(session.device().rings(), 0);
        ensure_eq!(session.log.count(Event::Driver("queue freed")), 0);
        ensure_eq!(queue.notify(), Err(ENODEV));

        drop(queue);
        // SAFETY: The pointer comes from `Arc::into_raw` above.
        drop(unsafe { Arc::from_raw(leaked) });
        ensure_eq!(session.log.count(Event::Driver("queue freed")), 1);
        Ok(())
    }

    #[test]
    fn a_buffer_that_came_back_cannot_be_added_again() -> Result {
        let plan = Plan {
            retry: true,
            ..FILLED
        };
        let mut session = Session::new(plan, MODERN)?;

        session.remove_device();
        ensure_eq!(session.note.load(Relaxed), 1);
        ensure_eq!(session.log.count(Event::Driver("added again")), 0);
        ensure_eq!(session.buffers(), 0);
        Ok(())
    }

    #[test]
    fn a_broken_device_is_drained_before_the_driver_lets_go() -> Result {
        let mut session = Session::new(FILLED, MODERN)?;

        session.events()?;
        // As virtio-pci does it when the device was pulled out.
        session.device().break_device();
        session.remove_device();

        let events = session.events()?;

        ensure_eq!(
            events[..],
            [
                Event::Reset,
                Event::Synchronize,
                Event::Detached { queue: 0, id: 0 },
                Event::Driver("unbind"),
                Event::Driver("data dropped"),
                Event::Driver("part dropped"),
                Event::Reset,
                Event::Synchronize,
                Event::DelVqs,
                Event::Status(ACKNOWLEDGE),
                Event::Driver("queue freed"),
            ]
        );
        ensure_eq!(session.buffers(), 0);
        Ok(())
    }

    #[test]
    fn one_broken_queue_is_enough_to_give_all_buffers_back_first() -> Result {
        let plan = Plan {
            queues: 2,
            ..FILLED
        };
        let mut session = Session::new(plan, MODERN)?;

        session.events()?;
        session.device().break_queue(1);
        session.remove_device();

        let events = session.events()?;

        ensure_eq!(
            events[..5],
            [
                Event::Reset,
                Event::Synchronize,
                Event::Detached { queue: 0, id: 0 },
                Event::Detached { queue: 1, id: 0 },
                Event::Driver("unbind"),
            ]
        );
        Ok(())
    }

    #[test]
    fn no_notification_is_on_its_way_when_a_broken_device_is_reset() -> Result {
        let mut session = Session::new(FILLED, MODERN)?;

        session.device().break_device();
        session.device().await_grace();
        session.fake_mut()?.unbind();
        ensure_eq!(session.log.count(Event::Driver("unbind")), 1);
        ensure!(session.device().had_grace());
        Ok(())
    }

    #[test]
    fn shutdown_stops_the_device_and_leaves_the_data() -> Result {
        let mut session = Session::new(FILLED, MODERN)?;

        session.events()?;
        session.device().shutdown();
        ensure_eq!(
            session.events()?[..],
            [
                Event::Driver("shutdown"),
                Event::Reset,
                Event::Synchronize,
                Event::Detached { queue: 0, id: 0 },
                // The core's own.
                Event::Synchronize,
                Event::Reset,
            ]
        );

        // Nothing gets through any more, and nobody waits for what did.
        ensure_eq!(session.add(0, 1), Err(ENODEV));
        ensure_eq!(session.buffers(), 0);

        session.remove_device();
        ensure_eq!(session.log.count(Event::DelVqs), 1);
        Ok(())
    }

    #[test]
    fn a_device_whose_status_survives_a_reset_is_taken_down_all_the_same() -> Result {
        let mut session = Session::new(FILLED, MODERN)?;

        session.events()?;
        session.device().knobs.sticky_status.store(true, Relaxed);

        // The C core warns about it, once per boot.
        let ((), warnings) = count_warnings(|| session.remove_device());

        ensure!(warnings <= 1);
        ensure_eq!(session.log.count(Event::DelVqs), 1);
        ensure_eq!(session.buffers(), 0);
        Ok(())
    }
}
