// SPDX-License-Identifier: GPL-2.0

//! A device that may be gone, for those that run whenever they want to.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)

use super::{
    private::{
        header_of,
        Header,
        Marker, //
    },
    Device,
    Operations,
    Rtnl, //
};
use crate::{
    irq,
    prelude::*,
    sync::rcu, //
};
use core::{
    marker::PhantomData,
    ops::Deref,
    ptr::NonNull, //
};

/// A reference to the memory of a device, but not to the device as it is registered.
///
/// This is what interrupt handlers and works have. They are not called by the network stack, so
/// for them the device can go away at any time. Whatever they do to it they do through
/// [`access`](Self::access), which must not sleep, or [`with_rtnl`](Self::with_rtnl), which may.
/// Both tell when the device is gone; neither keeps it from going for longer than the call.
///
/// `'bound` is the time for which the driver of the parent is bound.
///
/// # Works that take RTNL
///
/// A function that is called under RTNL must not wait for a work that takes RTNL, for example by
/// cancelling it: each would wait for the other. There is no need to:
/// [`with_rtnl`](Self::with_rtnl) does nothing after the device was unregistered, and inside of it
/// [`is_running`](Device::is_running) says whether the device was closed meanwhile. Such a work is
/// cancelled, if at all, when its owner is dropped.
///
/// # Invariants
///
/// `dev` is a device with a `Private<T>` whose header is initialized, and one of its references
/// belongs to this.
pub struct Handle<'bound, T: Operations> {
    dev: NonNull<bindings::net_device>,
    _p: Marker<'bound, T>,
}

// SAFETY: All that can be done with a handle is synchronized, by RCU, RTNL and NAPI; the data of
// the driver that it leads to is `Send` and `Sync`.
unsafe impl<T: Operations> Send for Handle<'_, T> {}

// SAFETY: As above.
unsafe impl<T: Operations> Sync for Handle<'_, T> {}

// SAFETY: The reference keeps the memory of the device in its place, which has the name. That ends
// with a NUL, but for a moment while a new name is made that is too long; what follows in the same
// structure has zero bytes.
unsafe impl<T: Operations> irq::Named for Handle<'_, T> {
    fn name(&self) -> *const c_char {
        // SAFETY: By the type invariant, the device is there.
        unsafe { (&raw const (*self.dev.as_ptr()).name).cast() }
    }
}

impl<'bound, T: Operations> Handle<'bound, T> {
    /// # Safety
    ///
    /// The invariants of [`Handle`] must hold for `dev`.
    pub(super) unsafe fn from_raw(dev: NonNull<bindings::net_device>) -> Self {
        // INVARIANT: By the requirement of this function.
        Self {
            dev,
            _p: PhantomData,
        }
    }

    pub(super) fn as_raw(&self) -> NonNull<bindings::net_device> {
        self.dev
    }

    #[cfg(CONFIG_RUST_NETDEV_KUNIT_TEST)]
    pub(in crate::net) fn as_raw_for_tests(&self) -> *mut bindings::net_device {
        self.dev.as_ptr()
    }

    #[inline]
    pub(in crate::net) fn header(&self) -> &Header {
        // SAFETY: By the type invariant, it is initialized, and stays as long as `self`.
        unsafe { header_of(self.dev).as_ref() }
    }

    /// Gives access to the device if it is registered.
    ///
    /// It stays registered until the returned value is dropped, which is soon: it is an RCU
    /// critical section, so nothing in between may sleep.
    ///
    /// # Context
    ///
    /// Any.
    #[inline]
    pub fn access(&self) -> Option<Access<'_, 'bound, T>> {
        let guard = rcu::read_lock();

        if !self.header().is_registered() {
            return None;
        }
        // INVARIANT: The device is registered, and unregistering it begins with waiting for the
        // end of the critical section that has begun above.
        Some(Access {
            // SAFETY: As above.
            dev: unsafe { Device::from_raw(self.dev.as_ptr()) },
            _guard: guard,
        })
    }

    /// Takes RTNL, and calls `f` if the device is registered, which it then stays until `f` has
    /// returned.
    ///
    /// # Context
    ///
    /// Process context, without RTNL. May sleep.
    pub fn with_rtnl<R>(&self, f: impl FnOnce(&Device<'bound, T>, &Rtnl) -> R) -> Option<R> {
        let rtnl = Rtnl::lock();

        if !self.header().is_registered() {
            return None;
        }
        // SAFETY: The device is registered, and unregistering it begins with taking RTNL.
        let dev = unsafe { Device::from_raw(self.dev.as_ptr()) };

        Some(f(dev, &rtnl))
    }
}

impl<T: Operations> Clone for Handle<'_, T> {
    fn clone(&self) -> Self {
        self.header().handles().inc();
        // INVARIANT: The reference was taken above.
        Self {
            dev: self.dev,
            _p: PhantomData,
        }
    }
}

impl<T: Operations> Drop for Handle<'_, T> {
    /// The last handle frees the memory of the device, which may sleep.
    fn drop(&mut self) {
        if !self.header().handles().dec_and_test() {
            return;
        }
        // SAFETY: This was the last reference. The data of the driver was dropped before: whoever
        // took the device down had a reference.
        unsafe { free(self.dev) };
    }
}

/// Frees a device.
///
/// # Safety
///
/// The header of `dev` must be initialized, and `dev` must not be registered or used after this.
unsafe fn free(dev: NonNull<bindings::net_device>) {
    // The header needs no dropping.
    //
    // SAFETY: By the requirement of this function.
    unsafe { bindings::free_netdev(dev.as_ptr()) };
}

/// A device that stays registered as long as this exists.
///
/// # Invariants
///
/// `dev` is registered until `_guard` is dropped.
#[must_use = "the device may be gone when this is dropped"]
pub struct Access<'a, 'bound, T: Operations> {
    dev: &'a Device<'bound, T>,
    _guard: rcu::Guard,
}

impl<'bound, T: Operations> Deref for Access<'_, 'bound, T> {
    type Target = Device<'bound, T>;

    #[inline]
    fn deref(&self) -> &Device<'bound, T> {
        self.dev
    }
}
