// SPDX-License-Identifier: GPL-2.0

//! Keeping others from a device while it is reset, or its rings are found or deleted.
//!
//! A reset comes at any time: a recovery does not ask who reads the configuration. Some transports
//! can do one thing at a time only, and what is read during a reset means nothing. So there are
//! gates, one before the [`DeviceHandle`](super::DeviceHandle) of a device, through which a user
//! goes once for all that he does, and one before its configuration space, for each access.
//! [`DeviceState::exclude`] shuts both. It does so for a single step, during which no driver is
//! called.
//!
//! The order of the locks: that of the device, that of the rings, the gate of the handle, that of
//! the configuration space.

use super::{
    handle::BoundDevice,
    state::DeviceState, //
};
use crate::{
    prelude::*,
    sync::{
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
        LockClassKey,
        Mutex,
        MutexGuard, //
    },
    time::{
        delay::fsleep,
        Delta,
        Instant,
        Monotonic, //
    }, //
};

/// How long those who are inside are waited for: they can wait themselves, for what a reset brings
/// back, or for an answer that does not come.
const PATIENCE: Delta = Delta::from_millis(1000);

/// How often one looks again.
const PERIOD: Delta = Delta::from_millis(1);

/// A mutex that can be shut.
#[pin_data]
pub(super) struct Gate<T> {
    #[pin]
    lock: Mutex<T>,
    /// Whether who gets the lock is to step back. Without this, many users would not let go of it.
    is_shut: Atomic<bool>,
}

impl<T> Gate<T> {
    pub(super) fn new(
        value: T,
        name: &'static CStr,
        class: Pin<&'static LockClassKey>,
    ) -> impl PinInit<Self> {
        pin_init!(Self {
            lock <- Mutex::new(value, name, class),
            is_shut: Atomic::new(false),
        })
    }

    /// Waits until the gate is open and nobody else inside, and goes in.
    ///
    /// # Context
    ///
    /// Process context; sleeps.
    pub(super) fn enter(&self) -> MutexGuard<'_, T> {
        loop {
            let inside = self.lock.lock();

            if !self.is_shut.load(Relaxed) {
                return inside;
            }
            drop(inside);
            fsleep(PERIOD);
        }
    }

    /// Lets nobody in, and waits for who is inside, but not for longer than `patience`.
    fn shut(&self, patience: Delta) -> Shut<'_, T> {
        let begun = Instant::<Monotonic>::now();

        self.is_shut.store(true, Relaxed);

        let inside = loop {
            let inside = self.lock.try_lock();

            if inside.is_some() || begun.elapsed() >= patience {
                break inside;
            }
            fsleep(PERIOD);
        };

        Shut {
            is_shut: &self.is_shut,
            _inside: inside,
        }
    }
}

/// A gate that is shut.
struct Shut<'a, T> {
    is_shut: &'a Atomic<bool>,
    _inside: Option<MutexGuard<'a, T>>,
}

impl<T> Drop for Shut<'_, T> {
    fn drop(&mut self) {
        // Before the lock is released, so that who waits for it does not step back.
        self.is_shut.store(false, Relaxed);
    }
}

/// Nobody else uses the device.
///
/// But who has used the handle for a second is not waited for any longer: he may wait for the
/// device. If he reads the configuration then, that waits, too.
pub(super) struct Exclusion<'a> {
    // The order of the fields is that in which they are dropped.
    _config: Shut<'a, ()>,
    _handle: Shut<'a, Option<BoundDevice>>,
}

impl DeviceState {
    /// Keeps others from the device until the result is dropped, which must be before a driver is
    /// called: its callbacks, those under the lock of the rings too, may use the handle.
    ///
    /// A queue that is restarted alone needs none of this. Its device goes on meanwhile, and its
    /// driver is called.
    ///
    /// # Context
    ///
    /// Process context; sleeps.
    pub(super) fn exclude<'a>(&'a self, _rings: &'a MutexGuard<'_, ()>) -> Exclusion<'a> {
        let patience = self.patience();
        let handle = self.handle().gate().shut(patience);

        Exclusion {
            _config: self.config_gate().shut(patience),
            _handle: handle,
        }
    }

    fn patience(&self) -> Delta {
        #[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
        // SAFETY: By the type invariant, the device is valid.
        if unsafe { super::fake::is_patient(self.vdev()) } {
            return Delta::from_secs(60);
        }
        PATIENCE
    }
}
