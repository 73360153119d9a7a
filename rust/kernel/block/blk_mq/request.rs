// SPDX-License-Identifier: GPL-2.0

//! A request, owned by whoever has to end it.
//!
//! C header: [`include/linux/blk-mq.h`](srctree/include/linux/blk-mq.h)

use super::{
    disk_data::DiskData,
    hw_queue::{
        HwQueue,
        Kick, //
    }, //
};
use super::{
    op::{
        self,
        Flags,
        Op, //
    },
    pdu::{
        Pdu,
        RingSlot, //
    },
    Operations,
    Payload,
    Ranges,
    Status, //
};
use crate::{
    prelude::*,
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
    marker::PhantomData,
    mem::ManuallyDrop,
    ptr::NonNull, //
};

/// C: `RQF_DONTPREP`.
const DONT_PREP: bindings::req_flags_t = 1 << bindings::rqf_flags___RQF_DONTPREP;

mod private {
    pub trait Sealed {}

    impl Sealed for super::Idle {}
    impl Sealed for super::Started {}
    impl Sealed for super::Either {}
}

/// The state of a request that a driver owns: [`Idle`] or [`Started`].
pub trait State: private::Sealed {}

/// The block layer has issued the request, the driver has not started it.
pub struct Idle;

/// The driver has started the request, so its timeout is running.
pub struct Started;

/// The request is idle or started.
pub(super) struct Either(());

impl State for Idle {}
impl State for Started {}
impl State for Either {}

/// A request that the driver owns.
///
/// There is one owner at any time and no reference count. The owner comes from the block layer in
/// [`Operations::queue_rq`] or a [`RequestList`](super::RequestList), can be moved into a queue of
/// the device, comes back from it, and is consumed by [`end`](Request::end),
/// [`complete`](Request::complete), [`requeue`](Request::requeue) or
/// [`reject`](Request::reject). So a request can neither be ended twice nor be used after it ended.
/// A request that is dropped ends with [`Status::IOERR`].
///
/// # Invariants
///
/// - `rq` points to a valid `struct request` of a queue of a [`GenDisk<T>`](super::GenDisk), which
///   the block layer has handed to the driver and which has not been handed back.
/// - Behind it is a `Pdu<T>` that [`Operations::init_request_data`] has initialized, whose data is
///   pinned.
/// - `self` is the only owner: nobody else ends the request or accesses its `Pdu<T>`.
/// - The state of the request is that which `S` names.
#[repr(transparent)]
pub struct Request<T: Operations, S: State = Started> {
    rq: NonNull<bindings::request>,
    _p: PhantomData<(T, S)>,
}

// SAFETY: The owner may end the request on any CPU, and `T::RequestData` is `Send`.
unsafe impl<T: Operations, S: State> Send for Request<T, S> {}

// SAFETY: With a shared reference one can only read, and get at `T::RequestData`, which is `Sync`
// by the bound, and at data of the queues, which is `Sync` by the bounds of `Operations`.
unsafe impl<T: Operations, S: State> Sync for Request<T, S> where T::RequestData: Sync {}

impl<T: Operations, S: State> Request<T, S> {
    /// Takes ownership of a request.
    ///
    /// # Safety
    ///
    /// The invariants of [`Request`] must hold for `rq`, and ownership passes to the caller.
    #[inline]
    pub(crate) unsafe fn from_raw(rq: NonNull<bindings::request>) -> Self {
        // INVARIANT: By the requirements of this function.
        Self {
            rq,
            _p: PhantomData,
        }
    }

    /// Gives up ownership of the request.
    ///
    /// Unless it is taken up again with [`from_raw`](Self::from_raw), or is handed back to the
    /// block layer, the request never ends.
    #[inline]
    pub(crate) fn into_raw(self) -> NonNull<bindings::request> {
        ManuallyDrop::new(self).rq
    }

    #[inline]
    pub(super) fn as_raw(&self) -> *mut bindings::request {
        self.rq.as_ptr()
    }

    /// The operation.
    #[inline]
    pub fn op(&self) -> Op {
        Op::from_cmd_flags(self.cmd_flags())
    }

    /// Flags that go with the operation.
    #[inline]
    pub fn flags(&self) -> Flags {
        Flags::from_cmd_flags(self.cmd_flags())
    }

    #[inline]
    fn cmd_flags(&self) -> bindings::blk_opf_t {
        // SAFETY: By the type invariant, `rq` is valid and nobody changes it.
        unsafe { (*self.as_raw()).cmd_flags }
    }

    /// Whether data goes to the device.
    #[inline]
    pub fn is_write(&self) -> bool {
        op::is_write(self.cmd_flags())
    }

    /// The first sector, in units of 512 bytes.
    #[inline]
    pub fn sector(&self) -> u64 {
        // SAFETY: By the type invariant, `rq` is valid and nobody changes it.
        unsafe { (*self.as_raw()).__sector }
    }

