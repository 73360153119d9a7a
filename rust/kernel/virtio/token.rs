// SPDX-License-Identifier: GPL-2.0

//! Tokens: the owned values that travel through a virtqueue.
//!
//! A buffer that is added to a ring is named by a token, in C a `void *`. Here the token is the
//! owner of the memory that the buffer describes. It moves into the ring when the buffer is added
//! and comes out when the device has used it, so nothing can touch or free the memory meanwhile.

use super::described::{
    Describe,
    Description, //
};
use crate::{
    alloc::Flags,
    prelude::*, //
};
use core::{
    ops::{
        Deref,
        DerefMut,
        Range, //
    },
    ptr::NonNull,
};

/// An owner of memory that a device can be given.
///
/// # Safety
///
/// - [`from_raw`](Self::from_raw) must be the inverse of [`into_raw`](Self::into_raw).
/// - Memory that can be borrowed from a [`View`](Self::View) must stay where it is, and must not
///   be accessed by anybody, from `into_raw` to `from_raw`.
/// - [`linear_range`](Self::linear_range) must lie in the linear mapping of the kernel, and not end
///   before it starts.
pub unsafe trait Token: Send + Sized + 'static {
    /// What a driver gets to see of the token while it describes the buffer.
    type View<'t>
    where
        Self: 't;

    /// Borrows the memory that can be described to the device.
    fn view(&mut self) -> Self::View<'_>;

    /// The addresses that are known to be in the linear mapping.
    fn linear_range(&self) -> Range<usize>;

    /// Gives up ownership to the ring.
    fn into_raw(self) -> NonNull<c_void>;

    /// Takes ownership back from the ring.
    ///
    /// # Safety
    ///
    /// `ptr` must come from [`into_raw`](Self::into_raw) of the same type, and each such pointer
    /// must be used once.
    unsafe fn from_raw(ptr: NonNull<c_void>) -> Self;
}

/// A value in memory of its own that a device can read or write: the simplest [`Token`].
///
/// Parts of `T` become parts of the buffer.
///
/// # Examples
///
/// ```
/// use kernel::{prelude::*, virtio::RingBox};
///
/// let mut buffer = RingBox::new([0u8; 64], GFP_KERNEL)?;
///
/// buffer[0] = 1;
/// assert_eq!(buffer.len(), 64);
/// # Ok::<(), Error>(())
/// ```
pub struct RingBox<T: Send + 'static>(KBox<Slot<T>>);

/// A value and what the ring notes about it.
struct Slot<T> {
    data: T,
    description: Description,
}

impl<T: Send + 'static> RingBox<T> {
    /// Moves a value into memory that a device can be given.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`]: there is no memory.
    pub fn new(data: T, flags: Flags) -> Result<Self> {
        let slot = Slot {
            data,
            description: Description::new(),
        };

        Ok(Self(KBox::new(slot, flags)?))
    }

    /// Takes the value out again.
    pub fn into_inner(self) -> T {
        KBox::into_inner(self.0).data
    }
}

impl<T: Send + 'static> Deref for RingBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.data
    }
}

impl<T: Send + 'static> DerefMut for RingBox<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0.data
    }
}

// SAFETY:
// - `KBox::from_raw` is the inverse of `KBox::into_raw`.
// - What can be borrowed from `&mut T` is in the allocation of the box or owned by the value in
//   it. Neither moves while the box exists, and nobody has a reference to the box in the ring.
// - A `KBox` is allocated by `kmalloc`, whose memory is in the linear mapping, and does not end
//   before it starts.
unsafe impl<T: Send + 'static> Token for RingBox<T> {
    type View<'t> = &'t mut T;

    fn view(&mut self) -> &mut T {
        &mut self.0.data
    }

    fn linear_range(&self) -> Range<usize> {
        let start = core::ptr::from_ref(&self.0.data) as usize;

        start..start + size_of::<T>()
    }

    fn into_raw(self) -> NonNull<c_void> {
        NonNull::from(KBox::leak(self.0)).cast()
    }

    unsafe fn from_raw(ptr: NonNull<c_void>) -> Self {
        // SAFETY: By the requirement of this function, `ptr` comes from `KBox::leak` in
        // `into_raw` and is used once.
        let mut slot: KBox<Slot<T>> = unsafe { KBox::from_raw(ptr.cast().as_ptr()) };

        slot.description.release();
        Self(slot)
    }
}

// SAFETY:
// - `Slot::description` is private, used for nothing else, and in the allocation of the box.
// - Both functions return that.
// - `from_raw` calls `release`.
unsafe impl<T: Send + 'static> Describe for RingBox<T> {
    fn split(&mut self) -> (&mut T, &mut Description) {
        let slot = &mut *self.0;

        (&mut slot.data, &mut slot.description)
    }

    unsafe fn description(ptr: NonNull<c_void>) -> NonNull<Description> {
        let slot = ptr.cast::<Slot<T>>().as_ptr();

        // SAFETY: By the requirement of this function, `ptr` comes from `KBox::leak` in
        // `into_raw`.
        NonNull::from(unsafe { &mut (*slot).description })
    }
}
