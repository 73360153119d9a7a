// SPDX-License-Identifier: GPL-2.0

//! Work items that are part of the state of a device.
//!
//! Their functions are here in the kernel, not in the module of a driver, so it does not matter to
//! a module that one of them is about to return.

use crate::{
    bindings,
    prelude::*,
    static_lock_class,
    workqueue::{
        self,
        WorkFn, //
    }, //
};

pub(super) use crate::workqueue::Item as Work;

/// Where a work item runs.
#[derive(Clone, Copy)]
pub(super) enum Queue {
    /// With work of all kinds (C: `system_dfl_wq`).
    System,
    /// Where there is a worker even if there is no memory, as the work can be what frees some.
    Recovery,
}

impl Queue {
    fn get(self) -> &'static workqueue::Queue {
        match self {
            Self::System => workqueue::system_dfl(),
            // SAFETY: The variable is set before drivers are bound, and does not change.
            Self::Recovery => unsafe { workqueue::Queue::from_raw(bindings::virtio_recovery_wq) },
        }
    }
}

/// Makes a work item.
///
/// # Safety
///
/// As for [`Work::new`].
#[inline(never)]
pub(super) unsafe fn new_work(run: WorkFn, queue: Queue) -> impl PinInit<Work> {
    // SAFETY: By the requirement of this function.
    unsafe { Work::new(run, queue.get(), c"virtio", static_lock_class!()) }
}
