// SPDX-License-Identifier: GPL-2.0

//! Mappings of a software device behind `VIRTIO_F_ACCESS_PLATFORM`.
//!
//! Addresses on its bus are not physical ones, so that a driver which gives the device an unmapped
//! address is found out. Mappings are recorded, so that one which is left behind is too, and one
//! that is taken away without having been made, or twice.

use super::FakeDevice;
use crate::{
    bindings,
    prelude::*,
    sync::atomic::ordering::Relaxed, //
};

/// A mapping: its address on the bus, and its size.
pub(super) type Mapping = (u64, usize);

/// What addresses on the bus have in excess of physical ones.
pub(super) const BUS_OFFSET: u64 = 1 << 44;

/// The largest mapping in bytes.
pub(crate) const MAX_MAPPING: usize = 1 << 20;

/// The address of a failed mapping.
const ERROR: u64 = u64::MAX;

pub(super) static OPS: bindings::virtio_map_ops = bindings::virtio_map_ops {
    map_page: Some(map_page),
    unmap_page: Some(unmap_page),
    sync_single_for_cpu: Some(sync_single),
    sync_single_for_device: Some(sync_single),
    alloc: Some(alloc),
    free: Some(free),
    need_sync: Some(need_sync),
    mapping_error: Some(mapping_error),
    max_mapping_size: Some(max_mapping_size),
};

/// Returns the device that `map` was made for.
///
/// # Safety
///
/// `map` must be the `vmap` of a live [`FakeDevice`].
unsafe fn device<'a>(map: bindings::virtio_map) -> &'a FakeDevice {
    // SAFETY: All members of the union are pointers.
    let ptr = unsafe { map.dma_dev };

    // SAFETY: The map of a software device holds a pointer to it.
    unsafe { &*ptr.cast::<FakeDevice>() }
}

/// Maps memory.
///
/// # Safety
///
/// `map` must be the `vmap` of a live [`FakeDevice`], as for all that follow; the rest must be as
/// `struct virtio_map_ops` has it.
unsafe extern "C" fn map_page(
    map: bindings::virtio_map,
    page: *mut bindings::page,
    offset: c_ulong,
    size: usize,
    _dir: bindings::dma_data_direction,
    _attrs: c_ulong,
) -> bindings::dma_addr_t {
    // SAFETY: The ring passes the map of its device.
    let device = unsafe { device(map) };

    if device.knobs.fail_maps.load(Relaxed) {
        return ERROR;
    }
    // SAFETY: The ring passes a valid page.
    let phys = unsafe { bindings::page_to_phys(page) };
    let addr = phys + offset as u64 + BUS_OFFSET;

    if device.map(addr, size).is_err() {
        return ERROR;
    }
    addr
}

impl FakeDevice {
    /// Records a mapping.
    fn map(&self, addr: u64, size: usize) -> Result {
        self.mapped.lock().push((addr, size), GFP_ATOMIC)?;
        self.mappings.fetch_add(1, Relaxed);
        Ok(())
    }

    /// Takes a mapping out of the record, or counts a mistake if it is not there.
    fn unmap(&self, addr: u64, size: usize) {
        let mut mapped = self.mapped.lock();

        match mapped.iter().position(|&mapping| mapping == (addr, size)) {
            Some(index) => {
                let last = mapped.pop();

                if let (Some(slot), Some(last)) = (mapped.get_mut(index), last) {
                    *slot = last;
                }
                self.mappings.fetch_sub(1, Relaxed);
            }
            None => {
                self.bad_unmaps.fetch_add(1, Relaxed);
            }
        }
    }
}

/// Takes a mapping away.
///
/// # Safety
///
/// As for [`map_page`].
unsafe extern "C" fn unmap_page(
    map: bindings::virtio_map,
    addr: bindings::dma_addr_t,
    size: usize,
    _dir: bindings::dma_data_direction,
    _attrs: c_ulong,
) {
    // SAFETY: The ring passes the map of its device.
    unsafe { device(map) }.unmap(addr, size);
}

/// Hands memory over, for which there is nothing to do.
///
/// # Safety
///
/// As for [`map_page`].
unsafe extern "C" fn sync_single(
    _map: bindings::virtio_map,
    _addr: bindings::dma_addr_t,
    _size: usize,
    _dir: bindings::dma_data_direction,
) {
}

/// Allocates memory that both sides use.
///
/// # Safety
///
/// As for [`map_page`].
unsafe extern "C" fn alloc(
    map: bindings::virtio_map,
    size: usize,
    addr: *mut bindings::dma_addr_t,
    gfp: bindings::gfp_t,
) -> *mut c_void {
    // SAFETY: The ring passes the map of its device.
    let device = unsafe { device(map) };

    if device.knobs.fail_maps.load(Relaxed) {
        return core::ptr::null_mut();
    }
    // SAFETY: Any size may be asked for.
    let memory = unsafe { bindings::alloc_pages_exact_noprof(size, gfp) };

    if !memory.is_null() {
        device.mappings.fetch_add(1, Relaxed);
        // SAFETY: `memory` is in the linear mapping.
        let phys = unsafe { bindings::virt_to_phys(memory) };

        // SAFETY: `addr` is valid for writes.
        unsafe { *addr = phys + BUS_OFFSET };
    }
    memory
}

/// Frees such memory.
///
/// # Safety
///
/// As for [`map_page`].
unsafe extern "C" fn free(
    map: bindings::virtio_map,
    size: usize,
    memory: *mut c_void,
    _addr: bindings::dma_addr_t,
    _attrs: c_ulong,
) {
    // SAFETY: The ring passes the map of its device.
    unsafe { device(map) }.mappings.fetch_sub(1, Relaxed);
    // SAFETY: `memory` comes from `alloc`.
    unsafe { bindings::free_pages_exact(memory, size) };
}

/// Whether mappings have to be handed over.
///
/// # Safety
///
/// As for [`map_page`].
unsafe extern "C" fn need_sync(_map: bindings::virtio_map, _addr: bindings::dma_addr_t) -> bool {
    false
}

/// Whether an address is that of a failed mapping.
///
/// # Safety
///
/// As for [`map_page`].
unsafe extern "C" fn mapping_error(
    _map: bindings::virtio_map,
    addr: bindings::dma_addr_t,
) -> c_int {
    if addr == ERROR {
        ENOMEM.to_errno()
    } else {
        0
    }
}

/// The largest mapping.
///
/// # Safety
///
/// As for [`map_page`].
unsafe extern "C" fn max_mapping_size(_map: bindings::virtio_map) -> usize {
    MAX_MAPPING
}
