// SPDX-License-Identifier: GPL-2.0

//! The link of a card: what it is, and what it should be.
//!
//! C header: [`include/linux/ethtool.h`](srctree/include/linux/ethtool.h)

use crate::prelude::*;
use core::ops::BitOr;

/// Whether both ends can send at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplex {
    /// They take turns.
    Half,
    /// They can.
    Full,
}

/// What the cable is plugged into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Port {
    /// Twisted pairs.
    #[default]
    TwistedPair,
    /// Fibre.
    Fibre,
    /// Anything else, by its number in C.
    Other(u8),
}

/// Which pair is which.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mdix {
    /// Not known; as a request: leave it as it is.
    #[default]
    Invalid,
    /// Straight.
    Mdi,
    /// Crossed.
    MdiX,
    /// As the other end needs it.
    Auto,
}

impl Mdix {
    fn from_raw(raw: u8) -> Self {
        match u32::from(raw) {
            bindings::ETH_TP_MDI => Self::Mdi,
            bindings::ETH_TP_MDI_X => Self::MdiX,
            bindings::ETH_TP_MDI_AUTO => Self::Auto,
            _ => Self::Invalid,
        }
    }

    fn as_raw(self) -> u8 {
        let raw = match self {
            Self::Invalid => bindings::ETH_TP_MDI_INVALID,
            Self::Mdi => bindings::ETH_TP_MDI,
            Self::MdiX => bindings::ETH_TP_MDI_X,
            Self::Auto => bindings::ETH_TP_MDI_AUTO,
        };

        // CAST: They are small.
        raw as u8
    }
}

/// Kinds of links: the 32 that `ethtool` knew first.
///
/// The names are those of C without `ETHTOOL_LINK_MODE_`, in capitals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkModes(u32);

