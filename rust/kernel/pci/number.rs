// SPDX-License-Identifier: GPL-2.0

//! Devices of vendors that have no name here.
//!
//! C header: [`include/linux/pci.h`](srctree/include/linux/pci.h)

use super::DeviceId;

impl DeviceId {
    /// Equivalent to C's `PCI_DEVICE` macro with two numbers.
    ///
    /// [`Vendor`](super::Vendor) has those of `include/linux/pci_ids.h`, for
    /// [`from_id`](Self::from_id). Emulators have devices of others.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::pci::DeviceId;
    ///
    /// // QEMU's device for those who learn to write drivers.
    /// const EDU: DeviceId = DeviceId::from_numbers(0x1234, 0x11e8);
    /// # let _ = EDU;
    /// ```
    #[inline]
    pub const fn from_numbers(vendor: u16, device: u16) -> Self {
        // CAST: Both fit; `From` is not for constants.
        Self(bindings::pci_device_id {
            vendor: vendor as u32,
            device: device as u32,
            subvendor: Self::PCI_ANY_ID,
            subdevice: Self::PCI_ANY_ID,
            class: 0,
            class_mask: 0,
            driver_data: 0,
            override_only: 0,
        })
    }
}
