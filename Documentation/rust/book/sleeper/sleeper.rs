// SPDX-License-Identifier: GPL-2.0

//! Sleeps where it must not.

#![deny(unsafe_code)]

use kernel::{
    prelude::*,
    sync::SpinLock,
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

module! {
    type: Sleeper,
    name: "sleeper",
    authors: ["You"],
    description: "Sleeps where it must not",
    license: "GPL",
}

#[pin_data]
struct Shared {
    #[pin]
    number: SpinLock<u32>,
}

struct Sleeper;

impl kernel::Module for Sleeper {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let shared = KBox::pin_init(
            pin_init!(Shared { number <- kernel::new_spinlock!(0) }),
            GFP_KERNEL,
        )?;
        let mut number = shared.number.lock();

        fsleep(Delta::from_millis(1));
        *number += 1;
        Ok(Self)
    }
}
