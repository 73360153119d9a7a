// SPDX-License-Identifier: GPL-2.0

//! The limits that the device sets, made sense of.
//!
//! A disk that C's driver serves is served. What the device says is followed as far as it makes
//! sense, with one line in the log for each value that is not; only what cannot be right in any way
//! is refused. `tests/guest/limits.sh` compares both drivers, value by value.

use super::{
    wire::{
        Config,
        Features, //
    },
    zoned, //
};
use kernel::{
    block::{
        blk_mq::{
            Hints,
            LimitError,
            QueueLimits, //
        },
        SECTOR_SIZE, //
    },
    device::Bound,
    prelude::*,
    virtio::{
        self,
        feature, //
    }, //
};

/// The descriptors around the data of a request: header and status.
const EXTRA_DESCRIPTORS: u32 = 2;

/// A request has no more descriptors than these, however it is given to the device.
const MAX_DESCRIPTORS: u32 = 32768;

/// The size of a segment that every device takes, if it does not say what it can.
const DEFAULT_SEGMENT_SIZE: u32 = 65536;

/// More ranges than these are not put into a discard.
const MAX_DISCARD_SEGMENTS: u32 = 256;

/// The size of the largest disk in sectors: the block layer counts bytes in a signed number.
const MAX_CAPACITY: u64 = i64::MAX.unsigned_abs() / SECTOR_SIZE as u64;

/// A value that is not used as the device has told it.
fn taken_as(dev: &virtio::Device<Bound>, field: &str, told: u64, used: u64) {
    dev_warn!(dev, "{field}: {told} is taken as {used}\n");
}

/// Reads the size of the disk in sectors.
pub(crate) fn capacity(dev: &virtio::Device<Bound>) -> Result<u64> {
    let told = dev.config::<Config>().read(&Config::CAPACITY)?;
    let used = told.min(MAX_CAPACITY);

    if used != told {
        taken_as(dev, "capacity", told, used);
    }
    Ok(used)
}

/// Reads how many segments a request may have, before the size of the rings is known.
pub(crate) fn seg_max(dev: &virtio::Device<Bound>) -> Result<u32> {
    let Some(told) = dev.config::<Config>().read_if(&Config::SEG_MAX)? else {
        return Ok(1);
    };
    // At least one is needed, whatever the device says.
    let used = told.clamp(1, MAX_DESCRIPTORS - EXTRA_DESCRIPTORS);

    if used != told {
        taken_as(dev, "seg_max", told.into(), used.into());
    }
    Ok(used)
}

/// Returns how many segments a request may have in a ring with `vring_size` descriptors.
pub(crate) fn max_segments(dev: &virtio::Device<Bound>, seg_max: u32, vring_size: u32) -> u32 {
    if dev.features::<Features>().has(feature::RingIndirectDesc) {
        return seg_max;
    }
    // A request that needs more descriptors than the ring has would wait for ever.
    seg_max
        .min(vring_size.saturating_sub(EXTRA_DESCRIPTORS))
        .max(1)
}

/// Reads the size of a block. Devices that do not tell theirs have blocks of a sector.
pub(crate) fn block_size(dev: &virtio::Device<Bound>) -> Result<u32> {
    Ok(match dev.config::<Config>().read_if(&Config::BLK_SIZE)? {
        None => SECTOR_SIZE,
        Some(0) => {
            taken_as(dev, "blk_size", 0, SECTOR_SIZE.into());
            SECTOR_SIZE
        }
        Some(told) => told,
    })
}

/// Reads how long a segment may be.
pub(crate) fn max_segment_size(dev: &virtio::Device<Bound>) -> Result<u32> {
    let dma_size = u32::try_from(dev.max_dma_size()).unwrap_or(u32::MAX);
    let size_max = match dev.config::<Config>().read_if(&Config::SIZE_MAX)? {
        None => u32::MAX,
        Some(0) => {
            taken_as(dev, "size_max", 0, DEFAULT_SEGMENT_SIZE.into());
            DEFAULT_SEGMENT_SIZE
        }
        Some(told) => told,
    };

    Ok(size_max.min(dma_size))
}

