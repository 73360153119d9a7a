// SPDX-License-Identifier: GPL-2.0

//! What belongs to a RAM disk, and what it is told to do.

use super::{
    census::{
        spend,
        wait_until,
        Census,
        Counted,
        Home, //
    },
    ram::Ram,
    scatterlist, //
};
use crate::{
    block::blk_mq::{
        Disk,
        Idle,
        Op,
        Request,
        State,
        Status, //
    },
    new_spinlock,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        SpinLock, //
    }, //
};

/// The size of the disks in sectors.
pub(super) const SECTORS: u64 = 256;

/// The size of the disks in bytes.
pub(super) const BYTES: usize = 256 * 512;

/// What [`Ram`] does with a request.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Mode {
    /// Serves it and ends it.
    Serve,
    /// Serves it and has it completed.
    Complete,
    /// Keeps it.
    Park,
    /// Keeps it without starting it.
    ParkIdle,
    /// Rejects it with `status`.
    Reject,
    /// Rejects it with `status`, and serves what comes next.
    RejectOnce,
    /// Starts it and rejects it with `status`, and serves what comes next.
    RejectStartedOnce,
    /// Drops it.
    DropIdle,
    /// Starts it and drops it.
    DropStarted,
    /// Keeps it, and rejects one that was kept before.
    RejectAnother,
    /// Starts it and requeues it, and serves what comes next.
    RequeueOnce,
    /// Stops the queue and rejects it, and serves what comes next.
    StopOnce,
    /// Drops what `reject` returns, with `status`, and serves what comes next.
    DropRejectedOnce,
    /// Keeps it, and goes on using the data of the hardware queue until it is told to go on. For
    /// tag sets that may block.
    Linger,
    /// Drops the disk that it keeps, and serves it. For tag sets that may block.
    DropOther,
}

/// A disk that goes with what happens next.
type Other = Arc<SpinLock<Option<Disk<Ram>>>>;

pub(super) struct SetData {
    pub(super) census: Arc<Census>,
    /// A disk that is dropped when data of a request is made or dropped.
    pub(super) other: Other,
    _counted: Counted,
}

impl SetData {
    pub(super) fn new(census: &Arc<Census>) -> Result<Self> {
        Ok(Self {
            census: census.clone(),
            other: Arc::pin_init(new_spinlock!(None), GFP_KERNEL)?,
            _counted: Counted::new(census, |c| &c.set),
        })
    }
}

/// Drops a disk, if there is one.
fn drop_other(other: &Other) {
    let disk = other.lock().take();

    drop(disk);
}

pub(super) struct HwData {
    pub(super) index: u32,
    pub(super) polled: Atomic<u32>,
    pub(super) alive: Atomic<u32>,
    _counted: Counted,
}

impl HwData {
    pub(super) fn new(census: &Arc<Census>, index: u32) -> Self {
        Self {
            index,
            polled: Atomic::new(0),
            alive: Atomic::new(1),
            _counted: Counted::new(census, |c| &c.hw),
        }
    }
}

impl Drop for HwData {
    fn drop(&mut self) {
        self.alive.store(0, Relaxed);
    }
}

#[pin_data(PinnedDrop)]
pub(super) struct RequestData {
    pub(super) status: Status,
    /// The command of an internal request.
    pub(super) command: u8,
    #[pin]
    home: Home,
    other: Other,
    _counted: Counted,
}

impl RequestData {
    /// Fails if the census says so.
    pub(super) fn new(set: &SetData) -> Result<impl PinInit<Self, Error> + use<'_>> {
        let census = &set.census;

        spend(&census.request_budget)?;
        drop_other(&set.other);
        Ok(try_pin_init!(Self {
            status: Status::OK,
            command: 0,
            home <- Home::new(census),
            other: set.other.clone(),
            _counted: Counted::new(census, |c| &c.request),
        }))
    }
}

#[pinned_drop]
impl PinnedDrop for RequestData {
    fn drop(self: Pin<&mut Self>) {
        drop_other(&self.other);
    }
}

#[pin_data]
pub(super) struct QueueData {
    #[pin]
    pub(super) storage: SpinLock<KVVec<u8>>,
    #[pin]
    pub(super) parked: SpinLock<KVec<Request<Ram>>>,
    /// Requests that were not started, which go into the next list.
    #[pin]
    pub(super) idle: SpinLock<KVec<Request<Ram, Idle>>>,
    #[pin]
    pub(super) ranges: SpinLock<KVec<(u64, u32)>>,
    /// A disk that goes along with this one, or before it.
    #[pin]
    pub(super) other: SpinLock<Option<Disk<Ram>>>,
    /// The last byte and length that an internal request has brought.
    pub(super) command: Atomic<u32>,
    pub(super) mode: Atomic<u32>,
    pub(super) status: Atomic<u32>,
    pub(super) queued: Atomic<u32>,
    pub(super) completed: Atomic<u32>,
    pub(super) committed: Atomic<u32>,
    pub(super) lists: Atomic<u32>,
    /// How many requests of a list are put back; then the others are left there.
    pub(super) put_back: Atomic<u32>,
    /// Whether the requests of a list are kept.
    pub(super) park_list: Atomic<u32>,
    pub(super) timeouts: Atomic<u32>,
    /// Whether a request whose completion was withheld is taken when it times out.
    pub(super) take_withheld: Atomic<u32>,
    /// Whether the driver says at a timeout that it makes sure that the request ends.
    pub(super) promise: Atomic<u32>,
    /// Whether a timeout drops the disk that is kept.
    pub(super) drop_other: Atomic<u32>,
    /// How often there was one more to be taken.
    pub(super) taken_twice: Atomic<u32>,
    /// How many requests were in flight at the last of them, and for how many milliseconds.
    pub(super) late: Atomic<u32>,
    pub(super) late_ms: Atomic<u64>,
    pub(super) stored: Atomic<u32>,
    pub(super) counted: Counted,
}

