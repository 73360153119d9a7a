// SPDX-License-Identifier: GPL-2.0

//! Zoned disks.

use super::io::{
    Bio,
    OpenDisk,
    ZONE_APPEND, //
};
use crate::{
    block::blk_mq::{
        CompletionBatch,
        Disk,
        GenDisk,
        HwQueue,
        Idle,
        NewDisk,
        Op,
        Operations,
        QueueLimits,
        Rejected,
        Request,
        Status,
        TagSet,
        TagSetOptions,
        Zone,
        ZoneCondition,
        ZoneReporter,
        ZoneType,
        Zoned,
        MAX_ZONES, //
    },
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    }, //
};

const ZONE_SECTORS: u64 = 64;
const NR_ZONES: u64 = 4;

/// A zoned disk that stores nothing but how far the second zone was written.
struct ZonedRam;

#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
enum Lie {
    None,
    /// The last zone is missing.
    Missing,
    /// The write pointers of empty zones are behind them.
    EmptyPointer,
    /// The write pointer is behind the zone, in which something is.
    Pointer,
    /// Once something was written, the last zone is offline, and has no capacity.
    Offline,
    /// A zone is larger than it may be.
    Capacity,
    /// Zones go on after the end of the disk.
    Endless,
}

struct ZonedData {
    lie: Lie,
    written: Atomic<u64>,
}

fn zone(number: u64, lie: Lie, written: u64) -> Zone {
    let start = number * ZONE_SECTORS;
    let is_offline = number == 3 && lie == Lie::Offline && written > 0;

    Zone {
        start,
        len: ZONE_SECTORS,
        capacity: match lie {
            Lie::Capacity => ZONE_SECTORS + 1,
            _ if is_offline => 0,
            _ => ZONE_SECTORS,
        },
        write_pointer: match (number, lie) {
            (_, Lie::Pointer | Lie::EmptyPointer) => start + ZONE_SECTORS + 1,
            (1, _) => start + written,
            _ => start,
        },
        zone_type: ZoneType::SequentialWriteRequired,
        condition: if is_offline {
            ZoneCondition::Offline
        } else if lie == Lie::Pointer {
            ZoneCondition::Closed
        } else if number == 1 && written > 0 {
            ZoneCondition::ImplicitOpen
        } else {
            ZoneCondition::Empty
        },
    }
}

#[vtable]
impl Operations for ZonedRam {
    type TagSetData = ();
    type QueueData = ZonedData;
    type HwData = ();
    type RequestData = ();

    fn init_request_data(_set: &()) -> impl PinInit<(), Error> {
        Ok(())
    }

    fn init_hctx(_set: &(), _index: u32) -> impl PinInit<(), Error> {
        Ok(())
    }

    fn queue_rq(
        hctx: HwQueue<'_, Self>,
        rq: Request<Self, Idle>,
        _last: bool,
    ) -> Result<(), Rejected<Self>> {
        let data = hctx.queue_data();
        let mut rq = rq.start();

        let status = match rq.op() {
            Op::Read => Status::OK,
            Op::ZoneAppend if rq.sector() == ZONE_SECTORS => {
                let at = data.written.fetch_add(u64::from(rq.sectors()), Relaxed);

                rq.set_sector(ZONE_SECTORS + at)
                    .map_or(Status::IOERR, |()| Status::OK)
            }
            _ => Status::NOTSUPP,
        };

        // Also a batch has to return the right sector.
        CompletionBatch::with(|batch| batch.end(rq, status));
        Ok(())
    }

    fn complete(rq: Request<Self>) {
        rq.end(Status::OK);
    }

    fn report_zones(disk: &GenDisk<Self>, sector: u64, reporter: &mut ZoneReporter<'_>) -> Result {
        let data = disk.queue_data();
        let end = match data.lie {
            Lie::Missing => NR_ZONES - 1,
            Lie::Endless => u64::MAX / ZONE_SECTORS,
            _ => NR_ZONES,
        };
        let mut number = sector / ZONE_SECTORS;

        while number < end && reporter.remaining() > 0 {
            reporter.report(&zone(number, data.lie, data.written.load(Relaxed)))?;
            number += 1;
        }
        Ok(())
    }
}

fn new_zoned(name: &str, lie: Lie) -> Result<NewDisk<ZonedRam>> {
    // Requests of a scheduler cannot end in a batch.
    let options = TagSetOptions {
        no_sched_by_default: true,
        ..Default::default()
    };
    let set = Arc::pin_init(TagSet::new(options, ()), GFP_KERNEL)?;
    let mut limits = QueueLimits::new();
    limits.set_zoned(Zoned {
        zone_sectors: ZONE_SECTORS as u32,
        max_append_sectors: 8,
        write_granularity: 512,
        ..Default::default()
    })?;
    let data = ZonedData {
        lie,
        written: Atomic::new(0),
    };
    let mut disk = NewDisk::new(set, &limits, data)?;

    disk.set_capacity(NR_ZONES * ZONE_SECTORS)?;
    disk.set_name(fmt!("{name}"))?;
    Ok(disk)
}

fn zoned_disk(name: &str, lie: Lie) -> Result<Disk<ZonedRam>> {
    new_zoned(name, lie)?.add_virtual()
}

