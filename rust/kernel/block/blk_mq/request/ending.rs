// SPDX-License-Identifier: GPL-2.0

//! How a driver gets rid of a request: it ends, is completed elsewhere, is issued again, or is
//! handed back.

use super::{
    Either,
    Request,
    Started,
    State, //
};
use crate::{
    block::blk_mq::{
        disk_data::DiskData,
        pdu::Pdu,
        Kick,
        Operations,
        Status, //
    },
    sync::{
        atomic::{
            Acquire,
            Relaxed,
            Release, //
        },
        barrier::{
            smp_mb,
            Full, //
        }, //
    }, //
};
use core::{
    mem::ManuallyDrop,
    ptr::NonNull, //
};

impl<T: Operations, S: State> Request<T, S> {
    /// Hands the request back to the block layer, which ends it with `status`; or issues it again
    /// if that is [`Status::RESOURCE`] or [`Status::DEV_RESOURCE`].
    ///
    /// This is how [`Operations::queue_rq`] fails.
    #[inline]
    pub fn reject(self, status: Status) -> Rejected<T> {
        // INVARIANT: Every state is one of `Either`.
        Rejected {
            rq: ManuallyDrop::new(self.retype()),
            status,
        }
    }

    fn end_as(self, status: Status) {
        let rq = self.into_raw();

        // SAFETY: By the type invariant, `rq` is owned by the driver, and `self` is gone. As for
        // the state, the block layer itself ends requests that were not started.
        unsafe { bindings::blk_mq_end_request(rq.as_ptr(), status.as_raw()) };
    }

    /// Issues requeued requests if the disk is about to be removed.
    ///
    /// # Safety
    ///
    /// `queue` must be the queue of a [`GenDisk<T>`](super::GenDisk) that cannot go away.
    #[cold]
    unsafe fn kick_if_going(queue: *mut bindings::request_queue) {
        // Pairs with `disk::remove`: either that kicks the list, or this sees that it must.
        smp_mb(Full);
        // SAFETY: By the requirement of this function.
        let data = unsafe { (*queue).queuedata };

        // SAFETY: By the requirement of this function, it is a `DiskData<T>`, which lives as long.
        if unsafe { DiskData::<T>::is_going(data) }.load(Relaxed) != 0 {
            // SAFETY: By the requirement of this function.
            unsafe { bindings::blk_mq_kick_requeue_list(queue) };
        }
    }

    fn requeue_as(self, kick: Kick) {
        let rq = self.into_raw().as_ptr();

        // SAFETY: By the type invariant of the consumed `self`, `rq` is valid, and its queue too.
        let usage = unsafe { &raw mut (*(*rq).q).q_usage_counter };

        // As soon as the request is on the list, another CPU can issue and end it, and the queue
        // could go away while this one is about to kick the list.
        //
        // SAFETY: The request holds a reference, so there is one to add to.
        unsafe { bindings::percpu_ref_get(usage) };
        // SAFETY: As above.
        let queue = unsafe { (*rq).q };

        // SAFETY: `rq` is valid and owned by the driver, and `self` is gone.
        unsafe { bindings::blk_mq_requeue_request(rq, kick == Kick::Now) };
        if kick == Kick::Later {
            // SAFETY: The reference that was taken above keeps the queue.
            unsafe { Self::kick_if_going(queue) };
        }
        // SAFETY: The reference was taken above.
        unsafe { bindings::percpu_ref_put(usage) };
    }
}

impl<T: Operations> Request<T, Started> {
    /// Calls [`Operations::complete`] on the CPU that the block layer wants requests of this queue
    /// to be completed on, in softirq context if it is another one.
    #[inline]
    pub fn complete(self) {
        if let Some(rq) = self.complete_remote() {
            T::complete(rq);
        }
    }

    /// Passes the request on to another CPU, if that is where it should be completed;
    /// [`Operations::complete`] gets it there. Otherwise returns it.
    ///
    /// With this a driver can complete in a batch what it may complete here.
    ///
    /// Where faults are injected (`io-timeout-fail` in `/sys/block`), the completion may also be
    /// withheld, as if the device had not answered. Then the request waits for its timeout, where
    /// the driver can get it with [`TimedOutRequest::take_withheld`]; if it does not, the request
    /// is completed after that.
    ///
    /// [`TimedOutRequest::take_withheld`]: crate::block::blk_mq::TimedOutRequest::take_withheld
    #[inline]
    pub fn complete_remote(self) -> Option<Self> {
        if cfg!(CONFIG_FAIL_IO_TIMEOUT) {
            // SAFETY: By the type invariant, the request and its queue are valid.
            let queue = unsafe { (*self.as_raw()).q };

            // SAFETY: As above.
            if unsafe { bindings::blk_should_fake_timeout(queue) } {
                return self.withhold().and_then(Self::pass_on);
            }
        }
        self.pass_on()
    }

    /// As [`complete`](Self::complete), but the completion is not withheld.
    pub(in crate::block::blk_mq) fn complete_for_real(self) {
        if let Some(rq) = self.pass_on() {
            T::complete(rq);
        }
    }

