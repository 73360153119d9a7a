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
    sync::atomic::{
        Atomic,
        AtomicBasicOps,
        AtomicType,
        Relaxed, //
    }, //
};

mod private {
    pub trait Sealed {}
}

/// The types of such parameters: [`u32`] (C: `uint`) and [`bool`].
pub trait ParamType: private::Sealed + AtomicType + Copy {
    /// What sets and shows a parameter of this type.
    #[doc(hidden)]
    const OPS: *const bindings::kernel_param_ops;
}

impl private::Sealed for u32 {}

impl ParamType for u32 {
    const OPS: *const bindings::kernel_param_ops = &raw const bindings::param_ops_uint;
}

impl private::Sealed for bool {}

impl ParamType for bool {
    const OPS: *const bindings::kernel_param_ops = &raw const bindings::param_ops_bool;
}

/// A parameter; made by [`module_param_sysfs!`](crate::module_param_sysfs!).
///
/// Root may write it at any time, so two calls of [`value`](Self::value) may differ.
pub struct Param<T: ParamType>(Atomic<T>);

impl<T: ParamType> Param<T> {
    #[doc(hidden)]
    pub const fn new(default: T) -> Self {
        Self(Atomic::new(default))
    }

    /// The value that the parameter has now. May be called in any context.
    pub fn value(&self) -> T
    where
        T::Repr: AtomicBasicOps,
    {
        self.0.load(Relaxed)
    }

    #[doc(hidden)]
    pub const fn as_ptr(&self) -> *mut T {
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
/// root may write.
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
                    ops: <$type as $crate::module_param_sysfs::ParamType>::OPS,
                    perm: $mode,
                    level: -1,
                    flags: 0,
                    __bindgen_anon_1: $crate::bindings::kernel_param__bindgen_ty_1 {
                        arg: $name.as_ptr().cast(),
                    },
                });

            $crate::module_param_sysfs!(
                @modinfo PARMTYPE, $module,
                ::core::concat!(
                    "parmtype=",
                    ::core::stringify!($name),
                    ":",
                    $crate::module_param_sysfs!(@type $type),
                    "\0"
                )
            );
            $crate::module_param_sysfs!(
                @modinfo PARM, $module,
                ::core::concat!("parm=", ::core::stringify!($name), ":", $description, "\0")
            );
        };
    };

    (@type u32) => { "uint" };
    (@type bool) => { "bool" };

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
