// SPDX-License-Identifier: GPL-2.0

//! Work items that are part of the state of a device.
//!
//! Unlike those of [`workqueue`](crate::workqueue) they own no reference to what they are a part
//! of, which is freed after they were stopped. Their functions are here in the kernel, not in the
//! module of a driver, so it does not matter to a module that one of them is about to return.

use crate::{
    bindings,
    prelude::*,
    static_lock_class,
    time::msecs_to_jiffies,
    types::Opaque, //
};

/// A function of a work item.
pub(super) type WorkFn = unsafe extern "C" fn(*mut bindings::work_struct);

/// Where a work item runs.
#[derive(Clone, Copy)]
pub(super) enum Queue {
    /// With work of all kinds (C: `system_dfl_wq`).
    System,
    /// Where there is a worker even if there is no memory, as the work can be what frees some.
    Recovery,
}

impl Queue {
    fn as_raw(self) -> *mut bindings::workqueue_struct {
        match self {
            // SAFETY: The variable is set before drivers are bound, and does not change.
            Self::System => unsafe { bindings::system_dfl_wq },
            // SAFETY: As above.
            Self::Recovery => unsafe { bindings::virtio_recovery_wq },
        }
    }
}

/// A work item that can be given a delay (C: `struct delayed_work`).
///
/// # Invariants
///
/// `inner` is initialized.
#[pin_data]
pub(super) struct Work {
    #[pin]
    inner: Opaque<bindings::delayed_work>,
    queue: Queue,
}

// SAFETY: The functions of a work item can be called on any thread, and at any time.
unsafe impl Sync for Work {}

/// The name of all work items.
static WORK_NAME: &CStr = c"virtio";

impl Work {
    /// Makes a work item.
    ///
    /// # Safety
    ///
    /// `run` must be sound to be called with the work item, until [`stop`](Self::stop) has
    /// returned, which must be called before the memory goes away.
    #[inline(never)]
    pub(super) unsafe fn new(run: WorkFn, queue: Queue) -> impl PinInit<Self> {
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
                        WORK_NAME.as_char_ptr(),
                        static_lock_class!().as_ptr(),
                    )
                };
                // SAFETY: As above. The timer is that of a `struct delayed_work`.
                unsafe {
                    bindings::timer_init_key(
                        timer,
                        Some(bindings::delayed_work_timer_fn),
                        bindings::TIMER_IRQSAFE,
                        WORK_NAME.as_char_ptr(),
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
    /// `work` must be that of a [`Work`], which is valid for `'a`.
    pub(super) unsafe fn from_raw<'a>(work: *mut bindings::work_struct) -> &'a Self {
        // SAFETY: `work` is the field of a `struct delayed_work`, by the requirement of this
        // function.
        let inner = unsafe { crate::container_of!(work, bindings::delayed_work, work) };

        // SAFETY: As above, that is the `inner` of a `Work`.
        unsafe { &*crate::container_of!(Opaque::cast_from(inner), Self, inner) }
    }

    fn work(&self) -> *mut bindings::work_struct {
        // SAFETY: By the type invariant it is initialized.
        unsafe { &raw mut (*self.inner.get()).work }
    }

    /// Starts the work after `ms` milliseconds, whatever it was to start after before. Any context.
    pub(super) fn start_in(&self, ms: u32) {
        // SAFETY: The workqueue exists, and by the type invariant the item is initialized.
        unsafe {
            bindings::mod_delayed_work_on(
                bindings::wq_misc_consts_WORK_CPU_UNBOUND as c_int,
                self.queue.as_raw(),
                self.inner.get(),
                msecs_to_jiffies(ms),
            )
        };
    }

    /// Starts the work after `ms` milliseconds, unless it is to start already. Any context.
    pub(super) fn start_within(&self, ms: u32) {
        // SAFETY: As in `start_in`.
        unsafe {
            bindings::queue_delayed_work_on(
                bindings::wq_misc_consts_WORK_CPU_UNBOUND as c_int,
                self.queue.as_raw(),
                self.inner.get(),
                msecs_to_jiffies(ms),
            )
        };
    }

    /// Lets the work start, after [`disable`](Self::disable) or [`stop`](Self::stop).
    pub(super) fn enable(&self) {
        // SAFETY: By the type invariant it is initialized.
        unsafe { bindings::enable_work(self.work()) };
    }

    /// Lets the work not start; does not wait for it.
    pub(super) fn disable(&self) {
        // SAFETY: By the type invariant it is initialized.
        unsafe { bindings::disable_work(self.work()) };
    }

    /// Runs the work if it is to start, and waits for it. Sleeps.
    pub(super) fn flush(&self) {
        // SAFETY: By the type invariant it is initialized.
        unsafe { bindings::flush_delayed_work(self.inner.get()) };
    }

    /// Lets the work not start, and waits for it. Sleeps.
    pub(super) fn stop(&self) {
        // SAFETY: By the type invariant it is initialized.
        unsafe { bindings::disable_delayed_work_sync(self.inner.get()) };
    }
}