    /// The length in bytes; also for operations that carry no data.
    #[inline]
    pub fn bytes(&self) -> u32 {
        // SAFETY: By the type invariant, `rq` is valid and nobody changes it.
        unsafe { (*self.as_raw()).__data_len }
    }

    /// The length in sectors of 512 bytes.
    #[inline]
    pub fn sectors(&self) -> u32 {
        self.bytes() >> bindings::SECTOR_SHIFT
    }

    /// The I/O priority: the class in the upper bits, as `ioprio_set(2)` has it.
    #[inline]
    pub fn ioprio(&self) -> u16 {
        // SAFETY: By the type invariant, `rq` is valid and nobody changes it.
        let bio = unsafe { (*self.as_raw()).bio };

        if bio.is_null() {
            return 0;
        }

        // SAFETY: The bios of a request are valid until it ends.
        unsafe { (*bio).bi_ioprio }
    }

    /// The number of segments of the data in physical memory.
    #[inline]
    pub fn nr_phys_segments(&self) -> u16 {
        // SAFETY: By the type invariant, `rq` is valid and nobody changes it.
        unsafe { (*self.as_raw()).nr_phys_segments }
    }

    /// The number of ranges of a discard or secure erase, at least one.
    #[inline]
    pub fn nr_discard_segments(&self) -> u16 {
        self.nr_phys_segments().max(1)
    }

