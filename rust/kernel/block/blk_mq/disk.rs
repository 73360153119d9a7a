// SPDX-License-Identifier: GPL-2.0

//! Disks that are in use.
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)

use super::{
    disk_data::{
        self,
        Afterwards,
        DiskData, //
    },
    freeze::{
        freeze_polling,
        thaw, //
    },
    hw_queue::Run,
    new_disk::check_capacity,
    watch::{
        self,
        Watch, //
    },
    GenDisk,
    Operations,
    QueueLimits, //
};
use crate::{
    error::to_result,
    module::this_module,
    prelude::*,
    sync::{
        atomic::{
            Full,
            Relaxed, //
        },
        Completion, //
    }, //
};
use core::{
    ops::Deref,
    ptr::NonNull, //
};

/// A disk that everybody can use.
///
/// When it is dropped, the disk goes away: what was issued is waited for, what comes later fails,
/// and when `drop` returns, no callback runs any more but
/// [`getgeo`](Operations::getgeo) and [`report_zones`](Operations::report_zones). Who has the disk
/// open can keep it so. The data of the driver lives until then, but that of the hardware queues
/// does not.
///
/// # Context
///
/// Dropping it sleeps. It waits for the driver to end the requests that it has, so the driver must
/// be able to do that, and for file systems to hear of [its death](Self::mark_dead). In the init
/// function of a module that may fail, it also waits for the last user to close the disk.
///
/// A function of the driver that the block layer has called for a disk of the same tag set could
/// wait for itself that way. So in the following ones `drop` does not wait, but lets a worker
/// remove the disk soon: [`Operations::timeout`], [`getgeo`](Operations::getgeo) and
/// [`report_zones`](Operations::report_zones); [`init_hctx`](Operations::init_hctx),
/// [`init_request_data`](Operations::init_request_data), and `drop` of what that has made;
/// [`Attribute::access`](super::Attribute::access), [`show`](super::Attribute::show) and
/// [`store`](super::Attribute::store); what was passed to [`update_limits`](Self::update_limits),
/// [`update_limits_polling`](Self::update_limits_polling) or [`execute`](GenDisk::execute); and, if
/// the tag set is [`blocking`](super::TagSetOptions::blocking), [`queue_rq`](Operations::queue_rq),
/// [`queue_rqs`](Operations::queue_rqs) and [`commit_rqs`](Operations::commit_rqs).
///
/// If one other disk of the tag set is left, its requests are waited for as well, so it must not be
/// quiesced or stopped then.
///
/// In a tag set that is not, those three must not sleep, nor may
/// [`complete`](Operations::complete) and [`poll`](Operations::poll) in any. So a disk must not be
/// dropped there.
///
/// What else waits for requests, [`freeze`](Self::freeze), [`quiesce`](Self::quiesce) and
/// [`update_limits`](Self::update_limits), must be called in none of them.
///
/// # Invariants
///
/// `disk` is a disk that was added, and a reference to it, as long as there is a watch with this
/// number, which has `remove`.
pub struct Disk<T: Operations> {
    disk: NonNull<GenDisk<T>>,
    pub(super) watch: watch::Number,
}

// SAFETY: `GenDisk<T>` is `Send` and `Sync`, and C synchronizes what `Disk` adds.
unsafe impl<T: Operations> Send for Disk<T> {}

// SAFETY: As for `Send`.
unsafe impl<T: Operations> Sync for Disk<T> {}

impl<T: Operations> Deref for Disk<T> {
    type Target = GenDisk<T>;

    #[inline]
    fn deref(&self) -> &GenDisk<T> {
        // SAFETY: By the type invariant, `self` has a reference to the disk.
        unsafe { self.disk.as_ref() }
    }
}

impl<T: Operations> Disk<T> {
    /// # Safety
    ///
    /// The disk must have been added, and the reference to it passes to the result. `watch` must be
    /// for the module of the driver.
    pub(super) unsafe fn from_raw(disk: NonNull<GenDisk<T>>, watch: KBox<Watch>) -> Self {
        let number = watch.number();

        // SAFETY: If the driver is a module, then `remove::<T>` is in it. The reference to the disk
        // belongs to `Self`, which ends the watch before it gives it up.
        unsafe { Watch::start(watch, disk.cast().as_ptr(), remove::<T>) };

        // INVARIANT: By the requirement of this function, and just now.
        Self {
            disk,
            watch: number,
        }
    }

