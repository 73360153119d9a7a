// SPDX-License-Identifier: GPL-2.0

//! A network device, while it is registered.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)

use super::{
    private::{
        header_of,
        Header,
        Marker,
        Private, //
    },
    Features,
    Handle,
    Operations,
    Rtnl, //
};
use crate::{
    device::{
        self,
        Bound, //
    },
    fmt,
    prelude::*,
    types::Opaque, //
};
use core::{
    ops::Deref,
    ptr::NonNull, //
};

/// The length of an Ethernet address.
pub const ETH_ALEN: usize = bindings::ETH_ALEN as usize;

/// The address of a device on an Ethernet.
pub type Address = [u8; ETH_ALEN];

/// The room for a name, with its end.
const IFNAMSIZ: usize = bindings::IFNAMSIZ as usize;

/// The name that a device had.
///
/// # Invariants
///
/// The last byte is zero.
#[derive(Clone, Copy)]
pub struct Name([u8; IFNAMSIZ]);

impl Deref for Name {
    type Target = CStr;

    fn deref(&self) -> &CStr {
        // By the type invariant, there is an end.
        CStr::from_bytes_until_nul(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

/// Whether a device can have this address: it is not that of a group, and not zero.
///
/// Equivalent to C's `is_valid_ether_addr()`.
///
/// # Examples
///
/// ```
/// use kernel::net::netdev::is_valid_address;
///
/// assert!(is_valid_address(&[0x52, 0x54, 0, 0x12, 0x34, 0x56]));
/// assert!(!is_valid_address(&[0; 6]));
/// assert!(!is_valid_address(&[1, 0, 0x5e, 0, 0, 1]));
/// ```
pub fn is_valid_address(address: &Address) -> bool {
    address[0] & 1 == 0 && address.iter().any(|byte| *byte != 0)
}

/// A network device that is registered.
///
/// Equivalent to C's `struct net_device`. There is no way to keep one: functions that the network
/// stack calls get a reference, and so does, through a [`Handle`], who can prove that the device
/// stays.
///
/// `'bound` is the time for which the driver of the parent is bound; the data of the driver can
/// borrow for so long.
///
/// # Invariants
///
/// - The inner `net_device` has a `Private<T>` with data for `'bound`, and the operations of `T`.
/// - It is registered, or in a function that registering or unregistering it calls, so `'bound` is
///   not over.
/// - Its parent is a device that is bound for `'bound`.
#[repr(transparent)]
pub struct Device<'bound, T: Operations>(Opaque<bindings::net_device>, Marker<'bound, T>);

// SAFETY: C synchronizes what a reference can do, and the data of the driver is `Sync`.
unsafe impl<T: Operations> Sync for Device<'_, T> {}

impl<'bound, T: Operations> Device<'bound, T> {
    /// # Safety
    ///
    /// The invariants of [`Device`] must hold for `dev` for `'a`.
    #[inline]
    pub(in crate::net) unsafe fn from_raw<'a>(dev: *mut bindings::net_device) -> &'a Self {
        // SAFETY: By the requirement of this function; the type is transparent.
        unsafe { &*dev.cast::<Self>() }
    }

    #[inline]
    pub(in crate::net) fn as_raw(&self) -> *mut bindings::net_device {
        self.0.get()
    }

    #[inline]
    fn as_non_null(&self) -> NonNull<bindings::net_device> {
        NonNull::from(&self.0).cast()
    }

    #[inline]
    pub(in crate::net) fn header(&self) -> &Header {
        // SAFETY: By the type invariant, there is one, which stays as long as the device.
        unsafe { header_of(self.as_non_null()).as_ref() }
    }

    /// The data of the driver.
    #[inline]
    pub fn data(&self) -> &T::Data<'bound> {
        // SAFETY: By the type invariant, there is a `Private<T>`.
        let data: *mut T::Data<'bound> = unsafe { Private::<T>::data_of(self.as_non_null()) };

        // SAFETY: By the type invariant, it is initialized, and stays while the device is there.
        // Nobody has an exclusive reference.
        unsafe { &*data }
    }

    /// The device that this is a function of, with its driver bound.
    #[inline]
    pub fn parent(&self) -> &'bound device::Device<Bound> {
        // SAFETY: By the type invariant, the device is valid. Its parent does not change.
        let parent = unsafe { (*self.as_raw()).dev.parent };

        // SAFETY: By the type invariant.
        unsafe { device::Device::from_raw(parent) }
    }

