// SPDX-License-Identifier: GPL-2.0

//! Rust block driver sample: a RAM disk.
//!
//! To use it: `modprobe rust_ramdisk size_mib=64 && mkfs.ext4 /dev/rust_ramdisk0`.

#![forbid(unsafe_code)]

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

/// A discard is done in one go, with a lock held.
const MAX_DISCARD_SECTORS: u32 = 2048;

struct RamDisk;

/// What the disk holds.
#[pin_data]
struct Memory {
    #[pin]
    bytes: SpinLock<KVVec<u8>>,
}

impl Memory {
    /// Reads, writes, or forgets what the request says.
    fn serve(&self, rq: &Request<RamDisk>) -> Result {
        let start = usize::try_from(rq.sector() << SECTOR_SHIFT)?;
        let mut bytes = self.bytes.lock();
        let mut memory = bytes.get_mut(start..).ok_or(EINVAL)?;

        match rq.op() {
            Op::Read | Op::Write => {
                for mut segment in rq.payload().segments() {
                    let (piece, rest) = memory.split_at_mut_checked(segment.len()).ok_or(EINVAL)?;

                    if rq.is_write() {
                        segment.copy_to_slice(piece)?;
                    } else {
                        segment.copy_from_slice(piece)?;
                    }
                    memory = rest;
                }
            }
            Op::Discard | Op::WriteZeroes => {
                let len = usize::try_from(rq.bytes())?;

                memory.get_mut(..len).ok_or(EINVAL)?.fill(0);
            }
            _ => return Err(EOPNOTSUPP),
        }
        Ok(())
    }
}

#[vtable]
impl Operations for RamDisk {
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

struct RamDiskModule {
    _disk: Disk<RamDisk>,
}

impl kernel::Module for RamDiskModule {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let size = u64::from(module_parameters::size_mib.value()) << 20;
        let bytes = KVVec::from_elem(0u8, usize::try_from(size)?, GFP_KERNEL)?;
        let tag_set = Arc::pin_init(TagSet::new(TagSetOptions::default(), ()), GFP_KERNEL)?;

        let mut limits = QueueLimits::new();
        limits
            .set_synchronous(true)
            .set_max_hw_discard_sectors(MAX_DISCARD_SECTORS)
            .set_max_write_zeroes_sectors(MAX_DISCARD_SECTORS)
            .set_physical_block_size(4096);

        let memory = pin_init!(Memory { bytes <- new_spinlock!(bytes) });
        let mut disk = NewDisk::new(tag_set, &limits, memory)?;
        disk.set_name(fmt!("rust_ramdisk0"))?;
        disk.set_capacity(size >> SECTOR_SHIFT)?;
        Ok(Self {
            _disk: disk.add_virtual()?,
        })
    }
}

module! {
    type: RamDiskModule,
    name: "rust_ramdisk",
    authors: ["The linux-virtio-rs developers"],
    description: "Rust RAM disk sample",
    license: "GPL",
    params: {
        size_mib: u32 {
            default: 64,
            description: "Size of the disk in MiB",
        },
    },
}
