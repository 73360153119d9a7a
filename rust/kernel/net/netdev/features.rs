// SPDX-License-Identifier: GPL-2.0

//! What a network device can do, and what is switched on.
//!
//! C header: [`include/linux/netdev_features.h`](srctree/include/linux/netdev_features.h)

use super::Operations;
use core::ops::{
    BitAnd,
    BitOr,
    BitOrAssign,
    BitXor,
    Sub, //
};

/// A set of features.
///
/// Equivalent to C's `netdev_features_t`; the names are those of C without `NETIF_F_`.
///
/// # Examples
///
/// ```
/// use kernel::net::netdev::Features;
///
/// let features = Features::SG | Features::HW_CSUM;
///
/// assert!(features.contains(Features::SG));
/// assert!(!features.contains(Features::SG | Features::TSO));
/// assert!(!(features - Features::SG).contains(Features::SG));
/// assert_eq!(features ^ Features::SG, Features::HW_CSUM);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Features(bindings::netdev_features_t);

/// Defines the features, each by the number of its bit.
macro_rules! features {
    ($($(#[$doc:meta])* $name:ident = $bit:ident;)*) => {
        impl Features {
            $($(#[$doc])* pub const $name: Self = Self(1 << bindings::$bit);)*

            /// All of these.
            const ALL: Self = Self($(1 << bindings::$bit)|*);
        }
    };
}

features! {
    /// Packets of several fragments.
    SG = NETIF_F_SG_BIT;
    /// Checksums of TCP and UDP over IPv4.
    IP_CSUM = NETIF_F_IP_CSUM_BIT;
    /// Checksums of TCP and UDP over IPv6.
    IPV6_CSUM = NETIF_F_IPV6_CSUM_BIT;
    /// Checksums of every protocol, by where they begin and belong.
    HW_CSUM = NETIF_F_HW_CSUM_BIT;
    /// Memory that only 64-bit addresses reach.
    HIGHDMA = NETIF_F_HIGHDMA_BIT;
    /// Segmentation of TCP over IPv4.
    TSO = NETIF_F_TSO_BIT;
    /// Segmentation of TCP over IPv6.
    TSO6 = NETIF_F_TSO6_BIT;
    /// Merging of received packets, by the stack.
    GRO = NETIF_F_GRO_BIT;
    /// Checksums of received packets are verified.
    RXCSUM = NETIF_F_RXCSUM_BIT;
    /// VLAN tags are inserted.
    HW_VLAN_CTAG_TX = NETIF_F_HW_VLAN_CTAG_TX_BIT;
    /// VLAN tags are taken out of received packets.
    HW_VLAN_CTAG_RX = NETIF_F_HW_VLAN_CTAG_RX_BIT;
    /// Packets of unknown VLANs are filtered.
    HW_VLAN_CTAG_FILTER = NETIF_F_HW_VLAN_CTAG_FILTER_BIT;
    /// The frame check sequence is left on received packets.
    RXFCS = NETIF_F_RXFCS_BIT;
    /// Received packets with errors are passed on.
    RXALL = NETIF_F_RXALL_BIT;
    /// What the driver sends comes back to it.
    LOOPBACK = NETIF_F_LOOPBACK_BIT;
}

impl Features {
    /// No feature.
    pub const NONE: Self = Self(0);

    /// What a driver can switch on, whatever it says: what it has the operations for.
    pub(super) const fn possible<T: Operations>() -> Self {
        if T::HAS_VLAN_RX_ADD_VID && T::HAS_VLAN_RX_KILL_VID {
            Self::ALL
        } else {
            Self(Self::ALL.0 & !Self::HW_VLAN_CTAG_FILTER.0)
        }
    }

    pub(super) const fn from_raw(raw: bindings::netdev_features_t) -> Self {
        Self(raw)
    }

    pub(super) const fn as_raw(self) -> bindings::netdev_features_t {
        self.0
    }

    #[cfg(CONFIG_RUST_NETDEV_KUNIT_TEST)]
    pub(in crate::net) const fn as_raw_for_tests(self) -> bindings::netdev_features_t {
        self.0
    }

    /// What is in one of the sets.
    #[inline]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `others` are in the set.
    #[inline]
    pub const fn contains(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Whether one of `others` is in the set.
    #[inline]
    pub const fn intersects(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }
}

impl BitOr for Features {
    type Output = Self;

    #[inline]
    fn bitor(self, other: Self) -> Self {
        self.union(other)
    }
}

impl BitOrAssign for Features {
    #[inline]
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl BitAnd for Features {
    type Output = Self;

    #[inline]
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl BitXor for Features {
    type Output = Self;

    #[inline]
    fn bitxor(self, other: Self) -> Self {
        Self(self.0 ^ other.0)
    }
}

impl Sub for Features {
    type Output = Self;

    /// What is in this set and not in the other one.
    #[inline]
    fn sub(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// Properties of a device that the stack must know of and that nobody switches.
///
/// The names are those of C without `IFF_`; they come on top of those that every Ethernet device
/// has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct PrivFlags(u32);

impl PrivFlags {
    /// The device has a filter for several unicast addresses.
    pub const UNICAST_FLT: Self = Self(bindings::netdev_priv_flags_IFF_UNICAST_FLT);
    /// The device can send packets without a frame check sequence of its own.
    pub const SUPP_NOFCS: Self = Self(bindings::netdev_priv_flags_IFF_SUPP_NOFCS);
    /// The address can change while the device is up.
    pub const LIVE_ADDR_CHANGE: Self = Self(bindings::netdev_priv_flags_IFF_LIVE_ADDR_CHANGE);

    pub(super) const fn as_raw(self) -> u32 {
        self.0
    }
}

impl BitOr for PrivFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