/// Defines kinds of links.
macro_rules! modes {
    ($($(#[$doc:meta])* $name:ident = $bit:ident;)*) => {
        impl LinkModes {
            $($(#[$doc])* pub const $name: Self = Self(1 << bindings::$bit);)*
        }
    };
}

modes! {
    /// 10 Mb/s, half duplex.
    M10BASET_HALF =
        ethtool_link_mode_bit_indices_ETHTOOL_LINK_MODE_10baseT_Half_BIT;
    /// 10 Mb/s, full duplex.
    M10BASET_FULL =
        ethtool_link_mode_bit_indices_ETHTOOL_LINK_MODE_10baseT_Full_BIT;
    /// 100 Mb/s, half duplex.
    M100BASET_HALF =
        ethtool_link_mode_bit_indices_ETHTOOL_LINK_MODE_100baseT_Half_BIT;
    /// 100 Mb/s, full duplex.
    M100BASET_FULL =
        ethtool_link_mode_bit_indices_ETHTOOL_LINK_MODE_100baseT_Full_BIT;
    /// 1000 Mb/s, half duplex.
    M1000BASET_HALF =
        ethtool_link_mode_bit_indices_ETHTOOL_LINK_MODE_1000baseT_Half_BIT;
    /// 1000 Mb/s, full duplex.
    M1000BASET_FULL =
        ethtool_link_mode_bit_indices_ETHTOOL_LINK_MODE_1000baseT_Full_BIT;
    /// What both ends agree on.
    AUTONEG = ethtool_link_mode_bit_indices_ETHTOOL_LINK_MODE_Autoneg_BIT;
    /// Twisted pairs.
    TP = ethtool_link_mode_bit_indices_ETHTOOL_LINK_MODE_TP_BIT;
    /// Fibre.
    FIBRE = ethtool_link_mode_bit_indices_ETHTOOL_LINK_MODE_FIBRE_BIT;
    /// Pause frames both ways.
    PAUSE = ethtool_link_mode_bit_indices_ETHTOOL_LINK_MODE_Pause_BIT;
    /// Pause frames one way.
    ASYM_PAUSE =
        ethtool_link_mode_bit_indices_ETHTOOL_LINK_MODE_Asym_Pause_BIT;
}

impl LinkModes {
    /// No kind of link.
    pub const NONE: Self = Self(0);

    /// From bits as PHYs and C's `ADVERTISED_` have them.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The bits, as C's `ADVERTISED_` has them.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether all of `others` are among them.
    pub const fn contains(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }
}

impl BitOr for LinkModes {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The link of a card, as it is or as it should be.
///
/// Equivalent to C's `struct ethtool_link_ksettings`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkSettings {
    /// In Mb/s, if it is known.
    pub speed: Option<u32>,
    /// The duplex mode, if it is known.
    pub duplex: Option<Duplex>,
    /// The kind of plug.
    pub port: Port,
    /// The address of the PHY.
    pub phy_address: u8,
    /// Whether both ends agree on a kind of link, or one is forced.
    pub autoneg: bool,
    /// Which pair is which.
    pub mdix: Mdix,
    /// Which pair should be which.
    pub mdix_ctrl: Mdix,
    /// What the card can do.
    pub supported: LinkModes,
    /// What the card tells the other end that it can do.
    pub advertising: LinkModes,
}

impl LinkSettings {
    pub(super) fn read_from(raw: &bindings::ethtool_link_ksettings) -> Self {
        let base = &raw.base;

        Self {
            // CAST: C has it in a signed number.
            speed: (base.speed != bindings::SPEED_UNKNOWN as u32).then_some(base.speed),
            duplex: match u32::from(base.duplex) {
                bindings::DUPLEX_HALF => Some(Duplex::Half),
                bindings::DUPLEX_FULL => Some(Duplex::Full),
                _ => None,
            },
            port: match u32::from(base.port) {
                bindings::PORT_TP => Port::TwistedPair,
                bindings::PORT_FIBRE => Port::Fibre,
                _ => Port::Other(base.port),
            },
            phy_address: base.phy_address,
            autoneg: u32::from(base.autoneg) == bindings::AUTONEG_ENABLE,
            mdix: Mdix::from_raw(base.eth_tp_mdix),
            mdix_ctrl: Mdix::from_raw(base.eth_tp_mdix_ctrl),
            supported: modes_from(&raw.link_modes.supported),
            advertising: modes_from(&raw.link_modes.advertising),
        }
    }

    pub(super) fn write_to(&self, raw: &mut bindings::ethtool_link_ksettings) {
        let base = &mut raw.base;
        let duplex = match self.duplex {
            Some(Duplex::Half) => bindings::DUPLEX_HALF,
            Some(Duplex::Full) => bindings::DUPLEX_FULL,
            None => bindings::DUPLEX_UNKNOWN,
        };
        let port = match self.port {
            // CAST: They are small.
            Port::TwistedPair => bindings::PORT_TP as u8,
            // CAST: As above.
            Port::Fibre => bindings::PORT_FIBRE as u8,
            Port::Other(port) => port,
        };
        let autoneg = if self.autoneg {
            bindings::AUTONEG_ENABLE
        } else {
            bindings::AUTONEG_DISABLE
        };

        // CAST: C has it in a signed number.
        base.speed = self.speed.unwrap_or(bindings::SPEED_UNKNOWN as u32);
        // CAST: It is small.
        base.duplex = duplex as u8;
        base.port = port;
        base.phy_address = self.phy_address;
        // CAST: It is small.
        base.autoneg = autoneg as u8;
        base.eth_tp_mdix = self.mdix.as_raw();
        base.eth_tp_mdix_ctrl = self.mdix_ctrl.as_raw();
        write_modes(&mut raw.link_modes.supported, self.supported);
        write_modes(&mut raw.link_modes.advertising, self.advertising);
    }
}

fn modes_from(bitmap: &[c_ulong]) -> LinkModes {
    // CAST: They are in the lower half of the first word, or are all of it.
    LinkModes(bitmap.first().copied().unwrap_or(0) as u32)
}

fn write_modes(bitmap: &mut [c_ulong], modes: LinkModes) {
    bitmap.fill(0);
    if let Some(word) = bitmap.first_mut() {
        // CAST: A word has 32 bits or more.
        *word = modes.0 as c_ulong;
    }
}
