// SPDX-License-Identifier: GPL-2.0

//! The memory behind each request that belongs to the driver.
//!
//! C header: [`include/linux/blk-mq.h`](srctree/include/linux/blk-mq.h)

use super::Operations;
use crate::sync::atomic::Atomic;
use core::{
    mem::{
        align_of,
        size_of, //
    },
    ptr::NonNull, //
};

/// What a ring notes about a request in it.
#[cfg(CONFIG_RUST_BLK_VIRTIO)]
pub(crate) type RingSlot = crate::block::virtio::RingSlot;

/// There are no rings.
#[cfg(not(CONFIG_RUST_BLK_VIRTIO))]
pub(crate) struct RingSlot;

#[cfg(not(CONFIG_RUST_BLK_VIRTIO))]
impl RingSlot {
    pub(super) fn new() -> Self {
        Self
    }
}

/// What follows a `struct request` in memory, in C the "PDU".
pub(super) struct Pdu<T: Operations> {
    /// Belongs to the ring that the request is in.
    pub(super) ring_slot: RingSlot,
    /// The call of [`Operations::queue_rq`] that has issued the request, null if it came in a list.
    /// As long as that call lasts, no other has the same address.
    pub(super) issued_by: *const bindings::blk_mq_queue_data,
    /// Not zero while the completion of the request is withheld: then nobody else owns it.
    pub(super) is_withheld: Atomic<u32>,
    /// Whether `data` is initialized. If not, then the tag set is about to be freed.
    pub(super) has_data: bool,
    /// Stays where it was initialized until it is dropped.
    pub(super) data: T::RequestData,
}

impl<T: Operations> Pdu<T> {
    /// The size that a tag set reserves for each request.
    ///
    /// Evaluating it checks that the block layer keeps the alignment: requests are aligned like
    /// any object from `kmalloc`.
    pub(super) const CMD_SIZE: u32 = {
        assert!(
            align_of::<Self>() <= align_of::<u64>()
                && size_of::<bindings::request>() % align_of::<Self>() == 0,
            "`RequestData` needs a stricter alignment than the block layer keeps"
        );
        assert!(
            size_of::<Self>() <= 0x10000,
            "`RequestData` is too large to be allocated for each request"
        );

        size_of::<Self>() as u32
    };

    /// Returns where the PDU of a request is.
    ///
    /// # Safety
    ///
    /// `rq` must point into an allocation with [`CMD_SIZE`](Self::CMD_SIZE) bytes behind the
    /// `struct request`.
    #[inline]
    pub(super) unsafe fn of(rq: NonNull<bindings::request>) -> NonNull<Self> {
        // SAFETY: By the requirement of this function, what follows is in the same allocation.
        unsafe { rq.add(1) }.cast()
    }
}
