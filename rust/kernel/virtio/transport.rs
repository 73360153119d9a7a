// SPDX-License-Identifier: GPL-2.0

//! What the transports know about the length of a configuration space.
//!
//! The accessors of the C core take any offset. Modern virtio-pci answers one beyond the end with
//! `BUG_ON()`, others read what lies there. Of the transports, virtio-pci and virtio-mmio know the
//! length.

use crate::bindings;

/// The length where nobody knows it: as much as the transports with the smallest buffers of their
/// own have (C: `VIRTIO_CCW_CONFIG_SIZE`).
const UNKNOWN: u32 = 256;

/// Returns how many bytes of the configuration space may be accessed.
///
/// # Safety
///
/// `vdev` must be valid, and registered.
pub(super) unsafe fn config_len(vdev: *mut bindings::virtio_device) -> u32 {
    #[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
    // SAFETY: `vdev` is valid by the requirement of this function.
    if let Some(len) = unsafe { super::fake::config_len(vdev) } {
        return len;
    }

    // SAFETY: `vdev` is registered by the requirement of this function.
    let len = unsafe { bindings::virtio_config_len(vdev) };

    // A negative number is an error.
    u32::try_from(len).unwrap_or(UNKNOWN)
}
