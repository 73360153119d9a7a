// SPDX-License-Identifier: GPL-2.0

//! KUnit tests, on disks that are made of memory.

mod census;
mod death;
#[cfg(CONFIG_RUST_BLK_VIRTIO)]
mod described;
mod hints;
mod internal;
mod io;
mod lifecycle;
mod limits;
mod limits_update;
mod lists;
mod maps;
mod queues;
mod ram;
mod ram_data;
mod removal;
mod requests;
mod scatterlist;
mod setup;
mod tables;
mod timeouts;
mod uapi;
#[cfg(CONFIG_BLK_DEV_ZONED)]
mod zoned;
