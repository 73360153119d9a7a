// SPDX-License-Identifier: GPL-2.0

//! A request on its way to the device and back.

use super::{
    disk::{
        Disk,
        QueueContext, //
    },
    wire::{
        status,
        InHdr,
        OutHdr,
        Range,
        RequestType, //
    },
};
use kernel::{
    block::blk_mq::{
        Flags,
        Idle,
        Op,
        Payload,
        Rejected,
        Request,
        Status, //
    },
    prelude::*,
    virtio::{
        config::ByteOrder,
        AddError,
        Described,
        Part,
        Parts,
        Used, //
    },
};

/// What the driver keeps with each request: the parts that are not the caller's data.
pub(crate) struct RequestData {
    out_hdr: Part<OutHdr>,
    status: Part<u8>,
    /// How a zone append ends, instead of `status`, which stays as it is.
    append: Part<InHdr>,
    is_append: bool,
    /// The ranges of a discard and its kin. Empty otherwise.
    ranges: KVec<Range>,
    /// The request that the driver makes by itself, as [`Op::DrvIn`].
    command: (RequestType, u64),
    /// The outcome, between the interrupt and the end of the request.
    outcome: Status,
    /// How often the request was issued again, as its device has failed. Counts from the first
    /// time that it is issued.
    retries: u8,
}

impl RequestData {
    /// The data of a request that is not in use.
    pub(crate) fn new() -> Self {
        Self {
            out_hdr: Part::new(OutHdr::new(ByteOrder::Little, RequestType::In, 0, 0)),
            status: Part::new(status::NOT_WRITTEN),
            append: Part::new(InHdr::NOT_WRITTEN),
            is_append: false,
            ranges: KVec::new(),
            command: (RequestType::GetId, 0),
            outcome: Status::IOERR,
            retries: 0,
        }
    }

    /// Counts that the request is issued again. Returns false if that was so often already.
    pub(crate) fn take_retry(&mut self, max: u8) -> bool {
        if self.retries >= max {
            return false;
        }
        self.retries += 1;
        true
    }

    /// Makes this a request of the driver itself.
    pub(crate) fn set_command(&mut self, ty: RequestType, sector: u64) {
        self.command = (ty, sector);
    }

    /// Ends the use of the data and returns the outcome that [`finish`] has noted.
    #[inline]
    pub(crate) fn release(&mut self) -> Status {
        self.free_ranges();
        self.outcome
    }

    /// Leaves no ranges. Most requests never have any.
    #[inline]
    fn free_ranges(&mut self) {
        if self.ranges.capacity() != 0 {
            self.drop_ranges();
        }
    }

    #[inline(never)]
    fn drop_ranges(&mut self) {
        self.ranges = KVec::new();
    }

    /// Names the parts of a request: header, ranges or data, status.
    #[inline(always)]
    fn describe<'t>(&'t mut self, payload: Payload<'t>, parts: &mut Parts<'t, '_>) -> Result {
        parts.device_readable_part(&mut self.out_hdr)?;
        if self.ranges.is_empty() {
            parts.segments(&payload)?;
        } else {
            parts.device_readable(self.ranges.as_slice())?;
        }
        if self.is_append {
            parts.device_writable_part(&mut self.append)
        } else {
            parts.device_writable_part(&mut self.status)
        }
    }
}

/// Starts a request and describes it to the device, which takes no lock (C: `virtblk_prep_rq`).
///
/// # Errors
///
/// The request, if there is no such, or no memory.
#[inline(always)]
pub(crate) fn prepare(
    mut rq: Request<Disk, Idle>,
    order: ByteOrder,
) -> Result<Described<Request<Disk>>, Rejected<Disk>> {
    if let Err(status) = fill_in(&mut rq, order) {
        return Err(rq.reject(status));
    }

    Described::new(rq.start(), |(data, payload), parts| {
        data.get_mut().describe(payload, parts)
    })
    .map_err(reject)
}

/// Hands a request back that the device has not got (C: `virtblk_fail_to_queue`).
#[cold]
pub(crate) fn reject(mut err: AddError<Request<Disk>>) -> Rejected<Disk> {
    err.token.data_mut().release();

    let status = match err.error {
        // Without memory bouncing a buffer may have failed, which other devices can make go away.
        // A device that has failed will be recovered.
        ENOSPC | ENOMEM | EAGAIN => Status::RESOURCE,
        _ => Status::IOERR,
    };
    err.token.reject(status)
}

