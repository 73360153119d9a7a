// SPDX-License-Identifier: GPL-2.0
//@ error: E0382
//@ message: borrow of moved value: `disk`

//! A disk that was added is not new any more.

use kernel::{
    block::blk_mq::{
        Disk,
        NewDisk,
        Operations, //
    },
    error::Result, //
};

pub fn change<T: Operations>(mut disk: NewDisk<T>) -> Result<Disk<T>> {
    let added = disk.add_virtual()?;

    disk.set_capacity(0)?;
    Ok(added)
}
