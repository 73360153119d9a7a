// SPDX-License-Identifier: GPL-2.0

//! Restarting one queue while its device goes on.

use super::{
    super::{
        state::DeviceState,
        Device, //
    },
    access::RingCell,
    ring::Ring,
    Access,
    AnyVirtqueue,
    Handler,
    Locked,
    Token,
    Virtqueue, //
};
use crate::{
    device::Core,
    error::to_result,
    prelude::*,
    sync::{
        atomic::ordering::Release,
        rcu, //
    },
};
use core::ptr::NonNull;

impl<H: Handler> Virtqueue<H, Locked> {
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
    /// With these, the queue is broken, and the device is recovered:
    ///
    /// - [`EIO`]: the queue was broken before, or the device has not stopped it, or it has changed
    ///   descriptors of the ring.
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
        // SAFETY: The ring has a lock.
        unsafe { self.resize_exclusive(dev, num) }
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
        // SAFETY: The ring has a lock.
        unsafe { self.reset_exclusive(dev) }
    }
}

impl<H: Handler<A>, A: Access> Virtqueue<H, A> {
    /// Does what [`resize`](Self::resize) says.
    ///
    /// # Safety
    ///
    /// If the ring has no lock, the caller must be its only user.
    pub(super) unsafe fn resize_exclusive(&self, dev: &Device<Core<'_>>, num: u32) -> Result {
        let check = |ring: &Ring<H::Token>| {
            let vq = ring.resettable(dev)?;

            // SAFETY: By the type invariant of `Ring` `vq` is live; `num_max` does not change.
            if num > unsafe { (*vq.as_ptr()).num_max } {
                return Err(E2BIG);
            }
            if num == 0 || !num.is_power_of_two() && !dev.has_bit(bindings::VIRTIO_F_RING_PACKED) {
                return Err(EINVAL);
            }
            Ok((num != ring.size()).then_some(vq))
        };

        let operation = |vq| {
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
        };

        // SAFETY: As required of this function.
        unsafe { self.restart(dev, check, operation) }
    }

    /// Does what [`reset`](Self::reset) says.
    ///
    /// # Safety
    ///
    /// As for [`resize_exclusive`](Self::resize_exclusive).
    pub(super) unsafe fn reset_exclusive(&self, dev: &Device<Core<'_>>) -> Result {
        let check = |ring: &Ring<H::Token>| {
            let vq = ring.resettable(dev)?;

            if dev.has_bit(bindings::VIRTIO_F_IN_ORDER) {
                return Err(EOPNOTSUPP);
            }
            Ok(Some(vq))
        };

        let operation = |vq| {
            // SAFETY: As in `resize_exclusive`.
            unsafe {
                bindings::virtqueue_reset(
                    vq,
                    Some(DeviceState::recycle),
                    Some(DeviceState::recycle_done),
                )
            }
        };

        // SAFETY: As required of this function.
        unsafe { self.restart(dev, check, operation) }
    }

    /// If `check` agrees, takes the ring away for as long as `operation` runs.
    ///
    /// # Safety
    ///
    /// As for [`resize_exclusive`](Self::resize_exclusive).
    unsafe fn restart(
        &self,
        dev: &Device<Core<'_>>,
        check: impl FnOnce(&Ring<H::Token>) -> Result<Option<NonNull<bindings::virtqueue>>>,
        operation: impl FnOnce(*mut bindings::virtqueue) -> c_int,
    ) -> Result {
        // The rings are deleted, and what is in them taken back, under this lock, so this one is
        // live until the end.
        let _rings = dev.state().ok_or(ENODEV)?.rings.lock();

        // Those of another device are under another lock.
        self.check_device(dev)?;

        // SAFETY: By the requirement of this function there is no other user, and under that lock,
        // of the device of this queue, the adapter is none.
        let vq = unsafe {
            self.ring.with(|ring| {
                let vq = check(ring)?;

                if vq.is_some() {
                    ring.take_for_restart();
                }
                Ok::<_, Error>(vq)
            })
        }?;
        let Some(vq) = vq else {
            return Ok(());
        };

        // INVARIANT: Null.
        self.raw.store(core::ptr::null_mut(), Release);
        // A notification that has read the pointer before is over after this.
        rcu::synchronize_rcu();

        let mut result = to_result(operation(vq.as_ptr()));
        // SAFETY: As above.
        let is_empty = unsafe { self.ring.with(Ring::settle) };

        if !is_empty {
            result = Err(EIO);
        }
        // Without memory, C empties the old ring, and starts the queue with that.
        let works =
            result.is_ok() || result == Err(ENOMEM) && !dev.has_bit(bindings::VIRTIO_F_IN_ORDER);

        if !works {
            // SAFETY: `vq` is live, see above.
            unsafe { bindings::__virtqueue_break(vq.as_ptr()) };
            // SAFETY: As above. While there is a ring, so is the state of the device.
            unsafe { DeviceState::accuse_if_broken(vq.as_ptr()) };
        }
        // SAFETY: As above.
        unsafe { self.open() };
        result
    }
}

impl<H: Handler<A>, A: Access> Virtqueue<H, A> {
    /// Fails if the queue has no ring, or not one of `dev`.
    fn check_device(&self, dev: &Device<Core<'_>>) -> Result {
        // SAFETY: `with_raw` passes a live ring.
        let vdev = self.with_raw(|vq| unsafe { (*vq).vdev }).ok_or(ENODEV)?;

        if vdev != dev.as_raw() {
            return Err(EINVAL);
        }
        Ok(())
    }
}

impl<T: Token> Ring<T> {
    /// Returns the C queue, if it can be restarted. A broken one cannot: a device that is gone
    /// would be waited for without end.
    fn resettable(&self, dev: &Device<Core<'_>>) -> Result<NonNull<bindings::virtqueue>> {
        let vq = self.vq().ok_or(ENODEV)?;

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
            // SAFETY: As above. While there is a ring, so is the state of the device.
            unsafe { DeviceState::accuse_if_broken(vq.as_ptr()) };
            return Err(EIO);
        }
        Ok(vq)
    }
}
