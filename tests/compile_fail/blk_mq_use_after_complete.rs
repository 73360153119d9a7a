// SPDX-License-Identifier: GPL-2.0
//@ error: E0382
//@ message: borrow of moved value: `rq`

//! A request cannot be used after it was completed.

use kernel::block::blk_mq::{
    Operations,
    Request, //
};

pub fn use_after_complete<T: Operations>(rq: Request<T>) -> u64 {
    rq.complete();
    rq.sector()
}
