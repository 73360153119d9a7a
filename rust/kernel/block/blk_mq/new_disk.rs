// SPDX-License-Identifier: GPL-2.0

//! Disks that nobody can see yet.
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)

use super::{
    attributes::AttributeList,
    disk::put,
    disk_data::{
        self,
        DiskData, //
    },
    fops::Fops,
    watch::Watch,
    Disk,
    GenDisk,
    MajorNumber,
    Operations,
    QueueLimits,
    TagSet, //
};
use crate::{
    device::{
        Bound,
        Device, //
    },
    error::{
        from_err_ptr,
        to_result, //
    },
    fmt::{
        self,
        Write, //
    },
    module::this_module,
    prelude::*,
    static_lock_class,
    str::NullTerminatedFormatter,
    sync::Arc, //
};
use core::{
    mem::ManuallyDrop,
    ops::Deref,
    ptr::NonNull, //
};

/// A disk that was allocated, but not added.
///
/// The driver can already issue requests of its own on it, with
/// [`execute`](GenDisk::execute). Dropping it frees the disk, along with the data of the driver,
/// unless somebody looks at its device just then.
///
/// # Context
///
/// Dropping it sleeps. In the functions of the driver that [`Disk`] names, a worker does it soon.
///
/// # Invariants
///
/// - `disk` is a disk that was not added, and a reference to it. Nobody can get another one.
/// - `groups` is null or a terminated array that lives for ever.
pub struct NewDisk<T: Operations> {
    disk: NonNull<GenDisk<T>>,
    groups: *mut *const bindings::attribute_group,
    /// For when the disk was added, or is discarded elsewhere. Made before the disk, since neither
    /// of that may fail for want of memory.
    watch: ManuallyDrop<KBox<Watch>>,
}

// SAFETY: `GenDisk<T>` is `Send` and `Sync`, and `groups` is not written.
unsafe impl<T: Operations> Send for NewDisk<T> {}

// SAFETY: As for `Send`.
unsafe impl<T: Operations> Sync for NewDisk<T> {}

impl<T: Operations> Deref for NewDisk<T> {
    type Target = GenDisk<T>;

    #[inline]
    fn deref(&self) -> &GenDisk<T> {
        // SAFETY: By the type invariant, `self` has a reference to the disk.
        unsafe { self.disk.as_ref() }
    }
}

/// The most zones of a disk: C has a byte for each of them, in one piece of memory.
pub const MAX_ZONES: u64 = 1 << 22;

/// Checks a size in sectors of 512 bytes.
pub(super) fn check_capacity(sectors: u64) -> Result {
    if sectors > i64::MAX.unsigned_abs() >> bindings::SECTOR_SHIFT {
        return Err(EINVAL);
    }
    Ok(())
}

impl<T: Operations> NewDisk<T> {
    /// Allocates a disk with a queue.
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// - [`EINVAL`]: the limits contradict each other, or they are zoned and there is no
    ///   [`Operations::report_zones`].
    /// - [`ENOMEM`]: there is no memory, or [`Operations::init_hctx`] failed.
    /// - What the initializer of the data returns.
    pub fn new<E>(
        tag_set: Arc<TagSet<T>>,
        limits: &QueueLimits,
        queue_data: impl PinInit<T::QueueData, E>,
    ) -> Result<Self>
    where
        Error: From<E>,
    {
        if limits.is_zoned() && !T::HAS_REPORT_ZONES {
            return Err(EINVAL);
        }
        limits.check()?;

        let watch = Watch::new(this_module::<T::OwnerModule>().as_ptr())?;
        // They may come from another disk, with what the user has chosen there.
        let mut own = QueueLimits::new();
        own.update_from(limits);
        let set = tag_set.as_raw();
        let data = DiskData::new(tag_set, queue_data)?
            .as_ptr()
            .cast::<c_void>();

        // SAFETY: `data` keeps the tag set. The other pointers are valid. The operations of the
        // tag set expect a `DiskData<T>` as data.
        let disk = from_err_ptr(unsafe {
            bindings::__blk_mq_alloc_disk(
                set,
                own.as_raw_mut(),
                data,
                static_lock_class!().as_ptr(),
            )
        })
        .inspect_err(|_| {
            // SAFETY: `data` was made above, and C has no reference left.
            unsafe { disk_data::free(data) }
        })?;

        // SAFETY: `disk` was allocated above, and nobody else knows of it.
        unsafe { disk_data::attach(disk, data) };
        // SAFETY: As above.
        unsafe { (*disk).fops = Fops::<T>::build() };

        // INVARIANT: C has returned the only reference, and nothing was added.
        Ok(Self {
            // SAFETY: `from_err_ptr` has excluded errors, and C does not return null.
            disk: unsafe { NonNull::new_unchecked(disk.cast()) },
            groups: core::ptr::null_mut(),
            watch: ManuallyDrop::new(watch),
        })
    }

