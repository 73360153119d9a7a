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
    ram_data::Mode,
    setup::disk, //
};
use crate::{
    block::blk_mq::Status,
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
