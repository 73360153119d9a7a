// SPDX-License-Identifier: GPL-2.0
//! What a driver of a disk does with its requests, and what it must not be able to do.

use kernel::{
    block::blk_mq::{
        CompletionBatch,
        Disk,
        HwQueue,
        Idle,
        Major,
        NewDisk,
        Operations,
        Rejected,
        Request,
        Status,
        TimedOutRequest,
        TimeoutAction, //
    },
    error::{
        code::EIO,
        Result, //
    },
};

pub fn add<T: Operations>(mut disk: NewDisk<T>) -> Result<Disk<T>> {
    disk.set_capacity(0)?;
    disk.add_virtual()
}

pub fn serve<T: Operations<RequestData = u32>>(
    rq: Request<T, Idle>,
    refuse: bool,
) -> Result<(), Rejected<T>> {
    if refuse {
        return Err(rq.reject(Status::IOERR));
    }
    let mut rq = rq.start();

    *rq.data_mut() = 1;
    let length: usize = rq.payload().segments().map(|segment| segment.len()).sum();
    if length == 0 && rq.sector() == 0 {
        let hw_queue: HwQueue<'_, T> = rq.hw_queue();

        hw_queue.stop();
    }
    rq.end(Status::OK);
    Ok(())
}

pub fn complete<T: Operations>(rq: Request<T>) {
    rq.complete();
}

pub fn timeout<T: Operations>(_rq: &TimedOutRequest<'_, T>) -> TimeoutAction {
    TimeoutAction::Done
}

pub fn end_in_a_batch<T: Operations>(rq: Request<T>) {
    CompletionBatch::with(|batch| batch.end(rq, Status::OK));
}

pub fn freeze<T: Operations>(disk: &Disk<T>) {
    disk.freeze(|| ());
}

// A disk that was added is not new any more.
//@ case: change_an_added_disk
//@ error: E0382
//@ message: borrow of moved value: `disk`
#[cfg(case = "change_an_added_disk")]
pub fn change<T: Operations>(mut disk: NewDisk<T>) -> Result<Disk<T>> {
    let added = disk.add_virtual()?;

    disk.set_capacity(0)?;
    Ok(added)
}

// A timeout cannot take a request away from its owner.
//@ case: end_a_late_request
//@ error: E0599
//@ message: no method named `end` found for reference `&TimedOutRequest<'_, T>`
#[cfg(case = "end_a_late_request")]
pub fn end_late<T: Operations>(rq: &TimedOutRequest<'_, T>) -> TimeoutAction {
    rq.end(Status::TIMEOUT);
    TimeoutAction::Done
}

// A request that was not started cannot be ended as served.
//@ case: end_before_start
//@ error: E0599
//@ message: no method named `end` found for struct `kernel::block::blk_mq::Request<T, Idle>`
#[cfg(case = "end_before_start")]
pub fn end_before_start<T: Operations>(rq: Request<T, Idle>) {
    rq.end(Status::OK);
}

// A request cannot be ended twice.
//@ case: end_twice
//@ error: E0382
//@ message: use of moved value: `rq`
#[cfg(case = "end_twice")]
pub fn end_twice<T: Operations>(rq: Request<T>) {
    rq.end(Status::OK);
    rq.end(Status::OK);
}

// No error can be returned for a request that was given away.
//@ case: fail_a_request_given_away
//@ error: E0382
//@ message: use of moved value: `rq`
#[cfg(case = "fail_a_request_given_away")]
pub fn give_away_and_fail<T: Operations>(
    rq: Request<T, Idle>,
    give: impl FnOnce(Request<T>),
) -> Result<(), Rejected<T>> {
    give(rq.start());
    Err(rq.reject(Status::IOERR))
}

// An error without a request is not an answer.
//@ case: fail_without_a_request
//@ error: E0277
//@ message: `?` couldn't convert the error to `Rejected<T>`
#[cfg(case = "fail_without_a_request")]
pub fn fail_without_a_request<T: Operations>() -> Result<(), Rejected<T>> {
    Err(EIO)?;
    Ok(())
}

// A hardware queue cannot be kept longer than what keeps it.
//@ case: keep_a_hardware_queue
//@ error: E0597
//@ message: `rq` does not live long enough
#[cfg(case = "keep_a_hardware_queue")]
pub fn keep_hw_queue<T: Operations>(rq: Request<T>) {
    let kept: HwQueue<'static, T> = rq.hw_queue();

    kept.stop();
}

// There is no second handle to a request.
//@ case: keep_a_request
//@ error: E0599
//@ message: no method named `clone` found for struct `kernel::block::blk_mq::Request
#[cfg(case = "keep_a_request")]
pub fn keep<T: Operations>(rq: Request<T>) -> Request<T> {
    let kept = rq.clone();

    rq.end(Status::OK);
    kept
}

// The name of a major number is not cut off.
//@ case: major_name_too_long
//@ error: E0080
//@ message: the name of a major number is longer than 15 bytes
#[cfg(case = "major_name_too_long")]
pub static LONG: Major = Major::new(c"of_sixteen_bytes");

pub static MAJOR: Major = Major::new(c"fifteen_bytes_x");

// The data of a request cannot be used after the request ended.
//@ case: keep_data
//@ error: E0505
//@ message: cannot move out of `rq` because it is borrowed
#[cfg(case = "keep_data")]
pub fn keep_data<T: Operations<RequestData = u32>>(mut rq: Request<T>) -> u32 {
    let data = rq.data_mut().get_mut();

    rq.end(Status::OK);
    *data
}

// The data of a request stays where it is, if it must.
//@ case: move_data
//@ error: E0277
//@ message: `PhantomPinned` cannot be unpinned
#[cfg(case = "move_data")]
pub fn move_data<T: Operations<RequestData = core::marker::PhantomPinned>>(
    rq: &mut Request<T>,
) -> &mut core::marker::PhantomPinned {
    rq.data_mut().get_mut()
}

// The memory of a request cannot be used after the request ended.
//@ case: keep_payload
//@ error: E0505
//@ message: cannot move out of `rq` because it is borrowed
#[cfg(case = "keep_payload")]
pub fn keep_payload<T: Operations>(rq: Request<T>) -> usize {
    let segments = rq.payload().segments();

    rq.end(Status::OK);
    segments.map(|segment| segment.len()).sum()
}

// A request cannot be used after it was completed.
//@ case: use_after_complete
//@ error: E0382
//@ message: borrow of moved value: `rq`
#[cfg(case = "use_after_complete")]
pub fn use_after_complete<T: Operations>(rq: Request<T>) -> u64 {
    rq.complete();
    rq.sector()
}

// A batch belongs to its scope, and is not to be had by value.
//@ case: take_a_batch
//@ error: E0507
//@ message: cannot move out of `*batch` which is behind a mutable reference
#[cfg(case = "take_a_batch")]
pub fn take_batch<T: Operations>() {
    CompletionBatch::<T>::with(|batch| drop(*batch));
}
