// SPDX-License-Identifier: GPL-2.0
//! A queue without a lock, and values that two threads could have at once.

use core::cell::Cell;
use kernel::sync::spsc::{
    Consumer,
    Producer, //
};

fn is_sent<T: Send>() {}
fn is_shared<T: Sync>() {}

/// Each end may be on a thread of its own, and more look at values that may be looked at.
pub fn ends() {
    is_sent::<Producer<Cell<u64>>>();
    is_sent::<Consumer<Cell<u64>>>();
    is_shared::<Consumer<u64>>();
}

// What is at the front is seen through a shared reference.
//@ case: front_from_two_threads
//@ error: E0277
//@ message: `Cell<u64>` cannot be shared between threads safely
#[cfg(case = "front_from_two_threads")]
pub fn share() {
    is_shared::<Consumer<Cell<u64>>>();
}

// A value must be able to change its thread.
//@ case: values_that_stay
//@ error: E0277
//@ message: `*mut u8` cannot be sent between threads safely
#[cfg(case = "values_that_stay")]
pub fn send() {
    is_sent::<Producer<*mut u8>>();
}
