// SPDX-License-Identifier: GPL-2.0

//! What a queue can do.
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)

mod hints;
mod rule;

pub use self::{
    hints::{
        Adjusted,
        Hints, //
    },
    rule::{
        LimitError,
        Rule, //
    },
};

use crate::prelude::*;

/// The unit of most limits in bytes.
const SECTOR_SIZE: u64 = 1 << bindings::SECTOR_SHIFT;

/// A segment can always be a page of the smallest size that there is.
const MIN_SEGMENT_SIZE: u64 = 4096;

/// The largest number of zones that can be open or active.
const MAX_ZONE_RESOURCES: u64 = i32::MAX as u64;

/// The largest `u32` and `u16`, as bounds.
const U32_MAX: u64 = u32::MAX as u64;
const U16_MAX: u64 = u16::MAX as u64;

/// A zoned disk; see [`QueueLimits::set_zoned`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Zoned {
    /// The size of a zone in sectors of 512 bytes, a power of two.
    pub zone_sectors: u32,
    /// The number of zones that can be open, zero for no limit.
    pub max_open_zones: u32,
    /// The number of zones that can be open or closed but not empty, zero for no limit.
    pub max_active_zones: u32,
    /// The greatest length of a zone append in sectors; zero if the device has no zone append, and
    /// the block layer emulates it.
    pub max_append_sectors: u32,
    /// The unit of writes to zones in bytes, at least a logical block.
    pub write_granularity: u32,
}

/// The limits of a request queue.
///
/// Equivalent to C's `struct queue_limits`. What is not set, the block layer fills in.
///
/// A setter refuses what the block layer refuses by itself, and [`check`](Self::check) what it
/// refuses in combination with others; what the block layer rounds, it may round. A value of zero
/// stands for its default. Hints of a device, which may be anything, go through
/// [`set_hints`](Self::set_hints).
///
/// # Examples
///
/// ```
/// use kernel::{block::blk_mq::{LimitError, QueueLimits, Rule}, prelude::*};
///
/// let mut limits = QueueLimits::new();
///
/// limits
///     .set_logical_block_size(4096)?
///     .set_max_segments(64)?
///     .set_max_hw_sectors(256)?;
///
/// assert_eq!(
///     limits.set_logical_block_size(1000).err(),
///     Some(LimitError {
///         field: "logical_block_size",
///         value: 1000,
///         rule: Rule::PowerOfTwo(512, QueueLimits::MAX_BLOCK_SIZE.into()),
///     })
/// );
/// assert_eq!(limits.logical_block_size(), 4096);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
pub struct QueueLimits(bindings::queue_limits);

impl Default for QueueLimits {
    fn default() -> Self {
        Self::new()
    }
}

