// SPDX-License-Identifier: GPL-2.0

//! The link over copper: how it is made, and what becomes of it (C: `e1000_setup_copper_link`,
//! `e1000_check_for_link`).

use kernel::{
    prelude::*,
    sync::atomic::{
        Full,
        Relaxed, //
    },
    time::{
        delay::udelay,
        Delta, //
    }, //
};

use super::{
    hw::{
        Hw,
        LinkSetup, //
    },
    link::{
        Link,
        Mode, //
    },
    mac::PHY_ID,
    phy::{
        self,
        FlowControl, //
    },
    regs::{
        self,
        ctrl,
        status,
        tctl, //
    }, //
};

impl Hw<'_> {
    /// C: `e1000_setup_copper_link`.
    pub(crate) fn setup_copper_link(&self, link: &mut LinkSetup) -> Result {
        self.modify(regs::CTRL, ctrl::FRCSPD | ctrl::FRCDPX, ctrl::SLU);

        let revision = self.detect_phy()?;

        self.modify_phy(phy::M88_CTRL, |value| phy::m88_setup(value, link.mdix))?;
        if revision < phy::M88_REV_4 {
            self.modify_phy(phy::M88_EXT_CTRL, phy::m88_ext_setup)?;
        }
        self.reset_phy()?;

        match link.mode {
            Mode::Autoneg(modes) => self.start_autoneg(modes, link)?,
            Mode::Forced(_) => self.force_mode(link)?,
        }

        // Links that were there already are there at once.
        for _ in 0..10 {
            if self.phy_has_link()? {
                self.config_collision_distance();
                return self.config_flow_control(link);
            }
            udelay(Delta::from_micros(10));
        }
        Ok(())
    }

    /// C: `e1000_detect_gig_phy`.
    fn detect_phy(&self) -> Result<u16> {
        if let Some(revision) = self.phy.lock().revision {
            return Ok(revision);
        }

        let high = self.read_phy(phy::ID1)?;
        let low = self.read_phy(phy::ID2)?;
        let id = u32::from(high) << 16 | u32::from(low & !phy::REVISION_MASK);
        let revision = low & phy::REVISION_MASK;

        if id != PHY_ID {
            return Err(EIO);
        }
        self.phy.lock().revision = Some(revision);
        Ok(revision)
    }

    /// C: `e1000_copper_link_autoneg`.
    fn start_autoneg(&self, modes: u16, link: &LinkSetup) -> Result {
        let (adv, gigabit) = phy::advertisement(
            self.read_phy(phy::AUTONEG_ADV)?,
            self.read_phy(phy::GIGABIT_CTRL)?,
            modes,
            link.current,
        );

        self.write_phy(phy::AUTONEG_ADV, adv)?;
        self.write_phy(phy::GIGABIT_CTRL, gigabit)?;
        self.modify_phy(phy::CTRL, |value| {
            value | phy::cr::AUTO_NEG_EN | phy::cr::RESTART_AUTO_NEG
        })?;
        self.set_link_changed();
        Ok(())
    }

    /// C: `e1000_phy_force_speed_duplex`.
    fn force_mode(&self, link: &mut LinkSetup) -> Result {
        let Mode::Forced(forced) = link.mode else {
            return Ok(());
        };
        let mut set = ctrl::FRCSPD | ctrl::FRCDPX;

        if forced.full_duplex() {
            set |= ctrl::FD;
        }
        if forced.mbps() == 100 {
            set |= ctrl::SPEED_100;
        }
        // Nobody can be asked whether pause frames are understood.
        link.current = FlowControl::None;
        self.config_collision_distance();
        self.modify(
            regs::CTRL,
            ctrl::SPEED_MASK | ctrl::ASDE | ctrl::FD | ctrl::SPEED_100,
            set,
        );

        self.modify_phy(phy::M88_CTRL, |value| value & !phy::m88_ctrl::AUTO_X)?;
        self.modify_phy(phy::CTRL, |value| {
            phy::forced_ctrl(value, forced) | phy::cr::RESET
        })?;
        udelay(Delta::from_micros(1));
        // The reset has undone these.
        self.modify_phy(phy::M88_EXT_CTRL, |value| value | phy::m88_ext::TX_CLK_25)?;
        self.modify_phy(phy::M88_CTRL, |value| {
            value | phy::m88_ctrl::ASSERT_CRS_ON_TX
        })
    }

    /// C: `e1000_config_collision_dist`.
    fn config_collision_distance(&self) {
        self.modify(
            regs::TCTL,
            tctl::COLD_MASK,
            regs::COLLISION_DISTANCE << tctl::COLD_SHIFT,
        );
        self.flush();
    }

    /// Does with pause frames what was negotiated (C: `e1000_config_fc_after_link_up`).
    fn config_flow_control(&self, link: &mut LinkSetup) -> Result {
        if link.mode.is_autoneg() {
            self.read_phy(phy::STATUS)?;
            if self.read_phy(phy::STATUS)? & phy::sr::AUTONEG_COMPLETE == 0 {
                return Ok(());
            }

            let adv = self.read_phy(phy::AUTONEG_ADV)?;
            let partner = self.read_phy(phy::LP_ABILITY)?;
            let wanted = link.wanted.unwrap_or(link.current);

            link.current = phy::resolve_pause(adv, partner, wanted, self.link().full_duplex);
        }
        self.force_flow_control(link.current);
        Ok(())
    }

    /// C: `e1000_force_mac_fc`.
    pub(crate) fn force_flow_control(&self, flow_control: FlowControl) {
        let mut set = 0;

        if flow_control.rx() {
            set |= ctrl::RFCE;
        }
        if flow_control.tx() {
            set |= ctrl::TFCE;
        }
        self.modify(regs::CTRL, ctrl::RFCE | ctrl::TFCE, set);
    }

    /// The directions of pause frames that the card is set to.
    pub(crate) fn flow_control(&self) -> FlowControl {
        let value = self.read(regs::CTRL);

        FlowControl::new(value & ctrl::RFCE != 0, value & ctrl::TFCE != 0)
    }

    /// What the link is, if there is one.
    pub(crate) fn link(&self) -> Link {
        Link::from_status(self.read(regs::STATUS))
    }

    /// Whether the card says that there is a link.
    pub(crate) fn is_link_up(&self) -> bool {
        self.read(regs::STATUS) & status::LU != 0
    }

    /// The link is looked at the next time that somebody asks. May be called in any context.
    pub(crate) fn set_link_changed(&self) {
        self.link_changed.store(true, Relaxed);
    }

    /// Whether there is a link (C: `e1000_has_link`, `e1000_check_for_link`). May sleep.
    pub(crate) fn has_link(&self, link: &mut LinkSetup) -> bool {
        // First, as a change that is told while the PHY is asked belongs to the next time.
        if !self.link_changed.xchg(false, Full) {
            return true;
        }
        if !self.phy_has_link().unwrap_or(false) {
            self.set_link_changed();
            return false;
        }
        if link.mode.is_autoneg() {
            self.config_collision_distance();
            // The link is there, even if pause frames are not as they should be.
            let _ = self.config_flow_control(link);
        }
        true
    }

    /// Whether the PHY has a link now.
    fn phy_has_link(&self) -> Result<bool> {
        // The first read tells of a link that was lost in between.
        self.read_phy(phy::STATUS)?;
        Ok(self.read_phy(phy::STATUS)? & phy::sr::LINK != 0)
    }
}
