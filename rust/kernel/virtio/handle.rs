// SPDX-License-Identifier: GPL-2.0

//! Access to a device from places that can outlive its binding.

use super::{
    exclusion::Gate,
    Device, //
};
use crate::{
    device::Bound,
    prelude::*,
    static_lock_class,
    sync::{
        Arc,
        LockClassKey, //
    }, //
};
use core::ptr::NonNull;

/// A way to a device that ends when the device is unbound.
///
/// For data that others keep alive, as who has a disk open keeps the data of the disk. While
/// [`with`](Self::with) runs, unbinding waits. So does a reset, but not for long.
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
    dev: Gate<Option<BoundDevice>>,
}

/// The name of the lock of all handles.
static LOCK_NAME: &CStr = c"DeviceHandle::dev";

/// The class of that lock.
#[inline(never)]
fn lock_class() -> Pin<&'static LockClassKey> {
    static_lock_class!()
}

/// A pointer to a device.
///
/// # Invariants
///
/// The device is bound.
pub(super) struct BoundDevice(NonNull<Device<Bound>>);

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
                dev <- Gate::new(Some(dev), LOCK_NAME, lock_class()),
            }),
            GFP_KERNEL,
        )
    }

    /// Calls `f` with the device.
    ///
    /// One user at a time: others wait. The device is not reset meanwhile, and its queues are
    /// neither found nor deleted, so what `f` reads belongs together. But that holds for a second
    /// only: if `f` takes longer, it may be waiting for what the device has, which a reset brings
    /// back.
    ///
    /// # Context
    ///
    /// Process context; sleeps. Callbacks of the driver may call this. `f` must neither use the
    /// handle again, nor resize or reset a queue, whose buffers come back to such a callback. If
    /// it waits for buffers, [`Handler::detached`](super::Handler::detached) of their queue must
    /// not use the handle: that would wait for `f`, which waits for it.
    ///
    /// # Errors
    ///
    /// [`ENODEV`]: the device was unbound.
    pub fn with<R>(&self, f: impl FnOnce(&Device<Bound>) -> R) -> Result<R> {
        let guard = self.dev.enter();
        let dev = guard.as_ref().ok_or(ENODEV)?;

        // SAFETY: By the type invariant the device is bound, and stays so until the lock is
        // released.
        Ok(f(unsafe { dev.0.as_ref() }))
    }

    /// The gate that users go through.
    pub(super) fn gate(&self) -> &Gate<Option<BoundDevice>> {
        &self.dev
    }

    /// Ends the access, and waits for who has it.
    pub(super) fn close(&self) {
        *self.dev.enter() = None;
    }
}
