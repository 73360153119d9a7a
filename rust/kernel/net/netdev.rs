// SPDX-License-Identifier: GPL-2.0

//! Network devices.
//!
//! C headers:
//! [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h),
//! [`include/linux/etherdevice.h`](srctree/include/linux/etherdevice.h)
//!
//! # Writing a driver
//!
//! 1. Implement [`Operations`] for a type of the driver. It names the data of the device, which can
//!    borrow what is there as long as the driver is bound.
//! 2. In `probe`, make a [`NewDevice`], say what the card can do, and
//!    [register](NewDevice::register) it.
//! 3. Keep the [`Registration`] in the data of the driver. What it stands for goes down in a fixed
//!    order when it is dropped, or else when the driver leaves the card.
//!
//! # Who has what
//!
//! | | from | until | may sleep |
//! |---|---|---|---|
//! | [`NewDevice`] | [`NewDevice::new`] | it is registered | yes |
//! | `&`[`Device`] | a call of [`Operations`] | it returns | as that says |
//! | [`Access`] | [`Handle::access`] | it is dropped | no |
//! | `&`[`Device`] | [`Handle::with_rtnl`] | the closure returns | yes |
//! | [`Handle`] | [`NewDevice::new`] | whenever | |
//!
//! Interrupt handlers and works have a [`Handle`]. It says how works that take RTNL end.
//!
//! # C and Rust
//!
//! | C | Rust |
//! |---|---|
//! | `struct net_device` | [`NewDevice`], [`Device`] |
//! | `netdev_priv()` | [`Device::data`] |
//! | `struct net_device_ops` | [`Operations`] |
//! | `alloc_etherdev()`, `register_netdev()` | [`NewDevice::new`], [`NewDevice::register`] |
//! | `unregister_netdev()`, `free_netdev()` | [`Registration`] |
//! | `rtnl_lock()`, `ASSERT_RTNL()` | [`Rtnl::lock`], [`Rtnl`] |
//! | `netif_stop_queue()` and the second look | [`Xmit::maybe_stop`] |
//! | barrier and `netif_wake_queue()` | [`Poll::tx_completed`](super::napi::Poll::tx_completed) |
//! | `netdev_sent_queue()`, `netdev_xmit_more()` | [`Xmit::sent`] |
//! | `NETDEV_TX_BUSY` | [`SkBuff::busy`](super::skb::SkBuff::busy) |
//! | `netdev_tx_completed_queue()` | [`Poll::tx_completed`](super::napi::Poll::tx_completed) |
//! | `struct napi_struct`, `budget` | [`Poll`](super::napi::Poll), [`Unit`](super::napi::Unit) |
//! | `napi_complete_done()` | [`Poll::complete`](super::napi::Poll::complete) |
//! | `netdev_for_each_uc_addr()` | [`RxMode::unicast`] |
//! | `netdev_features_t` | [`Features`] |
//! | `struct rtnl_link_stats64` | [`Statistics`] |
//! | `netdev_err()` | [`netdev_err!`](crate::netdev_err) |
//!
//! # Examples
//!
//! A card that loses all that it has to send, and never receives:
//!
//! ```
//! use kernel::{
//!     device::{scope::Scope, Bound, Device},
//!     net::{
//!         napi::{Poll, Polled},
//!         netdev::{self, NewDevice, Operations, Registration, Rtnl, Xmit},
//!         skb::{Busy, DropReason, SkBuff},
//!     },
//!     prelude::*,
//! };
//!
//! struct Null;
//!
//! #[vtable]
//! impl Operations for Null {
//!     type Data<'bound> = ();
//!
//!     fn open<'bound>(dev: &netdev::Device<'bound, Self>, rtnl: &Rtnl) -> Result {
//!         dev.napi_enable(rtnl);
//!         dev.start_queue();
//!         Ok(())
//!     }
//!
//!     fn stop<'bound>(dev: &netdev::Device<'bound, Self>, rtnl: &Rtnl) {
//!         dev.tx_disable();
//!         dev.napi_disable(rtnl);
//!     }
//!
//!     fn start_xmit<'bound>(
//!         _dev: &netdev::Device<'bound, Self>,
//!         _xmit: Xmit<'_>,
//!         skb: SkBuff,
//!     ) -> Result<(), Busy> {
//!         skb.drop_with(DropReason::DEV_READY);
//!         Ok(())
//!     }
//!
//!     fn poll<'bound>(_dev: &netdev::Device<'bound, Self>, poll: Poll<'_>) -> Polled {
//!         poll.complete(|| ())
//!     }
//! }
//!
//! fn probe<'bound>(
//!     dev: &'bound Device<Bound>,
//!     scope: &'bound Scope<'bound>,
//! ) -> Result<Registration<'bound, Null>> {
//!     let mut new = NewDevice::<Null>::new(dev, |_handle| Ok::<_, Error>(()))?;
//!
//!     new.set_address(&[2, 0, 0, 0, 0, 1]);
//!     new.register(scope)
//! }
//! ```

mod device;
mod features;
mod handle;
pub mod message;
mod new_device;
mod operations;
mod private;
mod queue;
mod registration;
mod rtnl;
mod rx_mode;
mod statistics;
mod vlan;
mod vtable;

pub use device::{
    is_valid_address,
    Address,
    Device,
    Name,
    ETH_ALEN, //
};
pub use features::{
    Features,
    PrivFlags, //
};
pub use handle::{
    Access,
    Handle, //
};
pub use new_device::NewDevice;
pub use operations::Operations;
pub use queue::Xmit;
pub use registration::Registration;
pub use rtnl::{
    Rtnl,
    RtnlGuard, //
};
pub use rx_mode::{
    Addresses,
    RxMode, //
};
pub use statistics::Statistics;
pub use vlan::VlanProtocol;
