// SPDX-License-Identifier: GPL-2.0

//! How often a device is recovered before it is given up.

use crate::time::{
    Instant,
    Monotonic, //
};

/// How many cures a device gets ...
pub(in super::super) const MAX_CURES: usize = 5;

/// ... in so many seconds.
pub(in super::super) const CURES_PERIOD: i64 = 60;

/// When the last cures were.
pub(in super::super) struct Budget([Option<Instant<Monotonic>>; MAX_CURES]);

impl Budget {
    pub(in super::super) fn new() -> Self {
        Self([None; MAX_CURES])
    }

    /// Notes a cure that begins, and returns true; unless there were too many lately.
    pub(in super::super) fn spend(&mut self, now: Instant<Monotonic>) -> bool {
        let is_recent = |at: &Instant<Monotonic>| (now - *at).as_millis() < CURES_PERIOD * 1000;

        if self.0.iter().all(|at| at.as_ref().is_some_and(is_recent)) {
            return false;
        }
        self.0.rotate_right(1);
        self.0[0] = Some(now);
        true
    }
}
