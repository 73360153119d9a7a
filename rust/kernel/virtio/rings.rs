// SPDX-License-Identifier: GPL-2.0

//! The rings of a device: how they come, and the one order in which they go.
//!
//! The driver is called back under the lock of the device, and so are they found and deleted. But
//! what a device has can be taken back without that lock, when the one who holds it waits for the
//! device. So there is another lock for that, under which no driver is waited for. Inside it, each
//! step that talks to the device as a whole [excludes](DeviceState::exclude) those who read its
//! configuration; between the steps the driver gets back what the device had.

use super::{
    exclusion::Exclusion,
    feature::{
        test_bit,
        FEATURES_U64S, //
    },
    queue::Callback,
    recovery::Evidence,
    state::{
        DeviceState,
        QueueTable, //
    }, //
};
use crate::{
    error::to_result,
    prelude::*,
    sync::{
        atomic::ordering::{
            Acquire,
            Release, //
        },
        rcu,
        MutexGuard, //
    }, //
};
use core::ptr::NonNull;

/// What all registers of a device that is not there read as.
const ALL_ONES: u8 = u8::MAX;

/// `VHOST_USER_F_PROTOCOL_FEATURES`, which transports over vhost-user need among the features that
/// they are to finalize. The ring takes it away, and so the features that were agreed on lack it.
const PROTOCOL_FEATURES: u32 = 30;

impl DeviceState {
    /// Stores the queues and finds rings for them.
    ///
    /// # Safety
    ///
    /// The `priv` of the device must point to this state until [`teardown`](Self::teardown) has
    /// returned. Called by one thread at a time.
    ///
    /// # Errors
    ///
    /// [`EBUSY`] if there are queues already; otherwise as for [`find`](Self::find).
    pub(super) unsafe fn set_up(&self, table: QueueTable) -> Result {
        if !self.table.populate(table) {
            return Err(EBUSY);
        }

        let rings = self.rings.lock();
        let alone = self.exclude(&rings);

        // SAFETY: As required of this function.
        unsafe { self.find(&alone) }?;
        // A driver adds buffers before it tells the device to start.
        //
        // SAFETY: They have their rings.
        unsafe { self.open() };
        Ok(())
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
    unsafe fn find(&self, _alone: &Exclusion<'_>) -> Result {
        let vdev = self.vdev();
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

        // SAFETY: The device of a state is valid, and so are its operations.
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
            unsafe { queue.attach(vq) }?;
        }
        Ok(())
    }

    /// Opens the handlers and tells the device to start (C: `virtio_device_ready`), unless what it
    /// had was taken back already.
    ///
    /// # Safety
    ///
    /// The rings must have been found, or there be no queues.
    pub(super) unsafe fn make_ready(&self) {
        let _rings = self.rings.lock();

        // SAFETY: As required of this function.
        unsafe { self.start() };
    }

    /// Does what [`make_ready`](Self::make_ready) says.
    ///
    /// # Safety
    ///
    /// As for `make_ready`; the lock of the rings must be held.
    unsafe fn start(&self) {
        if self.failed.load(Acquire) {
            return;
        }
        self.set_live(true);
        // SAFETY: The device of a state is valid.
        unsafe { bindings::virtio_transport_enable(self.vdev()) };
        // SAFETY: As above.
        unsafe { bindings::virtio_prepare_ready(self.vdev()) };
        self.add_status(bindings::VIRTIO_CONFIG_S_DRIVER_OK);
    }

