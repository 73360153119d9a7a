// SPDX-License-Identifier: GPL-2.0

//! Cases that have nothing to work with.

use crate::{
    bindings,
    prelude::*, //
};

/// Says that the current case has nothing to work with.
///
/// To be called by a case on its own thread.
#[cfg_attr(not(CONFIG_PCI), expect(dead_code))]
pub(crate) fn skip(reason: &CStr) {
    // SAFETY: Safe to call anywhere.
    let test = unsafe { bindings::kunit_get_current_test() };

    if test.is_null() {
        return;
    }
    // SAFETY: `test` is the current test: cases call this on their own thread.
    let comment = unsafe { &mut (*test).status_comment };

    for (to, from) in comment.iter_mut().zip(reason.to_bytes_with_nul()) {
        *to = *from;
    }
    // SAFETY: As above.
    unsafe { (*test).status = bindings::kunit_status_KUNIT_SKIPPED };
}
