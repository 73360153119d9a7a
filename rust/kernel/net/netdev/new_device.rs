// SPDX-License-Identifier: GPL-2.0

//! A network device that is being made.
//!
//! C headers:
//! [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h),
//! [`include/linux/etherdevice.h`](srctree/include/linux/etherdevice.h)

use super::{
    private::{
        Life,
        Private, //
    },
    registration::Owner,
    vtable::NetDeviceOpsVTable,
    Address,
    Features,
    Handle,
    Operations,
    PrivFlags,
    Registration, //
};
use crate::{
    device::{
        self,
        scope::Scope,
        Bound, //
    },
    net::ethtool,
    prelude::*,
    time::Msecs, //
};
use core::ptr::NonNull;

/// A network device that is not registered yet.
///
/// It is set up with what the card can do, and then [registered](Self::register).
pub struct NewDevice<'bound, T: Operations> {
    owner: Owner<'bound, T>,
}

impl<'bound, T: Operations> NewDevice<'bound, T> {
    /// Makes an Ethernet device with one queue each way, and the data of its driver.
    ///
    /// `parent` is the device that it is a function of. `data` gets a handle to the new device,
    /// which it can keep in the data; it gives access once the device is registered.
    ///
    /// # Context
    ///
    /// Process context. May sleep.
    ///
    /// # Errors
    ///
    /// - [`ENOMEM`] if there is no memory.
    /// - What the initializer of the data has returned.
    pub fn new<I, E>(
        parent: &'bound device::Device<Bound>,
        data: impl FnOnce(Handle<'bound, T>) -> I,
    ) -> Result<Self>
    where
        I: PinInit<T::Data<'bound>, E>,
        Error: From<E>,
    {
        let size = c_int::try_from(Private::<T>::SIZE)?;
        // SAFETY: Any size and any number of queues can be asked for.
        let dev = unsafe { bindings::alloc_etherdev_mqs(size, 1, 1) };
        let dev = NonNull::new(dev).ok_or(ENOMEM)?;

        // SAFETY: The device is new, and has the room.
        unsafe { Private::<T>::init_header(dev) };
        // INVARIANT: The header is initialized, and its one reference belongs to this.
        //
        // SAFETY: As above.
        let handle = unsafe { Handle::<'bound, T>::from_raw(dev) };

        // SAFETY: The device is new, so nobody else uses it.
        unsafe { (*dev.as_ptr()).dev.parent = parent.as_raw() };
        // SAFETY: As above.
        unsafe { (*dev.as_ptr()).netdev_ops = NetDeviceOpsVTable::<T>::build() };
        // SAFETY: The device is new, and the header stays as long as it.
        unsafe {
            bindings::netif_napi_add(
                dev.as_ptr(),
                handle.header().napi.get(),
                Some(NetDeviceOpsVTable::<T>::poll_callback),
            )
        };

        // SAFETY: There is a `Private<T>`.
        let slot = unsafe { Private::<T>::data_of(dev) };
        // SAFETY: `slot` is valid for writes. On an error it is not used. Otherwise the data stays
        // where it is until the device is taken down.
        let result = unsafe { pin_init::raw_try_init(slot, data(handle.clone())) };

        if let Err(error) = result {
            // SAFETY: NAPI was added above, and is not used.
            unsafe { bindings::netif_napi_del(handle.header().napi.get()) };
            // SAFETY: The device is not registered, and never will be.
            unsafe { handle.header().set_life(Life::Down) };
            return Err(error.into());
        }

        // SAFETY: NAPI was added, the data is initialized, and the parent is bound for `'bound`.
        let owner = unsafe { Owner::new(handle) };

        Ok(Self { owner })
    }

    fn as_raw(&self) -> *mut bindings::net_device {
        self.owner.handle().as_raw().as_ptr()
    }

    /// The data of the driver.
    pub fn data(&self) -> &T::Data<'bound> {
        // SAFETY: There is a `Private<T>`.
        let data: *mut T::Data<'bound> =
            unsafe { Private::<T>::data_of(self.owner.handle().as_raw()) };

        // SAFETY: It is initialized, and stays until the device is taken down.
        unsafe { &*data }
    }

    /// A handle to the device.
    pub fn handle(&self) -> &Handle<'bound, T> {
        self.owner.handle()
    }

