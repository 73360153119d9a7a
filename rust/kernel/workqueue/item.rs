// SPDX-License-Identifier: GPL-2.0

//! Work items that own no reference to what they are a part of.
//!
//! What they are a part of stops them before it is freed. So they can be cancelled, waited for, and
//! kept from running, which those that own a reference cannot: nobody would know who has to drop
//! it.

use super::Queue;
use crate::{
    bindings,
    prelude::*,
    static_lock_class,
    sync::LockClassKey,
    time::{
        msecs_to_jiffies,
        Msecs, //
    },
    types::Opaque, //
};

/// The name of the timers of all work items, which are the same to lockdep.
static TIMER_NAME: &CStr = c"work_item_timer";

/// A function of a work item.
pub(crate) type WorkFn = unsafe extern "C" fn(*mut bindings::work_struct);

/// A work item that can be given a delay (C: `struct delayed_work`).
///
/// # Invariants
///
/// `inner` is initialized.
#[pin_data]
pub(crate) struct Item {
    #[pin]
    inner: Opaque<bindings::delayed_work>,
    queue: &'static Queue,
}

// SAFETY: The functions of a work item can be called on any thread, and at any time.
unsafe impl Sync for Item {}

// SAFETY: As above.
unsafe impl Send for Item {}

impl Item {
    /// Makes a work item.
    ///
    /// Items with the same `key` are the same to lockdep.
    ///
    /// # Safety
    ///
    /// `run` must be sound to be called with the work item, until [`stop`](Self::stop) has
    /// returned, which must be called before the memory goes away if the work was ever started.
    #[inline(never)]
    pub(crate) unsafe fn new(
        run: WorkFn,
        queue: &'static Queue,
        name: &'static CStr,
        key: Pin<&'static LockClassKey>,
    ) -> impl PinInit<Self> {
        // INVARIANT: Initialized by the closure.
        pin_init!(Self {
            inner <- Opaque::ffi_init(move |slot: *mut bindings::delayed_work| {
                // SAFETY: `slot` is valid for writes and stays in place.
                let (work, timer) = unsafe { (&raw mut (*slot).work, &raw mut (*slot).timer) };

                // SAFETY: As above.
                unsafe {
                    bindings::init_work_with_key(
                        work,
                        Some(run),
                        false,
                        name.as_char_ptr(),
                        key.as_ptr(),
                    )
                };
                // SAFETY: As above. The timer is that of a `struct delayed_work`.
                unsafe {
                    bindings::timer_init_key(
                        timer,
                        Some(bindings::delayed_work_timer_fn),
                        bindings::TIMER_IRQSAFE,
                        TIMER_NAME.as_char_ptr(),
                        static_lock_class!().as_ptr(),
                    )
                };
            }),
            queue,
        })
    }

    /// Returns the item that a [`WorkFn`] was called with.
    ///
    /// # Safety
    ///
    /// `work` must be that of an [`Item`], which is valid for `'a`.
    pub(crate) unsafe fn from_raw<'a>(work: *mut bindings::work_struct) -> &'a Self {
        // SAFETY: `work` is the field of a `struct delayed_work`, by the requirement of this
        // function.
        let inner = unsafe { crate::container_of!(work, bindings::delayed_work, work) };

        // SAFETY: As above, that is the `inner` of an `Item`.
        unsafe { &*crate::container_of!(Opaque::cast_from(inner), Self, inner) }
    }

    fn work(&self) -> *mut bindings::work_struct {
        // SAFETY: By the type invariant it is initialized.
        unsafe { &raw mut (*self.inner.get()).work }
    }

    /// Starts the work after `ms` milliseconds, whatever it was to start after before, and returns
    /// whether it was to start. Any context.
    pub(crate) fn start_in(&self, ms: Msecs) -> bool {
        // SAFETY: The workqueue exists, and by the type invariant the item is initialized.
        unsafe {
            bindings::mod_delayed_work_on(
                bindings::wq_misc_consts_WORK_CPU_UNBOUND as c_int,
                self.queue.0.get(),
                self.inner.get(),
                msecs_to_jiffies(ms),
            )
        }
    }

    /// Starts the work after `ms` milliseconds, and returns `false` if it is to start already, or
    /// is disabled. Any context.
    pub(crate) fn start_within(&self, ms: Msecs) -> bool {
        // SAFETY: As in `start_in`.
        unsafe {
            bindings::queue_delayed_work_on(
                bindings::wq_misc_consts_WORK_CPU_UNBOUND as c_int,
                self.queue.0.get(),
                self.inner.get(),
                msecs_to_jiffies(ms),
            )
        }
    }

    /// Lets the work start, after [`disable`](Self::disable) or [`stop`](Self::stop).
    pub(crate) fn enable(&self) {
        // SAFETY: By the type invariant it is initialized.
        unsafe { bindings::enable_work(self.work()) };
    }

    /// Lets the work not start; does not wait for it.
    pub(crate) fn disable(&self) {
        // SAFETY: By the type invariant it is initialized.
        unsafe { bindings::disable_delayed_work(self.inner.get()) };
    }

    /// Takes the work back if it has not started, and returns whether that was so. Any context.
    pub(crate) fn cancel(&self) -> bool {
        // SAFETY: By the type invariant it is initialized.
        unsafe { bindings::cancel_delayed_work(self.inner.get()) }
    }

    /// Takes the work back and waits for it, and returns whether it was to start. Sleeps.
    pub(crate) fn cancel_sync(&self) -> bool {
        // SAFETY: By the type invariant it is initialized.
        unsafe { bindings::cancel_delayed_work_sync(self.inner.get()) }
    }

    /// Runs the work if it is to start, and waits for it; returns whether there was something to
    /// wait for. Sleeps.
    pub(crate) fn flush(&self) -> bool {
        // SAFETY: By the type invariant it is initialized.
        unsafe { bindings::flush_delayed_work(self.inner.get()) }
    }

    /// Lets the work not start, and waits for it. Returns whether it was to start, and will not.
    /// Sleeps.
    pub(crate) fn stop(&self) -> bool {
        // SAFETY: By the type invariant it is initialized.
        unsafe { bindings::disable_delayed_work_sync(self.inner.get()) }
    }
}
