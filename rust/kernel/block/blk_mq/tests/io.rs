// SPDX-License-Identifier: GPL-2.0

//! Ways to use a disk from inside of the kernel.

use super::ram::Ram;
use crate::{
    block::blk_mq::{
        GenDisk,
        Operations,
        Status, //
    },
    error::{
        from_err_ptr,
        to_result, //
    },
    page::{
        Page,
        PAGE_SIZE, //
    },
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Release, //
        },
        Completion, //
    },
    types::Opaque, //
};

/// An open disk.
pub(super) struct OpenDisk(*mut bindings::file);

// SAFETY: A file can be used by any thread.
unsafe impl Send for OpenDisk {}

// SAFETY: C synchronizes what is done with a file.
unsafe impl Sync for OpenDisk {}

impl OpenDisk {
    /// Opens a disk for reading and writing.
    pub(super) fn new<T: Operations>(disk: &GenDisk<T>) -> Result<Self> {
        // SAFETY: Nobody is told.
        unsafe { Self::new_for(disk, core::ptr::null_mut(), core::ptr::null()) }
    }

    /// Opens a disk as one that is `holder`'s, which `ops` tell of what happens to it.
    ///
    /// # Safety
    ///
    /// Both must be null, or `ops` be sound to be called for `holder` until the disk is closed.
    pub(super) unsafe fn new_for<T: Operations>(
        disk: &GenDisk<T>,
        holder: *mut c_void,
        ops: *const bindings::blk_holder_ops,
    ) -> Result<Self> {
        // `BLK_OPEN_READ | BLK_OPEN_WRITE`, which are expressions that are not bound.
        let mode = (1 << 0) | (1 << 1);
        // SAFETY: The disk is valid, and has a first partition.
        let dev = unsafe { (*(*disk.as_raw()).part0).bd_dev };

        // SAFETY: Any device number may be tried; the rest by the requirement of this function.
        from_err_ptr(unsafe { bindings::bdev_file_open_by_dev(dev, mode, holder, ops) }).map(Self)
    }

    pub(super) fn bdev(&self) -> *mut bindings::block_device {
        // SAFETY: The file is open.
        unsafe { bindings::file_bdev(self.0) }
    }

    /// The disk, which is one of [`Ram`]; also if it was dropped.
    pub(super) fn ram(&self) -> &GenDisk<Ram> {
        // SAFETY: The file is open, so the disk is valid.
        let disk = unsafe { (*self.bdev()).bd_disk };

        // SAFETY: Tests that use this open disks of `Ram`.
        unsafe { GenDisk::from_raw(disk) }
    }

    /// Reads through the page cache.
    pub(super) fn read(&self, offset: i64, buf: &mut [u8]) -> Result {
        let mut pos = offset;

        // SAFETY: The file is open, and `buf` valid for writes.
        let count =
            unsafe { bindings::kernel_read(self.0, buf.as_mut_ptr().cast(), buf.len(), &mut pos) };

        to_result(c_int::try_from(count)?.min(0))?;
        if usize::try_from(count)? != buf.len() {
            return Err(EIO);
        }
        Ok(())
    }

    /// Writes into the page cache.
    pub(super) fn write(&self, offset: i64, buf: &[u8]) -> Result {
        let mut pos = offset;

        // SAFETY: The file is open, and `buf` valid for reads.
        let count =
            unsafe { bindings::kernel_write(self.0, buf.as_ptr().cast(), buf.len(), &mut pos) };

        to_result(c_int::try_from(count)?.min(0))?;
        if usize::try_from(count)? != buf.len() {
            return Err(EIO);
        }
        Ok(())
    }

    /// Writes back the page cache.
    pub(super) fn sync(&self) -> Result {
        // SAFETY: The file is open.
        to_result(unsafe { bindings::vfs_fsync(self.0, 0) })
    }
}

impl Drop for OpenDisk {
    fn drop(&mut self) {
        // SAFETY: The file is open, and not used after this. Nobody waits for it in this thread.
        unsafe { bindings::__fput_sync(self.0) };
    }
}

