// SPDX-License-Identifier: GPL-2.0

//! What the parts of the abstraction that know no driver call of one.

use super::pause;
use crate::prelude::*;

/// Calls a driver.
///
/// # Safety
///
/// The device must be bound to the driver that the function is for. But for
/// [`DriverOps::config_changed`], the lock of the device must be held.
pub(super) type DriverFn<R = Result> = unsafe fn(*mut bindings::virtio_device) -> R;

/// The callbacks of a driver, for a device by its pointer.
pub(super) struct DriverOps {
    pub(super) freeze: DriverFn,
    pub(super) restore: DriverFn,
    pub(super) reset_prepare: DriverFn,
    pub(super) reset_done: DriverFn,
    pub(super) recovery_prepare: DriverFn<()>,
    pub(super) recovery_done: DriverFn,
    pub(super) recovery_failed: DriverFn<()>,
    pub(super) config_changed: DriverFn<()>,
}

/// Sets the callbacks of a driver that do not know it, but find a
/// [`DeviceState`](super::state::DeviceState) in `priv`.
pub(super) fn set_callbacks(vdrv: &mut bindings::virtio_driver) {
    pause::set_callbacks(vdrv);
    super::config_work::set_callback(vdrv);
    super::recovery::set_attributes(vdrv);
}
