// SPDX-License-Identifier: GPL-2.0

//! The limits that the device sets, checked.

use super::{
    wire::{
        Config,
        Features, //
    },
    zoned, //
};
use kernel::{
    block::blk_mq::{
        LimitError,
        QueueLimits, //
    },
    device::Bound,
    prelude::*,
    virtio::{
        self,
        feature, //
    }, //
};

/// The descriptors around the data of a request: header and status.
pub(crate) const EXTRA_DESCRIPTORS: u32 = 2;

/// The largest ring has this many descriptors.
const MAX_DESCRIPTORS: u32 = 32768;

/// The block size of devices that do not tell theirs, and the unit of sectors.
const SECTOR_SIZE: u32 = 512;

/// More ranges than these are not put into a discard.
const MAX_DISCARD_SEGMENTS: u32 = 256;

/// Reads how many segments a request may have, before the size of the rings is known.
pub(crate) fn seg_max(dev: &virtio::Device<Bound>) -> Result<u32> {
    let seg_max = dev.config::<Config>().read_if(&Config::SEG_MAX)?;

    // At least one is needed, whatever the device says.
    Ok(seg_max
        .unwrap_or(1)
        .clamp(1, MAX_DESCRIPTORS - EXTRA_DESCRIPTORS))
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

/// Reads what the device says about its blocks.
///
/// # Errors
///
/// [`EINVAL`]: a value makes no sense. It was logged along with what would.
pub(crate) fn read(dev: &virtio::Device<Bound>, max_segments: u32) -> Result<QueueLimits> {
    let config = dev.config::<Config>();
    let mut limits = QueueLimits::new();

    let block_size = config.read_if(&Config::BLK_SIZE)?.unwrap_or(SECTOR_SIZE);
    limits.set_rotational(true);
    logged(dev, limits.set_logical_block_size(block_size))?;
    logged(dev, limits.set_max_segments(max_segments))?;
    logged(dev, limits.set_max_hw_sectors(u32::MAX))?;

    let dma_size = u32::try_from(dev.max_dma_size()).unwrap_or(u32::MAX);
    let size_max = config.read_if(&Config::SIZE_MAX)?.unwrap_or(u32::MAX);
    logged(dev, limits.set_max_segment_size(size_max.min(dma_size)))?;

    read_topology(dev, &config, &mut limits, block_size)?;
    read_discard(dev, &config, &mut limits, max_segments)?;
    if let Some(sectors) = config.read_if(&Config::MAX_WRITE_ZEROES_SECTORS)? {
        limits.set_max_write_zeroes_sectors(unlimited_if_zero(sectors));
    }
    zoned::read_limits(dev, &mut limits)?;
    read_alignment(dev, &config, &mut limits, block_size)?;
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

/// Reads the limits of discard and secure erase, of which the block layer has some in common.
fn read_discard(
    dev: &virtio::Device<Bound>,
    config: &virtio::config::Config<'_, Config>,
    limits: &mut QueueLimits,
    max_segments: u32,
) -> Result {
    let mut segments = 0;
    let mut alignment = 0;

    let max_discard = config.read_if(&Config::MAX_DISCARD_SECTORS)?;
    if let Some(sectors) = max_discard {
        limits.set_max_hw_discard_sectors(unlimited_if_zero(sectors));
        segments = config.read_if(&Config::MAX_DISCARD_SEG)?.unwrap_or(0);
        alignment = config
            .read_if(&Config::DISCARD_SECTOR_ALIGNMENT)?
            .unwrap_or(0);
    }

    let max_erase = config.read_if(&Config::MAX_SECURE_ERASE_SECTORS)?;
    if let Some(sectors) = max_erase {
        let erase_segments = config.read_if(&Config::MAX_SECURE_ERASE_SEG)?.unwrap_or(0);
        let erase_alignment = config
            .read_if(&Config::SECURE_ERASE_SECTOR_ALIGNMENT)?
            .unwrap_or(0);

        if sectors == 0 || erase_segments == 0 || erase_alignment == 0 {
            dev_err!(
                dev,
                "secure erase of {} sectors in {} ranges aligned to {} sectors: none may be 0\n",
                sectors,
                erase_segments,
                erase_alignment
            );
            return Err(EINVAL);
        }
        limits.set_max_secure_erase_sectors(sectors);
        segments = min_not_zero(segments, erase_segments);
        alignment = min_not_zero(alignment, erase_alignment);
    }

    if max_discard.is_none() && max_erase.is_none() {
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

    let granularity = if alignment == 0 {
        limits.logical_block_size()
    } else {
        alignment.checked_mul(SECTOR_SIZE).ok_or_else(|| {
            dev_err!(
                dev,
                "discard alignment of {alignment} sectors is too large\n"
            );
            EINVAL
        })?
    };
    let unit = limits.logical_block_size();
    let rounded = granularity.checked_next_multiple_of(unit).unwrap_or(unit);
    if rounded != granularity {
        dev_warn!(
            dev,
            "discard alignment of {granularity} bytes is taken as {rounded}\n"
        );
    }
    limits.set_discard_granularity(rounded);
    Ok(())
}

fn read_topology(
    dev: &virtio::Device<Bound>,
    config: &virtio::config::Config<'_, Config>,
    limits: &mut QueueLimits,
    block_size: u32,
) -> Result {
    let blocks = |name: &str, count: u32| {
        block_size.checked_mul(count).ok_or_else(|| {
            dev_err!(
                dev,
                "{name} of {count} blocks of {block_size} bytes is too large\n"
            );
            EINVAL
        })
    };

    if let Some(exp) = config
        .read_if(&Config::PHYSICAL_BLOCK_EXP)?
        .filter(|&exp| exp > 0)
    {
        let size = 1u32
            .checked_shl(exp.into())
            .and_then(|count| block_size.checked_mul(count));
        let Some(size) = size else {
            dev_err!(
                dev,
                "physical block of 2^{exp} blocks of {block_size} bytes is too large\n"
            );
            return Err(EINVAL);
        };

        limits.set_physical_block_size(size);
    }
    if let Some(size) = config
        .read_if(&Config::MIN_IO_SIZE)?
        .filter(|&size| size > 0)
    {
        limits.set_io_min(blocks("smallest I/O", size.into())?);
    }
    if let Some(size) = config
        .read_if(&Config::OPT_IO_SIZE)?
        .filter(|&size| size > 0)
    {
        limits.set_io_opt(blocks("largest I/O", size)?);
    }
    Ok(())
}

/// Reads where the first physical block starts, when the size of those is known.
fn read_alignment(
    dev: &virtio::Device<Bound>,
    config: &virtio::config::Config<'_, Config>,
    limits: &mut QueueLimits,
    block_size: u32,
) -> Result {
    let blocks = config.read_if(&Config::ALIGNMENT_OFFSET)?.unwrap_or(0);
    let offset = block_size * u32::from(blocks);
    let masked = offset & (limits.physical_block_size() - 1);

    if masked != offset {
        dev_warn!(
            dev,
            "alignment offset of {offset} bytes is taken as {masked}\n"
        );
    }
    limits.set_alignment_offset(masked);
    Ok(())
}

/// Logs why a limit was refused.
fn logged<T>(dev: &virtio::Device<Bound>, result: Result<T, LimitError>) -> Result<T> {
    result.map_err(|err| {
        dev_err!(dev, "the device's limits make no sense: {}\n", err);
        err.into()
    })
}
