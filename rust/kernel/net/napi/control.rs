// SPDX-License-Identifier: GPL-2.0

//! When NAPI runs.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)

use crate::{
    net::netdev::{
        Device,
        Handle,
        Operations,
        Rtnl, //
    },
    prelude::*,
    sync::atomic::Relaxed, //
};

impl<T: Operations> Device<'_, T> {
    /// Lets NAPI run, and says that it looks after the queues. Does nothing if it is enabled, or
    /// while the device is not [running](Self::is_running): nobody would disable it then.
    ///
    /// # Context
    ///
    /// Process context, under RTNL. May sleep.
    pub fn napi_enable(&self, _rtnl: &Rtnl) {
        let header = self.header();

        if !self.is_running() || header.napi_enabled.xchg(1, Relaxed) != 0 {
            return;
        }
        // SAFETY: NAPI was added, and is disabled, since this changes under RTNL only.
        unsafe { bindings::napi_enable(header.napi.get()) };
        self.set_napi_of_queues(header.napi.get());
    }

    /// Keeps NAPI from running, and waits until it does not run. Does nothing if it is disabled.
    ///
    /// # Context
    ///
    /// Process context, under RTNL. May sleep.
    pub fn napi_disable(&self, _rtnl: &Rtnl) {
        let header = self.header();

        if header.napi_enabled.load(Relaxed) == 0 {
            return;
        }
        self.set_napi_of_queues(core::ptr::null_mut());
        // SAFETY: NAPI was added, and is enabled, since this changes under RTNL only.
        unsafe { bindings::napi_disable(header.napi.get()) };
        header.napi_enabled.store(0, Relaxed);
    }

    /// Says which interrupt schedules NAPI.
    ///
    /// # Context
    ///
    /// Process context, under RTNL. May sleep.
    pub fn napi_set_irq(&self, _rtnl: &Rtnl, irq: u32) {
        let Ok(irq) = c_int::try_from(irq) else {
            return;
        };

        // SAFETY: NAPI was added.
        unsafe { bindings::netif_napi_set_irq(self.header().napi.get(), irq) };
    }

    fn set_napi_of_queues(&self, napi: *mut bindings::napi_struct) {
        for queue in [
            bindings::netdev_queue_type_NETDEV_QUEUE_TYPE_RX,
            bindings::netdev_queue_type_NETDEV_QUEUE_TYPE_TX,
        ] {
            // SAFETY: The device has a queue 0 of each type. The callers hold RTNL. `napi` is
            // null or was added to the device.
            unsafe { bindings::netif_queue_set_napi(self.as_raw(), 0, queue, napi) };
        }
    }
}

impl<T: Operations> Handle<'_, T> {
    /// Lets NAPI run soon. Returns false if it is scheduled already, or disabled.
    ///
    /// # Context
    ///
    /// Any. The device may be gone.
    #[inline]
    pub fn napi_schedule(&self) -> bool {
        let napi = self.header().napi.get();

        // SAFETY: The memory is there as long as the handle. NAPI can be scheduled only while it is
        // enabled: it is not so when it was added, and not any more when it is deleted.
        if !unsafe { bindings::napi_schedule_prep(napi) } {
            return false;
        }
        // SAFETY: As above, and it was prepared.
        unsafe { bindings::__napi_schedule(napi) };
        true
    }
}
