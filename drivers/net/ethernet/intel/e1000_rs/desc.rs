// SPDX-License-Identifier: GPL-2.0

//! The descriptors that driver and card exchange (manual, sections 3.2.3 and 3.3.3 to 3.3.7).
//!
//! Each has 16 bytes: here four little-endian words, in the order of memory.

/// A descriptor as it is in memory.
pub type Words = [u32; 4];

/// The bytes of a descriptor.
pub const BYTES: usize = size_of::<Words>();

const _: () = assert!(BYTES == 16);

/// Two words that follow each other in memory.
#[inline]
pub const fn half(first: u32, second: u32) -> u64 {
    if cfg!(target_endian = "little") {
        first as u64 | (second as u64) << 32
    } else {
        (first as u64) << 32 | second as u64
    }
}

/// The words of [`half`].
#[inline]
pub const fn words_of_half(half: u64) -> (u32, u32) {
    // CAST: The halves are meant.
    let (low, high) = (half as u32, (half >> 32) as u32);

    if cfg!(target_endian = "little") {
        (low, high)
    } else {
        (high, low)
    }
}

/// Puts the bytes of a word into the order of memory.
#[inline]
const fn le(value: u32) -> u32 {
    value.to_le()
}

/// The two words of an address.
#[inline]
const fn address(value: u64) -> (u32, u32) {
    // CAST: The halves are meant.
    (le(value as u32), le((value >> 32) as u32))
}

/// Status of a received packet.
pub mod rx_status {
    /// The card is done with the descriptor.
    pub const DD: u8 = 1 << 0;
    /// The packet ends here.
    pub const EOP: u8 = 1 << 1;
    /// No checksum was looked at.
    pub const IXSM: u8 = 1 << 2;
    /// The packet had a VLAN tag, which was taken out.
    pub const VP: u8 = 1 << 3;
    /// The checksum of TCP or UDP was looked at.
    pub const TCPCS: u8 = 1 << 5;
}

/// Errors of a received packet.
pub mod rx_error {
    /// CRC error, or alignment error.
    pub const CE: u8 = 1 << 0;
    /// Symbol error.
    pub const SE: u8 = 1 << 1;
    /// Sequence error.
    pub const SEQ: u8 = 1 << 2;
    /// Carrier extension error.
    pub const CXE: u8 = 1 << 4;
    /// The checksum of TCP or UDP is wrong.
    pub const TCPE: u8 = 1 << 5;
    /// Receive data error.
    pub const RXE: u8 = 1 << 7;
    /// What makes a frame bad as a whole.
    pub const FRAME: u8 = CE | SE | SEQ | CXE | RXE;
}

/// A receive descriptor that the card has filled in (3.2.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RxDone {
    /// The bytes that the card says it has written.
    pub length: u16,
    /// See [`rx_status`].
    pub status: u8,
    /// See [`rx_error`]; means something at the end of a packet only.
    pub errors: u8,
    /// The VLAN tag, with priority.
    pub special: u16,
}

impl RxDone {
    /// Whether the second half of a descriptor, as a number, says that the card is done with it.
    #[inline]
    pub const fn is_done(half: u64) -> bool {
        half & rx_bits(rx_status::DD, 0) != 0
    }

    /// Decodes the second half of a descriptor that [is done](Self::is_done).
    #[inline]
    pub const fn from_half(half: u64) -> Self {
        let [l0, l1, _, _, status, errors, s0, s1] = half.to_le_bytes();

        Self {
            length: u16::from_le_bytes([l0, l1]),
            status,
            errors,
            special: u16::from_le_bytes([s0, s1]),
        }
    }

    /// Whether all bits of [`rx_status`] in `bits` are set.
    #[inline]
    pub const fn has(&self, bits: u8) -> bool {
        self.status & bits == bits
    }

    /// Whether the frame as a whole is bad.
    #[inline]
    pub const fn is_bad_frame(&self) -> bool {
        self.errors & rx_error::FRAME != 0
    }
}

/// Bits of [`rx_status`] and of [`rx_error`] in the second half of a descriptor, as a number.
#[inline]
pub const fn rx_bits(status: u8, errors: u8) -> u64 {
    (status as u64) << 32 | (errors as u64) << 40
}