/// A bio with a page of its own.
#[pin_data(PinnedDrop)]
pub(super) struct Bio {
    #[pin]
    bio: Opaque<bindings::bio>,
    #[pin]
    vec: Opaque<bindings::bio_vec>,
    page: Page,
    #[pin]
    done: Completion,
    is_done: Atomic<u32>,
}

// SAFETY: The bio is not accessed while it is submitted.
unsafe impl Send for Bio {}

// SAFETY: As for `Send`; what `&Bio` gives access to is synchronized.
unsafe impl Sync for Bio {}

impl Bio {
    /// Makes a bio for `len` bytes of its page, or of no data.
    fn new(
        disk: &OpenDisk,
        opf: u32,
        sector: u64,
        len: u32,
        data: bool,
    ) -> Result<Pin<KBox<Self>>> {
        let page = Page::alloc_page(GFP_KERNEL | __GFP_ZERO)?;

        let this = KBox::pin_init(
            pin_init!(Self {
                bio <- Opaque::ffi_init(|slot: *mut bindings::bio| {
                    // SAFETY: `slot` is valid for writes, and all zeroes is valid.
                    unsafe { slot.write(pin_init::zeroed()) }
                }),
                vec <- Opaque::ffi_init(|slot: *mut bindings::bio_vec| {
                    // SAFETY: `slot` is valid for writes, and all zeroes is valid.
                    unsafe { slot.write(pin_init::zeroed()) }
                }),
                page,
                done <- Completion::new(),
                is_done: Atomic::new(0),
            }),
            GFP_KERNEL,
        )?;
        let bio = this.bio.get();

        // SAFETY: `bio` and `vec` are zeroed, pinned, and live until the bio is done.
        unsafe { bindings::bio_init(bio, disk.bdev(), this.vec.get(), 1, opf) };
        if data {
            // SAFETY: `bio` was initialized with room for one page.
            let added = unsafe { bindings::bio_add_page(bio, this.page.as_ptr(), len, 0) };

            if added.unsigned_abs() != len {
                // Nobody else does, as the bio is not submitted.
                this.done.complete_all();
                return Err(EINVAL);
            }
        } else {
            // SAFETY: `bio` was initialized, and is ours.
            unsafe { (*bio).bi_iter.bi_size = len };
        }
        // SAFETY: `bio` was initialized, and is ours.
        unsafe { (*bio).bi_iter.bi_sector = sector };
        // SAFETY: As above.
        unsafe { (*bio).bi_end_io = Some(Self::end_io) };
        // SAFETY: As above.
        unsafe { (*bio).bi_private = core::ptr::from_ref(&*this).cast_mut().cast() };
        Ok(this)
    }

    /// # Safety
    ///
    /// `bio` must come from `Bio::new`.
    unsafe extern "C" fn end_io(bio: *mut bindings::bio) {
        // SAFETY: By the requirement of this function, and because the owner waits.
        let this = unsafe { &*(*bio).bi_private.cast_const().cast::<Self>() };

        this.is_done.store(1, Release);
        this.done.complete_all();
    }

    /// Submits a bio with data: `opf` is the operation and flags.
    pub(super) fn submit(
        disk: &OpenDisk,
        opf: u32,
        sector: u64,
        len: u32,
        fill: u8,
    ) -> Result<Pin<KBox<Self>>> {
        let bytes = KVec::from_elem(fill, PAGE_SIZE, GFP_KERNEL)?;
        let this = Self::new(disk, opf, sector, len, true)?;

        // SAFETY: The page is ours.
        unsafe { this.page.write_raw(bytes.as_ptr(), 0, PAGE_SIZE) }?;
        // SAFETY: The bio is ready, and lives until it is done: see `drop`.
        unsafe { bindings::submit_bio(this.bio.get()) };
        Ok(this)
    }

    /// Submits a bio without data.
    pub(super) fn submit_empty(
        disk: &OpenDisk,
        opf: u32,
        sector: u64,
        len: u32,
    ) -> Result<Pin<KBox<Self>>> {
        let this = Self::new(disk, opf, sector, len, false)?;

        // SAFETY: The bio is ready, and lives until it is done: see `drop`.
        unsafe { bindings::submit_bio(this.bio.get()) };
        Ok(this)
    }

