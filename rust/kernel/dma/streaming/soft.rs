// SPDX-License-Identifier: GPL-2.0

//! A device made of software, for tests: it accesses memory by the addresses that it was given.
//! With `swiotlb=force` these are those of copies.

use crate::{
    bindings,
    device::{
        Bound,
        Device, //
    },
    dma::DmaAddress,
    error::to_result,
    faux,
    prelude::*, //
};

/// A device that can do DMA.
pub(crate) struct SoftDevice(faux::Registration);

impl SoftDevice {
    pub(crate) fn new(name: &'static CStr) -> Result<Self> {
        let dev = Self(faux::Registration::new(name, None)?);
        let raw = dev.bound().as_raw();

        // SAFETY: The device is valid, and nobody else sets it up.
        unsafe { (*raw).dma_mask = &raw mut (*raw).coherent_dma_mask };
        // SAFETY: The device has a place for its mask, and nothing is mapped yet.
        to_result(unsafe { bindings::dma_set_mask_and_coherent(raw, u64::MAX) })?;
        Ok(dev)
    }

    pub(crate) fn bound(&self) -> &Device<Bound> {
        self.0.as_ref().as_ref()
    }
}

/// Where the memory with an address is for a device, and so for one made of software.
fn place(address: DmaAddress) -> *mut u8 {
    // SAFETY: The addresses of cases are physical ones, of memory.
    unsafe { bindings::phys_to_virt(address) }.cast()
}

/// Lets the device read.
pub(crate) fn device_read(address: DmaAddress, to: &mut [u8]) {
    // SAFETY: Cases read what is mapped.
    unsafe { bindings::memcpy(to.as_mut_ptr().cast(), place(address).cast(), to.len()) };
}

/// Lets the device write.
pub(crate) fn device_write(address: DmaAddress, bytes: &[u8]) {
    // SAFETY: Cases write to what is mapped.
    unsafe { bindings::memcpy(place(address).cast(), bytes.as_ptr().cast(), bytes.len()) };
}
