// SPDX-License-Identifier: GPL-2.0
//@ error: E0277
//@ message: `*const ()` cannot be sent between threads safely

//! The proof that a device was told to start cannot be kept in data that outlives its rings.

use kernel::virtio::Ready;

pub fn keep(ready: Ready<'static>) -> impl Send {
    ready
}