    /// Sets the address. It can be one that no device can have, such as zero; then the device
    /// cannot be brought up until the user has set another one.
    pub fn set_address(&mut self, address: &Address) {
        // SAFETY: The device is not registered, so nobody else looks at the address.
        unsafe { bindings::eth_hw_addr_set(self.as_raw(), address.as_ptr()) };
    }

    /// Sets the features that are switched on to begin with, but for those that the driver lacks
    /// the operations for.
    pub fn set_features(&mut self, features: Features) {
        let features = features & Features::possible::<T>();

        // SAFETY: The device is not registered, so nobody else looks at them.
        unsafe { (*self.as_raw()).features = features.as_raw() };
    }

    /// Sets the features that the user can switch, but for those that the driver lacks the
    /// operations for.
    pub fn set_hw_features(&mut self, features: Features) {
        let features = features & Features::possible::<T>();

        // SAFETY: The device is not registered, so nobody else looks at them.
        unsafe { (*self.as_raw()).hw_features = features.as_raw() };
    }

    /// Sets the features that VLANs on top of the device have as well.
    pub fn set_vlan_features(&mut self, features: Features) {
        // SAFETY: The device is not registered, so nobody else looks at them.
        unsafe { (*self.as_raw()).vlan_features = features.as_raw() };
    }

    /// Adds properties to those that every Ethernet device has.
    pub fn add_priv_flags(&mut self, flags: PrivFlags) {
        // SAFETY: The device is not registered, so nobody else looks at them.
        unsafe { bindings::netdev_add_priv_flags(self.as_raw(), flags.as_raw()) };
    }

    /// Sets what the user can set the [MTU](super::Device::mtu) to.
    pub fn set_mtu_range(&mut self, min: u32, max: u32) {
        // SAFETY: The device is not registered, so nobody else looks at it.
        unsafe { (*self.as_raw()).min_mtu = min };
        // SAFETY: As above.
        unsafe { (*self.as_raw()).max_mtu = max };
    }

    /// Sets how many segments a packet can have that the card has to cut. Without this it is as
    /// many as there can be.
    pub fn set_tso_max_segs(&mut self, segments: u16) {
        // SAFETY: The device is not registered, so nobody else looks at it.
        unsafe { bindings::netif_set_tso_max_segs(self.as_raw(), segments.into()) };
    }

    /// Sets how long the queue can be stopped before [`Operations::tx_timeout`] is called.
    pub fn set_watchdog_timeout(&mut self, timeout: Msecs) {
        let timeout = crate::time::msecs_to_jiffies(timeout);

        // A time that is too long is as good as for ever.
        //
        // SAFETY: The device is not registered, so nobody else looks at it.
        unsafe { (*self.as_raw()).watchdog_timeo = c_int::try_from(timeout).unwrap_or(c_int::MAX) };
    }

    /// Says that there is no link.
    pub fn carrier_off(&mut self) {
        // SAFETY: The device is valid.
        unsafe { bindings::netif_carrier_off(self.as_raw()) };
    }

    /// Registers the device as `eth` and a number.
    ///
    /// It is unregistered when the [`Registration`] is dropped, or else when `scope` is closed.
    ///
    /// # Context
    ///
    /// Process context, without RTNL. May sleep. [`Operations::open`] may be called before this
    /// returns.
    ///
    /// # Errors
    ///
    /// - [`ENODEV`] if the driver of the parent is about to leave it.
    /// - [`ENOMEM`] if there is no memory.
    /// - What C has returned.
    pub fn register(self, scope: &'bound Scope<'bound>) -> Result<Registration<'bound, T>> {
        Registration::new(self.owner, scope)
    }
}

impl<T: ethtool::Operations> NewDevice<'_, T> {
    /// Lets `ethtool` reach the driver.
    pub fn set_ethtool_ops(&mut self) {
        // SAFETY: The device is not registered, so nobody else looks at it.
        unsafe { (*self.as_raw()).ethtool_ops = ethtool::EthtoolOpsVTable::<T>::build() };
    }
}
