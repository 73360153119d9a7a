// SPDX-License-Identifier: GPL-2.0

//! Limits of a disk that is there: how they reach it, change, and whose they are.

use super::{
    census::Census,
    io::{
        Bio,
        OpenDisk,
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
        Disk,
        QueueLimits,
        Status,
        Zoned, //
    },
    error::to_result,
    prelude::*,
    sync::atomic::Relaxed, //
};

#[kunit_tests(rust_blk_mq_limits_update)]
mod tests {
    use super::*;

    #[test]
    fn limits_reach_the_queue() -> Result {
        let census = Census::new()?;
        let mut limits = QueueLimits::new();

        limits
            .set_logical_block_size(1024)?
            .set_physical_block_size(4096)
            .set_io_min(8192)
            .set_max_segments(17)?
            .set_max_hw_sectors(64)?
            .set_write_cache(true)
            .set_fua(true)
            .set_rotational(true);
        let disk = new_disk(&census, options(), &limits, "rustkunit_limits")?.add_virtual()?;
        // SAFETY: The disk is valid, and nobody changes the limits.
        let found = unsafe { &(*disk.queue()).limits };

        assert_eq!(found.logical_block_size, 1024);
        assert_eq!(found.physical_block_size, 4096);
        assert_eq!(found.io_min, 8192);
        assert_eq!(found.max_segments, 17);
        assert_eq!(found.max_hw_sectors, 64);
        assert!(found.features & bindings::BLK_FEAT_WRITE_CACHE != 0);
        assert!(found.features & bindings::BLK_FEAT_FUA != 0);
        assert!(found.features & bindings::BLK_FEAT_ROTATIONAL != 0);
        Ok(())
    }

    #[test]
    fn limits_change_or_stay_as_they_are() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_update")?;

        disk.update_limits(|limits| limits.set_max_hw_sectors(128).map(|_| ()))?;
        // SAFETY: The disk is valid, and nobody changes the limits.
        assert_eq!(unsafe { (*disk.queue()).limits.max_hw_sectors }, 128);

        let refused = disk.update_limits(|limits| {
            limits.set_max_hw_sectors(256)?;
            Err(ENOSPC)
        });
        assert!(refused == Err(ENOSPC));
        // SAFETY: As above.
        assert_eq!(unsafe { (*disk.queue()).limits.max_hw_sectors }, 128);

