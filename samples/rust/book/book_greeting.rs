// SPDX-License-Identifier: GPL-2.0

//! A module with a parameter that it checks, and a farewell.

#![deny(unsafe_code)]

use kernel::prelude::*;

module! {
    type: Greeting,
    name: "book_greeting",
    authors: ["The linux-virtio-rs developers"],
    description: "Greets as often as it is told",
    license: "GPL",
    params: {
        times: u32 {
            default: 1,
            description: "How often, at most 5",
        },
    },
}

/// Nobody wants to be greeted more often.
const MOST: u32 = 5;

struct Greeting {
    times: u32,
}

impl kernel::Module for Greeting {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let times = module_parameters::times.value();

        if times > MOST {
            pr_err!("{} times are too many, {} at most\n", times, MOST);
            return Err(EINVAL);
        }
        for _ in 0..times {
            pr_info!("hello\n");
        }
        Ok(Self { times })
    }
}

impl Drop for Greeting {
    fn drop(&mut self) {
        pr_info!("goodbye, after {} greetings\n", self.times);
    }
}
