// SPDX-License-Identifier: GPL-2.0

//! Devices that may wake the system.
//!
//! C header: [`include/linux/pm_wakeup.h`](srctree/include/linux/pm_wakeup.h)

use super::{
    Bound,
    Device, //
};
use crate::{
    bindings,
    error::to_result,
    prelude::*, //
};

impl Device<Bound> {
    /// Whether the device can wake the system (C: `device_can_wakeup`).
    pub fn can_wakeup(&self) -> bool {
        // SAFETY: The device is valid.
        unsafe { bindings::device_can_wakeup(self.as_raw()) }
    }

    /// Whether the device may wake the system (C: `device_may_wakeup`): it can, and its user wants
    /// it to.
    pub fn may_wakeup(&self) -> bool {
        // SAFETY: The device is valid.
        unsafe { bindings::device_may_wakeup(self.as_raw()) }
    }

    /// Says whether the device is to wake the system (C: `device_set_wakeup_enable`).
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if the device cannot, and others of C.
    ///
    /// # Context
    ///
    /// Process context.
    pub fn set_wakeup_enable(&self, enable: bool) -> Result {
        // SAFETY: The device is valid.
        to_result(unsafe { bindings::device_set_wakeup_enable(self.as_raw(), enable) })
    }
}
