// SPDX-License-Identifier: GPL-2.0

//! Freeze and restore, and resets of the transport.
//!
//! The core calls back without the lock of the device. It is taken here, so that a pause cannot
//! meet an unbind; it nests inside the lock of the parent. The generic adapter is a part of the
//! driver's module, which may be gone when an unbind has let go of the lock. So who waits for the
//! lock is here, in the kernel itself, and who is called under it is there.

use super::{
    device_lock::DeviceLock,
    ops::{
        DriverFn,
        DriverOps, //
    },
    state::DeviceState, //
};
use crate::{
    container_of,
    error::from_result,
    prelude::*, //
};

/// Sets the callbacks of a driver whose devices have a [`DeviceState`] in `priv`.
///
/// Nothing here that modules know is inlined: they would have copies, at other addresses, and wait
/// in them.
#[inline(never)]
pub(super) fn set_callbacks(vdrv: &mut bindings::virtio_driver) {
    vdrv.freeze = Some(freeze_callback);
    vdrv.restore = Some(restore_callback);
    vdrv.reset_prepare = Some(reset_prepare_callback);
    vdrv.reset_done = Some(reset_done_callback);
    vdrv.driver.pm = &raw const PM;
}

/// What the driver core calls: it looks at the driver's, as the bus has none.
static PM: bindings::dev_pm_ops = bindings::dev_pm_ops {
    complete: Some(complete_callback),
    ..pin_init::zeroed()
};

/// The system has resumed, or not suspended after all. If the transport could not bring a device
/// up to where its driver is called, nobody else tells the driver, and what has gathered would wait
/// for ever.
///
/// # Safety
///
/// `dev` must be that of a valid virtio device, and its lock be held.
#[inline(never)]
unsafe extern "C" fn complete_callback(dev: *mut bindings::device) {
    // SAFETY: By the requirement of this function.
    let vdev = unsafe { container_of!(dev, bindings::virtio_device, dev) };

    // SAFETY: As above.
    if let Some(state) = unsafe { bound_state(vdev) } {
        // SAFETY: The driver is bound, and the lock of the device is held.
        unsafe { state.end_of_suspend() };
    }
}

/// # Safety
///
/// `vdev` must be valid, as for all that follow.
#[inline(never)]
unsafe extern "C" fn freeze_callback(vdev: *mut bindings::virtio_device) -> c_int {
    // SAFETY: `vdev` is valid by the requirement of this function.
    unsafe { stop(vdev, |ops| ops.freeze) }
}

/// # Safety
///
/// `vdev` must be valid.
#[inline(never)]
unsafe extern "C" fn restore_callback(vdev: *mut bindings::virtio_device) -> c_int {
    // SAFETY: `vdev` is valid by the requirement of this function.
    unsafe { start(vdev, |ops| ops.restore) }
}

/// # Safety
///
/// `vdev` must be valid.
#[inline(never)]
unsafe extern "C" fn reset_prepare_callback(vdev: *mut bindings::virtio_device) -> c_int {
    // SAFETY: `vdev` is valid by the requirement of this function.
    unsafe { stop(vdev, |ops| ops.reset_prepare) }
}

/// # Safety
///
/// `vdev` must be valid.
#[inline(never)]
unsafe extern "C" fn reset_done_callback(vdev: *mut bindings::virtio_device) -> c_int {
    // SAFETY: `vdev` is valid by the requirement of this function.
    unsafe { start(vdev, |ops| ops.reset_done) }
}

/// Begins a pause.
///
/// # Safety
///
/// `vdev` must be valid.
unsafe fn stop(vdev: *mut bindings::virtio_device, choose: fn(&DriverOps) -> DriverFn) -> c_int {
    // If an unbind was faster, there is nothing to do. On an error the core would tell about
    // changes of the configuration again, and the next probe does not expect any.
    //
    // SAFETY: `vdev` is valid by the requirement of this function.
    unsafe { call(vdev, choose, Ok(())) }
}

/// Ends a pause.
///
/// # Safety
///
/// `vdev` must be valid.
unsafe fn start(vdev: *mut bindings::virtio_device, choose: fn(&DriverOps) -> DriverFn) -> c_int {
    // SAFETY: `vdev` is valid by the requirement of this function.
    unsafe { call(vdev, choose, Err(ENODEV)) }
}

/// Calls a function of the driver with the lock of the device held. Returns `unbound` if there is
/// no driver, or one that has nothing to do with this.
///
/// # Safety
///
/// `vdev` must be valid.
unsafe fn call(
    vdev: *mut bindings::virtio_device,
    choose: fn(&DriverOps) -> DriverFn,
    unbound: Result,
) -> c_int {
    // SAFETY: `vdev` is valid by the requirement of this function.
    let _lock = unsafe { DeviceLock::new(vdev) };

    from_result(|| {
        // SAFETY: `vdev` is valid, and its lock is held.
        match unsafe { bound_state(vdev) } {
            // SAFETY: By the type invariant of `DeviceState` the operations are those of the
            // driver, which is bound and stays so as long as the lock is held.
            Some(state) => unsafe { choose(state.ops())(vdev) },
            None => unbound,
        }?;
        Ok(0)
    })
}

/// Returns the state of a device that is bound to a driver of this abstraction.
///
/// # Safety
///
/// `vdev` must be valid, and its lock be held for `'a`.
unsafe fn bound_state<'a>(vdev: *mut bindings::virtio_device) -> Option<&'a DeviceState> {
    // SAFETY: `vdev` is valid by the requirement of this function.
    let drv = unsafe { (*vdev).dev.driver };

    if drv.is_null() {
        return None;
    }

    // SAFETY: A driver of the virtio bus is embedded in a `struct virtio_driver`.
    let vdrv = unsafe { container_of!(drv, bindings::virtio_driver, driver) };
    // SAFETY: The driver of a device whose lock is held is valid.
    let freeze = unsafe { (*vdrv).freeze }?;
    let ours: unsafe extern "C" fn(*mut bindings::virtio_device) -> c_int = freeze_callback;

    if !core::ptr::fn_addr_eq(freeze, ours) {
        return None;
    }
    // SAFETY: The drivers of this abstraction have their state in `priv` while they are bound,
    // which they are while the lock is held.
    unsafe { DeviceState::from_raw(vdev) }
}
