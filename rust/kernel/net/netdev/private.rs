// SPDX-License-Identifier: GPL-2.0

//! What the abstraction keeps in the private part of a `struct net_device`.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)

use super::Operations;
use crate::{
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Release, //
        },
        Refcount, //
    },
    types::Opaque, //
};
use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    mem::MaybeUninit,
    ptr::NonNull, //
};

/// What a type has that leads to the data of the driver: exactly the lifetime of that, and nothing
/// of the driver's own.
pub(super) type Marker<'bound, T> = PhantomData<(fn(&'bound ()) -> &'bound (), fn() -> T)>;

/// How far the life of a device has got.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Life {
    /// It was made.
    New,
    /// It is registered.
    Registered,
    /// It is unregistered, or about to be, or was never registered and is given up.
    Down,
}

/// The part of [`Private`] that does not depend on the driver.
///
/// # Invariants
///
/// - `life` changes from [`Life::New`] to [`Life::Registered`] and from there to [`Life::Down`]
///   under RTNL only. While it is [`Life::Registered`] the device is registered.
/// - `napi` was added to the device until the device is taken down.
/// - NAPI is enabled only while the device is running: what brings it down, or fails to bring it
///   up, disables it.
pub(in crate::net) struct Header {
    /// How many [`Handle`](super::Handle)s there are.
    handles: Refcount,
    /// A [`Life`].
    life: Atomic<u32>,
    /// Not zero while NAPI is enabled. Changes under RTNL only.
    pub(in crate::net) napi_enabled: Atomic<u32>,
    pub(in crate::net) napi: Opaque<bindings::napi_struct>,
}

impl Header {
    fn new() -> Self {
        Self {
            handles: Refcount::new(1),
            life: Atomic::new(Life::New as u32),
            napi_enabled: Atomic::new(0),
            napi: Opaque::zeroed(),
        }
    }

    pub(super) fn handles(&self) -> &Refcount {
        &self.handles
    }

    /// Whether the device is registered. Stays so as long as the caller holds RTNL, or until the
    /// end of an RCU critical section.
    #[inline]
    pub(super) fn is_registered(&self) -> bool {
        self.life.load(Acquire) == Life::Registered as u32
    }

    /// # Safety
    ///
    /// The invariants of [`Header`] must hold for the new value.
    pub(super) unsafe fn set_life(&self, life: Life) {
        // INVARIANT: By the requirement of this function.
        self.life.store(life as u32, Release);
    }

    /// Whether the device was taken down.
    pub(super) fn is_down(&self) -> bool {
        self.life.load(Acquire) == Life::Down as u32
    }
}

/// The private part of the device of a driver.
#[repr(C)]
pub(in crate::net) struct Private<T: Operations> {
    /// At the start, so that it can be found without knowing `T`.
    header: Header,
    /// Data of the driver, for a lifetime that this type does not know. Initialized from when
    /// [`NewDevice::new`](super::NewDevice::new) returns until the device is taken down. Pinned.
    data: UnsafeCell<MaybeUninit<T::Data<'static>>>,
}

impl<T: Operations> Private<T> {
    /// How much memory C has to allocate behind the device.
    pub(super) const SIZE: usize = {
        // C aligns the private part as it aligns the device.
        assert!(align_of::<Self>() <= align_of::<bindings::net_device>());
        size_of::<Self>()
    };

    /// Initializes the header.
    ///
    /// # Safety
    ///
    /// `dev` must be a new device with [`SIZE`](Self::SIZE) bytes of private memory.
    pub(super) unsafe fn init_header(dev: NonNull<bindings::net_device>) {
        // SAFETY: By the requirement of this function, there is room for it.
        unsafe { header_of(dev).write(Header::new()) };
    }

    /// Where the data of the driver is.
    ///
    /// # Safety
    ///
    /// `dev` must have a `Private<T>`.
    #[inline]
    pub(super) unsafe fn data_of<'bound>(
        dev: NonNull<bindings::net_device>,
    ) -> *mut T::Data<'bound> {
        let this = header_of(dev).cast::<Self>();

        // SAFETY: By the requirement of this function. No reference is made.
        unsafe { (&raw mut (*this.as_ptr()).data).cast() }
    }
}

/// The private part of a device.
#[inline]
pub(in crate::net) fn header_of(dev: NonNull<bindings::net_device>) -> NonNull<Header> {
    let offset = core::mem::offset_of!(bindings::net_device, priv_);

    // SAFETY: The private part is in the same allocation, behind the device.
    unsafe { dev.byte_add(offset) }.cast()
}
