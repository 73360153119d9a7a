// SPDX-License-Identifier: GPL-2.0

//! A table of functions with one that may be missing, as a trait.

#![deny(unsafe_code)]

use kernel::{
    error::VTABLE_DEFAULT_ERROR,
    prelude::*, //
};

module! {
    type: Keepers,
    name: "book_keepers",
    authors: ["The linux-virtio-rs developers"],
    description: "A table of functions with one that may be missing",
    license: "GPL",
}

/// Who keeps numbers. In C: a structure of two pointers to functions, and a `void *`.
#[vtable]
trait Keeper {
    /// What it remembers; the `void *`.
    type Memory: Default;

    /// Takes a number.
    fn keep(memory: &mut Self::Memory, number: u32);

    /// Says what became of them. May be missing, as a pointer may be `NULL`.
    fn tell(_memory: &Self::Memory) -> u32 {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

struct Sum;

#[vtable]
impl Keeper for Sum {
    type Memory = u32;

    fn keep(sum: &mut u32, number: u32) {
        *sum = sum.wrapping_add(number);
    }

    fn tell(sum: &u32) -> u32 {
        *sum
    }
}

struct Silent;

#[vtable]
impl Keeper for Silent {
    type Memory = ();

    fn keep(_memory: &mut (), _number: u32) {}
}

/// What calls through the table.
fn run<K: Keeper>(name: &str) {
    let mut memory = K::Memory::default();

    for number in 1..=4 {
        K::keep(&mut memory, number);
    }
    if K::HAS_TELL {
        pr_info!("{} tells {}\n", name, K::tell(&memory));
    } else {
        pr_info!("{} cannot tell\n", name);
    }
}

struct Keepers;

impl kernel::Module for Keepers {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        run::<Sum>("Sum");
        run::<Silent>("Silent");
        Ok(Self)
    }
}
