// SPDX-License-Identifier: GPL-2.0

//! Interrupts at the right time, and at all others (law 2).

use super::{
    super::{
        fake::{
            Event,
            Options, //
        },
        Affinity,
        Callback,
        Device,
        VirtqueueSetup, //
    },
    bench::{
        Bench,
        Plan,
        Session,
        LEGACY,
        MODERN, //
    },
    driver::{
        Buffer,
        Context,
        Echo, //
    },
};
use crate::{
    device::Core,
    prelude::*,
    static_lock_class,
    sync::{
        atomic::ordering::Relaxed,
        Arc, //
    },
};

/// A driver whose callbacks take the used buffers out.
const DRAIN: Plan = Plan {
    drain: true,
    ..Plan::DEFAULT
};

/// How often the driver was called back.
fn calls(events: &[Event]) -> usize {
    events
        .iter()
        .filter(|event| matches!(event, Event::Done(_)))
        .count()
}

/// Lets the device serve a buffer of the first queue.
fn serve(bench: &Bench) -> Result {
    let device = bench.device.as_ref().ok_or(ENODEV)?;
    let chain = device.pop(0)?.ok_or(ENOENT)?;

    device.push(0, &chain, 0)?;
    device.interrupt(0);
    Ok(())
}

#[kunit_tests(rust_virtio_interrupt)]
mod cases {
    use super::*;

    #[test]
    fn an_interrupt_reaches_the_handler_of_its_queue() -> Result {
        let plan = Plan { queues: 3, ..DRAIN };
        let session = Session::new(plan, MODERN)?;

        for queue in [1, 0, 2] {
            session.add(queue, 40 + queue as u32)?;
        }
        session.events()?;
        for queue in [2, 1, 0] {
            session.serve(queue)?;

            let used = session.take_used().ok_or(ENOENT)?;
            ensure_eq!(used.token.id as usize, 40 + queue);
        }
        ensure_eq!(
            session.events()?[..],
            [Event::Done(2), Event::Done(1), Event::Done(0)]
        );
        Ok(())
    }

    #[test]
    fn the_core_answers_an_interrupt_without_a_used_buffer() -> Result {
        let session = Session::new(DRAIN, MODERN)?;

        session.add(0, 1)?;
        session.events()?;
        ensure!(!session.device().interrupt(0));
        ensure_eq!(calls(&session.events()?), 0);
        Ok(())
    }

    #[test]
    fn one_interrupt_for_many_buffers_will_do() -> Result {
        let session = Session::new(DRAIN, MODERN)?;

        for id in 0..4 {
            session.add(0, id)?;
        }
        for _ in 0..4 {
            let chain = session.device().pop(0)?.ok_or(ENOENT)?;
            session.device().push(0, &chain, 0)?;
        }
        session.events()?;
        session.device().interrupt(0);
        ensure_eq!(session.events()?[..], [Event::Done(0)]);
        for id in [3, 2, 1, 0] {
            ensure_eq!(session.take_used().ok_or(ENOENT)?.token.id, id);
        }
        Ok(())
    }

    #[test]
    fn early_and_late_interrupts_reach_nobody() -> Result {
        for options in [MODERN, LEGACY] {
            let mut session = Session::new(DRAIN, options)?;

            // From here on the device interrupts while queues are found, deleted, and reset.
            session.device().knobs.storm.store(true, Relaxed);
            for _ in 0..3 {
                session.fake_mut()?.unbind();
                ensure!(session.fake_mut()?.attach());
                session.fake()?.reset_prepare()?;
                session.fake()?.reset_done()?;
            }
            ensure_eq!(calls(&session.events()?), 0);

            // The queues took no harm from it.
            session.add(0, 1)?;
            session.serve(0)?;
            ensure_eq!(calls(&session.events()?), 1);

            session.add(0, 2)?;
            session.remove_device();
            ensure_eq!(calls(&session.events()?), 0);
            ensure!(session.take_used().is_some());
            ensure_eq!(session.buffers(), 0);
        }
        Ok(())
    }

    #[test]
    fn early_interrupts_are_harmless_when_probe_fails() -> Result {
        use super::super::bench::Step;

        for step in [Step::Added, Step::Found, Step::Ready, Step::Data] {
            let plan = Plan {
                fill: 1,
                fail_at: Some(step),
                ..DRAIN
            };
            let mut session = Session::new(plan, MODERN)?;

            session.device().knobs.storm.store(true, Relaxed);
            session.events()?;
            ensure!(!session.fake_mut()?.attach());
            ensure_eq!(calls(&session.events()?), 0);
            ensure_eq!(session.buffers(), 0);
        }
        Ok(())
    }

