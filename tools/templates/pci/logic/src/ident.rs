// SPDX-License-Identifier: GPL-2.0

//! What the device says about itself.

/// A version of the device.
#[derive(Debug, PartialEq)]
pub struct Version {
    /// Changes when a driver has to.
    pub major: u8,
    /// Changes when there is more than before.
    pub minor: u8,
}

/// The version in the first register, or none if that is another device.
pub fn version(ident: u32) -> Option<Version> {
    match ident.to_be_bytes() {
        [major, minor, 0x00, 0xed] => Some(Version { major, minor }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{version, Version};

    #[test]
    fn both_numbers_come_first() {
        assert_eq!(version(0x0102_00ed), Some(Version { major: 1, minor: 2 }));
    }

    #[test]
    fn another_device_has_none() {
        // All ones are what a device that is gone reads as.
        for ident in [0, 0x0100_00ee, 0x0100_01ed, u32::MAX] {
            assert_eq!(version(ident), None, "{ident:#x}");
        }
    }
}
