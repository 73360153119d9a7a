// SPDX-License-Identifier: GPL-2.0

//! Starting one queue anew while its device goes on.

use super::{
    super::{
        state::DeviceState,
        Device, //
    },
    AnyVirtqueue,
    Handler,
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

impl<H: Handler> Virtqueue<H> {
    /// Gives the ring `num` descriptors (C: `virtqueue_resize`). If it has as many, nothing
    /// happens.
    ///
    /// What the device has not used goes to [`Handler::detached`]. While this runs, the queue has
    /// no ring for anybody.
    ///
    /// # Errors
    ///
    /// - [`ENODEV`]: the queue has no ring.
    /// - [`EINVAL`]: `num` is zero, or not a power of two on a split ring; or the queue is not of
    ///   `dev`.
    /// - [`E2BIG`]: `num` is more than the device allows.
    /// - [`ENOENT`]: there is no [`RingReset`](crate::virtio::feature::RingReset).
    /// - [`ENOMEM`]: there is no memory. The ring has its old size, and is empty.
    /// - [`EBUSY`]: the device has not started the queue again, which is broken now.
    /// - That of the transport, if the device has not stopped the queue.
    ///
    /// # Context
    ///
    /// Process context, in a callback of the bus, with the lock of the device held. Sleeps.
    pub fn resize(&self, dev: &Device<Core<'_>>, num: u32) -> Result {
        self.restart(dev, |vq| {
            // SAFETY: `restart` passes a live queue that nobody else uses. `recycle` finds this
            // queue by its number.
            unsafe { bindings::virtqueue_resize(vq, num, Some(DeviceState::recycle), None) }
        })
    }

    /// Empties the ring (C: `virtqueue_reset`).
    ///
    /// What the device has not used goes to [`Handler::detached`]. While this runs, the queue has
    /// no ring for anybody.
    ///
    /// # Errors
    ///
    /// As for [`resize`](Self::resize), as far as it has to do with that.
    ///
    /// # Context
    ///
    /// As for [`resize`](Self::resize).
    pub fn reset(&self, dev: &Device<Core<'_>>) -> Result {
        self.restart(dev, |vq| {
            // SAFETY: `restart` passes a live queue that nobody else uses. `recycle` finds this
            // queue by its number.
            unsafe { bindings::virtqueue_reset(vq, Some(DeviceState::recycle), None) }
        })
    }

    /// Takes the ring away for as long as `restart` runs.
    fn restart(
        &self,
        dev: &Device<Core<'_>>,
        restart: impl FnOnce(*mut bindings::virtqueue) -> c_int,
    ) -> Result {
        let vq = {
            let mut ring = self.ring.lock();
            let vq = ring.vq.filter(|_| ring.open).ok_or(ENODEV)?;

            // SAFETY: By the type invariant `vq` is live.
            if unsafe { (*vq.as_ptr()).vdev } != dev.as_raw() {
                return Err(EINVAL);
            }
            // INVARIANT: None.
            ring.vq = None;
            vq
        };

        // INVARIANT: Null.
        self.raw.store(core::ptr::null_mut(), Release);
        // A notification that has read the pointer before is over after this.
        rcu::synchronize_rcu();

        let result = to_result(restart(vq.as_ptr()));

        if result == Err(EBUSY) {
            // Not all transports do that.
            //
            // SAFETY: `vq` is live, see below.
            unsafe { bindings::__virtqueue_break(vq.as_ptr()) };
        }
        // SAFETY: The rings are deleted in callbacks of the bus, and this is one. So `vq` is live
        // still, and whoever deletes it detaches it from the queue before.
        unsafe { self.attach(vq) };
        result
    }
}