    /// Sets the size in sectors of 512 bytes, and tells user space if it has changed. Returns
    /// whether it did, from and to other than zero.
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// [`EINVAL`]: the size in bytes is above `i64::MAX`, or a zoned disk would have more zones
    /// than when it was added.
    pub fn set_capacity_and_notify(&self, sectors: u64) -> Result<bool> {
        check_capacity(sectors)?;
        self.check_zones(sectors)?;

        // SAFETY: By the type invariant, the disk is valid.
        Ok(unsafe { bindings::set_capacity_and_notify(self.as_raw(), sectors) })
    }

    /// Sets whether the disk can be written, and tells user space if that has changed.
    ///
    /// May sleep.
    pub fn set_read_only(&self, read_only: bool) {
        // SAFETY: By the type invariant, the disk is valid.
        unsafe { bindings::set_disk_ro(self.as_raw(), read_only) };
    }

    /// Changes limits of the queue, with no request in flight while they change.
    ///
    /// `update` may also replace the limits as a whole: what the block layer and the user have set
    /// is not lost.
    ///
    /// May sleep. The driver must end what it has, and must not be frozen by the caller of
    /// `update`, which must not call this function either.
    ///
    /// # Errors
    ///
    /// What `update` returns, or [`EINVAL`]: the limits contradict each other, or the zones would
    /// change.
    pub fn update_limits<E>(&self, update: impl FnOnce(&mut QueueLimits) -> Result<(), E>) -> Result
    where
        Error: From<E>,
    {
        self.update_limits_polling(update, || ())
    }

    /// Like [`update_limits`](Self::update_limits), and calls `poll` again and again while requests
    /// are waited for, as [`freeze_polling`](Self::freeze_polling) does.
    ///
    /// # Errors
    ///
    /// As for [`update_limits`](Self::update_limits).
    pub fn update_limits_polling<E>(
        &self,
        update: impl FnOnce(&mut QueueLimits) -> Result<(), E>,
        poll: impl FnMut(),
    ) -> Result
    where
        Error: From<E>,
    {
        // SAFETY: By the type invariant, the disk was added and not deleted.
        unsafe { update_limits(self, update, poll) }
    }

    /// Lets all requests that come fail, soon, as the device is gone, and tells file systems that
    /// it was removed by surprise. The requests that the driver has are not affected.
    ///
    /// A worker does it: file systems are waited for, and they can need what sleeps while the
    /// system does. The driver must fail what it gets.
    ///
    /// # Context
    ///
    /// Any.
    pub fn mark_dead(&self) {
        // SAFETY: By the type invariant, the disk is valid, and its data lives as long.
        unsafe { disk_data::death(self.disk_data()) }.start_in(0);
    }

    /// Has partitions looked for when the disk is opened next, and tells user space that it has
    /// changed (C: `GD_NEED_PART_SCAN`).
    ///
    /// For a disk that could not be read when it was added.
    ///
    /// # Context
    ///
    /// Process context. May sleep.
    pub fn want_partition_scan(&self) {
        // SAFETY: By the type invariant, the disk is valid.
        let state = unsafe { &raw mut (*self.as_raw()).state };

        // SAFETY: As above; the bit is one of this word.
        unsafe { bindings::set_bit(bindings::GD_NEED_PART_SCAN as usize, state) };
        // SAFETY: By the type invariant, the disk was added and not deleted.
        unsafe { bindings::disk_uevent(self.as_raw(), bindings::kobject_action_KOBJ_CHANGE) };
    }

    /// Starts all hardware queues that were stopped with
    /// [`HwQueue::stop`](super::HwQueue::stop).
    ///
    /// # Context
    ///
    /// That of `run`.
    pub fn start_stopped_hw_queues(&self, run: Run) {
        // SAFETY: By the type invariant, the queue is valid.
        unsafe { bindings::blk_mq_start_stopped_hw_queues(self.queue(), run == Run::Async) };
    }

