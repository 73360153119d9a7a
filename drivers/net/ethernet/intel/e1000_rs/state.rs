// SPDX-License-Identifier: GPL-2.0

//! What an adapter remembers: settings, what the watchdog has seen, and counters.

use kernel::{
    net::netdev::Address,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

use super::{
    hw::LinkSetup,
    link::{
        Link,
        Mdix, //
    },
    mac::{
        Mac,
        PacketBuffer,
        Spacing, //
    },
    params::Options,
    phy::FlowControl,
    regs,
    ring::Size,
    rxparse::MAX_FRAME,
    stats::{
        Counters,
        Own, //
    }, //
};

/// What the administrator has set, and what follows from it.
pub(crate) struct Config {
    /// How the link is made.
    pub(crate) link: LinkSetup,
    /// Whether the directions of pause frames are negotiated.
    pub(crate) fc_autoneg: bool,
    /// The transmit ring.
    pub(crate) tx_size: Size,
    /// The receive ring.
    pub(crate) rx_size: Size,
    /// Whether checksums of received packets are looked at.
    pub(crate) rx_csum: bool,
    /// The delays of interrupts: of transmit and of receive, each with the most.
    pub(crate) delays: [u16; 4],
    /// What wakes the machine up, in the words of the card.
    pub(crate) wol: u32,
    /// The address of the card.
    pub(crate) address: Address,
    /// The VLANs that are used: the filter table.
    pub(crate) vlans: [u32; regs::VFTA_ENTRIES],
    /// How the memory of the card is divided.
    pub(crate) buffer: PacketBuffer,
}

impl Config {
    /// What a card starts with.
    pub(crate) fn new(options: &Options, address: Address, wol: u32) -> Self {
        Self {
            link: LinkSetup {
                mode: options.link,
                // Fixed modes need fixed pairs.
                mdix: if options.link.is_autoneg() {
                    Mdix::Auto
                } else {
                    Mdix::Mdi
                },
                wanted: options.flow_control,
                current: options.flow_control.unwrap_or(FlowControl::None),
            },
            fc_autoneg: options.fc_autoneg,
            tx_size: options.tx_size,
            rx_size: options.rx_size,
            rx_csum: options.rx_csum,
            delays: [
                options.tx_int_delay,
                options.tx_abs_int_delay,
                options.rx_int_delay,
                options.rx_abs_int_delay,
            ],
            wol,
            address,
            vlans: [0; regs::VFTA_ENTRIES],
            buffer: PacketBuffer::new(Mac::I82540, MAX_FRAME, 0),
        }
    }
}

/// What the watchdog remembers from one look to the next.
#[derive(Default)]
pub(crate) struct Seen {
    /// The link.
    pub(crate) link: Option<Link>,
    /// The link is new: what the PHY has found out of it is to be asked at the next look.
    pub(crate) ask_phy: bool,
    /// The spacing of frames.
    pub(crate) spacing: Spacing,
    /// Packets that were sent.
    pub(crate) packets: u64,
    /// Collisions.
    pub(crate) collisions: u64,
    /// Bytes that were received.
    pub(crate) rx_bytes: u64,
    /// Bytes that were sent.
    pub(crate) tx_bytes: u64,
}

/// What is counted.
#[derive(Default)]
pub(crate) struct Statistics {
    /// By the card.
    pub(crate) card: Counters,
    /// By the driver, but for what [`Counts`] has.
    pub(crate) own: Own,
    /// Errors of the PHY: while idle, and in reception.
    pub(crate) phy: [u32; 2],
}

/// What is counted for each packet. Each has one writer, the run of NAPI or who holds the lock of
/// the transmit queue.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) rx_packets: Count,
    pub(crate) rx_bytes: Count,
    pub(crate) rx_dropped: Count,
    pub(crate) tx_packets: Count,
    pub(crate) tx_bytes: Count,
    pub(crate) tx_dropped: Count,
    pub(crate) restart_queue: Count,
    pub(crate) csum_good: Count,
    pub(crate) csum_bad: Count,
    pub(crate) alloc_failed: Count,
}

/// A counter that several read and one writes.
pub(crate) struct Count(Atomic<u64>);

impl Default for Count {
    fn default() -> Self {
        Self(Atomic::new(0))
    }
}

impl Count {
    /// Adds; to be called by one at a time.
    #[inline]
    pub(crate) fn add(&self, more: u64) {
        self.0.store(self.get().wrapping_add(more), Relaxed);
    }

    #[inline]
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
