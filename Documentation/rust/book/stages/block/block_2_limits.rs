// SPDX-License-Identifier: GPL-2.0

//! A disk in memory, second stage: the block layer learns what the disk can do.
//!
//! It has blocks of a size that the user chooses, forgets what is discarded, writes zeroes by
//! itself, and can be read-only. What makes no sense is refused, with a line that says why.

#![deny(unsafe_code)]

use kernel::{
    block::{
        blk_mq::{
            Disk,
            HwQueue,
            Idle,
            LimitError,
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

/// Zeroes are written in one go, with a lock held, so there must be an end to it.
const MOST_ZEROES: u32 = 2048;

struct MemoryDisk;

#[pin_data]
struct Memory {
    #[pin]
    bytes: SpinLock<KVVec<u8>>,
}

impl Memory {
    fn serve(&self, rq: &Request<MemoryDisk>) -> Result {
        let mut bytes = self.bytes.lock();
        let place = place::of(rq.sector(), rq.bytes(), bytes.len()).ok_or(EIO)?;
        let mut memory = bytes.get_mut(place).ok_or(EIO)?;

        match rq.op() {
            Op::Read | Op::Write => {
                for mut segment in rq.payload().segments() {
                    let (piece, rest) = memory.split_at_mut_checked(segment.len()).ok_or(EIO)?;

                    if rq.is_write() {
                        segment.copy_to_slice(piece)?;
                    } else {
                        segment.copy_from_slice(piece)?;
                    }
                    memory = rest;
                }
            }
            Op::Discard | Op::WriteZeroes => memory.fill(0),
            _ => return Err(EOPNOTSUPP),
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
        let rq = rq.start();
        let result = hctx.queue_data().serve(&rq);

        rq.end(result.map_or_else(Status::from, |()| Status::OK));
        Ok(())
    }

    fn complete(rq: Request<Self>) {
        rq.end(Status::OK);
    }
}

/// What the disk can do.
fn limits(block_size: u32) -> Result<QueueLimits, LimitError> {
    let mut limits = QueueLimits::new();

    limits
        .set_synchronous(true)
        .set_logical_block_size(block_size)?
        .set_physical_block_size(4096)
        .set_max_hw_discard_sectors(MOST_ZEROES)
        .set_max_write_zeroes_sectors(MOST_ZEROES);
    limits.check()?;
    Ok(limits)
}

struct Loaded {
    _disk: Disk<MemoryDisk>,
}

impl kernel::Module for Loaded {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let limits = limits(module_parameters::block_size.value())
            .inspect_err(|error| pr_err!("{error}\n"))?;
        let size = u64::from(module_parameters::size_mib.value()) << 20;
        let bytes = KVVec::from_elem(0u8, usize::try_from(size)?, GFP_KERNEL)?;
        let tag_set = Arc::pin_init(TagSet::new(TagSetOptions::default(), ()), GFP_KERNEL)?;
        let memory = pin_init!(Memory { bytes <- new_spinlock!(bytes) });
        let mut disk = NewDisk::new(tag_set, &limits, memory)?;

        disk.set_name(fmt!("block_2"))?;
        disk.set_capacity(size >> SECTOR_SHIFT)?;
        disk.set_read_only(module_parameters::read_only.value() != 0);
        Ok(Self {
            _disk: disk.add_virtual()?,
        })
    }
}

module! {
    type: Loaded,
    name: "block_2_limits",
    authors: ["The linux-virtio-rs developers"],
    description: "A disk in memory, second stage",
    license: "GPL",
    params: {
        size_mib: u32 {
            default: 16,
            description: "Size of the disk in MiB",
        },
        block_size: u32 {
            default: 512,
            description: "Size of a block in bytes",
        },
        read_only: u8 {
            default: 0,
            description: "Whether the disk cannot be written",
        },
    },
}
