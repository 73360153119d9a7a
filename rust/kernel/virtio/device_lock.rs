// SPDX-License-Identifier: GPL-2.0

//! The lock of a device, which the core holds while it binds and unbinds drivers.

use crate::bindings;

/// Holds the lock of a device (C: `device_lock`).
///
/// # Invariants
///
/// The lock is initialized and held.
pub(super) struct DeviceLock(*mut bindings::mutex);

impl DeviceLock {
    /// Takes the lock.
    ///
    /// # Safety
    ///
    /// `vdev` must be valid for as long as the lock is held.
    pub(super) unsafe fn new(vdev: *mut bindings::virtio_device) -> Self {
        // SAFETY: `vdev` is valid by the requirement of this function.
        let lock = unsafe { &raw mut (*vdev).dev.mutex };

        // SAFETY: The lock of a registered device is initialized.
        unsafe { bindings::mutex_lock(lock) };
        // INVARIANT: Taken just above.
        Self(lock)
    }

    /// Takes the lock if nobody has it (C: `device_trylock`).
    ///
    /// # Safety
    ///
    /// As for [`new`](Self::new).
    pub(super) unsafe fn try_new(vdev: *mut bindings::virtio_device) -> Option<Self> {
        // SAFETY: `vdev` is valid by the requirement of this function.
        let lock = unsafe { &raw mut (*vdev).dev.mutex };

        // SAFETY: The lock of a registered device is initialized.
        if unsafe { bindings::mutex_trylock(lock) } == 0 {
            return None;
        }
        // INVARIANT: Taken just above.
        Some(Self(lock))
    }
}

impl Drop for DeviceLock {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the lock is held.
        unsafe { bindings::mutex_unlock(self.0) };
    }
}
