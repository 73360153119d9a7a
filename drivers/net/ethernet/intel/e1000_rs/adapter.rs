// SPDX-License-Identifier: GPL-2.0

//! What a bound card has, and how it goes up and down (C: `struct e1000_adapter`, `e1000_up`,
//! `e1000_down`, `e1000_reset`).
//!
//! All that changes the state of the card as a whole is done under RTNL. So one never waits for
//! another to end its reset, as C's functions do: there, a close could wait for a reset that
//! waited for the lock that the close held.
//!
//! Lock order: RTNL, then [`Adapter::config`], then the locks of [`Hw`]. That of the statistics is
//! innermost. The rings have none.

use kernel::{
    device::{
        self,
        scope::Scope,
        Bound, //
    },
    irq::{
        self,
        ScopedRegistration, //
    },
    net::{
        netdev::{
            message::MessageLevel,
            Device,
            Features,
            Handle,
            Rtnl,
            RxMode, //
        }, //
    },
    new_mutex,
    new_scoped_work,
    new_spinlock_irq,
    pci::{
        self,
        enable::Enabled,
        port::IoPorts, //
    },
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Mutex,
        SpinLockIrq, //
    },
    workqueue::{
        self,
        ScopedWork, //
    }, //
};

use super::{
    filter::{
        HashBits,
        Plan,
        Wanted, //
    },
    hw::Hw,
    itr::Throttle,
    link::Mode,
    mac::{
        PacketBuffer,
        Spacing, //
    },
    parameters,
    params::Options,
    phy::advertise,
    regs::{
        self,
        ctrl,
        icr,
        rctl,
        rxcsum,
        tctl, //
    },
    rx::Rx,
    rx_ring::RxRing,
    rxparse::MAX_FRAME,
    state::{
        Config,
        Counts,
        Seen,
        Statistics, //
    },
    tx::Tx,
    tx_ring::TxRing,
    E1000, //
};

/// The Ethernet header and the frame check sequence.
pub(crate) const OVERHEAD: u32 = 14 + 4;

/// The interrupt, which has the name of the device.
type Irq<'bound> = ScopedRegistration<'bound, Arc<Adapter<'bound>>, Handle<'bound, E1000>>;

/// A bound card.
#[pin_data]
pub(crate) struct Adapter<'bound> {
    pub(crate) pdev: &'bound pci::Device<Bound>,
    /// What interrupts and work are attached to.
    pub(crate) scope: &'bound Scope<'bound>,
    /// The network device.
    pub(crate) netdev: Handle<'bound, E1000>,
    /// The card.
    #[pin]
    pub(crate) hw: Hw<'bound>,
    /// The I/O ports, which resets go through.
    ports: Option<IoPorts<'bound>>,
    /// What has been set.
    #[pin]
    pub(crate) config: Mutex<Config>,
    /// The transmit ring.
    pub(crate) tx: Tx<'bound>,
    /// The receive ring.
    pub(crate) rx: Rx<'bound>,
    /// Counters of packets.
    pub(crate) counts: Counts,
    /// Other counters.
    #[pin]
    pub(crate) statistics: SpinLockIrq<Statistics>,
    /// What the watchdog has seen.
    #[pin]
    pub(crate) seen: Mutex<Seen>,
    /// The limit of interrupts, a [`Throttle`].
    pub(crate) throttle: Atomic<u32>,
    /// The traffic of earlier runs of NAPI since the last interrupt: packets and bytes, of transmit
    /// and of receive.
    pub(crate) traffic: [Atomic<u32>; 4],
    /// Whether an interrupt has told that the link changed, and the watchdog is about to look.
    pub(crate) link_told: Atomic<bool>,
    /// The link has 1000 Mb/s.
    pub(crate) gigabit: Atomic<bool>,
    /// The pairs are crossed.
    pub(crate) crossed: Atomic<bool>,
    /// The largest frame, with header and check sequence: that of the MTU.
    pub(crate) max_frame: Atomic<u32>,
    /// The card does not send nor receive, and no work is to be queued.
    down: Atomic<bool>,
    /// What is logged: the bits of a `MessageLevel`.
    msg_enable: Atomic<u32>,
    /// There are VLANs: what [`Config`] says, for those who must not sleep.
    pub(crate) has_vlans: Atomic<bool>,
    /// A self test is running: the interface must not come up.
    pub(crate) testing: Atomic<bool>,
    /// The interrupt, while the interface is up.
    #[pin]
    pub(crate) irq: SpinLockIrq<Option<Irq<'bound>>>,
    pub(crate) watchdog: ScopedWork<'bound, Adapter<'bound>, WATCHDOG>,
    pub(crate) reset_work: ScopedWork<'bound, Adapter<'bound>, RESET>,
    /// What keeps the device switched on; `None` while it is suspended.
    #[pin]
    pub(crate) enabled: Mutex<Option<Enabled<'bound>>>,
}

