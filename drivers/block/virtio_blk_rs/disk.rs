// SPDX-License-Identifier: GPL-2.0

//! What a disk consists of: the types that the other files have in common.

use super::used_len::UsedLen;
use kernel::{
    block::blk_mq::CpuQueues,
    prelude::*,
    sync::Arc,
    virtio::{
        config::ByteOrder,
        DeviceHandle,
        DiskIndex,
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

/// What lives as long as somebody has the disk open.
pub(crate) struct DiskData {
    /// Keeps the name of the disk from being used again.
    pub(crate) _index: DiskIndex,
    /// The way to the device.
    pub(crate) dev: Arc<DeviceHandle>,
    /// The size of zones in sectors, or zero.
    pub(crate) zone_sectors: u32,
}