    /// Sets the name, as it will be in `/dev` and `/sys/block`.
    ///
    /// # Errors
    ///
    /// [`EINVAL`]: the name is empty, longer than 31 bytes, or has a `/` or a zero byte in it. Then
    /// the disk has no name.
    pub fn set_name(&mut self, name: fmt::Arguments<'_>) -> Result {
        // SAFETY: By the type invariant, the disk is valid, and nobody else uses it.
        let slot = unsafe { &mut (*self.as_raw()).disk_name };
        let mut writer = NullTerminatedFormatter::new(slot).ok_or(EINVAL)?;
        let written = writer.write_fmt(name);
        let name = self.name().to_bytes();

        if written.is_err() || name.is_empty() || name.contains(&b'/') {
            // SAFETY: As above.
            unsafe { (*self.as_raw()).disk_name[0] = 0 };
            return Err(EINVAL);
        }
        Ok(())
    }

    /// Sets the device numbers: the disk gets `first_minor`, its partitions those that follow, up
    /// to `minors` in all. Those for which there are none left get numbers that the block layer
    /// chooses, and without this all of them do.
    ///
    /// # Errors
    ///
    /// [`EINVAL`]: there are no such numbers, or not from 1 to 256 of them.
    pub fn set_minors(&mut self, major: MajorNumber, first_minor: u32, minors: u32) -> Result {
        let end = first_minor.checked_add(minors).ok_or(EINVAL)?;

        if minors == 0 || minors > bindings::DISK_MAX_PARTS || end > 1 << bindings::MINORBITS {
            return Err(EINVAL);
        }

        let disk = self.as_raw();

        // CAST: The numbers have at most 20 bits, the major less.
        //
        // SAFETY: By the type invariant, the disk is valid, and nobody else uses it.
        unsafe { (*disk).major = major.get() as c_int };
        // SAFETY: As above.
        unsafe { (*disk).first_minor = first_minor as c_int };
        // SAFETY: As above.
        unsafe { (*disk).minors = minors as c_int };
        // SAFETY: By the type invariant, nobody else can find the disk.
        unsafe { DiskData::<T>::set_major(self.disk_data(), major) };
        Ok(())
    }

    /// Sets the size in sectors of 512 bytes.
    ///
    /// # Errors
    ///
    /// [`EINVAL`]: the size in bytes is above `i64::MAX`.
    pub fn set_capacity(&mut self, sectors: u64) -> Result {
        check_capacity(sectors)?;

        // SAFETY: By the type invariant, the disk is valid.
        unsafe { bindings::set_capacity(self.as_raw(), sectors) };
        Ok(())
    }

    /// Sets whether the disk can be written.
    pub fn set_read_only(&mut self, read_only: bool) {
        // SAFETY: By the type invariant, the disk is valid.
        unsafe { bindings::set_disk_ro(self.as_raw(), read_only) };
    }

    /// Sets attributes that the disk will have in `/sys/block`, beside those of the block layer.
    pub fn set_attributes<A: AttributeList<T>>(&mut self) {
        // INVARIANT: It is a terminated array in static memory.
        self.groups = A::groups();
    }

