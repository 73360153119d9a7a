// SPDX-License-Identifier: GPL-2.0

//! The configuration space: what the driver is told, which need not be true (virtio specification, 5.2.4).

use anyhow::{Context, Result, bail};

/// Bytes of `struct virtio_blk_config`.
pub const SIZE: usize = 96;

/// Where the driver writes the cache mode.
pub const WCE_OFFSET: usize = 32;

/// Names, offsets and widths in bytes of the fields.
const FIELDS: [(&str, usize, usize); 29] = [
    ("capacity", 0, 8),
    ("size_max", 8, 4),
    ("seg_max", 12, 4),
    ("cylinders", 16, 2),
    ("heads", 18, 1),
    ("sectors", 19, 1),
    ("blk_size", 20, 4),
    ("physical_block_exp", 24, 1),
    ("alignment_offset", 25, 1),
    ("min_io_size", 26, 2),
    ("opt_io_size", 28, 4),
    ("wce", WCE_OFFSET, 1),
    ("num_queues", 34, 2),
    ("max_discard_sectors", 36, 4),
    ("max_discard_seg", 40, 4),
    ("discard_sector_alignment", 44, 4),
    ("max_write_zeroes_sectors", 48, 4),
    ("max_write_zeroes_seg", 52, 4),
    ("write_zeroes_may_unmap", 56, 1),
    ("max_secure_erase_sectors", 60, 4),
    ("max_secure_erase_seg", 64, 4),
    ("secure_erase_sector_alignment", 68, 4),
    ("zone_sectors", 72, 4),
    ("max_open_zones", 76, 4),
    ("max_active_zones", 80, 4),
    ("max_append_sectors", 84, 4),
    ("write_granularity", 88, 4),
    ("model", 92, 1),
    ("unused", 93, 1),
];

/// The bytes of the configuration space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigSpace([u8; SIZE]);

impl Default for ConfigSpace {
    fn default() -> Self {
        Self([0; SIZE])
    }
}

impl ConfigSpace {
    /// Sets a field.
    ///
    /// # Errors
    ///
    /// There is no such field, or the value is too large for it.
    pub fn set(&mut self, name: &str, value: u64) -> Result<()> {
        let (offset, width) = field(name)?;
        let bytes = value.to_le_bytes();
        if bytes[width..].iter().any(|byte| *byte != 0) {
            bail!("{name} has {width} byte(s), too few for {value}");
        }
        self.0[offset..offset + width].copy_from_slice(&bytes[..width]);
        Ok(())
    }

    /// The value of a field.
    ///
    /// # Errors
    ///
    /// There is no such field.
    pub fn get(&self, name: &str) -> Result<u64> {
        let (offset, width) = field(name)?;
        let mut bytes = [0; 8];
        bytes[..width].copy_from_slice(&self.0[offset..offset + width]);
        Ok(u64::from_le_bytes(bytes))
    }

    /// `size` bytes from `offset` on; zeroes where there is nothing.
    pub fn read(&self, offset: usize, size: usize) -> Vec<u8> {
        self.0.iter().copied().skip(offset).chain(std::iter::repeat(0)).take(size).collect()
    }
}

fn field(name: &str) -> Result<(usize, usize)> {
    let known = FIELDS.iter().find(|(known, _, _)| *known == name);
    known.map(|(_, offset, width)| (*offset, *width)).with_context(|| {
        let names: Vec<_> = FIELDS.iter().map(|(name, _, _)| *name).collect();
        format!("no configuration field `{name}`; there are {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_little_endian_and_do_not_overlap() {
        let mut config = ConfigSpace::default();
        for (index, (name, _, _)) in FIELDS.iter().enumerate() {
            config.set(name, index as u64 + 1).unwrap();
        }
        for (index, (name, _, _)) in FIELDS.iter().enumerate() {
            assert_eq!(config.get(name).unwrap(), index as u64 + 1, "{name}");
        }
        config.set("blk_size", 0x0102_0304).unwrap();
        assert_eq!(config.read(20, 4), [4, 3, 2, 1]);
    }

    #[test]
    fn a_value_that_does_not_fit_changes_nothing() {
        let mut config = ConfigSpace::default();
        assert!(config.set("physical_block_exp", 256).unwrap_err().to_string().contains("1 byte"));
        assert!(config.set("block_size", 1).is_err());
        assert_eq!(config, ConfigSpace::default());
    }

    #[test]
    fn beyond_the_end_there_are_zeroes() {
        let mut config = ConfigSpace::default();
        config.set("unused", 7).unwrap();
        assert_eq!(config.read(93, 5), [7, 0, 0, 0, 0]);
        assert_eq!(config.read(200, 2), [0, 0]);
    }
}
