// SPDX-License-Identifier: GPL-2.0

//! The PHY: how its registers are reached, and what they say (IEEE 802.3 clauses 22, 28 and 40;
//! manual, section 13.4.8 and table 11-4 for those of Marvell's 88E1000).

use super::link::{
    Forced,
    Mdix, //
};

/// Commands in the MDI control register.
pub mod mdic {
    /// Where the register number is.
    pub const REG_SHIFT: u32 = 16;
    /// Where the number of the PHY is.
    pub const PHY_SHIFT: u32 = 21;
    /// Write.
    pub const OP_WRITE: u32 = 1 << 26;
    /// Read.
    pub const OP_READ: u32 = 2 << 26;
    /// The command has ended.
    pub const READY: u32 = 1 << 28;
    /// There is no such register.
    pub const ERROR: u32 = 1 << 30;
}

/// The number of the PHY in the card.
pub const ADDRESS: u32 = 1;

/// A register of the PHY, 0 to 31.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reg(u8);

impl Reg {
    /// The register with a number that comes from elsewhere; upper bits are cut off.
    pub const fn from_number(number: u8) -> Self {
        Self(number & 0x1f)
    }

    /// The number.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The command that reads the register.
    pub const fn read_command(self) -> u32 {
        mdic::OP_READ | ADDRESS << mdic::PHY_SHIFT | (self.0 as u32) << mdic::REG_SHIFT
    }

    /// The command that writes the register.
    pub const fn write_command(self, value: u16) -> u32 {
        mdic::OP_WRITE
            | ADDRESS << mdic::PHY_SHIFT
            | (self.0 as u32) << mdic::REG_SHIFT
            | value as u32
    }
}

/// The outcome of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It has not ended.
    Pending,
    /// There is no such register.
    Failed,
    /// What was read, or was to be written.
    Done(u16),
}

impl Outcome {
    /// Decodes the MDI control register.
    pub const fn from_mdic(value: u32) -> Self {
        if value & mdic::READY == 0 {
            Self::Pending
        } else if value & mdic::ERROR != 0 {
            Self::Failed
        } else {
            // CAST: The lower half is meant.
            Self::Done(value as u16)
        }
    }
}

/// Control (`PHY_CTRL`).
pub const CTRL: Reg = Reg(0);
/// Status (`PHY_STATUS`).
pub const STATUS: Reg = Reg(1);
/// The upper half of the identifier.
pub const ID1: Reg = Reg(2);
/// The lower half of the identifier, with the revision.
pub const ID2: Reg = Reg(3);
/// What we advertise.
pub const AUTONEG_ADV: Reg = Reg(4);
/// What the partner can.
pub const LP_ABILITY: Reg = Reg(5);
/// Control of 1000BASE-T.
pub const GIGABIT_CTRL: Reg = Reg(9);
/// Status of 1000BASE-T.
pub const GIGABIT_STATUS: Reg = Reg(10);
/// 88E1000: specific control.
pub const M88_CTRL: Reg = Reg(16);
/// 88E1000: specific status.
pub const M88_STATUS: Reg = Reg(17);
/// 88E1000: extended specific control.
pub const M88_EXT_CTRL: Reg = Reg(20);
/// 88E1000: errors in reception.
pub const M88_RX_ERRORS: Reg = Reg(21);
/// 88E1000: the page that [`M88_PAGE_DATA`] is in.
pub const M88_PAGE: Reg = Reg(29);
/// 88E1000: general control.
pub const M88_PAGE_DATA: Reg = Reg(30);

/// The bits of [`ID2`] that are the revision.
pub const REVISION_MASK: u16 = 0xf;

/// Bits of [`CTRL`].
pub mod cr {
    /// 1000 Mb/s; 10 Mb/s if neither this nor the other is set.
    pub const SPEED_1000: u16 = 0x0040;
    /// Full duplex.
    pub const FULL_DUPLEX: u16 = 0x0100;
    /// Negotiate again.
    pub const RESTART_AUTO_NEG: u16 = 0x0200;
    /// Power down.
    pub const POWER_DOWN: u16 = 0x0800;
    /// Negotiate.
    pub const AUTO_NEG_EN: u16 = 0x1000;
    /// 100 Mb/s.
    pub const SPEED_100: u16 = 0x2000;
    /// What is sent is received.
    pub const LOOPBACK: u16 = 0x4000;
    /// Reset.
    pub const RESET: u16 = 0x8000;
}

