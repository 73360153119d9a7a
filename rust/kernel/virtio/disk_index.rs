// SPDX-License-Identifier: GPL-2.0

//! The numbers behind the names of virtio disks.
//!
//! C header: [`include/linux/virtio_disk_index.h`](srctree/include/linux/virtio_disk_index.h)

use crate::{
    bindings,
    error::to_result,
    prelude::*, //
};

/// The number of a disk, unique among those of all drivers for virtio block devices.
///
/// It is free again when this is dropped.
///
/// # Invariants
///
/// The number was taken from `virtio_disk_index` for this value.
///
/// # Examples
///
/// ```
/// use kernel::virtio::DiskIndex;
///
/// let first = DiskIndex::new(u32::MAX >> 1)?;
/// let second = DiskIndex::new(u32::MAX >> 1)?;
///
/// assert_ne!(first.get(), second.get());
/// # Ok::<(), Error>(())
/// ```
pub struct DiskIndex(u32);

impl DiskIndex {
    /// Takes the lowest number that is free, up to `max`.
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// - [`ENOSPC`]: all numbers are taken.
    /// - [`ENOMEM`]: there is no memory.
    pub fn new(max: u32) -> Result<Self> {
        // SAFETY: `virtio_disk_index` is initialized, and has a lock of its own.
        let index = unsafe {
            bindings::ida_alloc_range(
                &raw mut bindings::virtio_disk_index,
                0,
                max,
                bindings::GFP_KERNEL,
            )
        };

        if index < 0 {
            to_result(index)?;
        }
        // INVARIANT: Taken just above.
        Ok(Self(u32::try_from(index)?))
    }

    /// The number.
    pub fn get(&self) -> u32 {
        self.0
    }
}

impl Drop for DiskIndex {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the number was taken, and is given back once.
        unsafe { bindings::ida_free(&raw mut bindings::virtio_disk_index, self.0) };
    }
}
