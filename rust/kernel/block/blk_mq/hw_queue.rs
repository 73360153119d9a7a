// SPDX-License-Identifier: GPL-2.0

//! Hardware queues.
//!
//! C header: [`include/linux/blk-mq.h`](srctree/include/linux/blk-mq.h)

use super::{
    disk_data::DiskData,
    queue_map::MapType,
    Operations, //
};
use crate::sync::{
    atomic::Relaxed,
    barrier::{
        smp_mb,
        Full, //
    }, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// Who issues the requests of a queue that is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// The caller, if it is on a CPU of the queue. Only in process context, without a lock that
    /// [`Operations::queue_rq`] takes.
    Sync,
    /// A worker thread. In any context.
    Async,
}

/// When requeued requests are issued again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kick {
    /// Soon.
    Now,
    /// After the next request that is requeued with [`Kick::Now`], or when
    /// [`HwQueue::kick_requeue_list`] is called, or the disk is dropped; soon if it was.
    Later,
}

/// A hardware queue of a disk.
///
/// Equivalent to C's `struct blk_mq_hw_ctx`.
///
/// # Invariants
///
/// `hctx` points to a hardware queue of a [`GenDisk<T>`](super::GenDisk). For `'a`, there is a
/// request of it or a callback for it that keeps it and its data.
pub struct HwQueue<'a, T: Operations> {
    hctx: NonNull<bindings::blk_mq_hw_ctx>,
    _p: PhantomData<&'a T>,
}

impl<T: Operations> Clone for HwQueue<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Operations> Copy for HwQueue<'_, T> {}

// SAFETY: The block layer locks what it changes, and `T::HwData` and `T::QueueData` are `Sync`.
unsafe impl<T: Operations> Send for HwQueue<'_, T> {}

// SAFETY: As for `Send`.
unsafe impl<T: Operations> Sync for HwQueue<'_, T> {}

impl<'a, T: Operations> HwQueue<'a, T> {
    /// # Safety
    ///
    /// `hctx` must point to a hardware queue of a [`GenDisk<T>`](super::GenDisk) that a request or
    /// callback keeps for `'a`.
    #[inline]
    pub(super) unsafe fn from_raw(hctx: *mut bindings::blk_mq_hw_ctx) -> Self {
        Self {
            // SAFETY: By the requirement of this function, `hctx` is valid.
            hctx: unsafe { NonNull::new_unchecked(hctx) },
            _p: PhantomData,
        }
    }

    #[inline]
    fn as_raw(&self) -> *mut bindings::blk_mq_hw_ctx {
        self.hctx.as_ptr()
    }

    /// The number of this queue among those of the tag set, from zero.
    #[inline]
    pub fn index(&self) -> u32 {
        // SAFETY: By the type invariant, `hctx` is valid; the number does not change.
        unsafe { (*self.as_raw()).queue_num }
    }

    /// The map that this queue belongs to.
    #[inline]
    pub fn map_type(&self) -> MapType {
        // SAFETY: By the type invariant, `hctx` is valid.
        MapType::from_raw(unsafe { (*self.as_raw()).type_ }.into())
    }

    /// The data of the driver for this queue.
    #[inline]
    pub fn data(&self) -> &'a T::HwData {
        // SAFETY: By the type invariant, `hctx` is valid; `driver_data` does not change.
        let data = unsafe { (*self.as_raw()).driver_data }.cast::<T::HwData>();

        // SAFETY: `init_hctx` has set it to a `T::HwData`, which `DiskData` keeps until there are
        // no callbacks or requests any more.
        unsafe { &*data }
    }

    #[inline]
    fn queue(&self) -> *mut bindings::request_queue {
        // SAFETY: By the type invariant, `hctx` is valid; it belongs to one queue for its life.
        unsafe { (*self.as_raw()).queue }
    }

    /// The data of the driver for the disk.
    #[inline]
    pub fn queue_data(&self) -> &'a T::QueueData {
        // SAFETY: By the type invariant, the queue is valid; `queuedata` does not change.
        let data = unsafe { (*self.queue()).queuedata };

        // SAFETY: The queue is that of a `GenDisk<T>`, hence `queuedata` points to a
        // `DiskData<T>`, which lives longer than callbacks and requests.
        unsafe { DiskData::<T>::queue_data(data) }
    }

    /// Stops the block layer from issuing requests on this queue.
    ///
    /// A driver does this when the device has no room, before it rejects a request with
    /// [`Status::RESOURCE`](super::Status::RESOURCE). To be sure that the queue starts again, it
    /// holds the lock of the device's queue from before it found no room until here, and calls
    /// [`start_stopped`](Self::start_stopped) under the same lock after it made room.
    ///
    /// The queue can be started again before the block layer has got the rejected request back.
    /// Then nobody but the block layer itself can issue it: after
    /// [`Status::DEV_RESOURCE`](super::Status::DEV_RESOURCE) it would leave that to the end of
    /// another request, and a request that ends in a batch does not do it.
    ///
    /// The queues of a disk that is being removed do not stop: what waits must end.
    ///
    /// May be called in any context.
    pub fn stop(&self) {
        // SAFETY: By the type invariant, `hctx` is valid.
        unsafe { bindings::blk_mq_stop_hw_queue(self.as_raw()) };

        // Pairs with `disk::remove`: either that starts the queue, or this sees that it must not
        // be stopped.
        smp_mb(Full);
        if self.is_disk_going() {
            self.start_stopped(Run::Async);
        }
    }

    /// Whether the disk is about to be removed, so that requests must not wait.
    fn is_disk_going(&self) -> bool {
        // SAFETY: By the type invariant, the queue is valid; `queuedata` does not change.
        let data = unsafe { (*self.queue()).queuedata };

        // SAFETY: The queue is that of a `GenDisk<T>`, hence `queuedata` points to a
        // `DiskData<T>`, which lives longer than callbacks and requests.
        unsafe { DiskData::<T>::is_going(data) }.load(Relaxed) != 0
    }

    /// Undoes [`stop`](Self::stop) and issues what has waited; does nothing if the queue is not
    /// stopped.
    ///
    /// # Context
    ///
    /// That of `run`.
    pub fn start_stopped(&self, run: Run) {
        // SAFETY: By the type invariant, `hctx` is valid.
        unsafe { bindings::blk_mq_start_stopped_hw_queue(self.as_raw(), run == Run::Async) };
    }

    /// Issues the requests of the disk that were requeued with [`Kick::Later`].
    ///
    /// May be called in any context.
    pub fn kick_requeue_list(&self) {
        // SAFETY: By the type invariant, the queue is valid.
        unsafe { bindings::blk_mq_kick_requeue_list(self.queue()) };
    }
}
