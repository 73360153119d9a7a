// SPDX-License-Identifier: GPL-2.0

//! What joins blk-mq and virtio, of which neither knows the other: requests are tokens, which move
//! into a ring and come out when the device has served them, virtqueues are hardware queues, and
//! disks have numbers that all drivers for virtio block devices share.
//!
//! C header: [`include/linux/virtio_disk_index.h`](srctree/include/linux/virtio_disk_index.h)

use super::blk_mq::{
    self,
    CpuQueues,
    Operations,
    Payload,
    Request,
    Started, //
};
use crate::{
    bindings,
    error::to_result,
    prelude::*,
    virtio::{
        Describe,
        Described,
        Description,
        Mapped,
        Ready,
        Segments,
        Token, //
    }, //
};
use core::{
    marker::PhantomData,
    ops::Range,
    ptr::NonNull, //
};

/// What a ring notes in a request.
pub(crate) type RingSlot = Description;

// SAFETY:
// - `Request::from_raw` is the inverse of `Request::into_raw`.
// - The private data of a request follows it in memory and does not move. The data in its bios
//   stays until the request ends. Only the owner of the request, which is the ring, gets at them.
// - The block layer allocates requests as pages or with `kmalloc`: in the linear mapping.
unsafe impl<T: Operations> Token for Request<T, Started> {
    type View<'t> = (Pin<&'t mut T::RequestData>, Payload<'t>);

    #[inline]
    fn view(&mut self) -> Self::View<'_> {
        self.parts()
    }

    #[inline]
    fn linear_range(&self) -> Range<usize> {
        let start = core::ptr::from_ref(self.data()) as usize;

        start..start.wrapping_add(size_of::<T::RequestData>())
    }

    #[inline]
    fn into_raw(self) -> NonNull<c_void> {
        Request::into_raw(self).cast()
    }

    #[inline]
    unsafe fn from_raw(ptr: NonNull<c_void>) -> Self {
        // SAFETY: By the requirement of this function, `ptr` comes from `into_raw`, so this was
        // the owner of a started request, and becomes it again.
        let mut rq: Self = unsafe { Request::from_raw(ptr.cast()) };

        rq.ring_slot().release();
        rq
    }
}

// SAFETY:
// - The ring slot is what `Request` has for this, behind the request in memory.
// - Both functions return that.
// - `from_raw` calls `release`.
unsafe impl<T: Operations> Describe for Request<T, Started> {
    #[inline]
    fn split(&mut self) -> (Self::View<'_>, &mut Description) {
        self.parts_and_ring_slot()
    }

    #[inline]
    unsafe fn description(ptr: NonNull<c_void>) -> NonNull<Description> {
        // SAFETY: By the requirement of this function, `ptr` comes from `into_raw`, so it points to
        // a request of a `GenDisk<T>`.
        unsafe { Self::ring_slot_of(ptr.cast()) }
    }
}

// SAFETY: The memory belongs to the request, which is the token that the payload is borrowed from,
// until it ends. The device writes it only where the request is a read. The block layer marks the
// last entry as the end, and removes the marks of the others.
unsafe impl Segments for Payload<'_> {
    #[inline]
    fn max_entries(&self) -> usize {
        self.max_segments()
    }

    #[inline]
    unsafe fn map(&self, sgl: *mut bindings::scatterlist, room: usize) -> Result<Mapped> {
        // SAFETY: By the requirement of this function.
        let (entries, len) = unsafe { Payload::map(self, sgl, room) }?;

        Ok(Mapped {
            entries,
            len,
            device_writable: !self.is_write(),
        })
    }
}

/// Requests that are described, in the order in which they are to be added to a queue.
///
/// Those that are left when it is dropped end with an I/O error.
///
/// # Invariants
///
/// The requests in `list` come from `Described::into_raw`, and belong to it.
pub struct DescribedList<T: Operations> {
    list: bindings::rq_list,
    _requests: PhantomData<Described<Request<T>>>,
}

impl<T: Operations> DescribedList<T> {
    /// A list without requests.
    #[inline]
    pub fn new() -> Self {
        Self {
            list: pin_init::zeroed(),
            _requests: PhantomData,
        }
    }

    /// Whether there are no requests.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.list.head.is_null()
    }

    /// Adds a request at the end.
    #[inline]
    pub fn push(&mut self, rq: Described<Request<T>>) {
        // INVARIANT: The request comes from there, and passes to the list.
        //
        // SAFETY: The request was owned, so it is valid, and in no list: the block layer has no use
        // for the link of a request that is started. Those in the list are by the type invariant.
        unsafe { blk_mq::push(&mut self.list, rq.into_raw().cast()) };
    }

    /// Takes the first request.
    #[inline]
    pub fn pop(&mut self) -> Option<Described<Request<T>>> {
        // INVARIANT: The others stay in the list.
        //
        // SAFETY: By the type invariant.
        let rq = unsafe { blk_mq::pop_front(&mut self.list) }?;

        // SAFETY: By the type invariant, and it is not in the list any more.
        Some(unsafe { Described::from_raw(rq.cast()) })
    }
}

impl<T: Operations> Default for DescribedList<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Operations> Drop for DescribedList<T> {
    fn drop(&mut self) {
        while self.pop().is_some() {}
    }
}

/// Tells which of `count` queues from number `first` on interrupts which CPU.
///
/// If the transport does not know, the CPUs are spread evenly.
///
/// # Errors
///
/// - [`EINVAL`]: there are no such queues.
/// - [`ENOMEM`]: there is no memory.
pub fn irq_cpus(ready: &Ready<'_>, first: u32, count: u32) -> Result<CpuQueues> {
    CpuQueues::from_affinity(count, |queue| {
        ready.vq_affinity(first.checked_add(queue).ok_or(EINVAL)?)
    })
}

/// The number of a disk, unique among those of all drivers for virtio block devices.
///
/// It is free again when this is dropped.
///
/// # Invariants
///
/// The number was taken from `virtio_disk_index` for this value.
///
/// # Examples
///
/// ```
/// use kernel::block::virtio::DiskIndex;
///
/// let first = DiskIndex::new(u32::MAX >> 1)?;
/// let second = DiskIndex::new(u32::MAX >> 1)?;
///
/// assert_ne!(first.get(), second.get());
/// # Ok::<(), Error>(())
/// ```
pub struct DiskIndex(u32);

impl DiskIndex {
    /// Takes the lowest number that is free, up to `max`.
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// - [`ENOSPC`]: all numbers are taken.
    /// - [`ENOMEM`]: there is no memory.
    pub fn new(max: u32) -> Result<Self> {
        // SAFETY: `virtio_disk_index` is initialized, and has a lock of its own.
        let index = unsafe {
            bindings::ida_alloc_range(
                &raw mut bindings::virtio_disk_index,
                0,
                max,
                bindings::GFP_KERNEL,
            )
        };

        if index < 0 {
            to_result(index)?;
        }
        // INVARIANT: Taken just above.
        Ok(Self(u32::try_from(index)?))
    }

    /// The number.
    pub fn get(&self) -> u32 {
        self.0
    }
}

impl Drop for DiskIndex {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the number was taken, and is given back once.
        unsafe { bindings::ida_free(&raw mut bindings::virtio_disk_index, self.0) };
    }
}
