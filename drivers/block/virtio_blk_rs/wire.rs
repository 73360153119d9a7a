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
use zerocopy_derive::Immutable;

kernel::virtio_features! {
    /// What the driver understands (5.2.3).
    pub(crate) struct Features {
        /// `VIRTIO_BLK_F_SIZE_MAX`: segments have a largest size.
        SizeMax = 1,
        /// `VIRTIO_BLK_F_SEG_MAX`: requests have a largest number of segments.
        SegMax = 2,
        /// `VIRTIO_BLK_F_GEOMETRY`: the device tells a geometry.
        Geometry = 4,
        /// `VIRTIO_BLK_F_RO`: the device is read-only.
        Ro = 5,
        /// `VIRTIO_BLK_F_BLK_SIZE`: the device tells its block size.
        BlkSize = 6,
        /// `VIRTIO_BLK_F_FLUSH`: the device has a cache that can be flushed.
        Flush = 9,
        /// `VIRTIO_BLK_F_TOPOLOGY`: the device tells how its blocks are best used.
        Topology = 10,
        /// `VIRTIO_BLK_F_CONFIG_WCE`: the cache can be switched on and off.
        ConfigWce = 11,
        /// `VIRTIO_BLK_F_MQ`: the device has several queues.
        Mq = 12,
        /// `VIRTIO_BLK_F_DISCARD`: sectors can be discarded.
        Discard = 13,
        /// `VIRTIO_BLK_F_WRITE_ZEROES`: zeroes can be written without data.
        WriteZeroes = 14,
        /// `VIRTIO_BLK_F_SECURE_ERASE`: sectors can be erased for good.
        SecureErase = 16,
        /// `VIRTIO_BLK_F_ZONED`: the device may have zones.
        Zoned = 17, modern;
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
        /// The geometry.
        CYLINDERS: Virtio16 @ 16, if Geometry;
        /// See [`Self::CYLINDERS`].
        HEADS: U8 @ 18, if Geometry;
        /// See [`Self::CYLINDERS`].
        SECTORS: U8 @ 19, if Geometry;
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
        /// Whether the cache is on.
        WCE: U8 @ 32, if ConfigWce => rw;
        /// The number of request queues.
        NUM_QUEUES: Virtio16 @ 34, if Mq;
        /// The largest range of a discard in sectors.
        MAX_DISCARD_SECTORS: Virtio32 @ 36, if Discard;
        /// The largest number of ranges of a discard.
        MAX_DISCARD_SEG: Virtio32 @ 40, if Discard;
        /// What ranges of a discard should be aligned to, in sectors.
        DISCARD_SECTOR_ALIGNMENT: Virtio32 @ 44, if Discard;
        /// The largest range of a write-zeroes request in sectors.
        MAX_WRITE_ZEROES_SECTORS: Virtio32 @ 48, if WriteZeroes;
        /// The largest range of a secure erase in sectors.
        MAX_SECURE_ERASE_SECTORS: Virtio32 @ 60, if SecureErase;
        /// The largest number of ranges of a secure erase.
        MAX_SECURE_ERASE_SEG: Virtio32 @ 64, if SecureErase;
        /// What ranges of a secure erase should be aligned to, in sectors.
        SECURE_ERASE_SECTOR_ALIGNMENT: Virtio32 @ 68, if SecureErase;
        /// The size of a zone in sectors.
        ZONE_SECTORS: Virtio32 @ 72, if Zoned;
        /// The number of zones that can be open.
        MAX_OPEN_ZONES: Virtio32 @ 76, if Zoned;
        /// The number of zones that can be active.
        MAX_ACTIVE_ZONES: Virtio32 @ 80, if Zoned;
        /// The longest zone append in sectors.
        MAX_APPEND_SECTORS: Virtio32 @ 84, if Zoned;
        /// What writes to a zone must be multiples of, in bytes.
        WRITE_GRANULARITY: Virtio32 @ 88, if Zoned;
        /// A [`zone_model`].
        MODEL: U8 @ 92, if Zoned;
    }
}

/// Who manages the zones (5.2.4).
pub(crate) mod zone_model {
    /// `VIRTIO_BLK_Z_NONE`: there are none.
    pub(crate) const NONE: u8 = 0;
    /// `VIRTIO_BLK_Z_HM`: the host, which must write them in order.
    pub(crate) const HOST_MANAGED: u8 = 1;
    /// `VIRTIO_BLK_Z_HA`: the host may, but need not.
    pub(crate) const HOST_AWARE: u8 = 2;
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
    /// `VIRTIO_BLK_T_GET_ID`.
    GetId = 8,
    /// `VIRTIO_BLK_T_DISCARD`.
    Discard = 11,
    /// `VIRTIO_BLK_T_WRITE_ZEROES`.
    WriteZeroes = 13,
    /// `VIRTIO_BLK_T_SECURE_ERASE`.
    SecureErase = 14,
    /// `VIRTIO_BLK_T_ZONE_APPEND`.
    ZoneAppend = 15,
    /// `VIRTIO_BLK_T_ZONE_REPORT`.
    ZoneReport = 16,
    /// `VIRTIO_BLK_T_ZONE_OPEN`.
    ZoneOpen = 18,
    /// `VIRTIO_BLK_T_ZONE_CLOSE`.
    ZoneClose = 20,
    /// `VIRTIO_BLK_T_ZONE_FINISH`.
    ZoneFinish = 22,
    /// `VIRTIO_BLK_T_ZONE_RESET`.
    ZoneReset = 24,
    /// `VIRTIO_BLK_T_ZONE_RESET_ALL`.
    ZoneResetAll = 26,
}

