// SPDX-License-Identifier: GPL-2.0

//! Driver for Intel's 8254x Gigabit Ethernet cards.
//!
//! The files, by the parts of `drivers/net/ethernet/intel/e1000` that they correspond to. Those
//! that need no kernel, and that `tools/e1000-logic` tests:
//!
//! - `regs`, `desc`, `mac`: `e1000_hw.h`, `e1000_set_mac_type`, `e1000_get_bus_info`,
//! - `ring`: `E1000_DESC_UNUSED`,
//! - `eeprom`, `phy`, `link`: what `e1000_hw.c` decides,
//! - `filter`: `e1000_hash_mc_addr`, `e1000_set_rx_mode`,
//! - `txplan`: `e1000_tso`, `e1000_tx_csum`, `e1000_tx_map`, `e1000_tx_queue`,
//! - `rxparse`: `e1000_rx_checksum`, and what C does not look at,
//! - `itr`: `e1000_update_itr`, `e1000_set_itr`,
//! - `params`: `e1000_check_options`,
//! - `stats`: `e1000_gstrings_stats`, `e1000_clear_hw_cntrs`,
//! - `wol`: `e1000_set_wol`.
//!
//! Those that do:
//!
//! - `hw`: what `e1000_hw.c` does to the card,
//! - `parameters`: the parameters of the module,
//! - `copper`: `e1000_setup_copper_link`, `e1000_check_for_link`,
//! - `ring_dma`, `tx_ring`, `tx`, `rx_ring`, `reception`, `rx`: the rings of `e1000_main.c`,
//! - `state`, `adapter`: `struct e1000_adapter`, `e1000_up`, `e1000_down`, `e1000_reset`,
//! - `interrupt`: `e1000_intr`, `e1000_clean`,
//! - `watchdog`: `e1000_watchdog`, `e1000_update_stats`, `e1000_reset_task`,
//! - `vlan`: `e1000_vlan_rx_add_vid` and what belongs to it,
//! - `netdev`: `e1000_netdev_ops`,
//! - `ethtool`, `selftest`: `e1000_ethtool.c`,
//! - `power`: `__e1000_shutdown`, `e1000_resume`, `e1000_err_handler`,
//! - this one: `e1000_probe`, `e1000_remove`.

#![deny(unsafe_code)]

pub mod desc;
pub mod eeprom;
pub mod filter;
pub mod itr;
pub mod link;
pub mod mac;
pub mod params;
pub mod phy;
pub mod regs;
pub mod ring;
pub mod rxparse;
pub mod stats;
pub mod txplan;
pub mod wol;

mod adapter;
mod copper;
mod ethtool;
mod hw;
mod interrupt;
mod netdev;
mod parameters;
mod power;
mod reception;
mod ring_dma;
mod rx;
mod rx_ring;
mod selftest;
mod state;
mod tx;
mod tx_ring;
mod vlan;
mod watchdog;

use kernel::{
    device::{
        scope::Scope,
        Bound,
        Core, //
    },
    dma::DmaMask,
    driver,
    net::netdev::{
        is_valid_address,
        message::MessageLevel,
        Address,
        Features,
        NewDevice,
        PrivFlags,
        Registration, //
    },
    netdev_info,
    pci::{
        self,
        lifecycle::{
            self,
            ChannelState,
            ErsResult, //
        },
        port::{
            BarKind,
            IoPorts, //
        }, //
    },
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    InPlaceModule,
    ModuleMetadata, //
};

use self::{
    adapter::{
        Adapter,
        Parts,
        OVERHEAD, //
    },
    hw::Hw,
    itr::Throttle,
    mac::Mac,
    params::{
        Options,
        MAX_CARDS, //
    },
    rxparse::MAX_JUMBO_FRAME,
    state::Config,
    txplan::MAX_SEGMENTS,
    wol::wufc, //
};

/// The vendor of all cards.
const VENDOR: pci::Vendor = pci::Vendor::INTEL;
/// 82540EM, as QEMU emulates it by default.
const DEVICE_82540EM: u32 = 0x100e;
/// 82545EM on copper.
const DEVICE_82545EM: u32 = 0x100f;

/// VMware, whose 82545EM has no filter for several addresses.
const VENDOR_VMWARE: u16 = 0x15ad;

/// The smallest MTU: that of the shortest frame.
const MIN_MTU: u32 = 60 - 14;
/// How long the queue may be stopped, in milliseconds.
const WATCHDOG_TIMEOUT: u32 = 5000;

/// How many cards were found so far: the next one's parameters.
static CARDS: Atomic<usize> = Atomic::new(0);

kernel::pci_device_table!(
    ID_TABLE,
    <E1000 as lifecycle::Driver>::IdInfo,
    [
        (pci::DeviceId::from_id(VENDOR, DEVICE_82540EM), Mac::I82540),
        (pci::DeviceId::from_id(VENDOR, DEVICE_82545EM), Mac::I82545),
    ]
);