const MODES: [Mode; 15] = [
    Mode::Serve,
    Mode::Complete,
    Mode::Park,
    Mode::ParkIdle,
    Mode::Reject,
    Mode::RejectOnce,
    Mode::RejectStartedOnce,
    Mode::DropIdle,
    Mode::DropStarted,
    Mode::RejectAnother,
    Mode::RequeueOnce,
    Mode::StopOnce,
    Mode::DropRejectedOnce,
    Mode::Linger,
    Mode::DropOther,
];

impl QueueData {
    /// The data of a disk.
    pub(super) fn new(census: &Arc<Census>) -> Result<impl PinInit<Self, Error>> {
        let storage = KVVec::from_elem(0u8, BYTES, GFP_KERNEL)?;
        let parked = KVec::with_capacity(64, GFP_KERNEL)?;
        let idle = KVec::with_capacity(64, GFP_KERNEL)?;
        let ranges = KVec::with_capacity(64, GFP_KERNEL)?;
        let counted = Counted::new(census, |c| &c.queue);

        Ok(try_pin_init!(Self {
            storage <- new_spinlock!(storage),
            parked <- new_spinlock!(parked),
            idle <- new_spinlock!(idle),
            ranges <- new_spinlock!(ranges),
            other <- new_spinlock!(None),
            command: Atomic::new(0),
            mode: Atomic::new(Mode::Serve as u32),
            status: Atomic::new(0),
            queued: Atomic::new(0),
            completed: Atomic::new(0),
            committed: Atomic::new(0),
            lists: Atomic::new(0),
            put_back: Atomic::new(0),
            park_list: Atomic::new(0),
            timeouts: Atomic::new(0),
            take_withheld: Atomic::new(0),
            promise: Atomic::new(0),
            drop_other: Atomic::new(0),
            taken_twice: Atomic::new(0),
            late: Atomic::new(0),
            late_ms: Atomic::new(0),
            stored: Atomic::new(0),
            counted,
        }))
    }

    pub(super) fn set_mode(&self, mode: Mode, status: Status) {
        self.status.store(status.as_raw().into(), Relaxed);
        self.mode.store(mode as u32, Relaxed);
    }

    /// Requests are served from the next one on.
    pub(super) fn serve_next(&self) {
        self.mode.store(Mode::Serve as u32, Relaxed);
    }

    pub(super) fn mode(&self) -> Mode {
        MODES
            .into_iter()
            .find(|mode| *mode as u32 == self.mode.load(Relaxed))
            .unwrap_or(Mode::Serve)
    }

    pub(super) fn status(&self) -> Status {
        Status::from_raw(self.status.load(Relaxed) as u8)
    }

    /// Keeps a request, also that of another disk.
    pub(super) fn park(&self, rq: Request<Ram>) {
        // A request that does not fit is dropped, and fails.
        let _ = self.parked.lock().push_within_capacity(rq);
    }

    /// Keeps a request that was not started, also that of another disk.
    pub(super) fn park_idle(&self, rq: Request<Ram, Idle>) {
        // A request that does not fit is dropped, and fails.
        let _ = self.idle.lock().push_within_capacity(rq);
    }

    /// Whether a request was kept without being started.
    pub(super) fn has_idle(&self) -> bool {
        !self.idle.lock().is_empty()
    }

    /// Takes a request that was kept without being started.
    pub(super) fn unpark_idle(&self) -> Option<Request<Ram, Idle>> {
        self.idle.lock().pop()
    }

    /// Takes a request that was kept.
    pub(super) fn unpark(&self) -> Option<Request<Ram>> {
        self.parked.lock().pop()
    }

    /// Waits until `count` requests are kept; gives up after a while.
    pub(super) fn wait_parked(&self, count: usize) -> Result {
        wait_until(|| self.parked.lock().len() >= count)
    }

    pub(super) fn serve<S: State>(&self, rq: &Request<Ram, S>) -> Status {
        rq.data().home.check();
        self.try_serve(rq).map_or(Status::IOERR, |()| Status::OK)
    }

    fn try_serve<S: State>(&self, rq: &Request<Ram, S>) -> Result {
        let mut storage = self.storage.lock();

        match rq.op() {
            Op::Read | Op::Write => {
                let mut pos = usize::try_from(rq.sector())? * 512;

                if rq.is_write() {
                    scatterlist::check(&rq.payload())?;
                }
                for mut segment in rq.payload().segments() {
                    let bytes = storage.get_mut(pos..pos + segment.len()).ok_or(EIO)?;

                    if rq.is_write() {
                        segment.copy_to_slice(bytes)?;
                    } else {
                        segment.copy_from_slice(bytes)?;
                    }
                    pos += segment.len();
                }
            }
            Op::Flush => {}
            Op::Discard => {
                for range in rq.discard_ranges() {
                    let _ = self
                        .ranges
                        .lock()
                        .push_within_capacity((range.sector, range.nr_sectors));
                }
            }
            Op::DrvIn => {
                for mut segment in rq.payload().segments() {
                    let len = segment.len();

                    segment.copy_from_slice(&storage[..len])?;
                }
                self.command.store(rq.data().command.into(), Relaxed);
            }
            Op::DrvOut => {
                for mut segment in rq.payload().segments() {
                    let len = segment.len();

                    segment.copy_to_slice(&mut storage[..len])?;
                }
                self.command.store(rq.data().command.into(), Relaxed);
            }
            _ => return Err(EOPNOTSUPP),
        }
        Ok(())
    }
}