/// What the device writes last into a request (5.2.6): the outcome.
pub(crate) mod status {
    /// `VIRTIO_BLK_S_OK`.
    pub(crate) const OK: u8 = 0;
    /// `VIRTIO_BLK_S_UNSUPP`.
    pub(crate) const UNSUPP: u8 = 2;
    /// `VIRTIO_BLK_S_ZONE_OPEN_RESOURCE`.
    pub(crate) const ZONE_OPEN_RESOURCE: u8 = 5;
    /// `VIRTIO_BLK_S_ZONE_ACTIVE_RESOURCE`.
    pub(crate) const ZONE_ACTIVE_RESOURCE: u8 = 6;
    /// What the driver writes before, to see a device that has written nothing.
    pub(crate) const NOT_WRITTEN: u8 = 0xff;
}

/// The length of the answer to [`RequestType::GetId`].
pub(crate) const ID_BYTES: usize = 20;

/// How each request starts: `struct virtio_blk_outhdr`.
///
/// The fields have the byte order of the device.
#[derive(IntoBytes, Immutable)]
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

/// How a zone append ends: `struct virtio_blk_zone_append_inhdr`. Other requests end with the
/// status alone.
#[derive(FromBytes)]
#[repr(C)]
pub(crate) struct InHdr {
    /// The sector that was written to, in the byte order of the device.
    pub(crate) append_sector: [u8; 8],
    /// The outcome.
    pub(crate) status: u8,
}

impl InHdr {
    /// What the driver writes before: no sector, and no status.
    pub(crate) const NOT_WRITTEN: Self = Self {
        append_sector: [0xff; 8],
        status: status::NOT_WRITTEN,
    };
}

/// A range of sectors: `struct virtio_blk_discard_write_zeroes`, little-endian on all devices.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
pub(crate) struct Range {
    sector: [u8; 8],
    num_sectors: [u8; 4],
    flags: [u8; 4],
}

impl Range {
    /// `VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP`.
    const UNMAP: u32 = 1;

    /// A range of `num_sectors` from `sector` on.
    pub(crate) fn new(sector: u64, num_sectors: u32, unmap: bool) -> Self {
        let flags = if unmap { Self::UNMAP } else { 0 };

        Self {
            sector: sector.to_le_bytes(),
            num_sectors: num_sectors.to_le_bytes(),
            flags: flags.to_le_bytes(),
        }
    }
}

/// The start of a zone report: `struct virtio_blk_zone_report`.
#[derive(FromBytes, zerocopy_derive::KnownLayout, Immutable)]
#[repr(C)]
pub(crate) struct ZoneReport {
    nr_zones: [u8; 8],
    _reserved: [u8; 56],
}

impl ZoneReport {
    /// The number of zones that follow, or would if there were room.
    pub(crate) fn nr_zones(&self) -> u64 {
        u64::from_le_bytes(self.nr_zones)
    }
}

/// A zone in a report: `struct virtio_blk_zone_descriptor`.
#[derive(FromBytes, zerocopy_derive::KnownLayout, Immutable)]
#[repr(C)]
pub(crate) struct ZoneDescriptor {
    z_cap: [u8; 8],
    z_start: [u8; 8],
    z_wp: [u8; 8],
    pub(crate) z_type: u8,
    pub(crate) z_state: u8,
    _reserved: [u8; 38],
}

impl ZoneDescriptor {
    /// The part of the zone that can be written, in sectors.
    pub(crate) fn capacity(&self) -> u64 {
        u64::from_le_bytes(self.z_cap)
    }

    /// The first sector.
    pub(crate) fn start(&self) -> u64 {
        u64::from_le_bytes(self.z_start)
    }

    /// The sector to be written next.
    pub(crate) fn write_pointer(&self) -> u64 {
        u64::from_le_bytes(self.z_wp)
    }
}

kernel::static_assert!(size_of::<OutHdr>() == 16);
kernel::static_assert!(size_of::<InHdr>() == 9);
kernel::static_assert!(size_of::<Range>() == 16);
kernel::static_assert!(size_of::<ZoneReport>() == 64);
kernel::static_assert!(size_of::<ZoneDescriptor>() == 64);
