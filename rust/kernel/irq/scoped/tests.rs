// SPDX-License-Identifier: GPL-2.0

//! Handlers run while they are registered, on a line that is made of software.

use super::{
    Flags,
    Handler,
    IrqDisabled,
    IrqRequest,
    IrqReturn,
    ScopedRegistration, //
};
use crate::{
    bindings,
    device::{
        scope::tests::with_scope,
        Bound,
        Device, //
    },
    error::to_result,
    faux,
    prelude::*,
    str::CString,
    sync::{
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
        Arc, //
    }, //
};
use core::mem::ManuallyDrop;

/// An interrupt line that nothing but [`trigger`](Self::trigger) raises.
struct SoftLine {
    irq: u32,
    dev: faux::Registration,
}

impl SoftLine {
    fn new() -> Result<Self> {
        let dev = faux::Registration::new(c"rust_irq_scoped", None)?;
        // SAFETY: Any free number will do, on any node, with any affinity.
        let irq = unsafe {
            bindings::__irq_alloc_descs(
                -1,
                1,
                1,
                bindings::NUMA_NO_NODE,
                core::ptr::null_mut(),
                core::ptr::null(),
            )
        };

        to_result(irq)?;
        let irq = u32::try_from(irq)?;

        // SAFETY: The line was allocated just above, and these are for lines without hardware.
        unsafe {
            bindings::irq_set_chip_and_handler_name(
                irq,
                &raw const bindings::dummy_irq_chip,
                Some(bindings::handle_simple_irq),
                core::ptr::null(),
            )
        };
        Ok(Self { irq, dev })
    }

    fn request(&self) -> IrqRequest<'static> {
        let dev: &Device<Bound> = self.dev.as_ref().as_ref();
        let dev: *const Device<Bound> = dev;

        // SAFETY: The line and the device are there until those who use them are gone: cases drop
        // the line last.
        unsafe { IrqRequest::new(&*dev, self.irq) }
    }

    /// Where C finds the name of the only handler.
    fn name(&self) -> *const c_char {
        // SAFETY: The line was allocated by `new`.
        let desc = unsafe { bindings::irq_to_desc(self.irq) };
        // SAFETY: As above, so it has a descriptor.
        let action = unsafe { (*desc).action };

        // SAFETY: There is a handler, and the case that asks is who ends it.
        unsafe { (*action).name }
    }

    /// Raises an interrupt, and returns when its handlers have run.
    fn trigger(&self) {
        // SAFETY: The line was allocated by `new`.
        unsafe { bindings::generic_handle_irq_safe(self.irq) };
    }
}

impl Drop for SoftLine {
    fn drop(&mut self) {
        // SAFETY: It was allocated by `new`, and nobody uses it any more.
        unsafe { bindings::irq_free_descs(self.irq, 1) };
    }
}

struct Counter(Atomic<u32>);

impl Counter {
    fn new() -> Result<Arc<Self>> {
        Ok(Arc::new(Self(Atomic::new(0)), GFP_KERNEL)?)
    }

    fn count(&self) -> u32 {
        self.0.load(Relaxed)
    }
}

impl Handler for Counter {
    fn handle(&self) -> IrqReturn {
        self.0.fetch_add(1, Relaxed);
        IrqReturn::Handled
    }
}

#[macros::kunit_tests(rust_irq_scoped)]
mod cases {
    use super::*;

    #[test]
    fn a_handler_runs_until_its_registration_is_dropped() -> Result {
        let line = SoftLine::new()?;
        let counter = Counter::new()?;

        with_scope(|scope| {
            let registration = ScopedRegistration::new(
                scope,
                line.request(),
                Flags::TRIGGER_NONE,
                c"rust_test",
                counter.clone(),
            )?;

            assert_eq!(registration.irq(), line.irq);
            line.trigger();
            assert_eq!(registration.handler().count(), 1);
            registration.synchronize();
            drop(registration);
            line.trigger();
            assert_eq!(counter.count(), 1);
            Ok(())
        })?;
        // The handler was dropped.
        assert!(Arc::into_unique_or_drop(counter).is_some());
        Ok(())
    }

