// SPDX-License-Identifier: GPL-2.0

//! What a device is to be like: the options of the command line.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::config::ConfigSpace;
use crate::fault::{Fault, Faults};
use crate::features::{self, Features};
use crate::store::SECTOR;
use crate::zones::Geometry;

/// The largest device, in bytes: its data must fit into memory.
const MAX_SIZE: u64 = 1 << 40;
/// The most queues that user-mode Linux can use.
pub const MAX_QUEUES: usize = 64;
/// Host-managed zones, as the configuration space names them.
const HOST_MANAGED: u64 = 1;

/// What a device is, and what it says it is. The latter follows from the former unless `--set` and the
/// feature options say otherwise: they may make no sense.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Bytes of the device; K, M and G are understood
    #[arg(long, default_value = "64M", value_parser = number)]
    pub size: u64,
    /// Request queues
    #[arg(long, default_value_t = 2)]
    pub queues: usize,
    /// Serial number, of at most 20 bytes
    #[arg(long, default_value = "blkdev")]
    pub serial: String,
    /// Offer a feature besides the usual ones, by name or number
    #[arg(long = "feature", value_name = "NAME", value_parser = features::bit)]
    pub more: Vec<u32>,
    /// Do not offer a feature
    #[arg(long = "no-feature", value_name = "NAME", value_parser = features::bit)]
    pub fewer: Vec<u32>,
    /// Put a value into a field of the configuration space
    #[arg(long, value_name = "FIELD=VALUE", value_parser = assignment)]
    pub set: Vec<(String, u64)>,
    /// Bytes of a zone; without it there are no zones
    #[arg(long, value_parser = number)]
    pub zone_size: Option<u64>,
    /// Bytes of a sequential zone that can be written; by default all
    #[arg(long, value_parser = number, requires = "zone_size")]
    pub zone_capacity: Option<u64>,
    /// Conventional zones at the beginning
    #[arg(long, default_value_t = 0, requires = "zone_size")]
    pub conventional: usize,
    /// Zones that can be open, 0 for any number
    #[arg(long, default_value_t = 0, requires = "zone_size")]
    pub max_open: usize,
    /// Zones that can be active, 0 for any number
    #[arg(long, default_value_t = 0, requires = "zone_size")]
    pub max_active: usize,
    /// Sectors that can be appended at once
    #[arg(long, default_value_t = 256, requires = "zone_size")]
    pub max_append: u64,
    /// Hold what this file holds at the start
    #[arg(long, value_name = "FILE")]
    pub image: Option<PathBuf>,
    /// Have a cache that loses what was not flushed when the power goes
    #[arg(long)]
    pub volatile: bool,
    /// Misbehave from the start
    #[arg(long = "fault", value_name = "FAULT[:REQUEST]", value_parser = Fault::parse)]
    pub faults: Vec<Fault>,
}

impl Options {
    /// The sectors of the device.
    pub fn sectors(&self) -> u64 {
        self.size / SECTOR
    }

    /// Checks what the device itself must be able to do.
    ///
    /// # Errors
    ///
    /// It cannot.
    pub fn check(&self) -> Result<()> {
        ensure!(is_size(self.size), "a size is a multiple of {SECTOR} up to 1 TiB");
        ensure!((1..=MAX_QUEUES).contains(&self.queues), "there are 1 to {MAX_QUEUES} queues");
        ensure!(self.serial.len() <= 20, "a serial number has at most 20 bytes");
        if let Some(size) = self.zone_size {
            let capacity = self.zone_capacity.unwrap_or(size);
            ensure!(size > 0 && size % SECTOR == 0, "the size of zones is a multiple of {SECTOR}");
            ensure!((SECTOR..=size).contains(&capacity), "zones have a capacity up to their size");
            ensure!(capacity % SECTOR == 0, "the capacity of zones is a multiple of {SECTOR}");
        }
        Ok(())
    }

    /// What the device offers.
    pub fn features(&self) -> Features {
        let mut features = Features::default();
        if self.zone_size.is_some() {
            // Zones are reset instead of discarded, and a secure erase would be another way to reset them.
            for (name, on) in [("zoned", true), ("discard", false), ("secure-erase", false)] {
                features = features::bit(name).map_or(features, |bit| features.with(bit, on));
            }
        }
        let features = self.more.iter().fold(features, |features, bit| features.with(*bit, true));
        self.fewer.iter().fold(features, |features, bit| features.with(*bit, false))
    }

    /// How the device is divided into zones, if it is.
    pub fn geometry(&self) -> Option<Geometry> {
        let size = self.zone_size?;
        Some(Geometry {
            zone_sectors: size / SECTOR,
            zone_capacity: self.zone_capacity.unwrap_or(size) / SECTOR,
            conventional: self.conventional,
            max_open: self.max_open,
            max_active: self.max_active,
            max_append: self.max_append,
            write_granularity: SECTOR,
        })
    }

