// SPDX-License-Identifier: GPL-2.0

//! Resources end once, in time, and in order, whatever becomes of their handles.

use super::{
    Resource,
    Scope,
    Scoped, //
};
use crate::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            ordering::{
                Acquire,
                Relaxed,
                Release, //
            },
            Atomic, //
        },
        Arc,
        Mutex, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
    workqueue, //
};
use core::mem::ManuallyDrop;

/// Runs a case with a scope, which is closed in the end.
pub(crate) fn with_scope(case: impl FnOnce(&'static Scope<'static>) -> Result) -> Result {
    // SAFETY: Closed below.
    let scope = KBox::pin_init(unsafe { Scope::new() }, GFP_KERNEL)?;
    let place: *const Scope<'static> = &raw const *scope;
    // SAFETY: The scope is there until it was closed, after which no case uses it.
    let result = case(unsafe { &*place });

    scope.close();
    result
}

/// Has its own handle, as if that were forgotten, until the scope ends it.
#[pin_data]
struct Forgotten<'a, T: Resource> {
    resource: T,
    #[pin]
    own: Mutex<Option<Scoped<'a, Forgotten<'a, T>>>>,
}

impl<T: Resource> Resource for Forgotten<'_, T> {
    fn stop(&self) {
        self.resource.stop();
    }

    fn release(&self) {
        let own = self.own.lock().take();

        drop(own);
        self.resource.release();
    }
}

/// Attaches a resource whose handle nobody drops, so that the scope has to end it.
pub(crate) fn attach_and_forget<'a, T: Resource + 'a>(scope: &'a Scope<'a>, resource: T) -> Result {
    let attached = scope.attach(try_pin_init!(Forgotten {
        resource,
        own <- new_mutex!(None),
    }? Error))?;
    let own: *const Mutex<Option<Scoped<'a, Forgotten<'a, T>>>> = &raw const attached.own;

    // SAFETY: The resource is where it is until its handle is dropped, which it has itself then.
    *unsafe { &*own }.lock() = Some(attached);
    Ok(())
}

/// What happened, in order: the number of a resource and what was done to it.
#[pin_data]
struct Log {
    #[pin]
    events: Mutex<KVec<(u32, &'static str)>>,
}

impl Log {
    fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self { events <- new_mutex!(KVec::new()) }),
            GFP_KERNEL,
        )
    }

    fn note(&self, number: u32, what: &'static str) {
        // A missing event fails the case.
        let _ = self.events.lock().push((number, what), GFP_KERNEL);
    }

    fn is(&self, expected: &[(u32, &'static str)]) -> bool {
        self.events.lock().as_slice() == expected
    }
}

struct Noted {
    log: Arc<Log>,
    number: u32,
    fails: bool,
}

impl Resource for Noted {
    fn start(&self) -> Result {
        if self.fails {
            return Err(EBUSY);
        }
        self.log.note(self.number, "start");
        Ok(())
    }

    fn stop(&self) {
        self.log.note(self.number, "stop");
    }

    fn release(&self) {
        self.log.note(self.number, "release");
    }
}

fn attach(
    scope: &'static Scope<'static>,
    log: &Arc<Log>,
    number: u32,
) -> Result<Scoped<'static, Noted>> {
    scope.attach(Noted {
        log: log.clone(),
        number,
        fails: false,
    })
}

/// Owns its own handle.
#[pin_data]
struct Circle {
    ended: Arc<Atomic<u32>>,
    #[pin]
    own: Mutex<Option<Scoped<'static, Circle>>>,
}

impl Resource for Circle {
    fn stop(&self) {}

    fn release(&self) {
        let own = self.own.lock().take();

        drop(own);
    }
}

/// Counts what is freed.
struct Freed(Arc<Atomic<u32>>);

impl Drop for Freed {
    fn drop(&mut self) {
        self.0.fetch_add(1, Relaxed);
    }
}

struct Slow {
    gate: Arc<Gate>,
    _freed: Freed,
}

/// A start that does not end before it may.
struct Gate {
    begun: Atomic<bool>,
    open: Atomic<bool>,
    stopped: Atomic<bool>,
    result: Atomic<i32>,
}

/// The result of something that has not ended.
const PENDING: i32 = 1;

impl Resource for Slow {
    fn start(&self) -> Result {
        self.gate.begun.store(true, Release);
        while !self.gate.open.load(Acquire) {
            fsleep(Delta::from_millis(1));
        }
        Ok(())
    }

    fn stop(&self) {
        self.gate.stopped.store(true, Release);
    }
}

#[macros::kunit_tests(rust_device_scope)]
mod cases {
    use super::*;

    #[test]
    fn a_dropped_handle_ends_the_resource_once() -> Result {
        let log = Log::new()?;

        with_scope(|scope| {
            drop(attach(scope, &log, 1)?);
            assert!(log.is(&[(1, "start"), (1, "stop"), (1, "release")]));
            Ok(())
        })?;
        assert!(log.is(&[(1, "start"), (1, "stop"), (1, "release")]));
        Ok(())
    }

