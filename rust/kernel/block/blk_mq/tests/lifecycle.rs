// SPDX-License-Identifier: GPL-2.0

//! What lives how long.

use super::{
    census::{
        wait_until,
        Census, //
    },
    io::{
        choose_scheduler,
        Bio,
        OpenDisk,
        READ, //
    },
    ram::Ram,
    ram_data::{
        Mode,
        QueueData,
        SECTORS, //
    },
    setup::{
        disk,
        new_disk,
        options,
        tag_set, //
    }, //
};
use crate::{
    block::blk_mq::{
        GenDisk,
        Major,
        NewDisk,
        QueueLimits,
        Status,
        TagSetOptions,
        Transfer, //
    },
    device::Device,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::Relaxed, //
    },
    time::Delta, //
};

#[kunit_tests(rust_blk_mq_lifecycle)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_frees_everything_once() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_free")?;

        // There is a request for each tag, and one for flushes.
        assert!(census.all() == [1, 1, 1, 33]);
        drop(disk);
        census.wait_until_gone()?;
        Ok(())
    }

    #[test]
    fn the_data_of_requests_stays_where_it_was_made() -> Result {
        for no_sched_by_default in [true, false] {
            let census = Census::new()?;
            let options = TagSetOptions {
                no_sched_by_default,
                ..options()
            };
            let mut limits = QueueLimits::new();
            limits.set_write_cache(true);
            let disk = new_disk(&census, options, &limits, "rustkunit_pinned")?.add_virtual()?;
            let open = OpenDisk::new(&disk)?;
            let made = census.request.load(Relaxed);

            for mode in [Mode::Serve, Mode::Complete] {
                disk.queue_data().set_mode(mode, Status::OK);
                for sector in 0..40 {
                    let bio = Bio::submit(&open, READ, sector, 512, 0)?;

                    assert_eq!(bio.wait(), Status::OK);
                }
                open.write(0, &[1; 512])?;
                open.sync()?;
                disk.execute(Transfer::Nothing, |private| {
                    *private.project().command = 1;
                })?;
            }
            // Nothing is made anew from one use to the next.
            assert_eq!(census.request.load(Relaxed), made);

            drop(open);
            drop(disk);
            census.wait_until_gone()?;
            assert_eq!(census.astray.load(Relaxed), 0);
        }
        Ok(())
    }

    #[test]
    fn a_scheduler_has_requests_of_its_own() -> Result {
        let census = Census::new()?;
        let options = TagSetOptions {
            no_sched_by_default: false,
            ..options()
        };
        let disk =
            new_disk(&census, options, &QueueLimits::new(), "rustkunit_sched")?.add_virtual()?;
        let with_scheduler = census.request.load(Relaxed);

        if cfg!(CONFIG_MQ_IOSCHED_DEADLINE) {
            assert!(with_scheduler > 33);
        }

        let open = OpenDisk::new(&disk)?;
        assert_eq!(Bio::submit(&open, READ, 0, 512, 0)?.wait(), Status::OK);
        drop(open);
        drop(disk);
        census.wait_until_gone()?;
        Ok(())
    }

    #[test]
    fn schedulers_that_come_and_go_free_what_they_made() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_choose")?;
        let open = OpenDisk::new(&disk)?;
        let without = census.request.load(Relaxed);

        for _ in 0..3 {
            choose_scheduler(&disk, c"mq-deadline")?;
            assert!(census.request.load(Relaxed) > without);
            assert_eq!(Bio::submit(&open, READ, 0, 512, 0)?.wait(), Status::OK);

            // One that is chosen again stays.
            let with = census.request.load(Relaxed);
            choose_scheduler(&disk, c"mq-deadline")?;
            assert_eq!(census.request.load(Relaxed), with);

            choose_scheduler(&disk, c"none")?;
            assert_eq!(census.request.load(Relaxed), without);
            assert_eq!(Bio::submit(&open, READ, 0, 512, 0)?.wait(), Status::OK);

            // The driver fails at some request, and the disk stays as it is.
            for budget in [0, 1, 20] {
                census.request_budget.store(budget, Relaxed);
                assert!(choose_scheduler(&disk, c"mq-deadline") == Err(ENOMEM));
                assert_eq!(census.request.load(Relaxed), without);
            }
            census.request_budget.store(-1, Relaxed);
            assert_eq!(Bio::submit(&open, READ, 0, 512, 0)?.wait(), Status::OK);
        }
        assert_eq!(census.astray.load(Relaxed), 0);
        drop(open);
        drop(disk);
        census.wait_until_gone()?;
        Ok(())
    }

    #[test]
    fn a_disk_that_was_not_added_frees_everything_once() -> Result {
        let census = Census::new()?;
        let disk = new_disk(&census, options(), &QueueLimits::new(), "rustkunit_unadded")?;

        disk.execute(Transfer::Nothing, |private| {
            *private.project().command = 4;
        })?;
        assert_eq!(disk.queue_data().command.load(Relaxed), 4);
        drop(disk);
        assert!(census.all() == [0; 4]);
        Ok(())
    }

    #[test]
    fn a_disk_that_was_not_added_stays_while_somebody_looks_at_it() -> Result {
        let census = Census::new()?;
        let disk = new_disk(&census, options(), &QueueLimits::new(), "rustkunit_looked")?;
        // SAFETY: The disk is valid.
        let dev = unsafe { bindings::disk_to_dev(disk.as_raw()) };
        // SAFETY: The device is valid.
        let dev: &Device = unsafe { Device::from_raw(dev) };
        let dev = ARef::from(dev);

        // What the queue is shut down with must be there until then.
        drop(disk);
        assert!(census.all() == [1, 1, 1, 33]);
        drop(dev);
        assert!(census.all() == [0; 4]);
        Ok(())
    }

    #[test]
    fn a_tag_set_that_fails_frees_what_it_made() -> Result {
        for budget in [0, 1, 31] {
            let census = Census::new()?;

            census.request_budget.store(budget, Relaxed);
            assert!(tag_set(&census, options()).err() == Some(ENOSPC));
            assert!(census.all() == [0; 4]);
        }
        Ok(())
    }

    #[test]
    fn a_disk_that_fails_frees_what_it_made() -> Result {
        let options = TagSetOptions {
            nr_hw_queues: 2,
            ..options()
        };

        for budget in [0, 1] {
            let census = Census::new()?;

            census.hw_budget.store(budget, Relaxed);
            let disk = new_disk(&census, options, &QueueLimits::new(), "rustkunit_nohw");
            assert!(disk.err() == Some(ENOMEM));
            assert!(census.all() == [0; 4]);
        }

        // The request for flushes is made along with the hardware queue.
        let census = Census::new()?;
        let set = tag_set(&census, options)?;
        let requests = census.request.load(Relaxed);
        census.request_budget.store(1, Relaxed);
        drop(set);
        assert_eq!(census.request.load(Relaxed), 0);
        census.request_budget.store(requests, Relaxed);
        let disk = new_disk(&census, options, &QueueLimits::new(), "rustkunit_noflush");
        assert!(disk.err() == Some(ENOMEM));
        assert!(census.all() == [0; 4]);
        Ok(())
    }

    #[test]
    fn contradictory_options_are_refused() -> Result {
        let census = Census::new()?;
        let none = TagSetOptions {
            nr_hw_queues: 0,
            ..options()
        };
        let shallow = TagSetOptions {
            queue_depth: 0,
            ..options()
        };
        let negative = TagSetOptions {
            timeout: Delta::from_millis(-1),
            ..options()
        };

        for options in [none, shallow, negative] {
            assert!(tag_set(&census, options).err() == Some(EINVAL));
            assert!(census.all() == [0; 4]);
        }
        Ok(())
    }

    #[test]
    fn a_name_that_cannot_be_a_file_is_refused() -> Result {
        let census = Census::new()?;

        // A disk with a name that was refused has none, and cannot be added.
        for name in ["a/b", "a_name_that_is_longer_than_31_by"] {
            let mut disk = new_disk(&census, options(), &QueueLimits::new(), "rustkunit_name")?;

            assert!(disk.set_name(fmt!("{name}")) == Err(EINVAL));
            assert!(disk.name().is_empty());
            assert!(disk.add_virtual().err() == Some(EINVAL));
        }
        for name in ["", "a/b", "a_name_that_is_longer_than_31_b"] {
            let disk = new_disk(&census, options(), &QueueLimits::new(), name);

            assert_eq!(disk.is_ok(), name.len() == 31 && !name.contains('/'));
        }
        let long = "a_name_that_is_longer_than_31_by";
        let disk = new_disk(&census, options(), &QueueLimits::new(), long);
        assert!(disk.err() == Some(EINVAL));
        assert!(census.all() == [0; 4]);
        Ok(())
    }

    #[test]
    fn a_capacity_that_is_too_large_is_refused() -> Result {
        let census = Census::new()?;
        let mut disk = new_disk(&census, options(), &QueueLimits::new(), "rustkunit_cap")?;

        assert!(disk.set_capacity(u64::MAX) == Err(EINVAL));
        assert!(disk.set_capacity((i64::MAX as u64 >> 9) + 1) == Err(EINVAL));
        assert!(disk.set_capacity(i64::MAX as u64 >> 9).is_ok());
        assert_eq!(disk.capacity(), i64::MAX as u64 >> 9);
        disk.set_capacity(SECTORS)?;

        let disk = disk.add_virtual()?;
        assert!(disk.set_capacity_and_notify(u64::MAX) == Err(EINVAL));
        assert!(disk.set_capacity_and_notify(SECTORS / 2)?);
        assert!(!disk.set_capacity_and_notify(SECTORS / 2)?);
        assert_eq!(disk.capacity(), SECTORS / 2);
        Ok(())
    }

    #[test]
    fn minors_come_from_the_major_that_was_given() -> Result {
        let census = Census::new()?;
        static MAJOR: Major = Major::new(c"rustkunit");

        let major = MAJOR.register()?;
        let number = major.get();
        let mut disk = new_disk(&census, options(), &QueueLimits::new(), "rustkunit_minor")?;

        for (first, count) in [(0, 0), (0, 257), (1 << 20, 1), (u32::MAX, 2)] {
            let major = MAJOR.get().ok_or(ENOENT)?;

            assert!(disk.set_minors(major, first, count) == Err(EINVAL));
        }
        disk.set_minors(MAJOR.get().ok_or(ENOENT)?, 32, 16)?;
        drop(major);

        let disk = disk.add_virtual()?;
        // SAFETY: The disk is valid.
        let dev = unsafe { (*(*disk.as_raw()).part0).bd_dev };
        assert_eq!(dev, (number << bindings::MINORBITS) | 32);

        // The number is kept as long as the disk is open, and no longer.
        let open = OpenDisk::new(&disk)?;
        drop(disk);
        assert!(MAJOR.get().is_some_and(|major| major.get() == number));
        drop(open);
        census.wait_until_gone()?;
        wait_until(|| MAJOR.get().is_none())?;
        Ok(())
    }

    #[test]
    fn a_major_is_registered_once() -> Result {
        static MAJOR: Major = Major::new(c"rustkunit_once");

        assert!(MAJOR.get().is_none());
        let first = MAJOR.register()?;
        let second = MAJOR.register()?;
        assert!(first.get() != 0 && first.get() == second.get());
        drop(first);
        assert!(MAJOR.get().is_some());
        drop(second);
        assert!(MAJOR.get().is_none());
        assert!(MAJOR.register().is_ok());
        Ok(())
    }

    #[test]
    fn a_disk_can_be_read_only_for_a_while() -> Result {
        let census = Census::new()?;
        let mut disk = new_disk(&census, options(), &QueueLimits::new(), "rustkunit_ro")?;

        assert!(!disk.is_read_only());
        disk.set_read_only(true);
        let disk = disk.add_virtual()?;
        assert!(disk.is_read_only());
        disk.set_read_only(false);
        assert!(!disk.is_read_only());
        Ok(())
    }

    #[test]
    fn an_open_disk_outlives_its_driver() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_open")?;
        let open = OpenDisk::new(&disk)?;
        let raw = disk.as_raw();

        assert_eq!(Bio::submit(&open, READ, 0, 512, 0)?.wait(), Status::OK);
        drop(disk);

        // The data of the hardware queues is gone, the rest is not.
        assert_eq!(census.hw.load(Relaxed), 0);
        assert_eq!(census.queue.load(Relaxed), 1);
        assert!(Bio::submit(&open, READ, 0, 512, 0)?.wait() != Status::OK);

        // SAFETY: The disk is valid while it is open.
        let gen_disk = unsafe { GenDisk::<Ram>::from_raw(raw) };
        assert_eq!(gen_disk.capacity(), 0);
        assert!(gen_disk.execute(Transfer::Nothing, |_| {}) == Err(ENODEV));

        let mut geometry: bindings::hd_geometry = pin_init::zeroed();
        // SAFETY: The disk is valid, and so are its operations.
        let getgeo = unsafe { (*(*raw).fops).getgeo }.ok_or(ENOENT)?;
        // SAFETY: The disk is valid while it is open.
        assert_eq!(unsafe { getgeo(raw, &mut geometry) }, EINVAL.to_errno());
        gen_disk.queue_data().storage.lock().truncate(512 * 60);
        // SAFETY: As above.
        assert_eq!(unsafe { getgeo(raw, &mut geometry) }, 0);
        assert_eq!(
            (geometry.heads, geometry.sectors, geometry.cylinders),
            (4, 8, 60)
        );

        drop(open);
        census.wait_until_gone()?;
        Ok(())
    }

    #[test]
    fn disks_share_a_tag_set() -> Result {
        let census = Census::new()?;
        let set = tag_set(&census, options())?;
        let weak = set.clone();
        let mut first = NewDisk::new(set.clone(), &QueueLimits::new(), QueueData::new(&census)?)?;
        let mut second = NewDisk::new(set, &QueueLimits::new(), QueueData::new(&census)?)?;

        first.set_capacity(SECTORS)?;
        first.set_name(fmt!("rustkunit_one"))?;
        second.set_capacity(SECTORS)?;
        second.set_name(fmt!("rustkunit_two"))?;
        let first = first.add_virtual()?;
        let second = second.add_virtual()?;

        let open = OpenDisk::new(&second)?;
        drop(first);
        assert_eq!(Bio::submit(&open, READ, 0, 512, 0)?.wait(), Status::OK);
        drop(open);
        drop(second);
        wait_until(|| census.queue.load(Relaxed) == 0)?;
        assert_eq!(census.set.load(Relaxed), 1);
        drop(weak);
        census.wait_until_gone()?;
        Ok(())
    }
}
