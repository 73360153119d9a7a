// SPDX-License-Identifier: GPL-2.0

//! The card: its registers, its EEPROM, its PHY, and what is done to them in which order
//! (C: `e1000_hw.c`).
//!
//! Lock order: [`Hw::phy`] or [`Hw::eeprom_lock`] (both may sleep, never both), then that of
//! [`Hw::modify`].

use kernel::{
    device::Bound,
    io::Io,
    new_mutex, new_spinlock_irq, pci,
    prelude::*,
    sync::{
        atomic::Atomic,
        Mutex,
        SpinLockIrq, //
    },
    time::{
        delay::{
            fsleep,
            udelay, //
        },
        Delta, //
    },
};

use super::{
    eeprom::{
        self,
        Eeprom,
        Wires, //
    },
    filter::{
        Address,
        Exact, //
    },
    link::{
        Mdix,
        Mode, //
    },
    mac::{
        Bus,
        Mac,
        PacketBuffer,
        PAUSE_TIME, //
    },
    phy::{
        self,
        FlowControl,
        Outcome,
        Reg, //
    },
    regs::{
        self,
        ctrl,
        fcrtl,
        icr,
        manc,
        rctl,
        tctl,
        txdctl,
        Registers, //
    },
    stats::Counters, //
};

/// The BAR with the registers.
type Bar<'bound> = pci::Bar<'bound, { regs::SIZE }>;

/// How the link is to be made.
#[derive(Clone, Copy)]
pub(crate) struct LinkSetup {
    /// By negotiation, or not.
    pub(crate) mode: Mode,
    /// How the pairs are connected.
    pub(crate) mdix: Mdix,
    /// What the administrator wants of pause frames; `None`: as the EEPROM says.
    pub(crate) wanted: Option<FlowControl>,
    /// What is done with pause frames.
    pub(crate) current: FlowControl,
}

/// What is known of the PHY.
pub(crate) struct Phy {
    /// The revision, once it was found to be ours.
    pub(crate) revision: Option<u16>,
}

/// A card.
#[pin_data]
pub(crate) struct Hw<'bound> {
    bar: Bar<'bound>,
    /// Which member of the family it is.
    pub(crate) mac: Mac,
    /// Its bus.
    pub(crate) bus: Bus,
    /// Its EEPROM.
    pub(crate) eeprom: Eeprom,
    #[pin]
    eeprom_lock: Mutex<()>,
    /// The PHY. Taken while it works on a command.
    #[pin]
    pub(crate) phy: Mutex<Phy>,
    /// Taken while a register is read and written back.
    #[pin]
    modify_lock: SpinLockIrq<()>,
    /// The values of `LEDCTL`: as it was, and the two that show which card it is.
    #[pin]
    leds: Mutex<(u32, u32, u32)>,
    /// The link has changed, or may have, since it was last looked at.
    pub(crate) link_changed: Atomic<bool>,
}

impl Registers for Hw<'_> {
    #[inline]
    fn write(&self, offset: usize, value: u32) {
        self.write(offset, value);
    }

    #[inline(always)]
    fn write_known<const OFFSET: usize>(&self, value: u32) {
        self.write_known::<OFFSET>(value);
    }
}

impl Wires for Hw<'_> {
    fn eecd(&self) -> u32 {
        self.read(regs::EECD)
    }

    fn set_eecd(&self, value: u32) {
        self.write(regs::EECD, value);
        self.flush();
    }

    fn eerd(&self) -> u32 {
        self.read(regs::EERD)
    }

    fn set_eerd(&self, value: u32) {
        self.write(regs::EERD, value);
    }

    fn delay(&self, microseconds: u32) {
        udelay(Delta::from_micros(microseconds.into()));
    }
}

/// Sleeps for milliseconds.
pub(crate) fn msleep(milliseconds: i64) {
    fsleep(Delta::from_millis(milliseconds));
}

/// What C's driver says to user space, when the EEPROM cannot be reached: `E1000_ERR_EEPROM`.
impl From<eeprom::Error> for Error {
    fn from(_: eeprom::Error) -> Self {
        EPERM
    }
}

