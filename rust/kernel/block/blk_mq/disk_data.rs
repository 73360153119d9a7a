// SPDX-License-Identifier: GPL-2.0

//! What belongs to a disk until its last user is gone.
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)

use super::{
    MajorNumber,
    Operations,
    TagSet, //
};
use crate::{
    container_of,
    prelude::*,
    static_lock_class,
    sync::{
        atomic::Atomic,
        Arc,
        Completion, //
    },
    workqueue::{
        self,
        Item, //
    }, //
};
use core::{
    cell::UnsafeCell,
    ptr::NonNull, //
};

/// What is left to do when the disk was freed.
#[derive(Clone, Copy)]
pub(super) enum Afterwards {
    /// Nothing: the driver is built in.
    Nothing,
    /// Give up a reference to the module of the driver.
    PutModule(*mut bindings::module),
    /// Wake up who waits for it.
    Complete(NonNull<Completion>),
}

/// The part of [`DiskData`] that does not depend on the driver.
#[pin_data]
pub(super) struct Header {
    /// Frees the [`DiskData`] that this belongs to. Is code of the driver's module.
    free: unsafe fn(NonNull<Header>),
    afterwards: Afterwards,
    /// The disk, from [`attach`] on.
    disk: *mut bindings::gendisk,
    /// Marks the disk as dead.
    #[pin]
    death: Item,
}

impl Header {
    fn new(free: unsafe fn(NonNull<Header>)) -> impl PinInit<Self> {
        pin_init!(Self {
            free,
            afterwards: Afterwards::Nothing,
            disk: core::ptr::null_mut(),
            // SAFETY: The work starts for disks that were added only, and is stopped when they are
            // removed.
            death <- unsafe { new_death() },
        })
    }
}

/// Makes what marks a disk as dead. Its class has one name, which stays when a module goes, as this
/// is not inlined into one.
///
/// # Safety
///
/// As for [`Item::new`].
#[inline(never)]
unsafe fn new_death() -> impl PinInit<Item> {
    // SAFETY: By the requirement of this function.
    unsafe {
        Item::new(
            run_death,
            workqueue::system_dfl(),
            c"blk_mq_mark_disk_dead",
            static_lock_class!(),
        )
    }
}

/// Marks a disk as dead.
///
/// # Safety
///
/// `work` must be the `death` of the [`Header`] of a disk that was added and not deleted.
#[inline(never)]
unsafe extern "C" fn run_death(work: *mut bindings::work_struct) {
    // SAFETY: By the requirement of this function.
    let item = unsafe { Item::from_raw(work) };
    // SAFETY: As above.
    let this = unsafe { container_of!(core::ptr::from_ref(item), Header, death) };
    // SAFETY: As above.
    let disk = unsafe { (*this).disk };

    // SAFETY: By the requirement of this function.
    unsafe { bindings::blk_mark_disk_dead(disk) };
}

/// What a gendisk and its queue refer to.
///
/// Keeps the tag set, which C refers to as long as the queue exists.
#[pin_data]
#[repr(C)]
pub(super) struct DiskData<T: Operations> {
    /// At the start, so that it can be found without knowing `T`.
    #[pin]
    header: Header,
    tag_set: Arc<TagSet<T>>,
    /// Changes only while the queue is made, and after it was shut down.
    hw_data: UnsafeCell<KVec<Pin<KBox<T::HwData>>>>,
    /// How often the queue was left quiesced.
    left_quiesced: Atomic<u32>,
    /// Not zero from when the disk is about to be removed.
    is_going: Atomic<u32>,
    /// Keeps the device numbers; changes only before the disk was added.
    major: UnsafeCell<Option<MajorNumber>>,
    #[pin]
    queue_data: T::QueueData,
}

