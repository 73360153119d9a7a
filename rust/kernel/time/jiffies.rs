// SPDX-License-Identifier: GPL-2.0

//! The time in ticks of the timer interrupt, which is what it costs least to read.
//!
//! C header: [`include/linux/jiffies.h`](srctree/include/linux/jiffies.h)

use super::Jiffies;
use crate::bindings;

/// Returns the current time (C: `jiffies`). It starts over when it overflows.
#[inline]
pub fn now() -> Jiffies {
    // SAFETY: The variable can be read at any time; it has a size that is read at once.
    unsafe { core::ptr::read_volatile(&raw const bindings::jiffies) }
}

/// Whether `a` is later than `b` (C: `time_after`), if the two are less than half of what can be
/// counted apart.
///
/// # Examples
///
/// ```
/// use kernel::time::{
///     jiffies,
///     Jiffies, //
/// };
///
/// assert!(jiffies::is_after(5, 3));
/// assert!(!jiffies::is_after(3, 3));
/// assert!(jiffies::is_after(1, Jiffies::MAX));
///
/// let deadline = jiffies::now().wrapping_add(1000);
///
/// assert!(!jiffies::is_after(jiffies::now(), deadline));
/// ```
#[inline]
pub fn is_after(a: Jiffies, b: Jiffies) -> bool {
    let ahead = a.wrapping_sub(b);

    ahead != 0 && ahead <= Jiffies::MAX / 2
}