impl<'bound> Hw<'bound> {
    /// Maps the registers of a card.
    ///
    /// # Errors
    ///
    /// - [`EBUSY`]: another driver has BAR 0.
    /// - [`EIO`]: it is no memory, or less than the registers of a card, or cannot be mapped. It
    ///   was logged.
    pub(crate) fn new(
        pdev: &'bound pci::Device<Bound>,
        mac: Mac,
    ) -> Result<impl PinInit<Self, Error> + 'bound> {
        let bar = pdev
            .iomap_region_sized::<{ regs::SIZE }>(0, c"e1000_rs")
            .map_err(|err| {
                if err == EBUSY {
                    return err;
                }
                dev_err!(
                    pdev,
                    "can't map {:#x} bytes of registers in BAR 0: {}\n",
                    regs::SIZE,
                    err.to_errno()
                );
                EIO
            })?;
        let bus = Bus::from_status((&bar).read32(regs::STATUS));

        struct Size<'a, 'bound>(&'a Bar<'bound>);

        impl Wires for Size<'_, '_> {
            fn eecd(&self) -> u32 {
                self.0.read32(regs::EECD)
            }
            fn set_eecd(&self, _: u32) {}
            fn eerd(&self) -> u32 {
                0
            }
            fn set_eerd(&self, _: u32) {}
            fn delay(&self, _: u32) {}
        }

        let eeprom = Eeprom::new(&Size(&bar));