/// Defines setters of features that are on or off.
macro_rules! features {
    ($($(#[doc = $doc:literal])+ $set:ident, $is:ident = $bit:ident;)+) => {
        $(
            $(#[doc = $doc])+
            pub fn $set(&mut self, on: bool) -> &mut Self {
                if on {
                    self.0.features |= bindings::$bit;
                } else {
                    self.0.features &= !bindings::$bit;
                }
                self
            }

            #[doc = concat!("Whether [`Self::", stringify!($set), "`] is on.")]
            pub fn $is(&self) -> bool {
                self.0.features & bindings::$bit != 0
            }
        )+
    };
}

impl QueueLimits {
    /// The largest logical block size in bytes.
    pub const MAX_BLOCK_SIZE: u32 = bindings::BLK_MAX_BLOCK_SIZE;

    /// Limits of which nothing is set.
    pub fn new() -> Self {
        Self(pin_init::zeroed())
    }

    pub(super) fn from_raw(raw: bindings::queue_limits) -> Self {
        Self(raw)
    }

    pub(super) fn as_raw_mut(&mut self) -> &mut bindings::queue_limits {
        &mut self.0
    }

    /// Sets the smallest unit of access in bytes; zero for 512.
    ///
    /// # Errors
    ///
    /// It is not a power of two from 512 to [`MAX_BLOCK_SIZE`](Self::MAX_BLOCK_SIZE).
    pub fn set_logical_block_size(&mut self, bytes: u32) -> Result<&mut Self, LimitError> {
        if bytes != 0 {
            Rule::PowerOfTwo(SECTOR_SIZE, Self::MAX_BLOCK_SIZE.into())
                .check("logical_block_size", bytes.into())?;
        }
        self.0.logical_block_size = bytes;
        Ok(self)
    }

    /// The smallest unit of access in bytes.
    pub fn logical_block_size(&self) -> u32 {
        self.0.logical_block_size.max(512)
    }

    /// Sets the unit in bytes that the medium writes as a whole, a power of two.
    ///
    /// What is less than the logical block size counts as that.
    pub fn set_physical_block_size(&mut self, bytes: u32) -> &mut Self {
        self.0.physical_block_size = bytes;
        self
    }

    /// The unit in bytes that the medium writes as a whole.
    pub fn physical_block_size(&self) -> u32 {
        self.0.physical_block_size.max(self.logical_block_size())
    }

    /// Sets the place in bytes of the first sector in its physical block, of whose size the block
    /// layer takes the remainder.
    pub fn set_alignment_offset(&mut self, bytes: u32) -> &mut Self {
        self.0.alignment_offset = bytes;
        self
    }

    /// Sets the smallest transfer in bytes that is efficient.
    ///
    /// What is less than the physical block size counts as that.
    pub fn set_io_min(&mut self, bytes: u32) -> &mut Self {
        self.0.io_min = bytes;
        self
    }

    /// Sets the transfer in bytes that is the most efficient; zero if there is none. The block
    /// layer rounds it down to a multiple of the physical block size.
    pub fn set_io_opt(&mut self, bytes: u32) -> &mut Self {
        self.0.io_opt = bytes;
        self
    }

    /// Sets the number of segments that a request can have; zero for 128.
    ///
    /// # Errors
    ///
    /// It is above 65535.
    pub fn set_max_segments(&mut self, count: u32) -> Result<&mut Self, LimitError> {
        Rule::Range(0, U16_MAX).check("max_segments", count.into())?;
        // CAST: Checked above.
        self.0.max_segments = count as u16;
        Ok(self)
    }

    /// Sets the greatest length of a segment in bytes; zero for 65536.
    ///
    /// # Errors
    ///
    /// It is from 1 to 4095.
    pub fn set_max_segment_size(&mut self, bytes: u32) -> Result<&mut Self, LimitError> {
        if bytes != 0 {
            Rule::Range(MIN_SEGMENT_SIZE, U32_MAX).check("max_segment_size", bytes.into())?;
        }
        self.0.max_segment_size = bytes;
        Ok(self)
    }

    /// Sets the boundary in memory that a segment must not cross, as a mask; zero for none below
    /// 4 GiB.
    ///
    /// # Errors
    ///
    /// It is neither zero nor one less than a power of two from 4096 on. Of those, the block layer
    /// takes some, and then makes segments that are shorter than a sector.
    pub fn set_seg_boundary_mask(&mut self, mask: u32) -> Result<&mut Self, LimitError> {
        if mask != 0 {
            Rule::Mask(MIN_SEGMENT_SIZE - 1, U32_MAX).check("seg_boundary_mask", mask.into())?;
        }
        // CAST: `c_ulong` has at least 32 bits.
        self.0.seg_boundary_mask = mask as c_ulong;
        Ok(self)
    }

    /// Sets the alignment in memory that data needs, as a mask; zero for 511.
    ///
    /// # Errors
    ///
    /// It is not one less than a power of two, or above a page. Of those, the block layer takes
    /// some, and then lets data pass that is not aligned.
    pub fn set_dma_alignment(&mut self, mask: u32) -> Result<&mut Self, LimitError> {
        Rule::Mask(0, crate::page::PAGE_SIZE as u64 - 1).check("dma_alignment", mask.into())?;
        self.0.dma_alignment = mask;
        Ok(self)
    }

    /// Sets the greatest length of a request in sectors of 512 bytes; zero for 255. The block
    /// layer rounds it down to a multiple of the logical block size.
    ///
    /// # Errors
    ///
    /// It is less than a page.
    pub fn set_max_hw_sectors(&mut self, sectors: u32) -> Result<&mut Self, LimitError> {
        let min = crate::page::PAGE_SIZE as u64 >> bindings::SECTOR_SHIFT;

        if sectors != 0 {
            Rule::Range(min, U32_MAX).check("max_hw_sectors", sectors.into())?;
        }
        self.0.max_hw_sectors = sectors;
        Ok(self)
    }

    /// Sets the greatest length of a discarded range in sectors of 512 bytes; zero if the device
    /// has no discard.
    pub fn set_max_hw_discard_sectors(&mut self, sectors: u32) -> &mut Self {
        self.0.max_hw_discard_sectors = sectors;
        self
    }

    /// Sets the number of ranges in a discard; zero for 1.
    ///
    /// # Errors
    ///
    /// It is above 65535.
    pub fn set_max_discard_segments(&mut self, count: u32) -> Result<&mut Self, LimitError> {
        Rule::Range(0, U16_MAX).check("max_discard_segments", count.into())?;
        // CAST: Checked above.
        self.0.max_discard_segments = count as u16;
        Ok(self)
    }

    /// Sets the unit in bytes that space is freed by.
    ///
    /// What is less than the physical block size counts as that.
    pub fn set_discard_granularity(&mut self, bytes: u32) -> &mut Self {
        self.0.discard_granularity = bytes;
        self
    }

    /// Sets the greatest length of a securely erased range in sectors of 512 bytes; zero if the
    /// device has no secure erase.
    pub fn set_max_secure_erase_sectors(&mut self, sectors: u32) -> &mut Self {
        self.0.max_secure_erase_sectors = sectors;
        self
    }

    /// Sets the greatest length of a range of zeroes in sectors of 512 bytes; zero if the device
    /// cannot write zeroes by itself.
    pub fn set_max_write_zeroes_sectors(&mut self, sectors: u32) -> &mut Self {
        self.0.max_write_zeroes_sectors = sectors;
        self
    }

    features! {
        /// Sets whether the device has a volatile cache, and so gets flushes.
        set_write_cache, write_cache = BLK_FEAT_WRITE_CACHE;
        /// Sets whether the device can write through its volatile cache.
        ///
        /// Without a cache, it makes no difference.
        set_fua, fua = BLK_FEAT_FUA;
        /// Sets whether the medium rotates, so that neighbouring sectors are accessed faster.
        set_rotational, rotational = BLK_FEAT_ROTATIONAL;
        /// Sets whether requests end before [`queue_rq`](super::Operations::queue_rq) returns.
        set_synchronous, synchronous = BLK_FEAT_SYNCHRONOUS;
    }

    /// Whether the disk is zoned.
    pub fn is_zoned(&self) -> bool {
        self.0.features & bindings::BLK_FEAT_ZONED != 0
    }

    /// Makes the disk zoned. Such a disk needs
    /// [`Operations::report_zones`](super::Operations::report_zones).
    ///
    /// # Errors
    ///
    /// - The zone size is not a power of two.
    /// - More zones can be open than active, or more than [`i32::MAX`] can be either.
    /// - A zone append cannot be as long as the write granularity.
    /// - The kernel is built without `CONFIG_BLK_DEV_ZONED`.
    pub fn set_zoned(&mut self, zoned: Zoned) -> Result<&mut Self, LimitError> {
        let granularity = u64::from(zoned.write_granularity);

        if !cfg!(CONFIG_BLK_DEV_ZONED) {
            Rule::Unsupported.check("zone_sectors", zoned.zone_sectors.into())?;
        }
        Rule::PowerOfTwo(1, 1 << 31).check("zone_sectors", zoned.zone_sectors.into())?;
        // C counts what it sets aside for them in an `int`, and a negative one stops the machine.
        Rule::Range(0, MAX_ZONE_RESOURCES)
            .check("max_active_zones", zoned.max_active_zones.into())?;
        Rule::Range(0, MAX_ZONE_RESOURCES).check("max_open_zones", zoned.max_open_zones.into())?;
        if zoned.max_active_zones != 0 {
            Rule::Range(0, zoned.max_active_zones.into())
                .check("max_open_zones", zoned.max_open_zones.into())?;
        }
        if zoned.max_append_sectors != 0 {
            Rule::Range(granularity.div_ceil(SECTOR_SIZE), U32_MAX)
                .check("max_zone_append_sectors", zoned.max_append_sectors.into())?;
        }

        self.0.features |= bindings::BLK_FEAT_ZONED;
        self.0.chunk_sectors = zoned.zone_sectors;
        self.0.max_open_zones = zoned.max_open_zones;
        self.0.max_active_zones = zoned.max_active_zones;
        self.0.max_hw_zone_append_sectors = zoned.max_append_sectors;
        self.0.zone_write_granularity = zoned.write_granularity;
        Ok(self)
    }

    /// Checks that the limits go together. Where they are used, they are checked; a driver calls
    /// this in order to tell what is wrong.
    ///
    /// # Errors
    ///
    /// - The physical block size is above the logical one, and not a power of two.
    /// - A request cannot be as long as a logical block.
    /// - A zone does not consist of logical blocks.
    pub fn check(&self) -> Result<(), LimitError> {
        let block = u64::from(self.logical_block_size());
        let raw = &self.0;

        if u64::from(raw.physical_block_size) > block {
            Rule::PowerOfTwo(block, 1 << 31)
                .check("physical_block_size", raw.physical_block_size.into())?;
        }
        if raw.max_hw_sectors != 0 {
            Rule::Range(block / SECTOR_SIZE, U32_MAX)
                .check("max_hw_sectors", raw.max_hw_sectors.into())?;
        }
        if self.is_zoned() {
            Rule::MultipleOf(block / SECTOR_SIZE)
                .check("zone_sectors", raw.chunk_sectors.into())?;
        }
        Ok(())
    }

    /// Takes over what [`Self::new`] and the setters say, and leaves what belongs to others as it
    /// is: what the block layer has found out or computed, and what the user has chosen.
    pub(super) fn update_from(&mut self, new: &Self) {
        const OURS: bindings::blk_features_t = bindings::BLK_FEAT_WRITE_CACHE
            | bindings::BLK_FEAT_FUA
            | bindings::BLK_FEAT_ROTATIONAL
            | bindings::BLK_FEAT_SYNCHRONOUS
            | bindings::BLK_FEAT_ZONED;
        let (to, from) = (&mut self.0, &new.0);

        to.features = (to.features & !OURS) | (from.features & OURS);
        to.logical_block_size = from.logical_block_size;
        to.physical_block_size = from.physical_block_size;
        to.alignment_offset = from.alignment_offset;
        to.io_min = from.io_min;
        to.io_opt = from.io_opt;
        to.max_segments = from.max_segments;
        to.max_segment_size = from.max_segment_size;
        to.seg_boundary_mask = from.seg_boundary_mask;
        to.dma_alignment = from.dma_alignment;
        to.max_hw_sectors = from.max_hw_sectors;
        to.max_hw_discard_sectors = from.max_hw_discard_sectors;
        to.max_discard_segments = from.max_discard_segments;
        to.discard_granularity = from.discard_granularity;
        to.max_secure_erase_sectors = from.max_secure_erase_sectors;
        to.max_write_zeroes_sectors = from.max_write_zeroes_sectors;
        to.chunk_sectors = from.chunk_sectors;
        to.max_open_zones = from.max_open_zones;
        to.max_active_zones = from.max_active_zones;
        to.max_hw_zone_append_sectors = from.max_hw_zone_append_sectors;
        to.zone_write_granularity = from.zone_write_granularity;
    }

    /// The size of a zone, or zero.
    pub(super) fn zone_sectors(&self) -> u32 {
        if self.is_zoned() {
            self.0.chunk_sectors
        } else {
            0
        }
    }
}
