// SPDX-License-Identifier: GPL-2.0

//! What the administrator wants the link to be, and what it is.

use super::{
    phy::{
        advertise,
        FlowControl, //
    },
    regs::status, //
};

/// Which way the pairs of the cable are connected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mdix {
    /// As is found out.
    Auto,
    /// Straight.
    Mdi,
    /// Crossed.
    MdiX,
}

/// A fixed mode of the link. 1000 Mb/s cannot be fixed, as the ends must negotiate who is master.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Forced {
    /// 10 Mb/s, half duplex.
    Half10,
    /// 10 Mb/s, full duplex.
    Full10,
    /// 100 Mb/s, half duplex.
    Half100,
    /// 100 Mb/s, full duplex.
    Full100,
}

impl Forced {
    /// The speed.
    pub const fn mbps(self) -> u16 {
        match self {
            Self::Half10 | Self::Full10 => 10,
            Self::Half100 | Self::Full100 => 100,
        }
    }

    /// Whether both ends may send at once.
    pub const fn full_duplex(self) -> bool {
        matches!(self, Self::Full10 | Self::Full100)
    }
}

/// How the link is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// The ends negotiate. The bits are [`advertise`]'s.
    Autoneg(u16),
    /// We just do it.
    Forced(Forced),
}

impl Mode {
    /// Advertises what is asked for, or all if that is nothing we can do
    /// (C: `e1000_copper_link_autoneg`).
    pub const fn advertise(modes: u16) -> Self {
        match modes & advertise::ALL {
            0 => Self::Autoneg(advertise::ALL),
            modes => Self::Autoneg(modes),
        }
    }

    /// A fixed mode (C: `e1000_set_spd_dplx`). 1000 Mb/s is negotiated, but nothing else is.
    ///
    /// Returns `None` for what the card cannot do.
    pub const fn fixed(mbps: u32, full_duplex: bool) -> Option<Self> {
        Some(match (mbps, full_duplex) {
            (10, false) => Self::Forced(Forced::Half10),
            (10, true) => Self::Forced(Forced::Full10),
            (100, false) => Self::Forced(Forced::Half100),
            (100, true) => Self::Forced(Forced::Full100),
            (1000, true) => Self::Autoneg(advertise::FULL_1000),
            _ => return None,
        })
    }

    /// Whether the ends negotiate.
    pub const fn is_autoneg(self) -> bool {
        matches!(self, Self::Autoneg(_))
    }

    /// What is advertised: nothing, if the mode is fixed.
    pub const fn advertised(self) -> u16 {
        match self {
            Self::Autoneg(modes) => modes,
            Self::Forced(_) => 0,
        }
    }
}

/// What the link is, while there is one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link {
    /// The speed.
    pub mbps: u16,
    /// Whether both ends may send at once.
    pub full_duplex: bool,
}

impl Link {
    /// Decodes the device status register (C: `e1000_get_speed_and_duplex`).
    pub const fn from_status(value: u32) -> Self {
        let mbps = if value & status::SPEED_1000 != 0 {
            1000
        } else if value & status::SPEED_100 != 0 {
            100
        } else {
            10
        };

        Self {
            mbps,
            full_duplex: value & status::FD != 0,
        }
    }

    /// How the log calls the duplex.
    pub const fn duplex_name(self) -> &'static str {
        if self.full_duplex {
            "Full Duplex"
        } else {
            "Half Duplex"
        }
    }

    /// After how many seconds a packet that is not sent is a hang.
    pub const fn hang_seconds(self) -> u32 {
        match self.mbps {
            10 => 16,
            _ => 1,
        }
    }
}

/// How the log calls the directions of pause frames.
pub const fn flow_control_name(flow_control: FlowControl) -> &'static str {
    match flow_control {
        FlowControl::None => "None",
        FlowControl::RxPause => "RX",
        FlowControl::TxPause => "TX",
        FlowControl::Full => "RX/TX",
    }
}
