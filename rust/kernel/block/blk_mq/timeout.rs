// SPDX-License-Identifier: GPL-2.0

//! Requests that take too long.
//!
//! C header: [`include/linux/blk-mq.h`](srctree/include/linux/blk-mq.h)

use super::{
    disk_data::DiskData,
    op::Op,
    pdu::Pdu,
    HwQueue,
    Operations,
    Request, //
};
use crate::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Full, //
    },
    time::{
        Delta,
        Instant,
        Monotonic, //
    }, //
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

/// The requests of a disk that its driver has started, and that have not ended.
#[derive(Clone, Copy, Debug)]
pub struct InFlight {
    /// How many there are.
    pub count: u32,
    /// How long the oldest of them has existed; none, if the block layer keeps no statistics.
    pub oldest: Option<Delta>,
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

    /// Takes the request, if its completion was withheld to see what becomes of that; see
    /// [`Request::complete_remote`].
    ///
    /// The device has served the request, and the driver has taken it from there. To be tested is
    /// what the driver does about a request that it would still wait for, so it treats the request
    /// as if it had got it back by force: ends it, or requeues it. What it does not take is
    /// completed when [`Operations::timeout`] has returned.
    pub fn take_withheld(&self) -> Option<Request<T>> {
        // SAFETY: By the type invariant, it is a request of a `GenDisk<T>`.
        let pdu = unsafe { Pdu::<T>::of(self.rq) }.as_ptr();
        // SAFETY: The PDU was initialized along with the tag. This part of it can be used by
        // others than the owner.
        let is_withheld: &Atomic<u32> = unsafe { &(*pdu).is_withheld };

        // Pairs with the barrier of `Request::withhold`.
        if is_withheld.xchg(0, Full) == 0 {
            return None;
        }
        // SAFETY: `Request::withhold` has given up the ownership of a started request, and nobody
        // else has seen it do so.
        Some(unsafe { Request::from_raw(self.rq) })
    }

    /// The data of the driver for the disk.
    pub fn queue_data(&self) -> &'a T::QueueData {
        // SAFETY: By the type invariant, `rq` and its queue are valid.
        let data = unsafe { (*(*self.rq.as_ptr()).q).queuedata };

        // SAFETY: The queue is that of a `GenDisk<T>`, hence `queuedata` points to a
        // `DiskData<T>`, which lives longer.
        unsafe { DiskData::<T>::queue_data(data) }
    }

    /// Whether the request has ended meanwhile, or was given back to be issued again.
    pub fn has_ended(&self) -> bool {
        // SAFETY: By the type invariant, `rq` is valid.
        let state = unsafe { &raw const (*self.rq.as_ptr()).state };

        // SAFETY: `state` is valid for reads. Its owner changes it at any time, so it is read once.
        let state = unsafe { state.read_volatile() };

        state != bindings::mq_rq_state_MQ_RQ_IN_FLIGHT
    }

    /// Counts what the disk has in flight.
    ///
    /// # Context
    ///
    /// Process context.
    pub fn in_flight(&self) -> InFlight {
        // SAFETY: By the type invariant, `rq` and its queue are valid.
        let queue = unsafe { (*self.rq.as_ptr()).q };
        let mut sum = Sum {
            queue,
            count: 0,
            oldest: u64::MAX,
        };

        // SAFETY: The queue has a tag set, and `add` expects a `Sum`.
        unsafe {
            bindings::blk_mq_tagset_busy_iter((*queue).tag_set, Some(add), (&raw mut sum).cast())
        };

        let now = Instant::<Monotonic>::now().as_nanos();
        let oldest = i64::try_from(sum.oldest)
            .ok()
            .and_then(|oldest| now.checked_sub(oldest))
            .map(|age| Delta::from_nanos(age.max(0)));

        InFlight {
            count: sum.count,
            oldest,
        }
    }
}

/// The requests that were counted.
struct Sum {
    queue: *mut bindings::request_queue,
    count: u32,
    /// When the oldest was made, in nanoseconds since the start.
    oldest: u64,
}

/// Counts a request if it is of the right disk.
///
/// # Safety
///
/// `rq` must be valid, and `sum` point to a [`Sum`] that nobody else uses.
unsafe extern "C" fn add(rq: *mut bindings::request, sum: *mut c_void) -> bool {
    // SAFETY: By the requirement of this function.
    let sum = unsafe { &mut *sum.cast::<Sum>() };

    // SAFETY: By the requirement of this function.
    if unsafe { (*rq).q } == sum.queue {
        // SAFETY: As above. It does not change while the request is in flight.
        let start = unsafe { (*rq).start_time_ns };

        sum.count += 1;
        if start != 0 {
            sum.oldest = sum.oldest.min(start);
        }
    }
    true
}