/// Reads what the device says about its blocks.
///
/// # Errors
///
/// [`EINVAL`], [`ENODEV`]: a value cannot be right. It was logged along with what would be.
pub(crate) fn read(
    dev: &virtio::Device<Bound>,
    max_segments: u32,
    max_segment_size: u32,
) -> Result<QueueLimits> {
    let config = dev.config::<Config>();
    let mut limits = QueueLimits::new();

    limits.set_rotational(true);

    let block_size = block_size(dev)?;
    logged(dev, limits.set_logical_block_size(block_size))?;
    logged(dev, limits.set_max_segments(max_segments))?;
    logged(dev, limits.set_max_hw_sectors(u32::MAX))?;
    logged(dev, limits.set_max_segment_size(max_segment_size))?;

    let mut hints = read_topology(dev, &config, block_size)?;
    zoned::read_limits(dev, &mut limits, &mut hints)?;
    set_hints(dev, &mut limits, &hints);

    read_discard(dev, &config, &mut limits, max_segments)?;
    if let Some(sectors) = config.read_if(&Config::MAX_WRITE_ZEROES_SECTORS)? {
        limits.set_max_write_zeroes_sectors(unlimited_if_zero(sectors));
    }
    logged(dev, limits.check())?;
    Ok(limits)
}

/// Devices that set no limit say so with a zero.
fn unlimited_if_zero(value: u32) -> u32 {
    if value == 0 {
        u32::MAX
    } else {
        value
    }
}

/// The smaller of two values of which zero means none.
fn min_not_zero(a: u32, b: u32) -> u32 {
    match (a, b) {
        (0, other) | (other, 0) => other,
        (a, b) => a.min(b),
    }
}

/// Reads how the blocks are best used.
fn read_topology(
    dev: &virtio::Device<Bound>,
    config: &virtio::config::Config<'_, Config>,
    block_size: u32,
) -> Result<Hints> {
    let blocks = |count: u64| u64::from(block_size).saturating_mul(count);
    let exp = config.read_if(&Config::PHYSICAL_BLOCK_EXP)?.unwrap_or(0);
    // What is larger than any limit is told apart from it by the device's own number.
    let physical = block_size
        .checked_shl(exp.into())
        .filter(|size| size >> exp == block_size);

    if physical.is_none() {
        taken_as(dev, "physical_block_exp", exp.into(), 0);
    }
    Ok(Hints {
        physical_block_size: physical.filter(|_| exp > 0).unwrap_or(0).into(),
        alignment_offset: blocks(
            config
                .read_if(&Config::ALIGNMENT_OFFSET)?
                .unwrap_or(0)
                .into(),
        ),
        io_min: blocks(config.read_if(&Config::MIN_IO_SIZE)?.unwrap_or(0).into()),
        io_opt: blocks(config.read_if(&Config::OPT_IO_SIZE)?.unwrap_or(0).into()),
        ..Hints::default()
    })
}

fn set_hints(dev: &virtio::Device<Bound>, limits: &mut QueueLimits, hints: &Hints) {
    limits.set_hints(hints, |adjusted| dev_warn!(dev, "{adjusted}\n"));
}

