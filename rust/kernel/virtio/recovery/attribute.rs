// SPDX-License-Identifier: GPL-2.0

//! The file `recoveries` of a device in sysfs.

use super::super::state::DeviceState;
use crate::{
    bindings,
    container_of,
    prelude::*, //
};

/// Shows how often the device was recovered.
///
/// # Safety
///
/// `dev` must be part of a virtio device that is bound to a driver of this abstraction, and `buf`
/// have room for a page.
unsafe extern "C" fn recoveries_show(
    dev: *mut bindings::device,
    _attr: *mut bindings::device_attribute,
    buf: *mut c_char,
) -> isize {
    // SAFETY: By the requirement of this function.
    let vdev = unsafe { container_of!(dev, bindings::virtio_device, dev) };
    // SAFETY: As above. The file is there while the driver is bound, and so is the state.
    let cures = unsafe { DeviceState::from_raw(vdev) }.map_or(0, |state| state.recovery().cures());

    // SAFETY: `buf` has room for a page.
    unsafe { bindings::sysfs_emit(buf, c"%u\n".as_char_ptr(), cures) as isize }
}

/// What C reads, and does not write.
#[repr(transparent)]
struct Table<T>(T);

// SAFETY: The tables are not written.
unsafe impl<T> Sync for Table<T> {}

#[allow(
    clippy::needless_update,
    reason = "lockdep adds fields to an attribute"
)]
static RECOVERIES: Table<bindings::device_attribute> = Table(bindings::device_attribute {
    attr: bindings::attribute {
        name: c"recoveries".to_bytes_with_nul().as_ptr(),
        mode: 0o444,
        ..pin_init::zeroed()
    },
    __bindgen_anon_1: bindings::device_attribute__bindgen_ty_1 {
        show: Some(recoveries_show),
    },
    __bindgen_anon_2: bindings::device_attribute__bindgen_ty_2 { store: None },
});

static ATTRS: Table<[*const bindings::device_attribute; 2]> =
    Table([&raw const RECOVERIES.0, core::ptr::null()]);

static GROUP: Table<bindings::attribute_group> = Table(bindings::attribute_group {
    __bindgen_anon_2: bindings::attribute_group__bindgen_ty_2 {
        attrs: (&raw const ATTRS.0).cast_mut().cast(),
    },
    ..pin_init::zeroed()
});

static GROUPS: Table<[*const bindings::attribute_group; 2]> =
    Table([&raw const GROUP.0, core::ptr::null()]);

/// Gives the devices of a driver their attributes in sysfs.
#[inline(never)]
pub(in super::super) fn set_attributes(vdrv: &mut bindings::virtio_driver) {
    vdrv.driver.dev_groups = (&raw const GROUPS.0).cast_mut().cast();
}
