// SPDX-License-Identifier: GPL-2.0

//! Power states of PCI devices, and waking the system from them.

use super::Device;
use crate::{
    bindings,
    device::{
        Bound,
        Core, //
    },
    error::to_result,
    prelude::*, //
};

/// A power state (C: `pci_power_t`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i32)]
pub enum PowerState {
    /// On.
    D0 = 0,
    /// The lightest sleep.
    D1 = 1,
    /// A sleep between the two.
    D2 = 2,
    /// The deepest sleep with the bus powered.
    D3hot = 3,
    /// No power.
    D3cold = 4,
}

/// Whether a device may wake the system.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wake {
    /// It may not.
    Off,
    /// It may.
    On,
}

impl Wake {
    /// [`Wake::On`] if the condition is true.
    pub fn on_if(condition: bool) -> Self {
        if condition {
            Self::On
        } else {
            Self::Off
        }
    }
}

impl Device<Core<'_>> {
    /// Saves the configuration space for [`restore_state`](Self::restore_state) (C:
    /// `pci_save_state`).
    ///
    /// # Errors
    ///
    /// Those of C.
    pub fn save_state(&self) -> Result {
        // SAFETY: The device is valid.
        to_result(unsafe { bindings::pci_save_state(self.as_raw()) })
    }

    /// Writes back the configuration space that was saved, if one was (C: `pci_restore_state`).
    pub fn restore_state(&self) {
        // SAFETY: The device is valid.
        unsafe { bindings::pci_restore_state(self.as_raw()) };
    }

    /// Changes the power state (C: `pci_set_power_state`).
    ///
    /// # Errors
    ///
    /// Those of C, such as [`EIO`] if the device cannot change its state.
    pub fn set_power_state(&self, state: PowerState) -> Result {
        // SAFETY: The device is valid.
        to_result(unsafe { bindings::pci_set_power_state(self.as_raw(), state as c_int) })
    }

    /// Lets the device wake the system from `state`, or not (C: `pci_enable_wake`).
    ///
    /// # Errors
    ///
    /// Those of C, such as [`EINVAL`] if the device or its user does not want that.
    pub fn enable_wake(&self, state: PowerState, wake: Wake) -> Result {
        // SAFETY: The device is valid.
        to_result(unsafe {
            bindings::pci_enable_wake(self.as_raw(), state as c_int, wake == Wake::On)
        })
    }

    /// Lets the device wake the system from the D3 state that it can do that from, or not (C:
    /// `pci_wake_from_d3`).
    ///
    /// # Errors
    ///
    /// As for [`enable_wake`](Self::enable_wake).
    pub fn wake_from_d3(&self, wake: Wake) -> Result {
        // SAFETY: The device is valid.
        to_result(unsafe { bindings::pci_wake_from_d3(self.as_raw(), wake == Wake::On) })
    }
}

impl Device<Bound> {
    /// Whether the bus has lost the device, for now or for good (C: `pci_channel_offline`).
    ///
    /// # Context
    ///
    /// Any context.
    pub fn is_channel_offline(&self) -> bool {
        // SAFETY: The device is valid.
        unsafe { bindings::pci_channel_offline(self.as_raw()) != 0 }
    }

    /// Lets the device write whole cache lines at once (C: `pci_set_mwi`).
    ///
    /// # Errors
    ///
    /// Those of C, such as [`EINVAL`] if the device does not know the size of a line.
    ///
    /// # Context
    ///
    /// Process context.
    pub fn set_mwi(&self) -> Result {
        // SAFETY: The device is valid.
        to_result(unsafe { bindings::pci_set_mwi(self.as_raw()) })
    }

    /// Ends what [`set_mwi`](Self::set_mwi) has begun (C: `pci_clear_mwi`).
    ///
    /// # Context
    ///
    /// Process context.
    pub fn clear_mwi(&self) {
        // SAFETY: The device is valid.
        unsafe { bindings::pci_clear_mwi(self.as_raw()) };
    }
}

/// Whether the system is about to be powered off, other than to reboot (C: `system_state ==
/// SYSTEM_POWER_OFF`).
pub fn is_power_off() -> bool {
    // SAFETY: The variable is read once, and has a size that is read at once.
    let state = unsafe { core::ptr::read_volatile(&raw const bindings::system_state) };

    state == bindings::system_states_SYSTEM_POWER_OFF
}
