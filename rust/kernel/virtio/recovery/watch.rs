// SPDX-License-Identifier: GPL-2.0

//! The watch: what a device has is ended while a callback of the driver may wait for it.

use super::{
    super::{
        state::DeviceState,
        work::Work, //
    },
    state_of,
    Evidence,
    Recovery,
    WATCH_PERIOD, //
};
use crate::{
    bindings,
    container_of,
    prelude::*, //
};

impl DeviceState {
    /// Ends what the device has if there is evidence, without the lock of the device. Returns
    /// whether to look again.
    fn watch(&self) -> Option<u32> {
        self.recovery().pending().0?;
        if is_going_down() {
            self.accuse(Evidence::Shutdown);
        }
        self.look();

        let (patience, evidence) = self.recovery().pending();
        let patience = patience?.millis();
        let Some((evidence, since)) = evidence else {
            return Some(WATCH_PERIOD);
        };
        let waited = u32::try_from(since.elapsed().as_millis()).unwrap_or(u32::MAX);

        if waited < patience {
            return Some(patience - waited);
        }
        if self.fail_in_flight() {
            dev_warn!(self.device(), "ended what was in flight, as {}\n", evidence);
        }
        // The same callback can bring the device up again, and wait for it.
        Some(WATCH_PERIOD)
    }
}

/// Whether the system is being halted or restarted.
fn is_going_down() -> bool {
    // SAFETY: The variable exists. It changes at any time, and is read once.
    let state = unsafe { (&raw const bindings::system_state).read_volatile() };

    (bindings::system_states_SYSTEM_HALT..=bindings::system_states_SYSTEM_RESTART).contains(&state)
}

/// # Safety
///
/// `work` must be the `watch` of a [`Recovery`] in a [`DeviceState`], whose driver is bound.
#[inline(never)]
pub(super) unsafe extern "C" fn run_watch(work: *mut bindings::work_struct) {
    // SAFETY: By the requirement of this function.
    let work = unsafe { Work::from_raw(work) };
    // SAFETY: As above.
    let this = unsafe { container_of!(core::ptr::from_ref(work), Recovery, watch) };
    // SAFETY: As above.
    let state = unsafe { state_of(this) };

    if let Some(ms) = state.watch() {
        state.recovery().watch.start_within(ms);
    }
}
