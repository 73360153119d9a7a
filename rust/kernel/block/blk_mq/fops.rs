// SPDX-License-Identifier: GPL-2.0

//! The operations that come through an open disk.
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)

use super::{
    GenDisk,
    Operations,
    ZoneReporter, //
};
use crate::{
    error::from_result,
    module::this_module,
    prelude::*, //
};
use core::marker::PhantomData;

/// A geometry of a disk.
///
/// Equivalent to C's `struct hd_geometry`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// The number of heads.
    pub heads: u8,
    /// The number of sectors of each track.
    pub sectors: u8,
    /// The number of cylinders.
    pub cylinders: u16,
}

/// `struct block_device_operations` for `T`.
pub(super) struct Fops<T: Operations>(PhantomData<T>);

impl<T: Operations> Fops<T> {
    /// # Safety
    ///
    /// `disk` must be a `GenDisk<T>` that is open, and `geometry` valid for writes.
    unsafe extern "C" fn getgeo_callback(
        disk: *mut bindings::gendisk,
        geometry: *mut bindings::hd_geometry,
    ) -> c_int {
        from_result(|| {
            // SAFETY: By the requirement of this function.
            let disk = unsafe { GenDisk::<T>::from_raw(disk) };
            let found = disk.tag_set().callers().enter(|| T::getgeo(disk))?;
            // SAFETY: By the requirement of this function.
            let geometry = unsafe { &mut *geometry };

            // C sets the start of the partition.
            geometry.heads = found.heads;
            geometry.sectors = found.sectors;
            geometry.cylinders = found.cylinders;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `disk` must be a `GenDisk<T>` that cannot go away, and `args` null or what
    /// `disk_report_zone` expects.
    unsafe extern "C" fn report_zones_callback(
        disk: *mut bindings::gendisk,
        sector: bindings::sector_t,
        nr_zones: c_uint,
        args: *mut bindings::blk_report_zones_args,
    ) -> c_int {
        from_result(|| {
            // SAFETY: By the requirement of this function.
            let mut reporter = unsafe { ZoneReporter::new(disk, nr_zones, args) };

            // SAFETY: By the requirement of this function.
            let disk = unsafe { GenDisk::<T>::from_raw(disk) };
            let callers = disk.tag_set().callers();

            callers.enter(|| T::report_zones(disk, sector, &mut reporter))?;
            reporter.finish()
        })
    }

    const TABLE: bindings::block_device_operations = bindings::block_device_operations {
        getgeo: if T::HAS_GETGEO {
            Some(Self::getgeo_callback)
        } else {
            None
        },
        report_zones: if T::HAS_REPORT_ZONES {
            Some(Self::report_zones_callback)
        } else {
            None
        },
        owner: this_module::<T::OwnerModule>().as_ptr(),
        ..pin_init::zeroed()
    };

    pub(super) const fn build() -> &'static bindings::block_device_operations {
        &Self::TABLE
    }
}
