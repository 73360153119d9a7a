// SPDX-License-Identifier: GPL-2.0

//! Requests that take too long.
//!
//! C header: [`include/linux/blk-mq.h`](srctree/include/linux/blk-mq.h)

use super::{
    disk_data::DiskData,
    op::Op,
    HwQueue,
    Operations, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// What happens to a request that takes too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeoutAction {
    /// The driver has ended the request, or makes sure that it ends.
    Done,
    /// The timer runs again.
    ResetTimer,
}

impl TimeoutAction {
    pub(super) fn as_raw(self) -> bindings::blk_eh_timer_return {
        match self {
            Self::Done => bindings::blk_eh_timer_return_BLK_EH_DONE,
            Self::ResetTimer => bindings::blk_eh_timer_return_BLK_EH_RESET_TIMER,
        }
    }
}

/// A request that takes too long.
///
/// Its owner is elsewhere, and may end it at any moment. So one can look at it, but not at its
/// data, and do nothing to it.
///
/// # Invariants
///
/// `rq` is a request of a [`GenDisk<T>`](super::GenDisk) that is not used for another purpose, and
/// whose queue stays, for `'a`.
pub struct TimedOutRequest<'a, T: Operations> {
    rq: NonNull<bindings::request>,
    _p: PhantomData<&'a T>,
}

impl<'a, T: Operations> TimedOutRequest<'a, T> {
    /// # Safety
    ///
    /// `rq` must be a request of a [`GenDisk<T>`](super::GenDisk) that the block layer keeps from
    /// being used for another purpose for `'a`.
    pub(super) unsafe fn new(rq: NonNull<bindings::request>) -> Self {
        // INVARIANT: By the requirement of this function.
        Self {
            rq,
            _p: PhantomData,
        }
    }

    /// The operation.
    pub fn op(&self) -> Op {
        // SAFETY: By the type invariant, `rq` is valid.
        let flags = unsafe { &raw const (*self.rq.as_ptr()).cmd_flags };

        // The operation stays; of the flags, some can change when the request ends.
        //
        // SAFETY: `flags` is valid for reads.
        Op::from_cmd_flags(unsafe { flags.read_volatile() })
    }

    /// The hardware queue that the request was issued on.
    pub fn hw_queue(&self) -> HwQueue<'a, T> {
        // SAFETY: By the type invariant, `rq` is valid, and keeps its hardware queue.
        let hctx = unsafe { (*self.rq.as_ptr()).mq_hctx };

        // SAFETY: The queue stays for `'a`, and with it the hardware queue.
        unsafe { HwQueue::from_raw(hctx) }
    }

    /// The data of the driver for the disk.
    pub fn queue_data(&self) -> &'a T::QueueData {
        // SAFETY: By the type invariant, `rq` and its queue are valid.
        let data = unsafe { (*(*self.rq.as_ptr()).q).queuedata };

        // SAFETY: The queue is that of a `GenDisk<T>`, hence `queuedata` points to a
        // `DiskData<T>`, which lives longer.
        unsafe { DiskData::<T>::queue_data(data) }
    }
}
