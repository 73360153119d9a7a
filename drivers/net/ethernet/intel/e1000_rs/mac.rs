// SPDX-License-Identifier: GPL-2.0

//! What the members of the family differ in (C: `e1000_set_mac_type`, and many `switch`es).

use super::regs::status;

/// A member of the family.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mac {
    /// 82540EM.
    I82540,
    /// 82545EM.
    I82545,
}

/// What the PHY of both says that it is: `PHY_ID1` and `PHY_ID2` without the revision.
pub const PHY_ID: u32 = 0x0141_0c20;

impl Mac {
    /// Whether `ethtool -C` works. That the 82540 is left out, which could do it, is C's choice.
    pub const fn has_coalesce(self) -> bool {
        matches!(self, Self::I82545)
    }

    /// Whether no memory that the device writes to may cross 64 KiB (erratum 23).
    pub const fn has_64k_erratum(self) -> bool {
        matches!(self, Self::I82545)
    }

    /// Whether it can wake the machine up (C: `e1000_wol_exclusion`).
    pub const fn can_wake(self) -> bool {
        matches!(self, Self::I82540)
    }
}

/// Whether memory stays within 64 KiB (C: `e1000_check_64k_bound`).
pub const fn is_within_64k(start: u64, len: usize) -> bool {
    let end = start.saturating_add((len as u64).saturating_sub(1));

    start >> 16 == end >> 16
}

/// The bus that the card is on (C: `e1000_get_bus_info`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bus {
    /// PCI-X, and not PCI.
    pub pcix: bool,
    /// The clock in MHz, as C prints it.
    pub mhz: u32,
    /// The width in bits.
    pub bits: u32,
}

impl Bus {
    /// Decodes the device status register.
    pub fn from_status(value: u32) -> Self {
        let pcix = value & status::PCIX_MODE != 0;
        let mhz = if !pcix {
            if value & status::PCI66 != 0 {
                66
            } else {
                33
            }
        } else {
            match value & status::PCIX_SPEED {
                status::PCIX_SPEED_66 => 66,
                status::PCIX_SPEED_100 => 100,
                status::PCIX_SPEED_133 => 133,
                _ => 33,
            }
        };
        let bits = if value & status::BUS64 != 0 { 64 } else { 32 };

        Self { pcix, mhz, bits }
    }
}

/// How the memory in the card is divided between receive and transmit (C: `e1000_reset`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PacketBuffer {
    /// What receive gets, in KiB.
    pub rx_kib: u32,
    /// From here on the partner is told to pause, in bytes.
    pub high_water: u16,
    /// From here on it is told to go on.
    pub low_water: u16,
}

/// The bytes of a transmit descriptor, which are kept with each packet in the card.
const TX_DESC_BYTES: u32 = 16;
/// The bytes of a frame check sequence.
const FCS_BYTES: u32 = 4;
/// The largest frame without jumbo, with its check sequence.
const MAX_FRAME: u32 = 1518;

impl PacketBuffer {
    /// What receive gets unless frames are large, in KiB.
    pub const RX_KIB: u32 = 48;

    /// Whether the division depends on what the register says after [`Self::RX_KIB`] was written.
    pub fn needs_register(mac: Mac, max_frame_size: u32) -> bool {
        mac == Mac::I82545 && max_frame_size > MAX_FRAME
    }

    /// Divides for frames of up to `max_frame_size` bytes.
    ///
    /// `register` is what the register says, where [`Self::needs_register`].
    pub fn new(mac: Mac, max_frame_size: u32, register: u32) -> Self {
        let rx_kib = if Self::needs_register(mac, max_frame_size) {
            let tx = register >> 16;
            let rx = register & 0xffff;
            let frame = max_frame_size.min(0xffff);
            // Two packets should fit, one being sent and one being fetched.
            let min_tx = (2 * (frame + TX_DESC_BYTES - FCS_BYTES)).div_ceil(1024);
            let min_rx = frame.div_ceil(1024);

            if tx < min_tx && min_tx - tx < rx {
                let left = (rx - (min_tx - tx)) & !7;

                left.max(min_rx)
            } else {
                rx
            }
        } else if max_frame_size > 8192 {
            Self::RX_KIB - 8
        } else {
            Self::RX_KIB
        };
        let bytes = rx_kib.saturating_mul(1024);
        let high = (bytes.saturating_mul(9) / 10)
            .min(bytes.saturating_sub(max_frame_size))
            .min(u32::from(u16::MAX));
        // CAST: It has just been limited.
        let high_water = high as u16 & 0xfff8;

        Self {
            rx_kib,
            high_water,
            low_water: high_water.saturating_sub(8),
        }
    }
}

/// What the driver asks a partner to pause for: until told otherwise.
pub const PAUSE_TIME: u32 = 0xffff;

/// Adaptive spacing of frames in half duplex (C: `e1000_update_adaptive`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Spacing {
    value: u32,
    active: bool,
}

impl Spacing {
    const MIN: u32 = 40;
    const MAX: u32 = 80;
    const STEP: u32 = 10;
    const RATIO: u64 = 4;
    const MIN_PACKETS: u64 = 1000;

    /// Takes account of the packets and collisions since the last call. Returns what the register
    /// should become, if it should change.
    pub fn update(&mut self, packets: u64, collisions: u64) -> Option<u32> {
        if collisions.saturating_mul(Self::RATIO) > packets {
            if packets <= Self::MIN_PACKETS {
                return None;
            }
            self.active = true;
            if self.value >= Self::MAX {
                return None;
            }
            self.value = if self.value == 0 {
                Self::MIN
            } else {
                self.value + Self::STEP
            };
            return Some(self.value);
        }
        if self.active && packets <= Self::MIN_PACKETS {
            *self = Self::default();
            return Some(0);
        }
        None
    }
}
