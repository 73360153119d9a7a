// SPDX-License-Identifier: GPL-2.0

//! The life of a driver without a bus, from probe until its device is gone.

use super::{
    Driver,
    Registration, //
};
use crate::{
    device::{
        scope::{
            tests::attach_and_forget,
            Resource,
            Scope, //
        },
        Bound,
        Device, //
    },
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// The number of events so far.
static CLOCK: Atomic<u32> = Atomic::new(0);
/// When they happened; 0 if they did not.
static DATA_DROPPED: Atomic<u32> = Atomic::new(0);
static STOPPED: Atomic<u32> = Atomic::new(0);

fn happen(event: &Atomic<u32>) {
    event.store(CLOCK.fetch_add(1, Relaxed) + 1, Relaxed);
}

fn start_over() {
    DATA_DROPPED.store(0, Relaxed);
    STOPPED.store(0, Relaxed);
    CLOCK.store(0, Relaxed);
}

/// What runs on its own, and borrows the device.
struct Attached<'bound>(&'bound Device<Bound>);

impl Resource for Attached<'_> {
    fn stop(&self) {
        dev_dbg!(self.0, "stopped\n");
        happen(&STOPPED);
    }
}

struct Data;

impl Drop for Data {
    fn drop(&mut self) {
        happen(&DATA_DROPPED);
    }
}

/// Attaches something, and then fails if `FAILS`.
struct TestDriver<const FAILS: bool>;

impl<const FAILS: bool> Driver for TestDriver<FAILS> {
    type Data<'bound> = Data;

    fn probe<'bound>(
        dev: &'bound Device<Bound>,
        scope: &'bound Scope<'bound>,
    ) -> impl PinInit<Data, Error> + 'bound {
        pin_init::pin_init_scope(move || {
            attach_and_forget(scope, Attached(dev))?;

            if FAILS {
                return Err(EIO);
            }
            Ok(Ok::<_, Error>(Data))
        })
    }
}

fn register<const FAILS: bool>(name: &CStr) -> Result<Registration<TestDriver<FAILS>>> {
    // SAFETY: The cases drop it, and are part of the kernel.
    unsafe { Registration::new(name) }
}

#[macros::kunit_tests(rust_faux_lifecycle)]
mod cases {
    use super::*;

    #[test]
    fn the_data_goes_first_and_then_what_the_driver_has_forgotten() -> Result {
        start_over();
        let registration = register::<false>(c"rust_faux_lifecycle")?;

        assert_eq!(DATA_DROPPED.load(Relaxed), 0);
        assert_eq!(STOPPED.load(Relaxed), 0);
        drop(registration);
        assert_eq!(DATA_DROPPED.load(Relaxed), 1);
        assert_eq!(STOPPED.load(Relaxed), 2);
        Ok(())
    }

    #[test]
    fn what_a_failed_probe_has_attached_ends() {
        start_over();
        assert_eq!(register::<true>(c"rust_faux_lifecycle").err(), Some(EIO));
        assert_eq!(DATA_DROPPED.load(Relaxed), 0);
        assert_eq!(STOPPED.load(Relaxed), 1);
    }

    #[test]
    fn a_name_is_free_again_when_its_device_is_gone() -> Result {
        for _ in 0..2 {
            let _registration = register::<false>(c"rust_faux_lifecycle")?;
        }
        Ok(())
    }
}
