// SPDX-License-Identifier: GPL-2.0
//@ error: E0277
//@ message: `*const ()` cannot be sent between threads safely

//! A queue that is not ready cannot be kept for the proof of another device.

use kernel::virtio::{
    Handler,
    PendingQueue, //
};

pub fn keep<H: Handler>(queue: PendingQueue<H>) -> impl Send {
    queue
}
