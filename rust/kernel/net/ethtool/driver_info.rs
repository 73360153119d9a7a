// SPDX-License-Identifier: GPL-2.0

//! What a driver says of itself.
//!
//! C header: [`include/uapi/linux/ethtool.h`](srctree/include/uapi/linux/ethtool.h)

use crate::prelude::*;

/// The names and versions of a driver and its card. What is not set, the kernel fills in.
///
/// Equivalent to C's `struct ethtool_drvinfo`.
pub struct DriverInfo<'a>(&'a mut bindings::ethtool_drvinfo);

/// Copies what fits of a text, and terminates it.
fn copy(to: &mut [c_char], text: &str) {
    let room = to.len().saturating_sub(1);

    to.fill(0);
    for (to, from) in to.iter_mut().zip(text.bytes().take(room)) {
        // CAST: A character is a byte.
        *to = from as c_char;
    }
}

impl<'a> DriverInfo<'a> {
    pub(super) fn new(info: &'a mut bindings::ethtool_drvinfo) -> Self {
        Self(info)
    }

    /// Sets the name of the driver.
    pub fn set_driver(&mut self, text: &str) {
        copy(&mut self.0.driver, text);
    }

    /// Sets the version of the driver.
    pub fn set_version(&mut self, text: &str) {
        copy(&mut self.0.version, text);
    }

    /// Sets the version of the firmware of the card.
    pub fn set_firmware(&mut self, text: &str) {
        copy(&mut self.0.fw_version, text);
    }

    /// Sets where the card is.
    pub fn set_bus_info(&mut self, text: &str) {
        copy(&mut self.0.bus_info, text);
    }
}
