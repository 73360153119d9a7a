// SPDX-License-Identifier: GPL-2.0

//! Resets of a device, and those who use it meanwhile: kept apart, and nobody waits for ever.

use super::{
    super::{
        fake::{
            Event,
            Options, //
        },
        Device,
        DeviceHandle, //
    },
    bench::{
        Bench,
        Plan,
        Session,
        MODERN, //
    },
    driver::{
        Space,
        TestDriver, //
    },
    recovery::{
        set_up,
        wait_for,
        wait_until_settled, //
    },
};
use crate::{
    bindings,
    device::{
        Bound,
        Core, //
    },
    prelude::*,
    sync::{
        atomic::ordering::Relaxed,
        Arc,
        Completion, //
    },
    time::{
        delay::fsleep,
        Delta,
        Instant,
        Monotonic, //
    },
    workqueue, //
};

const PREPARE: Event = Event::Driver("recovery prepare");
const DONE: Event = Event::Driver("recovery done");
const ENTERED: Event = Event::Driver("uses the handle");

/// For how long users stay.
const STAY: Delta = Delta::from_millis(100);

/// Sets a device up whose users are waited for, even if the machine stands still for a while.
fn set_up_patient(plan: Plan, options: Options) -> Result<Session> {
    let session = set_up::<TestDriver>(plan, options)?;

    session.device().knobs.patient.store(true, Relaxed);
    Ok(session)
}

/// A driver with one buffer in its queue.
const FILLED: Plan = Plan {
    fill: 1,
    drain: true,
    ..Plan::DEFAULT
};

/// A device with a configuration space.
const WITH_SPACE: Options = Options {
    config: &[0; 37],
    ..MODERN
};

/// Returns the handle of a device.
fn handle_of(session: &Session) -> Result<Arc<DeviceHandle>> {
    session.fake()?.with_core(|dev| dev.handle())?
}

/// Waits until the device has no buffers any more, and leaves a note how long that took, in
/// milliseconds.
fn wait_for_buffers(bench: &Bench) {
    let begun = Instant::<Monotonic>::now();

    while bench.buffers() > 0 && begun.elapsed().as_millis() < 10_000 {
        fsleep(Delta::from_millis(1));
    }
    bench
        .note
        .store(begun.elapsed().as_millis() as u64, Relaxed);
}

/// Runs `user` inside the handle on another thread, and `f` here when it is there. Waits for both.
fn meanwhile(
    session: &mut Session,
    user: fn(&Device<Bound>, &Bench),
    f: impl FnOnce(&mut Session) -> Result,
) -> Result {
    let handle = handle_of(session)?;
    let bench = session.bench();
    let ended = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
    let signal = ended.clone();

    workqueue::system_unbound().try_spawn(GFP_KERNEL, move || {
        let _ = handle.with(|dev| {
            bench.log.driver("uses the handle");
            user(dev, &bench);
            bench.log.driver("has used the handle");
        });
        // The case looks whether they are gone.
        drop((handle, bench));
        signal.complete_all();
    })?;

    let result = wait_for(session, ENTERED, 1).and_then(|()| f(session));

    ended.wait_for_completion();
    result
}

/// Returns whether one event came before another, where both came once.
fn came_before(events: &[Event], first: Event, second: Event) -> Result<bool> {
    let place = |event| events.iter().position(|&e| e == event).ok_or(ENOENT);

    Ok(place(first)? < place(second)?)
}

#[kunit_tests(rust_virtio_exclusion)]
mod cases {
    use super::*;

    const LEFT: Event = Event::Driver("has used the handle");

    #[test]
    fn a_recovery_waits_for_who_uses_the_handle() -> Result {
        let session = set_up_patient(FILLED, WITH_SPACE)?;
        let handle = handle_of(&session)?;

        handle.with(|dev| -> Result {
            dev.recover()?;
            wait_for(&session, PREPARE, 1)?;
            fsleep(STAY);
            ensure_eq!(session.log.count(Event::Reset), 0);
            // This does not wait for the recovery that waits for it.
            ensure!(dev.has_failed());
            Ok(())
        })??;

        wait_for(&session, DONE, 1)?;
        wait_until_settled(&session)?;
        ensure_eq!(session.log.count(Event::Reset), 1);
        ensure_eq!(session.fake()?.bound()?.recoveries(), 1);
        session.add(0, 1)
    }

    #[test]
    fn a_shutdown_waits_for_who_uses_the_handle() -> Result {
        let mut session = set_up_patient(FILLED, MODERN)?;

        meanwhile(
            &mut session,
            |_, _| fsleep(STAY),
            |session| {
                session.device().shutdown();
                Ok(())
            },
        )?;

        ensure!(came_before(&session.events()?, LEFT, Event::Reset)?);
        Ok(())
    }

    #[test]
    fn a_pause_waits_for_who_uses_the_handle() -> Result {
        let mut session = set_up_patient(FILLED, MODERN)?;

        meanwhile(
            &mut session,
            |_, _| fsleep(STAY),
            |session| session.fake()?.reset_prepare(),
        )?;

        ensure!(came_before(&session.events()?, LEFT, Event::Reset)?);
        session.fake()?.reset_done()?;
        session.add(0, 1)
    }