/// The driver.
struct E1000;

/// What a bound device has. The network device goes first, then the PHY is reset.
struct Data<'bound> {
    _registration: Registration<'bound, E1000>,
    _phy: PhyReset<'bound>,
    adapter: Arc<Adapter<'bound>>,
}

/// Puts the PHY into the state after power-on when the driver leaves the card.
struct PhyReset<'bound>(Arc<Adapter<'bound>>);

impl Drop for PhyReset<'_> {
    fn drop(&mut self) {
        self.0.hw.reset_phy_hard();
    }
}

/// What can be switched, as it is to begin with.
fn hw_features() -> Features {
    Features::SG | Features::HW_CSUM | Features::HW_VLAN_CTAG_RX | Features::TSO
}

/// What belongs to no other file of the driver: how a card is found.
impl E1000 {
    /// The I/O ports of a card, if it has some and nobody else uses them.
    fn ports(dev: &pci::Device<Bound>) -> Option<IoPorts<'_>> {
        let bar = (1..6).find(|&bar| matches!(dev.bar_kind(bar), Ok(Some(BarKind::IoPorts))))?;

        dev.io_ports(bar, c"e1000_rs").ok()
    }

    /// The address in the EEPROM; zero if the EEPROM does not add up, so that the card can be used
    /// after the administrator has set an address.
    fn address(dev: &pci::Device<Bound>, adapter: &Adapter<'_>) -> Address {
        let logs = adapter.logs(MessageLevel::PROBE);
        let Ok(words) = adapter.hw.read_eeprom_summed() else {
            if logs {
                dev_err!(dev, "EEPROM Read Error\n");
            }
            return [0; 6];
        };

        if eeprom::is_valid(&words) {
            return eeprom::mac_address(&words);
        }

        let (_, summed) = words.split_last().unwrap_or((&0, &[]));

        if logs {
            dev_err!(dev, "The EEPROM Checksum Is Not Valid\n");
        }
        dev_err!(
            dev,
            "Current EEPROM Checksum : {:#06x}, Calculated : {:#06x}\n",
            words[usize::from(eeprom::CHECKSUM_WORD)],
            eeprom::SUM.wrapping_sub(eeprom::sum(summed))
        );
        [0; 6]
    }

    /// Sets what the stack is to know of a card.
    fn describe<'bound>(dev: &pci::Device<Bound>, mac: Mac, new: &mut NewDevice<'bound, Self>) {
        let is_vmware = mac == Mac::I82545 && dev.subsystem_vendor_id() == VENDOR_VMWARE;

        new.set_hw_features(hw_features() | Features::RXCSUM | Features::RXALL | Features::RXFCS);
        new.set_features(hw_features() | Features::HW_VLAN_CTAG_TX | Features::HW_VLAN_CTAG_FILTER);
        new.set_vlan_features(Features::TSO | Features::HW_CSUM | Features::SG);
        new.add_priv_flags(PrivFlags::SUPP_NOFCS);
        if !is_vmware {
            new.add_priv_flags(PrivFlags::UNICAST_FLT);
        }
        new.set_mtu_range(MIN_MTU, MAX_JUMBO_FRAME - OVERHEAD);
        new.set_tso_max_segs(MAX_SEGMENTS);
        new.set_watchdog_timeout(WATCHDOG_TIMEOUT);
        new.set_ethtool_ops();
    }

    /// Takes over a card (C: `e1000_probe`).
    fn set_up<'bound>(
        dev: &'bound pci::Device<Core<'_>>,
        mac: Mac,
        scope: &'bound Scope<'bound>,
    ) -> Result<Data<'bound>> {
        let enabled = power::enable(dev)?;
        let parts = Parts {
            pdev: dev,
            scope,
            hw: Hw::new(dev, mac)?,
            ports: Self::ports(dev),
            enabled,
        };
        let mut new = NewDevice::<Self>::new(dev.as_ref(), |handle| Adapter::new(parts, handle))?;
        let adapter = new.data().clone();

        Self::describe(dev, mac, &mut new);
        adapter.hw.irq_disable();
        // What the card was doing, it does no more.
        adapter.reset_card();

        let address = Self::address(dev, &adapter);
        let logs = adapter.logs(MessageLevel::PROBE);

        new.set_address(&address);
        if logs && !is_valid_address(&address) {
            dev_err!(dev, "Invalid MAC Address\n");
        }

        let card = CARDS.load(Relaxed);
        let options = Self::options(dev, card);
        let wol = Self::eeprom_wol(&adapter.hw);

        *adapter.config.lock() = Config::new(&options, address, wol);
        adapter.set_throttle(Throttle::new(options.throttle));
        // Devices that cannot wake are asked to all the same, as C does.
        let _ = adapter.pdev.as_ref().set_wakeup_enable(wol != 0);
        adapter.reset_down();

        let phy = PhyReset(adapter.clone());
        let registration = new.register(scope)?;

        registration.handle().with_rtnl(|netdev, _| {
            let bus = adapter.hw.bus;
            let [a, b, c, d, e, f] = address;

            adapter.set_vlan_filter(netdev, false);
            if logs {
                netdev_info!(
                    netdev,
                    "(PCI{}:{}MHz:{}-bit) {:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}\n",
                    if bus.pcix { "-X" } else { "" },
                    bus.mhz,
                    bus.bits,
                    a,
                    b,
                    c,
                    d,
                    e,
                    f
                );
                netdev_info!(netdev, "Intel(R) PRO/1000 Network Connection\n");
            }
            // There is none before the device is opened, which ethtool tells.
            netdev.carrier_off();
        });
        CARDS.store(card.saturating_add(1), Relaxed);
        Ok(Data {
            _registration: registration,
            _phy: phy,
            adapter,
        })
    }

    /// What was given for a card.
    fn options(dev: &pci::Device<Bound>, card: usize) -> Options {
        if card >= MAX_CARDS {
            dev_warn!(
                dev,
                "Warning: no configuration for board #{card} using defaults for all values\n"
            );
        }
        Options::new(&parameters::given(card), &mut |line| {
            dev_info!(dev, "{line}\n");
        })
    }

    /// What wakes the machine up by default.
    fn eeprom_wol(hw: &Hw<'_>) -> u32 {
        match hw.read_eeprom_word(eeprom::INIT_CONTROL3_PORT_A) {
            Ok(word) if word & eeprom::APME != 0 => wufc::MAG,
            _ => 0,
        }
    }
}

