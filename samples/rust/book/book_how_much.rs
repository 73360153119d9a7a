// SPDX-License-Identifier: GPL-2.0

//! How much memory each of the three allocators has in one piece.

#![deny(unsafe_code)]

use kernel::{
    alloc::{
        allocator::{
            KVmalloc,
            Kmalloc,
            Vmalloc, //
        },
        flags::__GFP_NOWARN,
        Allocator,
        Vec, //
    },
    prelude::*,
    sizes::*, //
};

module! {
    type: HowMuch,
    name: "book_how_much",
    authors: ["The linux-virtio-rs developers"],
    description: "How much memory each of the three allocators has in one piece",
    license: "GPL",
}

/// The largest of some sizes that can be had. A failure is no news here, so the kernel does not
/// print a report about it.
fn most<A: Allocator>() -> usize {
    let sizes = [SZ_64K, SZ_1M, SZ_4M, SZ_8M, SZ_64M];
    let is_there =
        |size: &usize| Vec::<u8, A>::with_capacity(*size, GFP_KERNEL | __GFP_NOWARN).is_ok();

    sizes.into_iter().filter(is_there).max().unwrap_or(0)
}

struct HowMuch;

impl kernel::Module for HowMuch {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        pr_info!("KVec has up to {} KiB\n", most::<Kmalloc>() / SZ_1K);
        pr_info!("VVec has up to {} KiB\n", most::<Vmalloc>() / SZ_1K);
        pr_info!("KVVec has up to {} KiB\n", most::<KVmalloc>() / SZ_1K);
        Ok(Self)
    }
}
