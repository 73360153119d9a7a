// SPDX-License-Identifier: GPL-2.0

//! Access to a device from places that can outlive its binding.

use super::Device;
use crate::{
    device::Bound,
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    }, //
};
use core::ptr::NonNull;

/// A way to a device that ends when the device is unbound.
///
/// For data that others keep alive, as who has a disk open keeps the data of the disk. While
/// [`with`](Self::with) runs, unbinding waits.
///
/// # Examples
///
/// ```
/// use kernel::{prelude::*, virtio::DeviceHandle};
///
/// fn max_dma_size(handle: &DeviceHandle) -> Result<usize> {
///     handle.with(|dev| dev.max_dma_size())
/// }
/// ```
#[pin_data]
pub struct DeviceHandle {
    #[pin]
    dev: Mutex<Option<BoundDevice>>,
}

/// A pointer to a device.
///
/// # Invariants
///
/// The device is bound.
struct BoundDevice(NonNull<Device<Bound>>);

// SAFETY: A `&Device<Bound>` may be used on any thread.
unsafe impl Send for BoundDevice {}

impl DeviceHandle {
    /// Makes a handle of a device.
    ///
    /// # Safety
    ///
    /// [`close`](Self::close) must be called before the device is unbound.
    pub(super) unsafe fn new(dev: &Device<Bound>) -> Result<Arc<Self>> {
        // INVARIANT: Bound until `close`, by the requirement of this function.
        let dev = BoundDevice(NonNull::from(dev));

        Arc::pin_init(
            pin_init!(Self {
                dev <- new_mutex!(Some(dev)),
            }),
            GFP_KERNEL,
        )
    }

    /// Calls `f` with the device.
    ///
    /// # Context
    ///
    /// Process context; sleeps. `f` must not use the handle again.
    ///
    /// # Errors
    ///
    /// [`ENODEV`]: the device was unbound.
    pub fn with<R>(&self, f: impl FnOnce(&Device<Bound>) -> R) -> Result<R> {
        let guard = self.dev.lock();
        let dev = guard.as_ref().ok_or(ENODEV)?;

        // SAFETY: By the type invariant the device is bound, and stays so until the lock is
        // released.
        Ok(f(unsafe { dev.0.as_ref() }))
    }

    /// Ends the access.
    pub(super) fn close(&self) {
        *self.dev.lock() = None;
    }
}
