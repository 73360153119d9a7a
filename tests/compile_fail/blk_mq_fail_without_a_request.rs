// SPDX-License-Identifier: GPL-2.0
//@ error: E0277
//@ message: `?` couldn't convert the error to `Rejected<T>`

//! An error without a request is not an answer.

use kernel::{
    block::blk_mq::{
        Operations,
        Rejected, //
    },
    error::code::EIO, //
};

pub fn fail_without_a_request<T: Operations>() -> Result<(), Rejected<T>> {
    Err(EIO)?;
    Ok(())
}
