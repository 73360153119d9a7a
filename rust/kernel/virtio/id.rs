// SPDX-License-Identifier: GPL-2.0

//! Device ids and their table.
//!
//! C header: [`include/uapi/linux/virtio_ids.h`](srctree/include/uapi/linux/virtio_ids.h)

use crate::{
    bindings,
    device_id::RawDeviceId, //
};

/// What a driver matches a device by (C: `struct virtio_device_id`).
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct DeviceId(bindings::virtio_device_id);

impl DeviceId {
    /// Any vendor (C: `VIRTIO_DEV_ANY_ID`).
    const ANY: u32 = bindings::VIRTIO_DEV_ANY_ID;

    /// Devices of a kind, from all vendors.
    ///
    /// `device` is a number of the virtio specification, section 5: 2 for a block device, 4 for an
    /// entropy source, and so on. 0 is not a device.
    pub const fn new(device: u32) -> Self {
        assert!(device != 0, "device id 0 ends the table");
        Self(bindings::virtio_device_id {
            device,
            vendor: Self::ANY,
        })
    }

    /// Devices of a kind from one vendor.
    pub const fn with_vendor(device: u32, vendor: u32) -> Self {
        assert!(device != 0, "device id 0 ends the table");
        Self(bindings::virtio_device_id { device, vendor })
    }
}

// SAFETY: `DeviceId` is a transparent wrapper of `struct virtio_device_id`.
unsafe impl RawDeviceId for DeviceId {
    type RawType = bindings::virtio_device_id;
}

/// A table of device ids.
pub type IdTable = &'static dyn crate::device_id::IdTable<DeviceId, ()>;

/// Creates a table of virtio device ids, with the alias that lets user space find the module.
///
/// # Examples
///
/// ```
/// use kernel::virtio::{DeviceId, IdTable};
///
/// kernel::virtio_device_table!(TABLE, [DeviceId::new(2)]);
///
/// const IDS: IdTable = &TABLE;
/// ```
#[macro_export]
macro_rules! virtio_device_table {
    ($table:ident, [$($id:expr),* $(,)?]) => {
        $crate::module_device_table!(
            "virtio", $crate::virtio::DeviceId, $table, @none, [$($id),*]
        );
    };
}
