// SPDX-License-Identifier: GPL-2.0

//! What a driver implements.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)

use super::{
    Address,
    Device,
    Features,
    Rtnl,
    RxMode,
    Statistics,
    VlanProtocol,
    Xmit, //
};
use crate::{
    error::VTABLE_DEFAULT_ERROR,
    net::{
        napi::{
            Poll,
            Polled, //
        },
        skb::{
            Busy,
            SkBuff, //
        }, //
    },
    prelude::*, //
};

/// A driver of a network device with one queue each way.
///
/// Equivalent to C's `struct net_device_ops`, and the `poll` function of its NAPI. What a driver
/// does not implement is absent there as well.
///
/// None of these functions is called before the device was registered, or after
/// [`Registration`](super::Registration) was dropped.
#[vtable]
pub trait Operations: Sized + 'static {
    /// Data of the device. It can borrow what is there as long as the driver of the parent is
    /// bound. It is shared by all that run for the device, and dropped when nothing runs any more.
    type Data<'bound>: Send + Sync + 'bound;

    /// Brings the device up: gets all that it takes to send and to receive, and starts both.
    ///
    /// # Context
    ///
    /// Process context, under RTNL. May sleep.
    ///
    /// # Errors
    ///
    /// The device stays down, and the user gets the error. NAPI is disabled if it was enabled.
    fn open<'bound>(dev: &Device<'bound, Self>, rtnl: &Rtnl) -> Result;

    /// Brings the device down: stops sending and receiving, and gives up what
    /// [`open`](Self::open) has got.
    ///
    /// The stack does not send any more. NAPI is disabled when this returns, if it was not before.
    ///
    /// # Context
    ///
    /// Process context, under RTNL. May sleep, but must not wait for a work that takes RTNL.
    fn stop<'bound>(dev: &Device<'bound, Self>, rtnl: &Rtnl);

    /// Takes a packet.
    ///
    /// The driver owns it from here on: it gives it to the card, and consumes it when it was sent.
    /// A packet that cannot be sent is dropped, best with a
    /// [reason](crate::net::skb::SkBuff::drop_with). If there is no room for it, though the queue
    /// was not stopped, it is handed back: `return Err(skb.busy())`.
    ///
    /// # Context
    ///
    /// Process or softirq context, with bottom halves disabled and the lock of the transmit queue
    /// held: not on two CPUs at a time. Netpoll calls it with interrupts disabled. Must not sleep.
    fn start_xmit<'bound>(
        dev: &Device<'bound, Self>,
        xmit: Xmit<'_>,
        skb: SkBuff,
    ) -> Result<(), Busy>;

    /// Looks for packets that were sent and that were received.
    ///
    /// # Context
    ///
    /// Softirq context, or a thread with bottom halves disabled; not on two CPUs at a time. Netpoll
    /// calls it with interrupts disabled and a budget of zero. Must not sleep.
    fn poll<'bound>(dev: &Device<'bound, Self>, poll: Poll<'_>) -> Polled;

    /// Sets which packets are received, by address.
    ///
    /// # Context
    ///
    /// Any context but hard interrupts, with the lock of the addresses held and bottom halves
    /// disabled. Must not sleep.
    fn set_rx_mode<'bound>(_dev: &Device<'bound, Self>, _mode: &RxMode<'_>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Changes the address, which is one that a device can have. Without this function it cannot
    /// be changed.
    ///
    /// [`Device::address`] returns the new one afterwards.
    ///
    /// # Context
    ///
    /// Process context, under RTNL. May sleep.
    fn set_mac_address<'bound>(
        _dev: &Device<'bound, Self>,
        _rtnl: &Rtnl,
        _address: &Address,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Changes the size of the largest packet, which is in the range that was set when the device
    /// was made.
    ///
    /// [`Device::mtu`] returns the new one afterwards.
    ///
    /// # Context
    ///
    /// Process context, under RTNL. May sleep.
    fn change_mtu<'bound>(_dev: &Device<'bound, Self>, _rtnl: &Rtnl, _mtu: u32) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Tells the address of the PHY, in C `SIOCGMIIPHY`.
    ///
    /// A driver that implements this implements [`mii_read`](Self::mii_read) and
    /// [`mii_write`](Self::mii_write) too.
    ///
    /// # Context
    ///
    /// Process context, under RTNL. May sleep.
    fn mii_phy<'bound>(_dev: &Device<'bound, Self>, _rtnl: &Rtnl) -> Result<u16> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Reads a register of a PHY, in C `SIOCGMIIREG`. The numbers come from the user.
    ///
    /// # Context
    ///
    /// Process context, under RTNL. May sleep.
    fn mii_read<'bound>(
        _dev: &Device<'bound, Self>,
        _rtnl: &Rtnl,
        _phy: u16,
        _register: u16,
    ) -> Result<u16> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Writes a register of a PHY, in C `SIOCSMIIREG`. The numbers come from the user.
    ///
    /// # Context
    ///
    /// Process context, under RTNL. May sleep.
    fn mii_write<'bound>(
        _dev: &Device<'bound, Self>,
        _rtnl: &Rtnl,
        _phy: u16,
        _register: u16,
        _value: u16,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The queue has been stopped for longer than the watchdog waits, while there is a link.
    ///
    /// # Context
    ///
    /// Softirq context, from a timer, with a lock held that sending needs. Must not sleep; what
    /// resets a card is a work.
    fn tx_timeout<'bound>(_dev: &Device<'bound, Self>, _queue: u32) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Tells the statistics. They start from zero; what stays zero was not counted. Without this
    /// function they are all zero.
    ///
    /// # Context
    ///
    /// Process context or an RCU critical section, without RTNL, on several CPUs at a time, also
    /// while the device is down. Must not sleep.
    fn get_stats64<'bound>(_dev: &Device<'bound, Self>, _statistics: &mut Statistics) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Lets packets of a VLAN in. Is for devices with
    /// [`Features::HW_VLAN_CTAG_FILTER`].
    ///
    /// # Context
    ///
    /// Process context, under RTNL. May sleep.
    fn vlan_rx_add_vid<'bound>(
        _dev: &Device<'bound, Self>,
        _rtnl: &Rtnl,
        _protocol: VlanProtocol,
        _vid: u16,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Keeps packets of a VLAN out again.
    ///
    /// # Context
    ///
    /// Process context, under RTNL. May sleep.
    fn vlan_rx_kill_vid<'bound>(
        _dev: &Device<'bound, Self>,
        _rtnl: &Rtnl,
        _protocol: VlanProtocol,
        _vid: u16,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Returns the features that are possible of those that are wanted. It can add others that
    /// the driver has the operations for.
    ///
    /// # Context
    ///
    /// Process context, under RTNL. May sleep, but must not change anything. May be called before
    /// [`NewDevice::register`](super::NewDevice::register) returns.
    fn fix_features<'bound>(
        _dev: &Device<'bound, Self>,
        _rtnl: &Rtnl,
        _features: Features,
    ) -> Features {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Switches features. [`Device::features`] returns what was on before, unless the driver
    /// [commits](Device::commit_features) the new ones.
    ///
    /// # Context
    ///
    /// Process context, under RTNL. May sleep. May be called before
    /// [`NewDevice::register`](super::NewDevice::register) returns.
    fn set_features<'bound>(
        _dev: &Device<'bound, Self>,
        _rtnl: &Rtnl,
        _features: Features,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Does what an interrupt of the card would do, for netpoll.
    ///
    /// # Context
    ///
    /// Any, with interrupts disabled. Must not sleep.
    fn poll_controller<'bound>(_dev: &Device<'bound, Self>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}
