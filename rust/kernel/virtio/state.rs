// SPDX-License-Identifier: GPL-2.0

//! What the interrupts of a device can reach, and the one order in which it is taken down.
//!
//! The state exists from before the first queue is set up until after the last one is deleted, and
//! is found through `virtio_device::priv`. It knows the queues by their numbers. It does not know
//! the driver's data, so it does not matter to an interrupt whether that exists yet, or still.

use super::{
    feature::test_bit,
    handle::DeviceHandle,
    pause::PauseOps,
    queue::{
        AnyVirtqueue,
        Callback, //
    },
    setup::Affinity,
};
use crate::{
    error::to_result,
    prelude::*,
    sync::{
        atomic::{
            ordering::{
                Acquire,
                Release, //
            },
            Atomic, //
        },
        rcu,
        Arc,
        SetOnce, //
    }, //
};
use core::ptr::NonNull;

/// The queues of a device and how they were asked for.
pub(super) struct QueueTable {
    pub(super) queues: KVec<Arc<dyn AnyVirtqueue>>,
    pub(super) affinity: Affinity,
}

/// The state of a device that a driver of this abstraction is bound to.
///
/// # Invariants
///
/// `pause_ops` are those of the driver.
pub(super) struct DeviceState {
    /// The queues, by number. Set once, before the transport learns about them.
    table: SetOnce<QueueTable>,

    /// Whether the transport has rings for the queues.
    found: Atomic<bool>,

    /// Whether interrupts get through to the handlers.
    live: Atomic<bool>,

    /// How many bytes of the configuration space may be accessed.
    config_len: u32,

    /// The way to the device for those that can outlive its binding.
    handle: Arc<DeviceHandle>,

    /// What the driver does about pauses.
    pause_ops: &'static PauseOps,
}

impl DeviceState {
    /// Creates the state of a device that is about to be probed.
    ///
    /// # Safety
    ///
    /// `pause_ops` must be those of the driver that probes.
    pub(super) unsafe fn new(
        config_len: u32,
        handle: Arc<DeviceHandle>,
        pause_ops: &'static PauseOps,
    ) -> Self {
        // INVARIANT: By the requirement of this function.
        Self {
            table: SetOnce::new(),
            found: Atomic::new(false),
            live: Atomic::new(false),
            config_len,
            handle,
            pause_ops,
        }
    }

