// SPDX-License-Identifier: GPL-2.0

//! Requests that a driver makes for itself.
//!
//! C header: [`include/linux/blk-mq.h`](srctree/include/linux/blk-mq.h)

use super::{
    pdu::Pdu,
    GenDisk,
    Operations,
    Status, //
};
use crate::{
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*,
    types::ScopeGuard, //
};
use core::ptr::NonNull;

/// Whether the block layer can find the pages of `len` bytes from `start` on.
pub(super) fn has_pages(start: *const u8, len: usize) -> bool {
    let last = start.wrapping_add(len.saturating_sub(1));

    // SAFETY: Any address may be asked about.
    let is_vmalloc = unsafe { bindings::is_vmalloc_addr(start.cast()) };
    // SAFETY: As above.
    let is_linear = unsafe { bindings::virt_addr_valid(start.cast()) };

    // SAFETY: As above.
    is_vmalloc || (is_linear && unsafe { bindings::virt_addr_valid(last.cast()) })
}

/// The data that a command of the driver moves.
pub enum Transfer<'a> {
    /// None: the request is [`Op::DrvIn`](super::Op::DrvIn).
    Nothing,
    /// From the device: the request is [`Op::DrvIn`](super::Op::DrvIn).
    In(&'a mut [u8]),
    /// To the device: the request is [`Op::DrvOut`](super::Op::DrvOut).
    Out(&'a [u8]),
}

impl<T: Operations> GenDisk<T> {
    /// Has the driver execute a command of its own, and waits for it.
    ///
    /// `prepare` puts the command into the data of a request, which then comes to the driver
    /// through [`Operations::queue_rq`] like any other.
    ///
    /// # Context
    ///
    /// Process context. Sleeps, also for as long as the queue is quiesced or frozen.
    ///
    /// # Errors
    ///
    /// - [`ENODEV`]: the [`Disk`](super::Disk) was dropped.
    /// - [`EINVAL`]: the transfer is longer than the limits of the queue allow, or the memory is
    ///   neither from an allocator nor on the stack: a `static`, for instance.
    /// - [`ENOMEM`]: there is no memory.
    /// - What the [`Status`] says that the driver ends the request with.
    pub fn execute(
        &self,
        transfer: Transfer<'_>,
        prepare: impl FnOnce(Pin<&mut T::RequestData>),
    ) -> Result {
        let (op, start, len) = match transfer {
            Transfer::Nothing => (bindings::req_op_REQ_OP_DRV_IN, core::ptr::null_mut(), 0),
            Transfer::In(data) => (
                bindings::req_op_REQ_OP_DRV_IN,
                data.as_mut_ptr(),
                data.len(),
            ),
            // The block layer only reads what goes to the device.
            Transfer::Out(data) => (
                bindings::req_op_REQ_OP_DRV_OUT,
                data.as_ptr().cast_mut(),
                data.len(),
            ),
        };
        if len > 0 && !has_pages(start, len) {
            return Err(EINVAL);
        }
        let len = u32::try_from(len)?;

        // SAFETY: The disk keeps its queue.
        let rq = from_err_ptr(unsafe { bindings::blk_mq_alloc_request(self.queue(), op, 0) })?;

        let rq = ScopeGuard::new_with_data(rq, |rq| {
            // SAFETY: The request was allocated above, and is not in the hands of the driver.
            unsafe { bindings::blk_mq_free_request(rq) }
        });

        // SAFETY: C does not return null.
        let pdu = unsafe { NonNull::new_unchecked(*rq) };
        // SAFETY: A request of this queue is followed by a `Pdu<T>`.
        let pdu = unsafe { Pdu::<T>::of(pdu) }.as_ptr();

        // SAFETY: The PDU was initialized along with the tag, and nobody else has the request.
        let data = unsafe { &mut (*pdu).data };

        // SAFETY: The data stays where it is until `exit_request_callback` drops it.
        let data = unsafe { Pin::new_unchecked(data) };

        // The request is waited for when the disk is removed.
        self.tag_set().callers().enter(|| prepare(data));

        if len > 0 {
            // SAFETY: The request is new. The memory has pages, as checked above, and stays
            // borrowed until the request has ended, below.
            to_result(unsafe {
                bindings::blk_rq_map_kern(*rq, start.cast(), len, bindings::GFP_KERNEL)
            })?;
        }

        // SAFETY: The request is a command of a driver and was not issued. When this returns, the
        // driver has ended it, and it is ours again.
        let status = unsafe { bindings::blk_execute_rq(*rq, false) };

        Status::from_raw(status).to_result()
    }
}
