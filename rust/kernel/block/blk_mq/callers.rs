// SPDX-License-Identifier: GPL-2.0

//! Threads that are in a function of the driver.

use crate::{
    prelude::*,
    static_lock_class,
    sync::{
        LockClassKey,
        SpinLock, //
    },
    task::Task,
    types::ScopeGuard, //
};

/// A thread that is in a function of the driver, on its own stack.
struct Caller {
    task: *mut bindings::task_struct,
    next: *mut Caller,
}

/// The first of some [`Caller`]s.
///
/// # Invariants
///
/// All callers that can be reached from it are valid.
struct Head(*mut Caller);

// SAFETY: Callers are used with the lock of `Callers` held.
unsafe impl Send for Head {}

/// The threads that are in a function which the block layer has called in process context for a
/// tag set or a disk of it.
///
/// Removing a disk waits for such functions: for those that concern it; in a tag set that may block
/// for all that issue requests; and for all that run under a lock of the set, such as those that
/// make and drop the data of requests when a scheduler is chosen. So a thread that is in one must
/// not do it.
#[pin_data]
pub(super) struct Callers {
    #[pin]
    head: SpinLock<Head>,
}

/// The name of the lock of all lists.
static LOCK_NAME: &CStr = c"Callers::head";

/// The class of that lock. Inlined into modules, it would have another name in each of them.
#[inline(never)]
fn lock_class() -> Pin<&'static LockClassKey> {
    static_lock_class!()
}

impl Callers {
    pub(super) fn new() -> impl PinInit<Self> {
        // INVARIANT: There are none.
        pin_init!(Self {
            head <- SpinLock::new(Head(core::ptr::null_mut()), LOCK_NAME, lock_class()),
        })
    }

    /// Calls a function of the driver.
    pub(super) fn enter<R>(&self, function: impl FnOnce() -> R) -> R {
        let mut caller = Caller {
            task: Task::current_raw(),
            next: core::ptr::null_mut(),
        };
        let this = &raw mut caller;

        {
            let mut head = self.head.lock();

            // SAFETY: `this` is valid, and nobody else knows of it yet.
            unsafe { (*this).next = head.0 };
            // INVARIANT: `this` is valid until `leave` is called, below.
            head.0 = this;
        }
        let _left = ScopeGuard::new(|| self.leave(this));

        function()
    }

    /// Takes a caller out.
    fn leave(&self, caller: *mut Caller) {
        let mut head = self.head.lock();
        let mut link = &raw mut head.0;

        loop {
            // SAFETY: `link` is in the head or in a caller that is reached from it.
            let this = unsafe { *link };

            if this.is_null() {
                return;
            }
            // SAFETY: By the type invariant of `Head`, `this` is valid.
            let next = unsafe { &raw mut (*this).next };

            if this == caller {
                // INVARIANT: What follows stays.
                //
                // SAFETY: As above.
                unsafe { *link = *next };
                return;
            }
            link = next;
        }
    }

    /// Whether this thread is in a function of the driver.
    pub(super) fn contain_current(&self) -> bool {
        let head = self.head.lock();
        let mut this = head.0;

        while !this.is_null() {
            // SAFETY: By the type invariant of `Head`, `this` is valid.
            let Caller { task, next } = unsafe { this.read() };

            if task == Task::current_raw() {
                return true;
            }
            this = next;
        }
        false
    }
}
