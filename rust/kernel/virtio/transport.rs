// SPDX-License-Identifier: GPL-2.0

//! What the transports know about the length of a configuration space.
//!
//! The accessors of the C core take any offset. Modern virtio-pci answers one beyond the end with
//! `BUG_ON()`, others read what lies there. No transport tells the length, but those of PCI and of
//! the platform bus can be asked about the memory behind it.

#[cfg(CONFIG_PCI)]
mod pci {
    use crate::{
        bindings,
        container_of,
        prelude::*, //
    };

    /// The capability that describes the device-specific configuration (virtio specification,
    /// 4.1.4).
    const CAP_DEVICE_CFG: u8 = 4;

    /// Offsets in a virtio capability: its type, and the length of what it describes.
    const CAP_CFG_TYPE: c_int = 3;
    const CAP_LENGTH: c_int = 12;

    /// Where the device-specific configuration starts in the I/O region of a legacy device, with
    /// MSI-X in use: the larger of two places.
    const LEGACY_CONFIG: u64 = 24;

    /// Returns the length behind a virtio device whose parent is `dev`, if that is a PCI device.
    ///
    /// # Safety
    ///
    /// `dev` must be valid.
    pub(super) unsafe fn config_len(dev: *mut bindings::device, legacy: bool) -> Option<u32> {
        // SAFETY: `dev` is valid by the requirement of this function.
        let bus = unsafe { (*dev).bus };

        if !core::ptr::eq(bus, &raw const bindings::pci_bus_type) {
            return None;
        }

        // SAFETY: A device of the PCI bus is embedded in a `struct pci_dev`.
        let pdev = unsafe { container_of!(dev, bindings::pci_dev, dev) };

        if legacy {
            // SAFETY: `pdev` is valid.
            let region = unsafe { (*pdev).resource[0] };
            let len = if region.end > region.start {
                region.end - region.start + 1
            } else {
                0
            };

            return u32::try_from(len.saturating_sub(LEGACY_CONFIG)).ok();
        }

        let vndr = bindings::PCI_CAP_ID_VNDR as c_int;
        // SAFETY: `pdev` is valid.
        let mut pos = c_int::from(unsafe { bindings::pci_find_capability(pdev, vndr) });

        while pos > 0 {
            let (mut cfg_type, mut len) = (0, 0);

            // SAFETY: `pdev` is valid.
            unsafe { bindings::pci_read_config_byte(pdev, pos + CAP_CFG_TYPE, &mut cfg_type) };
            if cfg_type == CAP_DEVICE_CFG {
                // SAFETY: `pdev` is valid.
                unsafe { bindings::pci_read_config_dword(pdev, pos + CAP_LENGTH, &mut len) };
                return Some(len);
            }
            // SAFETY: `pdev` is valid.
            pos = c_int::from(unsafe { bindings::pci_find_next_capability(pdev, pos as u8, vndr) });
        }
        Some(0)
    }
}

mod mmio {
    use crate::{
        bindings,
        container_of, //
    };

    /// Where the device-specific configuration starts (virtio specification, 4.2.2).
    const CONFIG: u64 = 0x100;

    /// Returns the length behind a virtio device whose parent is `dev`, if that is a platform
    /// device with memory.
    ///
    /// # Safety
    ///
    /// `dev` must be valid.
    pub(super) unsafe fn config_len(dev: *mut bindings::device) -> Option<u32> {
        // SAFETY: `dev` is valid by the requirement of this function.
        let bus = unsafe { (*dev).bus };

        if !core::ptr::eq(bus, &raw const bindings::platform_bus_type) {
            return None;
        }

        // SAFETY: A device of the platform bus is embedded in a `struct platform_device`.
        let pdev = unsafe { container_of!(dev, bindings::platform_device, dev) };
        // SAFETY: `pdev` is valid.
        let region = unsafe { bindings::platform_get_resource(pdev, bindings::IORESOURCE_MEM, 0) };
        // SAFETY: `region` is null or a resource of `pdev`.
        let region = unsafe { region.as_ref() }?;

        u32::try_from((region.end - region.start + 1).saturating_sub(CONFIG)).ok()
    }
}

/// Returns the length of the configuration space in bytes, or [`None`] where nobody knows.
///
/// # Safety
///
/// `vdev` must be valid.
pub(super) unsafe fn config_len(vdev: *mut bindings::virtio_device, legacy: bool) -> Option<u32> {
    // SAFETY: `vdev` is valid by the requirement of this function.
    let parent = unsafe { (*vdev).dev.parent };

    if parent.is_null() {
        return None;
    }

    #[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
    // SAFETY: `vdev` is valid by the requirement of this function.
    if let Some(len) = unsafe { super::fake::config_len(vdev) } {
        return Some(len);
    }

    #[cfg(CONFIG_PCI)]
    // SAFETY: The parent lives as long as its child.
    if let Some(len) = unsafe { pci::config_len(parent, legacy) } {
        return Some(len);
    }
    #[cfg(not(CONFIG_PCI))]
    let _ = legacy;

    // SAFETY: The parent lives as long as its child.
    unsafe { mmio::config_len(parent) }
}
