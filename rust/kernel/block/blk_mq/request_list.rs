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
    Request,
    Status, //
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
        let rq = pop_front(self.list)?;

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

    /// Lets a driver prepare all requests before it takes the first of them, and with it a lock.
    /// Those for which `prepare` returns a status leave the list, rejected with it.
    #[inline]
    pub fn prepare(
        &mut self,
        mut prepare: impl FnMut(&mut Request<T, Idle>) -> Result<(), Status>,
    ) {
        let mut previous = core::ptr::null_mut();
        let mut next = self.list.head;

        while let Some(this) = NonNull::new(next) {
            // SAFETY: By the type invariant, the request is valid and belongs to the list.
            next = unsafe { (*this.as_ptr()).__bindgen_anon_1.rq_next };
            // SAFETY: By the type invariant, the request is idle. It is in the list still, but
            // nobody looks at that before it is linked again below.
            let mut rq = unsafe { Request::from_list(this) };
            let result = prepare(&mut rq);

            // `prepare` may have put another request there, and even this one again after it has
            // ended and come back as a request of another disk.
            //
            // SAFETY: `rq` is owned, so it is valid.
            let is_ours = unsafe { (*rq.as_raw()).q } == self.queue;

            previous = if result.is_ok() && is_ours && rq.as_raw() == this.as_ptr() {
                // It may have been in other lists meanwhile.
                //
                // SAFETY: As above.
                unsafe { (*this.as_ptr()).__bindgen_anon_1.rq_next = next };
                // INVARIANT: The request is idle, of this disk, and linked.
                rq.into_raw().as_ptr()
            } else {
                self.replace(previous, rq, result, next)
            };
        }
    }

    /// Puts a request between `previous`, or the start of the list if that is null, and `next`; or
    /// none there, if `result` is an error. Returns what is before `next` then.
    #[cold]
    fn replace(
        &mut self,
        previous: *mut bindings::request,
        rq: Request<T, Idle>,
        result: Result<(), Status>,
        next: *mut bindings::request,
    ) -> *mut bindings::request {
        let kept = match result {
            Ok(()) => self.claim(rq),
            Err(status) => {
                drop(rq.reject(status));
                None
            }
        };

        let last = match kept {
            Some(rq) => {
                self.link(previous, rq);
                rq
            }
            None => previous,
        };

        self.link(last, next);
        if next.is_null() {
            self.list.tail = last;
        }
        last
    }

    /// Lets `rq` follow `previous`, or be the first if that is null.
    fn link(&mut self, previous: *mut bindings::request, rq: *mut bindings::request) {
        match NonNull::new(previous) {
            // SAFETY: The request is valid and belongs to the list.
            Some(previous) => unsafe { (*previous.as_ptr()).__bindgen_anon_1.rq_next = rq },
            None => self.list.head = rq,
        }
    }

    /// Leaves a request to [`queue_rq`](Operations::queue_rq), along with what is in the list when
    /// [`queue_rqs`](Operations::queue_rqs) returns. It does not come out of [`pop`](Self::pop).
    #[inline]
    pub fn push_back(&mut self, rq: Request<T, Idle>) {
        if let Some(rq) = self.claim(rq) {
            // INVARIANT: `rq` may be in a list, and is in none.
            append(&mut self.back, rq, rq);
        }
    }

    /// Returns a request that may be in one of the lists: idle, and of this disk. A request of
    /// another disk goes back on its own.
    #[inline]
    fn claim(&self, rq: Request<T, Idle>) -> Option<*mut bindings::request> {
        // SAFETY: `rq` is owned, so it is valid.
        if unsafe { (*rq.as_raw()).q } != self.queue {
            rq.start().requeue(Kick::Now);
            return None;
        }

        let rq = rq.into_raw().as_ptr();

        // SAFETY: `rq` is valid and belongs to the caller.
        unsafe { (*rq).__bindgen_anon_1.rq_next = core::ptr::null_mut() };
        Some(rq)
    }
}

impl<T: Operations> Drop for RequestList<'_, T> {
    fn drop(&mut self) {
        if !self.back.head.is_null() {
            append(self.list, self.back.head, self.back.tail);
        }
    }
}

/// Takes the first request out of `list`; all of them belong to the caller.
#[inline]
fn pop_front(list: &mut bindings::rq_list) -> Option<NonNull<bindings::request>> {
    let rq = NonNull::new(list.head)?;

    // SAFETY: The request is valid and belongs to the caller.
    let link = unsafe { &mut (*rq.as_ptr()).__bindgen_anon_1.rq_next };

    list.head = *link;
    *link = core::ptr::null_mut();
    if list.head.is_null() {
        list.tail = core::ptr::null_mut();
    }
    Some(rq)
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