impl<T: Operations> DiskData<T> {
    /// Allocates the data of a disk, which [`free`] frees.
    pub(super) fn new<E>(
        tag_set: Arc<TagSet<T>>,
        queue_data: impl PinInit<T::QueueData, E>,
    ) -> Result<NonNull<Self>>
    where
        Error: From<E>,
    {
        let hw_data = KVec::with_capacity(usize::try_from(tag_set.nr_hw_queues())?, GFP_KERNEL)?;

        let this = KBox::try_pin_init(
            try_pin_init!(Self {
                header <- Header::new(Self::free_from_header),
                tag_set,
                hw_data: UnsafeCell::new(hw_data),
                left_quiesced: Atomic::new(0),
                is_going: Atomic::new(0),
                major: UnsafeCell::new(None),
                queue_data <- queue_data,
            }),
            GFP_KERNEL,
        )?;

        // SAFETY: The data is not moved out of the box: it is only used by reference, and dropped
        // in place.
        let this = unsafe { Pin::into_inner_unchecked(this) };

        Ok(NonNull::from(KBox::leak(this)))
    }

    /// # Safety
    ///
    /// `header` must be that of a `DiskData<T>` from [`DiskData::new`] that is not used any more.
    unsafe fn free_from_header(header: NonNull<Header>) {
        // SAFETY: By the requirement of this function; the header is the first field.
        drop(unsafe { KBox::from_raw(header.cast::<Self>().as_ptr()) });
    }

    /// Returns the data of the driver.
    ///
    /// # Safety
    ///
    /// `this` must point to a `DiskData<T>` that lives for `'a`.
    #[inline]
    pub(super) unsafe fn queue_data<'a>(this: *mut c_void) -> &'a T::QueueData {
        // SAFETY: By the requirement of this function.
        unsafe { &(*this.cast::<Self>()).queue_data }
    }

    /// Returns the tag set.
    ///
    /// # Safety
    ///
    /// As for [`queue_data`](Self::queue_data).
    pub(super) unsafe fn tag_set<'a>(this: *mut c_void) -> &'a Arc<TagSet<T>> {
        // SAFETY: By the requirement of this function.
        unsafe { &(*this.cast::<Self>()).tag_set }
    }

    /// Returns how often the queue was left quiesced.
    ///
    /// # Safety
    ///
    /// As for [`queue_data`](Self::queue_data).
    pub(super) unsafe fn left_quiesced<'a>(this: *mut c_void) -> &'a Atomic<u32> {
        // SAFETY: By the requirement of this function.
        unsafe { &(*this.cast::<Self>()).left_quiesced }
    }

    /// Returns whether the disk is about to be removed.
    ///
    /// # Safety
    ///
    /// As for [`queue_data`](Self::queue_data).
    pub(super) unsafe fn is_going<'a>(this: *mut c_void) -> &'a Atomic<u32> {
        // SAFETY: By the requirement of this function.
        unsafe { &(*this.cast::<Self>()).is_going }
    }

    /// Keeps a major number as long as the data.
    ///
    /// # Safety
    ///
    /// `this` must point to a `DiskData<T>` of a disk that nobody else can find.
    pub(super) unsafe fn set_major(this: *mut c_void, major: MajorNumber) {
        // SAFETY: By the requirement of this function.
        let cell = unsafe { &raw mut (*this.cast::<Self>()).major };

        // SAFETY: By the requirement of this function, nobody else uses it.
        unsafe { *(*cell).get() = Some(major) };
    }

    /// Makes the data of the next hardware queue.
    ///
    /// # Safety
    ///
    /// `this` must point to a `DiskData<T>` whose queue is being made, and nobody else may use it.
    pub(super) unsafe fn add_hw_data(
        this: *mut c_void,
        data: impl PinInit<T::HwData, Error>,
    ) -> Result<NonNull<T::HwData>> {
        let data = KBox::pin_init(data, GFP_KERNEL)?;
        let ptr = NonNull::from(&*data);

        // SAFETY: By the requirement of this function.
        let cell = unsafe { &raw mut (*this.cast::<Self>()).hw_data };
        // SAFETY: By the requirement of this function, nobody else uses it.
        let all = unsafe { &mut *(*cell).get() };

        all.push(data, GFP_KERNEL)?;
        Ok(ptr)
    }

