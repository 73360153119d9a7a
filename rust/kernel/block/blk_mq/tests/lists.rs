// SPDX-License-Identifier: GPL-2.0

//! Requests that come as a list.

use super::{
    census::{
        wait_until,
        Census, //
    },
    io::{
        plugged,
        Bio,
        OpenDisk,
        READ,
        WRITE, //
    },
    ram::{
        Exchange,
        Mode,
        Ram, //
    },
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
        TagSetOptions, //
    },
    prelude::*,
    sync::atomic::Relaxed, //
};

#[kunit_tests(rust_blk_mq_lists)]
mod tests {
    use super::*;

    #[test]
    fn plugged_requests_come_as_a_list() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_list")?;
        let open = OpenDisk::new(&disk)?;
        let data = disk.queue_data();

        let bios = plugged(|| -> Result<_> {
            Ok([
                Bio::submit(&open, WRITE, 0, 512, 1)?,
                Bio::submit(&open, WRITE, 32, 512, 2)?,
                Bio::submit(&open, WRITE, 64, 512, 3)?,
            ])
        })?;

        assert!(bios.iter().all(|bio| bio.wait() == Status::OK));
        assert_eq!(data.lists.load(Relaxed), 1);
        for (sector, value) in [(0, 1), (32, 2), (64, 3)] {
            assert_eq!(data.storage.lock()[sector * 512], value);
        }
        Ok(())
    }

    #[test]
    fn what_is_put_back_into_a_list_comes_one_by_one() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_putback")?;
        let open = OpenDisk::new(&disk)?;
        let data = disk.queue_data();
        let before = data.queued.load(Relaxed);

        data.put_back.store(2, Relaxed);
        let bios = plugged(|| -> Result<_> {
            Ok([
                Bio::submit(&open, READ, 0, 512, 0)?,
                Bio::submit(&open, READ, 32, 512, 0)?,
                Bio::submit(&open, READ, 64, 512, 0)?,
            ])
        })?;

        assert!(bios.iter().all(|bio| bio.wait() == Status::OK));
        assert_eq!(data.queued.load(Relaxed), before + 3);
        Ok(())
    }

    #[test]
    fn what_cannot_be_prepared_leaves_the_list() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_prepare")?;
        let open = OpenDisk::new(&disk)?;
        let data = disk.queue_data();
        let mut value = 0;

        for refused in [0b010, 0b001, 0b100, 0b101, 0b110, 0b111] {
            // What is put back goes behind those that are left.
            for put_back in [0, 1] {
                let served = 3 - u32::count_ones(refused);
                let before = data.queued.load(Relaxed);

                value += 1;
                data.refused.store(refused, Relaxed);
                data.put_back.store(put_back, Relaxed);
                let bios = plugged(|| -> Result<_> {
                    Ok([
                        Bio::submit(&open, WRITE, 0, 512, value)?,
                        Bio::submit(&open, WRITE, 32, 512, value)?,
                        Bio::submit(&open, WRITE, 64, 512, value)?,
                    ])
                })?;

                for (index, bio) in bios.iter().enumerate() {
                    let is_refused = refused & (1 << index) != 0;
                    let status = bio.wait();
                    let is_written = data.storage.lock()[index * 32 * 512] == value;
                    let expected = if is_refused {
                        Status::MEDIUM
                    } else {
                        Status::OK
                    };

                    assert_eq!(status, expected);
                    assert_eq!(is_written, !is_refused);
                }
                assert_eq!(data.queued.load(Relaxed) - before, put_back * served);
            }
        }
        Ok(())
    }

    /// Lets the first request of a list of three be exchanged. Returns the disk, and how the
    /// requests of the list and the one that took the place of the first have ended.
    fn exchange(name: &str, exchange: Exchange) -> Result<(Disk<Ram>, [Status; 3], Status)> {
        let census = Census::new()?;
        let options = TagSetOptions {
            blocking: true,
            ..options()
        };
        let disk = new_disk(&census, options, &QueueLimits::new(), name)?.add_virtual()?;
        let open = OpenDisk::new(&disk)?;
        let data = disk.queue_data();

        data.set_mode(Mode::ParkIdle, Status::OK);
        let kept = Bio::submit(&open, WRITE, 96, 512, 9)?;
        wait_until(|| !data.idle.lock().is_empty())?;
        data.exchange.store(exchange as u32, Relaxed);

        let bios = plugged(|| -> Result<_> {
            Ok([
                Bio::submit(&open, WRITE, 0, 512, 1)?,
                Bio::submit(&open, WRITE, 32, 512, 2)?,
                Bio::submit(&open, WRITE, 64, 512, 3)?,
            ])
        })?;

        // What was not served is here, and fails.
        wait_until(|| !data.idle.lock().is_empty())?;
        drop(data.unpark_idle());
        let statuses = bios.each_ref().map(|bio| bio.wait());
        let kept = kept.wait();

        drop(open);
        Ok((disk, statuses, kept))
    }

    #[test]
    fn a_request_can_take_the_place_of_another_in_a_list() -> Result {
        let (disk, statuses, kept) = exchange("rustkunit_exchange", Exchange::ForGood)?;
        let storage = disk.queue_data().storage.lock();

        assert_eq!(statuses, [Status::IOERR, Status::OK, Status::OK]);
        assert_eq!(kept, Status::OK);
        assert_eq!(
            [0, 32, 64, 96].map(|sector| storage[sector * 512]),
            [0, 2, 3, 9]
        );
        drop(storage);
        Ok(())
    }

    #[test]
    fn a_request_that_left_a_list_can_come_back() -> Result {
        let (disk, statuses, kept) = exchange("rustkunit_return", Exchange::ForAWhile)?;
        let storage = disk.queue_data().storage.lock();

        assert_eq!(statuses, [Status::OK; 3]);
        assert_eq!(kept, Status::IOERR);
        assert_eq!(
            [0, 32, 64, 96].map(|sector| storage[sector * 512]),
            [1, 2, 3, 0]
        );
        drop(storage);
        Ok(())
    }

    #[test]
    fn a_request_of_another_disk_does_not_get_into_a_list() -> Result {
        let census = Census::new()?;
        let disk_a = disk(&census, "rustkunit_lista")?;
        let disk_b = disk(&census, "rustkunit_listb")?;
        let (open_a, open_b) = (OpenDisk::new(&disk_a)?, OpenDisk::new(&disk_b)?);
        let (a, b) = (disk_a.queue_data(), disk_b.queue_data());
        let before = [a.queued.load(Relaxed), b.queued.load(Relaxed)];

        a.storage.lock()[32 * 512] = 5;
        a.set_mode(Mode::ParkIdle, Status::OK);
        let moved = Bio::submit(&open_a, READ, 32, 512, 0)?;
        wait_until(|| !a.idle.lock().is_empty())?;
        a.set_mode(Mode::Serve, Status::OK);
        b.park_idle(a.unpark_idle().ok_or(ENOENT)?);

        let bios = plugged(|| -> Result<_> {
            Ok([
                Bio::submit(&open_b, READ, 0, 512, 0)?,
                Bio::submit(&open_b, READ, 64, 512, 0)?,
            ])
        })?;

        assert!(bios.iter().all(|bio| bio.wait() == Status::OK));
        // Its own disk serves it.
        assert_eq!(moved.wait(), Status::OK);
        assert_eq!(moved.first_byte()?, 5);
        assert_eq!(a.queued.load(Relaxed), before[0] + 2);
        assert_eq!(b.queued.load(Relaxed), before[1]);
        Ok(())
    }
}
