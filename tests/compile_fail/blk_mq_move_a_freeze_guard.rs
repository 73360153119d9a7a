// SPDX-License-Identifier: GPL-2.0
//@ error: E0277
//@ message: `*mut ()` cannot be sent between threads safely

//! A frozen queue is unfrozen by the thread that froze it.

use kernel::block::blk_mq::{
    Disk,
    Operations, //
};

fn send(_: impl Send) {}

pub fn move_guard<T: Operations>(disk: &Disk<T>) {
    send(disk.freeze());
}
