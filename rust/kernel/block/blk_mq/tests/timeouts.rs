// SPDX-License-Identifier: GPL-2.0

//! Requests that take too long.

use super::{
    census::{
        wait_longer,
        wait_until,
        Census, //
    },
    io::{
        Bio,
        OpenDisk,
        READ,
        WRITE, //
    },
    ram_data::{
        Mode,
        SECTORS, //
    },
    setup::{
        new_disk,
        options, //
    }, //
};
use crate::{
    block::blk_mq::{
        HwQueue,
        Idle,
        NewDisk,
        Operations,
        QueueLimits,
        Rejected,
        Request,
        Status,
        TagSet,
        TagSetOptions, //
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
    },
    time::Delta, //
};

/// Options with a short timeout, which the block layer rounds up to seconds.
fn impatient() -> TagSetOptions {
    TagSetOptions {
        timeout: Delta::from_millis(50),
        ..options()
    }
}

/// Keeps all writes, and has no function for timeouts.
struct Untimed;

#[pin_data]
struct Waiting {
    #[pin]
    requests: SpinLock<KVec<Request<Untimed>>>,
    completed: Atomic<u32>,
}

#[vtable]
impl Operations for Untimed {
    type TagSetData = ();
    type QueueData = Waiting;
    type HwData = ();
    type RequestData = ();

    fn init_request_data(_set: &()) -> impl PinInit<(), Error> {
        Ok(())
    }

    fn init_hctx(_set: &(), _index: u32) -> impl PinInit<(), Error> {
        Ok(())
    }

    fn queue_rq(
        hctx: HwQueue<'_, Self>,
        rq: Request<Self, Idle>,
        _last: bool,
    ) -> Result<(), Rejected<Self>> {
        let is_write = rq.is_write();
        let rq = rq.start();

        if is_write {
            // A request that does not fit is dropped, and fails.
            let _ = hctx.queue_data().requests.lock().push_within_capacity(rq);
        } else {
            rq.end(Status::OK);
        }
        Ok(())
    }

    fn complete(rq: Request<Self>) {
        rq.queue_data().completed.fetch_add(1, Relaxed);
        rq.end(Status::OK);
    }
}

#[kunit_tests(rust_blk_mq_timeouts)]
mod tests {
    use super::*;

    #[test]
    fn a_late_request_is_reported_and_can_still_end() -> Result {
        let census = Census::new()?;
        let disk =
            new_disk(&census, impatient(), &QueueLimits::new(), "rustkunit_late")?.add_virtual()?;
        let open = OpenDisk::new(&disk)?;
        let data = disk.queue_data();

        data.set_mode(Mode::Park, Status::OK);
        let bio = Bio::submit(&open, READ, 0, 512, 0)?;
        data.wait_parked(1)?;
        data.set_mode(Mode::Serve, Status::OK);
        assert!(wait_longer(|| data.timeouts.load(Relaxed) >= 1).is_ok());
        assert!(!bio.is_done());

        data.unpark().ok_or(ENOENT)?.end(Status::TIMEOUT);
        assert_eq!(bio.wait(), Status::TIMEOUT);
        Ok(())
    }

    #[test]
    fn a_late_request_tells_how_many_wait_and_for_how_long() -> Result {
        let census = Census::new()?;
        let disk =
            new_disk(&census, impatient(), &QueueLimits::new(), "rustkunit_wait")?.add_virtual()?;
        let open = OpenDisk::new(&disk)?;
        let data = disk.queue_data();

        data.set_mode(Mode::Park, Status::OK);
        let first = Bio::submit(&open, READ, 0, 512, 0)?;
        let second = Bio::submit(&open, READ, 8, 512, 0)?;

        data.wait_parked(2)?;
        data.set_mode(Mode::Serve, Status::OK);
        assert!(wait_longer(|| data.timeouts.load(Relaxed) >= 2).is_ok());
        assert_eq!(data.late.load(Relaxed), 2);
        assert!((50..60_000).contains(&data.late_ms.load(Relaxed)));

        for _ in 0..2 {
            data.unpark().ok_or(ENOENT)?.end(Status::OK);
        }
        assert_eq!(first.wait(), Status::OK);
        assert_eq!(second.wait(), Status::OK);
        Ok(())
    }

