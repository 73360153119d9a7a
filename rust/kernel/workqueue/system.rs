// SPDX-License-Identifier: GPL-2.0

//! The queues of the system that those with older names have given way to.

use super::Queue;
use crate::bindings;

/// Returns the queue for work of all kinds that runs where it was queued, and does not run for long
/// (C: `system_percpu_wq`, that of `schedule_work`).
pub fn system_percpu() -> &'static Queue {
    // SAFETY: The queue is there for ever, and the variable set before drivers are bound.
    unsafe { Queue::from_raw(bindings::system_percpu_wq) }
}

/// Returns the queue for work of all kinds that may run anywhere (C: `system_dfl_wq`).
pub fn system_dfl() -> &'static Queue {
    // SAFETY: The queue is there for ever, and the variable set before drivers are bound.
    unsafe { Queue::from_raw(bindings::system_dfl_wq) }
}