/// Returns a receive descriptor for a buffer.
#[inline]
pub const fn rx(buffer: u64) -> Words {
    let (low, high) = address(buffer);

    [low, high, 0, 0]
}

/// Commands in the third word of a transmit descriptor.
pub mod tx_cmd {
    /// The packet ends here.
    pub const EOP: u32 = 1 << 24;
    /// Insert the frame check sequence.
    pub const IFCS: u32 = 1 << 25;
    /// Segment, in data and context descriptors.
    pub const TSE: u32 = 1 << 26;
    /// Report the status.
    pub const RS: u32 = 1 << 27;
    /// Report that the packet was sent, and not only fetched.
    pub const RPS: u32 = 1 << 28;
    /// Not a legacy descriptor.
    pub const DEXT: u32 = 1 << 29;
    /// Insert the VLAN tag.
    pub const VLE: u32 = 1 << 30;
    /// Delay the interrupt.
    pub const IDE: u32 = 1 << 31;
    /// A data descriptor, among those with [`DEXT`].
    pub const DTYP_D: u32 = 1 << 20;
    /// In a context: TCP, and not UDP.
    pub const TCP: u32 = 1 << 24;
    /// In a context: IPv4, and not IPv6.
    pub const IP: u32 = 1 << 25;
}

/// Options in the last word of a data descriptor.
pub mod tx_popts {
    /// Insert the checksum of the IP header.
    pub const IXSM: u32 = 1 << 8;
    /// Insert the checksum of TCP or UDP.
    pub const TXSM: u32 = 1 << 9;
    /// Where the VLAN tag is.
    pub const VLAN_SHIFT: u32 = 16;
}

/// The status in the last word of a transmit descriptor: the card is done with it.
pub const TX_STATUS_DD: u32 = 1 << 0;

/// Whether a status word belongs to a transmit descriptor that the card is done with.
#[inline]
pub const fn tx_is_done(status_word: u32) -> bool {
    u32::from_le(status_word) & TX_STATUS_DD != 0
}

/// Returns a legacy or data descriptor: which one, `lower` says.
///
/// `length` is what the field of a legacy descriptor holds, 16 bits.
#[inline]
pub const fn tx(buffer: u64, length: u16, lower: u32, upper: u32) -> Words {
    let (low, high) = address(buffer);

    [low, high, tx_lower(length, lower), tx_upper(upper)]
}

/// Returns the third word of such a descriptor.
#[inline]
pub const fn tx_lower(length: u16, lower: u32) -> u32 {
    le(lower | length as u32)
}

/// Returns its fourth word.
#[inline]
pub const fn tx_upper(upper: u32) -> u32 {
    le(upper)
}

/// What a context descriptor says of the packets that follow (3.3.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Context {
    /// Where the IP header starts.
    pub ipcss: u8,
    /// Where its checksum is.
    pub ipcso: u8,
    /// Its last byte, or 0 for the end of the packet.
    pub ipcse: u16,
    /// Where the header of TCP or UDP starts.
    pub tucss: u8,
    /// Where its checksum is.
    pub tucso: u8,
    /// The last byte that is summed, or 0 for the end of the packet.
    pub tucse: u16,
    /// The payload to be segmented, 20 bits.
    pub paylen: u32,
    /// See [`tx_cmd`].
    pub cmd: u32,
    /// The bytes of all headers.
    pub hdrlen: u8,
    /// The payload of a segment.
    pub mss: u16,
}

/// The largest [`Context::paylen`].
pub const MAX_PAYLEN: u32 = (1 << 20) - 1;

impl Context {
    /// Returns the descriptor.
    #[inline]
    pub const fn to_words(self) -> Words {
        let [e0, e1] = self.ipcse.to_le_bytes();
        let [t0, t1] = self.tucse.to_le_bytes();
        let [m0, m1] = self.mss.to_le_bytes();

        [
            le(u32::from_le_bytes([self.ipcss, self.ipcso, e0, e1])),
            le(u32::from_le_bytes([self.tucss, self.tucso, t0, t1])),
            le(self.cmd | tx_cmd::DEXT | self.paylen & MAX_PAYLEN),
            le(u32::from_le_bytes([0, self.hdrlen, m0, m1])),
        ]
    }
}
