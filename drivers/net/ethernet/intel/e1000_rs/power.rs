// SPDX-License-Identifier: GPL-2.0

//! Suspend, resume, shutdown, waking up, and errors of the bus (C: `__e1000_shutdown`,
//! `e1000_resume`, `e1000_io_error_detected` and what follows).

use kernel::{
    device::Core,
    net::netdev::{
        Device,
        Rtnl, //
    },
    pci::{
        self,
        enable::{
            Enabled,
            Resources, //
        },
        lifecycle::{
            ChannelState,
            ErsResult, //
        },
        power::{
            PowerState,
            Wake, //
        }, //
    },
    prelude::*,
    sync::Arc, //
};

use super::{
    adapter::Adapter,
    regs::{
        self,
        ctrl,
        rctl,
        wuc, //
    },
    wol::{
        self,
        wufc, //
    },
    E1000, //
};

impl<'bound> Adapter<'bound> {
    /// Stops the card, and prepares it for waking up. Returns whether it will do so.
    fn put_to_sleep(&self, dev: &Device<'bound, E1000>, rtnl: &Rtnl) -> bool {
        dev.detach();
        if dev.is_running() && !self.is_down() {
            self.down(dev, rtnl);
        }

        let mut filters = self.config.lock().wol;

        if self.hw.is_link_up() {
            filters = wol::while_link_is_up(filters);
        }
        if filters == 0 {
            self.hw.write(regs::WUC, 0);
            self.hw.write(regs::WUFC, 0);
        } else {
            self.setup_rctl(dev);
            dev.with_rx_mode(|mode| self.write_rx_mode(mode));
            if filters & wufc::MC != 0 {
                self.hw.modify(regs::RCTL, 0, rctl::MPE);
            }
            self.hw.modify(regs::RCTL, 0, rctl::EN);
            self.hw
                .modify(regs::CTRL, 0, ctrl::ADVD3WUC | ctrl::EN_PHY_PWR_MGMT);
            self.hw.write(regs::WUC, wuc::PME_EN);
            self.hw.write(regs::WUFC, filters);
        }
        self.free_irq();
        filters != 0
    }

    /// C: `__e1000_shutdown`. Returns whether the card will wake the machine up.
    fn sleep(&self) -> bool {
        let wakes = self
            .netdev
            .with_rtnl(|dev, rtnl| self.put_to_sleep(dev, rtnl));

        drop(self.enabled.lock().take());
        wakes.unwrap_or(false)
    }

    /// Switches the device on again.
    fn switch_on(&self, dev: &'bound pci::Device<Core<'_>>) -> Result {
        let mut slot = self.enabled.lock();

        if slot.is_none() {
            *slot = Some(enable(dev)?);
        }
        drop(slot);
        // What it cannot do it does not do.
        let _ = dev.enable_wake(PowerState::D3hot, Wake::Off);
        let _ = dev.enable_wake(PowerState::D3cold, Wake::Off);
        Ok(())
    }

    /// Whether the interface goes up again. One that a self test could not bring back has no rings,
    /// and stays down until it was closed and opened.
    fn goes_up(&self, dev: &Device<'bound, E1000>) -> bool {
        dev.is_running() && self.tx.has_ring()
    }

    /// Brings the interface back to where it was before [`Self::put_to_sleep`].
    fn wake_up(this: &Arc<Self>, dev: &Device<'bound, E1000>, rtnl: &Rtnl) -> Result {
        let goes_up = this.goes_up(dev);

        if goes_up {
            Self::request_irq(this, dev, rtnl)?;
        }
        this.hw.power_up_phy();
        this.reset_down();
        this.hw.write(regs::WUS, u32::MAX);
        if goes_up {
            this.up(dev, rtnl);
        }
        dev.attach();
        Ok(())
    }

    /// The system suspends.
    pub(crate) fn suspend(&self) -> Result {
        let wakes = self.sleep();

        // Devices that cannot wake are asked to all the same, as C does.
        let _ = self.pdev.as_ref().set_wakeup_enable(wakes);
        Ok(())
    }

    /// The system is back.
    pub(crate) fn resume(this: &Arc<Self>, dev: &'bound pci::Device<Core<'_>>) -> Result {
        this.switch_on(dev).inspect_err(|_| {
            pr_err!("Cannot enable PCI device from suspend\n");
        })?;
        this.netdev
            .with_rtnl(|netdev, rtnl| Self::wake_up(this, netdev, rtnl))
            .unwrap_or(Ok(()))
    }

    /// The system shuts down.
    pub(crate) fn shutdown(&self, dev: &'bound pci::Device<Core<'_>>) {
        let wakes = self.sleep();

        if pci::power::is_power_off() {
            // It goes off in any case.
            let _ = dev.wake_from_d3(Wake::on_if(wakes));
            let _ = dev.set_power_state(PowerState::D3hot);
        }
    }

    /// The bus has seen an error.
    pub(crate) fn error_detected(&self, state: ChannelState) -> ErsResult {
        self.netdev.with_rtnl(|dev, rtnl| {
            dev.detach();
            if state != ChannelState::PermFailure && dev.is_running() && !self.is_down() {
                self.down(dev, rtnl);
            }
        });
        if state == ChannelState::PermFailure {
            return ErsResult::Disconnect;
        }
        drop(self.enabled.lock().take());
        ErsResult::NeedReset
    }

    /// The slot was reset.
    pub(crate) fn slot_reset(&self, dev: &'bound pci::Device<Core<'_>>) -> ErsResult {
        if self.switch_on(dev).is_err() {
            pr_err!("Cannot re-enable PCI device after reset.\n");
            return ErsResult::Disconnect;
        }
        self.netdev.with_rtnl(|_, _| {
            self.reset_down();
            self.hw.write(regs::WUS, u32::MAX);
        });
        ErsResult::Recovered
    }

    /// All is well again.
    pub(crate) fn error_resume(&self) {
        self.netdev.with_rtnl(|dev, rtnl| {
            // It may have been opened since.
            if self.is_down() && self.goes_up(dev) {
                self.up(dev, rtnl);
            }
            dev.attach();
        });
    }
}

/// Switches a device on.
///
/// # Errors
///
/// Those of C's `pci_enable_device`.
pub(crate) fn enable<'a>(dev: &'a pci::Device<Core<'_>>) -> Result<Enabled<'a>> {
    let enabled = dev.enable(Resources::MemoryAndIo)?;

    enabled.set_master();
    Ok(enabled)
}
