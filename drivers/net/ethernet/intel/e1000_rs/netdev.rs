// SPDX-License-Identifier: GPL-2.0

//! What the network stack calls (C: `e1000_netdev_ops`).

use kernel::{
    net::{
        napi::{
            Poll,
            Polled, //
        },
        netdev::{
            message::MessageLevel,
            Address,
            Device,
            Features,
            Operations,
            Rtnl,
            RxMode,
            Statistics,
            VlanProtocol,
            Xmit, //
        },
        skb::{
            Busy,
            SkBuff, //
        }, //
    },
    prelude::*,
    sync::{
        atomic::Relaxed,
        Arc, //
    }, //
};

use super::{
    adapter::{
        Adapter,
        OVERHEAD, //
    },
    filter::Exact,
    link::{
        Mdix,
        Mode, //
    },
    phy::{
        self,
        advertise,
        cr,
        Reg, //
    },
    E1000, //
};

impl<'bound> Adapter<'bound> {
    /// Brings the interface up (C: `e1000_open`).
    pub(crate) fn open(this: &Arc<Self>, dev: &Device<'bound, E1000>, rtnl: &Rtnl) -> Result {
        if this.testing.load(Relaxed) {
            return Err(EBUSY);
        }
        dev.carrier_off();
        if let Err(err) = this.allocate_rings() {
            this.reset_down();
            return Err(err);
        }
        this.hw.power_up_phy();
        if let Err(err) = Self::request_irq(this, dev, rtnl) {
            this.power_down_phy();
            this.free_rings();
            this.reset_down();
            return Err(err);
        }
        this.up(dev, rtnl);
        Ok(())
    }

    /// Brings the interface down (C: `e1000_close`).
    pub(crate) fn close(&self, dev: &Device<'bound, E1000>, rtnl: &Rtnl) {
        // A device that is suspended, or that the bus has cut off, is down already.
        if !self.is_down() {
            self.down(dev, rtnl);
        }
        self.power_down_phy();
        self.free_irq();
        self.free_rings();
    }

    /// Puts the PHY to sleep, unless it is to wake the machine up.
    fn power_down_phy(&self) {
        if self.config.lock().wol == 0 {
            self.hw.power_down_phy();
        }
    }

    /// Makes the rings anew, for frames of up to `max_frame` bytes and of the sizes that are set
    /// (C: parts of `e1000_change_mtu` and `e1000_set_ringparam`).
    ///
    /// # Errors
    ///
    /// - [`ENOMEM`]: all is as it was.
    pub(crate) fn remake(
        &self,
        dev: &Device<'bound, E1000>,
        rtnl: &Rtnl,
        max_frame: u32,
    ) -> Result {
        if !dev.is_running() || self.is_down() {
            self.max_frame.store(max_frame, Relaxed);
            if dev.is_present() {
                self.reset_down();
            }
            return Ok(());
        }

        let (tx, rx) = self.make_rings(max_frame)?;

        self.max_frame.store(max_frame, Relaxed);
        self.down(dev, rtnl);
        self.tx.replace(Some(tx));
        self.rx.replace(Some(rx));
        self.up(dev, rtnl);
        Ok(())
    }

    /// C: what `e1000_mii_ioctl` does after it has written a register.
    fn after_mii_write(
        &self,
        dev: &Device<'bound, E1000>,
        rtnl: &Rtnl,
        reg: Reg,
        value: u16,
    ) -> Result {
        match reg {
            phy::CTRL if value & cr::POWER_DOWN == 0 => {
                if value & cr::AUTO_NEG_EN != 0 {
                    self.config.lock().link.mode = Mode::advertise(advertise::ALL);
                } else {
                    let mbps = if value & cr::SPEED_1000 != 0 {
                        1000
                    } else if value & cr::SPEED_100 != 0 {
                        100
                    } else {
                        10
                    };
                    let mode = self.fixed_mode(dev, mbps, value & cr::FULL_DUPLEX != 0)?;
                    let mut config = self.config.lock();

                    config.link.mode = mode;
                    // Crossing can only be chosen along with negotiation.
                    config.link.mdix = Mdix::Auto;
                }
                self.reinit(dev, rtnl);
                Ok(())
            }
            phy::M88_CTRL | phy::M88_EXT_CTRL => self.hw.reset_phy().map_err(|_| EIO),
            _ => Ok(()),
        }
    }

    /// A fixed mode (C: `e1000_set_spd_dplx`).
    ///
    /// # Errors
    ///
    /// - [`EINVAL`]: the card cannot do that.
    pub(crate) fn fixed_mode(
        &self,
        dev: &Device<'bound, E1000>,
        mbps: u32,
        full_duplex: bool,
    ) -> Result<Mode> {
        Mode::fixed(mbps, full_duplex).ok_or_else(|| {
            if self.logs(MessageLevel::PROBE) {
                kernel::netdev_err!(dev, "Unsupported Speed/Duplex configuration\n");
            }
            EINVAL
        })
    }
}

