// SPDX-License-Identifier: GPL-2.0

//! Tag sets: the requests that a device can have in flight.
//!
//! C header: [`include/linux/blk-mq.h`](srctree/include/linux/blk-mq.h)

use super::{
    callers::Callers,
    operations::OperationsVTable,
    pdu::Pdu,
    queue_map::Maps,
    Operations, //
};
use crate::{
    container_of,
    error::to_result,
    prelude::*,
    time::Delta,
    types::Opaque, //
};
use core::cell::UnsafeCell;

/// How a tag set behaves; see [`TagSet::new`].
#[derive(Clone, Copy, Debug)]
pub struct TagSetOptions {
    /// The number of hardware queues. The set gets fewer if there are fewer CPUs and one map.
    pub nr_hw_queues: u32,
    /// The number of requests in flight on each hardware queue.
    pub queue_depth: u32,
    /// The maps from CPUs to hardware queues. With [`Maps::Three`], disks can be polled.
    pub maps: Maps,
    /// How long a started request may take; zero for the default of the block layer.
    pub timeout: Delta,
    /// Whether [`Operations::queue_rq`] may sleep.
    pub blocking: bool,
    /// Whether disks start without an I/O scheduler, although they have one hardware queue.
    pub no_sched_by_default: bool,
}

impl Default for TagSetOptions {
    /// One hardware queue with 128 requests.
    fn default() -> Self {
        Self {
            nr_hw_queues: 1,
            queue_depth: bindings::BLKDEV_DEFAULT_RQ,
            maps: Maps::One,
            timeout: Delta::ZERO,
            blocking: false,
            no_sched_by_default: false,
        }
    }
}

impl TagSetOptions {
    fn flags(&self) -> u32 {
        let mut flags = 0;

        if self.blocking {
            flags |= bindings::BLK_MQ_F_BLOCKING;
        }
        if self.no_sched_by_default {
            flags |= bindings::BLK_MQ_F_NO_SCHED_BY_DEFAULT;
        }
        flags
    }

    /// Checks what C answers with `BUG`, or not at all.
    fn check<T: Operations>(&self) -> Result<u32> {
        let timeout = u32::try_from(self.timeout.as_millis())?;

        if (self.maps != Maps::One && !T::HAS_MAP_QUEUES)
            || (self.maps == Maps::Three && !T::HAS_POLL)
        {
            return Err(EINVAL);
        }

        Ok(timeout)
    }
}

/// How far a tag set is.
enum Construction {
    Running,
    /// [`Operations::init_request_data`] has failed.
    Failed(Error),
    Done,
}

/// The requests and hardware queues of a device, which its disks share.
///
/// Equivalent to C's `struct blk_mq_tag_set`.
///
/// Disks keep a reference. Dropping the last one may sleep.
///
/// # Invariants
///
/// `inner` is initialized, and its `driver_data` points to `data`. `construction` changes only in
/// [`new`](Self::new).
///
/// # Examples
///
/// ```
/// use kernel::{
///     block::blk_mq::{Operations, TagSet, TagSetOptions},
///     prelude::*,
///     sync::Arc,
/// };
///
/// fn tag_set<T: Operations<TagSetData = ()>>() -> Result<Arc<TagSet<T>>> {
///     let options = TagSetOptions { queue_depth: 64, ..Default::default() };
///
///     Arc::pin_init(TagSet::new(options, ()), GFP_KERNEL)
/// }
/// ```
#[pin_data(PinnedDrop)]
pub struct TagSet<T: Operations> {
    #[pin]
    inner: Opaque<bindings::blk_mq_tag_set>,
    construction: UnsafeCell<Construction>,
    #[pin]
    callers: Callers,
    #[pin]
    data: T::TagSetData,
}

// SAFETY: `T::TagSetData` is `Send`, as is what `T::init_request_data` leaves in the requests.
unsafe impl<T: Operations> Send for TagSet<T> {}

// SAFETY: Shared references give access to `T::TagSetData`, which is `Sync`, and to numbers that
// do not change any more.
unsafe impl<T: Operations> Sync for TagSet<T> {}