    /// Resets the device, gives back what it had, and deletes the rings, if there are any. Returns
    /// how many buffers the device had.
    ///
    /// Afterwards no interrupt of the queues runs or will run.
    ///
    /// # Safety
    ///
    /// Called by one thread at a time.
    ///
    /// # Context
    ///
    /// Process context; sleeps.
    pub(super) unsafe fn teardown(&self) -> usize {
        let rings = self.rings.lock();

        self.close();
        self.reset(&self.exclude(&rings));

        let came_back = if self.found.load(Acquire) {
            // SAFETY: As required of this function. The device was reset just above, and handlers
            // do not run any more.
            let came_back = unsafe { self.release() };

            // SAFETY: The queues have no rings any more.
            unsafe { self.delete(&self.exclude(&rings)) };
            came_back
        } else {
            // Deleting the rings twice is a fault on some transports.
            0
        };

        self.failed.store(false, Release);
        self.recovery().settle();
        came_back
    }

    /// Takes back what the device has, and lets it have nothing else. The driver gets its buffers,
    /// and those that it adds are refused. Returns whether there were rings to be closed.
    ///
    /// The lock of the device need not be held. The rings stay, as does the evidence.
    ///
    /// # Context
    ///
    /// Process context; sleeps.
    pub(super) fn fail_in_flight(&self) -> bool {
        let rings = self.rings.lock();

        // Between the evidence and this, the device can have been brought up again.
        if !self.found.load(Acquire) || self.failed.load(Acquire) || !self.may_fail() {
            return false;
        }

        // SAFETY: The device of a state is valid.
        unsafe { bindings::virtio_break_device(self.vdev()) };
        // Notifications must not be under way when the device is reset.
        self.close();
        self.reset(&self.exclude(&rings));
        for queue in self.queues() {
            // SAFETY: The queues were closed and the device was reset just above.
            unsafe { queue.reclaim() };
        }
        self.failed.store(true, Release);
        true
    }

