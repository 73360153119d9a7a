// SPDX-License-Identifier: GPL-2.0
//@ error: E0599
//@ message: no method named `end` found for reference `&TimedOutRequest<'_, T>` in the current scope

//! A timeout cannot take a request away from its owner.

use kernel::block::blk_mq::{
    Operations,
    Status,
    TimedOutRequest,
    TimeoutAction, //
};

pub fn end_late<T: Operations>(rq: &TimedOutRequest<'_, T>) -> TimeoutAction {
    rq.end(Status::TIMEOUT);
    TimeoutAction::Done
}