/// # Safety
///
/// `data` must point to a vector with room.
unsafe extern "C" fn collect(
    zone: *mut bindings::blk_zone,
    _index: c_uint,
    data: *mut c_void,
) -> c_int {
    // SAFETY: By the requirement of this function.
    let zones = unsafe { &mut *data.cast::<KVec<(u64, u64, u8)>>() };
    // SAFETY: The block layer passes a valid zone.
    let zone = unsafe { &*zone };

    let _ = zones.push_within_capacity((zone.start, zone.wp, zone.cond));
    0
}

/// Returns where `count` zones start, from the one at `sector` on, their write pointers and
/// conditions.
fn report(open: &OpenDisk, sector: u64, count: u32) -> Result<KVec<(u64, u64, u8)>> {
    let mut zones = KVec::with_capacity(count as usize, GFP_KERNEL)?;
    // SAFETY: The disk is open, and `collect` gets what it needs.
    let reported = unsafe {
        bindings::blkdev_report_zones(
            open.bdev(),
            sector,
            count,
            Some(collect),
            (&raw mut zones).cast(),
        )
    };

    if reported != count as c_int {
        return Err(EIO);
    }
    Ok(zones)
}

#[kunit_tests(rust_blk_mq_zoned)]
mod tests {
    use super::*;

    #[test]
    fn a_report_starts_where_it_is_asked_to() -> Result {
        let disk = zoned_disk("rustkunit_zones", Lie::None)?;
        let open = OpenDisk::new(&disk)?;
        let zones = report(&open, ZONE_SECTORS, 2)?;

        assert!(zones[..] == [(64, 64, 1), (128, 128, 1)]);
        Ok(())
    }

    #[test]
    fn a_zone_that_went_offline_is_reported() -> Result {
        let disk = zoned_disk("rustkunit_offline", Lie::Offline)?;
        let open = OpenDisk::new(&disk)?;

        disk.queue_data().written.store(8, Relaxed);

        let zones = report(&open, 2 * ZONE_SECTORS, 2)?;

        assert!(zones[..] == [(128, 128, 1), (192, u64::MAX, 15)]);
        Ok(())
    }

    // C's block layer knows where an empty zone is written.
    #[test]
    fn the_write_pointer_of_an_empty_zone_does_not_matter() -> Result {
        let disk = zoned_disk("rustkunit_empty", Lie::EmptyPointer)?;
        let open = OpenDisk::new(&disk)?;

        assert!(report(&open, ZONE_SECTORS, 2)?[..] == [(64, 64, 1), (128, 128, 1)]);

        let bio = Bio::submit(&open, ZONE_APPEND, ZONE_SECTORS, 2048, 1)?;

        assert_eq!(bio.wait(), Status::OK);
        assert_eq!(bio.sector(), ZONE_SECTORS);
        Ok(())
    }

    #[test]
    fn more_zones_than_c_can_count_are_refused() -> Result {
        let mut disk = new_zoned("rustkunit_manyzones", Lie::None)?;

        disk.set_capacity((MAX_ZONES + 1) * ZONE_SECTORS)?;
        assert!(disk.add_virtual().err() == Some(EINVAL));
        Ok(())
    }

    #[test]
    fn an_append_returns_the_sector() -> Result {
        let disk = zoned_disk("rustkunit_append", Lie::None)?;
        let open = OpenDisk::new(&disk)?;

        for expected in [64, 68, 72] {
            let bio = Bio::submit(&open, ZONE_APPEND, ZONE_SECTORS, 2048, 1)?;

            assert_eq!(bio.wait(), Status::OK);
            assert_eq!(bio.sector(), expected);
        }
        Ok(())
    }

    #[test]
    fn zones_that_make_no_sense_are_refused() -> Result {
        assert!(zoned_disk("rustkunit_missing", Lie::Missing).err() == Some(ENODEV));
        assert!(zoned_disk("rustkunit_pointer", Lie::Pointer).err() == Some(EIO));
        assert!(zoned_disk("rustkunit_zcap", Lie::Capacity).err() == Some(EIO));
        assert!(zoned_disk("rustkunit_endless", Lie::Endless).is_err());
        Ok(())
    }

    #[test]
    fn a_disk_gets_no_more_zones() -> Result {
        let disk = zoned_disk("rustkunit_zgrow", Lie::None)?;
        let size = NR_ZONES * ZONE_SECTORS;

        assert!(disk.set_capacity_and_notify(size + 1) == Err(EINVAL));
        assert!(disk.set_capacity_and_notify(size + ZONE_SECTORS) == Err(EINVAL));
        assert_eq!(disk.capacity(), size);
        assert!(disk.set_capacity_and_notify(size - ZONE_SECTORS)?);
        assert!(disk.set_capacity_and_notify(size)?);
        Ok(())
    }

    #[test]
    fn the_size_of_zones_does_not_change() -> Result {
        let disk = zoned_disk("rustkunit_zsize", Lie::None)?;
        let smaller = Zoned {
            zone_sectors: 32,
            write_granularity: 512,
            ..Default::default()
        };

        let refused = disk.update_limits(|limits| limits.set_zoned(smaller).map(|_| ()));
        assert!(refused == Err(EINVAL));
        // What does not concern the zones may change.
        disk.update_limits(|limits| limits.set_max_hw_sectors(64).map(|_| ()))?;
        // SAFETY: The disk is valid, and nobody changes the limits.
        let limits = unsafe { (*disk.queue()).limits };
        assert_eq!(limits.max_hw_sectors, 64);
        assert_eq!(u64::from(limits.chunk_sectors), ZONE_SECTORS);
        Ok(())
    }
}
