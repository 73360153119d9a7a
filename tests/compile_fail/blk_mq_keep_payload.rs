// SPDX-License-Identifier: GPL-2.0
//@ error: E0505
//@ message: cannot move out of `rq` because it is borrowed

//! The memory of a request cannot be used after the request ended.

use kernel::block::blk_mq::{
    Operations,
    Request,
    Status, //
};

pub fn keep_payload<T: Operations>(rq: Request<T>) -> usize {
    let segments = rq.payload().segments();

    rq.end(Status::OK);
    segments.map(|segment| segment.len()).sum()
}
