// SPDX-License-Identifier: GPL-2.0

//! A request on its way to the device and back.

use super::{
    queue::Disk,
    wire::{
        status,
        OutHdr,
        RequestType, //
    },
};
use kernel::{
    block::blk_mq::{
        Op,
        Payload,
        Request,
        State,
        Status, //
    },
    prelude::*,
    virtio::{
        config::ByteOrder,
        Parts,
        Used, //
    },
};

/// What the driver keeps with each request: the parts that are not the caller's data.
pub(crate) struct RequestData {
    out_hdr: OutHdr,
    status: u8,
    /// The outcome, between the interrupt and the end of the request.
    outcome: Status,
}

impl RequestData {
    /// The data of a request that is not in use.
    pub(crate) fn new() -> Self {
        Self {
            out_hdr: OutHdr::new(ByteOrder::Little, RequestType::In, 0, 0),
            status: status::NOT_WRITTEN,
            outcome: Status::IOERR,
        }
    }

    /// The outcome that [`finish`] has noted.
    pub(crate) fn outcome(&self) -> Status {
        self.outcome
    }

    /// Names the parts of a request: header, data, status.
    pub(crate) fn describe<'t>(
        &'t mut self,
        payload: Payload<'t>,
        parts: &mut Parts<'t, '_>,
    ) -> Result {
        parts.device_readable(&self.out_hdr)?;
        parts.segments(&payload)?;
        parts.device_writable(&mut self.status)
    }
}

/// Fills in the header of a request.
///
/// # Errors
///
/// [`Status::NOTSUPP`]: the device does not know such requests.
pub(crate) fn prepare<S: State>(rq: &mut Request<Disk, S>, order: ByteOrder) -> Result<(), Status> {
    let (ty, sector) = match rq.op() {
        Op::Read => (RequestType::In, rq.sector()),
        Op::Write => (RequestType::Out, rq.sector()),
        Op::Flush => (RequestType::Flush, 0),
        _ => return Err(Status::NOTSUPP),
    };
    let ioprio = rq.ioprio();
    let data = rq.data_mut();

    data.out_hdr = OutHdr::new(order, ty, ioprio, sector);
    data.status = status::NOT_WRITTEN;
    data.outcome = Status::IOERR;
    Ok(())
}

/// Takes a request that the device has used, and notes the outcome in it.
///
/// With `strict`, a read that the device has not filled has failed.
pub(crate) fn finish(used: Used<Request<Disk>>, strict: bool) -> Request<Disk> {
    let short = used.len() < used.capacity();
    let mut rq = used.token;
    let failed = strict && short && rq.op() == Op::Read;
    let data = rq.data_mut();

    data.outcome = match data.status {
        status::OK if failed => Status::IOERR,
        status::OK => Status::OK,
        status::UNSUPP => Status::NOTSUPP,
        _ => Status::IOERR,
    };
    rq
}
