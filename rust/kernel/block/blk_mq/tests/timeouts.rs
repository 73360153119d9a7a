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
        READ, //
    },
    ram::Mode,
    setup::{
        new_disk,
        options, //
    }, //
};
use crate::{
    block::blk_mq::{
        QueueLimits,
        Status,
        TagSetOptions, //
    },
    prelude::*,
    sync::atomic::Relaxed, //
};

#[kunit_tests(rust_blk_mq_timeouts)]
mod tests {
    use super::*;

    #[test]
    fn a_late_request_is_reported_and_can_still_end() -> Result {
        let census = Census::new()?;
        let options = TagSetOptions {
            timeout: crate::time::Delta::from_millis(50),
            ..options()
        };
        let disk =
            new_disk(&census, options, &QueueLimits::new(), "rustkunit_late")?.add_virtual()?;
        let open = OpenDisk::new(&disk)?;
        let data = disk.queue_data();

        data.set_mode(Mode::Park, Status::OK);
        let bio = Bio::submit(&open, READ, 0, 512, 0)?;
        data.wait_parked(1)?;
        data.set_mode(Mode::Serve, Status::OK);
        wait_until(|| data.timeouts.load(Relaxed) >= 1)?;
        assert!(!bio.is_done());

        data.unpark().ok_or(ENOENT)?.end(Status::TIMEOUT);
        assert_eq!(bio.wait(), Status::TIMEOUT);
        Ok(())
    }

    #[test]
    fn a_late_request_tells_how_many_wait_and_for_how_long() -> Result {
        let census = Census::new()?;
        let options = TagSetOptions {
            timeout: crate::time::Delta::from_millis(50),
            ..options()
        };
        let disk =
            new_disk(&census, options, &QueueLimits::new(), "rustkunit_wait")?.add_virtual()?;
        let open = OpenDisk::new(&disk)?;
        let data = disk.queue_data();

        data.set_mode(Mode::Park, Status::OK);
        let first = Bio::submit(&open, READ, 0, 512, 0)?;
        let second = Bio::submit(&open, READ, 8, 512, 0)?;

        data.wait_parked(2)?;
        data.set_mode(Mode::Serve, Status::OK);
        wait_until(|| data.timeouts.load(Relaxed) >= 2)?;
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
        let options = TagSetOptions {
            timeout: crate::time::Delta::from_millis(50),
            ..options()
        };
        let disk =
            new_disk(&census, options, &QueueLimits::new(), "rustkunit_withheld")?.add_virtual()?;
        let open = OpenDisk::new(&disk)?;
        let data = disk.queue_data();

        for take in [0, 1] {
            data.take_withheld.store(take, Relaxed);
            data.set_mode(Mode::Park, Status::OK);
            let bio = Bio::submit(&open, READ, 0, 512, 0)?;
            data.wait_parked(1)?;
            data.set_mode(Mode::Serve, Status::OK);
            let timeouts = data.timeouts.load(Relaxed);

            // As with `io-timeout-fail`: the device is done, and the block layer is not told.
            data.unpark().ok_or(ENOENT)?.withhold();
            // The disk could not be dropped otherwise.
            let wait = wait_longer(|| data.timeouts.load(Relaxed) > timeouts + 1 - take);
            assert!(wait.is_ok());
            if take == 0 {
                assert!(!bio.is_done());
                data.take_withheld.store(1, Relaxed);
            }
            // It can be taken once.
            assert_eq!(bio.wait(), Status::TIMEOUT);
            assert_eq!(data.taken_twice.load(Relaxed), 0);
        }
        Ok(())
    }
}