    #[test]
    fn a_completion_that_is_withheld_comes_back_with_the_timeout() -> Result {
        let census = Census::new()?;
        let disk = new_disk(
            &census,
            impatient(),
            &QueueLimits::new(),
            "rustkunit_withheld",
        )?
        .add_virtual()?;
        let open = OpenDisk::new(&disk)?;
        let data = disk.queue_data();

        // The driver takes it, or leaves it to be completed.
        for (take, status) in [(1, Status::TIMEOUT), (0, Status::OK)] {
            let completed = data.completed.load(Relaxed);
            let timeouts = data.timeouts.load(Relaxed);

            data.take_withheld.store(take, Relaxed);
            data.set_mode(Mode::Park, Status::OK);
            let bio = Bio::submit(&open, READ, 0, 512, 0)?;
            data.wait_parked(1)?;
            data.set_mode(Mode::Serve, Status::OK);

            // As with `io-timeout-fail`: the device is done, and the block layer is not told.
            assert!(data.unpark().ok_or(ENOENT)?.withhold().is_none());
            assert!(!bio.is_done());
            assert!(wait_longer(|| bio.is_done()).is_ok());
            assert_eq!(bio.wait(), status);
            assert_eq!(data.completed.load(Relaxed) - completed, 1 - take);
            assert!(data.timeouts.load(Relaxed) > timeouts);
            // It can be taken once.
            assert_eq!(data.taken_twice.load(Relaxed), 0);
        }
        Ok(())
    }

    #[test]
    fn a_completion_that_is_withheld_comes_back_to_a_driver_without_timeouts() -> Result {
        let set = Arc::pin_init(TagSet::<Untimed>::new(impatient(), ()), GFP_KERNEL)?;
        let requests = KVec::with_capacity(1, GFP_KERNEL)?;
        let data = pin_init!(Waiting {
            requests <- new_spinlock!(requests),
            completed: Atomic::new(0),
        });
        let mut disk = NewDisk::new(set, &QueueLimits::new(), data)?;
        disk.set_capacity(SECTORS)?;
        disk.set_name(fmt!("rustkunit_untimed"))?;
        let disk = disk.add_virtual()?;
        let open = OpenDisk::new(&disk)?;
        let data = disk.queue_data();

        let bio = Bio::submit(&open, WRITE, 0, 512, 0)?;
        wait_until(|| !data.requests.lock().is_empty())?;
        let rq = data.requests.lock().pop().ok_or(ENOENT)?;
        assert!(rq.withhold().is_none());
        assert!(wait_longer(|| bio.is_done()).is_ok());
        assert_eq!(bio.wait(), Status::OK);
        assert_eq!(data.completed.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn a_completion_after_the_last_timeout_is_not_withheld() -> Result {
        let census = Census::new()?;
        let disk = new_disk(
            &census,
            impatient(),
            &QueueLimits::new(),
            "rustkunit_promise",
        )?
        .add_virtual()?;
        let open = OpenDisk::new(&disk)?;
        let data = disk.queue_data();

        data.promise.store(1, Relaxed);
        data.set_mode(Mode::Park, Status::OK);
        let bio = Bio::submit(&open, READ, 0, 512, 0)?;
        data.wait_parked(1)?;
        data.set_mode(Mode::Serve, Status::OK);
        assert!(wait_longer(|| data.timeouts.load(Relaxed) >= 1).is_ok());

        // Nothing would give it back.
        if let Some(rq) = data.unpark().ok_or(ENOENT)?.withhold() {
            rq.end(Status::MEDIUM);
        }
        assert!(wait_longer(|| bio.is_done()).is_ok());
        assert_eq!(bio.wait(), Status::MEDIUM);
        assert_eq!(data.timeouts.load(Relaxed), 1);
        Ok(())
    }
}
