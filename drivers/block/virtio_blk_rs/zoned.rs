// SPDX-License-Identifier: GPL-2.0

//! Zones: what the device says about them, checked.

use super::{
    disk::Disk,
    wire::{
        zone_model,
        Config,
        RequestType,
        ZoneDescriptor,
        ZoneReport, //
    },
};
use kernel::{
    alloc::flags::__GFP_NOWARN,
    block::{
        blk_mq::{
            GenDisk,
            Hints,
            QueueLimits,
            Transfer,
            Zone,
            ZoneCondition,
            ZoneReporter,
            ZoneType,
            Zoned,
            MAX_ZONES, //
        },
        SECTOR_SIZE, //
    },
    device::Bound,
    page::PAGE_SIZE,
    prelude::*,
    virtio, //
};

/// The largest number of zones that can be open or active that the block layer is told of.
const MAX_LIMIT: u32 = 1 << 16;

/// The longest report in bytes: the block layer maps no more pages of the kernel's into a request.
const MAX_REPORT: usize = 1024 * PAGE_SIZE;

/// Reads the size of a zone in sectors; none, if the driver has to deal with no zones.
///
/// # Errors
///
/// [`EINVAL`]: the model of the zones is unknown.
pub(crate) fn zone_sectors(dev: &virtio::Device<Bound>) -> Result<Option<u32>> {
    let config = dev.config::<Config>();
    let model = config.read_if(&Config::MODEL)?;

    match model.unwrap_or(zone_model::NONE) {
        // A host-aware device works like one without zones.
        zone_model::NONE | zone_model::HOST_AWARE => Ok(None),
        zone_model::HOST_MANAGED => config.read_if(&Config::ZONE_SECTORS),
        model => {
            dev_err!(dev, "zoned model {:#x} is unknown\n", model);
            Err(EINVAL)
        }
    }
}

/// Reads the limits of a zoned device (C: `virtblk_read_zoned_limits`); none, if it is not. The
/// logical block size must be set.
///
/// # Errors
///
/// - [`ENODEV`]: a limit cannot be right. It was logged.
/// - [`EOPNOTSUPP`]: the kernel is built without support for zones.
pub(crate) fn read_limits(
    dev: &virtio::Device<Bound>,
    limits: &mut QueueLimits,
    hints: &mut Hints,
) -> Result {
    let config = dev.config::<Config>();

    if config.read_if(&Config::MODEL)? != Some(zone_model::HOST_MANAGED) {
        return Ok(());
    }
    if !cfg!(CONFIG_BLK_DEV_ZONED) {
        dev_err!(dev, "zoned device, but no CONFIG_BLK_DEV_ZONED\n");
        return Err(EOPNOTSUPP);
    }

    let read = |field| -> Result<u32> { Ok(config.read_if(field)?.unwrap_or(0)) };
    let told = read(&Config::WRITE_GRANULARITY)?;
    // What is written consists of blocks anyway.
    let write_granularity = told.max(limits.logical_block_size());

    if told == 0 || !write_granularity.is_power_of_two() {
        dev_err!(dev, "write_granularity: {told} is not a power of two\n");
        return Err(ENODEV);
    }

    let zone_sectors = read(&Config::ZONE_SECTORS)?;
    let capacity = config.read(&Config::CAPACITY)?;
    let zones = capacity.div_ceil(u64::from(zone_sectors).max(1));
    if zones > MAX_ZONES {
        dev_err!(dev, "zones: {zones} are more than {MAX_ZONES}\n");
        return Err(ENODEV);
    }
    // A limit above the number of zones is none. The block layer sets memory aside for that many.
    let limit = |what: &str, count: u32| {
        if u64::from(count) > zones {
            return 0;
        }
        if count > MAX_LIMIT {
            dev_warn!(dev, "{what}: {count} is taken as {MAX_LIMIT}\n");
        }
        count.min(MAX_LIMIT)
    };
    let max_active_zones = limit("max_active_zones", read(&Config::MAX_ACTIVE_ZONES)?);
    let mut max_open_zones = limit("max_open_zones", read(&Config::MAX_OPEN_ZONES)?);

    // Those that are open are active, too.
    if max_active_zones != 0 && max_open_zones > max_active_zones {
        dev_warn!(
            dev,
            "max_open_zones: {max_open_zones} is taken as {max_active_zones}\n"
        );
        max_open_zones = max_active_zones;
    }

    let mut max_append_sectors = read(&Config::MAX_APPEND_SECTORS)?;
    if u64::from(max_append_sectors) * u64::from(SECTOR_SIZE) < write_granularity.into() {
        dev_warn!(
            dev,
            "max_append_sectors: {max_append_sectors} is too short for an append, none is used\n"
        );
        // The block layer makes writes of them.
        max_append_sectors = 0;
    }

    limits
        .set_zoned(Zoned {
            zone_sectors,
            max_open_zones,
            max_active_zones,
            max_append_sectors,
            write_granularity,
        })
        .map_err(|err| {
            dev_err!(dev, "the limits of the zones make no sense: {}\n", err);
            ENODEV
        })?;
    hints.physical_block_size = write_granularity.into();
    hints.io_min = write_granularity.into();
    Ok(())
}

