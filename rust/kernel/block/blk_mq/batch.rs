// SPDX-License-Identifier: GPL-2.0

//! Ending several requests at once.
//!
//! C header: [`include/linux/blk-mq.h`](srctree/include/linux/blk-mq.h)

use super::{
    Operations,
    Request,
    Started,
    Status, //
};
use core::marker::PhantomData;

/// A batch of requests that end together, which costs less than one by one.
///
/// One is passed to [`Operations::poll`]. A driver can make one for each run of its interrupt
/// handler with [`with`](Self::with).
///
/// # Invariants
///
/// `iob` is null, if nobody wants a batch, or valid for `'a` and used by nobody else. The requests
/// in it belong to it.
pub struct CompletionBatch<'a, T: Operations> {
    iob: *mut bindings::io_comp_batch,
    _p: PhantomData<&'a mut T>,
}

impl<T: Operations> CompletionBatch<'_, T> {
    /// Makes a batch, and ends what `fill` has put into it.
    #[inline]
    pub fn with<R>(fill: impl FnOnce(&mut CompletionBatch<'_, T>) -> R) -> R {
        let mut iob = pin_init::zeroed();

        // SAFETY: Nobody else uses the batch, and it outlives the call: `fill` cannot name the
        // lifetime, and there are no batches by value, so none can be taken away or exchanged.
        let result = fill(&mut unsafe { CompletionBatch::from_raw(&mut iob) });

        // SAFETY: The requests in the batch belong to it, and nobody can add more.
        unsafe { bindings::blk_mq_end_request_batch(&mut iob) };
        result
    }

    /// # Safety
    ///
    /// `iob` must be null or a batch that is valid, and used by nobody else, as long as the result.
    #[inline]
    pub(super) unsafe fn from_raw(iob: *mut bindings::io_comp_batch) -> Self {
        // INVARIANT: By the requirement of this function.
        Self {
            iob,
            _p: PhantomData,
        }
    }

    /// Ends a request along with the batch; at once, if it failed or cannot be in a batch.
    #[inline]
    pub fn end(&mut self, rq: Request<T, Started>, status: Status) {
        // In a batch every request counts as served.
        if !status.is_ok() {
            rq.end(status);
            return;
        }

        // SAFETY: `rq` is owned, so it is valid. By the type invariant, `iob` is null or valid.
        // If this succeeds, the request belongs to the batch.
        let added = unsafe {
            bindings::blk_mq_add_to_batch(rq.as_raw(), self.iob, false, Some(end_batch_callback))
        };

        if added {
            let rq = rq.into_raw();

            // From here on it cannot time out.
            //
            // SAFETY: The request is valid as long as it is in the batch.
            unsafe { bindings::blk_mq_set_request_complete(rq.as_ptr()) };
        } else {
            rq.end(status);
        }
    }
}

/// Ends a batch. By the time that a request is put into one, its driver has done everything else.
///
/// # Safety
///
/// `iob` must be a valid batch.
unsafe extern "C" fn end_batch_callback(iob: *mut bindings::io_comp_batch) {
    // SAFETY: By the requirement of this function.
    unsafe { bindings::blk_mq_end_request_batch(iob) };
}
