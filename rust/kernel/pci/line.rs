// SPDX-License-Identifier: GPL-2.0

//! The interrupt line of a PCI device (INTx).

use super::Device;
use crate::{
    device::Bound,
    irq::IrqRequest,
    prelude::*, //
};

impl Device<Bound> {
    /// Returns the interrupt line of the device (C: `pci_dev::irq`), which can be shared with
    /// others, to be requested.
    ///
    /// Drivers of devices with message signaled interrupts use
    /// [`alloc_irq_vectors`](Self::alloc_irq_vectors).
    ///
    /// # Errors
    ///
    /// [`ENXIO`] if the device has none.
    pub fn irq_line(&self) -> Result<IrqRequest<'_>> {
        // SAFETY: The device is valid.
        let irq = unsafe { (*self.as_raw()).irq };

        if irq == 0 {
            return Err(ENXIO);
        }
        // SAFETY: It is the number that the core has found for this device.
        Ok(unsafe { IrqRequest::new(self.as_ref(), irq) })
    }
}