    /// Drops the data of all hardware queues.
    ///
    /// # Safety
    ///
    /// `this` must point to a `DiskData<T>` whose queue was shut down, with no callback running.
    pub(super) unsafe fn drop_hw_data(this: *mut c_void) {
        // SAFETY: By the requirement of this function.
        let cell = unsafe { &raw mut (*this.cast::<Self>()).hw_data };

        // SAFETY: By the requirement of this function, nobody else uses it.
        drop(core::mem::take(unsafe { &mut *(*cell).get() }));
    }
}

/// Sets what happens after the disk was freed.
///
/// # Safety
///
/// `this` must point to a [`DiskData`] that nobody else can free.
pub(super) unsafe fn set_afterwards(this: *mut c_void, afterwards: Afterwards) {
    // SAFETY: By the requirement of this function; the header is the first field, and its other
    // users come after the last reference to the disk was dropped.
    unsafe { (*this.cast::<Header>()).afterwards = afterwards };
}

/// Returns what marks a disk as dead.
///
/// # Safety
///
/// `this` must point to a [`DiskData`] that lives for `'a`.
pub(super) unsafe fn death<'a>(this: *mut c_void) -> &'a Item {
    // SAFETY: By the requirement of this function; the header is the first field.
    unsafe { &(*this.cast::<Header>()).death }
}

/// Frees what belongs to a disk.
///
/// # Safety
///
/// `this` must point to a [`DiskData`] from [`DiskData::new`] that is not used any more.
pub(super) unsafe fn free(this: *mut c_void) {
    // SAFETY: By the requirement of this function, it is not null.
    let header = unsafe { NonNull::new_unchecked(this.cast::<Header>()) };
    // SAFETY: By the requirement of this function; the header is the first field.
    let free = unsafe { (*header.as_ptr()).free };

    // SAFETY: By the requirement of this function, and `free` is that of the right type.
    unsafe { free(header) };
}

/// Lets the data of a disk be freed along with it.
///
/// C has `free_disk` for this, which it calls only for disks that were added.
///
/// # Safety
///
/// `disk` must be new, nobody else may know of it, and `this` point to its [`DiskData`].
pub(super) unsafe fn attach(disk: *mut bindings::gendisk, this: *mut c_void) {
    // SAFETY: By the requirement of this function.
    unsafe { (*disk).private_data = this };
    // SAFETY: As above; the header is the first field.
    unsafe { (*this.cast::<Header>()).disk = disk };
    // SAFETY: By the requirement of this function.
    let dev = unsafe { bindings::disk_to_dev(disk) };

    // SAFETY: As above. What C would call otherwise, `release_callback` calls.
    unsafe { (*dev).release = Some(release_callback) };
}

/// `release` of the disks of all drivers: nobody has a reference any more.
///
/// This is not generic in order to be built in: if the driver is a module, then it can go away as
/// soon as its code is not needed any more, which would be inside of a generic function.
///
/// # Safety
///
/// `dev` must be the device of a disk that was passed to [`attach`], and have no users.
#[inline(never)]
unsafe extern "C" fn release_callback(dev: *mut bindings::device) {
    // SAFETY: By the requirement of this function.
    let disk = unsafe { bindings::dev_to_disk(dev) };
    // SAFETY: By the requirement of this function.
    let this = unsafe { (*disk).private_data };
    // SAFETY: By the requirement of this function.
    let dev_type = unsafe { (*dev).type_ };
    // SAFETY: The type of a disk is in static memory.
    let release = unsafe { (*dev_type).release };

    if let Some(release) = release {
        // If the disk was not added, its queue is shut down here, for which the data is needed.
        //
        // SAFETY: C would call it for this device, were there none of its own.
        unsafe { release(dev) };
    }

    // SAFETY: `this` is that of the disk; the header is the first field.
    let afterwards = unsafe { (*this.cast::<Header>()).afterwards };

    // SAFETY: The disk is gone, so nobody uses the data any more.
    unsafe { free(this) };

    match afterwards {
        Afterwards::Nothing => {}
        // SAFETY: `disk::put` took the reference.
        Afterwards::PutModule(module) => unsafe { bindings::module_put(module) },
        // SAFETY: `disk::put` waits for it.
        Afterwards::Complete(completion) => unsafe { completion.as_ref() }.complete_all(),
    }
}
