// SPDX-License-Identifier: GPL-2.0

//! What `ethtool` asks and sets (C: `e1000_ethtool.c`).

use kernel::{
    net::{
        ethtool::{
            self,
            Coalesce,
            CoalesceParams,
            DriverInfo,
            Duplex,
            LinkModes,
            LinkSettings,
            PauseParam,
            PhysId,
            Port,
            RingParam,
            SelfTest,
            Wol,
            WolOptions, //
        },
        netdev::{
            message::MessageLevel,
            Device,
            Rtnl, //
        }, //
    },
    netdev_err,
    prelude::*,
    sync::atomic::Relaxed, //
};

use super::{
    adapter::Adapter,
    eeprom,
    itr::{
        self,
        Throttle, //
    },
    link::{
        Link,
        Mdix,
        Mode, //
    },
    phy::{
        self,
        FlowControl, //
    },
    regs,
    ring::Size,
    selftest,
    stats::{
        self,
        Own, //
    },
    wol::{
        self,
        wake, //
    },
    E1000, //
};

/// What the card can do.
const SUPPORTED: LinkModes = LinkModes::from_bits(
    phy::advertise::ALL as u32 | LinkModes::AUTONEG.bits() | LinkModes::TP.bits(),
);

/// The registers that are shown first, in C's order.
const REGISTERS: [usize; 12] = [
    regs::CTRL,
    regs::STATUS,
    regs::RCTL,
    regs::RDLEN,
    regs::RDH,
    regs::RDT,
    regs::RDTR,
    regs::TCTL,
    regs::TDLEN,
    regs::TDH,
    regs::TDT,
    regs::TIDV,
];

/// Events as ethtool has them, and their bits.
const EVENTS: [(WolOptions, u32); 7] = [
    (WolOptions::PHY, wake::PHY),
    (WolOptions::UCAST, wake::UCAST),
    (WolOptions::MCAST, wake::MCAST),
    (WolOptions::BCAST, wake::BCAST),
    (WolOptions::ARP, wake::ARP),
    (WolOptions::MAGIC, wake::MAGIC),
    (WolOptions::MAGICSECURE, wake::MAGICSECURE),
];

/// From bits to ethtool's events.
fn events(bits: u32) -> WolOptions {
    EVENTS
        .iter()
        .filter(|(_, bit)| bits & bit != 0)
        .fold(WolOptions::NONE, |events, &(event, _)| events | event)
}

/// From ethtool's events to bits.
fn event_bits(events: WolOptions) -> u32 {
    EVENTS
        .iter()
        .filter(|(event, _)| events.intersects(*event))
        .fold(0, |bits, &(_, bit)| bits | bit)
}

impl<'bound> Adapter<'bound> {
    /// The number that writing the EEPROM takes.
    fn eeprom_magic(&self) -> u32 {
        u32::from(self.pdev.vendor_id().as_raw()) | u32::from(self.pdev.device_id()) << 16
    }

    /// Whether the card can wake the machine up.
    fn can_wake(&self) -> bool {
        self.hw.mac.can_wake() && self.pdev.as_ref().can_wakeup()
    }

    /// The counters of the driver.
    fn own(&self) -> Own {
        let counts = &self.counts;

        Own {
            tx_dropped: counts.tx_dropped.get(),
            tx_timeout_count: self.statistics.lock().own.tx_timeout_count,
            tx_restart_queue: counts.restart_queue.get(),
            rx_csum_offload_good: counts.csum_good.get(),
            rx_csum_offload_errors: counts.csum_bad.get(),
            alloc_rx_buff_failed: counts.alloc_failed.get(),
        }
    }

    /// C: `e1000_get_regs`.
    fn registers(&self, to: &mut [u32]) {
        let read_phy = |reg| u32::from(self.hw.read_phy(reg).unwrap_or(0));
        let status = read_phy(phy::M88_STATUS);
        let ctrl = read_phy(phy::M88_CTRL);
        let gigabit = read_phy(phy::GIGABIT_STATUS);
        let [idle, receive] = self.statistics.lock().phy;
        let card = REGISTERS.iter().map(|&offset| self.hw.read(offset));
        // The type of the PHY is 0. Places that other PHYs use are 0 too.
        let rest = [
            0,
            status,
            0,
            0,
            0,
            ctrl,
            status,
            0,
            ctrl,
            idle,
            receive,
            status,
            gigabit,
            gigabit,
            self.hw.read(regs::MANC),
        ];

        for (to, value) in to.iter_mut().zip(Iterator::chain(card, rest)) {
            *to = value;
        }
    }

