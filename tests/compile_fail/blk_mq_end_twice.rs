// SPDX-License-Identifier: GPL-2.0
//@ error: E0382
//@ message: use of moved value: `rq`

//! A request cannot be ended twice.

use kernel::block::blk_mq::{
    Operations,
    Request,
    Status, //
};

pub fn end_twice<T: Operations>(rq: Request<T>) {
    rq.end(Status::OK);
    rq.end(Status::OK);
}
