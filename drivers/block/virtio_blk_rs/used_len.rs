// SPDX-License-Identifier: GPL-2.0

//! Used lengths: whether what a device says about how much it has written can be believed.
//!
//! A device tells with each request that it has used how many bytes it has written (virtio
//! specification, 2.6.8). A read that comes back with fewer than its data was not filled, although
//! its status says so. But C's driver never looks, so devices have been shipped that always tell 0,
//! or 1, or leave out the status byte. Those must work as well.

use super::parameters::CheckUsedLen;
use kernel::{
    device::{
        Bound,
        Device, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    virtio, //
};

/// The device has not used a read so far.
const UNKNOWN: u32 = 0;

/// The device tells lengths: a read with a short one has failed.
const TOLD: u32 = 1;

/// Lengths say nothing.
const IGNORED: u32 = 2;

/// What the queues of a device have in common.
pub(crate) struct DeviceUsedLen {
    state: Atomic<u32>,
    /// Whether the device has to show what it does.
    learns: bool,
    dev: ARef<Device>,
}

impl DeviceUsedLen {
    /// What is known of a device that was just found.
    pub(crate) fn new(dev: &virtio::Device<Bound>, check: CheckUsedLen) -> Result<Arc<Self>> {
        let state = match check {
            // Legacy devices are known not to get it right (2.6.8.1).
            _ if dev.is_legacy() => IGNORED,
            CheckUsedLen::Auto => UNKNOWN,
            CheckUsedLen::Always => TOLD,
            CheckUsedLen::Never => IGNORED,
        };
        let dev: &Device<Bound> = dev.as_ref();

        Ok(Arc::new(
            Self {
                state: Atomic::new(state),
                learns: state == UNKNOWN,
                dev: dev.into(),
            },
            GFP_KERNEL,
        )?)
    }

    /// Lets the first read since the device was found decide for all queues.
    fn learn(&self, told: u32, data: u32) -> u32 {
        let news = if told < data { IGNORED } else { TOLD };

        match self.state.cmpxchg(UNKNOWN, news, Relaxed) {
            Ok(_) => {
                if news == IGNORED {
                    dev_warn!(
                        self.dev,
                        "tells a used length of {told} for {data} bytes of data: not checked\n"
                    );
                }
                news
            }
            // Another queue was faster.
            Err(known) => known,
        }
    }
}

/// What a queue knows about used lengths: a copy of what its device has shown, so that requests
/// need not look at memory that the queues share.
pub(crate) struct UsedLen {
    state: Atomic<u32>,
    device: Arc<DeviceUsedLen>,
}

impl UsedLen {
    pub(crate) fn new(device: Arc<DeviceUsedLen>) -> Self {
        Self {
            state: Atomic::new(device.state.load(Relaxed)),
            device,
        }
    }

    /// Returns whether a request was not filled that the device has used, of `capacity` bytes for
    /// data and status, with a length of `told`. Only reads must be.
    #[inline(always)]
    pub(crate) fn is_short(
        &self,
        told: u32,
        capacity: u32,
        is_read: impl FnOnce() -> bool,
    ) -> bool {
        // The length may cover the status, which is one byte, or not.
        let data = capacity.saturating_sub(1);

        match self.state.load(Relaxed) {
            TOLD => told < data && is_read(),
            UNKNOWN if is_read() => self.is_first_short(told, data),
            _ => false,
        }
    }

    /// Lets the device show again that it tells lengths, after it was reset: a machine may have
    /// slept under one hypervisor and be woken up by another. No request may be in the queue.
    pub(crate) fn forget(&self) {
        if self.device.learns {
            // A device that was found not to tell them is not worth another warning.
            let _ = self.device.state.cmpxchg(TOLD, UNKNOWN, Relaxed);
            self.state.store(self.device.state.load(Relaxed), Relaxed);
        }
    }

    #[cold]
    fn is_first_short(&self, told: u32, data: u32) -> bool {
        let known = self.device.learn(told, data);

        self.state.store(known, Relaxed);
        known == TOLD && told < data
    }
}
