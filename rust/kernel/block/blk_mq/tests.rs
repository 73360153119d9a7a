// SPDX-License-Identifier: GPL-2.0

//! KUnit tests, on disks that are made of memory.

mod io;
mod lifecycle;
mod limits;
mod queues;
mod ram;
mod requests;
mod uapi;
#[cfg(CONFIG_BLK_DEV_ZONED)]
mod zoned;
