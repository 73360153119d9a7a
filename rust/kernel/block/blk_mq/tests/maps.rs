// SPDX-License-Identifier: GPL-2.0

//! Which hardware queue the requests of a CPU go to.

use super::{
    census::{
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
        CompletionBatch,
        CpuQueues,
        HwQueue,
        Idle,
        MapType,
        Maps,
        NewDisk,
        Operations,
        QueueLimits,
        QueueMaps,
        Rejected,
        Request,
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
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    task::Task, //
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

#[kunit_tests(rust_blk_mq_maps)]
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
            assert!(wait_until(|| bios.iter().all(|bio| bio.is_done())).is_ok());
            assert!(bios.iter().all(|bio| bio.wait() == Status::OK));
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
}
