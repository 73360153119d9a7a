// SPDX-License-Identifier: GPL-2.0

//! A disk in memory, fourth stage: several CPUs use it at a time.
//!
//! It has a hardware queue for each CPU, and a lock for each part of the memory. A request notes
//! how it went in data of its own, and ends on the CPU that the block layer wants. How many
//! requests each queue had is in `/sys/block/block_4/requests`.

#![deny(unsafe_code)]

use kernel::{
    block::blk_mq::{
        num_possible_queues,
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
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Mutex, //
    }, //
};

#[path = "logic/src/blocks.rs"]
pub mod blocks;
#[path = "logic/src/parts.rs"]
pub mod parts;

use blocks::BLOCK_SIZE;

type Block = [u8; BLOCK_SIZE];

/// A block of zeroes.
fn new_block() -> Result<KBox<Block>> {
    KBox::zeroed(GFP_NOWAIT | __GFP_NOWARN).map_err(|_| ENOSPC)
}

struct SparseDisk;

/// A part of the memory.
#[pin_data]
struct Part {
    #[pin]
    blocks: Mutex<KVVec<Option<KBox<Block>>>>,
}

impl Part {
    fn new(count: usize) -> Result<Pin<KBox<Self>>> {
        let mut blocks = KVVec::with_capacity(count, GFP_KERNEL)?;

        for _ in 0..count {
            blocks.push(None, GFP_KERNEL)?;
        }
        KBox::pin_init(pin_init!(Self { blocks <- new_mutex!(blocks) }), GFP_KERNEL)
    }

    /// Calls `f` with a block, which it may make or take away.
    fn with<R>(
        &self,
        index: usize,
        f: impl FnOnce(&mut Option<KBox<Block>>) -> Result<R>,
    ) -> Result<R> {
        f(self.blocks.lock().get_mut(index).ok_or(EIO)?)
    }
}

/// All parts.
struct Memory(KVec<Pin<KBox<Part>>>);

impl Memory {
    fn new(blocks: usize) -> Result<Self> {
        let mut all = KVec::new();

        for count in parts::sizes(blocks) {
            all.push(Part::new(count)?, GFP_KERNEL)?;
        }
        Ok(Self(all))
    }

    fn with<R>(
        &self,
        block: usize,
        f: impl FnOnce(&mut Option<KBox<Block>>) -> Result<R>,
    ) -> Result<R> {
        let (part, index) = parts::of(block);

        self.0.get(part).ok_or(EIO)?.with(index, f)
    }

    fn serve(&self, rq: &Request<SparseDisk>) -> Result {
        let mut wanted = blocks::of(rq.sector(), rq.bytes()).ok_or(EIO)?;

        match rq.op() {
            Op::Read => rq
                .payload()
                .segments()
                .zip(wanted)
                .try_for_each(|(mut segment, block)| {
                    self.with(block, |block| match block {
                        Some(block) => segment.copy_from_slice(&block[..]),
                        None => segment.fill_zero(),
                    })
                }),
            Op::Write => {
                rq.payload()
                    .segments()
                    .zip(wanted)
                    .try_for_each(|(mut segment, block)| {
                        self.with(block, |block| {
                            let block = match block {
                                Some(block) => block,
                                None => block.insert(new_block()?),
                            };

                            segment.copy_to_slice(&mut block[..])
                        })
                    })
            }
            Op::Discard | Op::WriteZeroes => wanted.try_for_each(|block| {
                self.with(block, |block| {
                    *block = None;
                    Ok(())
                })
            }),
            _ => Err(EOPNOTSUPP),
        }
    }
}

/// How many requests a hardware queue had.
type Counter = Arc<Atomic<u64>>;

/// The file that tells how many requests each queue had.
struct Requests;

#[vtable]
impl Attribute<SparseDisk> for Requests {
    const NAME: &'static CStr = c"requests";

    fn access(_disk: &GenDisk<SparseDisk>) -> Access {
        Access::ReadOnly
    }

    fn show(disk: &GenDisk<SparseDisk>, out: &mut Contents<'_>) -> Result {
        for counter in disk.tag_set().data() {
            write!(out, "{} ", counter.load(Relaxed))?;
        }
        writeln!(out)?;
        Ok(())
    }
}

#[vtable]
impl Operations for SparseDisk {
    type TagSetData = KVec<Counter>;
    type QueueData = Memory;
    type HwData = Counter;
    type RequestData = Status;

    fn init_request_data(_set: &KVec<Counter>) -> impl PinInit<Status, Error> {
        Ok(Status::IOERR)
    }

    fn init_hctx(set: &KVec<Counter>, index: u32) -> impl PinInit<Counter, Error> {
        let index = usize::try_from(index)?;

        set.get(index).cloned().ok_or(EINVAL)
    }

    fn queue_rq(
        hctx: HwQueue<'_, Self>,
        rq: Request<Self, Idle>,
        _last: bool,
    ) -> Result<(), Rejected<Self>> {
        let mut rq = rq.start();
        let result = hctx.queue_data().serve(&rq);

        hctx.data().fetch_add(1, Relaxed);
        *rq.data_mut().get_mut() = result.map_or_else(Status::from, |()| Status::OK);
        rq.complete();
        Ok(())
    }

    fn complete(rq: Request<Self>) {
        let status = *rq.data();

        rq.end(status);
    }
}

fn limits() -> Result<QueueLimits> {
    let size = u32::try_from(BLOCK_SIZE)?;
    let mut limits = QueueLimits::new();

    limits
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
        let queues = num_possible_queues(0);
        let mut counters = KVec::new();

        for _ in 0..queues {
            counters.push(Arc::new(Atomic::new(0), GFP_KERNEL)?, GFP_KERNEL)?;
        }

        let options = TagSetOptions {
            blocking: true,
            nr_hw_queues: queues,
            ..TagSetOptions::default()
        };
        let tag_set = Arc::pin_init(TagSet::new(options, counters), GFP_KERNEL)?;
        let mut disk = NewDisk::new(tag_set, &limits()?, Memory::new(count))?;

        disk.set_name(fmt!("block_4"))?;
        disk.set_capacity(blocks::sectors(count))?;
        disk.set_attributes::<(Requests,)>();
        Ok(Self {
            _disk: disk.add_virtual()?,
        })
    }
}

module! {
    type: Loaded,
    name: "block_4_queues",
    authors: ["The linux-virtio-rs developers"],
    description: "A disk in memory, fourth stage",
    license: "GPL",
    params: {
        size_mib: u32 {
            default: 256,
            description: "Size of the disk in MiB",
        },
    },
}
