// SPDX-License-Identifier: GPL-2.0

//! A table of functions, and somebody who implements it.

use kernel::{
    bindings::list_head,
    container_of,
    prelude::*, //
};

module! {
    type: Module,
    name: "two",
    authors: ["You"],
    description: "A table of functions in two languages",
    license: "GPL",
}

struct Module;

impl kernel::Module for Module {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self)
    }
}

/// The table, as C has it.
#[repr(C)]
struct Ops {
    keep: Option<unsafe extern "C" fn(*mut list_head, u32)>,
    tell: Option<unsafe extern "C" fn(*mut list_head) -> u32>,
}

/// The table, as Rust has it.
#[vtable]
trait Keeper {
    fn keep(&mut self, number: u32);

    fn tell(&self) -> u32 {
        build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }
}

/// What is around a value of an implementation.
#[repr(C)]
struct Kept<T> {
    value: T,
    member: list_head,
}

impl<T: Keeper> Kept<T> {
    /// # Safety
    ///
    /// `member` must be that of a `Kept<T>` that nobody else uses.
    unsafe extern "C" fn keep(member: *mut list_head, number: u32) {
        // SAFETY: `member` is in a `Kept<T>`, by the requirement of this function.
        let this = unsafe { container_of!(member, Self, member) };
        // SAFETY: Nobody else uses it.
        let this = unsafe { &mut *this };

        this.value.keep(number);
    }

    /// # Safety
    ///
    /// As for [`keep`](Self::keep).
    unsafe extern "C" fn tell(member: *mut list_head) -> u32 {
        // SAFETY: `member` is in a `Kept<T>`, by the requirement of this function.
        let this = unsafe { container_of!(member, Self, member) };
        // SAFETY: Nobody else uses it.
        let this = unsafe { &*this };

        this.value.tell()
    }

    const OPS: Ops = Ops {
        keep: Some(Self::keep),
        tell: if T::HAS_TELL { Some(Self::tell) } else { None },
    };
}

/// From here on it is what a driver writes.
struct Sum(u32);

#[vtable]
impl Keeper for Sum {
    fn keep(&mut self, number: u32) {
        self.0 = self.0.wrapping_add(number);
    }
}

#[no_mangle]
static sum_ops_rust: Ops = Kept::<Sum>::OPS;
