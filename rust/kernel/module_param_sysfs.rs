// SPDX-License-Identifier: GPL-2.0

//! Module parameters that have a file in `/sys/module`.
//!
//! Those of [`module!`] are set while the module is loaded and have no file. The parameters here
//! can be read, and written where their mode allows it, as long as the module is loaded, with the
//! parsers and the format of C's parameters.
//!
//! C header: [`include/linux/moduleparam.h`](srctree/include/linux/moduleparam.h)
//!
//! [`module!`]: crate::prelude::module

use crate::{
    bindings,
    error::from_result,
    page::PAGE_SIZE,
    prelude::*,
    sync::atomic::{
        Atomic,
        AtomicBasicOps,
        AtomicType,
        Relaxed, //
    }, //
};

mod array;

pub use array::{
    CArray,
    ParamArray, //
};

mod private {
    pub trait Sealed {}
}

/// The types of such parameters: [`u32`] (C: `uint`), [`i32`] (C: `int`), [`bool`], and every
/// [`Choice`].
pub trait ParamType: private::Sealed + Copy + 'static {
    /// What is kept of a value.
    #[doc(hidden)]
    type Stored: AtomicType;

    /// What sets and shows a parameter of this type.
    #[doc(hidden)]
    const OPS: *const bindings::kernel_param_ops;

    /// Does not compile for a type that makes no parameter.
    #[doc(hidden)]
    const CHECKED: () = ();

    #[doc(hidden)]
    fn from_stored(stored: Self::Stored) -> Self;
}

impl private::Sealed for u32 {}

impl ParamType for u32 {
    type Stored = Self;

    const OPS: *const bindings::kernel_param_ops = &raw const bindings::param_ops_uint;

    fn from_stored(stored: Self) -> Self {
        stored
    }
}

impl private::Sealed for i32 {}

impl ParamType for i32 {
    type Stored = Self;

    const OPS: *const bindings::kernel_param_ops = &raw const bindings::param_ops_int;

    fn from_stored(stored: Self) -> Self {
        stored
    }
}

impl private::Sealed for bool {}

impl ParamType for bool {
    type Stored = Self;

    const OPS: *const bindings::kernel_param_ops = &raw const bindings::param_ops_bool;

    fn from_stored(stored: Self) -> Self {
        stored
    }
}

/// A type with few values that have names, for parameters that are one of several words.
///
/// # Examples
///
/// ```
/// use kernel::{module_param_sysfs::Choice, prelude::*};
///
/// #[derive(Clone, Copy, PartialEq, Debug)]
/// enum Direction {
///     Up,
///     Down,
/// }
///
/// impl Choice for Direction {
///     const CHOICES: &'static [(&'static CStr, Self)] = &[
///         (c"up", Self::Up),
///         (c"down", Self::Down),
///         (c"0", Self::Down),
///     ];
/// }
///
/// kernel::module_param_sysfs! {
///     module: "rust_doctest_choice",
///     /// Where to go.
///     static direction: Direction = 1,
///     mode: 0o444,
///     description: "Where to go: up or down",
/// }
///
/// assert_eq!(direction.value(), Direction::Down);
/// ```
pub trait Choice: Copy + PartialEq + 'static {
    /// The names that are understood, and what they mean. The first name of a value is the one that
    /// is shown.
    ///
    /// A parameter only compiles if there is at least one, and no two have the same name. Names are
    /// not empty, have no newline, and together with one fit into a page.
    const CHOICES: &'static [(&'static CStr, Self)];
}

impl<T: Choice> private::Sealed for T {}

impl<T: Choice> ParamType for T {
    /// The index of a choice.
    type Stored = u32;

    const OPS: *const bindings::kernel_param_ops = &bindings::kernel_param_ops {
        flags: 0,
        set: Some(set_choice::<T>),
        get: Some(get_choice::<T>),
        free: None,
    };

    const CHECKED: () = check_choices(Self::CHOICES);

    fn from_stored(stored: u32) -> Self {
        choice::<T>(stored).1
    }
}

