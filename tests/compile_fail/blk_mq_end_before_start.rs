// SPDX-License-Identifier: GPL-2.0
//@ error: E0599
//@ message: no method named `end` found for struct `kernel::block::blk_mq::Request<T, Idle>` in the current scope

//! A request that was not started cannot be ended as served.

use kernel::block::blk_mq::{
    Idle,
    Operations,
    Request,
    Status, //
};

pub fn end_before_start<T: Operations>(rq: Request<T, Idle>) {
    rq.end(Status::OK);
}
