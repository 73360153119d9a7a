// SPDX-License-Identifier: GPL-2.0

//! A disk in memory, third stage: it takes memory for what was written, and gives it back for what
//! was discarded. How much it has is in `/sys/block/block_3/used_blocks`.
//!
//! If there is no memory the disk is full. To free many blocks takes time, so `queue_rq` may sleep,
//! and the lock is a mutex.

#![deny(unsafe_code)]

use kernel::{
    block::blk_mq::{
        Access,
        Attribute,
        Contents,
        Disk,
        GenDisk,
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
    fmt::Write,
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    }, //
};

#[path = "logic/src/blocks.rs"]
pub mod blocks;

use blocks::BLOCK_SIZE;

/// What is in a block.
type Block = [u8; BLOCK_SIZE];

/// A block of zeroes. Who waits for memory may wait for this very disk to be written, so it does
/// not.
fn new_block() -> Result<KBox<Block>> {
    KBox::zeroed(GFP_NOWAIT | __GFP_NOWARN).map_err(|_| ENOSPC)
}

struct SparseDisk;

/// The blocks of the disk; those that are not there read as zeroes.
#[pin_data]
struct Memory {
    #[pin]
    blocks: Mutex<KVVec<Option<KBox<Block>>>>,
}

impl Memory {
    fn serve(&self, rq: &Request<SparseDisk>) -> Result {
        let mut blocks = self.blocks.lock();
        let wanted = blocks::of(rq.sector(), rq.bytes()).ok_or(EIO)?;
        let blocks = blocks.get_mut(wanted).ok_or(EIO)?;

        match rq.op() {
            Op::Read => {
                for (mut segment, block) in rq.payload().segments().zip(blocks) {
                    match block {
                        Some(block) => segment.copy_from_slice(&block[..])?,
                        None => segment.fill_zero()?,
                    }
                }
            }
            Op::Write => {
                for (mut segment, block) in rq.payload().segments().zip(blocks) {
                    let block = match block {
                        Some(block) => block,
                        None => block.insert(new_block()?),
                    };

                    segment.copy_to_slice(&mut block[..])?;
                }
            }
            Op::Discard | Op::WriteZeroes => blocks.fill_with(|| None),
            _ => return Err(EOPNOTSUPP),
        }
        Ok(())
    }

    fn used(&self) -> usize {
        self.blocks.lock().iter().flatten().count()
    }
}

/// The file that tells how many blocks there are.
struct UsedBlocks;

#[vtable]
impl Attribute<SparseDisk> for UsedBlocks {
    const NAME: &'static CStr = c"used_blocks";

    fn access(_disk: &GenDisk<SparseDisk>) -> Access {
        Access::ReadOnly
    }

    fn show(disk: &GenDisk<SparseDisk>, out: &mut Contents<'_>) -> Result {
        writeln!(out, "{}", disk.queue_data().used())?;
        Ok(())
    }
}

#[vtable]
impl Operations for SparseDisk {
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

/// What the disk can do: a segment of a request is a block, neither more nor less.
fn limits() -> Result<QueueLimits> {
    let size = u32::try_from(BLOCK_SIZE)?;
    let mut limits = QueueLimits::new();

    limits
        .set_synchronous(true)
        .set_logical_block_size(size)?
        .set_dma_alignment(size - 1)?
        .set_discard_granularity(size)
        .set_max_hw_discard_sectors(u32::MAX)
        .set_max_write_zeroes_sectors(u32::MAX);
    Ok(limits)
}

struct Loaded {
    _disk: Disk<SparseDisk>,
}

impl kernel::Module for Loaded {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let size = u64::from(module_parameters::size_mib.value()) << 20;
        let count = usize::try_from(size)? / BLOCK_SIZE;
        let mut blocks = KVVec::with_capacity(count, GFP_KERNEL)?;

        for _ in 0..count {
            blocks.push(None, GFP_KERNEL)?;
        }

        let options = TagSetOptions {
            blocking: true,
            ..TagSetOptions::default()
        };
        let tag_set = Arc::pin_init(TagSet::new(options, ()), GFP_KERNEL)?;
        let memory = pin_init!(Memory { blocks <- new_mutex!(blocks) });
        let mut disk = NewDisk::new(tag_set, &limits()?, memory)?;

        disk.set_name(fmt!("block_3"))?;
        disk.set_capacity(blocks::sectors(count))?;
        disk.set_attributes::<(UsedBlocks,)>();
        Ok(Self {
            _disk: disk.add_virtual()?,
        })
    }
}

module! {
    type: Loaded,
    name: "block_3_sparse",
    authors: ["The linux-virtio-rs developers"],
    description: "A disk in memory, third stage",
    license: "GPL",
    params: {
        size_mib: u32 {
            default: 256,
            description: "Size of the disk in MiB",
        },
    },
}
