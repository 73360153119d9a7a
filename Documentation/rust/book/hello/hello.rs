// SPDX-License-Identifier: GPL-2.0

//! The first module.

#![deny(unsafe_code)]

use kernel::prelude::*;

module! {
    type: Hello,
    name: "hello",
    authors: ["You"],
    description: "The first module",
    license: "GPL",
}

struct Hello {
    visitors: KVec<&'static str>,
}

impl kernel::Module for Hello {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let mut visitors = KVec::new();

        visitors.push("world", GFP_KERNEL)?;
        for visitor in &visitors {
            pr_info!("hello, {visitor}\n");
        }
        Ok(Self { visitors })
    }
}

impl Drop for Hello {
    fn drop(&mut self) {
        pr_info!("goodbye, {} visitor(s)\n", self.visitors.len());
    }
}