/// Fails to compile unless the choices are what [`Choice::CHOICES`] says.
const fn check_choices<T>(choices: &[(&'static CStr, T)]) {
    assert!(!choices.is_empty(), "there is nothing to choose");

    let mut i = 0;

    while i < choices.len() {
        let name = choices[i].0.to_bytes();
        let mut byte = 0;
        let mut other = 0;

        assert!(!name.is_empty(), "a choice has an empty name");
        assert!(name.len() < PAGE_SIZE, "a name of a choice is too long");
        while byte < name.len() {
            assert!(
                name[byte] != b'\n',
                "a name of a choice has more than one line"
            );
            byte += 1;
        }
        while other < i {
            assert!(
                !is_equal(name, choices[other].0.to_bytes()),
                "two choices have the same name"
            );
            other += 1;
        }
        i += 1;
    }
}

/// What `a == b` is outside of constants.
const fn is_equal(a: &[u8], b: &[u8]) -> bool {
    let mut i = 0;

    while i < a.len() && i < b.len() && a[i] == b[i] {
        i += 1;
    }
    i == a.len() && i == b.len()
}

/// Returns the choice with an index, or the first one if there are fewer.
fn choice<T: Choice>(index: u32) -> (&'static CStr, T) {
    // There is a first one.
    let () = T::CHECKED;
    let found = usize::try_from(index)
        .ok()
        .and_then(|index| T::CHOICES.get(index));

    *found.unwrap_or(&T::CHOICES[0])
}

/// Sets a parameter to the choice that has the name `val`; a newline behind it does not matter.
///
/// # Safety
///
/// - `val` must be null or a valid string.
/// - `param` must be a parameter made by [`module_param_sysfs!`](crate::module_param_sysfs!) of
///   the type `T`.
unsafe extern "C" fn set_choice<T: Choice>(
    val: *const c_char,
    param: *const bindings::kernel_param,
) -> c_int {
    from_result(|| {
        if val.is_null() {
            return Err(EINVAL);
        }

        // SAFETY: By the requirement of this function.
        let text = unsafe { CStr::from_char_ptr(val) }.to_bytes();
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let index = T::CHOICES
            .iter()
            .position(|(name, _)| name.to_bytes() == text)
            .ok_or(EINVAL)?;

        // SAFETY: By the requirement of this function.
        let stored = unsafe { stored_choice(param) };
        stored.store(u32::try_from(index)?, Relaxed);
        Ok(0)
    })
}

/// Writes the name of a parameter's value and a newline to `buffer`.
///
/// # Safety
///
/// - `buffer` must have room for a page.
/// - `param` must be as for [`set_choice`].
unsafe extern "C" fn get_choice<T: Choice>(
    buffer: *mut c_char,
    param: *const bindings::kernel_param,
) -> c_int {
    // SAFETY: By the requirement of this function.
    let stored = unsafe { stored_choice(param) };
    let value = choice::<T>(stored.load(Relaxed)).1;
    // It may have been set by another name.
    let (name, _) = *T::CHOICES
        .iter()
        .find(|(_, choice)| *choice == value)
        .unwrap_or(&T::CHOICES[0]);
    let name = name.to_bytes();
    let len = name.len();

    // SAFETY: By the requirement of this function, there is room for a page, and names are shorter:
    // see `check_choices`.
    let out = unsafe { core::slice::from_raw_parts_mut(buffer.cast::<u8>(), len + 1) };
    out[..len].copy_from_slice(name);
    out[len] = b'\n';
    // CAST: A page is smaller.
    (len + 1) as c_int
}

/// # Safety
///
/// `param` must be a parameter made by [`module_param_sysfs!`](crate::module_param_sysfs!) of a
/// type that is a [`Choice`].
unsafe fn stored_choice<'a>(param: *const bindings::kernel_param) -> &'a Atomic<u32> {
    // SAFETY: By the requirement of this function, `param` is valid.
    let arg = unsafe { (*param).__bindgen_anon_1.arg };

    // SAFETY: By the requirement of this function, `arg` is what `Param::as_ptr` has returned for a
    // static parameter, all accesses of which are atomic.
    unsafe { Atomic::from_ptr(arg.cast()) }
}

/// A parameter; made by [`module_param_sysfs!`](crate::module_param_sysfs!).
///
/// Root may write it at any time, so two calls of [`value`](Self::value) may differ.
pub struct Param<T: ParamType>(Atomic<T::Stored>);

impl<T: ParamType> Param<T> {
    #[doc(hidden)]
    pub const fn new(default: T::Stored) -> Self {
        Self(Atomic::new(default))
    }

    /// The value that the parameter has now. May be called in any context.
    pub fn value(&self) -> T
    where
        <T::Stored as AtomicType>::Repr: AtomicBasicOps,
    {
        T::from_stored(self.0.load(Relaxed))
    }

    #[doc(hidden)]
    pub const fn as_ptr(&self) -> *mut T::Stored {
        self.0.as_ptr()
    }
}

/// The bytes of an entry of the section `.modinfo`.
#[doc(hidden)]
pub const fn modinfo<const N: usize>(text: &str) -> [u8; N] {
    let bytes = text.as_bytes();
    let mut array = [0; N];
    let mut i = 0;

    while i < N {
        array[i] = bytes[i];
        i += 1;
    }
    array
}

/// Declares a module parameter with a file in `/sys/module` (C: `module_param`,
/// `MODULE_PARM_DESC`).
///
/// `module` is the name that [`module!`] is told, `mode` the permissions of the file: nobody but
/// root may write. The default of a [`Choice`](crate::module_param_sysfs::Choice) is an index into
/// its list.
///
/// The type can also be an array of [`i32`] or [`u32`] (C: `module_param_array`), which is given as
/// a list, `name=1,2`, and is a [`ParamArray`](crate::module_param_sysfs::ParamArray). Its default
/// is that of each element.
///
/// # Examples
///
/// ```
/// kernel::module_param_sysfs! {
///     module: "rust_doctest_param",
///     /// How many queues there are at most.
///     pub(crate) static max_queues: u32 = 4,
///     mode: 0o444,
///     description: "Largest number of queues",
/// }
///
/// assert_eq!(max_queues.value(), 4);
///
/// kernel::module_param_sysfs! {
///     module: "rust_doctest_param",
///     /// The speed of each card.
///     static speeds: [i32; 8] = -1,
///     mode: 0,
///     description: "Speed in Mbit/s, for each card",
/// }
///
/// // Nobody has given one.
/// assert_eq!(speeds.count(), 0);
/// assert_eq!(speeds.get(0), None);
/// ```
///
/// [`module!`]: crate::prelude::module
#[macro_export]
macro_rules! module_param_sysfs {
    (
        module: $module:literal,
        $(#[$attr:meta])*
        $vis:vis static $name:ident: $type:ident = $default:expr,
        mode: $mode:literal,
        description: $description:literal $(,)?
    ) => {
        $(#[$attr])*
        #[allow(non_upper_case_globals)]
        $vis static $name: $crate::module_param_sysfs::Param<$type> =
            $crate::module_param_sysfs::Param::new($default);

        const _: () = {
            ::core::assert!($mode & !0o644 == 0, "only root may write a parameter");
            let () = <$type as $crate::module_param_sysfs::ParamType>::CHECKED;
            $crate::module_param_sysfs!(@default $type, $default);

            $crate::module_param_sysfs!(
                @param $module, $name, $mode,
                <$type as $crate::module_param_sysfs::ParamType>::OPS,
                $crate::bindings::kernel_param__bindgen_ty_1 {
                    arg: $name.as_ptr().cast(),
                }
            );
            $crate::module_param_sysfs!(
                @describe $module, $name, $crate::module_param_sysfs!(@type $type), $description
            );
        };
    };

    (
        module: $module:literal,
        $(#[$attr:meta])*
        $vis:vis static $name:ident: [$type:ident; $len:literal] = $default:expr,
        mode: $mode:literal,
        description: $description:literal $(,)?
    ) => {
        $(#[$attr])*
        #[allow(non_upper_case_globals)]
        $vis static $name: $crate::module_param_sysfs::ParamArray<$type, $len> =
            $crate::module_param_sysfs::ParamArray::new($default);

        const _: () = {
            ::core::assert!($mode & !0o644 == 0, "only root may write a parameter");

            static ARRAY: $crate::module_param_sysfs::CArray =
                $crate::module_param_sysfs::CArray::new(&$name);

            $crate::module_param_sysfs!(
                @param $module, $name, $mode,
                &raw const $crate::bindings::param_array_ops,
                $crate::bindings::kernel_param__bindgen_ty_1 {
                    arr: ARRAY.as_ptr(),
                }
            );
            $crate::module_param_sysfs!(
                @describe $module, $name,
                ::core::concat!("array of ", $crate::module_param_sysfs!(@type $type)),
                $description
            );
        };
    };

    (@param $module:literal, $name:ident, $mode:literal, $ops:expr, $arg:expr) => {
        #[link_section = "__param"]
        #[used(compiler)]
        static PARAM: $crate::module_param::KernelParam =
            $crate::module_param::KernelParam::new($crate::bindings::kernel_param {
                name: $crate::str::as_char_ptr_in_const_context(
                    if ::core::cfg!(MODULE) {
                        $crate::c_str!(::core::stringify!($name))
                    } else {
                        $crate::c_str!(::core::concat!(
                            $module,
                            ".",
                            ::core::stringify!($name)
                        ))
                    },
                ),
                // SAFETY: The kernel makes the object at load time and keeps it until the
                // module is unloaded.
                #[cfg(MODULE)]
                mod_: unsafe {
                    ::core::ptr::from_ref(&$crate::bindings::__this_module).cast_mut()
                },
                #[cfg(not(MODULE))]
                mod_: ::core::ptr::null_mut(),
                ops: $ops,
                perm: $mode,
                level: -1,
                flags: 0,
                __bindgen_anon_1: $arg,
            });
    };

    (@describe $module:literal, $name:ident, $type:expr, $description:literal) => {
        $crate::module_param_sysfs!(
            @modinfo PARMTYPE, $module,
            ::core::concat!("parmtype=", ::core::stringify!($name), ":", $type, "\0")
        );
        $crate::module_param_sysfs!(
            @modinfo PARM, $module,
            ::core::concat!("parm=", ::core::stringify!($name), ":", $description, "\0")
        );
    };

    (@default u32, $default:expr) => {};
    (@default i32, $default:expr) => {};
    (@default bool, $default:expr) => {};
    (@default $choice:ident, $default:expr) => {
        ::core::assert!(
            ($default as usize) < <$choice as $crate::module_param_sysfs::Choice>::CHOICES.len(),
            "the default is not the index of a choice"
        );
    };

    (@type u32) => { "uint" };
    (@type i32) => { "int" };
    (@type bool) => { "bool" };
    (@type $choice:ident) => { "charp" };

    (@modinfo $static:ident, $module:literal, $text:expr) => {
        #[cfg(MODULE)]
        #[link_section = ".modinfo"]
        #[used(compiler)]
        static $static: [u8; $text.len()] = $crate::module_param_sysfs::modinfo($text);

        #[cfg(not(MODULE))]
        #[link_section = ".modinfo"]
        #[used(compiler)]
        static $static: [u8; ::core::concat!($module, ".", $text).len()] =
            $crate::module_param_sysfs::modinfo(::core::concat!($module, ".", $text));
    };
}

#[macros::kunit_tests(rust_module_param_sysfs)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, PartialEq, Debug)]
    enum Size {
        Small,
        Large,
    }

    impl Choice for Size {
        const CHOICES: &'static [(&'static CStr, Self)] = &[
            (c"small", Self::Small),
            (c"large", Self::Large),
            (c"1", Self::Large),
        ];
    }

    /// Calls what C calls for a write of `text`, and returns the error number.
    fn write(param: &Param<Size>, text: Option<&CStr>) -> c_int {
        let raw = raw(param);
        let text = text.map_or(core::ptr::null(), |text| text.as_char_ptr());

        // SAFETY: `raw` is as `module_param_sysfs!` makes it.
        unsafe { set_choice::<Size>(text, &raw) }
    }

    /// Returns what C shows.
    fn shown(param: &Param<Size>) -> Result<KVec<u8>> {
        let raw = raw(param);
        let mut page = KVec::from_elem(b'x', PAGE_SIZE, GFP_KERNEL)?;

        // SAFETY: `raw` is as `module_param_sysfs!` makes it, and the buffer is a page.
        let len = unsafe { get_choice::<Size>(page.as_mut_ptr().cast(), &raw) };

        page.truncate(usize::try_from(len)?);
        Ok(page)
    }

    fn raw(param: &Param<Size>) -> bindings::kernel_param {
        bindings::kernel_param {
            name: c"size".as_char_ptr(),
            mod_: core::ptr::null_mut(),
            ops: <Size as ParamType>::OPS,
            perm: 0o644,
            level: -1,
            flags: 0,
            __bindgen_anon_1: bindings::kernel_param__bindgen_ty_1 {
                arg: param.as_ptr().cast(),
            },
        }
    }

    #[test]
    fn a_choice_is_set_by_each_of_its_names() -> Result {
        let param = Param::<Size>::new(0);

        assert_eq!(param.value(), Size::Small);
        for (text, value) in [
            (c"large", Size::Large),
            (c"small\n", Size::Small),
            (c"1", Size::Large),
        ] {
            assert_eq!(write(&param, Some(text)), 0);
            assert_eq!(param.value(), value);
        }
        Ok(())
    }

    #[test]
    fn a_choice_is_shown_by_its_first_name() -> Result {
        let param = Param::<Size>::new(2);

        assert_eq!(param.value(), Size::Large);
        assert_eq!(&shown(&param)?[..], b"large\n");
        assert_eq!(write(&param, Some(c"small")), 0);
        assert_eq!(&shown(&param)?[..], b"small\n");
        Ok(())
    }

    #[test]
    fn what_is_no_choice_changes_nothing() -> Result {
        let param = Param::<Size>::new(1);

        for text in [c"", c"larg", c"large\n\n", c"LARGE", c"2"] {
            assert_eq!(write(&param, Some(text)), EINVAL.to_errno());
        }
        assert_eq!(write(&param, None), EINVAL.to_errno());
        assert_eq!(param.value(), Size::Large);
        Ok(())
    }

    #[test]
    fn an_index_that_is_too_large_means_the_first_choice() -> Result {
        let param = Param::<Size>::new(3);

        assert_eq!(param.value(), Size::Small);
        Ok(())
    }
}