/// Reports the zones from the one with `sector` in it (C: `virtblk_report_zones`).
pub(crate) fn report(disk: &GenDisk<Disk>, sector: u64, reporter: &mut ZoneReporter<'_>) -> Result {
    let zone_sectors = match disk.queue_data().zone_sectors {
        None | Some(0) => return Err(EOPNOTSUPP),
        Some(sectors) => u64::from(sectors),
    };

    let zones = disk.capacity().div_ceil(zone_sectors);
    let mut buffer = report_buffer(disk, zones.min(reporter.remaining().into()))?;
    let first = sector - sector % zone_sectors;
    let mut next = first;

    while reporter.remaining() > 0 && next < disk.capacity() {
        buffer.fill(0);
        disk.execute(Transfer::In(&mut buffer), |data| {
            data.get_mut().set_command(RequestType::ZoneReport, next)
        })?;

        let (header, zones) = ZoneReport::ref_from_prefix(&buffer).map_err(|_| EIO)?;
        let zones = <[ZoneDescriptor]>::ref_from_bytes(zones).map_err(|_| EIO)?;
        let count = usize::try_from(header.nr_zones()).unwrap_or(usize::MAX);

        if count == 0 {
            break;
        }
        for zone in zones
            .iter()
            .take(count.min(usize::try_from(reporter.remaining())?))
        {
            let zone = parse(zone, next, zone_sectors, disk.capacity()).inspect_err(|_| {
                let _ = disk.queue_data().dev.with(|dev| {
                    dev_err!(
                        dev,
                        "zone at sector {}: start {}, type {:#x}, condition {:#x} make no sense\n",
                        next,
                        zone.start(),
                        zone.z_type,
                        zone.z_state
                    );
                });
            })?;

            reporter.report(&zone)?;
            next += zone_sectors;
        }
    }
    if next == first {
        return Err(EINVAL);
    }
    Ok(())
}

/// Allocates room for the report of `zones` zones, or as many as a request, or the memory, has got
/// room for (C: `virtblk_alloc_report_buffer`).
fn report_buffer(disk: &GenDisk<Disk>, zones: u64) -> Result<KVVec<u8>> {
    const HEADER: usize = size_of::<ZoneReport>();
    const ZONE: usize = size_of::<ZoneDescriptor>();

    // Each page may be a segment of its own.
    let max = usize::try_from(disk.queue_data().max_segments)?
        .saturating_mul(PAGE_SIZE)
        .min(MAX_REPORT);
    let mut zones = usize::try_from(zones)
        .unwrap_or(usize::MAX)
        .clamp(1, (max - HEADER) / ZONE);

    loop {
        match KVVec::from_elem(0u8, HEADER + zones * ZONE, GFP_KERNEL | __GFP_NOWARN) {
            Ok(buffer) => return Ok(buffer),
            Err(_) if zones > 1 => zones /= 2,
            Err(err) => return Err(err.into()),
        }
    }
}

/// Reads a zone out of a report (C: `virtblk_parse_zone`; virtio specification, 5.2.6).
///
/// # Errors
///
/// [`EIO`]: it is not the zone at `start`, or has a type or condition that does not exist.
fn parse(raw: &ZoneDescriptor, start: u64, zone_sectors: u64, capacity: u64) -> Result<Zone> {
    if raw.start() != start {
        return Err(EIO);
    }

    let condition = match raw.z_state {
        0 => ZoneCondition::NotWritePointer,
        1 => ZoneCondition::Empty,
        2 => ZoneCondition::ImplicitOpen,
        3 => ZoneCondition::ExplicitOpen,
        4 => ZoneCondition::Closed,
        13 => ZoneCondition::ReadOnly,
        14 => ZoneCondition::Full,
        15 => ZoneCondition::Offline,
        _ => return Err(EIO),
    };
    let zone_type = match raw.z_type {
        1 => ZoneType::Conventional,
        2 => ZoneType::SequentialWriteRequired,
        3 => ZoneType::SequentialWritePreferred,
        _ => return Err(EIO),
    };

    Ok(Zone {
        start,
        len: zone_sectors.min(capacity.saturating_sub(start)),
        capacity: raw.capacity(),
        write_pointer: raw.write_pointer(),
        zone_type,
        condition,
    })
}