    #[test]
    fn what_is_left_ends_with_the_scope_the_last_one_first() -> Result {
        let log = Log::new()?;
        let mut kept = KVec::new();

        with_scope(|scope| {
            for number in 1..=3 {
                // As if it were forgotten, but for the memory.
                kept.push(ManuallyDrop::new(attach(scope, &log, number)?), GFP_KERNEL)?;
            }
            drop(ManuallyDrop::into_inner(
                kept.remove(1).map_err(|_| EINVAL)?,
            ));
            scope.close();
            kept.drain_all()
                .map(ManuallyDrop::into_inner)
                .for_each(drop);
            Ok(())
        })?;
        assert!(log.is(&[
            (1, "start"),
            (2, "start"),
            (3, "start"),
            (2, "stop"),
            (2, "release"),
            (3, "stop"),
            (3, "release"),
            (1, "stop"),
            (1, "release"),
        ]));
        Ok(())
    }

    #[test]
    fn a_handle_that_outlives_the_scope_does_nothing_more() -> Result {
        let log = Log::new()?;
        // SAFETY: Closed below.
        let scope = KBox::pin_init(unsafe { Scope::new() }, GFP_KERNEL)?;
        let place: *const Scope<'static> = &raw const *scope;
        // SAFETY: The scope is there until the handle was dropped.
        let handle = attach(unsafe { &*place }, &log, 1)?;

        scope.close();
        assert!(log.is(&[(1, "start"), (1, "stop"), (1, "release")]));
        drop(handle);
        assert!(log.is(&[(1, "start"), (1, "stop"), (1, "release")]));
        Ok(())
    }

    #[test]
    fn a_start_that_fails_attaches_nothing() -> Result {
        let log = Log::new()?;

        with_scope(|scope| {
            let refused = scope.attach(Noted {
                log: log.clone(),
                number: 1,
                fails: true,
            });

            assert_eq!(refused.err(), Some(EBUSY));
            drop(attach(scope, &log, 2)?);
            Ok(())
        })?;
        assert!(log.is(&[(2, "start"), (2, "stop"), (2, "release")]));
        Ok(())
    }

    #[test]
    fn a_closed_scope_refuses() -> Result {
        let log = Log::new()?;

        with_scope(|scope| {
            scope.close();
            assert_eq!(attach(scope, &log, 1).err(), Some(ENODEV));
            Ok(())
        })?;
        assert!(log.is(&[]));
        Ok(())
    }

    #[test]
    fn resources_that_own_themselves_are_freed() -> Result {
        let ended = Arc::new(Atomic::new(0), GFP_KERNEL)?;

        with_scope(|scope| {
            let its_own = ended.clone();
            let circle = scope.attach(try_pin_init!(Circle {
                ended: its_own,
                own <- new_mutex!(None),
            }? Error))?;
            let own: *const Mutex<Option<Scoped<'static, Circle>>> = &raw const circle.own;

            // SAFETY: The resource is where it is until the scope is closed.
            *unsafe { &*own }.lock() = Some(circle);
            Ok(())
        })?;
        // The references that are left are ours: the resource is gone.
        assert!(Arc::into_unique_or_drop(ended).is_some());
        Ok(())
    }

    #[test]
    fn closing_waits_for_what_is_starting() -> Result {
        let freed = Arc::new(Atomic::new(0), GFP_KERNEL)?;
        let gate = Arc::new(
            Gate {
                begun: Atomic::new(false),
                open: Atomic::new(false),
                stopped: Atomic::new(false),
                result: Atomic::new(PENDING),
            },
            GFP_KERNEL,
        )?;

        with_scope(|scope| {
            let (its_gate, its_freed) = (gate.clone(), freed.clone());

            workqueue::system_dfl().try_spawn(GFP_KERNEL, move || {
                let result = scope.attach(Slow {
                    gate: its_gate.clone(),
                    _freed: Freed(its_freed),
                });
                let code = result.map_or_else(|err| err.to_errno(), |_handle| 0);

                its_gate.result.store(code, Release);
            })?;
            while !gate.begun.load(Acquire) {
                fsleep(Delta::from_millis(1));
            }

            let opener = gate.clone();

            workqueue::system_dfl().try_spawn(GFP_KERNEL, move || {
                fsleep(Delta::from_millis(20));
                opener.open.store(true, Release);
            })?;
            scope.close();
            assert!(gate.stopped.load(Acquire));
            // The thread has to be done with the scope.
            while gate.result.load(Acquire) == PENDING {
                fsleep(Delta::from_millis(1));
            }
            Ok(())
        })?;
        assert_eq!(gate.result.load(Acquire), 0);
        assert_eq!(freed.load(Relaxed), 1);
        Ok(())
    }
}
