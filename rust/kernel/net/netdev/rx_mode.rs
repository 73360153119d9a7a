// SPDX-License-Identifier: GPL-2.0

//! Which packets a device has to receive.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)

use super::{
    device::ETH_ALEN,
    Address,
    Device,
    Operations, //
};
use crate::types::NotThreadSafe;
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// The flags and the addresses that say which packets a device has to receive.
///
/// # Invariants
///
/// `dev` is a device whose address lock is held for `'a`.
pub struct RxMode<'a> {
    dev: NonNull<bindings::net_device>,
    _p: PhantomData<&'a ()>,
    _lock: NotThreadSafe,
}

impl<'a> RxMode<'a> {
    /// # Safety
    ///
    /// The invariants of [`RxMode`] must hold for `dev`.
    pub(super) unsafe fn new(dev: *mut bindings::net_device) -> Self {
        // INVARIANT: By the requirement of this function.
        Self {
            // SAFETY: By the requirement of this function, it is not null.
            dev: unsafe { NonNull::new_unchecked(dev) },
            _p: PhantomData,
            _lock: NotThreadSafe,
        }
    }

    fn flags(&self) -> u32 {
        // SAFETY: By the type invariant, the device is valid. The word is read at once.
        unsafe { (&raw const (*self.dev.as_ptr()).flags).read_volatile() }
    }

    /// Whether all packets are wanted.
    pub fn is_promisc(&self) -> bool {
        self.flags() & bindings::net_device_flags_IFF_PROMISC != 0
    }

    /// Whether packets to all groups are wanted.
    pub fn is_allmulti(&self) -> bool {
        self.flags() & bindings::net_device_flags_IFF_ALLMULTI != 0
    }

    /// How many addresses there are on top of that of the device.
    pub fn unicast_count(&self) -> usize {
        self.unicast().count
    }

    /// The addresses on top of that of the device.
    pub fn unicast(&self) -> Addresses<'_> {
        // SAFETY: By the type invariant, the device is valid.
        let list = unsafe { &raw const (*self.dev.as_ptr()).uc };

        // SAFETY: By the type invariant, the lock of the list is held.
        unsafe { Addresses::new(list) }
    }

    /// How many addresses of groups there are.
    pub fn multicast_count(&self) -> usize {
        self.multicast().count
    }

    /// The addresses of groups.
    pub fn multicast(&self) -> Addresses<'_> {
        // SAFETY: By the type invariant, the device is valid.
        let list = unsafe { &raw const (*self.dev.as_ptr()).mc };

        // SAFETY: By the type invariant, the lock of the list is held.
        unsafe { Addresses::new(list) }
    }
}

/// The addresses of a list.
///
/// # Invariants
///
/// `next` is an element of the list that begins at `head`, or `head` itself. The list does not
/// change for `'a`.
pub struct Addresses<'a> {
    head: *const bindings::list_head,
    next: *const bindings::list_head,
    count: usize,
    _p: PhantomData<&'a ()>,
}

impl Addresses<'_> {
    /// # Safety
    ///
    /// `list` must be valid, and not change for the lifetime of the returned value.
    unsafe fn new(list: *const bindings::netdev_hw_addr_list) -> Self {
        // SAFETY: By the requirement of this function.
        let head = unsafe { &raw const (*list).list };
        // SAFETY: As above.
        let next = unsafe { (*head).next };
        // SAFETY: As above.
        let count = unsafe { (*list).count };

        // INVARIANT: By the requirement of this function.
        Self {
            head,
            next,
            count: usize::try_from(count).unwrap_or(0),
            _p: PhantomData,
        }
    }
}

impl<'a> Iterator for Addresses<'a> {
    type Item = &'a Address;

    fn next(&mut self) -> Option<Self::Item> {
        if core::ptr::eq(self.next, self.head) {
            return None;
        }

        let offset = core::mem::offset_of!(bindings::netdev_hw_addr, list);
        // SAFETY: By the type invariant, it is the list element of an address.
        let entry = unsafe { self.next.byte_sub(offset) }.cast::<bindings::netdev_hw_addr>();
        // SAFETY: As above; it has room for the longest address of all.
        let address = unsafe { &raw const (*entry).addr }.cast::<[u8; ETH_ALEN]>();

        // INVARIANT: What follows an element of a list is another one, or its head.
        //
        // SAFETY: By the type invariant.
        self.next = unsafe { (*self.next).next };
        // SAFETY: By the type invariant, the address stays and does not change for `'a`.
        Some(unsafe { &*address })
    }
}

impl<T: Operations> Device<'_, T> {
    /// Calls `f` with the lock of the addresses held, as [`Operations::set_rx_mode`] is called.
    ///
    /// # Context
    ///
    /// Any context but hard interrupts. `f` must not sleep, and must not call this again.
    pub fn with_rx_mode<R>(&self, f: impl FnOnce(&RxMode<'_>) -> R) -> R {
        // SAFETY: The device is valid.
        unsafe { bindings::netif_addr_lock_bh(self.as_raw()) };
        // SAFETY: The lock was taken above, and is released after the last use.
        let result = f(&unsafe { RxMode::new(self.as_raw()) });

        // SAFETY: The lock was taken above.
        unsafe { bindings::netif_addr_unlock_bh(self.as_raw()) };
        result
    }
}
