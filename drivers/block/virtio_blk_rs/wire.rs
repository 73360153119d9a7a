// SPDX-License-Identifier: GPL-2.0

//! What driver and device exchange: features, configuration and the formats of requests.
//!
//! Virtio specification, section 5.2 "Block Device".
//!
//! C header: [`include/uapi/linux/virtio_blk.h`](srctree/include/uapi/linux/virtio_blk.h)

use kernel::{
    prelude::*,
    virtio::config::ByteOrder, //
};

kernel::virtio_features! {
    /// What the driver understands (5.2.3).
    pub(crate) struct Features {
        /// `VIRTIO_BLK_F_SIZE_MAX`: segments have a largest size.
        SizeMax = 1,
        /// `VIRTIO_BLK_F_SEG_MAX`: requests have a largest number of segments.
        SegMax = 2,
        /// `VIRTIO_BLK_F_RO`: the device is read-only.
        Ro = 5,
        /// `VIRTIO_BLK_F_BLK_SIZE`: the device tells its block size.
        BlkSize = 6,
        /// `VIRTIO_BLK_F_FLUSH`: the device has a cache that can be flushed.
        Flush = 9,
        /// `VIRTIO_BLK_F_TOPOLOGY`: the device tells how its blocks are best used.
        Topology = 10,
        /// `VIRTIO_BLK_F_MQ`: the device has several queues.
        Mq = 12,
    }
}

kernel::virtio_config! {
    /// The configuration space (5.2.4).
    pub(crate) struct Config: Features {
        /// The capacity in sectors of 512 bytes.
        CAPACITY: Virtio64 @ 0;
        /// The largest segment in bytes.
        SIZE_MAX: Virtio32 @ 8, if SizeMax;
        /// The largest number of segments of a request.
        SEG_MAX: Virtio32 @ 12, if SegMax;
        /// The block size in bytes.
        BLK_SIZE: Virtio32 @ 20, if BlkSize;
        /// The logical blocks of a physical block, as a power of two.
        PHYSICAL_BLOCK_EXP: U8 @ 24, if Topology;
        /// The first aligned logical block.
        ALIGNMENT_OFFSET: U8 @ 25, if Topology;
        /// The suggested smallest I/O in blocks.
        MIN_IO_SIZE: Virtio16 @ 26, if Topology;
        /// The suggested largest I/O in blocks.
        OPT_IO_SIZE: Virtio32 @ 28, if Topology;
        /// The number of request queues.
        NUM_QUEUES: Virtio16 @ 34, if Mq;
    }
}

/// The type of a request (5.2.6).
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum RequestType {
    /// `VIRTIO_BLK_T_IN`.
    In = 0,
    /// `VIRTIO_BLK_T_OUT`.
    Out = 1,
    /// `VIRTIO_BLK_T_FLUSH`.
    Flush = 4,
}

/// What the device writes last into a request (5.2.6): the outcome.
pub(crate) mod status {
    /// `VIRTIO_BLK_S_OK`.
    pub(crate) const OK: u8 = 0;
    /// `VIRTIO_BLK_S_UNSUPP`.
    pub(crate) const UNSUPP: u8 = 2;
    /// What the driver writes before, to see a device that has written nothing.
    pub(crate) const NOT_WRITTEN: u8 = 0xff;
}

/// How each request starts: `struct virtio_blk_outhdr`.
///
/// The fields have the byte order of the device.
#[derive(IntoBytes, zerocopy_derive::Immutable)]
#[repr(C)]
pub(crate) struct OutHdr {
    ty: [u8; 4],
    ioprio: [u8; 4],
    sector: [u8; 8],
}

impl OutHdr {
    /// The header of a request of type `ty`, from `sector` on.
    pub(crate) fn new(order: ByteOrder, ty: RequestType, ioprio: u16, sector: u64) -> Self {
        Self {
            ty: order.to_bytes32(ty as u32),
            ioprio: order.to_bytes32(ioprio.into()),
            sector: order.to_bytes64(sector),
        }
    }
}
