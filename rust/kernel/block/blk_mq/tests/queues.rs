// SPDX-License-Identifier: GPL-2.0

//! Hardware queues: polling, and ways to stop them.

use super::{
    census::{
        wait_longer,
        wait_until,
        Census, //
    },
    io::{
        Bio,
        OpenDisk,
        POLLED,
        READ, //
    },
    ram::Ram,
    ram_data::Mode,
    setup::{
        disk,
        new_disk,
        options, //
    }, //
};
use crate::{
    block::blk_mq::{
        Flags,
        Kick,
        MapType,
        Maps,
        QueueLimits,
        Request,
        Run,
        Status,
        TagSetOptions, //
    },
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        Arc, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
    workqueue, //
};

#[kunit_tests(rust_blk_mq_queues)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_with_a_stopped_queue_can_be_dropped() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_stopped")?;
        let open = OpenDisk::new(&disk)?;

        disk.queue_data().set_mode(Mode::StopOnce, Status::OK);
        let bio = Bio::submit(&open, READ, 0, 512, 0)?;
        fsleep(Delta::from_millis(20));
        assert!(!bio.is_done());

        drop(disk);
        assert_eq!(bio.wait(), Status::OK);
        Ok(())
    }

    #[test]
    fn a_disk_with_requests_for_later_can_be_dropped() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_latedrop")?;
        let open = OpenDisk::new(&disk)?;
        let data = disk.queue_data();

        data.set_mode(Mode::Park, Status::OK);
        let bio = Bio::submit(&open, READ, 0, 512, 0)?;
        data.wait_parked(1)?;
        data.set_mode(Mode::Serve, Status::OK);
        data.unpark().ok_or(ENOENT)?.requeue(Kick::Later);
        fsleep(Delta::from_millis(20));
        assert!(!bio.is_done());

        drop(disk);
        assert_eq!(bio.wait(), Status::OK);
        Ok(())
    }

    /// Drops a disk that has one request, and lets `late` give that back when the disk waits for
    /// it. Returns whether the request was served then, without help.
    fn drop_and_give_back(name: &str, late: fn(Request<Ram>) -> ()) -> Result<bool> {
        let census = Census::new()?;
        let disk = disk(&census, name)?;
        let open = Arc::new(OpenDisk::new(&disk)?, GFP_KERNEL)?;
        let data = disk.queue_data();

        data.set_mode(Mode::Park, Status::OK);
        let bio = Bio::submit(&open, READ, 0, 512, 0)?;
        data.wait_parked(1)?;
        data.set_mode(Mode::Serve, Status::OK);
        let rq = data.unpark().ok_or(ENOENT)?;

        let helped = Arc::new(Atomic::new(0u32), GFP_KERNEL)?;
        let (keeper, has_helped, served) =
            (open.clone(), helped.clone(), data.queued.load(Relaxed));
        workqueue::system_unbound().try_spawn(GFP_KERNEL, move || {
            let disk = keeper.ram();

            // `del_gendisk` has much to do before it waits for requests.
            fsleep(Delta::from_millis(1000));
            late(rq);
            if wait_longer(|| disk.queue_data().queued.load(Relaxed) > served).is_err() {
                // SAFETY: The disk is open and keeps its queue.
                unsafe { bindings::blk_mq_kick_requeue_list(disk.queue()) };
                // SAFETY: As above.
                unsafe { bindings::blk_mq_start_stopped_hw_queues(disk.queue(), true) };
                has_helped.store(1, Release);
            }
            drop(keeper);
        })?;

        drop(disk);
        assert_eq!(bio.wait(), Status::OK);
        drop(bio);
        drop(open);
        census.wait_until_gone()?;
        Ok(helped.load(Acquire) == 0)
    }

    #[test]
    fn a_request_that_is_requeued_for_later_does_not_hold_up_its_disk() -> Result {
        let served = drop_and_give_back("rustkunit_laterq", |rq| rq.requeue(Kick::Later))?;

        assert!(served);
        Ok(())
    }

    #[test]
    fn a_queue_that_is_stopped_does_not_hold_up_its_disk() -> Result {
        let served = drop_and_give_back("rustkunit_latestop", |rq| {
            rq.hw_queue().stop();
            rq.requeue(Kick::Now);
        })?;

        assert!(served);
        Ok(())
    }

    #[test]
    fn polled_requests_end_by_polling() -> Result {
        let census = Census::new()?;
        let options = TagSetOptions {
            nr_hw_queues: 2,
            maps: Maps::Three,
            ..options()
        };
        let disk =
            new_disk(&census, options, &QueueLimits::new(), "rustkunit_poll")?.add_virtual()?;
        let open = OpenDisk::new(&disk)?;
        let data = disk.queue_data();

        data.storage.lock()[32 * 512] = 77;
        data.set_mode(Mode::Park, Status::OK);
        let bio = Bio::submit(&open, READ | POLLED, 32, 512, 0)?;
        data.wait_parked(1)?;
        assert!(data.parked.lock()[0].hw_queue().map_type() == MapType::Poll);
        assert_eq!(data.parked.lock()[0].hw_queue().index(), 1);
        assert!(data.parked.lock()[0].flags().contains(Flags::POLLED));

        fsleep(Delta::from_millis(5));
        assert!(!bio.is_done());
        bio.poll();
        data.set_mode(Mode::Serve, Status::OK);
        assert!(bio.is_done());
        assert_eq!(bio.wait(), Status::OK);
        assert_eq!(bio.first_byte()?, 77);
        Ok(())
    }

    #[test]
    fn a_quiesced_queue_keeps_requests_away() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_quiesce")?;
        let open = OpenDisk::new(&disk)?;
        let data = disk.queue_data();
        let before = data.queued.load(Relaxed);

        let guard = disk.quiesce();
        let also = disk.quiesce();
        let bio = Bio::submit(&open, READ, 0, 512, 0)?;
        drop(also);
        fsleep(Delta::from_millis(20));
        assert_eq!(data.queued.load(Relaxed), before);
        assert!(!bio.is_done());

        drop(guard);
        assert_eq!(bio.wait(), Status::OK);
        Ok(())
    }

    #[test]
    fn a_queue_that_was_left_quiesced_can_be_undone() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_leave")?;
        let open = OpenDisk::new(&disk)?;

        disk.unquiesce();
        disk.quiesce().leave();
        let bio = Bio::submit(&open, READ, 0, 512, 0)?;
        fsleep(Delta::from_millis(20));
        assert!(!bio.is_done());

        disk.unquiesce();
        assert_eq!(bio.wait(), Status::OK);
        Ok(())
    }

    #[test]
    fn a_disk_that_was_left_quiesced_can_be_dropped() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_leftover")?;
        let open = OpenDisk::new(&disk)?;

        disk.quiesce().leave();
        disk.quiesce().leave();
        let bio = Bio::submit(&open, READ, 0, 512, 0)?;

        drop(disk);
        assert_eq!(bio.wait(), Status::OK);
        Ok(())
    }

    #[test]
    fn freezing_waits_for_requests_and_stops_others() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_freeze")?;
        let open = Arc::new(OpenDisk::new(&disk)?, GFP_KERNEL)?;
        let data = disk.queue_data();

        data.set_mode(Mode::Park, Status::OK);
        let bio = Bio::submit(&open, READ, 0, 512, 0)?;
        data.wait_parked(1)?;
        data.set_mode(Mode::Serve, Status::OK);
        let rq = data.unpark().ok_or(ENOENT)?;
        workqueue::system().try_spawn(GFP_KERNEL, move || {
            fsleep(Delta::from_millis(20));
            rq.end(Status::OK);
        })?;

        let ended = Arc::new(Atomic::new(0u32), GFP_KERNEL)?;
        let (other, has_ended) = (open.clone(), ended.clone());
        disk.freeze(|| -> Result {
            assert!(bio.is_done());
            workqueue::system_unbound().try_spawn(GFP_KERNEL, move || {
                let ok =
                    Bio::submit(&other, READ, 0, 512, 0).is_ok_and(|bio| bio.wait() == Status::OK);

                drop(other);
                has_ended.store(if ok { 1 } else { 2 }, Release);
            })?;
            fsleep(Delta::from_millis(20));
            assert_eq!(ended.load(Acquire), 0);
            Ok(())
        })?;
        wait_until(|| ended.load(Acquire) != 0)?;
        assert_eq!(ended.load(Acquire), 1);
        Ok(())
    }

    #[test]
    fn freezing_polls_for_requests_that_nobody_else_ends() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_freezepoll")?;
        let open = OpenDisk::new(&disk)?;
        let data = disk.queue_data();

        data.set_mode(Mode::Park, Status::OK);
        let bio = Bio::submit(&open, READ, 0, 512, 0)?;
        data.wait_parked(1)?;
        data.set_mode(Mode::Serve, Status::OK);

        let mut polls = 0;
        let poll = || {
            polls += 1;
            // Not at once, and then again for nothing.
            if polls > 2 {
                if let Some(rq) = data.unpark() {
                    rq.end(Status::OK);
                }
            }
        };

        disk.freeze_polling(poll, || assert!(bio.is_done()));
        assert!(polls > 2);
        assert_eq!(Bio::submit(&open, READ, 0, 512, 0)?.wait(), Status::OK);
        Ok(())
    }

    #[test]
    fn a_stopped_queue_starts_again() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_stop")?;
        let open = OpenDisk::new(&disk)?;
        let data = disk.queue_data();

        data.set_mode(Mode::StopOnce, Status::OK);
        let bio = Bio::submit(&open, READ, 0, 512, 0)?;
        fsleep(Delta::from_millis(20));
        assert!(!bio.is_done());

        disk.start_stopped_hw_queues(Run::Async);
        assert_eq!(bio.wait(), Status::OK);

        // Stopping does not wait for the worker that has just served the request, and which would
        // serve the next one as well.
        drop(disk.quiesce());
        fsleep(Delta::from_millis(20));
        disk.stop_hw_queues();
        let bio = Bio::submit(&open, READ, 0, 512, 0)?;
        fsleep(Delta::from_millis(20));
        assert!(!bio.is_done());
        disk.start_stopped_hw_queues(Run::Async);
        assert_eq!(bio.wait(), Status::OK);
        Ok(())
    }

    #[test]
    fn requests_requeued_for_later_wait_for_a_kick() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_later")?;
        let open = OpenDisk::new(&disk)?;
        let data = disk.queue_data();

        data.set_mode(Mode::Park, Status::OK);
        let bio = Bio::submit(&open, READ, 0, 512, 0)?;
        data.wait_parked(1)?;
        data.set_mode(Mode::Serve, Status::OK);
        data.unpark().ok_or(ENOENT)?.requeue(Kick::Later);
        fsleep(Delta::from_millis(20));
        assert!(!bio.is_done());

        disk.kick_requeue_list();
        assert_eq!(bio.wait(), Status::OK);
        Ok(())
    }

    #[test]
    fn a_request_that_keeps_its_data_is_told_from_its_successor() -> Result {
        let census = Census::new()?;
        // All requests have the same tag.
        let options = TagSetOptions {
            queue_depth: 1,
            ..options()
        };
        let disk =
            new_disk(&census, options, &QueueLimits::new(), "rustkunit_keeps")?.add_virtual()?;
        let open = OpenDisk::new(&disk)?;
        let data = disk.queue_data();

        data.set_mode(Mode::ParkIdle, Status::OK);
        for keeps in [true, false] {
            let bio = Bio::submit(&open, READ, 0, 512, 0)?;

            wait_until(|| data.has_idle())?;

            let mut rq = data.unpark_idle().ok_or(ENOENT)?;

            // What the request before has said does not count.
            if keeps {
                assert!(!rq.set_dont_prep());
            }
            rq.start().requeue(Kick::Now);
            wait_until(|| data.has_idle())?;

            let mut rq = data.unpark_idle().ok_or(ENOENT)?;

            assert_eq!(rq.set_dont_prep(), keeps);
            // For one that was started, that was too late.
            assert_eq!(rq.set_dont_prep(), keeps);
            rq.start().end(Status::OK);
            assert_eq!(bio.wait(), Status::OK);
        }
        Ok(())
    }
}