    /// Whether there is a reason to fail what is in flight.
    fn may_fail(&self) -> bool {
        let recovery = self.recovery();

        recovery.is_due() || recovery.is_dead() || self.is_broken()
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

    /// Resets the device, and waits for the handlers of the transport, if there are rings.
    ///
    /// Some transports wait without end for a device to be reset that is not there. Others do not
    /// wait for their handlers, or not before they delete the rings, which those handlers walk
    /// over.
    ///
    /// What cannot be told to stop is kept from memory, if it is there: it may go on with what it
    /// has.
    fn reset(&self, _alone: &Exclusion<'_>) {
        let vdev = self.vdev();

        // Something may have come between driver and device.
        //
        // SAFETY: The device of a state is valid.
        unsafe { bindings::virtio_transport_reach(vdev) };
        if self.is_gone() {
            // SAFETY: As above.
            unsafe { bindings::virtio_break_device(vdev) };
            // SAFETY: As above.
            unsafe { bindings::virtio_transport_silence(vdev) };
        } else {
            // SAFETY: As above. No notification is under way, as the callers have closed the
            // queues.
            unsafe { bindings::virtio_reset_device(vdev) };
        }
        if self.has_rings() {
            // SAFETY: As above.
            unsafe { bindings::virtio_synchronize_cbs(vdev) };
        }
    }

    /// Gives back what a device had that was reset, and takes the rings from the queues. The state
    /// must be [`closed`](Self::close).
    ///
    /// # Safety
    ///
    /// As for [`teardown`](Self::teardown); the device must have been reset, and not told to start
    /// since, handlers not run, and there be rings.
    unsafe fn release(&self) -> usize {
        let mut came_back = 0;

        for queue in self.queues() {
            // SAFETY: The state is closed, and the device was reset, by the requirement of this
            // function.
            came_back += unsafe { queue.reclaim() };
            // SAFETY: The state is closed, by the requirement of this function.
            unsafe { queue.detach() };
        }
        came_back
    }

    /// Deletes the rings.
    ///
    /// # Safety
    ///
    /// As for [`teardown`](Self::teardown); there must be rings that no queue uses any more.
    unsafe fn delete(&self, _alone: &Exclusion<'_>) {
        // SAFETY: The device of a state is valid, and so are its operations.
        let del_vqs = unsafe { (*(*self.vdev()).config).del_vqs };

        if let Some(del_vqs) = del_vqs {
            // SAFETY: The rings exist, and no queue uses its ring any more, by the requirement of
            // this function.
            unsafe { del_vqs(self.vdev()) };
        }
        self.found.store(false, Release);
    }

    /// Stops the device, as the system goes down. The rings stay, and what was in them comes back.
    ///
    /// # Context
    ///
    /// Process context; sleeps.
    pub(super) fn shut_down(&self) {
        // What the device has would not come back, and somebody may wait for it.
        self.recovery().set_dead();
        self.fail_in_flight();

        let rings = self.rings.lock();

        // Transports can wait without end for a device to be reset that is not there.
        if !self.is_gone() {
            let _alone = self.exclude(&rings);

            // SAFETY: The device of a state is valid.
            unsafe { bindings::virtio_device_shutdown(self.vdev()) };
        }
    }

    /// If there are rings, takes them down, and brings the device to where the core has it before
    /// it calls a driver. Then finds rings, and tells the device to start.
    ///
    /// # Safety
    ///
    /// As for [`set_up`](Self::set_up).
    ///
    /// # Errors
    ///
    /// [`ENODEV`]: the device does not accept the features any more. Or the error of the transport.
    pub(super) unsafe fn start_over(&self) -> Result {
        if self.has_rings() {
            // SAFETY: As required of this function.
            unsafe { self.teardown() };
            // SAFETY: As above. There are no rings any more.
            return unsafe { self.bring_up() };
        }

        let rings = self.rings.lock();
        let alone = self.exclude(&rings);

        // SAFETY: As above. There are no rings.
        unsafe { self.find_and_start(&alone) }
    }

    /// Brings up a device that was reset.
    ///
    /// # Safety
    ///
    /// As for [`set_up`](Self::set_up); there must be no rings.
    ///
    /// # Errors
    ///
    /// As for [`start_over`](Self::start_over).
    pub(super) unsafe fn bring_up(&self) -> Result {
        let rings = self.rings.lock();
        let alone = self.exclude(&rings);

        self.negotiate(&alone)?;
        // SAFETY: As required of this function.
        unsafe { self.find_and_start(&alone) }
    }

    /// Finds rings for the queues, if there are any, and tells the device to start.
    ///
    /// # Safety
    ///
    /// As for [`set_up`](Self::set_up); there must be no rings.
    unsafe fn find_and_start(&self, alone: &Exclusion<'_>) -> Result {
        if !self.queues().is_empty() {
            // SAFETY: As required of this function.
            unsafe { self.find(alone) }?;
        }
        // SAFETY: The rings were found just above, under the lock that `alone` stands for.
        unsafe { self.start() };
        // Who has not waited for this must not tell the device of buffers before it was started.
        //
        // SAFETY: As above.
        unsafe { self.open() };
        Ok(())
    }

    /// Lets drivers at the rings.
    ///
    /// # Safety
    ///
    /// The rings must have been found, or there be no queues; the lock of the rings must be held.
    unsafe fn open(&self) {
        for queue in self.queues() {
            // SAFETY: By the requirement of this function, it has a ring that is not restarted.
            unsafe { queue.open() };
        }
    }

    /// Negotiates the features that are agreed on already with a device that was reset (C:
    /// `virtio_device_restore_priv`).
    fn negotiate(&self, _alone: &Exclusion<'_>) -> Result {
        let vdev = self.vdev();

        self.add_status(bindings::VIRTIO_CONFIG_S_ACKNOWLEDGE);
        self.add_status(bindings::VIRTIO_CONFIG_S_DRIVER);

        // SAFETY: The device of a state is valid, and so are its operations.
        let ops = unsafe { &*(*vdev).config };
        let finalize_features = ops.finalize_features.ok_or(EINVAL)?;
        // SAFETY: While the device is bound, its features change here only, under its lock. Others
        // read single bits, of which none changes but that of vhost-user, and those that
        // `finalize_features` takes away, which come back below.
        let features = unsafe { &raw mut (*vdev).__bindgen_anon_1.features_array };
        let agreed = self.features();
        let offered = self.offered();

        if agreed.iter().zip(&offered).any(|(a, o)| a & !o != 0) {
            return Err(ENODEV);
        }
        if test_bit(&offered, PROTOCOL_FEATURES) {
            // SAFETY: As above.
            unsafe { (*features)[0] |= 1 << PROTOCOL_FEATURES };
        }

        // SAFETY: The device is valid.
        let finalized = to_result(unsafe { finalize_features(vdev) });

        // SAFETY: As above.
        let accepted = unsafe { features.read() };

        // SAFETY: As above.
        unsafe { features.write(agreed) };
        if accepted != agreed {
            return Err(ENODEV);
        }
        finalized?;

        if test_bit(&agreed, bindings::VIRTIO_F_VERSION_1) {
            self.add_status(bindings::VIRTIO_CONFIG_S_FEATURES_OK);
            if u32::from(self.status()) & bindings::VIRTIO_CONFIG_S_FEATURES_OK == 0 {
                return Err(ENODEV);
            }
        }
        Ok(())
    }

    /// The features that the device offers (C: `virtio_get_features`).
    fn offered(&self) -> [u64; FEATURES_U64S] {
        let mut offered = [0; FEATURES_U64S];
        // SAFETY: The device of a state is valid, and so are its operations.
        let ops = unsafe { &*(*self.vdev()).config };

        if let Some(get) = ops.get_extended_features {
            // SAFETY: There is room for all words.
            unsafe { get(self.vdev(), offered.as_mut_ptr()) };
        } else if let Some(get) = ops.get_features {
            // SAFETY: The device is valid.
            offered[0] = unsafe { get(self.vdev()) };
        }
        offered
    }

    /// The device status; zero, if the transport does not tell.
    fn status(&self) -> u8 {
        // SAFETY: The device of a state is valid, and so are its operations.
        let get_status = unsafe { (*(*self.vdev()).config).get_status };

        // SAFETY: As above.
        get_status.map_or(0, |get_status| unsafe { get_status(self.vdev()) })
    }

    fn add_status(&self, status: u32) {
        // SAFETY: The device of a state is valid.
        unsafe { bindings::virtio_add_status(self.vdev(), status) };
    }

    /// Tells the device, if there is one, that its driver has given it up.
    pub(super) fn set_failed(&self) {
        let _rings = self.rings.lock();

        if !self.is_gone() {
            self.add_status(bindings::VIRTIO_CONFIG_S_FAILED);
        }
    }

    /// Whether there is nothing behind the transport.
    pub(super) fn is_gone(&self) -> bool {
        // SAFETY: The device of a state is valid.
        self.status() == ALL_ONES || !unsafe { bindings::virtio_transport_present(self.vdev()) }
    }

    /// Whether the system has put the device to sleep, so that it may seem to be gone.
    pub(super) fn sleeps(&self) -> bool {
        // SAFETY: The device of a state is valid.
        unsafe { bindings::virtio_transport_sleeps(self.vdev()) }
    }

    /// Looks at a device that was told to start for a reason to recover it.
    pub(super) fn find_evidence(&self, _rings: &MutexGuard<'_, ()>) -> Option<Evidence> {
        if !self.is_live() {
            return None;
        }

        let status = u32::from(self.status());

        if self.is_gone() {
            (!self.sleeps()).then_some(Evidence::Gone)
        } else if status & bindings::VIRTIO_CONFIG_S_NEEDS_RESET != 0 {
            Some(Evidence::NeedsReset)
        } else if status & bindings::VIRTIO_CONFIG_S_DRIVER_OK == 0 {
            Some(Evidence::Forgotten)
        } else if self.is_broken() {
            Some(Evidence::Broken)
        } else {
            None
        }
    }
}
