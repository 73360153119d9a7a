// SPDX-License-Identifier: GPL-2.0

//! The lock under which network devices are configured.
//!
//! C header: [`include/linux/rtnetlink.h`](srctree/include/linux/rtnetlink.h)

use crate::types::NotThreadSafe;
use core::ops::Deref;

/// Proof that the current thread holds RTNL.
///
/// Functions that C calls under RTNL get one, and functions that need RTNL ask for one.
///
/// # Invariants
///
/// The current thread holds RTNL for as long as there is a reference to this.
pub struct Rtnl(NotThreadSafe);

impl Rtnl {
    /// Waits until the lock is free, and takes it.
    ///
    /// # Context
    ///
    /// Process context. May sleep. Waits for ever if the thread has the lock already, as functions
    /// have to which an [`Rtnl`] was passed.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::net::netdev::Rtnl;
    ///
    /// fn needs_the_lock(_rtnl: &Rtnl) {}
    ///
    /// let guard = Rtnl::lock();
    ///
    /// needs_the_lock(&guard);
    /// ```
    pub fn lock() -> RtnlGuard {
        // SAFETY: Any thread may take the lock.
        unsafe { bindings::rtnl_lock() };
        // INVARIANT: The lock was taken, and is held until the guard is dropped.
        RtnlGuard(Self(NotThreadSafe))
    }

    /// # Safety
    ///
    /// The current thread must hold RTNL until it has returned from the function that calls this.
    pub(in crate::net) unsafe fn assume_held<'a>() -> &'a Self {
        // INVARIANT: By the requirement of this function.
        &Self(NotThreadSafe)
    }
}

/// RTNL, held until this is dropped.
///
/// # Invariants
///
/// The current thread has taken RTNL with [`Rtnl::lock`].
#[must_use = "the lock is released at once when the guard is not used"]
pub struct RtnlGuard(Rtnl);

impl Deref for RtnlGuard {
    type Target = Rtnl;

    fn deref(&self) -> &Rtnl {
        &self.0
    }
}

impl Drop for RtnlGuard {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, this thread has taken the lock.
        unsafe { bindings::rtnl_unlock() };
    }
}