    /// The ranges of a discard or secure erase, [`nr_discard_segments`] of them.
    ///
    /// [`nr_discard_segments`]: Self::nr_discard_segments
    pub fn discard_ranges(&self) -> Ranges<'_> {
        // SAFETY: By the type invariant, `rq` is valid and stays so while it is borrowed.
        unsafe { Ranges::new(self.rq) }
    }

    /// The tag: unique among the requests that are in flight on this hardware queue.
    #[inline]
    pub fn tag(&self) -> u32 {
        // SAFETY: By the type invariant, `rq` is valid and nobody changes it.
        let tag = unsafe { (*self.as_raw()).tag };

        // CAST: A request that was issued has a tag, which is not negative.
        tag as u32
    }

    /// The hardware queue that the request was issued on.
    #[inline]
    pub fn hw_queue(&self) -> HwQueue<'_, T> {
        // SAFETY: By the type invariant, `rq` is valid and nobody changes it.
        let hctx = unsafe { (*self.as_raw()).mq_hctx };

        // SAFETY: The request was issued on `hctx`, which stays until the request has ended.
        unsafe { HwQueue::from_raw(hctx) }
    }

    /// The data of the request queue.
    #[inline]
    pub fn queue_data(&self) -> &T::QueueData {
        // SAFETY: By the type invariant, `rq` is valid, and so is its queue until it has ended.
        let data = unsafe { (*(*self.as_raw()).q).queuedata };

        // SAFETY: The queue is that of a `GenDisk<T>`, hence `queuedata` points to a
        // `DiskData<T>`, which lives longer than the requests.
        unsafe { DiskData::<T>::queue_data(data) }
    }

    #[inline]
    fn pdu(&self) -> NonNull<Pdu<T>> {
        // SAFETY: By the type invariant, a `Pdu<T>` follows the request in the same allocation.
        unsafe { Pdu::of(self.rq) }
    }

    /// The data of the driver for this request.
    #[inline]
    pub fn data(&self) -> &T::RequestData {
        // SAFETY: By the type invariant, the PDU is initialized and owned by `self`.
        unsafe { &(*self.pdu().as_ptr()).data }
    }

    /// The data of the driver for this request.
    #[inline]
    pub fn data_mut(&mut self) -> Pin<&mut T::RequestData> {
        // SAFETY: By the type invariant, the PDU is initialized and owned by `self`.
        let data = unsafe { &mut (*self.pdu().as_ptr()).data };

        // SAFETY: By the type invariant, the data is pinned.
        unsafe { Pin::new_unchecked(data) }
    }

    /// Sets the call that has issued the request.
    #[cfg(CONFIG_RUST_BLK_MQ_KUNIT_TEST)]
    pub(super) fn set_issued_by(&self, call: &bindings::blk_mq_queue_data) {
        // SAFETY: By the type invariant, the PDU is initialized and owned by `self`.
        unsafe { (*self.pdu().as_ptr()).issued_by = call };
    }

    /// The call that has issued the request, null if it came in a list.
    fn issued_by(&self) -> *const bindings::blk_mq_queue_data {
        // SAFETY: By the type invariant, the PDU is initialized and owned by `self`.
        unsafe { (*self.pdu().as_ptr()).issued_by }
    }

    /// Takes ownership of a request that was issued in a list.
    ///
    /// # Safety
    ///
    /// As for [`from_raw`](Self::from_raw).
    #[inline]
    pub(super) unsafe fn from_list(rq: NonNull<bindings::request>) -> Self {
        // SAFETY: By the requirement of this function.
        let this = unsafe { Self::from_raw(rq) };

        // SAFETY: By the type invariant, the PDU is initialized and owned by `this`.
        unsafe { (*this.pdu().as_ptr()).issued_by = core::ptr::null() };
        this
    }

    /// The room in the request that belongs to the ring which the request is in.
    #[cfg(CONFIG_RUST_BLK_VIRTIO)]
    #[inline]
    pub(crate) fn ring_slot(&mut self) -> &mut RingSlot {
        // SAFETY: By the type invariant, the PDU is initialized and owned by `self`.
        unsafe { &mut (*self.pdu().as_ptr()).ring_slot }
    }

    /// Where [`ring_slot`](Self::ring_slot) is.
    ///
    /// # Safety
    ///
    /// `rq` must come from [`into_raw`](Self::into_raw) of the same type, and be owned.
    #[cfg(CONFIG_RUST_BLK_VIRTIO)]
    #[inline]
    pub(crate) unsafe fn ring_slot_of(rq: NonNull<bindings::request>) -> NonNull<RingSlot> {
        // SAFETY: By the requirement of this function and the type invariant, a `Pdu<T>` follows
        // the request in the same allocation.
        let pdu = unsafe { Pdu::<T>::of(rq) }.as_ptr();

        // SAFETY: As above.
        NonNull::from(unsafe { &mut (*pdu).ring_slot })
    }

    /// As [`parts`](Self::parts), and [`ring_slot`](Self::ring_slot).
    #[cfg(CONFIG_RUST_BLK_VIRTIO)]
    #[inline]
    pub(crate) fn parts_and_ring_slot(
        &mut self,
    ) -> ((Pin<&mut T::RequestData>, Payload<'_>), &mut RingSlot) {
        // SAFETY: By the type invariant, the PDU is initialized and owned by `self`.
        let slot = unsafe { &mut (*self.pdu().as_ptr()).ring_slot };

        // `parts` does not access it.
        (self.parts(), slot)
    }

    /// The data that is read or written.
    #[inline]
    pub fn payload(&self) -> Payload<'_> {
        // SAFETY: By the type invariant, `rq` is valid and stays so while it is borrowed.
        unsafe { Payload::new(self.rq) }
    }

    /// The data of the driver along with the data that is read or written.
    #[inline]
    pub fn parts(&mut self) -> (Pin<&mut T::RequestData>, Payload<'_>) {
        // SAFETY: By the type invariant, `rq` is valid and stays so while it is borrowed.
        let payload = unsafe { Payload::new(self.rq) };

        // SAFETY: By the type invariant, the PDU is initialized and owned by `self`. `Payload`
        // does not access it.
        let data = unsafe { &mut (*self.pdu().as_ptr()).data };

        // SAFETY: By the type invariant, the data is pinned.
        (unsafe { Pin::new_unchecked(data) }, payload)
    }

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

    /// Changes the type; the caller sees to the state.
    #[inline]
    fn retype<U: State>(self) -> Request<T, U> {
        Request {
            rq: self.into_raw(),
            _p: PhantomData,
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

impl<T: Operations> Request<T, Idle> {
    /// Says that the driver's data belongs to this request until it ends (C: `RQF_DONTPREP`): when
    /// it is requeued, the block layer does not merge it with others. Returns whether that was said
    /// before, so that this is not the first time that the request is issued.
    #[inline]
    pub fn set_dont_prep(&mut self) -> bool {
        // SAFETY: By the type invariant, `rq` is valid. The flags of a request that is not started,
        // which cannot time out, are the owner's.
        let flags = unsafe { &mut (*self.as_raw()).rq_flags };
        let before = *flags & DONT_PREP != 0;

        *flags |= DONT_PREP;
        before
    }

    /// Starts the request: from now on its time is measured.
    ///
    /// A driver does this before it gives the request to the device.
    #[inline]
    pub fn start(self) -> Request<T, Started> {
        // SAFETY: By the type invariant, `rq` is valid, owned by the driver, and idle.
        unsafe { bindings::blk_mq_start_request(self.as_raw()) };

        // INVARIANT: The request is started now.
        self.retype()
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
    /// [`TimedOutRequest::take_withheld`]: super::TimedOutRequest::take_withheld
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
    pub(super) fn complete_for_real(self) {
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
    pub(super) fn withhold(self) -> Option<Self> {
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

    /// Sets the sector that a zone append has written to.
    ///
    /// # Errors
    ///
    /// [`EINVAL`]: the request is not a zone append.
    pub fn set_sector(&mut self, sector: u64) -> Result {
        if self.op() != Op::ZoneAppend {
            return Err(EINVAL);
        }

        // SAFETY: By the type invariant, `rq` is valid and owned by `self`.
        unsafe { (*self.as_raw()).__sector = sector };
        Ok(())
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
    pub(super) fn into_status(self, call: &bindings::blk_mq_queue_data) -> Status {
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
