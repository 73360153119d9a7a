// SPDX-License-Identifier: GPL-2.0
//@ error: E0505
//@ message: cannot move out of `rq` because it is borrowed

//! The data of a request cannot be used after the request ended.

use kernel::block::blk_mq::{
    Operations,
    Request,
    Status, //
};

pub fn keep_data<T: Operations<RequestData = u32>>(mut rq: Request<T>) -> u32 {
    let data = rq.data_mut();

    rq.end(Status::OK);
    *data
}
