// SPDX-License-Identifier: GPL-2.0

//! A driver's data, which comes after what the adapter of its bus keeps for the device, and goes
//! before that.

use crate::prelude::*;
use core::{
    cell::UnsafeCell,
    mem::MaybeUninit, //
};

/// A place for data that is there from the end of probe to the start of remove.
///
/// # Invariants
///
/// - `data` is initialized if and only if `initialized` is true.
/// - Both are accessed with the lock of the device held, or by a callback that the core only runs
///   between the end of probe and the start of remove.
#[pin_data]
pub(crate) struct LateData<T> {
    #[pin]
    data: UnsafeCell<MaybeUninit<T>>,
    initialized: UnsafeCell<bool>,
}

impl<T> LateData<T> {
    /// A place without data.
    ///
    /// # Safety
    ///
    /// The methods of the result must be called by callbacks for a device: with its lock held, or
    /// between the end of probe and the start of remove.
    pub(crate) unsafe fn new() -> impl PinInit<Self> {
        // INVARIANT: `data` is not initialized. The rest is by the requirement of this function.
        pin_init!(Self {
            data: UnsafeCell::new(MaybeUninit::uninit()),
            initialized: UnsafeCell::new(false),
        })
    }

    /// The data, if it is there.
    pub(crate) fn get(&self) -> Option<Pin<&T>> {
        // SAFETY: By the type invariant nobody writes the flag at the same time.
        if !unsafe { *self.initialized.get() } {
            return None;
        }
        // SAFETY: By the type invariant nobody has an exclusive reference.
        let data = unsafe { &*self.data.get() };
        // SAFETY: By the type invariant `data` is initialized.
        let data = unsafe { data.assume_init_ref() };

        // SAFETY: `data` is a pinned field.
        Some(unsafe { Pin::new_unchecked(data) })
    }

    /// Creates the data.
    ///
    /// # Safety
    ///
    /// Must be called once, by probe.
    pub(crate) unsafe fn init(&self, init: impl PinInit<T, Error>) -> Result {
        // SAFETY: Nobody else accesses `data` before it is initialized.
        let slot = unsafe { (*self.data.get()).as_mut_ptr() };

        // SAFETY: `slot` is valid for writes, pinned, and not initialized.
        unsafe { pin_init::raw_try_init(slot, init) }?;
        // SAFETY: By the requirement of this function, only probe is there.
        // INVARIANT: `data` was initialized just above.
        unsafe { *self.initialized.get() = true };
        Ok(())
    }

    /// Drops the data, if it is there.
    ///
    /// # Safety
    ///
    /// There must be no reference to the data. Must be called by remove.
    pub(crate) unsafe fn drop_data(&self) {
        // SAFETY: By the requirement of this function, only remove is there.
        // INVARIANT: `data` counts as uninitialized from here on.
        if unsafe { self.initialized.get().replace(false) } {
            // SAFETY: `data` was initialized, and nobody has a reference to it.
            unsafe { (*self.data.get()).assume_init_drop() };
        }
    }
}
