// SPDX-License-Identifier: GPL-2.0

//! A module with a parameter: it says what a number is the product of.
//!
//! `insmod __name__.ko number=91`, then `dmesg` and `/sys/module/__name__/parameters/number`.

#![deny(unsafe_code)]

use kernel::prelude::*;

#[path = "logic/src/factor.rs"]
pub mod factor;

kernel::module_param_sysfs! {
    module: "__name__",
    /// The number to look at.
    static number: u32 = 97,
    mode: 0o444,
    description: "The number to look at",
}

/// What there is while the module is loaded.
struct Loaded;

impl kernel::Module for Loaded {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let given = number.value();

        if given == 0 {
            pr_err!("0 has every factor\n");
            return Err(EINVAL);
        }
        match factor::smallest(given) {
            Some(factor) => pr_info!("{given} is {factor} times {}\n", given / factor),
            None => pr_info!("{given} is a product of nothing else\n"),
        }
        Ok(Self)
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        pr_info!("unloaded\n");
    }
}

module! {
    type: Loaded,
    name: "__name__",
    authors: ["The author of __name__"],
    description: "Says what a number is the product of",
    license: "GPL",
}