    #[test]
    fn a_handler_has_the_very_name_that_another_has() -> Result {
        let line = SoftLine::new()?;
        let counter = Counter::new()?;

        with_scope(|scope| {
            let named = CString::try_from(c"rust_test")?;
            let name = named.as_char_ptr();
            let flags = Flags::TRIGGER_NONE;
            let registration = ScopedRegistration::named_after(
                scope,
                line.request(),
                flags,
                named,
                counter.clone(),
            )?;

            assert_eq!(line.name(), name);
            drop(registration);
            Ok(())
        })
    }

    #[test]
    fn a_forgotten_registration_ends_with_the_scope() -> Result {
        let line = SoftLine::new()?;
        let counter = Counter::new()?;
        let mut kept = None;

        with_scope(|scope| {
            // As if it were forgotten, but for the memory.
            kept = Some(ManuallyDrop::new(ScopedRegistration::new(
                scope,
                line.request(),
                Flags::TRIGGER_NONE,
                c"rust_test",
                counter.clone(),
            )?));
            line.trigger();
            assert_eq!(counter.count(), 1);
            // What is closed twice is closed.
            scope.close();
            line.trigger();
            assert_eq!(counter.count(), 1);
            drop(kept.take().map(ManuallyDrop::into_inner));
            Ok(())
        })
    }

    #[test]
    fn handlers_share_a_line() -> Result {
        let line = SoftLine::new()?;
        let (first, second) = (Counter::new()?, Counter::new()?);

        with_scope(|scope| {
            let new = |counter: &Arc<Counter>| {
                ScopedRegistration::new(
                    scope,
                    line.request(),
                    Flags::SHARED,
                    c"rust_test",
                    counter.clone(),
                )
            };
            let registration = new(&first)?;
            let other = new(&second)?;

            line.trigger();
            assert_eq!((first.count(), second.count()), (1, 1));
            drop(registration);
            line.trigger();
            assert_eq!((first.count(), second.count()), (1, 2));
            drop(other);
            Ok(())
        })
    }

    #[test]
    fn a_line_that_is_in_use_is_refused() -> Result {
        let line = SoftLine::new()?;
        let counter = Counter::new()?;

        with_scope(|scope| {
            let new = || {
                ScopedRegistration::new(
                    scope,
                    line.request(),
                    // The core would print whose line it is.
                    Flags::PROBE_SHARED,
                    c"rust_test",
                    counter.clone(),
                )
            };
            let registration = new()?;

            assert_eq!(new().err(), Some(EBUSY));
            line.trigger();
            assert_eq!(counter.count(), 1);
            drop(registration);
            drop(new()?);
            Ok(())
        })
    }

    #[test]
    fn no_handler_runs_on_a_disabled_line() -> Result {
        let line = SoftLine::new()?;
        let counter = Counter::new()?;

        with_scope(|scope| {
            let registration = ScopedRegistration::new(
                scope,
                line.request(),
                Flags::TRIGGER_NONE,
                c"rust_test",
                counter.clone(),
            )?;

            type Way = for<'r> fn(&'r ScopedRegistration<'static, Arc<Counter>>) -> IrqDisabled<'r>;
            let ways: [Way; 3] = [
                |registration| registration.disable(),
                |registration| registration.disable_nosync(),
                |registration| registration.disable_hardirq().0,
            ];

            for disable in ways {
                let before = counter.count();
                let disabled = disable(&registration);

                line.trigger();
                assert_eq!(counter.count(), before);
                drop(disabled);
            }
            assert!(registration.disable_hardirq().1);
            // What was pending may have been handled since.
            let before = counter.count();

            line.trigger();
            assert!(counter.count() > before);
            Ok(())
        })
    }
}
