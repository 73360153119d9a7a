// SPDX-License-Identifier: GPL-2.0

//! Parameters that are lists of numbers, one for each device.

use super::ParamType;
use crate::{
    bindings,
    sync::atomic::{
        Atomic,
        AtomicBasicOps,
        AtomicType,
        Relaxed, //
    }, //
};
use core::cell::UnsafeCell;

/// A parameter that is an array; made by [`module_param_sysfs!`](crate::module_param_sysfs!).
///
/// Root may write it at any time if its mode allows that.
///
/// # Invariants
///
/// All accesses to the elements are atomic, or C's, which are of a size that is accessed at once.
pub struct ParamArray<T: ParamType, const N: usize> {
    /// How many elements were given.
    count: Atomic<u32>,
    values: UnsafeCell<[T::Stored; N]>,
}

// SAFETY: By the type invariant accesses do not disturb each other.
unsafe impl<T: ParamType, const N: usize> Sync for ParamArray<T, N> {}

impl<T: ParamType, const N: usize> ParamArray<T, N> {
    #[doc(hidden)]
    pub const fn new(default: T::Stored) -> Self {
        Self {
            count: Atomic::new(0),
            values: UnsafeCell::new([default; N]),
        }
    }

    /// How many elements were given, from the first one on. May be called in any context.
    pub fn count(&self) -> usize {
        // CAST: It is at most `N`.
        (self.count.load(Relaxed) as usize).min(N)
    }

    /// The element with an index, or [`None`] if it was not given. May be called in any context.
    pub fn get(&self, index: usize) -> Option<T>
    where
        <T::Stored as AtomicType>::Repr: AtomicBasicOps,
    {
        if index >= self.count() {
            return None;
        }
        // SAFETY: The index is less than `N`.
        let value = unsafe { self.values.get().cast::<T::Stored>().add(index) };
        // SAFETY: The element is valid as long as `self`, and accessed as the type invariant says.
        let value = unsafe { Atomic::from_ptr(value) };

        Some(T::from_stored(value.load(Relaxed)))
    }
}

/// What C knows of a [`ParamArray`] (C: `struct kparam_array`).
#[doc(hidden)]
#[repr(transparent)]
pub struct CArray(bindings::kparam_array);

// SAFETY: It is not changed, and what it points to can be accessed by all.
unsafe impl Sync for CArray {}

impl CArray {
    #[doc(hidden)]
    pub const fn new<T: ParamType, const N: usize>(param: &'static ParamArray<T, N>) -> Self {
        assert!(N > 0, "an array has no elements");
        assert!(N <= u32::MAX as usize, "an array has too many elements");

        // CAST: See above. Elements are numbers.
        Self(bindings::kparam_array {
            max: N as u32,
            elemsize: core::mem::size_of::<T::Stored>() as u32,
            num: param.count.as_ptr(),
            ops: T::OPS,
            elem: param.values.get().cast(),
        })
    }

    #[doc(hidden)]
    pub const fn as_ptr(&self) -> *const bindings::kparam_array {
        &raw const self.0
    }
}

#[macros::kunit_tests(rust_module_param_array)]
mod tests {
    use super::*;
    use crate::prelude::*;

    crate::module_param_sysfs! {
        module: "rust_kunit_param",
        static given: [i32; 3] = -1,
        mode: 0,
        description: "Written by a test",
    }

    /// Calls what C calls for `text` on the command line, and returns the error number.
    fn write<T: ParamType, const N: usize>(
        param: &'static ParamArray<T, N>,
        text: &CStr,
    ) -> Result<c_int> {
        // The parser ends the elements by writing to the text.
        let mut line = KVec::new();
        line.extend_from_slice(text.to_bytes_with_nul(), GFP_KERNEL)?;

        let array = CArray::new(param);
        let raw = bindings::kernel_param {
            name: c"given".as_char_ptr(),
            mod_: core::ptr::null_mut(),
            ops: &raw const bindings::param_array_ops,
            perm: 0,
            level: -1,
            flags: 0,
            __bindgen_anon_1: bindings::kernel_param__bindgen_ty_1 {
                arr: array.as_ptr(),
            },
        };
        // SAFETY: The operations do not change.
        let set = unsafe { bindings::param_array_ops.set }.ok_or(EINVAL)?;

        // SAFETY: It is the lock of parameters that belong to no module.
        unsafe { bindings::kernel_param_lock(core::ptr::null_mut()) };
        // SAFETY: `raw` is as `module_param_sysfs!` makes it, the line is ours, and the lock is
        // held.
        let result = unsafe { set(line.as_mut_ptr().cast(), &raw) };
        // SAFETY: Taken above.
        unsafe { bindings::kernel_param_unlock(core::ptr::null_mut()) };
        Ok(result)
    }

    #[test]
    fn elements_that_were_given_are_counted() -> Result {
        assert_eq!(write(&given, c"256,-7")?, 0);
        assert_eq!(given.count(), 2);
        assert_eq!(given.get(0), Some(256));
        assert_eq!(given.get(1), Some(-7));
        assert_eq!(given.get(2), None);
        assert_eq!(given.get(usize::MAX), None);
        Ok(())
    }

    crate::module_param_sysfs! {
        module: "rust_kunit_param",
        static refused: [i32; 2] = -1,
        mode: 0,
        description: "Written by a test",
    }

    #[test]
    fn lists_that_are_too_long_or_no_numbers_are_refused() -> Result {
        assert_eq!(write(&refused, c"1,2,3")?, EINVAL.to_errno());
        assert!(refused.count() <= 2);
        assert_eq!(write(&refused, c"x")?, EINVAL.to_errno());
        assert_eq!(write(&refused, c"2147483648")?, ERANGE.to_errno());
        Ok(())
    }

    crate::module_param_sysfs! {
        module: "rust_kunit_param",
        static untouched: [u32; 2] = 5,
        mode: 0,
        description: "Not written by anybody",
    }

    #[test]
    fn what_was_not_given_is_not_there() {
        assert_eq!(untouched.count(), 0);
        assert_eq!(untouched.get(0), None);
    }
}