#[vtable]
impl Operations for E1000 {
    type Data<'bound> = Arc<Adapter<'bound>>;

    fn open<'bound>(dev: &Device<'bound, Self>, rtnl: &Rtnl) -> Result {
        Adapter::open(dev.data(), dev, rtnl)
    }

    fn stop<'bound>(dev: &Device<'bound, Self>, rtnl: &Rtnl) {
        dev.data().close(dev, rtnl);
    }

    #[inline]
    fn start_xmit<'bound>(
        dev: &Device<'bound, Self>,
        xmit: Xmit<'_>,
        skb: SkBuff,
    ) -> Result<(), Busy> {
        dev.data().xmit(dev, &xmit, skb)
    }

    #[inline]
    fn poll<'bound>(dev: &Device<'bound, Self>, poll: Poll<'_>) -> Polled {
        dev.data().poll(dev, poll)
    }

    fn set_rx_mode<'bound>(dev: &Device<'bound, Self>, mode: &RxMode<'_>) {
        dev.data().write_rx_mode(mode);
    }

    fn set_mac_address<'bound>(
        dev: &Device<'bound, Self>,
        _rtnl: &Rtnl,
        address: &Address,
    ) -> Result {
        let this = dev.data();

        this.config.lock().address = *address;
        this.hw.set_exact(0, Exact::new(address));
        Ok(())
    }

    fn change_mtu<'bound>(dev: &Device<'bound, Self>, rtnl: &Rtnl, mtu: u32) -> Result {
        dev.data().remake(dev, rtnl, mtu.saturating_add(OVERHEAD))
    }

    fn mii_phy<'bound>(_dev: &Device<'bound, Self>, _rtnl: &Rtnl) -> Result<u16> {
        // As C, which never finds out the number.
        Ok(0)
    }

    fn mii_read<'bound>(
        dev: &Device<'bound, Self>,
        _rtnl: &Rtnl,
        _phy: u16,
        register: u16,
    ) -> Result<u16> {
        let [low, _] = register.to_le_bytes();

        dev.data()
            .hw
            .read_phy(Reg::from_number(low))
            .map_err(|_| EIO)
    }

    fn mii_write<'bound>(
        dev: &Device<'bound, Self>,
        rtnl: &Rtnl,
        _phy: u16,
        register: u16,
        value: u16,
    ) -> Result {
        let this = dev.data();
        let register = u8::try_from(register)
            .ok()
            .filter(|&register| register < 32)
            .ok_or(EFAULT)?;
        let reg = Reg::from_number(register);

        this.hw.write_phy(reg, value).map_err(|_| EIO)?;
        this.after_mii_write(dev, rtnl, reg, value)
    }

    fn tx_timeout<'bound>(dev: &Device<'bound, Self>, _queue: u32) {
        dev.data().hang();
    }

    fn get_stats64<'bound>(dev: &Device<'bound, Self>, statistics: &mut Statistics) {
        dev.data().tell_statistics(statistics);
    }

    fn vlan_rx_add_vid<'bound>(
        dev: &Device<'bound, Self>,
        _rtnl: &Rtnl,
        _protocol: VlanProtocol,
        vid: u16,
    ) -> Result {
        dev.data().set_vlan(dev, vid, true);
        Ok(())
    }

    fn vlan_rx_kill_vid<'bound>(
        dev: &Device<'bound, Self>,
        _rtnl: &Rtnl,
        _protocol: VlanProtocol,
        vid: u16,
    ) -> Result {
        dev.data().set_vlan(dev, vid, false);
        Ok(())
    }

    fn fix_features<'bound>(
        _dev: &Device<'bound, Self>,
        _rtnl: &Rtnl,
        features: Features,
    ) -> Features {
        // The card has one switch for both.
        if features.contains(Features::HW_VLAN_CTAG_RX) {
            features | Features::HW_VLAN_CTAG_TX
        } else {
            features - Features::HW_VLAN_CTAG_TX
        }
    }

    fn set_features<'bound>(dev: &Device<'bound, Self>, rtnl: &Rtnl, features: Features) -> Result {
        let this = dev.data();
        let changed = features ^ dev.features();

        if changed.intersects(Features::HW_VLAN_CTAG_RX) {
            this.set_vlan_mode(features);
        }
        if changed.intersects(Features::RXCSUM | Features::RXALL) {
            dev.commit_features(rtnl, features);
            this.config.lock().rx_csum = features.contains(Features::RXCSUM);
            this.reinit(dev, rtnl);
        }
        Ok(())
    }

    fn poll_controller<'bound>(dev: &Device<'bound, Self>) {
        dev.data().poll_without_interrupt();
    }
}
