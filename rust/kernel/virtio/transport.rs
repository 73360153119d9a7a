// SPDX-License-Identifier: GPL-2.0

//! What the transports know about the length of a configuration space.
//!
//! The accessors of the C core take any offset. Modern virtio-pci answers one beyond the end with
//! `BUG_ON()`, others read what lies there. virtio-pci, virtio-mmio and vDPA tell the length.

use crate::bindings;

/// The length where nobody tells: as much as the transports with the smallest buffers of their own
/// have (C: `VIRTIO_CCW_CONFIG_SIZE`).
const UNKNOWN: u32 = 256;

/// Returns how many bytes of the configuration space may be accessed (C:
/// `virtio_config_ops::config_len`).
///
/// # Safety
///
/// `vdev` must be valid.
pub(super) unsafe fn config_len(vdev: *mut bindings::virtio_device) -> u32 {
    // SAFETY: `vdev` is valid by the requirement of this function, and so are its operations.
    let config_len = unsafe { (*(*vdev).config).config_len };

    // SAFETY: As above.
    config_len.map_or(UNKNOWN, |config_len| unsafe { config_len(vdev) })
}
