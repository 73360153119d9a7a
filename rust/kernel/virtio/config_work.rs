// SPDX-License-Identifier: GPL-2.0

//! Changes of the configuration, on their way from an interrupt to the driver.
//!
//! The core tells about changes from the end of probe to the start of remove, with the
//! `config_lock` of the device held, but not its own lock. When a pause ends that has met an
//! unbind, it can also do so while no driver is bound, or the next one is being bound. So the way
//! to the work item is `priv`, which is set and nulled under the same `config_lock`.

use super::{
    state::DeviceState,
    work::{
        new_work,
        Queue,
        Work, //
    }, //
};
use crate::{
    container_of,
    prelude::*,
    sync::atomic::{
        ordering::Relaxed,
        Atomic, //
    },
};

/// Tells a driver about changes of the configuration, in process context.
#[pin_data]
pub(super) struct ConfigWork {
    #[pin]
    work: Work,
    /// Whether there was a change that the driver was not told about.
    due: Atomic<bool>,
    /// Whether the device is paused. Changes under its lock.
    is_paused: Atomic<bool>,
}

/// Sets the callback of a driver whose devices have a [`DeviceState`] in `priv`.
#[inline(never)]
pub(super) fn set_callback(vdrv: &mut bindings::virtio_driver) {
    vdrv.config_changed = Some(config_changed_callback);
}

/// # Safety
///
/// `vdev` must be valid, with its `config_lock` held.
unsafe extern "C" fn config_changed_callback(vdev: *mut bindings::virtio_device) {
    // SAFETY: `vdev` is valid by the requirement of this function. `priv` is null or points to a
    // state that exists until `forget` has nulled it, which waits for the lock.
    if let Some(state) = unsafe { DeviceState::from_raw(vdev) } {
        state.config_work().start();
    }
}

/// Nulls `priv`, after which no change of the configuration reaches a state.
///
/// # Safety
///
/// `vdev` must be valid, and nobody else rely on `priv`.
pub(super) unsafe fn forget(vdev: *mut bindings::virtio_device) {
    // SAFETY: By the requirement of this function.
    unsafe { publish(vdev, core::ptr::null()) };
}

/// Sets `priv`, by which changes of the configuration reach a state.
///
/// # Safety
///
/// As for [`forget`], which must be called before the state is freed.
pub(super) unsafe fn publish(vdev: *mut bindings::virtio_device, state: *const DeviceState) {
    // SAFETY: `vdev` is valid by the requirement of this function.
    let lock = unsafe { &raw mut (*vdev).config_lock };

    // SAFETY: The lock of a registered device is initialized.
    unsafe { bindings::spin_lock_irq_disable(lock) };
    // SAFETY: `vdev` is valid, and there is nobody who reads `priv` without the lock.
    unsafe { (*vdev).priv_ = state.cast_mut().cast() };
    // SAFETY: Taken above.
    unsafe { bindings::spin_unlock_irq_enable(lock) };
}

impl ConfigWork {
    /// Makes a work item that does not start before [`enable`](Self::enable).
    ///
    /// # Safety
    ///
    /// The result must be the `config_work` of a [`DeviceState`]. [`stop`](Self::stop) must be
    /// called before that is freed, and between `enable` and `stop` its driver be bound.
    pub(super) unsafe fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: By the requirement of this function.
            work <- unsafe { new_work(run, Queue::System) },
            due: Atomic::new(false),
            is_paused: Atomic::new(false),
        })
    }

    /// Notes a change, and starts the work if it is enabled. Any context.
    pub(super) fn start(&self) {
        self.due.store(true, Relaxed);
        self.work.start_within(0);
    }

    /// Lets the work start, at the end of probe. What has come before that is not lost.
    pub(super) fn enable(&self) {
        self.work.enable();
        self.restart();
    }

    /// Keeps the work from starting before the end of probe.
    pub(super) fn disable(&self) {
        self.work.disable();
    }

    /// Starts the work if there was a change that the driver was not told about.
    pub(super) fn restart(&self) {
        if self.due.load(Relaxed) {
            self.work.start_within(0);
        }
    }

    /// Tells the driver what it was not told, and nothing more until [`resume`](Self::resume).
    /// Waits for it. To be called with the lock of the device held; sleeps.
    pub(super) fn pause(&self) {
        self.work.flush();
        if !self.is_paused.xchg(true, Relaxed) {
            self.work.stop();
        }
    }

    /// Ends a pause, if there is one. To be called with the lock of the device held.
    pub(super) fn resume(&self) {
        if self.is_paused.xchg(false, Relaxed) {
            self.work.enable();
        }
        self.restart();
    }

    /// Takes the work out of the queue, waits for it, and lets it not be queued any more.
    pub(super) fn stop(&self) {
        self.work.stop();
    }
}

/// # Safety
///
/// `work` must be that of a [`ConfigWork`] in a [`DeviceState`], whose driver is bound.
#[inline(never)]
unsafe extern "C" fn run(work: *mut bindings::work_struct) {
    // SAFETY: By the requirement of this function.
    let work = unsafe { Work::from_raw(work) };
    // SAFETY: As above.
    let this = unsafe { container_of!(core::ptr::from_ref(work), ConfigWork, work) };
    // SAFETY: As above.
    let state = unsafe { &*container_of!(this, DeviceState, config_work) };

    // A device that needs a reset says so with a change of the configuration, which is not to be
    // relied on then. The driver is told when the device works again.
    if state.look_in_turn() {
        return;
    }
    // There is nothing to be read from a device that is paused, or sleeps. The end of that starts
    // this again.
    if !state.is_live() || state.sleeps() {
        return;
    }
    state.config_work().due.store(false, Relaxed);
    // SAFETY: By the requirement of this function the driver is bound.
    unsafe { (state.ops().config_changed)(state.vdev()) };
}
