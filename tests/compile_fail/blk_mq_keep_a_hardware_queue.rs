// SPDX-License-Identifier: GPL-2.0
//@ error: E0597
//@ message: `rq` does not live long enough

//! A hardware queue cannot be kept longer than what keeps it.

use kernel::block::blk_mq::{
    HwQueue,
    Operations,
    Request, //
};

pub fn keep_hw_queue<T: Operations>(rq: Request<T>) {
    let kept: HwQueue<'static, T> = rq.hw_queue();

    kept.stop();
}
