// SPDX-License-Identifier: GPL-2.0

//! What a request asks for, and where it came from.

use super::{
    Request,
    State, //
};
use crate::block::blk_mq::{
    disk_data::DiskData,
    op::{
        self,
        Flags,
        Op, //
    },
    HwQueue,
    Operations,
    Payload,
    Ranges, //
};

impl<T: Operations, S: State> Request<T, S> {
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

    /// The data that is read or written.
    #[inline]
    pub fn payload(&self) -> Payload<'_> {
        // SAFETY: By the type invariant, `rq` is valid and stays so while it is borrowed.
        unsafe { Payload::new(self.rq) }
    }
}