    /// C: `e1000_set_link_ksettings`.
    fn set_link(
        &self,
        dev: &Device<'bound, E1000>,
        rtnl: &Rtnl,
        settings: &LinkSettings,
    ) -> Result {
        if !matches!(
            settings.mdix_ctrl,
            ethtool::Mdix::Invalid | ethtool::Mdix::Auto
        ) && !settings.autoneg
        {
            if self.logs(MessageLevel::DRV) {
                netdev_err!(
                    dev,
                    "forcing MDI/MDI-X state is not supported when link speed and/or duplex are \
                     forced\n"
                );
            }
            return Err(EINVAL);
        }

        let mode = if settings.autoneg {
            // CAST: The modes that the card has are among the lower bits.
            Mode::advertise(settings.advertising.bits() as u16)
        } else {
            let full_duplex = match settings.duplex {
                Some(duplex) => duplex == Duplex::Full,
                None => {
                    self.fixed_mode(dev, 0, false)?;
                    false
                }
            };

            self.fixed_mode(dev, settings.speed.unwrap_or(0), full_duplex)?
        };

        {
            let mut config = self.config.lock();

            config.link.mode = mode;
            match settings.mdix_ctrl {
                // Crossing can only be chosen along with negotiation.
                ethtool::Mdix::Invalid if settings.autoneg => {}
                ethtool::Mdix::Invalid | ethtool::Mdix::Auto => config.link.mdix = Mdix::Auto,
                ethtool::Mdix::Mdi => config.link.mdix = Mdix::Mdi,
                ethtool::Mdix::MdiX => config.link.mdix = Mdix::MdiX,
            }
        }
        self.reinit(dev, rtnl);
        Ok(())
    }
}