    pub(super) fn is_done(&self) -> bool {
        self.is_done.load(Acquire) != 0
    }

    /// Waits until the bio is done.
    pub(super) fn wait(&self) -> Status {
        self.done.wait_for_completion();
        // SAFETY: The bio is done, so it is ours again.
        Status::from_raw(unsafe { (*self.bio.get()).bi_status })
    }

    /// The sector, which a zone append sets.
    pub(super) fn sector(&self) -> u64 {
        // SAFETY: Only used after `wait`.
        unsafe { (*self.bio.get()).bi_iter.bi_sector }
    }

    /// Asks the driver for completions.
    pub(super) fn poll(&self) {
        // SAFETY: The bio was submitted, and is valid.
        unsafe { bindings::bio_poll(self.bio.get(), core::ptr::null_mut(), 0) };
    }

    /// The first byte of the data.
    pub(super) fn first_byte(&self) -> Result<u8> {
        let mut byte = 0u8;

        // SAFETY: The bio is done, so nobody writes the page.
        unsafe { self.page.read_raw(&mut byte, 0, 1) }?;
        Ok(byte)
    }
}

#[pinned_drop]
impl PinnedDrop for Bio {
    fn drop(self: Pin<&mut Self>) {
        self.done.wait_for_completion();
        // SAFETY: The bio is done, so it is ours again.
        unsafe { bindings::bio_uninit(self.bio.get()) };
    }
}

/// Issues what `submit` submits together.
pub(super) fn plugged<R>(submit: impl FnOnce() -> R) -> R {
    let plug = Opaque::<bindings::blk_plug>::uninit();

    // SAFETY: `plug` is valid for writes, and stays until the end of this function.
    unsafe { bindings::blk_start_plug(plug.get()) };
    let result = submit();
    // SAFETY: The plug was started above.
    unsafe { bindings::blk_finish_plug(plug.get()) };
    result
}

/// Writes into `queue/scheduler` of a disk, as user space does.
pub(super) fn choose_scheduler<T: Operations>(disk: &GenDisk<T>, name: &CStr) -> Result {
    // SAFETY: The disk is valid.
    let kobj = unsafe { &raw mut (*disk.as_raw()).queue_kobj };
    // SAFETY: The disk was added, and this with it.
    let kobj_type = unsafe { (*kobj).ktype };
    // SAFETY: It is in static memory.
    let mut groups = unsafe { (*kobj_type).default_groups };

    loop {
        // SAFETY: The array ends with a null, which ends the loop.
        let group = unsafe { *groups };

        if group.is_null() {
            return Err(ENOENT);
        }
        // SAFETY: The group has attributes.
        let mut attrs = unsafe { (*group).__bindgen_anon_2.attrs };

        loop {
            // SAFETY: As above.
            let attr = unsafe { *attrs };

            if attr.is_null() {
                break;
            }
            // SAFETY: Attributes have names.
            if unsafe { CStr::from_char_ptr((*attr).name) } == c"scheduler" {
                // SAFETY: Files that can be written have a function for that.
                let store = unsafe { (*(*kobj_type).sysfs_ops).store }.ok_or(ENOENT)?;
                let len = name.to_bytes().len();
                // SAFETY: The attribute belongs to the object.
                let written = unsafe { store(kobj, attr, name.as_char_ptr(), len) };

                return to_result(c_int::try_from(written)?.min(0));
            }
            attrs = attrs.wrapping_add(1);
        }
        groups = groups.wrapping_add(1);
    }
}

pub(super) const READ: u32 = bindings::req_op_REQ_OP_READ;
pub(super) const WRITE: u32 = bindings::req_op_REQ_OP_WRITE;
pub(super) const DISCARD: u32 = bindings::req_op_REQ_OP_DISCARD;
#[cfg(CONFIG_BLK_DEV_ZONED)]
pub(super) const ZONE_APPEND: u32 = bindings::req_op_REQ_OP_ZONE_APPEND;
pub(super) const POLLED: u32 = 1 << bindings::req_flag_bits___REQ_POLLED;