    /// What the driver is told.
    ///
    /// # Errors
    ///
    /// A value does not fit into its field.
    pub fn config(&self) -> Result<ConfigSpace> {
        let mut config = ConfigSpace::default();
        let fields = [
            ("capacity", self.sectors()),
            ("size_max", 1 << 20),
            ("seg_max", 126),
            ("cylinders", 64),
            ("heads", 16),
            ("sectors", 63),
            ("blk_size", SECTOR),
            ("min_io_size", 1),
            ("wce", 1),
            ("num_queues", self.queues as u64),
            ("max_discard_sectors", 65536),
            ("max_discard_seg", 16),
            ("discard_sector_alignment", 8),
            ("max_write_zeroes_sectors", 65536),
            ("max_write_zeroes_seg", 1),
            ("write_zeroes_may_unmap", 1),
            ("max_secure_erase_sectors", 65536),
            ("max_secure_erase_seg", 4),
            ("secure_erase_sector_alignment", 8),
        ];
        for (name, value) in fields {
            config.set(name, value)?;
        }
        if let Some(zones) = self.geometry() {
            let fields = [
                ("zone_sectors", zones.zone_sectors),
                ("max_open_zones", zones.max_open as u64),
                ("max_active_zones", zones.max_active as u64),
                ("max_append_sectors", zones.max_append),
                ("write_granularity", zones.write_granularity),
                ("model", HOST_MANAGED),
            ];
            for (name, value) in fields {
                config.set(name, value)?;
            }
        }
        for (name, value) in &self.set {
            config.set(name, *value)?;
        }
        Ok(config)
    }

    /// What the device does wrong from the start.
    pub fn faults(&self) -> Faults {
        self.faults.iter().copied().collect()
    }
}

/// Whether a device can have so many bytes.
pub fn is_size(bytes: u64) -> bool {
    bytes % SECTOR == 0 && bytes <= MAX_SIZE
}

/// Reads a number: decimal, hexadecimal after `0x`, or decimal with K, M or G for powers of 1024.
///
/// # Errors
///
/// It is none, or too large.
pub fn number(text: &str) -> Result<u64> {
    let wrong = || format!("not a number: `{text}`");
    if let Some(digits) = text.strip_prefix("0x") {
        return u64::from_str_radix(digits, 16).with_context(wrong);
    }
    let (digits, unit) = match text.char_indices().last() {
        Some((at, 'K')) => (&text[..at], 1 << 10),
        Some((at, 'M')) => (&text[..at], 1 << 20),
        Some((at, 'G')) => (&text[..at], 1 << 30),
        _ => (text, 1),
    };
    let number: u64 = digits.parse().with_context(wrong)?;
    number.checked_mul(unit).with_context(|| format!("too large: {text}"))
}

/// Reads `FIELD=VALUE`.
///
/// # Errors
///
/// There is no such field, or the value does not fit.
pub fn assignment(text: &str) -> Result<(String, u64)> {
    let Some((name, value)) = text.split_once('=') else {
        bail!("expected FIELD=VALUE");
    };
    let value = number(value)?;
    ConfigSpace::default().set(name, value)?;
    Ok((name.to_owned(), value))
}

#[cfg(test)]
pub(crate) mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        options: Options,
    }

    pub(crate) fn options(words: &str) -> Result<Options> {
        let options = Cli::try_parse_from(["blkdev"].into_iter().chain(words.split_whitespace()))?.options;
        options.check()?;
        Ok(options)
    }

    #[test]
    fn numbers_have_units() {
        assert_eq!(number("512").unwrap(), 512);
        assert_eq!(number("0x10").unwrap(), 16);
        assert_eq!(number("3M").unwrap(), 3 << 20);
        for wrong in ["", "K", "1T", "-1", "0xg", "99999999999G"] {
            assert!(number(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn zones_are_offered_and_described() {
        let options = options("--size 8M --zone-size 1M --zone-capacity 768K --conventional 2 --max-open 4").unwrap();
        assert!(options.features().has("zoned") && !options.features().has("discard"));
        let config = options.config().unwrap();
        assert_eq!(config.get("zone_sectors").unwrap(), 2048);
        assert_eq!(config.get("max_open_zones").unwrap(), 4);
        assert_eq!(config.get("model").unwrap(), 1);
        assert_eq!(options.geometry().unwrap().zone_capacity, 1536);
    }

    #[test]
    fn nonsense_can_be_told() {
        let options = options("--set blk_size=0 --set physical_block_exp=60 --feature zoned --no-feature mq").unwrap();
        let config = options.config().unwrap();
        assert_eq!((config.get("blk_size").unwrap(), config.get("physical_block_exp").unwrap()), (0, 60));
        assert!(options.features().has("zoned") && !options.features().has("mq"));
    }

    #[test]
    fn what_the_device_cannot_be_is_refused() {
        for words in [
            "--size 1000",
            "--size 2048G",
            "--queues 0",
            "--queues 65",
            "--serial 123456789012345678901",
            "--set block_size=1",
            "--set heads=256",
            "--set heads",
            "--feature colour",
            "--zone-size 0",
            "--zone-size 1M --zone-capacity 2M",
            "--conventional 1",
            "--fault none",
        ] {
            assert!(options(words).is_err(), "{words}");
        }
    }
}
