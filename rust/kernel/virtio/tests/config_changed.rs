// SPDX-License-Identifier: GPL-2.0

//! Changes of the configuration: told in process context, none lost, none after the driver is gone.

use super::{
    super::{
        fake::{
            Event,
            Options, //
        },
        Device, //
    },
    bench::{
        Bench,
        Plan,
        Session,
        MODERN, //
    },
    driver::Space,
};
use crate::{
    device::{
        Bound,
        Core, //
    },
    prelude::*,
    sync::atomic::ordering::Relaxed,
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

/// A device with a configuration space.
const WITH_SPACE: Options = Options {
    config: &[0; 37],
    ..MODERN
};

/// The driver was told about a change.
const TOLD: Event = Event::Driver("config changed");

/// Waits until the driver was told so often, but not for ever.
fn wait_told(bench: &Bench, times: usize) -> Result {
    for _ in 0..2000 {
        if bench.log.count(TOLD) >= times {
            return Ok(());
        }
        fsleep(Delta::from_millis(1));
    }
    Err(ETIMEDOUT)
}

/// Changes the configuration, from within the driver.
fn change(bench: &Bench) -> Result {
    bench.device.as_ref().ok_or(ENODEV)?.config_changed();
    Ok(())
}

/// Returns the place of an event in a list.
fn place(events: &[Event], event: Event) -> Result<usize> {
    events.iter().position(|&e| e == event).ok_or(ENOENT)
}

#[kunit_tests(rust_virtio_config_changed)]
mod cases {
    use super::*;

    #[test]
    fn the_driver_reads_the_configuration_when_it_is_told() -> Result {
        fn read(dev: &Device<Bound>, bench: &Bench) {
            let value = dev.config::<Space>().read(&Space::LE16);

            bench.note.store(value.unwrap_or(0).into(), Relaxed);
        }

        let plan = Plan {
            in_config_changed: read,
            ..Plan::DEFAULT
        };
        let session = Session::new(plan, WITH_SPACE)?;

        session.device().set_config(2, &[0x34, 0x12]);
        // An interrupt: reading there would be a bug.
        session.device().config_changed();
        wait_told(&session, 1)?;
        // Waits for the end of the call.
        session.fake()?.reset_prepare()?;
        ensure_eq!(session.note.load(Relaxed), 0x1234);
        Ok(())
    }

    #[test]
    fn a_change_during_probe_is_told_after_it() -> Result {
        let plan = Plan {
            in_probe: |_, bench| change(bench),
            ..Plan::DEFAULT
        };
        let session = Session::new(plan, WITH_SPACE)?;

        wait_told(&session, 1)?;

        let events = session.events()?;

        ensure!(place(&events, TOLD)? > place(&events, Event::Driver("scan"))?);
        Ok(())
    }

    #[test]
    fn a_driver_can_ask_to_be_told() -> Result {
        fn ask(dev: &Device<Core<'_>>, bench: &Bench) {
            if bench.log.count(Event::Driver("restore")) > 0 {
                dev.look_at_config();
            }
        }

        let plan = Plan {
            in_callback: ask,
            ..Plan::DEFAULT
        };
        let session = Session::new(plan, WITH_SPACE)?;

        session.fake()?.reset_prepare()?;
        fsleep(Delta::from_millis(20));
        ensure_eq!(session.log.count(TOLD), 0);
        session.fake()?.reset_done()?;
        wait_told(&session, 1)
    }

    #[test]
    fn a_driver_that_asks_in_a_pause_is_told_when_it_is_over() -> Result {
        let session = Session::new(Plan::DEFAULT, WITH_SPACE)?;

        session.fake()?.reset_prepare()?;
        session.fake()?.bound()?.look_at_config();
        fsleep(Delta::from_millis(20));
        ensure_eq!(session.log.count(TOLD), 0);
        session.fake()?.reset_done()?;
        wait_told(&session, 1)?;

        let events = session.events()?;

        ensure!(place(&events, TOLD)? > place(&events, Event::Driver("restore"))?);
        Ok(())
    }

    #[test]
    fn a_change_during_the_call_is_told_again() -> Result {
        fn change_again(_: &Device<Bound>, bench: &Bench) {
            if bench.note.fetch_add(1, Relaxed) == 0 {
                let _ = change(bench);
            }
        }

        let plan = Plan {
            in_config_changed: change_again,
            ..Plan::DEFAULT
        };
        let session = Session::new(plan, WITH_SPACE)?;

        session.device().config_changed();
        wait_told(&session, 2)
    }

    #[test]
    fn a_change_while_the_device_is_paused_is_told_when_it_is_back() -> Result {
        let session = Session::new(Plan::DEFAULT, WITH_SPACE)?;

        session.fake()?.reset_prepare()?;
        session.device().config_changed();
        fsleep(Delta::from_millis(20));
        ensure_eq!(session.log.count(TOLD), 0);

        session.fake()?.reset_done()?;
        wait_told(&session, 1)?;

        let events = session.events()?;

        ensure!(place(&events, TOLD)? > place(&events, Event::Driver("restore"))?);
        Ok(())
    }

    #[test]
    fn a_change_just_before_a_pause_is_not_lost() -> Result {
        fn take_long(_: &Device<Bound>, _: &Bench) {
            fsleep(Delta::from_millis(100));
        }

        let plan = Plan {
            in_config_changed: take_long,
            ..Plan::DEFAULT
        };
        let session = Session::new(plan, WITH_SPACE)?;

        session.device().config_changed();
        wait_told(&session, 1)?;
        // Has to wait for the end of that call, during which the pause begins.
        session.device().config_changed();
        session.fake()?.reset_prepare()?;
        session.fake()?.reset_done()?;
        wait_told(&session, 2)
    }

    #[test]
    fn a_change_before_a_pause_that_fails_is_not_lost() -> Result {
        fn take_long(_: &Device<Bound>, _: &Bench) {
            fsleep(Delta::from_millis(100));
        }

        let plan = Plan {
            in_config_changed: take_long,
            ..Plan::DEFAULT
        };
        let session = Session::new(plan, WITH_SPACE)?;

        session.freeze_fails.store(true, Relaxed);
        session.device().config_changed();
        wait_told(&session, 1)?;
        session.device().config_changed();
        ensure_eq!(session.fake()?.reset_prepare(), Err(EBUSY));
        wait_told(&session, 2)
    }

    #[test]
    fn pauses_and_unbinds_wait_for_the_call() -> Result {
        fn take_long(_: &Device<Bound>, bench: &Bench) {
            fsleep(Delta::from_millis(50));
            bench.log.driver("call ended");
        }

        let plan = Plan {
            in_config_changed: take_long,
            ..Plan::DEFAULT
        };
        let mut session = Session::new(plan, WITH_SPACE)?;

        session.device().config_changed();
        wait_told(&session, 1)?;
        session.fake()?.reset_prepare()?;

        let events = session.events()?;
        let ended = place(&events, Event::Driver("call ended"))?;
        ensure!(ended < place(&events, Event::Driver("freeze"))?);

        session.fake()?.reset_done()?;
        session.device().config_changed();
        wait_told(&session, 1)?;
        session.remove_device();

        let events = session.events()?;
        let ended = place(&events, Event::Driver("call ended"))?;
        ensure!(ended < place(&events, Event::Driver("unbind"))?);
        Ok(())
    }

    #[test]
    fn a_change_without_a_driver_is_told_to_the_next_one() -> Result {
        let mut session = Session::new(Plan::DEFAULT, WITH_SPACE)?;

        session.fake_mut()?.unbind();
        session.device().config_changed();
        fsleep(Delta::from_millis(20));
        ensure_eq!(session.log.count(TOLD), 0);

        ensure!(session.fake_mut()?.attach());
        wait_told(&session, 1)
    }

    #[test]
    fn a_change_between_two_bindings_is_harmless() -> Result {
        let mut session = Session::new(Plan::DEFAULT, WITH_SPACE)?;

        // An unbind meets the end of a pause: the core tells about changes all the same. The next
        // driver is there already, but has no data.
        session.fake_mut()?.unbind();
        ensure!(!session.device().has_driver_state());
        session.device().enable_config_changes();
        session.device().config_changed();
        session.device().knobs.change_early.store(true, Relaxed);
        ensure!(session.fake_mut()?.attach());

        // Nothing is lost by that: probe reads the configuration.
        session.device().config_changed();
        wait_told(&session, 1)
    }

    #[test]
    fn a_change_that_is_told_during_probe_is_not_lost() -> Result {
        let plan = Plan {
            in_probe: |_, bench| change(bench),
            ..Plan::DEFAULT
        };
        let mut session = Session::new(plan, WITH_SPACE)?;

        wait_told(&session, 1)?;
        session.fake_mut()?.unbind();
        session.device().enable_config_changes();
        ensure!(session.fake_mut()?.attach());
        wait_told(&session, 2)
    }
}
