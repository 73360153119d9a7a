// SPDX-License-Identifier: GPL-2.0

//! Handles of a device, which outlive its binding.

use super::{
    super::{
        Device,
        DeviceHandle, //
    },
    bench::{
        Bench,
        Plan,
        Session,
        Step,
        DEVICE,
        MODERN, //
    },
};
use crate::{
    device::Core,
    prelude::*,
    sync::{
        atomic::ordering::Relaxed,
        Arc, //
    },
};

/// Leaves a handle on the bench.
fn keep(dev: &Device<Core<'_>>, bench: &Arc<Bench>) -> Result {
    *bench.handle.lock() = Some(dev.handle()?);
    Ok(())
}

/// A driver that does so.
const KEEPING: Plan = Plan {
    in_probe: keep,
    ..Plan::DEFAULT
};

/// Asks a device for its kind.
fn ask(handle: &DeviceHandle) -> Result<u32> {
    handle.with(|dev| dev.device_id())
}

/// Takes the handle from the bench.
fn take(bench: &Bench) -> Result<Arc<DeviceHandle>> {
    bench.handle.lock().take().ok_or(ENODEV)
}

#[kunit_tests(rust_virtio_handle)]
mod cases {
    use super::*;

    #[test]
    fn a_handle_reaches_the_device_until_it_is_unbound() -> Result {
        let mut session = Session::new(KEEPING, MODERN)?;
        let handle = take(&session)?;

        ensure_eq!(ask(&handle), Ok(DEVICE));
        session.fake_mut()?.unbind();
        ensure_eq!(ask(&handle), Err(ENODEV));

        // The next binding has a handle of its own.
        ensure!(session.fake_mut()?.attach());
        ensure_eq!(ask(&handle), Err(ENODEV));
        let next = take(&session)?;
        ensure_eq!(ask(&next), Ok(DEVICE));

        session.remove_device();
        ensure_eq!(ask(&next), Err(ENODEV));
        Ok(())
    }

    #[test]
    fn a_handle_of_a_failed_probe_reaches_nothing() -> Result {
        for step in [
            Step::Start,
            Step::Added,
            Step::Found,
            Step::Ready,
            Step::Data,
        ] {
            let plan = Plan {
                fail_at: Some(step),
                ..KEEPING
            };
            let session = Session::new(plan, MODERN)?;
            let handle = take(&session)?;

            ensure_eq!((step, ask(&handle)), (step, Err(ENODEV)));
        }
        Ok(())
    }

    #[test]
    fn a_handle_reaches_nothing_while_a_failed_probe_is_undone() -> Result {
        fn in_detached(bench: &Bench) {
            let result = bench.handle.lock().as_deref().map(ask);

            bench
                .note
                .store(u64::from(result == Some(Err(ENODEV))), Relaxed);
        }

        let plan = Plan {
            fill: 1,
            fail_at: Some(Step::Data),
            in_detached,
            ..KEEPING
        };
        let session = Session::new(plan, MODERN)?;

        ensure!(!session.device().is_bound());
        ensure_eq!(session.note.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn a_handle_is_good_while_the_data_is_dropped() -> Result {
        fn in_drop(bench: &Bench) {
            let id = take(bench).and_then(|handle| ask(&handle));

            bench.note.store(u64::from(id == Ok(DEVICE)), Relaxed);
        }

        let plan = Plan { in_drop, ..KEEPING };
        let mut session = Session::new(plan, MODERN)?;

        session.remove_device();
        ensure_eq!(session.note.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn a_pause_does_not_end_a_handle() -> Result {
        let session = Session::new(KEEPING, MODERN)?;
        let handle = take(&session)?;

        session.fake()?.reset_prepare()?;
        ensure_eq!(ask(&handle), Ok(DEVICE));
        session.fake()?.reset_done()?;
        ensure_eq!(ask(&handle), Ok(DEVICE));
        Ok(())
    }
}
