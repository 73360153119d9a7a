// SPDX-License-Identifier: GPL-2.0

//! Requests that a device completes by their tags.
//!
//! C header: [`include/linux/blk-mq.h`](srctree/include/linux/blk-mq.h)

use super::{
    Operations,
    Request,
    Started, //
};
use crate::{
    prelude::*,
    sync::atomic::{
        Acquire,
        Atomic,
        Relaxed,
        Release, //
    }, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// Started requests of one hardware queue that the device has, by their tags.
///
/// C finds a request with `blk_mq_tag_to_rq()`, whoever owns it, and in whatever state. Here the
/// requests that the device has are in the table, and nowhere else: who takes one out is its owner,
/// and nobody finds it a second time, nor one that is not in the table. So a tag can come from a
/// device. If it is the wrong one of those that the device has, then the wrong request ends.
///
/// All of it may be used by several CPUs at a time, in any context. Tags are unique within a
/// hardware queue, so each one needs a table of its own, for instance in
/// [`Operations::HwData`]. Requests that are left when the table is dropped fail; but disks wait
/// for their requests before that is dropped, so the driver must take out what its device will not
/// complete.
///
/// # Invariants
///
/// A slot is null, or a started request that belongs to the table and has the tag of the slot.
///
/// # Examples
///
/// ```
/// use kernel::{
///     block::blk_mq::{Operations, Request, RequestTable, Status},
///     prelude::*,
/// };
///
/// /// Gives a request to the device, which gets to know the tag that this returns.
/// fn issue<T: Operations>(table: &RequestTable<T>, rq: Request<T>) -> Result<u32> {
///     table.insert(rq).map_err(|rq| {
///         rq.end(Status::IOERR);
///         EBUSY
///     })
/// }
///
/// /// The device says that it has served the request with this tag.
/// fn completed<T: Operations>(table: &RequestTable<T>, tag: u32) -> Result {
///     table.take(tag).ok_or(EIO)?.complete();
///     Ok(())
/// }
/// ```
pub struct RequestTable<T: Operations> {
    slots: KVVec<Atomic<*mut bindings::request>>,
    _requests: PhantomData<fn() -> Request<T, Started>>,
}

impl<T: Operations> RequestTable<T> {
    /// A table for the tags below `depth`, the depth of the queue (see
    /// [`TagSet::queue_depth`](super::TagSet::queue_depth)).
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`]: there is no memory.
    pub fn new(depth: u32) -> Result<Self> {
        let depth = usize::try_from(depth)?;
        let mut slots = KVVec::with_capacity(depth, GFP_KERNEL)?;

        for _ in 0..depth {
            // INVARIANT: The table is empty.
            slots.push(Atomic::new(core::ptr::null_mut()), GFP_KERNEL)?;
        }
        Ok(Self {
            slots,
            _requests: PhantomData,
        })
    }

    fn slot(&self, tag: u32) -> Option<&Atomic<*mut bindings::request>> {
        self.slots.get(usize::try_from(tag).ok()?)
    }

    /// Puts a request into the table, and returns its tag. From here on
    /// [`take`](Self::take) finds it, so this comes before the device gets to know of it.
    ///
    /// # Errors
    ///
    /// The request: there is no slot for its tag, or the slot is taken, as the request is not of
    /// the hardware queue that the table is for.
    pub fn insert(&self, rq: Request<T, Started>) -> Result<u32, Request<T, Started>> {
        let tag = rq.tag();
        let Some(slot) = self.slot(tag) else {
            return Err(rq);
        };
        let raw = rq.into_raw();

        // INVARIANT: The slot was empty, and the request belongs to the table from here on.
        match slot.cmpxchg(core::ptr::null_mut(), raw.as_ptr(), Release) {
            Ok(_) => Ok(tag),
            // SAFETY: The ownership was given up above, and was not taken by the table.
            Err(_) => Err(unsafe { Request::from_raw(raw) }),
        }
    }

    /// Takes the request with this tag out of the table; none if it is not there.
    pub fn take(&self, tag: u32) -> Option<Request<T, Started>> {
        let slot = self.slot(tag)?;

        // Most of the time that a device lies, there is nothing to be changed.
        if slot.load(Relaxed).is_null() {
            return None;
        }
        // INVARIANT: The slot is empty.
        let rq = NonNull::new(slot.xchg(core::ptr::null_mut(), Acquire))?;

        // SAFETY: By the type invariant, it is a started request that belonged to the table.
        // Nobody else has found it there.
        Some(unsafe { Request::from_raw(rq) })
    }

    /// Takes all requests out of the table, one after the other, for instance when the device was
    /// reset. Those that are put in meanwhile may be among them or not.
    pub fn drain(&self) -> impl Iterator<Item = Request<T, Started>> + '_ {
        // CAST: `new` was told the number as a `u32`.
        (0..self.slots.len() as u32).filter_map(|tag| self.take(tag))
    }
}

impl<T: Operations> Drop for RequestTable<T> {
    fn drop(&mut self) {
        self.drain().for_each(drop);
    }
}