/// Fills in the header of a request, and its ranges.
///
/// # Errors
///
/// - [`Status::IOERR`]: there are no such requests.
/// - [`Status::RESOURCE`]: there is no memory.
#[inline(always)]
fn fill_in(rq: &mut Request<Disk, Idle>, order: ByteOrder) -> Result<(), Status> {
    let (op, at) = (rq.op(), rq.sector());
    let (ty, sector) = match op {
        Op::Read => (RequestType::In, at),
        Op::Write => (RequestType::Out, at),
        Op::Flush => (RequestType::Flush, 0),
        Op::Discard => (RequestType::Discard, 0),
        Op::WriteZeroes => (RequestType::WriteZeroes, 0),
        Op::SecureErase => (RequestType::SecureErase, 0),
        Op::ZoneAppend => (RequestType::ZoneAppend, at),
        Op::ZoneOpen => (RequestType::ZoneOpen, at),
        Op::ZoneClose => (RequestType::ZoneClose, at),
        Op::ZoneFinish => (RequestType::ZoneFinish, at),
        Op::ZoneReset => (RequestType::ZoneReset, at),
        Op::ZoneResetAll => (RequestType::ZoneResetAll, 0),
        Op::DrvIn => rq.data().command,
        Op::DrvOut | Op::Unknown(_) => return Err(Status::IOERR),
    };
    let ioprio = rq.ioprio();
    let is_first = !rq.set_dont_prep();
    let data = rq.data_mut().get_mut();

    *data.out_hdr = OutHdr::new(order, ty, ioprio, sector);
    *data.status = status::NOT_WRITTEN;
    data.is_append = op == Op::ZoneAppend;
    if data.is_append {
        *data.append = InHdr::NOT_WRITTEN;
    }
    data.outcome = Status::IOERR;
    if is_first {
        data.retries = 0;
    }
    data.free_ranges();

    if matches!(op, Op::Discard | Op::SecureErase | Op::WriteZeroes) {
        add_ranges(rq, op).map_err(|_| Status::RESOURCE)?;
    }
    Ok(())
}

/// Adds the ranges to a request that has some; requests with data have none.
#[inline(never)]
fn add_ranges(rq: &mut Request<Disk, Idle>, op: Op) -> Result {
    let mut ranges = KVec::new();

    if op == Op::WriteZeroes {
        let unmap = !rq.flags().contains(Flags::NOUNMAP);

        ranges.push(Range::new(rq.sector(), rq.sectors(), unmap), GFP_ATOMIC)?;
    } else {
        ranges.reserve(rq.nr_discard_segments().into(), GFP_ATOMIC)?;
        for range in rq.discard_ranges() {
            let range = Range::new(range.sector, range.nr_sectors, false);

            ranges.push(range, GFP_ATOMIC)?;
        }
    }
    rq.data_mut().ranges = ranges;
    Ok(())
}

/// Takes a request that the device has used, and notes the outcome in it.
#[inline(always)]
pub(crate) fn finish(used: Used<Request<Disk>>, context: &QueueContext) -> Request<Disk> {
    let (len, capacity) = (used.len(), used.capacity());
    let mut rq = used.token;

    let outcome = match *rq.data().status {
        status::OK => {
            if context
                .used_len
                .is_short(len, capacity, || rq.op() == Op::Read)
            {
                Status::IOERR
            } else {
                Status::OK
            }
        }
        _ => finish_other(&mut rq, context),
    };

    rq.data_mut().outcome = outcome;
    rq
}

/// The outcome of a request that has failed, or that ends with more than a status.
#[inline(never)]
fn finish_other(rq: &mut Request<Disk>, context: &QueueContext) -> Status {
    let data = rq.data();
    let status = if data.is_append {
        data.append.status
    } else {
        *data.status
    };

    match status {
        status::OK => finish_append(rq, context),
        status::UNSUPP => Status::NOTSUPP,
        status::ZONE_OPEN_RESOURCE => Status::ZONE_OPEN_RESOURCE,
        status::ZONE_ACTIVE_RESOURCE => Status::ZONE_ACTIVE_RESOURCE,
        _ => Status::IOERR,
    }
}

/// Tells the block layer where a zone append has written to, if that is in the zone.
fn finish_append(rq: &mut Request<Disk>, context: &QueueContext) -> Status {
    let sector = context.order.from_bytes64(rq.data().append.append_sector);
    let in_zone = sector
        .checked_sub(rq.sector())
        .and_then(|offset| offset.checked_add(rq.sectors().into()))
        .is_some_and(|end| end <= context.zone_sectors.into());

    if in_zone && rq.set_sector(sector).is_ok() {
        Status::OK
    } else {
        Status::IOERR
    }
}
