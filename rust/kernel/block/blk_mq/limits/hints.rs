// SPDX-License-Identifier: GPL-2.0

//! What a device recommends.
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)

use super::{
    QueueLimits,
    SECTOR_SIZE, //
};
use crate::{
    fmt,
    prelude::*, //
};

/// What a device says about the ways in which it works best, in bytes.
///
/// None of it is needed in order to use the device, so nothing of it is ever refused. Zero says
/// nothing. Numbers from the device can be multiplied with saturation, for instance by
/// [`u64::saturating_mul`]: what does not fit into a limit says nothing either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// The unit that the medium writes as a whole.
    pub physical_block_size: u64,
    /// The place of the first sector in its physical block.
    pub alignment_offset: u64,
    /// The smallest transfer that is efficient.
    pub io_min: u64,
    /// The transfer that is the most efficient.
    pub io_opt: u64,
    /// The unit that space is freed by.
    pub discard_granularity: u64,
}

/// A hint that is not followed to the letter.
///
/// Its [`Display`](fmt::Display) form is a clear message for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adjusted {
    /// The limit.
    pub field: &'static str,
    /// What the device has said.
    pub value: u64,
    /// What is used instead; zero if it is as if the device had said nothing.
    pub used: u32,
}

impl fmt::Display for Adjusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, value, used } = *self;

        if used == 0 {
            f.write_fmt(fmt!("{field}: {value} makes no sense and is ignored"))
        } else {
            f.write_fmt(fmt!("{field}: {value} is taken as {used}"))
        }
    }
}

/// The greatest power of two that is not above `value`, which is not zero.
fn power_of_two_below(value: u64) -> u64 {
    1 << value.ilog2()
}

impl QueueLimits {
    /// Sets what the device recommends, as near to what it says as makes sense, and calls `report`
    /// for each value that is changed or ignored:
    ///
    /// - The physical block size becomes a power of two by rounding down, and at least a logical
    ///   block.
    /// - Of the alignment offset, the remainder in a physical block counts, in whole sectors.
    /// - The smallest and the best transfer are rounded down to logical and physical blocks.
    /// - The unit of a discard is rounded up to logical blocks, as the block layer cuts discards
    ///   at it.
    ///
    /// What is zero is not set. The logical block size and the zones must be set before.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::{block::blk_mq::{Adjusted, Hints, QueueLimits}, prelude::*};
    ///
    /// let mut limits = QueueLimits::new();
    /// let mut reports = KVec::new();
    /// let hints = Hints {
    ///     physical_block_size: 5000,
    ///     io_opt: u64::from(u32::MAX) * 512,
    ///     ..Hints::default()
    /// };
    ///
    /// limits.set_hints(&hints, |adjusted| {
    ///     let _ = reports.push(adjusted, GFP_KERNEL);
    /// });
    /// assert_eq!(limits.physical_block_size(), 4096);
    /// assert_eq!(
    ///     reports[..],
    ///     [
    ///         Adjusted { field: "physical_block_size", value: 5000, used: 4096 },
    ///         Adjusted { field: "io_opt", value: u64::from(u32::MAX) * 512, used: 0 },
    ///     ]
    /// );
    /// # Ok::<(), Error>(())
    /// ```
    pub fn set_hints(&mut self, hints: &Hints, mut report: impl FnMut(Adjusted)) {
        let block = u64::from(self.logical_block_size());
        // Returns the limit for a hint, given what would make sense.
        let mut adjust = |field, value: u64, sensible: u64| -> Option<u32> {
            if value == 0 {
                return None;
            }

            let used = u32::try_from(sensible).unwrap_or(0);

            if u64::from(used) != value {
                report(Adjusted { field, value, used });
            }
            (used != 0).then_some(used)
        };

        let physical = hints.physical_block_size;
        let sensible = power_of_two_below(physical.max(block));
        if let Some(bytes) = adjust("physical_block_size", physical, sensible) {
            self.set_physical_block_size(bytes);
        }
        let physical = u64::from(self.physical_block_size());

        let offset = hints.alignment_offset;
        let sensible = offset % physical / SECTOR_SIZE * SECTOR_SIZE;
        if let Some(bytes) = adjust("alignment_offset", offset, sensible) {
            self.set_alignment_offset(bytes);
        }

        let min = hints.io_min;
        let sensible = min.max(block) / block * block;
        if let Some(bytes) = adjust("io_min", min, sensible) {
            self.set_io_min(bytes);
        }

        let opt = hints.io_opt;
        if let Some(bytes) = adjust("io_opt", opt, opt / physical * physical) {
            self.set_io_opt(bytes);
        }

        let granularity = hints.discard_granularity;
        let sensible = granularity.div_ceil(block).saturating_mul(block);
        if let Some(bytes) = adjust("discard_granularity", granularity, sensible) {
            self.set_discard_granularity(bytes);
        }
    }
}
