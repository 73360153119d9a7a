// SPDX-License-Identifier: GPL-2.0

//! Hardware queues: maps, lists of requests, polling, and ways to stop them.

use super::{
    census::{
        wait_longer,
        wait_until,
        Census, //
    },
    io::{
        plugged,
        Bio,
        OpenDisk,
        POLLED,
        READ,
        WRITE, //
    },
    ram::{
        Exchange,
        Mode,
        Ram,
        SECTORS, //
    },
    setup::{
        disk,
        new_disk,
        options, //
    }, //
};
use crate::{
    block::blk_mq::{
        CompletionBatch,
        CpuQueues,
        Disk,
        Flags,
        HwQueue,
        Idle,
        Kick,
        MapType,
        Maps,
        NewDisk,
        Operations,
        QueueLimits,
        QueueMaps,
        Rejected,
        Request,
        Run,
        Status,
        TagSet,
        TagSetOptions, //
    },
    cpu::CpuId,
    cpumask::CpumaskVar,
    error::to_result,
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
    task::Task,
    time::{
        delay::fsleep,
        Delta, //
    },
    workqueue, //
};

/// Has maps, but cannot be polled.
struct Unpolled;

#[vtable]
impl Operations for Unpolled {
    type TagSetData = ();
    type QueueData = ();
    type HwData = ();
    type RequestData = ();

    fn init_request_data(_set: &()) -> impl PinInit<(), Error> {
        Ok(())
    }

    fn init_hctx(_set: &(), _index: u32) -> impl PinInit<(), Error> {
        Ok(())
    }

    fn queue_rq(
        _hctx: HwQueue<'_, Self>,
        rq: Request<Self, Idle>,
        _last: bool,
    ) -> Result<(), Rejected<Self>> {
        Err(rq.reject(Status::NOTSUPP))
    }

    fn complete(rq: Request<Self>) {
        rq.end(Status::OK);
    }

    fn map_queues(_maps: &mut QueueMaps<'_>, _set: &()) {}
}

/// Maps queues in a way that a test chooses.
struct Mapper;

/// What fills the maps, and whether it went as it should.
struct Filling {
    fill: fn(&mut QueueMaps<'_>) -> bool,
    is_right: Atomic<u32>,
}

impl Filling {
    fn new(fill: fn(&mut QueueMaps<'_>) -> bool) -> Self {
        Self {
            fill,
            is_right: Atomic::new(0),
        }
    }
}

#[vtable]
impl Operations for Mapper {
    type TagSetData = Filling;
    type QueueData = ();
    type HwData = ();
    type RequestData = ();

    fn init_request_data(_set: &Filling) -> impl PinInit<(), Error> {
        Ok(())
    }

    fn init_hctx(_set: &Filling, _index: u32) -> impl PinInit<(), Error> {
        Ok(())
    }

    fn queue_rq(
        _hctx: HwQueue<'_, Self>,
        rq: Request<Self, Idle>,
        _last: bool,
    ) -> Result<(), Rejected<Self>> {
        rq.start().end(Status::OK);
        Ok(())
    }

    fn complete(rq: Request<Self>) {
        rq.end(Status::OK);
    }

    fn poll(_hctx: HwQueue<'_, Self>, _batch: &mut CompletionBatch<'_, Self>) -> u32 {
        0
    }