    /// What the driver does about pauses.
    pub(super) fn pause_ops(&self) -> &'static PauseOps {
        self.pause_ops
    }

    /// The way to the device for those that can outlive its binding.
    pub(super) fn handle(&self) -> &Arc<DeviceHandle> {
        &self.handle
    }

    /// How many bytes of the configuration space may be accessed.
    pub(super) fn config_len(&self) -> u32 {
        self.config_len
    }

    /// Returns the state of a device.
    ///
    /// # Safety
    ///
    /// `vdev` must be valid, and its `priv` either null or a pointer to a [`DeviceState`] that
    /// exists for `'a`.
    pub(super) unsafe fn from_raw<'a>(vdev: *mut bindings::virtio_device) -> Option<&'a Self> {
        // SAFETY: `vdev` is valid by the requirement of this function.
        let state = unsafe { (*vdev).priv_ };

        // SAFETY: `state` is null or valid for `'a` by the requirement of this function.
        unsafe { state.cast::<Self>().as_ref() }
    }

    /// The callback of all queues (C: `vq_callback_t`).
    ///
    /// # Safety
    ///
    /// `vq` must be a live virtqueue of a device whose `priv` is null or points to a
    /// [`DeviceState`] that exists until the rings are deleted.
    unsafe extern "C" fn interrupt(vq: *mut bindings::virtqueue) {
        // SAFETY: `vq` is live by the requirement of this function.
        let (vdev, index) = unsafe { ((*vq).vdev, (*vq).index) };

        // SAFETY: By the requirement of this function, the state exists at least until this
        // callback has returned, as deleting the rings waits for it.
        let Some(state) = (unsafe { Self::from_raw(vdev) }) else {
            return;
        };

        // Pairs with the release in `set_live`: the handlers see all that was set up before.
        if !state.is_live() {
            return;
        }

        let index = index as usize;
        if let Some(queue) = state.queues().get(index) {
            queue.interrupt();
        }
    }

    /// Returns the queue that has the ring `vq`.
    ///
    /// # Safety
    ///
    /// `vq` must be live, and the `priv` of its device point to a [`DeviceState`] that exists for
    /// `'a`.
    unsafe fn queue<'a>(vq: *mut bindings::virtqueue) -> Option<&'a dyn AnyVirtqueue> {
        // SAFETY: `vq` is live by the requirement of this function.
        let (vdev, index) = unsafe { ((*vq).vdev, (*vq).index) };
        // SAFETY: By the requirement of this function.
        let state = unsafe { Self::from_raw(vdev) }?;

        Some(&**state.queues().get(index as usize)?)
    }

    /// Takes back a buffer of a queue that is restarted (C: `recycle` of `virtqueue_resize`).
    ///
    /// # Safety
    ///
    /// `vq` must be the ring of a queue of the [`DeviceState`] that the `priv` of its device points
    /// to. It must have been reset, and `data` have been taken out of it, once.
    pub(super) unsafe extern "C" fn recycle(vq: *mut bindings::virtqueue, data: *mut c_void) {
        // SAFETY: By the requirement of this function, which also says that there is a queue.
        let queue = unsafe { Self::queue(vq) };

        if let (Some(queue), Some(data)) = (queue, NonNull::new(data)) {
            // SAFETY: By the requirement of this function.
            unsafe { queue.recycle(data) };
        }
    }

    /// Notes that all buffers of such a queue were taken back (C: `recycle_done`).
    ///
    /// # Safety
    ///
    /// As for [`recycle`](Self::recycle).
    pub(super) unsafe extern "C" fn recycle_done(vq: *mut bindings::virtqueue) {
        // SAFETY: By the requirement of this function.
        if let Some(queue) = unsafe { Self::queue(vq) } {
            queue.recycle_done();
        }
    }

    /// All queues, by number.
    pub(super) fn queues(&self) -> &[Arc<dyn AnyVirtqueue>] {
        self.table
            .as_ref()
            .map_or(&[], |table| table.queues.as_slice())
    }

    /// Lets interrupts through to the handlers, or not.
    pub(super) fn set_live(&self, live: bool) {
        self.live.store(live, Release);
    }

    /// Whether interrupts get through to the handlers.
    pub(super) fn is_live(&self) -> bool {
        self.live.load(Acquire)
    }

    /// Whether one of the queues is broken.
    pub(super) fn is_broken(&self) -> bool {
        self.found.load(Acquire) && self.queues().iter().any(|queue| queue.is_broken())
    }

    /// Stores the queues and finds rings for them.
    ///
    /// # Safety
    ///
    /// `vdev` must be the device of this state, and its `priv` must point to this state, until
    /// [`teardown`](Self::teardown) has returned. Called by one thread at a time.
    ///
    /// # Errors
    ///
    /// [`EBUSY`] if there are queues already; otherwise as for [`find`](Self::find).
    pub(super) unsafe fn set_up(
        &self,
        vdev: *mut bindings::virtio_device,
        table: QueueTable,
    ) -> Result {
        if !self.table.populate(table) {
            return Err(EBUSY);
        }

        // SAFETY: As required of this function.
        unsafe { self.find(vdev) }
    }

    /// Finds rings for the queues (C: `virtio_find_vqs`).
    ///
    /// # Safety
    ///
    /// As for [`set_up`](Self::set_up).
    ///
    /// # Errors
    ///
    /// [`EINVAL`]: there are no queues; or the error of the transport, [`ENOENT`] if the device
    /// has fewer queues.
    pub(super) unsafe fn find(&self, vdev: *mut bindings::virtio_device) -> Result {
        let table = self.table.as_ref().ok_or(EINVAL)?;
        let count = table.queues.len();
        let mut vqs = KVec::from_elem(core::ptr::null_mut(), count, GFP_KERNEL)?;
        let mut infos = KVec::with_capacity(count, GFP_KERNEL)?;

        for queue in &table.queues {
            let (name, callback) = queue.info();

            infos.push(
                bindings::virtqueue_info {
                    name,
                    callback: match callback {
                        Callback::Interrupt => Some(Self::interrupt),
                        Callback::Polled => None,
                    },
                    ctx: false,
                },
                GFP_KERNEL,
            )?;
        }

        let mut desc = table.affinity.to_desc();

        // SAFETY: `vdev` is valid by the requirement of this function, and so are its operations.
        let find_vqs = unsafe { (*(*vdev).config).find_vqs }.ok_or(EINVAL)?;

        // SAFETY: `vqs` and `infos` have `count` entries. The names live as long as the queues,
        // and those as long as this state. The callback finds its state through `priv` until the
        // rings are deleted.
        to_result(unsafe {
            find_vqs(
                vdev,
                u32::try_from(count)?,
                vqs.as_mut_ptr(),
                infos.as_mut_ptr(),
                desc.as_mut()
                    .map_or(core::ptr::null_mut(), core::ptr::from_mut),
            )
        })?;
        self.found.store(true, Release);

        for (queue, &vq) in table.queues.iter().zip(&vqs) {
            let vq = NonNull::new(vq).ok_or(ENODEV)?;

            // SAFETY: The transport has just made `vq` for this queue. `teardown` closes and
            // detaches the queues before it deletes the rings.
            unsafe { queue.attach(vq) };
        }
        Ok(())
    }

    /// Resets the device, gives back what it had, and deletes the rings, if there are any.
    ///
    /// Afterwards no interrupt of the queues runs or will run.
    ///
    /// # Safety
    ///
    /// `vdev` must be the device of this state. Called by one thread at a time.
    ///
    /// # Context
    ///
    /// Process context; sleeps.
    pub(super) unsafe fn teardown(&self, vdev: *mut bindings::virtio_device) {
        self.close();
        // SAFETY: `vdev` is valid by the requirement of this function.
        unsafe { bindings::virtio_reset_device(vdev) };
        // SAFETY: As required of this function. The device was reset just above.
        unsafe { self.release(vdev) };
    }

    /// Stops interrupts from reaching the handlers, and drivers from reaching the rings.
    fn close(&self) {
        self.set_live(false);

        for queue in self.queues() {
            queue.close();
        }
        // A notification that has read the pointer to its ring before is over after this.
        rcu::synchronize_rcu();
    }

    /// If there are rings, takes them down, and brings the device to where the core has it before
    /// it calls a driver: with all features negotiated (C: `virtio_device_restore_priv`).
    ///
    /// # Safety
    ///
    /// As for [`teardown`](Self::teardown).
    ///
    /// # Errors
    ///
    /// [`ENODEV`]: the device does not accept the features any more. Or the error of the transport.
    pub(super) unsafe fn start_over(&self, vdev: *mut bindings::virtio_device) -> Result {
        if !self.found.load(Acquire) {
            return Ok(());
        }

        // SAFETY: As required of this function.
        unsafe { self.teardown(vdev) };
        for status in [
            bindings::VIRTIO_CONFIG_S_ACKNOWLEDGE,
            bindings::VIRTIO_CONFIG_S_DRIVER,
        ] {
            // SAFETY: `vdev` is valid by the requirement of this function.
            unsafe { bindings::virtio_add_status(vdev, status) };
        }

        // SAFETY: `vdev` is valid by the requirement of this function, and so are its operations.
        let ops = unsafe { &*(*vdev).config };
        let (Some(finalize_features), Some(get_status)) = (ops.finalize_features, ops.get_status)
        else {
            return Err(EINVAL);
        };

        // SAFETY: As above.
        to_result(unsafe { finalize_features(vdev) })?;

        // SAFETY: As above.
        let features = unsafe { (*vdev).__bindgen_anon_1.features_array };

        if test_bit(&features, bindings::VIRTIO_F_VERSION_1) {
            // SAFETY: As above.
            unsafe { bindings::virtio_add_status(vdev, bindings::VIRTIO_CONFIG_S_FEATURES_OK) };
            // SAFETY: As above.
            let status = u32::from(unsafe { get_status(vdev) });

            if status & bindings::VIRTIO_CONFIG_S_FEATURES_OK == 0 {
                return Err(ENODEV);
            }
        }
        Ok(())
    }

    /// Gives back what a device had that was reset, and deletes the rings, if there are any. The
    /// state must be [`closed`](Self::close).
    ///
    /// # Safety
    ///
    /// As for [`teardown`](Self::teardown); the device must have been reset, and not told to start
    /// since.
    unsafe fn release(&self, vdev: *mut bindings::virtio_device) {
        // Deleting the rings twice is a fault on some transports.
        if !self.found.load(Acquire) {
            return;
        }

        for queue in self.queues() {
            // SAFETY: The device was reset, by the requirement of this function.
            unsafe { queue.reclaim() };
            queue.detach();
        }

        // SAFETY: `vdev` is valid by the requirement of this function, and so are its operations.
        let del_vqs = unsafe { (*(*vdev).config).del_vqs };

        if let Some(del_vqs) = del_vqs {
            // SAFETY: The rings exist, and no queue uses its ring any more.
            unsafe { del_vqs(vdev) };
        }
        self.found.store(false, Release);
    }

    /// Ends what a dead device will never answer, before its driver is asked to let go of it.
    ///
    /// # Safety
    ///
    /// As for [`teardown`](Self::teardown).
    pub(super) unsafe fn abort(&self, vdev: *mut bindings::virtio_device) {
        // SAFETY: `vdev` is valid by the requirement of this function.
        unsafe { bindings::virtio_break_device(vdev) };
        // SAFETY: As above.
        unsafe { bindings::virtio_reset_device(vdev) };

        for queue in self.queues() {
            // SAFETY: The device was reset just above.
            unsafe { queue.reclaim() };
        }
    }
}
