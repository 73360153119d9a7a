// SPDX-License-Identifier: GPL-2.0

//! Allocations that do no I/O.

use crate::{
    prelude::*,
    types::NotThreadSafe, //
};

/// While it exists, allocations of this thread start no I/O (C: `memalloc_noio_save`).
///
/// The disk that they would write to can be the one that waits for this thread.
pub(super) struct NoIo {
    flags: c_uint,
    _thread: NotThreadSafe,
}

impl NoIo {
    pub(super) fn new() -> Self {
        Self {
            // SAFETY: Dropping this restores the flags.
            flags: unsafe { bindings::memalloc_noio_save() },
            _thread: NotThreadSafe,
        }
    }
}

impl Drop for NoIo {
    fn drop(&mut self) {
        // SAFETY: The flags come from `memalloc_noio_save` on this thread.
        unsafe { bindings::memalloc_noio_restore(self.flags) };
    }
}