    #[test]
    fn interrupts_come_as_soon_as_the_device_is_ready() -> Result {
        // The driver's data does not exist yet.
        fn set_up(
            _dev: &Device<Core<'_>>,
            bench: &Arc<Bench>,
            mut setup: VirtqueueSetup<'_>,
        ) -> Result {
            let context = Context(bench.clone());
            let class = static_lock_class!();
            let mut queue = setup.add::<Echo>(c"own", Callback::Interrupt, 4, context, class)?;
            let found = setup.find(Affinity::Default)?;

            for id in 0..2 {
                queue
                    .fill(&found, bench.buffer(id)?, Buffer::describe)
                    .map_err(|err| err.error)?;
            }
            // A device that does not wait for `DRIVER_OK`.
            serve(bench)?;
            bench.note.store(calls(&bench.log.take()?) as u64, Relaxed);

            let _ = found.ready();

            serve(bench)?;
            bench
                .note
                .fetch_add(10 * calls(&bench.log.take()?) as u64, Relaxed);
            Ok(())
        }

        let plan = Plan {
            queues: 0,
            set_up: Some(set_up),
            ..DRAIN
        };
        let session = Session::new(plan, MODERN)?;

        ensure!(session.device().is_bound());
        // None before, one after.
        ensure_eq!(session.note.load(Relaxed), 10);
        // That one has brought both buffers.
        ensure_eq!(session.take_used().ok_or(ENOENT)?.token.id, 1);
        ensure_eq!(session.take_used().ok_or(ENOENT)?.token.id, 0);
        Ok(())
    }

    #[test]
    fn a_queue_that_the_driver_has_not_asked_for_has_no_handler() -> Result {
        let options = Options {
            extra_queue: true,
            ..MODERN
        };
        let mut session = Session::new(DRAIN, options)?;

        ensure_eq!(session.device().rings(), 2);
        session.events()?;
        session.device().spurious_interrupt(1)?;
        ensure_eq!(calls(&session.events()?), 0);

        // The one that it has asked for has.
        session.add(0, 1)?;
        session.serve(0)?;
        ensure_eq!(calls(&session.events()?), 1);

        session.remove_device();
        ensure_eq!(session.device().rings(), 0);
        Ok(())
    }

    #[test]
    fn a_polled_queue_is_not_called_back() -> Result {
        let plan = Plan {
            callback: Callback::Polled,
            ..DRAIN
        };
        let session = Session::new(plan, MODERN)?;

        session.add(0, 3)?;
        ensure!(session.device().no_interrupt(0)?);
        session.serve(0)?;
        ensure_eq!(calls(&session.events()?), 0);

        let used = session.queue(0)?.lock().pop().ok_or(ENOENT)?;
        ensure_eq!(used.token.id, 3);
        Ok(())
    }

    #[test]
    fn buffers_are_used_while_the_data_is_dropped() -> Result {
        // As a disk needs it: when it goes, it waits for what is in flight.
        fn in_drop(bench: &Bench) {
            let served = serve(bench).and_then(|()| {
                let used = bench.take_used().ok_or(ENOENT)?;

                ensure_eq!(used.token.id, 6);
                Ok(())
            });

            bench.note.store(u64::from(served.is_ok()), Relaxed);
        }

        let plan = Plan { in_drop, ..DRAIN };
        let mut session = Session::new(plan, MODERN)?;

        session.add(0, 6)?;
        session.remove_device();
        ensure_eq!(session.note.load(Relaxed), 1);
        ensure_eq!(session.log.count(Event::Detached { queue: 0, id: 6 }), 0);
        Ok(())
    }

    #[test]
    fn the_core_does_not_call_a_broken_queue_back() -> Result {
        let session = Session::new(DRAIN, MODERN)?;

        session.add(0, 1)?;
        session.device().break_queue(0);
        session.events()?;
        session.serve(0)?;
        ensure_eq!(calls(&session.events()?), 0);
        Ok(())
    }

    #[test]
    fn rings_are_not_deleted_under_a_handler_of_the_transport() -> Result {
        let ways: [fn(&mut Session) -> Result; 3] = [
            |session| {
                session.remove_device();
                Ok(())
            },
            |session| session.fake()?.reset_prepare(),
            |session| {
                session.device().break_device();
                session.fake_mut()?.unbind();
                Ok(())
            },
        ];

        for way in ways {
            let mut session = Session::new(DRAIN, MODERN)?;

            session.device().knobs.walks_rings.store(true, Relaxed);
            way(&mut session)?;
            ensure_eq!(session.log.count(Event::DelVqs), 1);
            ensure_eq!(session.log.count(Event::DelVqsTooEarly), 0);
        }
        Ok(())
    }
}