#[vtable]
impl lifecycle::Driver for E1000 {
    type IdInfo = Mac;
    type Data<'bound> = Data<'bound>;

    const ID_TABLE: pci::IdTable<Self::IdInfo> = &ID_TABLE;
    // More bits hang some cards; C takes 64 on PCI-X, which QEMU does not have.
    const DMA_MASKS: &'static [DmaMask] = &[DmaMask::new::<32>()];

    fn probe<'bound>(
        dev: &'bound pci::Device<Core<'_>>,
        id_info: Option<&'bound Self::IdInfo>,
        scope: &'bound Scope<'bound>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound {
        // An id that was added by hand is taken to be the first one.
        let mac = id_info.copied().unwrap_or(Mac::I82540);

        Self::set_up(dev, mac, scope)
    }

    fn suspend<'bound>(
        _dev: &'bound pci::Device<Core<'_>>,
        this: Pin<&Self::Data<'bound>>,
    ) -> Result {
        this.adapter.suspend()
    }

    fn resume<'bound>(
        dev: &'bound pci::Device<Core<'_>>,
        this: Pin<&Self::Data<'bound>>,
    ) -> Result {
        Adapter::resume(&this.adapter, dev)
    }

    fn shutdown<'bound>(dev: &'bound pci::Device<Core<'_>>, this: Pin<&Self::Data<'bound>>) {
        this.adapter.shutdown(dev);
    }

    fn error_detected<'bound>(
        _dev: &'bound pci::Device<Core<'_>>,
        this: Pin<&Self::Data<'bound>>,
        state: ChannelState,
    ) -> ErsResult {
        this.adapter.error_detected(state)
    }

    fn slot_reset<'bound>(
        dev: &'bound pci::Device<Core<'_>>,
        this: Pin<&Self::Data<'bound>>,
    ) -> ErsResult {
        this.adapter.slot_reset(dev)
    }

    fn error_resume<'bound>(_dev: &'bound pci::Device<Core<'_>>, this: Pin<&Self::Data<'bound>>) {
        this.adapter.error_resume();
    }
}

/// What is there as long as the module is loaded.
#[pin_data]
struct Module {
    #[pin]
    _driver: driver::Registration<lifecycle::Adapter<E1000>>,
}

impl InPlaceModule for Module {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        pr_info!("Intel(R) PRO/1000 Network Driver in Rust\n");
        try_pin_init!(Self {
            _driver <- driver::Registration::new(<Self as ModuleMetadata>::NAME, module),
            _: {
                match parameters::copybreak.value() {
                    256 => {}
                    0 => pr_info!("copybreak disabled\n"),
                    bytes => pr_info!("copybreak enabled for packets <= {bytes} bytes\n"),
                }
            },
        })
    }
}

module! {
    type: Module,
    name: "e1000_rs",
    authors: ["The linux-virtio-rs developers"],
    description: "Intel(R) PRO/1000 Network Driver in Rust",
    license: "GPL v2",
}
