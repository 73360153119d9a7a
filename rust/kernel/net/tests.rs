// SPDX-License-Identifier: GPL-2.0

//! Tests of network devices, with cards made of software.

mod card;
mod census;
mod configuration;
#[cfg(all(CONFIG_HAS_DMA, not(CONFIG_HIGHMEM)))]
mod e1000;
mod ethtool;
#[cfg(all(CONFIG_HAS_DMA, not(CONFIG_HIGHMEM)))]
mod hostile;
mod lifecycle;
#[cfg(all(CONFIG_HAS_DMA, not(CONFIG_HIGHMEM)))]
mod mapped;
mod packets;
mod peer;
mod receive;
mod setup;
mod transmit;
