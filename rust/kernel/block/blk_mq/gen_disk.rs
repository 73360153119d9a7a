// SPDX-License-Identifier: GPL-2.0

//! Disks, as everybody who has a reference sees them.
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)

use super::{
    disk_data::DiskData,
    Operations,
    TagSet, //
};
use crate::{
    prelude::*,
    sync::{
        atomic::Atomic,
        Arc, //
    },
    types::Opaque, //
};
use core::marker::PhantomData;

/// A disk, at any time from its allocation until the last user is gone.
///
/// Equivalent to C's `struct gendisk`.
///
/// # Invariants
///
/// The inner `gendisk` is initialized and has a queue with the operations of `T`. Its
/// `private_data` points to a `DiskData<T>`.
#[repr(transparent)]
pub struct GenDisk<T: Operations>(Opaque<bindings::gendisk>, PhantomData<fn() -> T>);

// SAFETY: `T::QueueData` is `Send`, and the last reference may be dropped anywhere.
unsafe impl<T: Operations> Send for GenDisk<T> {}

// SAFETY: `T::QueueData` is `Sync`, and C synchronizes everything else.
unsafe impl<T: Operations> Sync for GenDisk<T> {}

impl<T: Operations> GenDisk<T> {
    /// # Safety
    ///
    /// The invariants of [`GenDisk`] must hold for `disk` for `'a`.
    #[inline]
    pub(super) unsafe fn from_raw<'a>(disk: *mut bindings::gendisk) -> &'a Self {
        // SAFETY: By the requirement of this function; the type is transparent.
        unsafe { &*disk.cast::<Self>() }
    }

    #[inline]
    pub(super) fn as_raw(&self) -> *mut bindings::gendisk {
        self.0.get()
    }

    #[inline]
    pub(super) fn queue(&self) -> *mut bindings::request_queue {
        // SAFETY: By the type invariant, the disk is valid. It keeps its queue.
        unsafe { (*self.as_raw()).queue }
    }

    #[inline]
    pub(super) fn disk_data(&self) -> *mut c_void {
        // SAFETY: By the type invariant, the disk is valid.
        unsafe { (*self.as_raw()).private_data }
    }

    /// The data of the driver.
    #[inline]
    pub fn queue_data(&self) -> &T::QueueData {
        // SAFETY: By the type invariant, it is a `DiskData<T>`, which lives as long as the disk.
        unsafe { DiskData::<T>::queue_data(self.disk_data()) }
    }

    /// The tag set.
    pub fn tag_set(&self) -> &Arc<TagSet<T>> {
        // SAFETY: By the type invariant, it is a `DiskData<T>`, which lives as long as the disk.
        unsafe { DiskData::<T>::tag_set(self.disk_data()) }
    }

    /// How often the queue was left quiesced.
    pub(super) fn left_quiesced(&self) -> &Atomic<u32> {
        // SAFETY: By the type invariant, it is a `DiskData<T>`, which lives as long as the disk.
        unsafe { DiskData::<T>::left_quiesced(self.disk_data()) }
    }

    /// Whether the disk is about to be removed.
    pub(super) fn is_going(&self) -> &Atomic<u32> {
        // SAFETY: By the type invariant, it is a `DiskData<T>`, which lives as long as the disk.
        unsafe { DiskData::<T>::is_going(self.disk_data()) }
    }

    /// The smallest unit of access in bytes.
    pub fn logical_block_size(&self) -> u32 {
        // SAFETY: The disk keeps its queue. The word is read at once; who changes it replaces it.
        unsafe { (&raw const (*self.queue()).limits.logical_block_size).read_volatile() }
    }

    /// The size in sectors of 512 bytes; zero after the [`Disk`](super::Disk) was dropped.
    pub fn capacity(&self) -> u64 {
        // SAFETY: By the type invariant, the disk is valid.
        unsafe { bindings::get_capacity(self.as_raw()) }
    }

    /// Whether the disk cannot be written.
    pub fn is_read_only(&self) -> bool {
        // SAFETY: By the type invariant, the disk is valid.
        unsafe { bindings::get_disk_ro(self.as_raw()) != 0 }
    }

    /// Whether the disk has a cache that must be flushed (C: `blk_queue_write_cache`).
    pub fn has_write_cache(&self) -> bool {
        // SAFETY: The disk keeps its queue. The word is read at once; who changes it replaces it.
        let features = unsafe { (&raw const (*self.queue()).limits.features).read_volatile() };

        features & bindings::BLK_FEAT_WRITE_CACHE != 0
    }

    /// Checks that the block layer knows all zones of a disk of this size. It does not look at
    /// them again, and relies on their number.
    #[cfg(CONFIG_BLK_DEV_ZONED)]
    pub(super) fn check_zones(&self, sectors: u64) -> Result {
        // SAFETY: The disk keeps its queue. None of what is read changes while a disk is added.
        let limits = unsafe { &raw const (*self.queue()).limits };
        // SAFETY: As above.
        let features = unsafe { (&raw const (*limits).features).read_volatile() };
        // SAFETY: As above.
        let zone_sectors = unsafe { (&raw const (*limits).chunk_sectors).read_volatile() };
        // SAFETY: By the type invariant, the disk is valid.
        let nr_zones = unsafe { (&raw const (*self.as_raw()).nr_zones).read_volatile() };

        if features & bindings::BLK_FEAT_ZONED != 0
            && sectors.div_ceil(zone_sectors.max(1).into()) > nr_zones.into()
        {
            return Err(EINVAL);
        }
        Ok(())
    }

    /// There are no zoned disks.
    #[cfg(not(CONFIG_BLK_DEV_ZONED))]
    pub(super) fn check_zones(&self, _sectors: u64) -> Result {
        Ok(())
    }

    /// The name, as in `/sys/block`.
    pub fn name(&self) -> &CStr {
        // SAFETY: By the type invariant, the disk is valid.
        let name = unsafe { &raw const (*self.as_raw()).disk_name };

        // SAFETY: `NewDisk` terminates the name, and changes it only while nobody else has a
        // reference.
        unsafe { CStr::from_char_ptr(name.cast()) }
    }
}
