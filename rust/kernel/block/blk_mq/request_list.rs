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

        // SAFETY: `queue_rqs` runs for `'a`, and `disk::remove` waits for that.
        Some(unsafe { HwQueue::from_raw(hctx) })
    }

    /// Takes the first request.
    #[inline]
    pub fn pop(&mut self) -> Option<Request<T, Idle>> {
        // INVARIANT: The others stay in the list.
        //
        // SAFETY: By the type invariant, the requests belong to the list.
        let rq = unsafe { pop_front(self.list) }?;

        // SAFETY: By the type invariant, the request is idle, and now it is not in the list.
        Some(unsafe { Request::from_list(rq) })
    }

    /// Takes the first request if it is for the hardware queue number `index`.
    #[inline]
    pub fn pop_if(&mut self, index: u32) -> Option<Request<T, Idle>> {
        if self.peek_hw_queue()?.index() == index {
            self.pop()
        } else {
            None
        }
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
        // INVARIANT: The request is idle, and of this disk.
        //
        // SAFETY: The request is owned, so it is in no list, and passes to this one.
        unsafe { push(&mut self.back, rq.into_raw()) };
    }
}

impl<T: Operations> Drop for RequestList<'_, T> {
    fn drop(&mut self) {
        if !self.back.head.is_null() {
            // INVARIANT: The requests pass from one list to the other.
            //
            // SAFETY: By the type invariant, the requests belong to the lists.
            unsafe { append(self.list, self.back.head, self.back.tail) };
        }
    }
}

/// Takes the first request out of `list`.
///
/// # Safety
///
/// The requests in `list` must be valid and belong to it.
#[inline]
pub(in crate::block) unsafe fn pop_front(
    list: &mut bindings::rq_list,
) -> Option<NonNull<bindings::request>> {
    let rq = NonNull::new(list.head)?;

    // SAFETY: By the requirement of this function.
    let link = unsafe { &mut (*rq.as_ptr()).__bindgen_anon_1.rq_next };

    list.head = *link;
    *link = core::ptr::null_mut();
    if list.head.is_null() {
        list.tail = core::ptr::null_mut();
    }
    Some(rq)
}

/// Adds a request at the end of `list`.
///
/// # Safety
///
/// `rq` must be valid, belong to the caller, and be in no list. The requests in `list` must be
/// valid and belong to it.
#[inline]
pub(in crate::block) unsafe fn push(list: &mut bindings::rq_list, rq: NonNull<bindings::request>) {
    let rq = rq.as_ptr();

    // SAFETY: By the requirement of this function.
    unsafe { (*rq).__bindgen_anon_1.rq_next = core::ptr::null_mut() };
    // SAFETY: By the requirement of this function; `rq` is the chain.
    unsafe { append(list, rq, rq) };
}

/// Adds the chain from `head` to `tail` at the end of `list`.
///
/// # Safety
///
/// The requests of the chain must be valid and belong to the caller, those in `list` be valid and
/// belong to that.
#[inline]
unsafe fn append(
    list: &mut bindings::rq_list,
    head: *mut bindings::request,
    tail: *mut bindings::request,
) {
    if list.tail.is_null() {
        list.head = head;
    } else {
        // SAFETY: By the requirement of this function.
        unsafe { (*list.tail).__bindgen_anon_1.rq_next = head };
    }
    list.tail = tail;
}
