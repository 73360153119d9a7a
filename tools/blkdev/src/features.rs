// SPDX-License-Identifier: GPL-2.0

//! Feature bits, by the names of the virtio specification (5.2.3 and 6) in lower case with dashes.

use anyhow::{Context, Result};

/// Names and numbers of the bits that mean something to this device.
const NAMES: [(&str, u32); 17] = [
    ("size-max", 1),
    ("seg-max", 2),
    ("geometry", 4),
    ("ro", 5),
    ("blk-size", 6),
    ("flush", 9),
    ("topology", 10),
    ("config-wce", 11),
    ("mq", 12),
    ("discard", 13),
    ("write-zeroes", 14),
    ("secure-erase", 16),
    ("zoned", 17),
    ("indirect-desc", 28),
    ("event-idx", 29),
    ("version-1", 32),
    ("in-order", 35),
];

/// What is offered unless the options say otherwise: all that a device without zones can have.
const DEFAULT: [&str; 13] = [
    "seg-max",
    "geometry",
    "blk-size",
    "flush",
    "topology",
    "config-wce",
    "mq",
    "discard",
    "write-zeroes",
    "secure-erase",
    "indirect-desc",
    "event-idx",
    "version-1",
];

/// A set of feature bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features(u64);

impl Default for Features {
    fn default() -> Self {
        let known = DEFAULT.iter().filter_map(|name| bit(name).ok());
        Self(known.fold(0, |bits, bit| bits | (1 << bit)))
    }
}

impl Features {
    /// The set with these bits.
    pub fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The bits.
    pub fn bits(self) -> u64 {
        self.0
    }

    /// Whether the feature called `name` is in the set.
    pub fn has(self, name: &str) -> bool {
        bit(name).is_ok_and(|bit| (self.0 >> bit) & 1 == 1)
    }

    /// The set with one feature more or less.
    pub fn with(self, bit: u32, on: bool) -> Self {
        if on { Self(self.0 | (1 << bit)) } else { Self(self.0 & !(1 << bit)) }
    }
}

/// The number of the feature called `name`, which may also be a number from 0 to 63.
///
/// # Errors
///
/// There is no such feature.
pub fn bit(name: &str) -> Result<u32> {
    let named = NAMES.iter().find(|(known, _)| *known == name).map(|(_, bit)| *bit);
    named.or_else(|| name.parse().ok().filter(|bit| *bit < 64)).with_context(|| {
        let known: Vec<_> = NAMES.iter().map(|(name, _)| *name).collect();
        format!("no feature `{name}`; there are {} and numbers below 64", known.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_have_names_and_numbers() {
        assert_eq!(bit("zoned").unwrap(), 17);
        assert_eq!(bit("40").unwrap(), 40);
        assert!(bit("64").is_err());
        assert!(bit("zone").unwrap_err().to_string().contains("secure-erase"));
    }

    #[test]
    fn a_feature_is_added_and_removed() {
        let features = Features::default();
        assert!(features.has("flush") && !features.has("zoned"));
        assert!(features.with(17, true).has("zoned"));
        assert!(!features.with(9, false).has("flush"));
        assert_eq!(features.with(17, true).with(17, false), features);
    }

    #[test]
    fn every_default_feature_exists() {
        assert_eq!(Features::default().bits().count_ones() as usize, DEFAULT.len());
    }
}
