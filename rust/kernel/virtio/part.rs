// SPDX-License-Identifier: GPL-2.0

//! Parts that are described once and used many times.
//!
//! C header: [`include/linux/scatterlist.h`](srctree/include/linux/scatterlist.h)

use super::parts::check_linear;
use crate::prelude::*;
use core::ops::{
    Deref,
    DerefMut, //
};

/// A value that is part of one buffer after the other, with a description of its own.
///
/// Where a token keeps the same header or status for each use, this saves making the scatterlist
/// entry anew, in C the `sg_init_one` for each request. It is made when the value is used for the
/// first time, or has moved.
///
/// # Examples
///
/// ```
/// use kernel::{
///     prelude::*,
///     virtio::{
///         Part,
///         Parts, //
///     },
/// };
///
/// struct Command {
///     header: Part<[u8; 2]>,
///     answer: [u8; 64],
/// }
///
/// // To be passed to `LockedVirtqueue::add`.
/// fn describe<'t>(command: &'t mut Command, parts: &mut Parts<'t, '_>) -> Result {
///     parts.device_readable_part(&mut command.header)?;
///     parts.device_writable(&mut command.answer)
/// }
///
/// let mut header = Part::new([1, 0]);
///
/// header[1] = 2;
/// assert_eq!(*header, [1, 2]);
/// # let _ = describe;
/// ```
///
/// # Invariants
///
/// Unless `described_at` is zero, `sg` is a terminated list of one entry, the `size_of::<T>()`
/// bytes at that address of the linear mapping.
pub struct Part<T> {
    value: T,
    sg: bindings::scatterlist,
    described_at: usize,
}

impl<T> Part<T> {
    /// Makes a part of a value.
    #[inline]
    pub fn new(value: T) -> Self {
        // INVARIANT: It is not described yet.
        Self {
            value,
            sg: bindings::scatterlist::default(),
            described_at: 0,
        }
    }

    /// Returns a list that describes the value, as long as that stays where it is.
    ///
    /// # Errors
    ///
    /// [`EINVAL`]: the value is empty or not in the linear mapping.
    #[inline]
    pub(super) fn list(&mut self) -> Result<*mut bindings::scatterlist> {
        if self.described_at != core::ptr::from_ref(&self.value) as usize {
            self.describe()?;
        }
        Ok(&raw mut self.sg)
    }

    #[cold]
    fn describe(&mut self) -> Result {
        let start = core::ptr::from_ref(&self.value);
        let len = u32::try_from(size_of::<T>())?;

        check_linear(start as usize, size_of::<T>())?;
        // SAFETY: The memory is in the linear mapping, and `sg` may be written.
        unsafe { bindings::sg_init_one(&mut self.sg, start.cast(), len) };
        // INVARIANT: `sg_init_one` has made a terminated list.
        self.described_at = start as usize;
        Ok(())
    }
}

impl<T> Deref for Part<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Part<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}
