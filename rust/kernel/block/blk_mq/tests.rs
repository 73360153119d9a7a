// SPDX-License-Identifier: GPL-2.0

//! KUnit tests, on disks that are made of memory.

mod census;
#[cfg(CONFIG_RUST_BLK_VIRTIO)]
mod described;
mod io;
mod lifecycle;
mod limits;
mod queues;
mod ram;
mod requests;
mod setup;
mod uapi;
#[cfg(CONFIG_BLK_DEV_ZONED)]
mod zoned;