        Ok(try_pin_init!(Self {
            bar,
            mac,
            bus,
            eeprom,
            eeprom_lock <- new_mutex!(()),
            phy <- new_mutex!(Phy { revision: None }),
            modify_lock <- new_spinlock_irq!(()),
            leds <- new_mutex!((0, 0, 0)),
            link_changed: Atomic::new(true),
        }))
    }

    /// Reads a register.
    #[inline]
    pub(crate) fn read(&self, offset: usize) -> u32 {
        (&self.bar).try_read32(offset).unwrap_or(u32::MAX)
    }

    /// Writes a register.
    #[inline]
    pub(crate) fn write(&self, offset: usize, value: u32) {
        // All offsets are in `regs`, and within the BAR.
        let _ = (&self.bar).try_write32(value, offset);
    }

    /// Writes a register that is named where this is called, which takes no look at its offset.
    #[inline(always)]
    pub(crate) fn write_known<const OFFSET: usize>(&self, value: u32) {
        (&self.bar).write32(value, OFFSET);
    }

    /// Reads a register that is named where this is called.
    #[inline(always)]
    pub(crate) fn read_known<const OFFSET: usize>(&self) -> u32 {
        (&self.bar).read32(OFFSET)
    }

    /// Waits until what was written is there (C: `E1000_WRITE_FLUSH`).
    #[inline]
    pub(crate) fn flush(&self) {
        self.read_known::<{ regs::STATUS }>();
    }

    /// Clears and sets bits of a register. May be called in any context.
    pub(crate) fn modify(&self, offset: usize, clear: u32, set: u32) {
        let _guard = self.modify_lock.lock();

        self.write(offset, self.read(offset) & !clear | set);
    }

    /// Switches interrupts on.
    #[inline]
    pub(crate) fn irq_enable(&self) {
        self.write_known::<{ regs::IMS }>(icr::ENABLE);
        self.flush();
    }

    /// Switches interrupts off. A handler may still be running.
    #[inline]
    pub(crate) fn irq_disable(&self) {
        self.write_known::<{ regs::IMC }>(icr::ALL);
        self.flush();
    }

    /// Stops the card and puts it into the state after power-on (C: `e1000_reset_hw`).
    ///
    /// Emulations keep most registers: nothing may rely on them being zero.
    pub(crate) fn reset(&self, ports: impl FnOnce(u32) -> Result) {
        self.write(regs::IMC, icr::ALL);
        self.write(regs::RCTL, 0);
        self.write(regs::TCTL, tctl::PSP);
        self.flush();
        // What the card is doing on the bus must end.
        msleep(10);

        let value = self.read(regs::CTRL) | ctrl::RST;

        // The card cannot acknowledge a write of 64 bits while it is being reset, so the reset
        // goes through the I/O ports, where there are any.
        if ports(value).is_err() {
            self.write(regs::CTRL, value);
        }
        // It loads its EEPROM.
        msleep(5);
        self.modify(regs::MANC, manc::ARP_EN, 0);
        self.write(regs::IMC, icr::ALL);
        self.read(regs::ICR);
    }

    /// Sets the card up after [`Self::reset`] (C: `e1000_init_hw`). Receive and transmit stay off.
    ///
    /// # Errors
    ///
    /// - [`EPERM`]: the EEPROM cannot be reached.
    /// - [`EIO`]: the PHY cannot be reached, or is an unknown one.
    pub(crate) fn init(
        &self,
        address: &Address,
        link: &mut LinkSetup,
        buffer: &PacketBuffer,
    ) -> Result {
        self.init_leds()?;
        self.write(regs::VET, 0);
        for index in 0..regs::VFTA_ENTRIES {
            self.write(regs::vfta(index), 0);
        }
        self.set_exact(0, Exact::new(address));
        for index in 1..regs::RAR_ENTRIES {
            self.set_exact(index, Exact::NONE);
        }
        for index in 0..regs::MTA_ENTRIES {
            self.write(regs::mta(index), 0);
        }
        self.flush();

        let result = self.setup_link(link, buffer);

        self.modify(regs::TXDCTL, txdctl::WTHRESH_MASK, txdctl::FULL_TX_DESC_WB);
        // Without a link some count wildly, so this comes after it.
        Counters::clear(|offset| self.read(offset));
        result
    }

    /// Writes a receive address (C: `e1000_rar_set`).
    pub(crate) fn set_exact(&self, index: usize, exact: Exact) {
        self.write(regs::ral(index), exact.low);
        self.flush();
        self.write(regs::rah(index), exact.high);
        self.flush();
    }

    /// C: `e1000_setup_link`.
    fn setup_link(&self, link: &mut LinkSetup, buffer: &PacketBuffer) -> Result {
        let wanted = match link.wanted {
            Some(wanted) => wanted,
            None => FlowControl::from_eeprom(self.read_eeprom_word(eeprom::INIT_CONTROL2)?),
        };

        link.wanted = Some(wanted);
        link.current = wanted;

        let result = self.setup_copper_link(link);
        let (low, high) = regs::FLOW_CONTROL_ADDRESS;

        self.write(regs::FCT, regs::FLOW_CONTROL_TYPE);
        self.write(regs::FCAH, high);
        self.write(regs::FCAL, low);
        self.write(regs::FCTTV, PAUSE_TIME);
        if link.current.tx() {
            self.write(regs::FCRTL, u32::from(buffer.low_water) | fcrtl::XONE);
            self.write(regs::FCRTH, buffer.high_water.into());
        } else {
            self.write(regs::FCRTL, 0);
            self.write(regs::FCRTH, 0);
        }
        result
    }

    /// Whether the PHY has found the pairs to be crossed.
    pub(crate) fn is_crossed(&self) -> bool {
        self.read_phy(phy::M88_STATUS)
            .is_ok_and(|value| value & phy::m88_status::MDIX != 0)
    }

    /// Resets the PHY by its register, so that what was set takes effect (C: `e1000_phy_reset`).
    pub(crate) fn reset_phy(&self) -> Result {
        self.modify_phy(phy::CTRL, |value| value | phy::cr::RESET)?;
        udelay(Delta::from_micros(1));
        Ok(())
    }

    /// Resets the PHY by its wire (C: `e1000_phy_hw_reset`).
    pub(crate) fn reset_phy_hard(&self) {
        self.modify(regs::CTRL, 0, ctrl::PHY_RST);
        self.flush();
        msleep(10);
        self.modify(regs::CTRL, ctrl::PHY_RST, 0);
        self.flush();
        udelay(Delta::from_micros(150));
        msleep(10);
    }

    /// Wakes the PHY up (C: `e1000_power_up_phy`). A reset must follow.
    pub(crate) fn power_up_phy(&self) {
        // A PHY that does not answer will be found out by the reset.
        let _ = self.modify_phy(phy::CTRL, |value| value & !phy::cr::POWER_DOWN);
    }

    /// Puts the PHY to sleep, unless the card is needed for management
    /// (C: `e1000_power_down_phy`).
    pub(crate) fn power_down_phy(&self) {
        if self.read(regs::MANC) & manc::SMBUS_EN != 0 {
            return;
        }
        // It only costs power if it stays up.
        let _ = self.modify_phy(phy::CTRL, |value| value | phy::cr::POWER_DOWN);
        msleep(1);
    }

    /// Reads a register of the PHY (C: `e1000_read_phy_reg`). May sleep.
    ///
    /// # Errors
    ///
    /// - [`EIO`]: the PHY does not answer within 3 ms, or has no such register.
    pub(crate) fn read_phy(&self, reg: Reg) -> Result<u16> {
        self.command_phy(reg.read_command())
    }

    /// Writes a register of the PHY (C: `e1000_write_phy_reg`). May sleep.
    ///
    /// # Errors
    ///
    /// - [`EIO`]: the PHY does not answer within 3 ms.
    pub(crate) fn write_phy(&self, reg: Reg, value: u16) -> Result {
        match self.command_phy(reg.write_command(value)) {
            // C does not look at this error either when it writes: some registers are missing.
            Ok(_) | Err(ENXIO) => Ok(()),
            Err(err) => Err(err),
        }
    }

    /// Reads, changes and writes a register of the PHY. May sleep.
    pub(crate) fn modify_phy(&self, reg: Reg, change: impl FnOnce(u16) -> u16) -> Result {
        let value = self.read_phy(reg)?;

        self.write_phy(reg, change(value))
    }

    fn command_phy(&self, command: u32) -> Result<u16> {
        let _phy = self.phy.lock();

        self.write(regs::MDIC, command);
        for _ in 0..64 {
            match Outcome::from_mdic(self.read(regs::MDIC)) {
                Outcome::Done(value) => return Ok(value),
                Outcome::Failed => return Err(ENXIO),
                Outcome::Pending => udelay(Delta::from_micros(50)),
            }
        }
        Err(EIO)
    }

    /// Reads words of the EEPROM. May sleep.
    pub(crate) fn read_eeprom(&self, first: u16, words: &mut [u16]) -> Result {
        let _lock = self.eeprom_lock.lock();

        Ok(self.eeprom.read(self, first, words)?)
    }

    /// Reads a word of the EEPROM. May sleep.
    pub(crate) fn read_eeprom_word(&self, address: u16) -> Result<u16> {
        let _lock = self.eeprom_lock.lock();

        Ok(self.eeprom.read_word(self, address)?)
    }

    /// Reads the part of the EEPROM that has a checksum. May sleep.
    pub(crate) fn read_eeprom_summed(&self) -> Result<[u16; eeprom::SUMMED_WORDS]> {
        let _lock = self.eeprom_lock.lock();

        Ok(self.eeprom.read_summed(self)?)
    }

    /// Writes words of the EEPROM, and the checksum if they belong to what is summed. May sleep.
    pub(crate) fn write_eeprom(&self, first: u16, words: &[u16]) -> Result {
        let _lock = self.eeprom_lock.lock();

        self.eeprom.write(self, first, words)?;
        if first <= eeprom::CHECKSUM_WORD {
            self.eeprom.update_checksum(self)?;
        }
        Ok(())
    }

    /// C: `e1000_id_led_init`.
    fn init_leds(&self) -> Result {
        let setting = self.read_eeprom_word(eeprom::ID_LED_SETTINGS)?;
        let before = self.read(regs::LEDCTL);
        let (first, second) = eeprom::id_leds(setting, before);

        *self.leds.lock() = (before, first, second);
        Ok(())
    }

    /// Lets the LEDs show which card it is: one half of the time, or the other; `None`: what they
    /// showed before.
    pub(crate) fn show_leds(&self, on: Option<bool>) {
        let (before, first, second) = *self.leds.lock();

        self.write(
            regs::LEDCTL,
            match on {
                None => before,
                Some(false) => first,
                Some(true) => second,
            },
        );
    }

    /// Stops receive and transmit.
    pub(crate) fn stop(&self) {
        self.modify(regs::RCTL, rctl::EN, 0);
        self.modify(regs::TCTL, tctl::EN, 0);
        self.flush();
        msleep(10);
    }
}