    /// Stops all hardware queues; see [`HwQueue::stop`](super::HwQueue::stop).
    ///
    /// # Context
    ///
    /// Any.
    pub fn stop_hw_queues(&self) {
        // SAFETY: By the type invariant, the queue is valid.
        unsafe { bindings::blk_mq_stop_hw_queues(self.queue()) };
    }

    /// Issues the requests that were requeued with [`Kick::Later`](super::Kick::Later).
    ///
    /// May be called in any context.
    pub fn kick_requeue_list(&self) {
        // SAFETY: By the type invariant, the queue is valid.
        unsafe { bindings::blk_mq_kick_requeue_list(self.queue()) };
    }

    /// Notes that the queue stays quiesced.
    pub(super) fn leave_quiesced(&self) {
        self.left_quiesced().fetch_add(1, Relaxed);
    }

    /// Undoes one [`QuiesceGuard::leave`](super::QuiesceGuard::leave); does nothing if there is
    /// none.
    ///
    /// May be called in any context.
    pub fn unquiesce(&self) {
        unquiesce(self);
    }
}

/// Undoes one [`QuiesceGuard::leave`](super::QuiesceGuard::leave), and returns whether there was
/// one.
fn unquiesce<T: Operations>(disk: &GenDisk<T>) -> bool {
    let count = disk.left_quiesced();
    let mut left = count.load(Relaxed);

    while left > 0 {
        match count.cmpxchg(left, left - 1, Relaxed) {
            Ok(_) => {
                // SAFETY: The disk keeps its queue, which was quiesced.
                unsafe { bindings::blk_mq_unquiesce_queue(disk.queue()) };
                return true;
            }
            Err(now) => left = now,
        }
    }
    false
}

/// Changes limits of the queue of a disk, and calls `poll` while requests are waited for.
///
/// # Safety
///
/// The disk must have been added, and must not be deleted meanwhile.
pub(super) unsafe fn update_limits<T: Operations, E>(
    disk: &GenDisk<T>,
    update: impl FnOnce(&mut QueueLimits) -> Result<(), E>,
    mut poll: impl FnMut(),
) -> Result
where
    Error: From<E>,
{
    let queue = disk.queue();
    let callers = disk.tag_set().callers();

    // SAFETY: The disk keeps its queue.
    let mut limits = QueueLimits::from_raw(unsafe { bindings::queue_limits_start_update(queue) });
    let mut new = limits.clone();

    let updated = callers.enter(|| update(&mut new));
    let result = updated.map_err(Error::from).and_then(|()| {
        new.check()?;
        // The block layer has sized its own data by the zones.
        if new.zone_sectors() == limits.zone_sectors() {
            limits.update_from(&new);
            Ok(())
        } else {
            Err(EINVAL)
        }
    });

    if result.is_err() {
        // SAFETY: An update was started above.
        unsafe { bindings::queue_limits_cancel_update(queue) };
        return result;
    }

    // SAFETY: By the requirement of this function. The queue is thawed below.
    let memflags = unsafe { freeze_polling(disk, || callers.enter(&mut poll)) };
    // SAFETY: An update was started above, and the queue is frozen.
    let ret = unsafe { bindings::queue_limits_commit_update(queue, limits.as_raw_mut()) };

    // SAFETY: The queue was frozen above, with these flags.
    unsafe { thaw(disk, memflags) };
    to_result(ret)
}

