// SPDX-License-Identifier: GPL-2.0

//! The parts of the e1000 driver that need no kernel: arithmetic of rings, formats of descriptors,
//! what goes over the wires of the EEPROM, and decisions. The driver compiles the same files, which
//! are formatted as the kernel is.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

#[rustfmt::skip]
#[path = "../../../drivers/net/ethernet/intel/e1000_rs/desc.rs"]
pub mod desc;
#[rustfmt::skip]
#[path = "../../../drivers/net/ethernet/intel/e1000_rs/eeprom.rs"]
pub mod eeprom;
#[rustfmt::skip]
#[path = "../../../drivers/net/ethernet/intel/e1000_rs/filter.rs"]
pub mod filter;
#[rustfmt::skip]
#[path = "../../../drivers/net/ethernet/intel/e1000_rs/itr.rs"]
pub mod itr;
#[rustfmt::skip]
#[path = "../../../drivers/net/ethernet/intel/e1000_rs/link.rs"]
pub mod link;
#[rustfmt::skip]
#[path = "../../../drivers/net/ethernet/intel/e1000_rs/mac.rs"]
pub mod mac;
#[rustfmt::skip]
#[path = "../../../drivers/net/ethernet/intel/e1000_rs/params.rs"]
pub mod params;
#[rustfmt::skip]
#[path = "../../../drivers/net/ethernet/intel/e1000_rs/phy.rs"]
pub mod phy;
#[rustfmt::skip]
#[path = "../../../drivers/net/ethernet/intel/e1000_rs/regs.rs"]
pub mod regs;
#[rustfmt::skip]
#[path = "../../../drivers/net/ethernet/intel/e1000_rs/ring.rs"]
pub mod ring;
#[rustfmt::skip]
#[path = "../../../drivers/net/ethernet/intel/e1000_rs/rxparse.rs"]
pub mod rxparse;
#[rustfmt::skip]
#[path = "../../../drivers/net/ethernet/intel/e1000_rs/stats.rs"]
pub mod stats;
#[rustfmt::skip]
#[path = "../../../drivers/net/ethernet/intel/e1000_rs/txplan.rs"]
pub mod txplan;
#[rustfmt::skip]
#[path = "../../../drivers/net/ethernet/intel/e1000_rs/wol.rs"]
pub mod wol;

#[cfg(test)]
mod tests;
