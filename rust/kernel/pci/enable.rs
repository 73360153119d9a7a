// SPDX-License-Identifier: GPL-2.0

//! PCI devices that are enabled, as a value.

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

/// What a device is to answer to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resources {
    /// Accesses to its memory (C: `pci_enable_device_mem`).
    Memory,
    /// Accesses to its memory and its I/O ports (C: `pci_enable_device`).
    MemoryAndIo,
}

/// A device that is enabled until this is dropped (C: `pci_disable_device`), which also ends its
/// DMA.
///
/// What a driver does not need while the device sleeps it puts into an [`Option`] under a lock.
/// As a field of the driver's data it stands behind what needs the device, such as its BARs.
///
/// # Invariants
///
/// The device was enabled once for this value.
#[must_use = "the device is disabled again when this is dropped"]
pub struct Enabled<'a> {
    dev: &'a Device<Bound>,
}

impl Device<Core<'_>> {
    /// Enables the device, and powers it up if need be.
    ///
    /// # Errors
    ///
    /// Those of C, such as [`EINVAL`] if a resource has no address.
    pub fn enable(&self, resources: Resources) -> Result<Enabled<'_>> {
        to_result(match resources {
            // SAFETY: The device is valid.
            Resources::Memory => unsafe { bindings::pci_enable_device_mem(self.as_raw()) },
            // SAFETY: As above.
            Resources::MemoryAndIo => unsafe { bindings::pci_enable_device(self.as_raw()) },
        })?;

        // INVARIANT: Enabled just above.
        Ok(Enabled { dev: self })
    }
}

impl Enabled<'_> {
    /// Lets the device access memory (C: `pci_set_master`).
    pub fn set_master(&self) {
        // SAFETY: The device is valid.
        unsafe { bindings::pci_set_master(self.dev.as_raw()) };
    }

    /// Lets the device not access memory (C: `pci_clear_master`).
    pub fn clear_master(&self) {
        // SAFETY: The device is valid.
        unsafe { bindings::pci_clear_master(self.dev.as_raw()) };
    }
}

impl Drop for Enabled<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant there is an enable that this belongs to.
        unsafe { bindings::pci_disable_device(self.dev.as_raw()) };
    }
}