/// The work that looks at the link every two seconds.
pub(crate) const WATCHDOG: u64 = 0;
/// The work that resets a card that hangs.
pub(crate) const RESET: u64 = 1;

/// What an adapter is made of.
pub(crate) struct Parts<'bound, H> {
    pub(crate) pdev: &'bound pci::Device<Bound>,
    pub(crate) scope: &'bound Scope<'bound>,
    pub(crate) hw: H,
    pub(crate) ports: Option<IoPorts<'bound>>,
    pub(crate) enabled: Enabled<'bound>,
}

impl<'bound> Adapter<'bound> {
    /// Makes an adapter of a card that has not been looked at yet.
    pub(crate) fn new<H: PinInit<Hw<'bound>, Error>>(
        parts: Parts<'bound, H>,
        netdev: Handle<'bound, E1000>,
    ) -> Result<Arc<Self>> {
        let Parts {
            pdev,
            scope,
            hw,
            ports,
            enabled,
        } = parts;
        let watchdog = new_scoped_work!(scope, workqueue::system_dfl(), "e1000_rs_watchdog")?;
        let reset_work = new_scoped_work!(scope, workqueue::system_dfl(), "e1000_rs_reset")?;
        let options = Options::DEFAULT;
        let adapter = Arc::pin_init(
            try_pin_init!(Self {
                pdev,
                scope,
                netdev,
                hw <- hw,
                ports,
                config <- new_mutex!(Config::new(&options, [0; 6], 0)),
                tx: Tx::new(),
                rx: Rx::new(),
                counts: Counts::default(),
                statistics <- new_spinlock_irq!(Statistics::default()),
                seen <- new_mutex!(Seen::default()),
                throttle: Atomic::new(Throttle::new(options.throttle).to_word()),
                traffic: [const { Atomic::new(0) }; 4],
                link_told: Atomic::new(false),
                gigabit: Atomic::new(false),
                crossed: Atomic::new(false),
                max_frame: Atomic::new(MAX_FRAME),
                down: Atomic::new(true),
                msg_enable: Atomic::new(parameters::msg_enable().bits()),
                has_vlans: Atomic::new(false),
                testing: Atomic::new(false),
                irq <- new_spinlock_irq!(None),
                watchdog,
                reset_work,
                enabled <- new_mutex!(Some(enabled)),
            }),
            GFP_KERNEL,
        )?;

        adapter.watchdog.start(adapter.clone());
        adapter.reset_work.start(adapter.clone());
        Ok(adapter)
    }

    /// What is logged.
    pub(crate) fn msg_enable(&self) -> MessageLevel {
        MessageLevel::from_bits(self.msg_enable.load(Relaxed))
    }

    /// Whether messages of a kind are logged.
    pub(crate) fn logs(&self, kind: MessageLevel) -> bool {
        self.msg_enable().intersects(kind)
    }

    /// Sets what is logged.
    pub(crate) fn set_msg_enable(&self, level: MessageLevel) {
        self.msg_enable.store(level.bits(), Relaxed);
    }

    /// Whether the card does not send nor receive.
    #[inline]
    pub(crate) fn is_down(&self) -> bool {
        self.down.load(Relaxed)
    }

    /// Whether the link has 1000 Mb/s.
    #[inline]
    pub(crate) fn is_gigabit(&self) -> bool {
        self.gigabit.load(Relaxed)
    }

    /// Whether the pairs were found to be crossed.
    pub(crate) fn is_crossed(&self) -> bool {
        self.crossed.load(Relaxed)
    }

    /// Resets the card, by the I/O ports if it has some (C: `e1000_write_reg_io`).
    pub(crate) fn reset_card(&self) {
        self.hw.reset(|value| {
            let ports = self.ports.as_ref().ok_or(ENODEV)?;

            // The number of the register, and then its value.
            ports.try_write32(regs::CTRL as u32, 0)?;
            ports.try_write32(value, 4)
        });
    }

    /// Resets the card and sets it up, with receive and transmit off (C: `e1000_reset`).
    pub(crate) fn reset_down(&self) {
        let config = &mut *self.config.lock();
        let mac = self.hw.mac;
        let max_frame = self.max_frame.load(Relaxed);
        let pba = if PacketBuffer::needs_register(mac, max_frame) {
            self.hw.write(regs::PBA, PacketBuffer::RX_KIB);
            self.hw.read(regs::PBA)
        } else {
            0
        };

        config.buffer = PacketBuffer::new(mac, max_frame, pba);
        self.hw.write(regs::PBA, config.buffer.rx_kib);
        self.reset_card();
        self.hw.write(regs::WUC, 0);
        if self
            .hw
            .init(&config.address, &mut config.link, &config.buffer)
            .is_err()
        {
            dev_err!(self.pdev, "Hardware Error\n");
        }
        if config.link.mode == Mode::Autoneg(advertise::FULL_1000) {
            // Power management of the PHY would try 100 Mb/s.
            self.hw.modify(regs::CTRL, ctrl::EN_PHY_PWR_MGMT, 0);
        }
        self.hw.write(regs::VET, regs::VLAN_TYPE);
        self.hw.write(regs::AIT, 0);
        self.seen.lock().spacing = Spacing::default();
    }

    /// Sets receive and transmit up after a reset (C: `e1000_configure`).
    fn configure(&self, dev: &Device<'bound, E1000>) {
        let config = self.config.lock();

        dev.with_rx_mode(|mode| self.write_rx_mode(mode));
        self.restore_vlans(dev, &config);
        self.configure_tx(&config);
        self.configure_rx(dev, &config);
        drop(config);
        self.rx.refill(self);
    }

    /// C: `e1000_configure_tx`.
    fn configure_tx(&self, config: &Config) {
        let hw = &self.hw;
        let [delay, abs_delay, _, _] = config.delays;

        self.tx.program(hw, delay != 0);
        hw.write(regs::TIPG, regs::TIPG_COPPER);
        hw.write(regs::TIDV, delay.into());
        hw.write(regs::TADV, abs_delay.into());
        hw.modify(
            regs::TCTL,
            tctl::CT_MASK | tctl::COLD_MASK,
            tctl::PSP
                | tctl::RTLC
                | regs::COLLISION_THRESHOLD << tctl::CT_SHIFT
                | regs::COLLISION_DISTANCE << tctl::COLD_SHIFT,
        );
    }

    /// C: `e1000_setup_rctl`, `e1000_configure_rx`.
    fn configure_rx(&self, dev: &Device<'bound, E1000>, config: &Config) {
        let hw = &self.hw;
        let [_, _, delay, abs_delay] = config.delays;

        hw.modify(regs::RCTL, rctl::EN, 0);
        self.rx
            .program(hw, dev.features().contains(Features::RXALL));
        self.setup_rctl(dev);
        hw.write(regs::RDTR, delay.into());
        hw.write(regs::RADV, abs_delay.into());
        self.program_throttle();
        if config.rx_csum {
            hw.modify(regs::RXCSUM, 0, rxcsum::TUOFL);
        } else {
            hw.modify(regs::RXCSUM, rxcsum::TUOFL, 0);
        }
        hw.modify(regs::RCTL, 0, rctl::EN);
    }

    /// C: `e1000_setup_rctl`.
    pub(crate) fn setup_rctl(&self, dev: &Device<'bound, E1000>) {
        let mut set = rctl::BAM | HashBits::From36.rctl();
        let mut clear = rctl::MO_MASK
            | rctl::SBP
            | rctl::LPE
            | rctl::SZ_MASK
            | rctl::BSEX
            | rctl::LBM_MASK
            | rctl::PMCF;

        if self.max_frame.load(Relaxed) > MAX_FRAME {
            set |= rctl::LPE;
        }
        set |= match self.rx.buffer_size() {
            4096 => rctl::SZ_4096 | rctl::BSEX,
            8192 => rctl::SZ_8192 | rctl::BSEX,
            16384 => rctl::SZ_16384 | rctl::BSEX,
            // The card must not write more than the buffers have, also if they have less than this:
            // then it does not accept longer packets.
            _ => rctl::SZ_2048,
        };
        if dev.features().contains(Features::RXALL) {
            set |= rctl::SBP | rctl::PMCF;
            clear |= rctl::VFE | rctl::DPF | rctl::CFIEN;
        }
        self.hw.modify(regs::RCTL, clear, set);
    }

    /// Lets the card send and receive (C: `e1000_up`). It was reset before.
    pub(crate) fn up(&self, dev: &Device<'bound, E1000>, rtnl: &Rtnl) {
        self.configure(dev);
        // The interrupt starts the watchdog, which tells of a link. The stack may send before:
        // netpoll does, and keeps all that it cannot get rid of.
        dev.wake_queue();
        self.down.store(false, Relaxed);
        dev.napi_enable(rtnl);
        self.hw.irq_enable();
        self.hw.set_link_changed();
        self.hw.write(regs::ICS, icr::LSC);
    }

    /// Stops the card, and throws away what it has not sent (C: `e1000_down`).
    pub(crate) fn down(&self, dev: &Device<'bound, E1000>, rtnl: &Rtnl) {
        self.quiesce(dev, rtnl);
        self.reset_down();
        self.clean_rings(dev, rtnl);
    }

    /// Stops the card, and all that works on its behalf.
    ///
    /// Each step ends who could undo a later one. C stops the queue first, and then NAPI, which
    /// may have woken it up by then: what is sent during the reset is lost, with the queue stopped
    /// for its sake.
    fn quiesce(&self, dev: &Device<'bound, E1000>, rtnl: &Rtnl) {
        // Handlers that run after this do nothing, and those that run before it are waited for.
        self.down.store(true, Relaxed);
        self.hw.modify(regs::RCTL, rctl::EN, 0);
        self.hw.irq_disable();
        self.synchronize_irq();
        // Nobody queues it any more.
        self.watchdog.cancel_sync();
        self.link_told.store(false, Relaxed);
        // Nobody schedules it any more.
        dev.napi_disable(rtnl);
        // Nobody wakes the queue up any more. A queue that is stopped without a link is not stuck.
        dev.carrier_off();
        dev.tx_disable();
        self.hw.modify(regs::TCTL, tctl::EN, 0);
        self.hw.flush();
        super::hw::msleep(10);
        self.forget_link();
    }

    /// Waits for handlers that are running. Under RTNL, so the interrupt neither comes nor goes.
    fn synchronize_irq(&self) {
        let irq = self.irq.lock().take();

        if let Some(irq) = &irq {
            irq.synchronize();
        }
        *self.irq.lock() = irq;
    }

    fn forget_link(&self) {
        self.seen.lock().link = None;
        self.gigabit.store(false, Relaxed);
    }

    /// Empties the rings. The card does not use them.
    fn clean_rings(&self, dev: &Device<'bound, E1000>, rtnl: &Rtnl) {
        self.tx.empty(&self.hw);
        // NAPI is disabled.
        let _ = dev.reset_queue(rtnl);
        self.rx.empty(&self.hw);
    }

    /// Resets the card if it is up, as what has been set takes effect by that
    /// (C: `e1000_reinit_locked`).
    pub(crate) fn reinit(&self, dev: &Device<'bound, E1000>, rtnl: &Rtnl) {
        if dev.is_running() && !self.is_down() {
            self.down(dev, rtnl);
            self.up(dev, rtnl);
        } else if self.is_down() && dev.is_present() {
            self.reset_down();
        }
    }

    /// Makes rings of the sizes that are set, for frames of up to `max_frame` bytes.
    ///
    /// # Errors
    ///
    /// - [`ENOMEM`].
    pub(crate) fn make_rings(
        &self,
        max_frame: u32,
    ) -> Result<(TxRing<'bound>, KBox<RxRing<'bound>>)> {
        let (tx_size, rx_size) = {
            let config = self.config.lock();

            (config.tx_size, config.rx_size)
        };
        let dev: &'bound device::Device<Bound> = self.pdev.as_ref();
        let tx =
            TxRing::new(dev, self.hw.mac, tx_size).inspect_err(|_| self.report_no_ring("Tx"))?;
        let rx = RxRing::new(dev, self.hw.mac, rx_size, max_frame)
            .inspect_err(|_| self.report_no_ring("Rx"))?;

        Ok((tx, rx))
    }

    /// Says that there is no memory for a ring, as C does.
    fn report_no_ring(&self, which: &str) {
        if self.logs(MessageLevel::PROBE) {
            dev_err!(self.pdev, "Allocation for {} Queue 0 failed\n", which);
        }
    }

    /// Gets the rings.
    ///
    /// # Errors
    ///
    /// - [`ENOMEM`].
    pub(crate) fn allocate_rings(&self) -> Result {
        let (tx, rx) = self.make_rings(self.max_frame.load(Relaxed))?;

        self.tx.replace(Some(tx));
        self.rx.replace(Some(rx));
        Ok(())
    }

    /// Gives the rings back.
    pub(crate) fn free_rings(&self) {
        self.tx.replace(None);
        self.rx.replace(None);
    }

    /// Lets the card interrupt.
    ///
    /// # Errors
    ///
    /// Those of [`ScopedRegistration::named_after`].
    pub(crate) fn request_irq(
        this: &Arc<Self>,
        dev: &Device<'bound, E1000>,
        rtnl: &Rtnl,
    ) -> Result {
        let irq = ScopedRegistration::named_after(
            this.scope,
            this.pdev.irq_line()?,
            irq::Flags::SHARED,
            dev.handle(),
            Ok::<_, Error>(this.clone()),
        )
        .inspect_err(|err| {
            if this.logs(MessageLevel::PROBE) {
                dev_err!(
                    this.pdev,
                    "Unable to allocate interrupt Error: {}\n",
                    err.to_errno()
                );
            }
        })?;

        dev.napi_set_irq(rtnl, irq.irq());
        *this.irq.lock() = Some(irq);
        Ok(())
    }

    /// Gives the interrupt back.
    pub(crate) fn free_irq(&self) {
        let irq = self.irq.lock().take();

        drop(irq);
    }

    /// Sets which packets are received, by address (C: `e1000_set_rx_mode`).
    pub(crate) fn write_rx_mode(&self, mode: &RxMode<'_>) {
        let wanted = Wanted {
            promiscuous: mode.is_promisc(),
            all_multicast: mode.is_allmulti(),
            vlans: self.has_vlans.load(Relaxed),
        };
        let plan = Plan::new(
            wanted,
            mode.unicast_count(),
            mode.unicast(),
            mode.multicast(),
            HashBits::From36,
        );

        self.hw.modify(regs::RCTL, Plan::RCTL_MASK, plan.rctl);
        for (index, exact) in (1..).zip(plan.exact) {
            self.hw.set_exact(index, exact);
        }
        for (index, bits) in plan.hashes.into_iter().enumerate() {
            self.hw.write(regs::mta(index), bits);
        }
        self.hw.flush();
    }
}
