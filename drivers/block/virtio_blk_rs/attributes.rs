// SPDX-License-Identifier: GPL-2.0

//! What user space can see and set: serial number, cache type, geometry.

use super::{
    disk::Disk,
    wire::{
        Config,
        ConfigWce,
        RequestType,
        ID_BYTES, //
    },
};
use kernel::{
    block::blk_mq::{
        Access,
        AddedDisk,
        Attribute,
        Contents,
        GenDisk,
        Geometry,
        Transfer, //
    },
    device::Bound,
    fmt::Write,
    prelude::*,
    sync::atomic::Relaxed,
    virtio, //
};

/// The attributes of a disk in `/sys/block`.
pub(crate) type Attributes = (Serial, CacheType);

/// `serial`: what the device calls itself (C: `serial_show`).
pub(crate) struct Serial;

#[vtable]
impl Attribute<Disk> for Serial {
    const NAME: &'static CStr = c"serial";

    fn access(_disk: &GenDisk<Disk>) -> Access {
        Access::ReadOnly
    }

    fn show(disk: &GenDisk<Disk>, out: &mut Contents<'_>) -> Result {
        let mut id = KVec::from_elem(0u8, ID_BYTES, GFP_KERNEL)?;
        let asked = disk.execute(Transfer::In(&mut id), |data| {
            data.get_mut().set_command(RequestType::GetId, 0)
        });

        match asked {
            // A device without a serial number has nothing to say.
            Err(EIO) => return Ok(()),
            other => other?,
        }
        // A serial number that is shorter than the field ends with a zero byte.
        out.write_bytes(id.split(|&byte| byte == 0).next().unwrap_or(&id))
    }
}

/// `cache_type`: "write back" or "write through" (C: `cache_type_show`, `cache_type_store`).
pub(crate) struct CacheType;

impl CacheType {
    const WRITE_BACK: &'static str = "write back";
    const WRITE_THROUGH: &'static str = "write through";
}

#[vtable]
impl Attribute<Disk> for CacheType {
    const NAME: &'static CStr = c"cache_type";

    fn access(disk: &GenDisk<Disk>) -> Access {
        let can_switch = disk
            .queue_data()
            .dev
            .with(|dev| dev.features().has(ConfigWce));

        match can_switch {
            Ok(true) => Access::ReadWrite,
            _ => Access::ReadOnly,
        }
    }

    fn show(disk: &GenDisk<Disk>, out: &mut Contents<'_>) -> Result {
        let text = if disk.queue_data().dev.with(has_write_cache)?? {
            Self::WRITE_BACK
        } else {
            Self::WRITE_THROUGH
        };

        writeln!(out, "{text}")?;
        Ok(())
    }

    fn store(disk: &AddedDisk<'_, Disk>, text: &[u8]) -> Result {
        let write_back = if text == Self::WRITE_BACK.as_bytes() {
            true
        } else if text == Self::WRITE_THROUGH.as_bytes() {
            false
        } else {
            return Err(EINVAL);
        };

        let data = disk.queue_data();

        // Root can change the mode of the file.
        if !data.dev.with(|dev| dev.features().has(ConfigWce))? {
            return Err(EOPNOTSUPP);
        }

        let update = |has_cache: &dyn Fn() -> Result<bool>| {
            disk.update_limits_polling(
                |limits| {
                    limits.set_write_cache(has_cache()?);
                    Ok::<_, Error>(())
                },
                || disk.tag_set().data().poll(),
            )
        };

        data.write_through.store(!write_back, Relaxed);
        if write_back {
            // From the first write on that the device caches, it has to be flushed.
            update(&|| Ok(true))?;
        }
        data.dev.with(|dev| {
            dev.config::<Config>()
                .write_if(&Config::WCE, write_back.into())
        })??;
        // The device has the last word, also if others write at the same time.
        update(&|| data.dev.with(has_write_cache)?)
    }
}

/// Has a device that was reset cache nothing, if that is what the block layer, or the user, wants.
pub(crate) fn keep_write_through(dev: &virtio::Device<Bound>, disk: &GenDisk<Disk>) -> Result {
    let is_wanted = disk.queue_data().write_through.load(Relaxed) || !disk.has_write_cache();
    let config = dev.config::<Config>();

    if is_wanted && config.read_if(&Config::WCE)?.is_some_and(|wce| wce != 0) {
        config.write_if(&Config::WCE, 0)?;
    }
    Ok(())
}

/// Returns whether the device caches what is written (C: `virtblk_get_cache_mode`).
pub(crate) fn has_write_cache(dev: &virtio::Device<Bound>) -> Result<bool> {
    let wce = dev.config::<Config>().read_if(&Config::WCE)?;

    // Without the switch, what can be flushed is a cache.
    Ok(wce.map_or_else(|| dev.features().has(super::wire::Flush), |wce| wce != 0))
}

/// Returns the geometry of the device, or one that suits its size (C: `virtblk_getgeo`).
pub(crate) fn geometry(disk: &GenDisk<Disk>) -> Result<Geometry> {
    disk.queue_data()
        .dev
        .with(|dev| {
            let config = dev.config::<Config>();

            let (Some(cylinders), Some(heads), Some(sectors)) = (
                config.read_if(&Config::CYLINDERS)?,
                config.read_if(&Config::HEADS)?,
                config.read_if(&Config::SECTORS)?,
            ) else {
                return Ok(Geometry {
                    heads: 1 << 6,
                    sectors: 1 << 5,
                    // The field is as wide as it is; large disks have no true value for it.
                    cylinders: (disk.capacity() >> 11) as u16,
                });
            };

            Ok(Geometry {
                heads,
                sectors,
                cylinders,
            })
        })
        .map_err(|_| ENXIO)?
}
