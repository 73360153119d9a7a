// SPDX-License-Identifier: GPL-2.0

//! Restarting one queue while its device goes on.

use super::{
    super::{
        state::DeviceState,
        Device, //
    },
    AnyVirtqueue,
    Handler,
    Ring,
    Virtqueue, //
};
use crate::{
    device::Core,
    error::to_result,
    prelude::*,
    sync::{
        atomic::ordering::Release,
        lock::spinlock::SpinLockIrqGuard,
        rcu, //
    },
};
use core::ptr::NonNull;

impl<H: Handler> Virtqueue<H> {
    /// Gives the ring at most `num` descriptors (C: `virtqueue_resize`). If it has `num` already,
    /// nothing happens.
    ///
    /// The ring can get fewer where memory is short; [`vring_size`] tells. After that a buffer
    /// that fitted before may be too large for it.
    ///
    /// All buffers that were not popped, used or not, go to [`Handler::detached`]. The ring is
    /// empty then, and callbacks are enabled.
    ///
    /// While this runs, the queue has no ring for anybody: operations fail with [`ENODEV`], and
    /// [`is_broken`] is true. [`Handler::done`] may be called, and finds nothing.
    ///
    /// # Errors
    ///
    /// With these, nothing has happened:
    ///
    /// - [`ENODEV`]: the queue has no ring.
    /// - [`EINVAL`]: the queue is not of `dev`; or `num` is zero, or not a power of two on a split
    ///   ring.
    /// - [`E2BIG`]: `num` is more than the device allows (C: `virtqueue::num_max`).
    /// - [`ENOENT`]: [`RingReset`] was not negotiated, or the transport cannot do it.
    ///
    /// With these, the queue is broken, and only a reset of the device helps:
    ///
    /// - [`EIO`]: the queue was broken before, or the device has not stopped it.
    /// - [`EBUSY`]: the device has not started it again.
    ///
    /// With [`ENOMEM`] the ring works; it has its old size, and is empty. But if [`InOrder`] was
    /// negotiated, the queue is broken.
    ///
    /// # Context
    ///
    /// Process context, in a callback of the bus, with the lock of the device held. Sleeps, until
    /// the device has stopped the queue.
    ///
    /// C frees the old ring without waiting for interrupts that are on their way. If one arrives
    /// late, or the device sends one after it has stopped the queue, C looks at that memory.
    ///
    /// [`vring_size`]: super::LockedVirtqueue::vring_size
    /// [`is_broken`]: super::LockedVirtqueue::is_broken
    /// [`InOrder`]: crate::virtio::feature::InOrder
    /// [`RingReset`]: crate::virtio::feature::RingReset
    pub fn resize(&self, dev: &Device<Core<'_>>, num: u32) -> Result {
        let ring = self.ring.lock();
        let vq = ring.resettable(dev)?;

        // SAFETY: By the type invariant of `Ring` `vq` is live; `num_max` does not change.
        if num > unsafe { (*vq.as_ptr()).num_max } {
            return Err(E2BIG);
        }
        if num == 0 || !num.is_power_of_two() && !dev.has_bit(bindings::VIRTIO_F_RING_PACKED) {
            return Err(EINVAL);
        }
        if num as usize == ring.size {
            return Ok(());
        }

        self.restart(dev, ring, |vq| {
            // SAFETY: `restart` passes a live queue that nobody else uses. It is this one, whose
            // state the callbacks find in `priv` as long as there is a ring.
            unsafe {
                bindings::virtqueue_resize(
                    vq,
                    num,
                    Some(DeviceState::recycle),
                    Some(DeviceState::recycle_done),
                )
            }
        })
    }

    /// Empties the ring (C: `virtqueue_reset`).
    ///
    /// The buffers come back, and the queue has no ring in the meantime, as with
    /// [`resize`](Self::resize).
    ///
    /// # Errors
    ///
    /// As for [`resize`](Self::resize), but there is no size to refuse and no memory to lack.
    /// Besides:
    ///
    /// - [`EOPNOTSUPP`]: [`InOrder`] was negotiated. C keeps the place in the old ring then, and
    ///   would take buffers for used that the device still has. `resize` works.
    ///
    /// # Context
    ///
    /// As for [`resize`](Self::resize), but the ring is not freed.
    ///
    /// [`InOrder`]: crate::virtio::feature::InOrder
    pub fn reset(&self, dev: &Device<Core<'_>>) -> Result {
        let ring = self.ring.lock();

        ring.resettable(dev)?;
        if dev.has_bit(bindings::VIRTIO_F_IN_ORDER) {
            return Err(EOPNOTSUPP);
        }

        self.restart(dev, ring, |vq| {
            // SAFETY: As in `resize`.
            unsafe {
                bindings::virtqueue_reset(
                    vq,
                    Some(DeviceState::recycle),
                    Some(DeviceState::recycle_done),
                )
            }
        })
    }

    /// Takes the ring away for as long as `operation` runs.
    fn restart(
        &self,
        dev: &Device<Core<'_>>,
        mut ring: SpinLockIrqGuard<'_, Ring<H>>,
        operation: impl FnOnce(*mut bindings::virtqueue) -> c_int,
    ) -> Result {
        // A `Device<Core>` exists only under the lock of the device, and stays on its thread. The
        // rings are deleted under that lock, too, so this one is live until the end.
        //
        // INVARIANT: None.
        let vq = ring.vq.take().ok_or(ENODEV)?;

        // INVARIANT: Null.
        self.raw.store(core::ptr::null_mut(), Release);
        ring.recycled = false;
        drop(ring);
        // A notification that has read the pointer before is over after this.
        rcu::synchronize_rcu();

        let mut result = to_result(operation(vq.as_ptr()));

        if result.is_err() && !self.ring.lock().recycled {
            result = Err(EIO);
        }
        // Without memory, C empties the old ring, and starts the queue with that.
        let works =
            result.is_ok() || result == Err(ENOMEM) && !dev.has_bit(bindings::VIRTIO_F_IN_ORDER);

        if !works {
            // SAFETY: `vq` is live, see above.
            unsafe { bindings::__virtqueue_break(vq.as_ptr()) };
        }
        // SAFETY: `vq` is live, see above, and whoever deletes it takes it away from the queue
        // before.
        unsafe { self.attach(vq) };
        result
    }
}

impl<H: Handler> Ring<H> {
    /// Returns the C queue, if it can be restarted. A broken one cannot: a device that is gone
    /// would be waited for without end.
    fn resettable(&self, dev: &Device<Core<'_>>) -> Result<NonNull<bindings::virtqueue>> {
        let vq = self.vq.filter(|_| self.open).ok_or(ENODEV)?;

        // SAFETY: By the type invariant `vq` is live.
        if unsafe { (*vq.as_ptr()).vdev } != dev.as_raw() {
            return Err(EINVAL);
        }
        // SAFETY: The operations of a valid device are valid, and do not change.
        let ops = unsafe { &*(*dev.as_raw()).config };

        if !dev.has_bit(bindings::VIRTIO_F_RING_RESET)
            || ops.disable_vq_and_reset.is_none()
            || ops.enable_vq_after_reset.is_none()
        {
            return Err(ENOENT);
        }
        // SAFETY: By the type invariant `vq` is live.
        if unsafe { bindings::virtqueue_is_broken(vq.as_ptr()) } {
            return Err(EIO);
        }
        Ok(vq)
    }
}
