// SPDX-License-Identifier: GPL-2.0

//! The cure: a device is taken down and brought up again, or given up.

use super::{
    super::{
        device_lock::DeviceLock,
        no_io::NoIo,
        state::DeviceState,
        work::Work, //
    },
    budget::{
        CURES_PERIOD,
        MAX_CURES, //
    },
    state_of,
    Evidence,
    Patience,
    Recovery,
    WATCH_PERIOD, //
};
use crate::{
    bindings,
    container_of,
    prelude::*,
    time::{
        delay::fsleep,
        Delta,
        Instant,
        Monotonic, //
    }, //
};

/// How often a cure tries to bring the device up ...
const MAX_ATTEMPTS: u32 = 3;

/// ... and the pause in between, in milliseconds.
const ATTEMPT_PAUSE: i64 = 500;

/// After how many milliseconds the cure tries again to take a lock that somebody else holds.
const LOCK_PERIOD: u32 = 10;

impl DeviceState {
    /// Takes the device down and brings it up again, because of evidence.
    ///
    /// # Safety
    ///
    /// The lock of the device must be held.
    unsafe fn cure(&self, evidence: Evidence) {
        let begun = Instant::<Monotonic>::now();
        // The driver may be needed to write back memory.
        let _no_io = NoIo::new();
        let _calling = self.calling(Patience::Some);

        dev_warn!(self.device(), "starting over, as {}\n", evidence);
        if !self.recovery().begin() {
            dev_err!(
                self.device(),
                "given up: {} recoveries within {} s were not enough\n",
                MAX_CURES,
                CURES_PERIOD
            );
            // SAFETY: By the requirement of this function.
            return unsafe { self.give_up() };
        }

        // SAFETY: The driver is bound, and the lock of the device is held.
        unsafe { (self.ops().recovery_prepare)(self.vdev()) };

        // SAFETY: By the requirement of this function.
        let result = unsafe { self.restart() }.and_then(|came_back| {
            // SAFETY: As above.
            unsafe { (self.ops().recovery_done)(self.vdev()) }?;
            Ok(came_back)
        });

        match result {
            Ok(came_back) => {
                self.recovery().record.lock().cures += 1;
                dev_notice!(
                    self.device(),
                    "works again after {} ms, with {} buffers to be used again\n",
                    begun.elapsed().as_millis(),
                    came_back
                );
                self.config_work().restart();
            }
            Err(err) => {
                dev_err!(
                    self.device(),
                    "given up: it does not come back: {:?}\n",
                    err
                );
                // SAFETY: By the requirement of this function.
                unsafe { self.give_up() };
            }
        }
    }

    /// Resets the device and brings it up again. Returns the number of buffers that came back.
    ///
    /// # Safety
    ///
    /// The lock of the device must be held.
    unsafe fn restart(&self) -> Result<usize> {
        let mut came_back = 0;
        let mut attempt = 1;

        loop {
            // SAFETY: The lock of the device is held.
            came_back += unsafe { self.teardown() };
            if self.is_gone() {
                return Err(ENODEV);
            }

            // SAFETY: As above. The device was reset just above, and has no rings.
            let result = unsafe { self.bring_up() };

            if result.is_ok() {
                return Ok(came_back);
            }
            if attempt == MAX_ATTEMPTS {
                return result.map(|()| came_back);
            }
            attempt += 1;
            fsleep(Delta::from_millis(ATTEMPT_PAUSE));
        }
    }

    /// Ends all that has to do with the device, which is not to be used any more.
    ///
    /// # Safety
    ///
    /// The lock of the device must be held.
    pub(in super::super) unsafe fn give_up(&self) {
        self.recovery().set_dead();
        self.fail_in_flight();
        self.set_failed();
        // SAFETY: The driver is bound, and the lock of the device is held.
        unsafe { (self.ops().recovery_failed)(self.vdev()) };
    }

    /// Tells the driver what came while the device slept, and gives up a device that should have
    /// resumed, and has not.
    ///
    /// # Safety
    ///
    /// The lock of the device must be held.
    pub(in super::super) unsafe fn end_of_suspend(&self) {
        self.config_work().restart();
        if self.has_rings() || self.queues().is_empty() || self.recovery().is_dead() {
            return;
        }

        // As in a cure.
        let _no_io = NoIo::new();

        dev_err!(self.device(), "given up: it has not resumed\n");
        // SAFETY: By the requirement of this function.
        unsafe { self.give_up() };
    }
}

/// # Safety
///
/// `work` must be the `cure` of a [`Recovery`] in a [`DeviceState`], whose driver is bound.
#[inline(never)]
pub(super) unsafe extern "C" fn run_cure(work: *mut bindings::work_struct) {
    // SAFETY: By the requirement of this function.
    let work = unsafe { Work::from_raw(work) };
    // SAFETY: As above.
    let this = unsafe { container_of!(core::ptr::from_ref(work), Recovery, cure) };
    // SAFETY: As above.
    let state = unsafe { state_of(this) };

    // SAFETY: The device of a state is valid.
    let Some(_lock) = (unsafe { DeviceLock::try_new(state.vdev()) }) else {
        // If it is a callback of the driver, there is the watch, and another start in the end.
        let (callback, evidence) = state.recovery().pending();

        if callback.is_none() && evidence.is_some() {
            state.recovery().cure.start_in(LOCK_PERIOD);
        }
        return;
    };

    let evidence = state.recovery().pending().1;

    if let Some((evidence, _)) = evidence {
        // It could not be told from one that is gone.
        if state.sleeps() {
            state.recovery().cure.start_in(WATCH_PERIOD);
        } else if state.has_rings() && !state.recovery().is_dead() {
            // SAFETY: The lock of the device is held.
            unsafe { state.cure(evidence) };
        }
    }
}
