// SPDX-License-Identifier: GPL-2.0

//! Something to look at with a debugger.

#![deny(unsafe_code)]

use kernel::{
    prelude::*,
    str::CString, //
};

module! {
    type: LookInside,
    name: "book_look_inside",
    authors: ["The linux-virtio-rs developers"],
    description: "Something to look at with a debugger",
    license: "GPL",
}

/// What a variant with data looks like, and one without.
enum State {
    Empty,
    Filled { with: u32 },
}

struct LookInside {
    numbers: KVec<u32>,
    name: CString,
    state: State,
}

impl LookInside {
    /// A function that is there as one: stop here.
    #[inline(never)]
    fn stop_here(&self) -> usize {
        match self.state {
            State::Empty => 0,
            State::Filled { with } => self.numbers.iter().filter(|n| **n == with).count(),
        }
    }
}

impl kernel::Module for LookInside {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let mut this = Self {
            numbers: KVec::new(),
            name: CString::try_from_fmt(fmt!("three"))?,
            state: State::Empty,
        };

        for number in [3, 1, 3] {
            this.numbers.push(number, GFP_KERNEL)?;
        }
        this.state = State::Filled { with: 3 };
        pr_info!("{:?} is there {} times\n", this.name, this.stop_here());
        Ok(this)
    }
}