/// Bits of [`STATUS`].
pub mod sr {
    /// There is a link. Once lost, it is only told after a read.
    pub const LINK: u16 = 0x0004;
    /// Negotiation has ended.
    pub const AUTONEG_COMPLETE: u16 = 0x0020;
}

/// Bits of [`AUTONEG_ADV`] and [`LP_ABILITY`].
pub mod an {
    /// 10 Mb/s, half duplex.
    pub const HALF_10: u16 = 0x0020;
    /// 10 Mb/s, full duplex.
    pub const FULL_10: u16 = 0x0040;
    /// 100 Mb/s, half duplex.
    pub const HALF_100: u16 = 0x0080;
    /// 100 Mb/s, full duplex.
    pub const FULL_100: u16 = 0x0100;
    /// Pause frames.
    pub const PAUSE: u16 = 0x0400;
    /// Pause frames in one direction.
    pub const ASM_DIR: u16 = 0x0800;
    /// All speeds.
    pub const SPEEDS: u16 = HALF_10 | FULL_10 | HALF_100 | FULL_100;
}

/// Bits of [`GIGABIT_CTRL`].
pub mod gc {
    /// Half duplex; never advertised.
    pub const HALF: u16 = 0x0100;
    /// Full duplex.
    pub const FULL: u16 = 0x0200;
}

/// Bits of [`GIGABIT_STATUS`].
pub mod gs {
    /// Errors while idle, counted since the last read.
    pub const IDLE_ERRORS: u16 = 0x00ff;
}

/// Bits of [`M88_CTRL`].
pub mod m88_ctrl {
    /// Polarity is not corrected.
    pub const POLARITY_REVERSAL: u16 = 0x0002;
    /// The pairs are crossed.
    pub const MDIX: u16 = 0x0020;
    /// Crossing is found out for 1000 Mb/s only.
    pub const AUTO_X_1000T: u16 = 0x0040;
    /// Crossing is found out at all speeds.
    pub const AUTO_X: u16 = 0x0060;
    /// Carrier sense is asserted on transmission, which half duplex needs.
    pub const ASSERT_CRS_ON_TX: u16 = 0x0800;
}

/// Bits of [`M88_STATUS`].
pub mod m88_status {
    /// The pairs are crossed.
    pub const MDIX: u16 = 0x0040;
}

/// Bits of [`M88_EXT_CTRL`].
pub mod m88_ext {
    /// The clock of transmission in the first place is 25 MHz.
    pub const TX_CLK_25: u16 = 0x0070;
    /// How often 1000 Mb/s is tried before less, as master and as slave.
    pub const DOWNSHIFT_MASK: u16 = 0x0f00;
    /// Once each.
    pub const DOWNSHIFT_1X: u16 = 0x0100;
}

/// The first revision of the 88E1011 that sets its clock itself.
pub const M88_REV_4: u16 = 4;

/// What we can, and advertise (C: `ADVERTISE_*`); the bits of ethtool's legacy link modes.
pub mod advertise {
    /// 10 Mb/s, half duplex.
    pub const HALF_10: u16 = 0x01;
    /// 10 Mb/s, full duplex.
    pub const FULL_10: u16 = 0x02;
    /// 100 Mb/s, half duplex.
    pub const HALF_100: u16 = 0x04;
    /// 100 Mb/s, full duplex.
    pub const FULL_100: u16 = 0x08;
    /// 1000 Mb/s, full duplex.
    pub const FULL_1000: u16 = 0x20;
    /// All that there is.
    pub const ALL: u16 = HALF_10 | FULL_10 | HALF_100 | FULL_100 | FULL_1000;
}

/// Which way pause frames go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FlowControl {
    /// None.
    None,
    /// They are obeyed, but not sent.
    RxPause,
    /// They are sent, but not obeyed.
    TxPause,
    /// Both.
    Full,
}

impl FlowControl {
    /// From the two directions.
    pub const fn new(rx: bool, tx: bool) -> Self {
        match (rx, tx) {
            (false, false) => Self::None,
            (true, false) => Self::RxPause,
            (false, true) => Self::TxPause,
            (true, true) => Self::Full,
        }
    }

    /// Whether they are obeyed.
    pub const fn rx(self) -> bool {
        matches!(self, Self::RxPause | Self::Full)
    }

