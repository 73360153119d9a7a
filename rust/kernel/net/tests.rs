// SPDX-License-Identifier: GPL-2.0

//! Tests of network devices, with cards made of software.

mod card;
mod census;
mod configuration;
mod ethtool;
mod lifecycle;
mod packets;
mod peer;
mod receive;
mod setup;
mod transmit;
