// SPDX-License-Identifier: GPL-2.0

mod desc;
mod eeprom;
mod filter;
mod itr;
mod link;
mod mac;
mod params;
mod phy;
mod ring;
mod rxparse;
mod stats;
mod txplan;
mod wol;
