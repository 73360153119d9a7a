// SPDX-License-Identifier: GPL-2.0

//! Boots the test kernels in QEMU, drives the guest and judges what it says.
//!
//! One boot is a [`scenario`]: a kernel, a machine with devices, and a script in `tests/guest` that runs in the guest.
//! The modules are layers, and each uses those above it in this table, never those below:
//!
//! | layer | subject |
//! |---|---|
//! | [`machine`] | QEMU and user-mode Linux, what runs them and what they are made of |
//! | [`guest`] | what a guest says, in the kernel's log and by its script, and what it may ask for |
//! | [`scenario`] | the tables of boots: what to boot, data only |
//! | [`runner`] | one boot from start to verdict, several at a time, how it is shown |
//! | [`studies`] | what is found out with them: the tests, parity with C, cost, speed, what devices do wrong |

pub mod guest;
pub mod machine;
pub mod runner;
pub mod scenario;
pub mod studies;

#[cfg(test)]
mod layers;

pub use guest::ktap::Tally;
pub use machine::{Host, Kernel, accel, qemu};
pub use runner::debug::{Target, debug};
pub use runner::report;
pub use runner::shell::shell;
pub use studies::parity::parity;
pub use studies::suite::{outside, run, run_net, soak, test};
pub use studies::{bench, boots, insns, kunit};

/// User-mode Linux, and what is done in it.
pub mod uml {
    pub use crate::machine::uml::DEVICE_COMMAND;
    pub use crate::runner::shell::uml as shell;
    pub use crate::runner::uml::{run, test, test_one};
    pub use crate::scenario::uml::{Scenario, all};
    pub use crate::studies::{hostile, powercut};
}