        // The lock was given back.
        disk.update_limits(|limits| {
            assert!(!limits.write_cache());
            limits.set_write_cache(true);
            Ok::<_, Error>(())
        })?;
        // SAFETY: As above.
        let features = unsafe { (*disk.queue()).limits.features };
        assert!(features & bindings::BLK_FEAT_WRITE_CACHE != 0);
        Ok(())
    }

    #[test]
    fn a_change_of_limits_polls_for_requests_that_nobody_else_ends() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_updatepoll")?;
        let open = OpenDisk::new(&disk)?;
        let data = disk.queue_data();

        data.set_mode(Mode::Park, Status::OK);
        let bio = Bio::submit(&open, READ, 0, 512, 0)?;
        data.wait_parked(1)?;
        data.set_mode(Mode::Serve, Status::OK);

        let mut polls = 0;

        disk.update_limits_polling(
            |limits| limits.set_max_hw_sectors(128).map(|_| ()),
            || {
                polls += 1;
                // Not at once, and then again for nothing.
                if polls > 2 {
                    if let Some(rq) = data.unpark() {
                        rq.end(Status::OK);
                    }
                }
            },
        )?;

        assert!(bio.is_done());
        assert!(polls > 2);
        // SAFETY: The disk is valid, and nobody changes the limits.
        assert_eq!(unsafe { (*disk.queue()).limits.max_hw_sectors }, 128);
        // The queue is not frozen any more.
        assert_eq!(Bio::submit(&open, READ, 0, 512, 0)?.wait(), Status::OK);
        Ok(())
    }

    /// Does to the limits of a disk what somebody else does.
    fn change(disk: &Disk<Ram>, change: impl FnOnce(&mut bindings::queue_limits)) -> Result {
        // SAFETY: The disk is valid.
        let mut raw = unsafe { bindings::queue_limits_start_update(disk.queue()) };

        change(&mut raw);
        // SAFETY: The update was started just now.
        to_result(unsafe { bindings::queue_limits_commit_update_frozen(disk.queue(), &mut raw) })
    }

    #[test]
    fn an_update_keeps_what_is_not_the_drivers() -> Result {
        // `BLK_FLAG_WRITE_CACHE_DISABLED`, which is an expression that is not bound.
        const DISABLED: u32 = 1 << 0;

        let census = Census::new()?;
        let mut fresh = QueueLimits::new();
        fresh.set_max_hw_discard_sectors(128).set_write_cache(true);
        let disk = new_disk(&census, options(), &fresh, "rustkunit_others")?.add_virtual()?;

        change(&disk, |raw| {
            raw.max_user_sectors = 64;
            raw.max_user_discard_sectors = 32;
            raw.flags |= DISABLED;
        })?;
        // SAFETY: The disk is valid, and nobody changes the limits.
        let before = unsafe { (*disk.queue()).limits };
        disk.update_limits(|limits| {
            *limits = fresh.clone();
            limits.set_max_segments(17).map(|_| ())
        })?;
        // SAFETY: As above.
        let after = unsafe { (*disk.queue()).limits };

        assert_eq!(after.max_segments, 17);
        assert_eq!(after.features, before.features);
        assert_eq!(after.max_sectors, 64);
        assert_eq!(after.max_discard_sectors, 32);
        assert_eq!(after.flags & DISABLED, DISABLED);
        Ok(())
    }

    #[test]
    fn limits_of_another_disk_come_without_what_its_user_has_set() -> Result {
        let census = Census::new()?;
        let first = disk(&census, "rustkunit_userone")?;
        let mut taken = QueueLimits::new();

        change(&first, |raw| raw.max_user_sectors = 64)?;
        first.update_limits(|limits| {
            taken = limits.clone();
            Ok::<_, Error>(())
        })?;
        let second = new_disk(&census, options(), &taken, "rustkunit_usertwo")?.add_virtual()?;
        // SAFETY: The disk is valid, and nobody changes the limits.
        assert_eq!(unsafe { (*second.queue()).limits.max_user_sectors }, 0);
        Ok(())
    }

    #[test]
    fn a_disk_does_not_become_zoned() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_nozones")?;
        let zoned = Zoned {
            zone_sectors: 64,
            write_granularity: 512,
            ..Default::default()
        };

        let refused = disk.update_limits(|limits| limits.set_zoned(zoned).map(|_| ()));
        assert!(refused == Err(EINVAL));

        let mut limits = QueueLimits::new();
        if limits.set_zoned(zoned).is_ok() {
            // `Ram` does not report zones.
            let disk = new_disk(&census, options(), &limits, "rustkunit_noreport");
            assert!(disk.err() == Some(EINVAL));
        }
        Ok(())
    }

    #[test]
    fn a_flush_comes_only_with_a_cache() -> Result {
        let census = Census::new()?;
        let mut limits = QueueLimits::new();
        limits.set_write_cache(true);
        let cached = new_disk(&census, options(), &limits, "rustkunit_cache")?.add_virtual()?;
        let plain = disk(&census, "rustkunit_nocache")?;

        for (disk, flushes) in [(&cached, 1), (&plain, 0)] {
            let open = OpenDisk::new(disk)?;
            let data = disk.queue_data();
            let before = data.queued.load(Relaxed);

            // SAFETY: The disk is open.
            let ret = unsafe { bindings::blkdev_issue_flush(open.bdev()) };
            assert_eq!(ret, 0);
            let queued = data.queued.load(Relaxed);
            assert_eq!(queued - before, flushes);
        }
        Ok(())
    }
}