    /// Adds the disk to the system, as a child of the device that it belongs to.
    ///
    /// Everybody can use the disk before this function returns: partitions are looked for. So the
    /// device must work. If the disk is zoned, the zones are looked at first.
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// - [`EINVAL`]: the disk has no name.
    /// - [`EEXIST`]: there is a disk of this name.
    /// - [`ENODEV`]: the zones are not as the limits say.
    /// - [`ENOMEM`], and others that adding a device can give.
    #[expect(clippy::should_implement_trait, reason = "this is the name in C")]
    pub fn add(self, parent: &Device<Bound>) -> Result<Disk<T>> {
        self.add_below(parent.as_raw())
    }

    /// Adds a disk that has no device, such as a RAM disk.
    ///
    /// # Errors
    ///
    /// As for [`add`](Self::add).
    pub fn add_virtual(self) -> Result<Disk<T>> {
        self.add_below(core::ptr::null_mut())
    }

    fn add_below(self, parent: *mut bindings::device) -> Result<Disk<T>> {
        if self.name().is_empty() {
            return Err(EINVAL);
        }
        self.revalidate_zones()?;

        // SAFETY: By the type invariant, the disk was not added, and `groups` is null or an array
        // that lives for ever. `parent` is null or borrowed from the caller.
        to_result(unsafe { bindings::device_add_disk(parent, self.as_raw(), self.groups) })?;

        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is not dropped, and its watch not used after this.
        let watch = unsafe { ManuallyDrop::take(&mut this.watch) };

        // SAFETY: The disk was added, and the reference is not used any more.
        Ok(unsafe { Disk::from_raw(this.disk, watch) })
    }

    /// Lets the block layer learn about the zones of a zoned disk.
    #[cfg(CONFIG_BLK_DEV_ZONED)]
    fn revalidate_zones(&self) -> Result {
        // SAFETY: The disk keeps its queue, whose limits nobody changes yet.
        let features = unsafe { (*self.queue()).limits.features };

        if features & bindings::BLK_FEAT_ZONED == 0 {
            return Ok(());
        }
        // SAFETY: As above.
        let zone_sectors = unsafe { (*self.queue()).limits.chunk_sectors };

        if self.capacity().div_ceil(u64::from(zone_sectors).max(1)) > MAX_ZONES {
            return Err(EINVAL);
        }

        // SAFETY: The disk is zoned, and `new` has checked that there is `report_zones`.
        to_result(unsafe { bindings::blk_revalidate_disk_zones(self.as_raw()) })
    }

    /// There are no zoned disks.
    #[cfg(not(CONFIG_BLK_DEV_ZONED))]
    fn revalidate_zones(&self) -> Result {
        Ok(())
    }
}

/// Frees a disk that was not added, as soon as nobody looks at it.
///
/// # Safety
///
/// `disk` must be a `GenDisk<T>` that was not added, and a reference to it that is not used after
/// this.
unsafe fn discard<T: Operations>(disk: *mut bindings::gendisk) {
    // SAFETY: By the requirement of this function.
    let set = unsafe { GenDisk::<T>::from_raw(disk) }.tag_set().as_raw();

    // `queue_rq` may still run for a request of the driver itself: see `disk::remove`.
    //
    // SAFETY: `DiskData` keeps the set.
    unsafe { bindings::blk_mq_wait_quiesce_done(set) };
    // SAFETY: By the requirement of this function.
    unsafe { put::<T>(disk) };
}

impl<T: Operations> Drop for NewDisk<T> {
    fn drop(&mut self) {
        let disk = self.as_raw();

        // SAFETY: This is done once, as `self` is about to go.
        let watch = unsafe { ManuallyDrop::take(&mut self.watch) };

        if self.tag_set().callers().contain_current() {
            // SAFETY: The module of the driver has `discard::<T>`, and the reference goes there.
            unsafe { Watch::start_removal(watch, disk, discard::<T>) };
        } else {
            // SAFETY: By the type invariant, the disk was not added, and `self` has a reference.
            unsafe { discard::<T>(disk) };
        }
    }
}
