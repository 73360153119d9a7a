// SPDX-License-Identifier: GPL-2.0

//! Which packets are for us: exact addresses, a table of hashes, and a table of VLANs (manual,
//! sections 13.5.1 to 13.5.4).

use super::regs::{
    rah,
    rctl,
    MTA_ENTRIES,
    RAR_ENTRIES, //
};

/// An Ethernet address.
pub type Address = [u8; 6];

/// The two halves of a receive address: `RAL` and `RAH`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Exact {
    /// The first four bytes.
    pub low: u32,
    /// The last two bytes, and that they are valid.
    pub high: u32,
}

impl Exact {
    /// None.
    pub const NONE: Self = Self { low: 0, high: 0 };

    /// The register pair that accepts an address.
    pub const fn new(address: &Address) -> Self {
        let [a, b, c, d, e, f] = *address;

        Self {
            low: u32::from_le_bytes([a, b, c, d]),
            high: u32::from_le_bytes([e, f, 0, 0]) | rah::AV,
        }
    }
}

/// Which 12 bits of a multicast address are its hash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HashBits {
    /// Bits 47 to 36: what the driver uses.
    From36,
    /// Bits 46 to 35.
    From35,
    /// Bits 45 to 34.
    From34,
    /// Bits 43 to 32.
    From32,
}

impl HashBits {
    /// The bits of the receive control register.
    pub const fn rctl(self) -> u32 {
        let field = match self {
            Self::From36 => 0,
            Self::From35 => 1,
            Self::From34 => 2,
            Self::From32 => 3,
        };

        field << rctl::MO_SHIFT
    }

    /// The hash of an address (C: `e1000_hash_mc_addr`).
    pub const fn hash(self, address: &Address) -> u16 {
        let [.., low, high] = *address;
        let bits = u16::from_le_bytes([low, high]);
        let shift = match self {
            Self::From36 => 4,
            Self::From35 => 3,
            Self::From34 => 2,
            Self::From32 => 0,
        };

        bits >> shift & 0xfff
    }
}

/// Where a hash, or a VLAN, is in its table: register and bit.
const fn place(value: u16) -> (usize, u32) {
    ((value >> 5 & 0x7f) as usize, 1 << (value & 0x1f))
}

/// Where a VLAN is in the filter table: register and bit.
pub const fn vlan_place(vid: u16) -> (usize, u32) {
    place(vid)
}

/// What the device has been asked to accept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Wanted {
    /// Everything.
    pub promiscuous: bool,
    /// Every multicast.
    pub all_multicast: bool,
    /// There are VLANs.
    pub vlans: bool,
}

/// What is written to the card.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// What [`Self::RCTL_MASK`] becomes.
    pub rctl: u32,
    /// The receive addresses after the first one, which is our own.
    pub exact: [Exact; RAR_ENTRIES - 1],
    /// The multicast table.
    pub hashes: [u32; MTA_ENTRIES],
}

impl Plan {
    /// The bits of the receive control register that the plan decides.
    pub const RCTL_MASK: u32 = rctl::UPE | rctl::MPE | rctl::VFE;

    /// Spreads addresses over the registers (C: `e1000_set_rx_mode`).
    ///
    /// Unicast goes first: there is no table of hashes for it.
    pub fn new<'a>(
        wanted: Wanted,
        unicast_count: usize,
        unicast: impl Iterator<Item = &'a Address>,
        multicast: impl Iterator<Item = &'a Address>,
        bits: HashBits,
    ) -> Self {
        let mut plan = Self {
            rctl: 0,
            exact: [Exact::NONE; RAR_ENTRIES - 1],
            hashes: [0; MTA_ENTRIES],
        };

        if wanted.promiscuous {
            plan.rctl |= rctl::UPE | rctl::MPE;
        } else {
            if wanted.all_multicast {
                plan.rctl |= rctl::MPE;
            }
            if wanted.vlans {
                plan.rctl |= rctl::VFE;
            }
        }

        let mut free = plan.exact.iter_mut();

        if unicast_count > RAR_ENTRIES - 1 {
            plan.rctl |= rctl::UPE;
        } else if !wanted.promiscuous {
            for (address, exact) in unicast.zip(&mut free) {
                *exact = Exact::new(address);
            }
        }
        for address in multicast {
            if let Some(exact) = free.next() {
                *exact = Exact::new(address);
                continue;
            }
            let (index, bit) = place(bits.hash(address));
            if let Some(hashes) = plan.hashes.get_mut(index) {
                *hashes |= bit;
            }
        }
        plan
    }
}
