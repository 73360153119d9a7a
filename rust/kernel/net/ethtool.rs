// SPDX-License-Identifier: GPL-2.0

//! What `ethtool` asks a driver, and tells it.
//!
//! A driver implements [`Operations`], and calls
//! [`NewDevice::set_ethtool_ops`](super::netdev::NewDevice::set_ethtool_ops).
//!
//! C header: [`include/linux/ethtool.h`](srctree/include/linux/ethtool.h)

mod driver_info;
mod link;
mod operations;
mod self_test;
mod settings;
mod vtable;

pub use driver_info::DriverInfo;
pub use link::{
    Duplex,
    LinkModes,
    LinkSettings,
    Mdix,
    Port, //
};
pub use operations::Operations;
pub use self_test::SelfTest;
pub use settings::{
    Coalesce,
    CoalesceParams,
    PauseParam,
    PhysId,
    RingParam,
    Wol,
    WolOptions, //
};
pub(super) use vtable::EthtoolOpsVTable;