    fn map_queues(maps: &mut QueueMaps<'_>, set: &Filling) {
        set.is_right.store((set.fill)(maps).into(), Relaxed);
    }
}

/// A tag set of four queues with all maps, filled by `fill`.
fn mapped(fill: fn(&mut QueueMaps<'_>) -> bool) -> Result<Arc<TagSet<Mapper>>> {
    let options = TagSetOptions {
        nr_hw_queues: 4,
        maps: Maps::Three,
        ..options()
    };

    Arc::pin_init(
        TagSet::new(options, Ok::<_, Error>(Filling::new(fill))),
        GFP_KERNEL,
    )
}

/// The first queue of each map, and their number.
fn ranges(set: &TagSet<Mapper>) -> [(u32, u32); 3] {
    // SAFETY: The set is valid, and nobody changes it.
    let maps = unsafe { (*set.as_raw()).map };

    maps.map(|map| (map.queue_offset, map.nr_queues))
}

/// Moves this thread to a CPU.
fn move_to(cpu: u32) -> Result {
    let cpu = CpuId::from_u32(cpu).ok_or(EINVAL)?;
    let mut mask = CpumaskVar::new_zero(GFP_KERNEL)?;

    mask.set(cpu);
    // SAFETY: The task runs, and the mask is valid.
    to_result(unsafe { bindings::set_cpus_allowed_ptr(Task::current_raw(), mask.as_raw()) })
}

#[kunit_tests(rust_blk_mq_queues)]
mod tests {
    use super::*;

    #[test]
    fn a_map_that_is_left_as_it_is_has_no_queues() -> Result {
        let set = mapped(|maps| maps.spread(MapType::Default, 0, 2).is_ok())?;
        assert_eq!(set.data().is_right.load(Relaxed), 1);
        assert_eq!(ranges(&set), [(0, 2), (0, 0), (0, 0)]);

        // Without a map for all others, there is one queue.
        let set = mapped(|_| true)?;
        assert_eq!(ranges(&set), [(0, 1), (0, 0), (0, 0)]);
        let set = mapped(|maps| maps.spread(MapType::Read, 0, 4).is_ok())?;
        assert_eq!(set.data().is_right.load(Relaxed), 1);
        assert_eq!(ranges(&set), [(0, 1), (0, 0), (0, 0)]);
        Ok(())
    }

    #[test]
    fn maps_cannot_share_a_queue() -> Result {
        let set = mapped(|maps| {
            maps.spread(MapType::Read, 1, 2).is_ok()
                && maps.spread(MapType::Default, 0, 2) == Err(EINVAL)
                && maps.spread(MapType::Default, 2, 1) == Err(EINVAL)
                && maps.spread(MapType::Default, 1, 1) == Err(EINVAL)
                && maps.spread(MapType::Default, 0, 4) == Err(EINVAL)
                && maps.spread(MapType::Default, 0, 1).is_ok()
                && maps.spread(MapType::Poll, 2, 2) == Err(EINVAL)
                && maps.spread(MapType::Poll, 0, 1) == Err(EINVAL)
                && maps.spread(MapType::Poll, 3, 1).is_ok()
                // A map can be set again, to queues that are its own or free.
                && maps.spread(MapType::Read, 2, 1).is_ok()
                && maps.spread(MapType::Default, 0, 2).is_ok()
        })?;
        assert_eq!(set.data().is_right.load(Relaxed), 1);
        assert_eq!(ranges(&set), [(0, 2), (2, 1), (3, 1)]);
        Ok(())
    }

    #[test]
    fn requests_of_all_cpus_and_kinds_reach_the_driver() -> Result {
        let fills: [fn(&mut QueueMaps<'_>) -> bool; 3] = [
            |maps| maps.spread(MapType::Default, 0, 2).is_ok(),
            |maps| maps.spread(MapType::Read, 0, 2).is_ok(),
            |maps| {
                maps.spread(MapType::Default, 0, 2).is_ok()
                    && maps.spread(MapType::Read, 2, 1).is_ok()
            },
        ];

        for fill in fills {
            let mut disk = NewDisk::new(mapped(fill)?, &QueueLimits::new(), Ok::<_, Error>(()))?;
            disk.set_capacity(SECTORS)?;
            disk.set_name(fmt!("rustkunit_cpus"))?;
            let disk = disk.add_virtual()?;
            let open = OpenDisk::new(&disk)?;
            // Requests that wait in the software queues are looked for there.
            let quiesced = disk.quiesce();
            let mut bios = KVec::new();

            for cpu in 0..crate::cpu::nr_cpu_ids() {
                // Those that are offline cannot be moved to.
                if move_to(cpu).is_err() {
                    continue;
                }
                for op in [READ, WRITE] {
                    let sector = 32 * u64::from(cpu % 8);

                    bios.push(Bio::submit(&open, op, sector, 512, 0)?, GFP_KERNEL)?;
                }
            }
            assert!(!bios.is_empty());
            drop(quiesced);
            wait_until(|| bios.iter().all(|bio| bio.is_done()))?;
        }
        Ok(())
    }

    #[test]
    fn cpus_use_the_queue_that_interrupts_them() -> Result {
        let cpus = CpuQueues::spread(1)?.as_slice().len();
        let last = CpuId::from_u32(u32::try_from(cpus - 1)?).ok_or(ENOENT)?;
        let mut mask = CpumaskVar::new_zero(GFP_KERNEL)?;
        let none = CpumaskVar::new_zero(GFP_KERNEL)?;

        mask.set(last);
        let queues = CpuQueues::from_affinity(3, |queue| {
            Ok(Some(if queue == 2 { &*mask } else { &*none }))
        })?;
        for (cpu, queue) in queues.as_slice().iter().enumerate() {
            assert_eq!(*queue, if cpu == cpus - 1 { 2 } else { 0 });
        }

        // What is not known of one is not used of the others.
        let unknown = CpuQueues::from_affinity(3, |queue| Ok((queue != 1).then_some(&*mask)))?;
        assert!(unknown.as_slice() == CpuQueues::spread(3)?.as_slice());
        assert!(CpuQueues::from_affinity(0, |_| Ok(None)).err() == Some(EINVAL));
        assert!(CpuQueues::from_affinity(3, |_| Err(ENXIO)).err() == Some(ENXIO));
        Ok(())
    }

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

    #[test]
    fn polling_needs_a_function_for_it() -> Result {
        let options = TagSetOptions {
            nr_hw_queues: 2,
            maps: Maps::Three,
            ..options()
        };
        let set = Arc::pin_init(TagSet::<Unpolled>::new(options, ()), GFP_KERNEL);
        assert!(set.err() == Some(EINVAL));

        let options = TagSetOptions {
            maps: Maps::Two,
            ..options
        };
        let set = Arc::pin_init(TagSet::<Unpolled>::new(options, ()), GFP_KERNEL);
        assert!(set.is_ok());
        Ok(())
    }

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
    fn maps_cover_the_queues_that_there_are() -> Result {
        let census = Census::new()?;
        let options = TagSetOptions {
            nr_hw_queues: 4,
            maps: Maps::Three,
            ..options()
        };
        let disk =
            new_disk(&census, options, &QueueLimits::new(), "rustkunit_maps")?.add_virtual()?;
        let open = OpenDisk::new(&disk)?;
        let data = disk.queue_data();

        assert_eq!(disk.tag_set().nr_hw_queues(), 4);
        assert_eq!(census.hw.load(Relaxed), 4);

        data.set_mode(Mode::Park, Status::OK);
        let bio = Bio::submit(&open, READ, 0, 512, 0)?;
        data.wait_parked(1)?;
        data.set_mode(Mode::Serve, Status::OK);

        let rq = data.unpark().ok_or(ENOENT)?;
        assert!(rq.hw_queue().map_type() == MapType::Default);
        assert!(rq.hw_queue().index() < 2);
        rq.end(Status::OK);
        assert_eq!(bio.wait(), Status::OK);
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
        let also = disk.quiesce_nowait();
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

        let guard = disk.freeze();
        assert!(bio.is_done());

        let ended = Arc::new(Atomic::new(0u32), GFP_KERNEL)?;
        let (other, has_ended) = (open.clone(), ended.clone());
        workqueue::system_unbound().try_spawn(GFP_KERNEL, move || {
            let ok = Bio::submit(&other, READ, 0, 512, 0).is_ok_and(|bio| bio.wait() == Status::OK);

            drop(other);
            has_ended.store(if ok { 1 } else { 2 }, Release);
        })?;
        fsleep(Delta::from_millis(20));
        assert_eq!(ended.load(Acquire), 0);

        drop(guard);
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
        let guard = disk.freeze_polling(|| {
            polls += 1;
            // Not at once, and then again for nothing.
            if polls > 2 {
                if let Some(rq) = data.unpark() {
                    rq.end(Status::OK);
                }
            }
        });

        assert!(bio.is_done());
        assert!(polls > 2);
        drop(guard);
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
}
