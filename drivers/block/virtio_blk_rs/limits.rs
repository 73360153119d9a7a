// SPDX-License-Identifier: GPL-2.0

//! The limits that the device sets, checked.

use super::wire::Config;
use kernel::{
    block::blk_mq::QueueLimits,
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

/// The block size of devices that do not tell theirs.
const SECTOR_SIZE: u32 = 512;

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
    if dev
        .features::<super::wire::Features>()
        .has(feature::RingIndirectDesc)
    {
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
    Ok(limits)
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
                "{} of {} blocks of {} bytes is too large\n",
                name,
                count,
                block_size
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
                "physical block of 2^{} blocks of {} bytes is too large\n",
                exp,
                block_size
            );
            return Err(EINVAL);
        };

        logged(dev, limits.set_physical_block_size(size))?;
    }
    if let Some(offset) = config
        .read_if(&Config::ALIGNMENT_OFFSET)?
        .filter(|&offset| offset > 0)
    {
        logged(
            dev,
            limits.set_alignment_offset(blocks("alignment offset", offset.into())?),
        )?;
    }
    if let Some(size) = config
        .read_if(&Config::MIN_IO_SIZE)?
        .filter(|&size| size > 0)
    {
        logged(dev, limits.set_io_min(blocks("smallest I/O", size.into())?))?;
    }
    if let Some(size) = config
        .read_if(&Config::OPT_IO_SIZE)?
        .filter(|&size| size > 0)
    {
        logged(dev, limits.set_io_opt(blocks("largest I/O", size)?))?;
    }
    Ok(())
}

/// Logs why a limit was refused.
fn logged<T>(
    dev: &virtio::Device<Bound>,
    result: Result<T, kernel::block::blk_mq::LimitError>,
) -> Result<T> {
    result.map_err(|err| {
        dev_err!(dev, "the device's limits make no sense: {}\n", err);
        err.into()
    })
}
