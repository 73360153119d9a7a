// SPDX-License-Identifier: GPL-2.0

//! A disk without memory: all that can be read from a block is its number.

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
    prelude::*,
    sync::Arc, //
};

const BLOCK_SIZE: usize = 4096;
const BLOCK_SHIFT: u32 = BLOCK_SIZE.ilog2();

struct Numbers;

/// Where a block is made. Whoever has the request has it to himself, so it needs no lock.
#[pin_data]
struct Block {
    bytes: [u8; BLOCK_SIZE],
}

/// Writes what is in the blocks that are read to where it is wanted.
fn serve(rq: &mut Request<Numbers>) -> Result<(), Status> {
    if !matches!(rq.op(), Op::Read) {
        return Err(Status::NOTSUPP);
    }

    let first = rq.sector() >> (BLOCK_SHIFT - SECTOR_SHIFT);
    let bad = module_parameters::bad.value();
    let (made, payload) = rq.parts();
    let bytes = &mut made.get_mut().bytes;

    // A segment is a block: see the limits.
    for (mut segment, block) in payload.segments().zip(first..) {
        if block == bad {
            return Err(Status::MEDIUM);
        }
        for number in bytes.chunks_exact_mut(size_of::<u64>()) {
            number.copy_from_slice(&block.to_le_bytes());
        }
        segment.copy_from_slice(bytes)?;
    }
    Ok(())
}

#[vtable]
impl Operations for Numbers {
    type TagSetData = ();
    type QueueData = ();
    type HwData = ();
    type RequestData = Block;

    fn init_request_data(_set: &()) -> impl PinInit<Block, Error> {
        try_pin_init!(Block {
            bytes <- pin_init::init_zeroed(),
        }? Error)
    }

    fn init_hctx(_set: &(), _index: u32) -> impl PinInit<(), Error> {
        Ok(())
    }

    fn queue_rq(
        _hctx: HwQueue<'_, Self>,
        rq: Request<Self, Idle>,
        _last: bool,
    ) -> Result<(), Rejected<Self>> {
        let mut rq = rq.start();
        let result = serve(&mut rq);

        rq.end(result.err().unwrap_or(Status::OK));
        Ok(())
    }

    fn complete(rq: Request<Self>) {
        rq.end(Status::OK);
    }
}

struct Loaded {
    _disk: Disk<Numbers>,
}

impl kernel::Module for Loaded {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let size = u32::try_from(BLOCK_SIZE)?;
        let mut limits = QueueLimits::new();

        limits
            .set_synchronous(true)
            .set_logical_block_size(size)?
            .set_dma_alignment(size - 1)?;

        let tag_set = Arc::pin_init(TagSet::new(TagSetOptions::default(), ()), GFP_KERNEL)?;
        let mut disk = NewDisk::new(tag_set, &limits, Ok::<(), Error>(()))?;

        disk.set_name(fmt!("book_numbers"))?;
        disk.set_capacity(module_parameters::blocks.value() << (BLOCK_SHIFT - SECTOR_SHIFT))?;
        disk.set_read_only(true);
        Ok(Self {
            _disk: disk.add_virtual()?,
        })
    }
}

module! {
    type: Loaded,
    name: "book_numbers",
    authors: ["The linux-virtio-rs developers"],
    description: "A disk that contains the numbers of its blocks",
    license: "GPL",
    params: {
        blocks: u64 {
            default: 1024,
            description: "How many blocks there are",
        },
        bad: u64 {
            default: 18446744073709551615,
            description: "A block that cannot be read",
        },
    },
}
