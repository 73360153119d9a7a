// SPDX-License-Identifier: GPL-2.0

//! A block driver without hardware: the disk `/dev/__name__0` is memory.

#![deny(unsafe_code)]

use kernel::{
    block::{
        blk_mq::{
            Disk,
            HwQueue,
            Idle,
            NewDisk,
            Op,
            Operations,
            QueueLimits,
            Rejected,
            Request,
            Status,
            TagSet,
            TagSetOptions, //
        },
        SECTOR_SHIFT, //
    },
    new_spinlock,
    prelude::*,
    sync::{
        Arc,
        SpinLock, //
    }, //
};

#[path = "logic/src/place.rs"]
pub mod place;

/// What the block layer calls.
struct MemoryDisk;

/// What the disk holds.
#[pin_data]
struct Memory {
    #[pin]
    bytes: SpinLock<KVVec<u8>>,
}

impl Memory {
    /// Copies between the memory and what the request brings.
    fn serve(&self, rq: &Request<MemoryDisk>) -> Result {
        let mut bytes = self.bytes.lock();
        let place = place::of(rq.sector(), rq.bytes(), bytes.len()).ok_or(EIO)?;
        let mut memory = bytes.get_mut(place).ok_or(EIO)?;

        for mut segment in rq.payload().segments() {
            let (piece, rest) = memory.split_at_mut_checked(segment.len()).ok_or(EIO)?;

            if rq.is_write() {
                segment.copy_to_slice(piece)?;
            } else {
                segment.copy_from_slice(piece)?;
            }
            memory = rest;
        }
        Ok(())
    }
}

#[vtable]
impl Operations for MemoryDisk {
    type TagSetData = ();
    type QueueData = Memory;
    type HwData = ();
    type RequestData = ();

    fn init_request_data(_set: &()) -> impl PinInit<(), Error> {
        Ok(())
    }

    fn init_hctx(_set: &(), _index: u32) -> impl PinInit<(), Error> {
        Ok(())
    }

    fn queue_rq(
        hctx: HwQueue<'_, Self>,
        rq: Request<Self, Idle>,
        _last: bool,
    ) -> Result<(), Rejected<Self>> {
        if !matches!(rq.op(), Op::Read | Op::Write) {
            return Err(rq.reject(Status::NOTSUPP));
        }

        let rq = rq.start();
        let result = hctx.queue_data().serve(&rq);

        rq.end(result.map_or_else(Status::from, |()| Status::OK));
        Ok(())
    }

    fn complete(rq: Request<Self>) {
        rq.end(Status::OK);
    }
}

/// What there is while the module is loaded.
struct Loaded {
    _disk: Disk<MemoryDisk>,
}

impl kernel::Module for Loaded {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let size = u64::from(module_parameters::size_mib.value()) << 20;
        let bytes = KVVec::from_elem(0u8, usize::try_from(size)?, GFP_KERNEL)?;
        let tag_set = Arc::pin_init(TagSet::new(TagSetOptions::default(), ()), GFP_KERNEL)?;
        let mut limits = QueueLimits::new();

        limits.set_synchronous(true);

        let memory = pin_init!(Memory { bytes <- new_spinlock!(bytes) });
        let mut disk = NewDisk::new(tag_set, &limits, memory)?;

        disk.set_name(fmt!("__name__0"))?;
        disk.set_capacity(size >> SECTOR_SHIFT)?;
        Ok(Self {
            _disk: disk.add_virtual()?,
        })
    }
}

module! {
    type: Loaded,
    name: "__name__",
    authors: ["The author of __name__"],
    description: "A disk in memory",
    license: "GPL",
    params: {
        size_mib: u32 {
            default: 16,
            description: "Size of the disk in MiB",
        },
    },
}
