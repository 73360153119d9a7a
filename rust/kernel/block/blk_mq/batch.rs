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

/// Where a batch is kept.
enum Storage {
    /// By the block layer, which ends the batch some time after
    /// [`Operations::poll`] has returned; null if it does not want one.
    Lent(*mut bindings::io_comp_batch),
    /// Here. It ends when it is dropped.
    Own(bindings::io_comp_batch),
}

/// A batch of requests that end together, which costs less than one by one.
///
/// One is passed to [`Operations::poll`]. A driver can make one for each run of its interrupt
/// handler with [`new`](Self::new).
///
/// # Invariants
///
/// The requests in the batch belong to it. A pointer in `Storage::Lent` is null or valid for
/// `'a`.
pub struct CompletionBatch<'a, T: Operations> {
    storage: Storage,
    _p: PhantomData<&'a mut T>,
}

impl<T: Operations> CompletionBatch<'_, T> {
    /// Makes a batch that ends when it is dropped.
    #[inline]
    pub fn new() -> Self {
        // INVARIANT: It is empty.
        Self {
            storage: Storage::Own(pin_init::zeroed()),
            _p: PhantomData,
        }
    }

    /// # Safety
    ///
    /// `iob` must be null or a batch that is valid, and used by nobody else, as long as the result.
    #[inline]
    pub(super) unsafe fn from_raw(iob: *mut bindings::io_comp_batch) -> Self {
        // INVARIANT: By the requirement of this function.
        Self {
            storage: Storage::Lent(iob),
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

        let iob = match &mut self.storage {
            Storage::Lent(iob) => *iob,
            Storage::Own(iob) => core::ptr::from_mut(iob),
        };

        // SAFETY: `rq` is owned, so it is valid. By the type invariant, `iob` is null or valid.
        // If this succeeds, the request belongs to the batch.
        let added = unsafe {
            bindings::blk_mq_add_to_batch(rq.as_raw(), iob, false, Some(end_batch_callback))
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

impl<T: Operations> Default for CompletionBatch<'_, T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Operations> Drop for CompletionBatch<'_, T> {
    fn drop(&mut self) {
        if let Storage::Own(iob) = &mut self.storage {
            // SAFETY: By the type invariant, the requests in the batch belong to it.
            unsafe { bindings::blk_mq_end_request_batch(iob) };
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
