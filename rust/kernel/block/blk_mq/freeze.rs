// SPDX-License-Identifier: GPL-2.0

//! Keeping requests away from a driver for a while.
//!
//! C header: [`include/linux/blk-mq.h`](srctree/include/linux/blk-mq.h)

use super::{
    Disk,
    GenDisk,
    Operations, //
};
use core::mem::ManuallyDrop;

/// Keeps a queue quiesced: the driver gets no requests, which gather in the block layer.
///
/// Requests that the driver has already are not waited for.
///
/// # Invariants
///
/// The queue of `disk` was quiesced once for this guard.
#[must_use = "the queue is quiesced only while the guard exists"]
pub struct QuiesceGuard<'a, T: Operations> {
    disk: &'a Disk<T>,
}

impl<T: Operations> Disk<T> {
    /// Waits until all requests have ended, and lets no others begin while `f` runs.
    ///
    /// # Context
    ///
    /// Process context. Sleeps. The driver must be able to end what it has, so this must not be
    /// called while the queue is quiesced or stopped. Memory that `f` allocates is not waited for
    /// by writing other memory back (C: `memalloc_noio_save`).
    pub fn freeze<R>(&self, f: impl FnOnce() -> R) -> R {
        // SAFETY: A `Disk` was added and not deleted, so its queue can be frozen. It is thawed
        // below.
        let memflags = unsafe { bindings::blk_mq_freeze_queue(self.queue()) };
        let result = f();

        // SAFETY: This thread has frozen the queue just now.
        unsafe { thaw(self, memflags) };
        result
    }

    /// Like [`freeze`](Self::freeze), and calls `poll` again and again until all requests have
    /// ended.
    ///
    /// This is for disks with polled queues whose requests are waited for when those who have
    /// issued them cannot poll: user space sleeps before the devices do.
    ///
    /// # Context
    ///
    /// As for [`freeze`](Self::freeze).
    pub fn freeze_polling<R>(&self, poll: impl FnMut(), f: impl FnOnce() -> R) -> R {
        // SAFETY: A `Disk` was added and not deleted. The queue is thawed below.
        let memflags = unsafe { freeze_polling(self, poll) };
        let result = f();

        // SAFETY: This thread has frozen the queue just now.
        unsafe { thaw(self, memflags) };
        result
    }

    /// Lets the driver get no more requests, and waits until
    /// [`queue_rq`](Operations::queue_rq) runs nowhere.
    ///
    /// That is not idle for a frozen queue: a worker that found nothing to do can still be on its
    /// way, and would take what comes when the queue is not frozen any more.
    ///
    /// # Context
    ///
    /// Process context. Sleeps.
    pub fn quiesce(&self) -> QuiesceGuard<'_, T> {
        // SAFETY: A `Disk` was added and not deleted, so its queue can be quiesced.
        unsafe { bindings::blk_mq_quiesce_queue(self.queue()) };

        // INVARIANT: The queue was quiesced just now.
        QuiesceGuard { disk: self }
    }
}

/// Freezes the queue of a disk, and calls `poll` again and again meanwhile. Returns the memory
/// flags that this thread had.
///
/// # Safety
///
/// The disk must have been added, and not be deleted meanwhile. This thread must call [`thaw`] with
/// the flags.
pub(super) unsafe fn freeze_polling<T: Operations>(
    disk: &GenDisk<T>,
    mut poll: impl FnMut(),
) -> u32 {
    // SAFETY: `thaw` restores the flags.
    let memflags = unsafe { bindings::memalloc_noio_save() };

    // SAFETY: By the requirement of this function, the queue can be frozen.
    unsafe { bindings::blk_freeze_queue_start(disk.queue()) };
    loop {
        poll();
        // SAFETY: The queue is being frozen.
        if unsafe { bindings::blk_mq_freeze_queue_wait_timeout(disk.queue(), 1) } != 0 {
            break memflags;
        }
    }
}

/// Ends what freezing the queue of a disk has begun.
///
/// # Safety
///
/// This thread must have frozen the queue, and got `memflags` from that.
pub(super) unsafe fn thaw<T: Operations>(disk: &GenDisk<T>, memflags: u32) {
    // SAFETY: By the requirement of this function.
    unsafe { bindings::blk_mq_unfreeze_queue(disk.queue(), memflags) };
}

impl<T: Operations> QuiesceGuard<'_, T> {
    /// Leaves the queue quiesced, until [`Disk::unquiesce`] is called or the disk is dropped.
    ///
    /// This is for a driver that suspends in one callback and resumes in another.
    pub fn leave(self) {
        ManuallyDrop::new(self).disk.leave_quiesced();
    }
}

impl<T: Operations> Drop for QuiesceGuard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, the queue was quiesced once for this.
        unsafe { bindings::blk_mq_unquiesce_queue(self.disk.queue()) };
    }
}
