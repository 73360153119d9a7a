// SPDX-License-Identifier: GPL-2.0

//! A place for a box that whoever works with its content takes out.

use super::atomic::{
    ordering::{
        Acquire,
        Full,
        Release, //
    },
    Atomic, //
};
use crate::{
    prelude::*,
    types::NotThreadSafe, //
};
use core::ptr::null_mut;

/// A place for a box, or for none.
///
/// Who takes the box out has it alone until it is put back, and nobody waits for it: a second one
/// finds an empty place. That suits what is worked on by one at a time for reasons that the
/// compiler does not know, or that have an exception, such as a ring that runs of NAPI empty.
///
/// # Examples
///
/// ```
/// use kernel::{
///     prelude::*,
///     sync::Slot, //
/// };
///
/// let slot = Slot::new(Some(KBox::new(1, GFP_KERNEL)?));
/// let mut one = slot.take().ok_or(EINVAL)?;
///
/// // It is not there twice.
/// assert!(slot.take().is_none());
/// *one += 1;
/// assert!(slot.put_back(one).is_ok());
///
/// // Another one takes its place.
/// let old = slot.replace(Some(KBox::new(5, GFP_KERNEL)?));
///
/// assert_eq!(old.map(|old| *old), Some(2));
///
/// // What is put back too late comes back.
/// let five = slot.take().ok_or(EINVAL)?;
///
/// assert!(slot.replace(Some(KBox::new(7, GFP_KERNEL)?)).is_none());
/// assert_eq!(slot.put_back(five).err().map(|late| *late), Some(5));
/// assert_eq!(slot.take().map(|seven| *seven), Some(7));
/// # Ok::<(), Error>(())
/// ```
///
/// # Invariants
///
/// `place` is null or comes from [`KBox::into_raw`], and the box belongs to this.
pub struct Slot<T> {
    place: Atomic<*mut T>,
    // Whether this can be sent and shared depends on the box.
    _box: NotThreadSafe,
}

// SAFETY: It owns a box at most.
unsafe impl<T: Send> Send for Slot<T> {}

// SAFETY: With a shared reference, the box can only be taken out, by one at a time.
unsafe impl<T: Send> Sync for Slot<T> {}

fn into_raw<T>(content: Option<KBox<T>>) -> *mut T {
    content.map_or(null_mut(), KBox::into_raw)
}

/// # Safety
///
/// `raw` must be null or come from [`KBox::into_raw`], and the box belong to the caller.
unsafe fn from_raw<T>(raw: *mut T) -> Option<KBox<T>> {
    if raw.is_null() {
        return None;
    }
    // SAFETY: By the requirement of this function.
    Some(unsafe { KBox::from_raw(raw) })
}

impl<T> Slot<T> {
    /// Makes a place with a box, or without one.
    pub fn new(content: Option<KBox<T>>) -> Self {
        // INVARIANT: As `into_raw` says.
        Self {
            place: Atomic::new(into_raw(content)),
            _box: NotThreadSafe,
        }
    }

    /// Takes the box out, if it is there.
    ///
    /// # Context
    ///
    /// Any.
    #[inline]
    pub fn take(&self) -> Option<KBox<T>> {
        // INVARIANT: There is none from here on.
        let raw = self.place.xchg(null_mut(), Acquire);

        // SAFETY: By the type invariant; it was in the place until just now.
        unsafe { from_raw(raw) }
    }

    /// Puts a box back, unless there is another one meanwhile.
    ///
    /// # Errors
    ///
    /// The box comes back if there is one.
    ///
    /// # Context
    ///
    /// Any.
    #[inline]
    pub fn put_back(&self, content: KBox<T>) -> Result<(), KBox<T>> {
        let raw = KBox::into_raw(content);

        // INVARIANT: If the exchange succeeds, the box belongs to this.
        match self.place.cmpxchg(null_mut(), raw, Release) {
            Ok(_) => Ok(()),
            // SAFETY: It comes from `into_raw` above, and was not put into the place.
            Err(_) => Err(unsafe { KBox::from_raw(raw) }),
        }
    }

    /// Puts a box, or none, into the place of what is there, which is returned.
    ///
    /// # Context
    ///
    /// Any.
    pub fn replace(&self, content: Option<KBox<T>>) -> Option<KBox<T>> {
        // INVARIANT: As `into_raw` says.
        let raw = self.place.xchg(into_raw(content), Full);

        // SAFETY: By the type invariant; it was in the place until just now.
        unsafe { from_raw(raw) }
    }
}

impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}