impl<T: Operations> TagSet<T> {
    /// Allocates the requests of a device.
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// - [`EINVAL`]: there are no queues or no requests, the timeout is negative or above 49 days,
    ///   there are several maps but no [`Operations::map_queues`], or disks can be polled but there
    ///   is no [`Operations::poll`].
    /// - [`ENOMEM`]: there is no memory.
    /// - What the initializer of `data` or [`Operations::init_request_data`] returns.
    pub fn new<E>(
        options: TagSetOptions,
        data: impl PinInit<T::TagSetData, E>,
    ) -> impl PinInit<Self, Error>
    where
        Error: From<E>,
    {
        try_pin_init!(&this in Self {
            data <- data,
            construction: UnsafeCell::new(Construction::Running),
            callers <- Callers::new(),
            inner <- Opaque::try_ffi_init(move |slot: *mut bindings::blk_mq_tag_set| {
                let timeout = options.check::<T>()?;

                // SAFETY: `slot` is valid for writes, and all zeroes is valid.
                unsafe { slot.write(pin_init::zeroed()) };
                // SAFETY: Nobody else knows of `slot` yet.
                let set = unsafe { &mut *slot };

                set.ops = OperationsVTable::<T>::build(options.blocking);
                set.nr_hw_queues = options.nr_hw_queues;
                set.queue_depth = options.queue_depth;
                set.nr_maps = options.maps.count();
                set.numa_node = bindings::NUMA_NO_NODE;
                set.cmd_size = Pdu::<T>::CMD_SIZE;
                set.flags = options.flags();
                // SAFETY: Any value may be converted.
                set.timeout = unsafe { bindings::__msecs_to_jiffies(timeout) } as u32;
                // SAFETY: `this` is being initialized, so `data` is in the same allocation.
                set.driver_data = unsafe { &raw mut (*this.as_ptr()).data }.cast();

                // SAFETY: The operations are those of `T`. What they use is initialized: `data`
                // and `construction`.
                let result = to_result(unsafe { bindings::blk_mq_alloc_tag_set(slot) });

                if result.is_err() {
                    // SAFETY: `slot` was zeroed, and then passed to `blk_mq_alloc_tag_set`, which
                    // has failed.
                    unsafe { bindings::blk_mq_settle_failed_tag_set(slot) };
                    return result;
                }

                // SAFETY: `construction` is initialized, and only used by this thread.
                let construction = unsafe { (*this.as_ptr()).construction.get() };

                // SAFETY: As above.
                match unsafe { construction.replace(Construction::Done) } {
                    Construction::Failed(error) => {
                        // SAFETY: The set was made above.
                        unsafe { bindings::blk_mq_free_tag_set(slot) };
                        Err(error)
                    }
                    _ => Ok(()),
                }
            }),
        })
    }

    /// The tag set that C's part belongs to.
    ///
    /// # Safety
    ///
    /// `set` must be the inner part of a `TagSet<T>` that lives for `'a`, and is complete.
    pub(super) unsafe fn from_raw<'a>(set: *mut bindings::blk_mq_tag_set) -> &'a Self {
        // SAFETY: By the requirement of this function.
        unsafe { &*container_of!(Opaque::cast_from(set), Self, inner) }
    }

    /// The threads that are in functions of the driver.
    pub(super) fn callers(&self) -> &Callers {
        &self.callers
    }

    /// As [`callers`](Self::callers), for a set that may not be complete.
    ///
    /// # Safety
    ///
    /// `set` must be the inner part of a `TagSet<T>` that lives for `'a`.
    pub(super) unsafe fn callers_of<'a>(set: *mut bindings::blk_mq_tag_set) -> &'a Callers {
        // SAFETY: By the requirement of this function.
        let this = unsafe { container_of!(Opaque::cast_from(set), Self, inner) };

        // SAFETY: By the requirement of this function, and `callers` was initialized before
        // `inner`.
        unsafe { &(*this).callers }
    }

    /// Makes data for a request of a set. While the set itself is made, a failure is noted, and
    /// returns nothing.
    ///
    /// If C got to know of it at that time, then it would leave SRCU callbacks behind that refer
    /// to the set.
    ///
    /// # Safety
    ///
    /// `set` must be the inner part of a `TagSet<T>`.
    pub(super) unsafe fn try_construct(
        set: *mut bindings::blk_mq_tag_set,
        init: impl FnOnce() -> Result,
    ) -> Result<Option<()>> {
        // SAFETY: By the requirement of this function.
        let this = unsafe { container_of!(Opaque::cast_from(set), Self, inner) };
        // SAFETY: By the requirement of this function, and `construction` was initialized before
        // `inner`.
        let construction = unsafe { (*this).construction.get() };

        // SAFETY: By the type invariant, nobody changes it at the same time.
        match unsafe { &*construction } {
            Construction::Failed(_) => return Ok(None),
            Construction::Done => return init().map(Some),
            Construction::Running => {}
        }

        match init() {
            Ok(()) => Ok(Some(())),
            Err(error) => {
                // SAFETY: The set is being made by this thread.
                unsafe { construction.write(Construction::Failed(error)) };
                Ok(None)
            }
        }
    }

    #[inline]
    pub(super) fn as_raw(&self) -> *mut bindings::blk_mq_tag_set {
        self.inner.get()
    }

    /// The data of the driver for all disks of the set.
    #[inline]
    pub fn data(&self) -> &T::TagSetData {
        &self.data
    }

    /// The number of hardware queues; can be less than was asked for.
    pub fn nr_hw_queues(&self) -> u32 {
        // SAFETY: By the type invariant, the set is initialized; the number does not change.
        unsafe { (*self.as_raw()).nr_hw_queues }
    }

    /// The number of requests in flight on each hardware queue; can be less than was asked for.
    pub fn queue_depth(&self) -> u32 {
        // SAFETY: By the type invariant, the set is initialized; the number does not change.
        unsafe { (*self.as_raw()).queue_depth }
    }
}

#[pinned_drop]
impl<T: Operations> PinnedDrop for TagSet<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant, the set is initialized. Disks have a reference to `self`,
        // so there are none.
        unsafe { bindings::blk_mq_free_tag_set(self.as_raw()) };
    }
}