    /// Returns what can be kept.
    pub fn handle(&self) -> Handle<'bound, T> {
        self.header().handles().inc();
        // SAFETY: By the type invariant; the reference was taken above.
        unsafe { Handle::from_raw(self.as_non_null()) }
    }

    /// The name, such as `eth0`. One that is being changed may come out mixed.
    pub fn name(&self) -> Name {
        let mut name = [0; IFNAMSIZ];
        // SAFETY: By the type invariant, the device is valid.
        let from = unsafe { (&raw const (*self.as_raw()).name).cast::<u8>() };

        // The last byte stays zero.
        for (i, byte) in name[..IFNAMSIZ - 1].iter_mut().enumerate() {
            // SAFETY: There are `IFNAMSIZ` bytes. It may be changed meanwhile.
            *byte = unsafe { from.add(i).read_volatile() };
        }
        Name(name)
    }

    /// The address. One that is being changed may come out mixed.
    pub fn address(&self) -> Address {
        let mut address = [0; ETH_ALEN];
        // SAFETY: By the type invariant, the device is valid.
        let from = unsafe { (&raw const (*self.as_raw()).dev_addr).read_volatile() };

        for (i, byte) in address.iter_mut().enumerate() {
            // SAFETY: A registered device has an address, of `ETH_ALEN` bytes as it is on an
            // Ethernet.
            *byte = unsafe { from.add(i).read_volatile() };
        }
        address
    }

    /// The largest packet in bytes, without the Ethernet header.
    #[inline]
    pub fn mtu(&self) -> u32 {
        // SAFETY: By the type invariant, the device is valid. The word is read at once.
        unsafe { (&raw const (*self.as_raw()).mtu).read_volatile() }
    }

    /// The features that are switched on.
    #[inline]
    pub fn features(&self) -> Features {
        // SAFETY: By the type invariant, the device is valid. The word is read at once.
        Features::from_raw(unsafe { (&raw const (*self.as_raw()).features).read_volatile() })
    }

    /// Lets [`features`](Self::features) return the new features.
    ///
    /// Is for [`Operations::set_features`], of drivers that look at the features while they set
    /// up the card anew. The others need not call it. What the driver has no operations for stays
    /// off.
    pub fn commit_features(&self, rtnl: &Rtnl, features: Features) {
        let allowed = self.features() | Features::possible::<T>();

        self.write_features(rtnl, features & allowed);
    }

    /// Sets the features, which C has had switched on, or allows.
    pub(super) fn write_features(&self, _rtnl: &Rtnl, features: Features) {
        // SAFETY: By the type invariant, the device is valid. Only who holds RTNL writes here.
        unsafe { (&raw mut (*self.as_raw()).features).write_volatile(features.as_raw()) };
    }

    /// Looks again at which features are possible, in C `netdev_update_features()`, and switches
    /// those that changed.
    ///
    /// # Context
    ///
    /// Process context. May sleep. Calls [`Operations::fix_features`] and
    /// [`Operations::set_features`].
    pub fn update_features(&self, _rtnl: &Rtnl) {
        // SAFETY: By the type invariant, the device is registered. RTNL is held.
        unsafe { bindings::netdev_update_features(self.as_raw()) };
    }

    /// Says that there is a link.
    #[inline]
    pub fn carrier_on(&self) {
        // SAFETY: By the type invariant, the device is valid.
        unsafe { bindings::netif_carrier_on(self.as_raw()) };
    }

    /// Says that there is no link.
    #[inline]
    pub fn carrier_off(&self) {
        // SAFETY: By the type invariant, the device is valid.
        unsafe { bindings::netif_carrier_off(self.as_raw()) };
    }

    /// Whether the driver has said that there is a link.
    #[inline]
    pub fn carrier_ok(&self) -> bool {
        // SAFETY: By the type invariant, the device is valid.
        unsafe { bindings::netif_carrier_ok(self.as_raw()) }
    }

    /// Whether the device is up: from before [`Operations::open`] until before
    /// [`Operations::stop`].
    #[inline]
    pub fn is_running(&self) -> bool {
        // SAFETY: By the type invariant, the device is valid.
        unsafe { bindings::netif_running(self.as_raw()) }
    }

    /// Whether the device is not [detached](Self::detach).
    #[inline]
    pub fn is_present(&self) -> bool {
        // SAFETY: By the type invariant, the device is valid.
        unsafe { bindings::netif_device_present(self.as_raw()) }
    }

    /// Says that the card cannot be reached, as it is suspended: the stack leaves the driver
    /// alone.
    pub fn detach(&self) {
        // SAFETY: By the type invariant, the device is valid.
        unsafe { bindings::netif_device_detach(self.as_raw()) };
    }

    /// Says that the card can be reached again.
    pub fn attach(&self) {
        // SAFETY: By the type invariant, the device is valid.
        unsafe { bindings::netif_device_attach(self.as_raw()) };
    }
}