    /// Whether they are sent.
    pub const fn tx(self) -> bool {
        matches!(self, Self::TxPause | Self::Full)
    }

    /// The default that the EEPROM has, by its word [`INIT_CONTROL2`].
    ///
    /// [`INIT_CONTROL2`]: super::eeprom::INIT_CONTROL2
    pub const fn from_eeprom(word: u16) -> Self {
        match word & 0x3000 {
            0 => Self::None,
            0x2000 => Self::TxPause,
            _ => Self::Full,
        }
    }
}

/// What is to be advertised (C: `e1000_phy_setup_autoneg`): the registers [`AUTONEG_ADV`] and
/// [`GIGABIT_CTRL`], from what they hold.
pub fn advertisement(
    adv: u16,
    gigabit: u16,
    advertised: u16,
    flow_control: FlowControl,
) -> (u16, u16) {
    let mut adv = adv & !(an::SPEEDS | an::PAUSE | an::ASM_DIR);
    let mut gigabit = gigabit & !(gc::HALF | gc::FULL);

    for (mode, bit) in [
        (advertise::HALF_10, an::HALF_10),
        (advertise::FULL_10, an::FULL_10),
        (advertise::HALF_100, an::HALF_100),
        (advertise::FULL_100, an::FULL_100),
    ] {
        if advertised & mode != 0 {
            adv |= bit;
        }
    }
    if advertised & advertise::FULL_1000 != 0 {
        gigabit |= gc::FULL;
    }
    adv |= match flow_control {
        FlowControl::None => 0,
        // That we obey but do not send cannot be said: it is sorted out afterwards.
        FlowControl::RxPause | FlowControl::Full => an::PAUSE | an::ASM_DIR,
        FlowControl::TxPause => an::ASM_DIR,
    };
    (adv, gigabit)
}

/// What was negotiated (IEEE 802.3 table 28B-3; C: `e1000_config_fc_after_link_up`), if `wanted`
/// was what [`advertisement`] had been told.
pub fn resolve_pause(
    adv: u16,
    partner: u16,
    wanted: FlowControl,
    full_duplex: bool,
) -> FlowControl {
    let bits = |value: u16| (value & an::PAUSE != 0, value & an::ASM_DIR != 0);

    if !full_duplex {
        return FlowControl::None;
    }
    match (bits(adv), bits(partner)) {
        ((true, _), (true, _)) if wanted == FlowControl::Full => FlowControl::Full,
        ((true, _), (true, _)) => FlowControl::RxPause,
        ((false, true), (true, true)) => FlowControl::TxPause,
        ((true, true), (false, true)) => FlowControl::RxPause,
        // Partners that negotiate nothing may pause us all the same: to obey does no harm.
        _ if wanted.rx() => FlowControl::RxPause,
        _ => FlowControl::None,
    }
}

/// What [`M88_CTRL`] becomes before a link is made (C: `e1000_copper_link_mgp_setup`).
pub fn m88_setup(ctrl: u16, mdix: Mdix) -> u16 {
    let ctrl = ctrl & !(m88_ctrl::AUTO_X | m88_ctrl::POLARITY_REVERSAL);

    ctrl | m88_ctrl::ASSERT_CRS_ON_TX
        | match mdix {
            Mdix::Auto => m88_ctrl::AUTO_X,
            Mdix::Mdi => 0,
            Mdix::MdiX => m88_ctrl::MDIX,
        }
}

/// What [`M88_EXT_CTRL`] becomes in revisions before [`M88_REV_4`].
pub fn m88_ext_setup(ext: u16) -> u16 {
    (ext | m88_ext::TX_CLK_25) & !m88_ext::DOWNSHIFT_MASK | m88_ext::DOWNSHIFT_1X
}

/// What [`CTRL`] becomes for a fixed mode (C: `e1000_phy_force_speed_duplex`).
pub fn forced_ctrl(ctrl: u16, forced: Forced) -> u16 {
    let mut ctrl = ctrl & !(cr::AUTO_NEG_EN | cr::FULL_DUPLEX | cr::SPEED_1000 | cr::SPEED_100);

    if forced.full_duplex() {
        ctrl |= cr::FULL_DUPLEX;
    }
    if forced.mbps() == 100 {
        ctrl |= cr::SPEED_100;
    }
    ctrl
}
