// SPDX-License-Identifier: GPL-2.0

//! Settings that are a few numbers each.
//!
//! C header: [`include/uapi/linux/ethtool.h`](srctree/include/uapi/linux/ethtool.h)

use core::ops::BitOr;

/// What can wake up the machine.
///
/// The names are those of C without `WAKE_`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WolOptions(u32);

impl WolOptions {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// The PHY.
    pub const PHY: Self = Self(bindings::WAKE_PHY);
    /// A packet to the address of the card.
    pub const UCAST: Self = Self(bindings::WAKE_UCAST);
    /// A packet to a group.
    pub const MCAST: Self = Self(bindings::WAKE_MCAST);
    /// A packet to all.
    pub const BCAST: Self = Self(bindings::WAKE_BCAST);
    /// An ARP request.
    pub const ARP: Self = Self(bindings::WAKE_ARP);
    /// A magic packet.
    pub const MAGIC: Self = Self(bindings::WAKE_MAGIC);
    /// A magic packet with a password.
    pub const MAGICSECURE: Self = Self(bindings::WAKE_MAGICSECURE);
    /// A packet that a filter lets pass.
    pub const FILTER: Self = Self(bindings::WAKE_FILTER);

    pub(super) const fn from_raw(raw: u32) -> Self {
        Self(raw)
    }

    pub(super) const fn as_raw(self) -> u32 {
        self.0
    }

    /// Whether one of `others` is among them.
    pub const fn intersects(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl BitOr for WolOptions {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What can wake up the machine, and what does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wol {
    /// What can.
    pub supported: WolOptions,
    /// What does.
    pub options: WolOptions,
}

/// The numbers of descriptors in rings.
///
/// Equivalent to C's `struct ethtool_ringparam`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingParam {
    /// The largest number for receiving.
    pub rx_max_pending: u32,
    /// The largest number for sending.
    pub tx_max_pending: u32,
    /// The number for receiving.
    pub rx_pending: u32,
    /// The number for sending.
    pub tx_pending: u32,
    /// The number for small packets; the cards in question have no such ring.
    pub rx_mini_pending: u32,
    /// The number for large packets; the cards in question have no such ring.
    pub rx_jumbo_pending: u32,
}

impl RingParam {
    pub(super) fn read_from(raw: &bindings::ethtool_ringparam) -> Self {
        Self {
            rx_max_pending: raw.rx_max_pending,
            tx_max_pending: raw.tx_max_pending,
            rx_pending: raw.rx_pending,
            tx_pending: raw.tx_pending,
            rx_mini_pending: raw.rx_mini_pending,
            rx_jumbo_pending: raw.rx_jumbo_pending,
        }
    }

    pub(super) fn write_to(&self, raw: &mut bindings::ethtool_ringparam) {
        raw.rx_max_pending = self.rx_max_pending;
        raw.tx_max_pending = self.tx_max_pending;
        raw.rx_pending = self.rx_pending;
        raw.tx_pending = self.tx_pending;
        raw.rx_mini_pending = self.rx_mini_pending;
        raw.rx_jumbo_pending = self.rx_jumbo_pending;
    }
}

/// Whether pause frames are used.
///
/// Equivalent to C's `struct ethtool_pauseparam`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PauseParam {
    /// Whether both ends agree on it.
    pub autoneg: bool,
    /// Whether they are obeyed.
    pub rx_pause: bool,
    /// Whether they are sent.
    pub tx_pause: bool,
}

/// Which parameters of [`Coalesce`] a driver has.
///
/// The names are those of C without `ETHTOOL_COALESCE_`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CoalesceParams(u32);

impl CoalesceParams {
    /// None.
    pub const NONE: Self = Self(0);
    /// [`Coalesce::rx_coalesce_usecs`].
    pub const RX_USECS: Self = Self(bindings::ETHTOOL_COALESCE_RX_USECS);
    /// [`Coalesce::tx_coalesce_usecs`].
    pub const TX_USECS: Self = Self(bindings::ETHTOOL_COALESCE_TX_USECS);

    pub(super) const fn as_raw(self) -> u32 {
        self.0
    }
}

impl BitOr for CoalesceParams {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// How long interrupts wait for more.
///
/// Equivalent to C's `struct ethtool_coalesce`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coalesce {
    /// How many microseconds after a packet that was received.
    pub rx_coalesce_usecs: u32,
    /// How many microseconds after a packet that was sent.
    pub tx_coalesce_usecs: u32,
}

/// What a card is to do so that somebody finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhysId {
    /// Begin to blink, or get ready for [`On`](Self::On) and [`Off`](Self::Off).
    Active,
    /// Light up.
    On,
    /// Go dark.
    Off,
    /// Be as before.
    Inactive,
}
