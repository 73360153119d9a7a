// SPDX-License-Identifier: GPL-2.0

//! Reports about the zones of a disk.
//!
//! C header: [`include/uapi/linux/blkzoned.h`](srctree/include/uapi/linux/blkzoned.h)

use crate::{
    error::to_result,
    prelude::*, //
};
use core::marker::PhantomData;

/// How a zone can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ZoneType {
    /// Anywhere.
    Conventional = bindings::blk_zone_type_BLK_ZONE_TYPE_CONVENTIONAL as u8,
    /// Only at the write pointer.
    SequentialWriteRequired = bindings::blk_zone_type_BLK_ZONE_TYPE_SEQWRITE_REQ as u8,
    /// Best at the write pointer.
    SequentialWritePreferred = bindings::blk_zone_type_BLK_ZONE_TYPE_SEQWRITE_PREF as u8,
}

/// The condition of a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ZoneCondition {
    /// It has no write pointer.
    NotWritePointer = bindings::blk_zone_cond_BLK_ZONE_COND_NOT_WP as u8,
    /// Nothing was written.
    Empty = bindings::blk_zone_cond_BLK_ZONE_COND_EMPTY as u8,
    /// Open because it was written.
    ImplicitOpen = bindings::blk_zone_cond_BLK_ZONE_COND_IMP_OPEN as u8,
    /// Open because it was opened.
    ExplicitOpen = bindings::blk_zone_cond_BLK_ZONE_COND_EXP_OPEN as u8,
    /// Closed, with something in it.
    Closed = bindings::blk_zone_cond_BLK_ZONE_COND_CLOSED as u8,
    /// It can only be read.
    ReadOnly = bindings::blk_zone_cond_BLK_ZONE_COND_READONLY as u8,
    /// Full.
    Full = bindings::blk_zone_cond_BLK_ZONE_COND_FULL as u8,
    /// It can neither be read nor written.
    Offline = bindings::blk_zone_cond_BLK_ZONE_COND_OFFLINE as u8,
}

/// A zone, in sectors of 512 bytes.
///
/// Equivalent to C's `struct blk_zone`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone {
    /// The first sector.
    pub start: u64,
    /// The length.
    pub len: u64,
    /// The part of the length that can be written.
    pub capacity: u64,
    /// The sector to be written next. Not looked at if the condition says where that is, or that
    /// nothing can be written.
    pub write_pointer: u64,
    /// How it can be written.
    pub zone_type: ZoneType,
    /// Its condition.
    pub condition: ZoneCondition,
}

impl Zone {
    /// The sector to be written next, as it is reported.
    fn reported_write_pointer(&self) -> u64 {
        match self.condition {
            ZoneCondition::Empty => self.start,
            // The zone was checked.
            ZoneCondition::Full => self.start.wrapping_add(self.len),
            ZoneCondition::ReadOnly | ZoneCondition::Offline => u64::MAX,
            _ => self.write_pointer,
        }
    }

    /// Checks what the block layer relies on.
    fn check(&self) -> Result {
        let end = self.start.checked_add(self.len).ok_or(EIO)?;

        let pointer_matters = self.zone_type != ZoneType::Conventional
            && !matches!(
                self.condition,
                ZoneCondition::NotWritePointer
                    | ZoneCondition::Empty
                    | ZoneCondition::ReadOnly
                    | ZoneCondition::Full
                    | ZoneCondition::Offline
            );
        // Of one that cannot be written, nothing is left.
        let is_usable = !matches!(
            self.condition,
            ZoneCondition::ReadOnly | ZoneCondition::Offline
        );

        if self.len == 0
            || (is_usable && self.capacity == 0)
            || self.capacity > self.len
            || (pointer_matters && !(self.start..=end).contains(&self.write_pointer))
        {
            return Err(EIO);
        }
        Ok(())
    }
}

/// Takes the report of a driver about the zones of its disk.
///
/// # Invariants
///
/// `disk` is valid for `'a`, and `args` is null or what `disk_report_zone` expects.
pub struct ZoneReporter<'a> {
    disk: *mut bindings::gendisk,
    args: *mut bindings::blk_report_zones_args,
    wanted: u32,
    reported: u32,
    _disk: PhantomData<&'a mut ()>,
}

impl ZoneReporter<'_> {
    /// # Safety
    ///
    /// `disk` must be valid as long as the result, and `args` null or what `disk_report_zone`
    /// expects.
    pub(super) unsafe fn new(
        disk: *mut bindings::gendisk,
        wanted: u32,
        args: *mut bindings::blk_report_zones_args,
    ) -> Self {
        // INVARIANT: By the requirement of this function.
        Self {
            disk,
            args,
            // The result that C gets is an `int`.
            wanted: wanted.min(i32::MAX.unsigned_abs()),
            reported: 0,
            _disk: PhantomData,
        }
    }

    /// The number of zones that may still be reported.
    pub fn remaining(&self) -> u32 {
        self.wanted - self.reported
    }

    /// Reports the next zone.
    ///
    /// # Errors
    ///
    /// - [`EINVAL`]: no more zones were asked for.
    /// - [`EIO`]: the zone makes no sense.
    /// - What the block layer has to say against the zone.
    #[cfg(CONFIG_BLK_DEV_ZONED)]
    pub fn report(&mut self, zone: &Zone) -> Result {
        if self.remaining() == 0 {
            return Err(EINVAL);
        }
        zone.check()?;

        let mut raw = bindings::blk_zone {
            start: zone.start,
            len: zone.len,
            wp: zone.reported_write_pointer(),
            type_: zone.zone_type as u8,
            cond: zone.condition as u8,
            capacity: zone.capacity,
            ..pin_init::zeroed()
        };

        // SAFETY: By the type invariant, `disk` and `args` are valid. The number of the zone is
        // less than was asked for.
        to_result(unsafe {
            bindings::disk_report_zone(self.disk, &mut raw, self.reported, self.args)
        })?;
        self.reported += 1;
        Ok(())
    }

    /// There are no zoned disks.
    #[cfg(not(CONFIG_BLK_DEV_ZONED))]
    pub fn report(&mut self, zone: &Zone) -> Result {
        zone.check()?;
        Err(EOPNOTSUPP)
    }

    /// Returns the number of zones that were reported.
    pub(super) fn finish(self) -> Result<c_int> {
        Ok(c_int::try_from(self.reported)?)
    }
}
