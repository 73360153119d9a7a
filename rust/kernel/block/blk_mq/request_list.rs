// SPDX-License-Identifier: GPL-2.0

//! Several requests that are issued at once.
//!
//! C header: [`include/linux/blk-mq.h`](srctree/include/linux/blk-mq.h)

use super::{
    hw_queue::{
        HwQueue,
        Kick, //
    },
    Idle,
    Operations,
    Request, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// Requests of one disk that are issued together.
///
/// # Invariants
///
/// `list` and `back` contain idle requests of `queue`, the queue of a
/// [`GenDisk<T>`](super::GenDisk), which belong to them. [`Operations::queue_rqs`] runs for `'a`.
pub struct RequestList<'a, T: Operations> {
    list: &'a mut bindings::rq_list,
    /// What goes back to the block layer.
    back: bindings::rq_list,
    queue: *mut bindings::request_queue,
    _p: PhantomData<T>,
}

impl<'a, T: Operations> RequestList<'a, T> {
    /// # Safety
    ///
    /// `list` must contain requests of one queue of a [`GenDisk<T>`](super::GenDisk) that are
    /// issued to the driver, in a call of `queue_rqs` that lasts for `'a`.
    pub(super) unsafe fn new(list: &'a mut bindings::rq_list) -> Self {
        let queue = match NonNull::new(list.head) {
            // SAFETY: By the requirement of this function, `first` is valid.
            Some(first) => unsafe { (*first.as_ptr()).q },
            None => core::ptr::null_mut(),
        };

        // INVARIANT: By the requirement of this function.
        Self {
            list,
            back: pin_init::zeroed(),
            queue,
            _p: PhantomData,
        }
    }

    /// Whether there are no requests.
    pub fn is_empty(&self) -> bool {
        self.list.head.is_null()
    }

    /// The hardware queue of the first request.
    pub fn peek_hw_queue(&self) -> Option<HwQueue<'a, T>> {
        let rq = NonNull::new(self.list.head)?;

        // SAFETY: By the type invariant, `rq` is valid.
        let hctx = unsafe { (*rq.as_ptr()).mq_hctx };

        // SAFETY: `queue_rqs` runs for `'a`, and `Disk::drop` waits for that.
        Some(unsafe { HwQueue::from_raw(hctx) })
    }

    /// Takes the first request.
    #[inline]
    pub fn pop(&mut self) -> Option<Request<T, Idle>> {
        let rq = NonNull::new(self.list.head)?;

        // SAFETY: By the type invariant, `rq` is valid and belongs to the list.
        let link = unsafe { &mut (*rq.as_ptr()).__bindgen_anon_1.rq_next };

        // INVARIANT: The others stay in the list.
        self.list.head = *link;
        *link = core::ptr::null_mut();
        if self.list.head.is_null() {
            self.list.tail = core::ptr::null_mut();
        }

        // SAFETY: By the type invariant, the request is idle, and now it is not in the list.
        Some(unsafe { Request::from_raw(rq) })
    }

    /// Leaves a request to [`queue_rq`](Operations::queue_rq), along with what is in the list when
    /// [`queue_rqs`](Operations::queue_rqs) returns. It does not come out of [`pop`](Self::pop).
    #[inline]
    pub fn push_back(&mut self, rq: Request<T, Idle>) {
        // SAFETY: `rq` is owned, so it is valid.
        if unsafe { (*rq.as_raw()).q } != self.queue {
            // A request of another disk goes back on its own.
            rq.start().requeue(Kick::Now);
            return;
        }

        // INVARIANT: `rq` is idle, of the same queue, and ownership passes to the list.
        let rq = rq.into_raw().as_ptr();

        // SAFETY: `rq` is valid and belongs to the list.
        unsafe { (*rq).__bindgen_anon_1.rq_next = core::ptr::null_mut() };
        append(&mut self.back, rq, rq);
    }
}

impl<T: Operations> Drop for RequestList<'_, T> {
    fn drop(&mut self) {
        if !self.back.head.is_null() {
            append(self.list, self.back.head, self.back.tail);
        }
    }
}

/// Adds the chain from `head` to `tail` at the end of `list`; all of them belong to the caller.
#[inline]
fn append(
    list: &mut bindings::rq_list,
    head: *mut bindings::request,
    tail: *mut bindings::request,
) {
    if list.tail.is_null() {
        list.head = head;
    } else {
        // SAFETY: The last request is valid and belongs to the caller.
        unsafe { (*list.tail).__bindgen_anon_1.rq_next = head };
    }
    list.tail = tail;
}
