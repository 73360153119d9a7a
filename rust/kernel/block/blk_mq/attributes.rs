// SPDX-License-Identifier: GPL-2.0

//! Attributes of a disk in `/sys/block`.
//!
//! C header: [`include/linux/sysfs.h`](srctree/include/linux/sysfs.h)

use super::{
    disk::update_limits,
    GenDisk,
    Operations,
    QueueLimits, //
};
use crate::{
    container_of,
    error::VTABLE_DEFAULT_ERROR,
    fmt,
    page::PAGE_SIZE,
    prelude::*, //
};
use core::{
    marker::PhantomData,
    ops::Deref, //
};

/// Who may do what with an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The attribute does not exist.
    Hidden,
    /// Everybody may read it.
    ReadOnly,
    /// Everybody may read it, the owner of the file (root) may write it.
    ReadWrite,
}

impl Access {
    const fn mode(self) -> bindings::umode_t {
        match self {
            Self::Hidden => 0,
            Self::ReadOnly => 0o444,
            Self::ReadWrite => 0o644,
        }
    }
}

/// A disk that was added, and is not deleted for `'a`.
///
/// # Invariants
///
/// As the description says.
pub struct AddedDisk<'a, T: Operations>(&'a GenDisk<T>);

impl<T: Operations> Deref for AddedDisk<'_, T> {
    type Target = GenDisk<T>;

    fn deref(&self) -> &GenDisk<T> {
        self.0
    }
}

impl<T: Operations> AddedDisk<'_, T> {
    /// Changes limits of the queue; see [`Disk::update_limits`](super::Disk::update_limits).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn update_limits<E>(&self, update: impl FnOnce(&mut QueueLimits) -> Result<(), E>) -> Result
    where
        Error: From<E>,
    {
        self.update_limits_polling(update, || ())
    }

    /// Changes limits of the queue; see
    /// [`Disk::update_limits_polling`](super::Disk::update_limits_polling).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn update_limits_polling<E>(
        &self,
        update: impl FnOnce(&mut QueueLimits) -> Result<(), E>,
        poll: impl FnMut(),
    ) -> Result
    where
        Error: From<E>,
    {
        // SAFETY: By the type invariant.
        unsafe { update_limits(self.0, update, poll) }
    }
}

/// What an attribute shows, less than a page. Text is written to it with [`fmt::Write`].
///
/// sysfs takes a whole page for a mistake, so there is room for one byte less.
pub struct Contents<'a> {
    page: &'a mut [u8],
    len: usize,
}

impl Contents<'_> {
    /// Adds bytes as they are.
    ///
    /// # Errors
    ///
    /// [`ENOSPC`]: there is no room for all of them, and none was added.
    pub fn write_bytes(&mut self, bytes: &[u8]) -> Result {
        let room = self.page.get_mut(self.len..).ok_or(ENOSPC)?;

        room.get_mut(..bytes.len())
            .ok_or(ENOSPC)?
            .copy_from_slice(bytes);
        self.len += bytes.len();
        Ok(())
    }
}

impl fmt::Write for Contents<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write_bytes(text.as_bytes()).map_err(|_| fmt::Error)
    }
}

/// An attribute of a disk of `T`, a file in `/sys/block`.
///
/// # Examples
///
/// ```
/// use kernel::{
///     block::blk_mq::{Access, Attribute, Contents, GenDisk, Operations},
///     fmt::Write,
///     prelude::*,
/// };
///
/// struct Serial;
///
/// #[vtable]
/// impl<T: Operations<QueueData = u32>> Attribute<T> for Serial {
///     const NAME: &'static CStr = c"serial";
///
///     fn access(_disk: &GenDisk<T>) -> Access {
///         Access::ReadOnly
///     }
///
///     fn show(disk: &GenDisk<T>, out: &mut Contents<'_>) -> Result {
///         writeln!(out, "{}", disk.queue_data())?;
///         Ok(())
///     }
/// }
/// ```
#[vtable]
pub trait Attribute<T: Operations>: 'static {
    /// The name of the file.
    const NAME: &'static CStr;

    /// Who may do what with it, on this disk.
    ///
    /// # Context
    ///
    /// Process context, while the disk is being added.
    fn access(disk: &GenDisk<T>) -> Access;

    /// Writes the contents of the file, less than a page, with a newline at the end.
    ///
    /// # Context
    ///
    /// Process context. May sleep. Dropping the [`Disk`](super::Disk) waits for it.
    fn show(disk: &GenDisk<T>, out: &mut Contents<'_>) -> Result;

    /// Takes what was written to the file, without the newline at the end.
    ///
    /// # Context
    ///
    /// As for [`show`](Self::show).
    fn store(_disk: &AddedDisk<'_, T>, _text: &[u8]) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// An attribute as C sees it.
struct DeviceAttribute<T: Operations, A: Attribute<T>>(PhantomData<(T, A)>);

/// # Safety
///
/// `dev` must be the device of a `GenDisk<T>` that lives for `'a`.
unsafe fn disk_of<'a, T: Operations>(dev: *mut bindings::device) -> &'a GenDisk<T> {
    // SAFETY: By the requirement of this function.
    let disk = unsafe { bindings::dev_to_disk(dev) };

    // SAFETY: By the requirement of this function.
    unsafe { GenDisk::from_raw(disk) }
}

impl<T: Operations, A: Attribute<T>> DeviceAttribute<T, A> {
    /// # Safety
    ///
    /// `dev` must be the device of a `GenDisk<T>`, and `buf` have a page.
    unsafe extern "C" fn show_callback(
        dev: *mut bindings::device,
        _attr: *mut bindings::device_attribute,
        buf: *mut c_char,
    ) -> isize {
        // SAFETY: By the requirement of this function.
        let disk = unsafe { disk_of::<T>(dev) };
        // SAFETY: By the requirement of this function. C has cleared the page.
        let page = unsafe { core::slice::from_raw_parts_mut(buf, PAGE_SIZE - 1) };
        let mut out = Contents { page, len: 0 };

        match disk.tag_set().callers().enter(|| A::show(disk, &mut out)) {
            // CAST: Less than a page was written.
            Ok(()) => out.len as isize,
            Err(error) => error.to_errno() as isize,
        }
    }

    /// # Safety
    ///
    /// `dev` must be the device of a `GenDisk<T>`, and `buf` have `count` bytes.
    unsafe extern "C" fn store_callback(
        dev: *mut bindings::device,
        _attr: *mut bindings::device_attribute,
        buf: *const c_char,
        count: usize,
    ) -> isize {
        // SAFETY: By the requirement of this function.
        let disk = unsafe { disk_of::<T>(dev) };
        // SAFETY: By the requirement of this function.
        let text = unsafe { core::slice::from_raw_parts(buf, count) };
        let text = text.strip_suffix(b"\n").unwrap_or(text);

        // INVARIANT: The attribute exists only while the disk is added: deleting the disk waits
        // for this function.
        let added = AddedDisk(disk);

        match disk.tag_set().callers().enter(|| A::store(&added, text)) {
            // CAST: At most a page is written.
            Ok(()) => count as isize,
            Err(error) => error.to_errno() as isize,
        }
    }

    #[allow(
        clippy::needless_update,
        reason = "lockdep adds fields to an attribute"
    )]
    const TABLE: bindings::device_attribute = bindings::device_attribute {
        attr: bindings::attribute {
            name: A::NAME.to_bytes_with_nul().as_ptr(),
            mode: if A::HAS_STORE {
                Access::ReadWrite.mode()
            } else {
                Access::ReadOnly.mode()
            },
            ..pin_init::zeroed()
        },
        __bindgen_anon_1: bindings::device_attribute__bindgen_ty_1 {
            show: Some(Self::show_callback),
        },
        __bindgen_anon_2: bindings::device_attribute__bindgen_ty_2 {
            store: if A::HAS_STORE {
                Some(Self::store_callback)
            } else {
                None
            },
        },
    };

    /// Returns what is in an attribute group; C does not write to it.
    const fn as_raw() -> *mut bindings::attribute {
        let table: &'static bindings::device_attribute = &Self::TABLE;

        core::ptr::from_ref(table).cast_mut().cast()
    }
}

