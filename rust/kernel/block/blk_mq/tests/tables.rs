// SPDX-License-Identifier: GPL-2.0

//! Requests that are found by their tags.

use super::{
    census::{
        wait_longer,
        Census, //
    },
    io::{
        Bio,
        OpenDisk,
        READ, //
    },
    ram::Ram,
    ram_data::Mode,
    setup::disk, //
};
use crate::{
    block::blk_mq::{
        Request,
        RequestTable,
        Status, //
    },
    new_spinlock,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        Arc,
        SpinLock, //
    },
    workqueue, //
};

/// The number of tags.
const DEPTH: usize = 32;

/// Two threads that look for the same requests.
#[pin_data]
struct Race {
    table: RequestTable<Ram>,
    begun: Atomic<u32>,
    done: Atomic<u32>,
    refused: Atomic<u32>,
    /// How often a request was found, by its tag.
    by_tag: [Atomic<u32>; DEPTH],
    /// How often any was.
    total: Atomic<u32>,
    #[pin]
    found: SpinLock<KVec<Request<Ram>>>,
}

impl Race {
    fn new() -> Result<Arc<Self>> {
        let table = RequestTable::new(DEPTH as u32)?;
        let found = KVec::with_capacity(2 * DEPTH, GFP_KERNEL)?;

        Arc::pin_init(
            pin_init!(Self {
                table,
                begun: Atomic::new(0),
                done: Atomic::new(0),
                refused: Atomic::new(0),
                by_tag: [const { Atomic::new(0) }; DEPTH],
                total: Atomic::new(0),
                found <- new_spinlock!(found),
            }),
            GFP_KERNEL,
        )
    }

    /// Takes requests until all are found, or for a while.
    fn find(&self) {
        for _ in 0..10_000_000 {
            for (tag, count) in self.by_tag.iter().enumerate() {
                if let Some(rq) = self.table.take(tag as u32) {
                    // If it is another, then its own tag is missing.
                    count.fetch_add(1, Relaxed);
                    self.total.fetch_add(1, Relaxed);
                    let _ = self.found.lock().push_within_capacity(rq);
                }
            }
            if self.total.load(Relaxed) >= DEPTH as u32 {
                break;
            }
        }
    }
}

#[kunit_tests(rust_blk_mq_tables)]
mod tests {
    use super::*;

    #[test]
    fn a_table_finds_each_request_once() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_table")?;
        let open = OpenDisk::new(&disk)?;
        let data = disk.queue_data();
        let table = RequestTable::new(disk.tag_set().queue_depth())?;

        data.set_mode(Mode::Park, Status::OK);
        let bios = [
            Bio::submit(&open, READ, 0, 512, 0)?,
            Bio::submit(&open, READ, 32, 512, 0)?,
            Bio::submit(&open, READ, 64, 512, 0)?,
        ];
        data.wait_parked(3)?;
        data.set_mode(Mode::Serve, Status::OK);

        // What the driver still has is not found, whatever the device says.
        let tag = data.parked.lock()[0].tag();
        for tag in [tag, 31, 32, u32::MAX] {
            assert!(table.take(tag).is_none());
        }
        for _ in 0..3 {
            let inserted = table.insert(data.unpark().ok_or(ENOENT)?);
            assert!(inserted.is_ok());
        }

        let rq = table.take(tag).ok_or(ENOENT)?;
        assert_eq!(rq.tag(), tag);
        assert!(table.take(tag).is_none());
        rq.end(Status::MEDIUM);
        assert!(table.take(tag).is_none());
        let failed = bios.iter().filter(|bio| bio.is_done());
        assert_eq!(failed.count(), 1);

        // The device was reset.
        let rq = table.drain().next().ok_or(ENOENT)?;
        rq.end(Status::OK);
        let done = bios.iter().filter(|bio| bio.is_done());
        assert_eq!(done.count(), 2);

        // What is left in the end fails.
        drop(table);
        let mut failed = 0;
        for bio in &bios {
            failed += u32::from(bio.wait() == Status::IOERR);
        }
        assert_eq!(failed, 1);
        Ok(())
    }

    #[test]
    fn two_threads_find_each_request_once() -> Result {
        let census = Census::new()?;
        let disk = disk(&census, "rustkunit_tables")?;
        let open = OpenDisk::new(&disk)?;
        let data = disk.queue_data();

        for _ in 0..20 {
            let race = Race::new()?;
            let mut bios = KVec::with_capacity(DEPTH, GFP_KERNEL)?;

            data.set_mode(Mode::Park, Status::OK);
            for _ in 0..DEPTH {
                bios.push(Bio::submit(&open, READ, 0, 512, 0)?, GFP_KERNEL)?;
            }
            data.wait_parked(DEPTH)?;
            data.set_mode(Mode::Serve, Status::OK);
            let requests = core::mem::replace(
                &mut *data.parked.lock(),
                KVec::with_capacity(64, GFP_ATOMIC)?,
            );

            // The other thread inserts what both look for.
            let other = race.clone();
            workqueue::system_unbound().try_spawn(GFP_KERNEL, move || {
                other.begun.store(1, Release);
                for rq in requests {
                    if other.table.insert(rq).is_err() {
                        other.refused.fetch_add(1, Relaxed);
                    }
                }
                other.find();
                other.done.store(1, Release);
            })?;
            assert!(wait_longer(|| race.begun.load(Acquire) == 1).is_ok());
            race.find();
            assert!(wait_longer(|| race.done.load(Acquire) == 1).is_ok());

            // As long as it is not known whether one has two owners, none ends.
            assert_eq!(race.refused.load(Relaxed), 0);
            assert!(race.by_tag.iter().all(|count| count.load(Relaxed) == 1));
            while let Some(rq) = race.found.lock().pop() {
                rq.end(Status::OK);
            }
            assert!(bios.iter().all(|bio| bio.wait() == Status::OK));
        }
        Ok(())
    }

    #[test]
    fn a_table_refuses_what_is_not_of_its_queue() -> Result {
        let census = Census::new()?;
        let (disk_a, disk_b) = (
            disk(&census, "rustkunit_tablea")?,
            disk(&census, "rustkunit_tableb")?,
        );
        let (open_a, open_b) = (OpenDisk::new(&disk_a)?, OpenDisk::new(&disk_b)?);
        let table = RequestTable::new(32)?;
        let none = RequestTable::new(0)?;
        let mut requests = KVec::new();
        let mut bios = KVec::new();

        for (disk, open) in [(&disk_a, &open_a), (&disk_b, &open_b)] {
            let data = disk.queue_data();

            data.set_mode(Mode::Park, Status::OK);
            // All tags are used, so that both have one in common.
            for _ in 0..32 {
                bios.push(Bio::submit(open, READ, 0, 512, 0)?, GFP_KERNEL)?;
            }
            data.wait_parked(32)?;
            data.set_mode(Mode::Serve, Status::OK);
            while let Some(rq) = data.unpark() {
                requests.push(rq, GFP_KERNEL)?;
            }
        }

        let mut refused = 0;
        while let Some(rq) = requests.pop() {
            let rq = match none.insert(rq) {
                Ok(_) => return Err(EINVAL),
                Err(rq) => rq,
            };
            if let Err(rq) = table.insert(rq) {
                refused += 1;
                rq.end(Status::OK);
            }
        }
        assert_eq!(refused, 32);
        let mut ended = 0;
        for rq in table.drain() {
            ended += 1;
            rq.end(Status::OK);
        }
        assert_eq!(ended, 32);
        assert!(bios.iter().all(|bio| bio.wait() == Status::OK));
        Ok(())
    }
}
