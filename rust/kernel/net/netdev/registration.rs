// SPDX-License-Identifier: GPL-2.0

//! A network device as its driver has registered it, and how it goes down.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)

use super::{
    private::{
        Life,
        Private, //
    },
    Handle,
    Operations,
    Rtnl, //
};
use crate::{
    device::scope::{
        Resource,
        Scope,
        Scoped, //
    },
    error::to_result,
    prelude::*,
    sync::rcu, //
};

/// Whoever takes a device down.
///
/// # Invariants
///
/// - There is one for a device, and nobody else takes it down.
/// - Unless the device is down, NAPI was added to it, and its data is initialized for `'bound`.
/// - The parent of the device is bound for `'bound`.
pub(super) struct Owner<'bound, T: Operations> {
    handle: Handle<'bound, T>,
}

impl<'bound, T: Operations> Owner<'bound, T> {
    /// # Safety
    ///
    /// The invariants of [`Owner`] must hold for the device of `handle`.
    pub(super) unsafe fn new(handle: Handle<'bound, T>) -> Self {
        // INVARIANT: By the requirement of this function.
        Self { handle }
    }

    pub(super) fn handle(&self) -> &Handle<'bound, T> {
        &self.handle
    }

    fn as_raw(&self) -> *mut bindings::net_device {
        self.handle.as_raw().as_ptr()
    }

    /// Ends what is left when the device is not registered: NAPI, then the data of the driver.
    ///
    /// # Safety
    ///
    /// The device must not be registered, and its NAPI and its data must be there, and not be used
    /// after this.
    unsafe fn end(&self) {
        // NAPI is disabled: `ndo_stop` has seen to it, or the device was never up.
        //
        // SAFETY: By the requirement of this function.
        unsafe { bindings::netif_napi_del(self.handle.header().napi.get()) };

        // SAFETY: The device has a `Private<T>`.
        let data: *mut T::Data<'bound> = unsafe { Private::<T>::data_of(self.handle.as_raw()) };

        // SAFETY: By the requirement of this function. It is dropped where it is.
        unsafe { data.drop_in_place() };
    }
}

impl<T: Operations> Resource for Owner<'_, T> {
    fn start(&self) -> Result {
        let _rtnl = Rtnl::lock();

        // SAFETY: The device is complete, and was not registered before. RTNL is held.
        to_result(unsafe { bindings::register_netdevice(self.as_raw()) })?;
        // SAFETY: It is registered now, and RTNL is held.
        unsafe { self.handle.header().set_life(Life::Registered) };
        Ok(())
    }

    fn stop(&self) {
        {
            let _rtnl = Rtnl::lock();

            // SAFETY: RTNL is held, and the device is unregistered below.
            unsafe { self.handle.header().set_life(Life::Down) };
        }
        // Those who have seen the device registered are done with it after this.
        rcu::synchronize_rcu();
        // SAFETY: It was registered in `start`, and this is called once.
        unsafe { bindings::unregister_netdev(self.as_raw()) };
        // `ethtool` that lets the card blink gives up its reference under RTNL, and then calls the
        // driver for a last time.
        drop(Rtnl::lock());
        // SAFETY: It is not registered any more. By the type invariant, nobody else does this;
        // `drop` does not, since the device is down.
        unsafe { self.end() };
    }
}

impl<T: Operations> Drop for Owner<'_, T> {
    fn drop(&mut self) {
        if self.handle.header().is_down() {
            return;
        }
        // SAFETY: It was never registered: if it was, it is down, as a resource that has started
        // is stopped before it is dropped.
        unsafe { self.handle.header().set_life(Life::Down) };
        // SAFETY: As above; by the type invariant there are NAPI and the data.
        unsafe { self.end() };
    }
}

/// A network device that is registered, as its driver has it.
///
/// The device goes down when this is dropped, or else when the driver of its parent leaves it.
/// Always in this order:
///
/// 1. [`Handle`]s do not give access any more, and those who had it are waited for,
/// 2. the device is unregistered, which calls [`Operations::stop`] if it is up,
/// 3. NAPI is deleted,
/// 4. the data of the driver is dropped,
/// 5. the memory is freed, when the last [`Handle`] is gone.
///
/// # Context
///
/// To be dropped in process context, without RTNL, and not in a function of [`Operations`].
pub struct Registration<'bound, T: Operations>(Scoped<'bound, Owner<'bound, T>>);

impl<'bound, T: Operations> Registration<'bound, T> {
    pub(super) fn new(owner: Owner<'bound, T>, scope: &'bound Scope<'bound>) -> Result<Self> {
        scope.attach(Ok::<_, Error>(owner)).map(Self)
    }

    /// A handle to the device.
    pub fn handle(&self) -> &Handle<'bound, T> {
        self.0.handle()
    }
}
