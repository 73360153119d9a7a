// SPDX-License-Identifier: GPL-2.0

//! The receive ring of the driver for Intel's 8254x cards, and all that it stands on: the same
//! files. They know their ring, memory for DMA, and NAPI, but no adapter.

#![allow(dead_code, unreachable_pub)]

#[path = "../../../../drivers/net/ethernet/intel/e1000_rs/desc.rs"]
pub(super) mod desc;
#[path = "../../../../drivers/net/ethernet/intel/e1000_rs/itr.rs"]
pub(super) mod itr;
#[path = "../../../../drivers/net/ethernet/intel/e1000_rs/mac.rs"]
pub(super) mod mac;
#[path = "../../../../drivers/net/ethernet/intel/e1000_rs/reception.rs"]
pub(super) mod reception;
#[path = "../../../../drivers/net/ethernet/intel/e1000_rs/regs.rs"]
pub(super) mod regs;
#[path = "../../../../drivers/net/ethernet/intel/e1000_rs/ring.rs"]
pub(super) mod ring;
#[path = "../../../../drivers/net/ethernet/intel/e1000_rs/ring_dma.rs"]
mod ring_dma;
#[path = "../../../../drivers/net/ethernet/intel/e1000_rs/rx_ring.rs"]
pub(super) mod rx_ring;
#[path = "../../../../drivers/net/ethernet/intel/e1000_rs/rxparse.rs"]
mod rxparse;
