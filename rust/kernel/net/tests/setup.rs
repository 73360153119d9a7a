// SPDX-License-Identifier: GPL-2.0

//! Cards for the tests.

use super::{
    card::{
        Arrival,
        Card,
        CardData, //
    },
    census::Census, //
};
use crate::{
    device::{
        self,
        scope::Scope,
        Bound, //
    },
    error::to_result,
    faux,
    net::netdev::{
        Device,
        Features,
        NewDevice,
        PrivFlags,
        Registration,
        Rtnl, //
    },
    prelude::*,
    sync::Arc, //
};

/// The address of the cards.
pub(super) const ADDRESS: [u8; 6] = [2, 0, 0, 0, 0, 1];

/// A device that cards are functions of, and the time for which it is bound.
pub(super) struct Slot {
    faux: faux::Registration,
    scope: Pin<KBox<Scope<'static>>>,
}

impl Slot {
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            faux: faux::Registration::new(c"rust_net_card", None)?,
            // SAFETY: It is closed when the slot is dropped.
            scope: KBox::pin_init(unsafe { Scope::new() }, GFP_KERNEL)?,
        })
    }

    pub(super) fn parent(&self) -> &'static device::Device<Bound> {
        let parent: &device::Device<Bound> = self.faux.as_ref().as_ref();
        let parent: *const device::Device<Bound> = parent;

        // SAFETY: The device stays until the scope was closed, after which no case uses it.
        unsafe { &*parent }
    }

    pub(super) fn scope(&self) -> &'static Scope<'static> {
        let scope: *const Scope<'static> = &raw const *self.scope;

        // SAFETY: It stays until it was closed, after which no case uses it.
        unsafe { &*scope }
    }

    /// The driver of the parent leaves it.
    pub(super) fn unbind(&self) {
        self.scope.close();
    }

    /// A card that is not registered.
    pub(super) fn new_card(&self, census: &Arc<Census>) -> Result<NewDevice<'static, Card>> {
        let mut new = NewDevice::<Card>::new(self.parent(), |handle| {
            CardData::new(census.clone(), handle)
        })?;

        new.set_address(&ADDRESS);
        new.set_features(
            Features::SG | Features::HW_CSUM | Features::RXCSUM | Features::HW_VLAN_CTAG_FILTER,
        );
        new.set_hw_features(
            Features::SG
                | Features::HW_CSUM
                | Features::RXCSUM
                | Features::RXFCS
                | Features::HW_VLAN_CTAG_FILTER,
        );
        new.set_vlan_features(Features::SG);
        new.add_priv_flags(PrivFlags::UNICAST_FLT | PrivFlags::LIVE_ADDR_CHANGE);
        new.set_mtu_range(46, 16110);
        new.set_watchdog_timeout(5000);
        new.set_ethtool_ops();
        new.carrier_off();
        Ok(new)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.unbind();
    }
}

/// A card that is registered.
pub(super) struct Test {
    // Goes down before the slot goes.
    pub(super) registration: Registration<'static, Card>,
    pub(super) slot: Slot,
    pub(super) census: Arc<Census>,
}

impl Test {
    pub(super) fn new() -> Result<Self> {
        let census = Census::new()?;
        let slot = Slot::new()?;

        Ok(Self {
            registration: slot.new_card(&census)?.register(slot.scope())?,
            slot,
            census,
        })
    }

    pub(super) fn dev(&self) -> *mut bindings::net_device {
        self.registration.handle().as_raw_for_tests()
    }

    /// Calls `f` with the device, under RTNL.
    pub(super) fn with<R>(&self, f: impl FnOnce(&Device<'static, Card>, &Rtnl) -> R) -> Result<R> {
        self.registration.handle().with_rtnl(f).ok_or(ENODEV)
    }

    /// Calls `f` with the data of the card.
    pub(super) fn data<R>(&self, f: impl FnOnce(&CardData<'static>) -> R) -> Result<R> {
        self.with(|dev, _| f(dev.data()))
    }

    pub(super) fn up(&self) -> Result {
        let _rtnl = Rtnl::lock();

        // SAFETY: The device is registered, and RTNL is held.
        to_result(unsafe { bindings::dev_open(self.dev(), core::ptr::null_mut()) })
    }

    pub(super) fn down(&self) {
        let _rtnl = Rtnl::lock();

        // SAFETY: The device is registered, and RTNL is held.
        unsafe { bindings::dev_close(self.dev()) };
    }

    /// The card has something to tell: NAPI runs.
    pub(super) fn interrupt(&self) -> bool {
        // SAFETY: It is enabled again below, and nothing in between sleeps.
        unsafe { bindings::local_bh_disable() };
        let scheduled = self.registration.handle().napi_schedule();

        // SAFETY: It was disabled above.
        unsafe { bindings::local_bh_enable() };
        scheduled
    }

    /// The card has sent so many packets, and tells.
    pub(super) fn sent(&self, count: usize) -> Result {
        self.data(|data| data.send(count))?;
        self.interrupt();
        Ok(())
    }

    /// The card gets a packet. It does not tell.
    pub(super) fn arrive(&self, arrival: Arrival) -> Result {
        // Memory is allocated outside of the lock.
        let mut more = KVec::with_capacity(1, GFP_KERNEL)?;

        more.push(arrival, GFP_KERNEL)?;
        self.data(|data| -> Result {
            let mut ring = data.ring.lock();

            for arrival in more {
                ring.arrivals.push(arrival, GFP_ATOMIC)?;
            }
            Ok(())
        })?
    }
}