    /// As [`complete_remote`](Self::complete_remote), but the completion is not withheld.
    #[inline]
    fn pass_on(self) -> Option<Self> {
        let rq = self.into_raw();

        // SAFETY: By the type invariant of the consumed `self`, `rq` is valid, started and owned
        // by the driver.
        if unsafe { bindings::blk_mq_complete_request_remote(rq.as_ptr()) } {
            // `Operations::complete` takes up the ownership.
            return None;
        }

        // SAFETY: The ownership that was given up above was not taken. A request that is marked
        // complete still counts as started.
        Some(unsafe { Self::from_raw(rq) })
    }

    /// Gives up ownership until the request times out. Returns the request if it will not: the last
    /// timeout is running just now, or the driver has said there that it makes sure that the
    /// request ends.
    #[cold]
    pub(in crate::block::blk_mq) fn withhold(self) -> Option<Self> {
        let rq = self.into_raw();
        // SAFETY: By the type invariant of the consumed `self`, a `Pdu<T>` follows.
        let pdu = unsafe { Pdu::<T>::of(rq) }.as_ptr();
        // SAFETY: The PDU is initialized, and valid as long as the queue is kept, below.
        let is_withheld = unsafe { &(*pdu).is_withheld };
        // SAFETY: By the type invariant of the consumed `self`, `rq` is valid, and its queue too.
        let usage = unsafe { &raw mut (*(*rq.as_ptr()).q).q_usage_counter };

        // SAFETY: The request holds a reference, so there is one to add to.
        unsafe { bindings::percpu_ref_get(usage) };
        // As soon as this is seen, the ownership is taken: see `TimedOutRequest::take_withheld`.
        is_withheld.store(1, Release);
        // Pairs with the barrier there: either a timeout sees what is withheld, or this sees that
        // the last timeout has come.
        smp_mb(Full);
        // SAFETY: The reference that was taken above keeps the queue and its requests.
        let is_lost = !unsafe { timer_runs(rq) } && is_withheld.xchg(0, Acquire) != 0;
        // SAFETY: The reference was taken above.
        unsafe { bindings::percpu_ref_put(usage) };

        // SAFETY: The ownership was given up by whoever has withheld the request, and nobody else
        // has seen it do so.
        is_lost.then(|| unsafe { Self::from_raw(rq) })
    }

    /// Ends the request.
    ///
    /// May be called in any context.
    #[inline]
    pub fn end(self, status: Status) {
        self.end_as(status);
    }

    /// Gives the request back to the block layer, to be issued again.
    ///
    /// May be called in any context.
    pub fn requeue(self, kick: Kick) {
        self.requeue_as(kick);
    }
}

/// Whether a request that is started can still time out.
///
/// # Safety
///
/// `rq` must point to a request, which somebody else may own.
unsafe fn timer_runs(rq: NonNull<bindings::request>) -> bool {
    const TIMED_OUT: u32 = 1 << bindings::rqf_flags___RQF_TIMED_OUT;

    // SAFETY: By the requirement of this function.
    let flags = unsafe { &raw const (*rq.as_ptr()).rq_flags };
    // SAFETY: By the requirement of this function.
    let state = unsafe { &raw const (*rq.as_ptr()).state };

    // SAFETY: `flags` is valid for reads. Others may change it, so it is read once.
    let flags = unsafe { flags.read_volatile() };
    // SAFETY: As above.
    let state = unsafe { state.read_volatile() };

    flags & TIMED_OUT == 0 && state == bindings::mq_rq_state_MQ_RQ_IN_FLIGHT
}

impl<T: Operations, S: State> Drop for Request<T, S> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, `rq` is owned by the driver, and `self` is about to go.
        unsafe { bindings::blk_mq_end_request(self.as_raw(), Status::IOERR.as_raw()) };
    }
}

/// A request on its way back to the block layer, with the reason.
///
/// It can only be made from a request, so a driver cannot report an error for a request that it
/// does not have any more. When dropped, the request ends, or is issued again, as the status says.
#[must_use = "return it from `queue_rq`"]
pub struct Rejected<T: Operations> {
    rq: ManuallyDrop<Request<T, Either>>,
    status: Status,
}

impl<T: Operations> Rejected<T> {
    /// Returns the status for C if this is the request that C has asked for in this call of
    /// [`Operations::queue_rq`].
    ///
    /// Otherwise, or if the block layer would take the status for success, the request goes its
    /// way on its own.
    pub(in crate::block::blk_mq) fn into_status(
        self,
        call: &bindings::blk_mq_queue_data,
    ) -> Status {
        if self.rq.as_raw() != call.rq || self.status.is_ok() {
            return Status::OK;
        }
        // The request may have ended meanwhile and be another one by now, which was issued by
        // another call.
        if self.rq.issued_by() != call {
            return Status::OK;
        }

        // The block layer takes the ownership back with the status.
        ManuallyDrop::new(self).status
    }
}

impl<T: Operations> Drop for Rejected<T> {
    fn drop(&mut self) {
        // SAFETY: `rq` is taken here and nowhere else.
        let rq = unsafe { ManuallyDrop::take(&mut self.rq) };

        if self.status.is_retry() {
            rq.requeue_as(Kick::Now);
        } else {
            rq.end_as(self.status);
        }
    }
}
