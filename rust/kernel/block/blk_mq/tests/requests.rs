// SPDX-License-Identifier: GPL-2.0

//! The life of a request.

use super::{
    census::{
        wait_until,
        Census, //
    },
    io::{
        plugged,
        Bio,
        OpenDisk,
        DISCARD,
        READ,
        WRITE, //
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
        CompletionBatch,
        Flags,
        Op,
        QueueLimits,
        Status,
        TagSetOptions, //
    },
    prelude::*,
    sync::atomic::Relaxed,
    workqueue, //
};

/// Reads one sector and returns how that ended.
fn read_sector(open: &OpenDisk) -> Result<Status> {
    Ok(Bio::submit(open, READ, 0, 512, 0)?.wait())
}

/// The arguments of a call of `queue_rq` for a request.
fn call(rq: *mut bindings::request) -> bindings::blk_mq_queue_data {
    bindings::blk_mq_queue_data { rq, last: true }
}

#[kunit_tests(rust_blk_mq_requests)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_rw")?;
        let data = KVVec::from_elem(0xa5u8, 20_000, GFP_KERNEL)?;
        let mut back = KVVec::from_elem(0u8, 20_000, GFP_KERNEL)?;

        let open = OpenDisk::new(&disk)?;
        open.write(1000, &data)?;
        open.sync()?;
        drop(open);

        assert!(disk.queue_data().storage.lock()[1000..21_000] == data[..]);
        assert_eq!(disk.queue_data().storage.lock()[999], 0);
        assert_eq!(disk.queue_data().storage.lock()[21_000], 0);

        OpenDisk::new(&disk)?.read(1000, &mut back)?;
        assert!(back[..] == data[..]);
        Ok(())
    }

    #[test]
    fn complete_ends_each_request_once() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_complete")?;
        let open = OpenDisk::new(&disk)?;
        let data = disk.queue_data();

        data.set_mode(Mode::Complete, Status::OK);
        for _ in 0..10 {
            assert_eq!(read_sector(&open)?, Status::OK);
        }
        assert_eq!(data.completed.load(Relaxed), 10);
        Ok(())
    }

    #[test]
    fn dropped_requests_fail() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_drop")?;
        let open = OpenDisk::new(&disk)?;

        disk.queue_data().set_mode(Mode::DropIdle, Status::OK);
        assert_eq!(read_sector(&open)?, Status::IOERR);
        disk.queue_data().set_mode(Mode::DropStarted, Status::OK);
        assert_eq!(read_sector(&open)?, Status::IOERR);
        disk.queue_data().set_mode(Mode::Serve, Status::OK);
        assert_eq!(read_sector(&open)?, Status::OK);
        Ok(())
    }

    #[test]
    fn rejected_requests_end_with_their_status() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_reject")?;
        let open = OpenDisk::new(&disk)?;
        let data = disk.queue_data();

        for status in [Status::NOTSUPP, Status::IOERR, Status::MEDIUM, Status::OK] {
            for mode in [
                Mode::Reject,
                Mode::RejectStartedOnce,
                Mode::DropRejectedOnce,
            ] {
                data.set_mode(mode, status);
                assert_eq!(read_sector(&open)?, status);
            }
        }
        Ok(())
    }

    #[test]
    fn requests_rejected_for_resources_come_again() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_again")?;
        let open = OpenDisk::new(&disk)?;
        let data = disk.queue_data();

        for mode in [
            Mode::RejectOnce,
            Mode::RejectStartedOnce,
            Mode::DropRejectedOnce,
            Mode::RequeueOnce,
        ] {
            let before = data.queued.load(Relaxed);

            data.set_mode(mode, Status::RESOURCE);
            assert_eq!(read_sector(&open)?, Status::OK);
            wait_until(|| data.queued.load(Relaxed) == before + 2)?;
        }
        Ok(())
    }

    #[test]
    fn rejecting_another_request_ends_that_one() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_another")?;
        let open = OpenDisk::new(&disk)?;
        let data = disk.queue_data();

        data.set_mode(Mode::RejectAnother, Status::MEDIUM);
        let first = Bio::submit(&open, READ, 0, 512, 0)?;
        data.wait_parked(1)?;
        let second = Bio::submit(&open, READ, 64, 512, 0)?;

        assert_eq!(first.wait(), Status::MEDIUM);
        assert!(!second.is_done());

        data.set_mode(Mode::Serve, Status::OK);
        let rq = data.unpark().ok_or(ENOENT)?;
        assert_eq!(rq.sector(), 64);
        rq.end(Status::OK);
        assert_eq!(second.wait(), Status::OK);
        Ok(())
    }

    #[test]
    fn rejecting_a_request_of_another_disk_ends_that_one() -> Result {
        let census = Census::new()?;
        let disk_a = disk(&census, "rustkunit_rejecta")?;
        let disk_b = disk(&census, "rustkunit_rejectb")?;
        let (open_a, open_b) = (OpenDisk::new(&disk_a)?, OpenDisk::new(&disk_b)?);
        let (a, b) = (disk_a.queue_data(), disk_b.queue_data());

        a.set_mode(Mode::Park, Status::OK);
        let first = Bio::submit(&open_a, READ, 0, 512, 0)?;
        a.wait_parked(1)?;
        b.park(a.unpark().ok_or(ENOENT)?);
        b.set_mode(Mode::RejectAnother, Status::MEDIUM);
        let second = Bio::submit(&open_b, READ, 0, 512, 0)?;

        assert_eq!(first.wait(), Status::MEDIUM);
        assert!(!second.is_done());
        b.unpark().ok_or(ENOENT)?.end(Status::OK);
        assert_eq!(second.wait(), Status::OK);
        Ok(())
    }

    #[test]
    fn rejecting_a_request_that_was_issued_elsewhere_ends_it() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_reissue")?;
        let open = OpenDisk::new(&disk)?;
        let data = disk.queue_data();

        data.set_mode(Mode::Park, Status::OK);
        let bio = Bio::submit(&open, READ, 0, 512, 0)?;
        data.wait_parked(1)?;
        let rq = data.unpark().ok_or(ENOENT)?;
        let asked = rq.as_raw();

        // As if another call of the block layer had asked for it.
        let status = rq.reject(Status::MEDIUM).into_status(&call(asked));
        assert_eq!(status, Status::OK);
        assert_eq!(bio.wait(), Status::MEDIUM);
        Ok(())
    }

    #[test]
    fn rejecting_a_request_that_was_issued_anew_ends_it() -> Result {
        let census = Census::new()?;
        let options = TagSetOptions {
            queue_depth: 1,
            ..options()
        };

        // It comes back by itself, or in a list.
        for in_list in [false, true] {
            let disk =
                new_disk(&census, options, &QueueLimits::new(), "rustkunit_anew")?.add_virtual()?;
            let open = OpenDisk::new(&disk)?;
            let data = disk.queue_data();

            // The block layer asks for it, and it ends meanwhile.
            data.set_mode(Mode::Park, Status::OK);
            let first = Bio::submit(&open, READ, 0, 512, 0)?;
            data.wait_parked(1)?;
            let rq = data.unpark().ok_or(ENOENT)?;
            let asked = call(rq.as_raw());
            rq.set_issued_by(&asked);
            rq.end(Status::OK);
            assert_eq!(first.wait(), Status::OK);

            // The next request has the same tag, and goes the same way.
            if in_list {
                data.park_list.store(1, Relaxed);
            }
            let submit = || Bio::submit(&open, READ, 32, 512, 0);
            let second = if in_list { plugged(submit)? } else { submit()? };
            data.wait_parked(1)?;
            let rq = data.unpark().ok_or(ENOENT)?;
            assert_eq!(rq.as_raw(), asked.rq);

            // The call that is over cannot take it back.
            data.set_mode(Mode::Serve, Status::OK);
            let status = rq.reject(Status::MEDIUM).into_status(&asked);
            assert_eq!(status, Status::OK);
            assert_eq!(second.wait(), Status::MEDIUM);
        }
        Ok(())
    }

    #[test]
    fn accessors_tell_what_was_submitted() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_access")?;
        let open = OpenDisk::new(&disk)?;
        let data = disk.queue_data();

        data.set_mode(Mode::Park, Status::OK);
        let fua = 1 << bindings::req_flag_bits___REQ_SYNC;
        let bio = Bio::submit(&open, WRITE | fua, 24, 1024, 7)?;
        data.wait_parked(1)?;

        let mut rq = data.unpark().ok_or(ENOENT)?;
        assert_eq!(rq.op(), Op::Write);
        assert!(rq.is_write());
        assert!(rq.flags().contains(Flags::SYNC));
        assert!(!rq.flags().contains(Flags::NOUNMAP));
        assert_eq!(rq.sector(), 24);
        assert_eq!(rq.sectors(), 2);
        assert_eq!(rq.bytes(), 1024);
        assert_eq!(rq.nr_phys_segments(), 1);
        assert_eq!(rq.hw_queue().index(), 0);
        assert_eq!(rq.hw_queue().data().index, 0);
        assert!(rq.tag() < 32);
        assert!(rq.set_sector(5) == Err(EINVAL));

        let (private, payload) = rq.parts();
        *private.project().command = 9;
        assert_eq!(payload.len(), 1024);
        assert!(payload.is_write());

        let mut segment = payload.segments().next().ok_or(ENOENT)?;
        let mut bytes = [0u8; 1024];
        assert!(segment.copy_from_slice(&bytes) == Err(EINVAL));
        assert!(segment.fill_zero() == Err(EINVAL));
        assert!(segment.copy_to_slice(&mut bytes[1..]) == Err(EINVAL));
        segment.copy_to_slice(&mut bytes)?;
        assert!(bytes == [7; 1024]);
        assert_eq!(rq.data().command, 9);

        data.set_mode(Mode::Serve, Status::OK);
        rq.end(Status::OK);
        assert_eq!(bio.wait(), Status::OK);
        Ok(())
    }

    #[test]
    fn a_scatterlist_that_is_too_short_is_refused() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_sg")?;
        let open = OpenDisk::new(&disk)?;
        let data = disk.queue_data();

        data.set_mode(Mode::Park, Status::OK);
        let bio = Bio::submit(&open, READ, 0, 4096, 0)?;
        data.wait_parked(1)?;
        data.set_mode(Mode::Serve, Status::OK);

        let rq = data.unpark().ok_or(ENOENT)?;
        let mut table: [bindings::scatterlist; 2] = pin_init::zeroed();
        // SAFETY: The table has this number of entries.
        unsafe { bindings::sg_init_table(table.as_mut_ptr(), 2) };

        // SAFETY: There are no entries.
        assert!(unsafe { rq.payload().map(core::ptr::null_mut(), 0) } == Err(EMSGSIZE));
        // SAFETY: The entries were initialized just above.
        assert!(unsafe { rq.payload().map(table.as_mut_ptr(), table.len()) } == Ok((1, 4096)));
        assert_eq!(table[0].length, 4096);

        rq.end(Status::OK);
        assert_eq!(bio.wait(), Status::OK);
        Ok(())
    }

    #[test]
    fn a_batch_ends_its_requests() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_batch")?;
        let open = OpenDisk::new(&disk)?;
        let data = disk.queue_data();

        data.set_mode(Mode::Park, Status::OK);
        let mut bios = KVec::with_capacity(4, GFP_KERNEL)?;
        for sector in 0..4 {
            bios.push(Bio::submit(&open, READ, sector * 32, 512, 0)?, GFP_KERNEL)?;
        }
        data.wait_parked(4)?;
        data.set_mode(Mode::Serve, Status::OK);

        CompletionBatch::<Ram>::with(|batch| {
            for index in 0..4 {
                let rq = data.unpark().ok_or(ENOENT)?;
                let status = if index == 2 {
                    Status::MEDIUM
                } else {
                    Status::OK
                };

                batch.end(rq, status);
            }
            // What failed ends at once, what did not waits for the batch.
            assert_eq!(bios.iter().filter(|bio| bio.is_done()).count(), 1);
            Ok::<_, Error>(())
        })?;
        let failed = bios.iter().filter(|bio| bio.wait() == Status::MEDIUM);
        assert_eq!(failed.count(), 1);
        let served = bios.iter().filter(|bio| bio.wait() == Status::OK);
        assert_eq!(served.count(), 3);
        Ok(())
    }

    #[test]
    fn discards_of_several_ranges_come_together() -> Result {
        let census = Census::new()?;
        let mut limits = QueueLimits::new();
        limits
            .set_max_hw_discard_sectors(128)
            .set_max_discard_segments(8)?;
        let disk = new_disk(&census, options(), &limits, "rustkunit_discard")?.add_virtual()?;
        let open = OpenDisk::new(&disk)?;

        let bios = plugged(|| -> Result<_> {
            Ok([
                Bio::submit_empty(&open, DISCARD, 0, 4096)?,
                Bio::submit_empty(&open, DISCARD, 64, 8192)?,
            ])
        })?;

        assert!(bios.iter().all(|bio| bio.wait() == Status::OK));
        assert!(disk.queue_data().ranges.lock()[..] == [(0, 8), (64, 16)]);
        Ok(())
    }

    #[test]
    fn adjacent_discards_are_one_range() -> Result {
        let census = Census::new()?;
        let mut limits = QueueLimits::new();
        limits.set_max_hw_discard_sectors(128);
        let disk = new_disk(&census, options(), &limits, "rustkunit_onerange")?.add_virtual()?;
        let open = OpenDisk::new(&disk)?;

        let bios = plugged(|| -> Result<_> {
            Ok([
                Bio::submit_empty(&open, DISCARD, 0, 4096)?,
                Bio::submit_empty(&open, DISCARD, 8, 4096)?,
            ])
        })?;

        assert!(bios.iter().all(|bio| bio.wait() == Status::OK));
        assert!(disk.queue_data().ranges.lock()[..] == [(0, 16)]);
        Ok(())
    }

    #[test]
    fn requests_can_end_in_another_thread() -> Result {
        let census = Census::new()?;
        let disk = crate::sync::Arc::new(disk(&census, "rustkunit_thread")?, GFP_KERNEL)?;
        let open = OpenDisk::new(&disk)?;

        disk.queue_data().set_mode(Mode::Park, Status::OK);
        let bio = Bio::submit(&open, READ, 0, 512, 0)?;
        disk.queue_data().wait_parked(1)?;
        disk.queue_data().set_mode(Mode::Serve, Status::OK);

        let rq = disk.queue_data().unpark().ok_or(ENOENT)?;
        workqueue::system().try_spawn(GFP_KERNEL, move || rq.end(Status::OK))?;
        assert_eq!(bio.wait(), Status::OK);
        Ok(())
    }
}