/// Removes a disk from the system, and gives up a reference to it.
///
/// # Safety
///
/// `disk` must be a `GenDisk<T>` that was added and not removed, and a reference to it that is not
/// used after this.
pub(super) unsafe fn remove<T: Operations>(disk: *mut bindings::gendisk) {
    // SAFETY: By the requirement of this function.
    let this = unsafe { GenDisk::<T>::from_raw(disk) };
    let data = this.disk_data();
    let set = this.tag_set().as_raw();

    // From here on the driver cannot let requests wait. Pairs with the barriers of
    // `HwQueue::stop` and of `Request::requeue`.
    this.is_going().xchg(1, Full);
    // Requests that wait could not be issued, and would be waited for below.
    while unquiesce(this) {}
    // SAFETY: The disk keeps its queue.
    unsafe { bindings::blk_mq_start_stopped_hw_queues(this.queue(), true) };
    // SAFETY: As above.
    unsafe { bindings::blk_mq_kick_requeue_list(this.queue()) };
    // SAFETY: The data lives as long as the disk.
    let was_to_die = unsafe { disk_data::death(data) }.stop();

    if was_to_die {
        // File systems must not write back to what is gone.
        //
        // SAFETY: By the requirement of this function, the disk was added.
        unsafe { bindings::blk_mark_disk_dead(disk) };
    }

    // SAFETY: By the requirement of this function, the disk was added.
    unsafe { bindings::del_gendisk(disk) };

    // All requests have ended. But `queue_rq` may still run on another CPU, if it is the one that
    // gave the last of them away. The block layer calls it in a (S)RCU critical section.
    // `del_gendisk` happens to wait for that as it removes the I/O scheduler, but nothing says
    // that it must.
    //
    // SAFETY: `DiskData` keeps the set.
    unsafe { bindings::blk_mq_wait_quiesce_done(set) };

    // SAFETY: The queue was shut down, and no callback runs any more.
    unsafe { DiskData::<T>::drop_hw_data(data) };

    // SAFETY: By the requirement of this function.
    unsafe { put::<T>(disk) };
}

/// Gives up a reference to a disk, with which the data of the driver can go, which is freed by code
/// of the driver.
///
/// # Safety
///
/// `disk` must be a `GenDisk<T>`, and a reference to it that is not used after this. This may be
/// called once for a disk, when the driver does not use it any more.
pub(super) unsafe fn put<T: Operations>(disk: *mut bindings::gendisk) {
    // SAFETY: By the requirement of this function.
    let data = unsafe { GenDisk::<T>::from_raw(disk) }.disk_data();
    let module = this_module::<T::OwnerModule>().as_ptr();

    if module.is_null() {
        // SAFETY: By the requirement of this function.
        unsafe { bindings::put_disk(disk) };
        return;
    }

    // What is freed with the disk runs code of the module. Either keep that, or, if it is about to
    // go, wait. When it is unloaded, nobody has the disk open, as that would keep the module. When
    // its init function fails, somebody can, and it goes all the same.
    //
    // SAFETY: This code is in the module, so it is there.
    if unsafe { keep_module(module) } {
        // SAFETY: There is a reference to the disk, so nobody else frees the data.
        unsafe { disk_data::set_afterwards(data, Afterwards::PutModule(module)) };
        // SAFETY: By the requirement of this function.
        unsafe { bindings::put_disk(disk) };
    } else {
        pin_init::stack_pin_init!(let freed = Completion::new());

        // SAFETY: As above.
        unsafe { disk_data::set_afterwards(data, Afterwards::Complete(NonNull::from(&*freed))) };
        // SAFETY: As above.
        unsafe { bindings::put_disk(disk) };
        freed.wait_for_completion();
    }
}

/// Takes a reference to a module, unless it goes away regardless of that.
///
/// # Safety
///
/// The module must be there.
pub(super) unsafe fn keep_module(module: *mut bindings::module) -> bool {
    // SAFETY: By the requirement of this function.
    let state = unsafe { (&raw const (*module).state).read_volatile() };

    // SAFETY: By the requirement of this function.
    state == bindings::module_state_MODULE_STATE_LIVE && unsafe { bindings::try_module_get(module) }
}

impl<T: Operations> Drop for Disk<T> {
    fn drop(&mut self) {
        let disk = self.disk.cast().as_ptr();
        let Some(watch) = Watch::end(self.watch) else {
            return;
        };

        // The disk was not removed, so there is the reference of the type invariant.
        if self.tag_set().callers().contain_current() {
            // SAFETY: The module of the driver has `remove::<T>`, and the reference goes there.
            unsafe { Watch::start_removal(watch, disk, remove::<T>) };
        } else {
            // SAFETY: By the type invariant, the disk was added, and `self` has a reference.
            unsafe { remove::<T>(disk) };
        }
    }
}