/// Reads the limits of discard and secure erase, of which the block layer has some in common. The
/// sizes of the blocks must be set.
fn read_discard(
    dev: &virtio::Device<Bound>,
    config: &virtio::config::Config<'_, Config>,
    limits: &mut QueueLimits,
    max_segments: u32,
) -> Result {
    let mut segments = 0;
    let mut alignment = 0;

    let max_discard = config
        .read_if(&Config::MAX_DISCARD_SECTORS)?
        .map(unlimited_if_zero)
        .filter(|&sectors| is_discard(dev, limits, sectors));
    if let Some(sectors) = max_discard {
        limits.set_max_hw_discard_sectors(sectors);
        segments = config.read_if(&Config::MAX_DISCARD_SEG)?.unwrap_or(0);
        alignment = config
            .read_if(&Config::DISCARD_SECTOR_ALIGNMENT)?
            .unwrap_or(0);
    }

    let erase = read_secure_erase(dev, config)?;
    if let Some(erase) = &erase {
        limits.set_max_secure_erase_sectors(erase.max_sectors);
        segments = min_not_zero(segments, erase.max_segments);
        alignment = min_not_zero(alignment, erase.alignment);
    }

    if max_discard.is_none() && erase.is_none() {
        return Ok(());
    }

    let segments = if segments == 0 {
        max_segments
    } else {
        segments
    };
    logged(
        dev,
        limits.set_max_discard_segments(segments.min(MAX_DISCARD_SEGMENTS)),
    )?;

    if let Some(sectors) = max_discard {
        set_discard_granularity(dev, limits, alignment, sectors);
    }
    Ok(())
}

/// Sets the unit at multiples of which the block layer ends discards, which take no more than
/// `max_sectors`. What is shorter than the unit it does not cut at all.
fn set_discard_granularity(
    dev: &virtio::Device<Bound>,
    limits: &mut QueueLimits,
    alignment: u32,
    max_sectors: u32,
) {
    let block = u64::from(limits.logical_block_size());
    let told = match alignment {
        0 => block,
        sectors => bytes(sectors),
    };
    // They consist of blocks, and so does their unit.
    let whole_blocks = told.div_ceil(block) * block;
    let used = if whole_blocks > bytes(max_sectors) {
        let block = u64::from(limits.physical_block_size());

        taken_as(dev, "discard_granularity", told, block);
        block
    } else {
        told
    };

    set_hints(
        dev,
        limits,
        &Hints {
            discard_granularity: used,
            ..Hints::default()
        },
    );
}

/// The size of so many sectors.
fn bytes(sectors: u32) -> u64 {
    u64::from(sectors) * u64::from(SECTOR_SIZE)
}

/// Whether discards of at most `sectors` can be used: the block layer makes none that is shorter
/// than a physical block, even if they may not be longer.
fn is_discard(dev: &virtio::Device<Bound>, limits: &QueueLimits, sectors: u32) -> bool {
    if limits.is_zoned() {
        dev_warn!(dev, "a zoned device has no discard, but offers it\n");
        return false;
    }
    if bytes(sectors) < limits.physical_block_size().into() {
        dev_warn!(
            dev,
            "max_discard_sectors: {} is less than a block, not used\n",
            sectors
        );
        return false;
    }
    true
}

/// The limits of secure erase.
struct SecureErase {
    max_sectors: u32,
    max_segments: u32,
    alignment: u32,
}

/// Reads the limits of secure erase, if the device has it and says how it is used.
fn read_secure_erase(
    dev: &virtio::Device<Bound>,
    config: &virtio::config::Config<'_, Config>,
) -> Result<Option<SecureErase>> {
    let (Some(max_sectors), Some(max_segments), Some(alignment)) = (
        config.read_if(&Config::MAX_SECURE_ERASE_SECTORS)?,
        config.read_if(&Config::MAX_SECURE_ERASE_SEG)?,
        config.read_if(&Config::SECURE_ERASE_SECTOR_ALIGNMENT)?,
    ) else {
        return Ok(None);
    };

    if max_sectors == 0 || max_segments == 0 || alignment == 0 {
        dev_warn!(
            dev,
            "secure erase of {} sectors in {} ranges, aligned to {}: none may be 0, not used\n",
            max_sectors,
            max_segments,
            alignment
        );
        return Ok(None);
    }
    Ok(Some(SecureErase {
        max_sectors,
        max_segments,
        alignment,
    }))
}

/// Logs why a limit was refused.
fn logged<T>(dev: &virtio::Device<Bound>, result: Result<T, LimitError>) -> Result<T> {
    result.map_err(|err| {
        dev_err!(dev, "the device's limits make no sense: {}\n", err);
        err.into()
    })
}
