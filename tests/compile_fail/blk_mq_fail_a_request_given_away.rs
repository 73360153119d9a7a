// SPDX-License-Identifier: GPL-2.0
//@ error: E0382
//@ message: use of moved value: `rq`

//! No error can be returned for a request that was given away.

use kernel::block::blk_mq::{
    Idle,
    Operations,
    Rejected,
    Request,
    Status, //
};

pub fn give_away_and_fail<T: Operations>(
    rq: Request<T, Idle>,
    give: impl FnOnce(Request<T>),
) -> Result<(), Rejected<T>> {
    give(rq.start());
    Err(rq.reject(Status::IOERR))
}
