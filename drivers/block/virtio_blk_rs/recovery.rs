// SPDX-License-Identifier: GPL-2.0

//! What happens to requests when the device fails, or does not answer.
//!
//! What a device had that has failed comes back, is kept by the block layer, and is issued again
//! when the device works, as NVMe does it. A device that says nothing is waited for: hypervisors
//! that are paused, or whose storage is gone for a while, say nothing either.

use super::{
    disk::Disk,
    limits,
    parameters,
    zoned, //
};
use kernel::{
    block::blk_mq::{
        self,
        InFlight,
        Kick,
        MapType,
        Op,
        Request,
        Run,
        TimedOutRequest,
        TimeoutAction, //
    },
    device::Bound,
    fmt,
    prelude::*,
    sync::atomic::Relaxed,
    time::{
        delay::fsleep,
        Delta, //
    },
    virtio, //
};

/// How often a request is issued again before it fails. Less often than a device is recovered
/// within a minute: one request that it cannot bear is not to cost the disk.
const MAX_RETRIES: u8 = 3;

/// How often there must be used buffers before an interrupt counts as missed ...
const LOOKS: u32 = 10;

/// ... and the time in between.
const LOOK_PERIOD: Delta = Delta::from_millis(50);

/// Takes a request that the device had when it was reset: it is issued again after the recovery, or
/// fails.
pub(crate) fn take_back(mut rq: Request<Disk>) {
    let keeps = rq.queue_data().recovery.keeps.load(Relaxed);
    // A zone append that the device has carried out would be carried out twice. File systems know
    // how to deal with one that has failed. A write that has reached a sequential zone is refused
    // there, as it is not at the write pointer any more, so nothing is written twice.
    let is_repeatable = rq.op() != Op::ZoneAppend;

    // Those that wait for room in the ring get some, or learn that it does not work any more.
    rq.hw_queue().start_stopped(Run::Async);
    if keeps && is_repeatable && rq.data_mut().take_retry(MAX_RETRIES) {
        rq.requeue(Kick::Later);
    }
}

/// Lets the driver get no requests, and those that come back be kept.
pub(crate) fn prepare(disk: &blk_mq::Disk<Disk>) {
    disk.queue_data().recovery.keeps.store(true, Relaxed);
    disk.quiesce().leave();
}

/// Fails what was kept, and what comes.
pub(crate) fn failed(disk: &blk_mq::Disk<Disk>) {
    release(disk);
    disk.mark_dead();
}

/// Goes on with a device that works again.
pub(crate) fn done(disk: &blk_mq::Disk<Disk>) {
    release(disk);
    if disk.queue_data().recovery.unscanned.xchg(false, Relaxed) {
        disk.want_partition_scan();
    }
}

/// Issues what was kept.
fn release(disk: &blk_mq::Disk<Disk>) {
    disk.queue_data().recovery.keeps.store(false, Relaxed);
    disk.unquiesce();
    disk.kick_requeue_list();
    disk.start_stopped_hw_queues(Run::Async);
}

/// Checks that a device that has been stopped still is what the disk was made for: of the same
/// blocks and zones.
///
/// The size and the mode of the cache may change. All other limits stay as the block layer knows
/// them: what exceeds them by now, the device refuses, as in C. About segments, of which most
/// requests are made, there is a line in the log.
///
/// # Errors
///
/// [`EINVAL`]: it is not. That was logged.
pub(crate) fn check(dev: &virtio::Device<Bound>, disk: &blk_mq::Disk<Disk>) -> Result {
    let data = disk.queue_data();

    let (now, before) = (limits::max_segment_size(dev)?, data.max_segment_size);
    if now < before {
        warn_of_less(dev, "max_segment_size", before, now);
    }

    let vring_size = disk.tag_set().data().vring_size();
    let now = limits::max_segments(dev, limits::seg_max(dev)?, vring_size);
    let before = data.max_segments;
    if now < before {
        warn_of_less(dev, "max_segments", before, now);
    }

    let (now, before) = (limits::block_size(dev)?, disk.logical_block_size());
    require_same(dev, "logical_block_size", before, now)?;

    let (now, before) = (zoned::zone_sectors(dev)?, data.zone_sectors);
    require_same(dev, "zone_sectors", before, now)
}

/// Logs a limit that requests may exceed.
fn warn_of_less(dev: &virtio::Device<Bound>, what: &str, before: u32, now: u32) {
    dev_warn!(
        dev,
        "{}: {} after it was stopped, {} before: it may refuse requests\n",
        what,
        now,
        before
    );
}

/// Logs what a device says of itself, unless that is what it said before.
fn require_same<T: fmt::Debug + PartialEq>(
    dev: &virtio::Device<Bound>,
    what: &str,
    before: T,
    now: T,
) -> Result {
    if now == before {
        return Ok(());
    }
    dev_err!(
        dev,
        "{}: {:?} after it was stopped, {:?} before\n",
        what,
        now,
        before
    );
    Err(EINVAL)
}

/// Looks for the reason why a request takes so long (C: nothing; the driver has no timeout).
///
/// The request stays with the device, unless that has failed. `poll` ends what the device has used,
/// and returns how many requests that were.
pub(crate) fn timeout(rq: &TimedOutRequest<'_, Disk>, poll: impl FnOnce() -> u32) -> TimeoutAction {
    let hctx = rq.hw_queue();
    let queue = hctx.data();
    let data = rq.queue_data();

    // An interrupt can get lost, and so can a notification.
    let was_missed = hctx.map_type() != MapType::Poll && is_interrupt_missing(rq);
    let found = poll();
    let _ = queue.notify();

    // Without a device there is nobody to look at, nor to print messages about.
    let _ = data.dev.with(|dev| {
        if was_missed && found > 0 {
            dev_warn!(
                dev,
                "{} requests had ended on queue {} without an interrupt\n",
                found,
                hctx.index()
            );
        }
        if rq.has_ended() || dev.has_failed() {
            return;
        }
        if parameters::reset_on_timeout.value() {
            let InFlight { count, .. } = rq.in_flight();

            dev_warn!(dev, "{} requests wait for too long\n", count);
            // If it cannot be recovered, it is about to go.
            let _ = dev.recover();
        } else if data.recovery.takes_line() {
            log_in_flight(dev, rq.in_flight());
        }
    });
    TimeoutAction::ResetTimer
}

/// Returns whether there are used buffers in the queue of a request that the device does not tell
/// of: an interrupt that is on its way comes while this looks again and again, and then buffers are
/// taken.
fn is_interrupt_missing(rq: &TimedOutRequest<'_, Disk>) -> bool {
    let hctx = rq.hw_queue();
    let mut before = None;

    for _ in 0..LOOKS {
        let mut queue = hctx.data().lock();
        let free = queue.num_free();

        if rq.has_ended() || queue.enable_cb() || before.is_some_and(|before| free > before) {
            return false;
        }
        drop(queue);
        before = Some(free);
        fsleep(LOOK_PERIOD);
    }
    !rq.has_ended()
}

/// Says how many requests wait since when.
fn log_in_flight(dev: &virtio::Device<Bound>, in_flight: InFlight) {
    match in_flight.oldest {
        Some(age) => dev_warn!(
            dev,
            "{} requests wait for the device, the first one for {} s\n",
            in_flight.count,
            age.as_millis() / 1000
        ),
        None => dev_warn!(dev, "{} requests wait for the device\n", in_flight.count),
    }
}
