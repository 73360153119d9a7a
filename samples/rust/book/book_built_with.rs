// SPDX-License-Identifier: GPL-2.0

//! Says how the kernel was built that loads it.

#![deny(unsafe_code)]

use kernel::prelude::*;

module! {
    type: BuiltWith,
    name: "book_built_with",
    authors: ["The linux-virtio-rs developers"],
    description: "How the kernel was built",
    license: "GPL",
}

struct BuiltWith;

impl kernel::Module for BuiltWith {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        // What is off is still compiled: the compiler takes it out when it optimizes.
        if cfg!(CONFIG_RUST_INLINE_HELPERS) {
            pr_info!("C helpers are inlined into Rust\n");
        } else if cfg!(CONFIG_RUSTC_CLANG_LLVM_COMPATIBLE) {
            pr_info!("C helpers are called, though they could be inlined\n");
        } else {
            pr_info!("C helpers are called: rustc and the C compiler have not the same LLVM\n");
        }
        if cfg!(CONFIG_RUST_OVERFLOW_CHECKS) {
            pr_info!("arithmetic that overflows ends in a BUG\n");
        } else {
            pr_info!("arithmetic that overflows wraps\n");
        }
        Ok(Self)
    }
}
