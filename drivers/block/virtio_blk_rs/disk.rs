// SPDX-License-Identifier: GPL-2.0

//! What a disk consists of: the types that the other files have in common.

use super::used_len::UsedLen;
use kernel::{
    block::{
        blk_mq::CpuQueues,
        virtio::DiskIndex, //
    },
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    time::{
        Instant,
        Monotonic, //
    },
    virtio::{
        config::ByteOrder,
        DeviceHandle,
        Virtqueue, //
    },
};

/// The driver's side of the block layer.
pub(crate) struct Disk;

/// A virtqueue that carries block requests.
pub(crate) struct RequestQueue;

/// What a queue knows about its device.
pub(crate) struct QueueContext {
    /// The byte order of headers.
    pub(crate) order: ByteOrder,
    /// Whether used lengths count.
    pub(crate) used_len: UsedLen,
    /// The size of zones in sectors, or zero.
    pub(crate) zone_sectors: u32,
}

/// The queues of a device.
pub(crate) struct Queues {
    /// The queues, by number: first those with interrupts, then those that are polled.
    pub(crate) vqs: KVec<Arc<Virtqueue<RequestQueue>>>,
    /// The CPUs that the former interrupt.
    pub(crate) irq_cpus: CpuQueues,
    /// The number of the former.
    pub(crate) num_default: u32,
    /// The number of the latter.
    pub(crate) num_poll: u32,
}

impl Queues {
    /// The size of the smallest ring.
    pub(crate) fn vring_size(&self) -> u32 {
        let sizes = self.vqs.iter().map(|queue| queue.lock().vring_size());

        sizes.min().unwrap_or(0)
    }
}

/// What lives as long as somebody has the disk open.
pub(crate) struct DiskData {
    /// Keeps the name of the disk from being used again.
    pub(crate) _index: DiskIndex,
    /// The way to the device.
    pub(crate) dev: Arc<DeviceHandle>,
    /// The size of zones in sectors, if there are any.
    pub(crate) zone_sectors: Option<u32>,
    /// The most segments that a request can have, at least one.
    pub(crate) max_segments: u32,
    /// The most bytes that a segment can have.
    pub(crate) max_segment_size: u32,
    /// What is known about failures of the device.
    pub(crate) recovery: Recovery,
    /// Whether the user wants nothing to be cached.
    pub(crate) write_through: Atomic<bool>,
}

/// What a disk knows about failures of its device.
pub(crate) struct Recovery {
    /// Whether requests that come back are issued again.
    pub(crate) keeps: Atomic<bool>,
    /// Whether the device had failed when its partitions were looked for.
    pub(crate) unscanned: Atomic<bool>,
    /// When the disk was made.
    born: Instant<Monotonic>,
    /// How many milliseconds after that a line in the log has said that requests wait; or zero.
    last_line: Atomic<u64>,
}

impl Recovery {
    /// The shortest time between two such lines, in milliseconds.
    const LINE_PERIOD: u64 = 60_000;

    pub(crate) fn new() -> Self {
        Self {
            keeps: Atomic::new(false),
            unscanned: Atomic::new(false),
            born: Instant::now(),
            last_line: Atomic::new(0),
        }
    }

    /// Whether it is time for another line in the log. Only one caller gets to know that it is.
    pub(crate) fn takes_line(&self) -> bool {
        let now = u64::try_from(self.born.elapsed().as_millis())
            .unwrap_or(0)
            .max(1);
        let last = self.last_line.load(Relaxed);

        (last == 0 || now.saturating_sub(last) >= Self::LINE_PERIOD)
            && self.last_line.cmpxchg(last, now, Relaxed).is_ok()
    }
}
