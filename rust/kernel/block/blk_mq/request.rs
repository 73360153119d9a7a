// SPDX-License-Identifier: GPL-2.0

//! A request, owned by whoever has to end it.
//!
//! C header: [`include/linux/blk-mq.h`](srctree/include/linux/blk-mq.h)

mod ending;
mod properties;

pub use self::ending::Rejected;

use super::{
    op::Op,
    pdu::{
        Pdu,
        RingSlot, //
    },
    Operations,
    Payload, //
};
use crate::prelude::*;
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
/// A request that is dropped ends with [`Status::IOERR`](super::Status::IOERR).
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

    /// Changes the type; the caller sees to the state.
    #[inline]
    fn retype<U: State>(self) -> Request<T, U> {
        Request {
            rq: self.into_raw(),
            _p: PhantomData,
        }
    }
}

impl<T: Operations> Request<T, Idle> {
    /// Says that the driver's data belongs to this request until it ends (C: `RQF_DONTPREP`): when
    /// it is requeued, the block layer does not merge it with others. Returns whether that was said
    /// before, so that this is not the first time that the request is issued.
    ///
    /// Says nothing if the request was started before, and requeued: that is too late.
    #[inline]
    pub fn set_dont_prep(&mut self) -> bool {
        // SAFETY: By the type invariant, `rq` is valid.
        let flags = unsafe { &raw mut (*self.as_raw()).rq_flags };
        // SAFETY: As above.
        let deadline = unsafe { &raw const (*self.as_raw()).deadline };
        // One that was requeued may still be looked at by the end of its timeout, which writes
        // another bit.
        //
        // SAFETY: The request is valid, see above.
        let before = unsafe { flags.read_volatile() };

        if before & DONT_PREP != 0 {
            return true;
        }
        // It has a deadline from its first start on.
        //
        // SAFETY: As above.
        if unsafe { deadline.read_volatile() } == 0 {
            // SAFETY: As above. It was not started, so there is no timeout, and the flags are the
            // owner's.
            unsafe { flags.write(before | DONT_PREP) };
        }
        false
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