mod private {
    /// Implemented for tuples of attributes only, as their tables are passed to C.
    pub trait Sealed<T> {}
}

/// A tuple of [`Attribute`]s.
pub trait AttributeList<T: Operations>: private::Sealed<T> + 'static + Sized {
    /// The attributes for C, and null at the end.
    #[doc(hidden)]
    const TABLE: &'static [*mut bindings::attribute];

    /// Returns who may do what with the attribute number `index`.
    #[doc(hidden)]
    fn access(index: usize, disk: &GenDisk<T>) -> Access;

    /// Returns the array of groups for C.
    #[doc(hidden)]
    fn groups() -> *mut *const bindings::attribute_group {
        let groups: &'static [*const bindings::attribute_group; 2] = &Group::<T, Self>::GROUPS;

        groups.as_ptr().cast_mut()
    }
}

/// A group of attributes as C sees it.
struct Group<T: Operations, L: AttributeList<T>>(PhantomData<(T, L)>);

impl<T: Operations, L: AttributeList<T>> Group<T, L> {
    /// # Safety
    ///
    /// `kobj` must belong to the device of a `GenDisk<T>`.
    unsafe extern "C" fn is_visible_callback(
        kobj: *mut bindings::kobject,
        _attr: *mut bindings::attribute,
        index: c_int,
    ) -> bindings::umode_t {
        // SAFETY: By the requirement of this function.
        let dev = unsafe { container_of!(kobj, bindings::device, kobj) };
        // SAFETY: By the requirement of this function.
        let disk = unsafe { disk_of::<T>(dev) };

        usize::try_from(index).map_or(0, |index| {
            let access = || L::access(index, disk);

            disk.tag_set().callers().enter(access).mode()
        })
    }

    const GROUP: bindings::attribute_group = bindings::attribute_group {
        __bindgen_anon_1: bindings::attribute_group__bindgen_ty_1 {
            is_visible: Some(Self::is_visible_callback),
        },
        __bindgen_anon_2: bindings::attribute_group__bindgen_ty_2 {
            attrs: L::TABLE.as_ptr().cast_mut(),
        },
        ..pin_init::zeroed()
    };

    const GROUPS: [*const bindings::attribute_group; 2] = [&Self::GROUP, core::ptr::null()];
}

/// Implements [`AttributeList`] for a tuple.
macro_rules! impl_attribute_list {
    ($($name:ident),+) => {
        impl<T: Operations, $($name: Attribute<T>),+> private::Sealed<T> for ($($name,)+) {}

        impl<T: Operations, $($name: Attribute<T>),+> AttributeList<T> for ($($name,)+) {
            const TABLE: &'static [*mut bindings::attribute] =
                &[$(DeviceAttribute::<T, $name>::as_raw(),)+ core::ptr::null_mut()];

            fn access(index: usize, disk: &GenDisk<T>) -> Access {
                [$($name::access as fn(&GenDisk<T>) -> Access),+]
                    .get(index)
                    .map_or(Access::Hidden, |access| access(disk))
            }
        }
    };
}

impl_attribute_list!(A);
impl_attribute_list!(A, B);
impl_attribute_list!(A, B, C);
impl_attribute_list!(A, B, C, D);
impl_attribute_list!(A, B, C, D, E);
impl_attribute_list!(A, B, C, D, E, F);