    #[test]
    fn rings_are_not_deleted_under_who_uses_the_handle() -> Result {
        /// Lets the user in, who has waited for the reset to be over.
        fn in_detached(bench: &Bench) {
            for _ in 0..1000 {
                if bench.log.count(ENTERED) > 0 {
                    break;
                }
                fsleep(Delta::from_millis(1));
            }
        }

        let plan = Plan {
            in_detached,
            ..FILLED
        };
        let session = set_up_patient(plan, MODERN)?;
        let handle = handle_of(&session)?;

        session.fake()?.bound()?.recover()?;
        wait_for(&session, Event::Detached { queue: 0, id: 0 }, 1)?;
        handle.with(|_| -> Result {
            session.log.driver("uses the handle");
            fsleep(STAY);
            ensure_eq!(session.log.count(Event::Reset), 1);
            ensure_eq!(session.log.count(Event::DelVqs), 0);
            Ok(())
        })??;

        wait_for(&session, DONE, 1)?;
        wait_until_settled(&session)
    }

    #[test]
    fn a_driver_may_use_its_handle_where_buffers_come_back() -> Result {
        fn in_detached(bench: &Bench) {
            let handle = bench.handle.lock().clone();
            let id = handle.map(|handle| handle.with(|dev| dev.device_id()));

            bench
                .note
                .store(u64::from(id.is_some_and(|id| id.is_ok())), Relaxed);
        }

        fn keep(dev: &Device<Core<'_>>, bench: &Arc<Bench>) -> Result {
            *bench.handle.lock() = Some(dev.handle()?);
            Ok(())
        }

        let plan = Plan {
            in_probe: keep,
            in_detached,
            ..FILLED
        };
        let session = set_up::<TestDriver>(plan, MODERN)?;

        session.fake()?.bound()?.recover()?;
        wait_for(&session, DONE, 1)?;
        wait_until_settled(&session)?;
        ensure_eq!(session.note.load(Relaxed), 1);

        session.add(0, 1)?;
        session.note.store(0, Relaxed);
        session.device().shutdown();
        ensure_eq!(session.note.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn who_waits_for_the_device_inside_of_the_handle_does_not_stop_a_recovery() -> Result {
        let session = set_up::<TestDriver>(FILLED, MODERN)?;

        session.note.store(u64::MAX, Relaxed);
        handle_of(&session)?.with(|dev| {
            dev.recover()?;
            wait_for_buffers(&session);
            Ok::<_, Error>(())
        })??;

        ensure!(session.note.load(Relaxed) < 5000);
        wait_for(&session, DONE, 1)?;
        wait_until_settled(&session)
    }

    #[test]
    fn who_waits_for_the_device_inside_of_the_handle_does_not_stop_the_watch() -> Result {
        fn die_and_wait(dev: &Device<Core<'_>>, bench: &Bench) {
            if bench.log.count(Event::Driver("restore")) > 0 {
                return;
            }

            let _ = dev.handle().and_then(|handle| {
                handle.with(|dev| {
                    let _ = dev.recover();

                    wait_for_buffers(bench);
                })
            });
        }

        let plan = Plan {
            in_callback: die_and_wait,
            ..FILLED
        };
        let session = set_up::<TestDriver>(plan, MODERN)?;

        session.note.store(u64::MAX, Relaxed);
        session.fake()?.reset_prepare()?;
        ensure!(session.note.load(Relaxed) < 5000);
        ensure_eq!(session.buffers(), 0);
        session.fake()?.reset_done()
    }

    #[test]
    fn who_waits_for_the_device_inside_of_the_handle_does_not_stop_an_unbind() -> Result {
        /// Has the device fail when the driver is gone, and the handle is about to be closed.
        fn wait(_dev: &Device<Bound>, bench: &Bench) {
            let _ = wait_for(bench, Event::Driver("data dropped"), 1);

            fsleep(STAY);
            if let Some(device) = bench.device.as_ref() {
                device.add_status(bindings::VIRTIO_CONFIG_S_NEEDS_RESET);
            }
            wait_for_buffers(bench);
        }

        let mut session = set_up::<TestDriver>(FILLED, MODERN)?;

        session.note.store(u64::MAX, Relaxed);
        meanwhile(&mut session, wait, |session| {
            session.fake_mut()?.unbind();
            Ok(())
        })?;

        ensure!(session.note.load(Relaxed) < 5000);
        ensure_eq!(session.buffers(), 0);
        ensure!(came_before(&session.events()?, LEFT, Event::DelVqs)?);
        Ok(())
    }

    #[test]
    fn a_recovery_and_who_reads_the_configuration_take_turns() -> Result {
        fn read(dev: &Device<Bound>, bench: &Bench) {
            let begun = Instant::<Monotonic>::now();

            while bench.log.count(DONE) < 2 && begun.elapsed().as_millis() < 10_000 {
                let value = dev.config::<Space>().read(&Space::LE16);

                if value.is_ok() {
                    bench.log.driver("reads");
                }
            }
        }

        let plan = Plan {
            in_config_changed: read,
            ..FILLED
        };
        let session = set_up::<TestDriver>(plan, WITH_SPACE)?;
        let reads = Event::Driver("reads");

        session.device().knobs.slow.store(true, Relaxed);
        session.device().config_changed();
        for times in 1..=2 {
            // Before the first recovery, and between the two.
            wait_for(&session, reads, session.log.count(reads) + 2)?;
            session.fake()?.bound()?.recover()?;
            wait_for(&session, DONE, times)?;
            wait_until_settled(&session)?;
        }
        ensure_eq!(session.log.count(Event::Clash), 0);
        Ok(())
    }
}