#[vtable]
impl ethtool::Operations for E1000 {
    const REGISTERS: usize = 32;
    const STATISTICS: &'static [&'static str] = &stats::NAMES;
    const TESTS: &'static [&'static str] = &selftest::NAMES;
    const COALESCE_PARAMS: CoalesceParams = CoalesceParams::RX_USECS;

    fn get_drvinfo<'bound>(_dev: &Device<'bound, Self>, info: &mut DriverInfo<'_>) {
        info.set_driver("e1000_rs");
    }

    fn get_regs<'bound>(dev: &Device<'bound, Self>, _rtnl: &Rtnl, registers: &mut [u32]) -> u32 {
        let this = dev.data();

        this.registers(registers);
        1 << 24 | u32::from(this.pdev.revision_id()) << 16 | u32::from(this.pdev.device_id())
    }

    fn get_wol<'bound>(dev: &Device<'bound, Self>, _rtnl: &Rtnl) -> Wol {
        let this = dev.data();

        if !this.hw.mac.can_wake() {
            return Wol::default();
        }
        Wol {
            supported: events(wake::SUPPORTED),
            options: if this.can_wake() {
                events(wol::from_wufc(this.config.lock().wol))
            } else {
                WolOptions::NONE
            },
        }
    }

    fn set_wol<'bound>(dev: &Device<'bound, Self>, _rtnl: &Rtnl, options: WolOptions) -> Result {
        let this = dev.data();
        let filters = wol::to_wufc(event_bits(options)).ok_or(EOPNOTSUPP)?;

        if !this.can_wake() {
            return if options.is_empty() {
                Ok(())
            } else {
                Err(EOPNOTSUPP)
            };
        }
        this.config.lock().wol = filters;
        // As C, which does not tell either.
        let _ = this.pdev.as_ref().set_wakeup_enable(filters != 0);
        Ok(())
    }

    fn get_msglevel<'bound>(dev: &Device<'bound, Self>) -> MessageLevel {
        dev.data().msg_enable()
    }

    fn set_msglevel<'bound>(dev: &Device<'bound, Self>, level: MessageLevel) {
        dev.data().set_msg_enable(level);
    }

    fn nway_reset<'bound>(dev: &Device<'bound, Self>, rtnl: &Rtnl) -> Result {
        if dev.is_running() {
            dev.data().reinit(dev, rtnl);
        }
        Ok(())
    }

    fn get_link<'bound>(dev: &Device<'bound, Self>, _rtnl: &Rtnl) -> bool {
        let this = dev.data();

        // Without interrupts, nobody has told of changes.
        if !dev.carrier_ok() {
            this.hw.set_link_changed();
        }
        this.has_link()
    }

    fn get_eeprom_len<'bound>(dev: &Device<'bound, Self>) -> u32 {
        u32::from(dev.data().hw.eeprom.words()) * 2
    }

    fn get_eeprom<'bound>(
        dev: &Device<'bound, Self>,
        _rtnl: &Rtnl,
        offset: u32,
        data: &mut [u8],
    ) -> Result<u32> {
        let this = dev.data();
        let len = u32::try_from(data.len())?;
        let (first, count) =
            eeprom::word_range(offset, len, this.hw.eeprom.words()).ok_or(EINVAL)?;
        let mut words = KVec::from_elem(0u16, count, GFP_KERNEL)?;

        this.hw.read_eeprom(first, &mut words)?;

        // An odd offset begins in the middle of a word.
        let bytes = words
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .skip(usize::from(offset % 2 != 0));

        for (to, byte) in data.iter_mut().zip(bytes) {
            *to = byte;
        }
        Ok(this.eeprom_magic())
    }

    fn set_eeprom<'bound>(
        dev: &Device<'bound, Self>,
        _rtnl: &Rtnl,
        magic: u32,
        offset: u32,
        data: &[u8],
    ) -> Result {
        let this = dev.data();

        if data.is_empty() {
            return Err(EOPNOTSUPP);
        }
        if magic != this.eeprom_magic() {
            return Err(EFAULT);
        }

        let len = u32::try_from(data.len())?;
        let (first, count) =
            eeprom::word_range(offset, len, this.hw.eeprom.words()).ok_or(EINVAL)?;
        let mut words = KVec::from_elem(0u16, count, GFP_KERNEL)?;

        // The first and the last word may be written in part.
        this.hw.read_eeprom(first, &mut words)?;

        let start = usize::from(offset % 2 != 0);

        for (i, &byte) in data.iter().enumerate() {
            if let Some(word) = words.get_mut((start + i) / 2) {
                let mut bytes = word.to_le_bytes();

                bytes[(start + i) % 2] = byte;
                *word = u16::from_le_bytes(bytes);
            }
        }
        this.hw.write_eeprom(first, &words)
    }

    fn get_ringparam<'bound>(dev: &Device<'bound, Self>, _rtnl: &Rtnl) -> RingParam {
        let config = dev.data().config.lock();

        RingParam {
            rx_max_pending: Size::MAX.count().into(),
            tx_max_pending: Size::MAX.count().into(),
            rx_pending: config.rx_size.count().into(),
            tx_pending: config.tx_size.count().into(),
            ..RingParam::default()
        }
    }

    fn set_ringparam<'bound>(dev: &Device<'bound, Self>, rtnl: &Rtnl, ring: &RingParam) -> Result {
        let this = dev.data();

        if ring.rx_mini_pending != 0 || ring.rx_jumbo_pending != 0 {
            return Err(EINVAL);
        }

        let set = |rx, tx| {
            let mut config = this.config.lock();

            (
                core::mem::replace(&mut config.rx_size, rx),
                core::mem::replace(&mut config.tx_size, tx),
            )
        };
        let (rx, tx) = set(
            Size::nearest(ring.rx_pending),
            Size::nearest(ring.tx_pending),
        );

        this.remake(dev, rtnl, this.max_frame.load(Relaxed))
            .inspect_err(|_| {
                set(rx, tx);
            })
    }

    fn get_pauseparam<'bound>(dev: &Device<'bound, Self>, _rtnl: &Rtnl) -> PauseParam {
        let config = dev.data().config.lock();

        PauseParam {
            autoneg: config.fc_autoneg,
            rx_pause: config.link.current.rx(),
            tx_pause: config.link.current.tx(),
        }
    }

    fn set_pauseparam<'bound>(
        dev: &Device<'bound, Self>,
        rtnl: &Rtnl,
        pause: &PauseParam,
    ) -> Result {
        let this = dev.data();
        let flow_control = FlowControl::new(pause.rx_pause, pause.tx_pause);

        {
            let mut config = this.config.lock();

            config.fc_autoneg = pause.autoneg;
            config.link.wanted = Some(flow_control);
            config.link.current = flow_control;
        }
        if pause.autoneg {
            this.reinit(dev, rtnl);
        } else {
            this.hw.force_flow_control(flow_control);
        }
        Ok(())
    }

    fn self_test<'bound>(dev: &Device<'bound, Self>, rtnl: &Rtnl, test: &mut SelfTest<'_>) {
        Adapter::self_test(dev.data(), dev, rtnl, test);
    }

    fn get_ethtool_stats<'bound>(dev: &Device<'bound, Self>, _rtnl: &Rtnl, statistics: &mut [u64]) {
        let this = dev.data();
        let own = this.own();

        this.update_statistics();

        let guard = this.statistics.lock();

        for (to, value) in statistics.iter_mut().zip(stats::values(&guard.card, &own)) {
            *to = value;
        }
    }

    fn set_phys_id<'bound>(dev: &Device<'bound, Self>, _rtnl: &Rtnl, id: PhysId) -> Result<u32> {
        let hw = &dev.data().hw;

        match id {
            PhysId::Active | PhysId::Off => hw.show_leds(Some(false)),
            PhysId::On => hw.show_leds(Some(true)),
            PhysId::Inactive => hw.show_leds(None),
        }
        // How often in a second, for the first call.
        Ok(2)
    }

    fn get_coalesce<'bound>(dev: &Device<'bound, Self>, _rtnl: &Rtnl) -> Result<Coalesce> {
        let this = dev.data();

        if !this.hw.mac.has_coalesce() {
            return Err(EOPNOTSUPP);
        }
        Ok(Coalesce {
            rx_coalesce_usecs: this.throttle().mode().to_usecs(),
            ..Coalesce::default()
        })
    }

    fn set_coalesce<'bound>(
        dev: &Device<'bound, Self>,
        _rtnl: &Rtnl,
        coalesce: &Coalesce,
    ) -> Result {
        let this = dev.data();

        if !this.hw.mac.has_coalesce() {
            return Err(EOPNOTSUPP);
        }

        let mode = itr::Mode::from_usecs(coalesce.rx_coalesce_usecs).ok_or(EINVAL)?;

        this.set_throttle(Throttle::new(mode));
        this.program_throttle();
        Ok(())
    }

    fn get_link_ksettings<'bound>(
        dev: &Device<'bound, Self>,
        _rtnl: &Rtnl,
    ) -> Result<LinkSettings> {
        let this = dev.data();
        let link: Option<Link> = this.hw.is_link_up().then(|| this.hw.link());
        let config = this.config.lock();
        let mode = config.link.mode;
        let mut advertising = LinkModes::TP;

        if mode.is_autoneg() {
            advertising =
                advertising | LinkModes::AUTONEG | LinkModes::from_bits(mode.advertised().into());
        }
        Ok(LinkSettings {
            speed: link.map(|link| link.mbps.into()),
            duplex: link.map(|link| {
                if link.full_duplex {
                    Duplex::Full
                } else {
                    Duplex::Half
                }
            }),
            port: Port::TwistedPair,
            phy_address: 0,
            autoneg: mode.is_autoneg(),
            mdix: match (dev.carrier_ok(), this.is_crossed()) {
                (false, _) => ethtool::Mdix::Invalid,
                (true, false) => ethtool::Mdix::Mdi,
                (true, true) => ethtool::Mdix::MdiX,
            },
            mdix_ctrl: match config.link.mdix {
                Mdix::Auto => ethtool::Mdix::Auto,
                Mdix::Mdi => ethtool::Mdix::Mdi,
                Mdix::MdiX => ethtool::Mdix::MdiX,
            },
            supported: SUPPORTED,
            advertising,
        })
    }

    fn set_link_ksettings<'bound>(
        dev: &Device<'bound, Self>,
        rtnl: &Rtnl,
        settings: &LinkSettings,
    ) -> Result {
        dev.data().set_link(dev, rtnl, settings)
    }
}
