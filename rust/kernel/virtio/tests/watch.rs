// SPDX-License-Identifier: GPL-2.0

//! The watch: a callback that waits for a device does not wait for one that has failed.

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
        Buffer,
        TestDriver, //
    },
    recovery::{
        set_up,
        wait_for,
        wait_until_settled,
        DONE,
        FILLED,
        GIVEN_UP,
        NEEDS_RESET,
        PREPARE, //
    },
};
use crate::{
    device::Core,
    prelude::*,
    sync::atomic::ordering::Relaxed,
    time::{
        delay::fsleep,
        Delta,
        Instant,
        Monotonic, //
    }, //
};

/// Waits for the buffer of the driver to come back, as one does who ends requests.
fn wait_for_the_device(_: &Device<Core<'_>>, bench: &Bench) {
    let begun = Instant::<Monotonic>::now();

    bench.log.driver("waits");
    while bench.buffers() > 0 && begun.elapsed().as_millis() < 10_000 {
        fsleep(Delta::from_millis(1));
    }
    bench
        .note
        .store(begun.elapsed().as_millis() as u64, Relaxed);
}

/// A driver that waits for the device in its callbacks.
const WAITING: Plan = Plan {
    in_callback: wait_for_the_device,
    ..FILLED
};

#[kunit_tests(rust_virtio_watch)]
mod cases {
    use super::*;

    #[test]
    fn a_device_that_died_before_unbind_is_not_waited_for() -> Result {
        for gone in [false, true] {
            let mut session = set_up::<TestDriver>(WAITING, MODERN)?;
            let device = session.device();

            // Nobody is told.
            if gone {
                device.knobs.gone.store(true, Relaxed);
            } else {
                device.add_status(NEEDS_RESET);
            }

            let (unbound, warnings) = count_warnings(|| session.fake_mut().map(Fake::unbind));

            unbound?;
            // The core warns about a status that is not zero, once per boot.
            ensure!(warnings <= 1);
            ensure!(session.note.load(Relaxed) < 1000);
            ensure_eq!(session.buffers(), 0);
            ensure_eq!(session.log.count(Event::ResetOfNothing), 0);
            ensure_eq!(session.log.count(PREPARE), 0);
            session.device().knobs.gone.store(false, Relaxed);
        }
        Ok(())
    }

    #[test]
    fn a_device_that_dies_after_unbind_began_is_not_waited_for() -> Result {
        fn die_and_wait(dev: &Device<Core<'_>>, bench: &Bench) {
            if let Some(device) = bench.device.as_ref() {
                device.add_status(NEEDS_RESET);
            }
            wait_for_the_device(dev, bench);
        }

        let plan = Plan {
            in_callback: die_and_wait,
            ..FILLED
        };
        let mut session = set_up::<TestDriver>(plan, MODERN)?;

        session.fake_mut()?.unbind();
        ensure!(session.note.load(Relaxed) < 5000);
        ensure_eq!(session.buffers(), 0);
        ensure_eq!(session.log.count(PREPARE), 0);
        ensure_eq!(session.log.count(Event::DelVqs), 1);
        Ok(())
    }

    #[test]
    fn a_device_that_dies_while_it_is_paused_or_resumed_is_not_waited_for() -> Result {
        fn die_and_wait(dev: &Device<Core<'_>>, bench: &Bench) {
            if let Some(device) = bench.device.as_ref() {
                device.break_device();
                let _ = dev.recover();
            }
            wait_for_the_device(dev, bench);
        }

        let plan = Plan {
            in_callback: die_and_wait,
            ..FILLED
        };
        let session = set_up::<TestDriver>(plan, MODERN)?;

        session.fake()?.reset_prepare()?;
        ensure!(session.note.load(Relaxed) < 5000);
        ensure_eq!(session.buffers(), 0);

        // What the end of the pause brings up fails during the callback, and is recovered after it,
        // where it fails again; but that is at most so often.
        session.fake()?.reset_done()?;
        wait_for(&session, GIVEN_UP, 1)?;
        ensure_eq!(session.log.count(PREPARE), 5);
        Ok(())
    }

    #[test]
    fn a_device_that_dies_again_in_a_long_recovery_is_not_waited_for() -> Result {
        fn die_once_and_wait(dev: &Device<Core<'_>>, bench: &Bench) {
            if bench.note.load(Relaxed) != 0 {
                return;
            }
            if let (Ok(queue), Ok(buffer)) = (bench.queue(0), bench.buffer(5)) {
                let _ = queue.lock().add(buffer, Buffer::describe);
            }
            // Nobody is told.
            if let Some(device) = bench.device.as_ref() {
                device.add_status(NEEDS_RESET);
            }
            wait_for_the_device(dev, bench);
        }

        let plan = Plan {
            // Meanwhile what the device had is ended, as that would be waited for.
            in_prepare: |_| fsleep(Delta::from_millis(1500)),
            in_callback: die_once_and_wait,
            ..FILLED
        };
        let session = set_up::<TestDriver>(plan, MODERN)?;

        session.fake()?.bound()?.recover()?;
        wait_for(&session, DONE, 2)?;
        wait_until_settled(&session)?;

        let waited = session.note.load(Relaxed);

        ensure!(waited > 0 && waited < 5000);
        ensure_eq!(session.log.count(Event::Detached { queue: 0, id: 5 }), 1);
        session.add(0, 1)?;
        session.serve(0)
    }

    #[test]
    fn a_device_that_dies_in_probe_or_scan_is_recovered_after_it() -> Result {
        // The core does not tell about changes of the configuration yet.
        fn die_and_wait(dev: &Device<Core<'_>>, bench: &Bench) {
            if let Some(device) = bench.device.as_ref() {
                device.knobs.recovers.store(true, Relaxed);
                device.add_status(NEEDS_RESET);
                device.config_changed();
            }
            wait_for_the_device(dev, bench);
        }

        let in_probe = Plan {
            at_end_of_probe: die_and_wait,
            ..FILLED
        };
        let in_scan = Plan {
            in_scan: die_and_wait,
            ..FILLED
        };

        for plan in [in_probe, in_scan] {
            let session = Session::new(plan, MODERN)?;

            ensure!(session.note.load(Relaxed) < 5000);
            wait_for(&session, DONE, 1)?;
            wait_until_settled(&session)?;
            session.add(0, 1)?;
            session.serve(0)?;
        }
        Ok(())
    }
}
