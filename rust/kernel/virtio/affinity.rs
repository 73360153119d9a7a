// SPDX-License-Identifier: GPL-2.0

//! Which CPUs the queues of a device interrupt.
//!
//! C header: [`include/linux/virtio_config.h`](srctree/include/linux/virtio_config.h)

use super::setup::Ready;
use crate::{
    cpumask::Cpumask,
    prelude::*, //
};

impl Ready<'_> {
    /// The CPUs among which the interrupt of the queue number `index` is spread (C:
    /// `get_vq_affinity`); none if the transport does not say, or the queue shares its interrupt
    /// with others.
    ///
    /// # Errors
    ///
    /// [`EINVAL`]: there is no such queue.
    pub fn vq_affinity(&self, index: u32) -> Result<Option<&Cpumask>> {
        let (dev, queues) = self.queues();

        if usize::try_from(index)? >= queues {
            return Err(EINVAL);
        }

        // SAFETY: By the type invariant the device is valid, and so are its operations.
        let Some(get) = (unsafe { (*(*dev.as_raw()).config).get_vq_affinity }) else {
            return Ok(None);
        };
        // CAST: There are at most 65536 queues.
        //
        // SAFETY: By the type invariant the device is valid. Its transport has found this queue.
        let mask = unsafe { get(dev.as_raw(), index as c_int) };

        if mask.is_null() {
            return Ok(None);
        }
        // SAFETY: The mask belongs to the interrupt, which the transport frees along with the
        // queues, after the callback of the bus that `self` exists in. Nobody changes it.
        Ok(Some(unsafe { Cpumask::from_raw(mask) }))
    }
}
