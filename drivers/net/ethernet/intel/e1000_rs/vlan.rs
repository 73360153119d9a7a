// SPDX-License-Identifier: GPL-2.0

//! VLANs: tags that the card takes out and puts in, and which of them it lets in.

use kernel::{
    net::netdev::{
        Device,
        Features, //
    },
    sync::atomic::Relaxed, //
};

use super::{
    adapter::Adapter,
    filter::vlan_place,
    regs::{
        self,
        ctrl,
        rctl, //
    },
    state::Config,
    E1000, //
};

impl<'bound> Adapter<'bound> {
    /// Lets the card take tags out, and put them in, or not (C: `__e1000_vlan_mode`).
    pub(crate) fn set_vlan_mode(&self, features: Features) {
        if features.contains(Features::HW_VLAN_CTAG_RX) {
            self.hw.modify(regs::CTRL, 0, ctrl::VME);
        } else {
            self.hw.modify(regs::CTRL, ctrl::VME, 0);
        }
    }

    /// Lets only VLANs in that are used, or all (C: `e1000_vlan_filter_on_off`).
    pub(crate) fn set_vlan_filter(&self, dev: &Device<'bound, E1000>, on: bool) {
        self.set_vlan_mode(dev.features());
        if on {
            // Who wants everything wants it from all VLANs.
            let promiscuous = dev.with_rx_mode(|mode| mode.is_promisc());
            let enable = if promiscuous { 0 } else { rctl::VFE };

            self.hw.modify(regs::RCTL, rctl::CFIEN, enable);
        } else {
            self.hw.modify(regs::RCTL, rctl::VFE, 0);
        }
    }

    /// Lets a VLAN in, or keeps it out (C: `e1000_vlan_rx_add_vid`, `e1000_vlan_rx_kill_vid`).
    pub(crate) fn set_vlan(&self, dev: &Device<'bound, E1000>, vid: u16, on: bool) {
        let mut config = self.config.lock();
        let (index, bit) = vlan_place(vid);
        let had_vlans = self.has_vlans.load(Relaxed);

        let Some(bits) = config.vlans.get_mut(index) else {
            return;
        };
        *bits = if on { *bits | bit } else { *bits & !bit };
        self.hw.write(regs::vfta(index), *bits);
        self.hw.flush();

        let has_vlans = config.vlans.iter().any(|&bits| bits != 0);

        self.has_vlans.store(has_vlans, Relaxed);
        if has_vlans != had_vlans {
            self.set_vlan_filter(dev, has_vlans);
        }
    }

    /// Writes the table again after a reset (C: `e1000_restore_vlan`).
    pub(crate) fn restore_vlans(&self, dev: &Device<'bound, E1000>, config: &Config) {
        if !self.has_vlans.load(Relaxed) {
            self.set_vlan_mode(dev.features());
            return;
        }
        self.set_vlan_filter(dev, true);
        for (index, &bits) in config.vlans.iter().enumerate() {
            self.hw.write(regs::vfta(index), bits);
        }
        self.hw.flush();
    }
}
