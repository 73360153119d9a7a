// SPDX-License-Identifier: GPL-2.0

//! How a packet becomes descriptors.

use super::desc::{
    tx_cmd,
    tx_popts,
    Context,
    MAX_PAYLEN, //
};

/// The most bytes that a descriptor covers.
pub const MAX_BYTES: u32 = 1 << 12;

/// Four segments of this size, and not of a smaller one, take what a descriptor covers.
const SMALL_MSS: u16 = (MAX_BYTES / 4) as u16;

/// The most segments that a packet is cut into. With so many it fits into the smallest ring, if
/// they are not smaller than TCP's smallest, 48 bytes; a packet that does not fit is dropped. The
/// stack cuts up what has more. C sets no limit: whoever asks for tiny segments, from anywhere,
/// gets packets that no ring has room for, and nobody else can send.
pub const MAX_SEGMENTS: u16 = 48;

/// The first descriptor on PCI-X covers no more than this (erratum 10).
const PCIX_FIRST_BYTES: u32 = 2015;
/// What workarounds leave for a descriptor of its own.
const TAIL_BYTES: u32 = 4;

/// What a packet is like.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Packet {
    /// The payload of a segment, or 0.
    pub mss: u16,
    /// The checksum is left to the card.
    pub partial_checksum: bool,
    /// There are no fragments.
    pub linear: bool,
}

/// What the card has been through.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Errata {
    /// The bus is PCI-X.
    pub pcix: bool,
    /// The last packet was segmented, and no one since was linear.
    pub last_tso: bool,
}

/// How a packet is cut up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
    packet: Packet,
    errata: Errata,
    /// The most bytes that a descriptor covers, of this packet.
    max_bytes: u32,
    /// The power of two that is not greater, by which descriptors are counted.
    power: u32,
}

impl Plan {
    /// Plans for a packet.
    #[inline]
    pub const fn new(packet: Packet, errata: Errata) -> Self {
        let (max_bytes, power) = match packet.mss {
            1..SMALL_MSS => Self::of_small_segments(packet.mss),
            _ => (MAX_BYTES, MAX_BYTES.ilog2()),
        };

        Self {
            packet,
            errata,
            max_bytes,
            power,
        }
    }

    /// The most bytes of a descriptor, and the power of two, for segments that are small.
    #[cold]
    const fn of_small_segments(mss: u16) -> (u32, u32) {
        // The card fetches only what there is room for, and expects no more than four segments in
        // a buffer.
        let limit = mss as u32 * 4;

        (limit, limit.ilog2())
    }

    /// Whether the packet pays for the last one having been segmented.
    #[inline]
    pub const fn pays_for_tso(&self) -> bool {
        self.packet.linear && self.errata.last_tso && self.packet.mss == 0
    }

    /// The descriptors that a part with `len` bytes takes at most.
    #[inline]
    const fn count(&self, len: u32) -> u32 {
        // A descriptor covers several bytes, so this does not wrap.
        let rest = len & !(u32::MAX << self.power);

        (len >> self.power).wrapping_add((rest != 0) as u32)
    }

    /// The descriptors that the packet takes at most (C: `count` in `e1000_xmit_frame`).
    #[inline]
    pub fn needed(&self, head: u32, frags: impl Iterator<Item = u32>) -> u32 {
        let context = self.packet.mss != 0 || self.packet.partial_checksum;
        let extra = 1
            + u32::from(context)
            + u32::from(self.pays_for_tso())
            + u32::from(self.errata.pcix && head > PCIX_FIRST_BYTES);

        // The length of a packet has 32 bits, so neither does the sum wrap.
        frags.fold(extra.wrapping_add(self.count(head)), |sum, frag| {
            sum.wrapping_add(self.count(frag))
        })
    }

    /// The descriptors that the packet takes at most, if nobody looks at its parts: as many as its
    /// bytes take, and one more for each part and for whatever else there can be.
    #[inline]
    pub const fn at_most(&self, len: u32, frags: u32) -> u32 {
        // The context, the two workarounds, and the linear part.
        const OTHERS: u32 = 1 + 1 + 2 + 1;

        (len >> self.power).wrapping_add(frags).wrapping_add(OTHERS)
    }

    /// Whether the linear part is one piece for sure: nearly always.
    #[inline]
    pub const fn head_is_whole(&self, len: u32) -> bool {
        self.frag_is_whole(len, self.packet.linear) && !self.errata.pcix && !self.pays_for_tso()
    }

    /// Whether a fragment is one piece for sure; `last` is the last one.
    #[inline]
    pub const fn frag_is_whole(&self, len: u32, last: bool) -> bool {
        len <= self.max_bytes && (self.packet.mss == 0 || !last)
    }

    /// How long the first piece of a linear part with `len` bytes may be.
    #[inline]
    const fn first(&self, len: u32) -> u32 {
        let mut first = if self.errata.pcix {
            PCIX_FIRST_BYTES
        } else {
            self.max_bytes
        };

        // A descriptor without segmentation that follows one with it is written back before its
        // data is fetched. It leaves some bytes over.
        if self.pays_for_tso() && len > TAIL_BYTES {
            let whole = if len < self.max_bytes {
                len
            } else {
                self.max_bytes
            };
            let shorter = whole.wrapping_sub(TAIL_BYTES);

            if shorter < first {
                first = shorter;
            }
        }
        first
    }

    /// Cuts up the linear part.
    #[inline]
    pub const fn head(&self, len: u32) -> Pieces {
        Pieces {
            offset: 0,
            left: len,
            max_bytes: self.max_bytes,
            first: self.first(len),
            sentinel: self.packet.mss != 0 && self.packet.linear,
        }
    }

    /// Cuts up a fragment; `last` is the last one.
    #[inline]
    pub const fn frag(&self, len: u32, last: bool) -> Pieces {
        Pieces {
            offset: 0,
            left: len,
            max_bytes: self.max_bytes,
            first: self.max_bytes,
            sentinel: self.packet.mss != 0 && last,
        }
    }
}

/// The pieces of a part: offset and length. Together they are the part, in order, without gap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pieces {
    offset: u32,
    left: u32,
    max_bytes: u32,
    /// How long the first piece may be.
    first: u32,
    /// The last piece has few bytes: descriptors of segmentation are written back too early.
    sentinel: bool,
}

impl Iterator for Pieces {
    type Item = (u32, u16);

    #[inline]
    fn next(&mut self) -> Option<(u32, u16)> {
        if self.left == 0 {
            return None;
        }

        let mut len = self.left.min(self.max_bytes);

        if self.sentinel && len == self.left && len > 2 * TAIL_BYTES {
            len -= TAIL_BYTES;
        }
        len = len.min(core::mem::replace(&mut self.first, self.max_bytes));

        let offset = self.offset;

        // It is no more than was left.
        self.offset = offset.wrapping_add(len);
        self.left = self.left.wrapping_sub(len);
        // CAST: It is at most `MAX_BYTES`.
        Some((offset, len as u16))
    }
}

/// Where the headers of a packet are, from its first byte on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Headers {
    /// The IP header.
    pub network: usize,
    /// The TCP header.
    pub transport: usize,
    /// All headers: where the payload starts.
    pub len: usize,
    /// IPv4, and not IPv6.
    pub ipv4: bool,
}

/// Where the checksum is in an IPv4 header. In IPv6 the card looks there too, and writes nothing.
const IP_CHECK: usize = 10;
/// Where the checksum is in a TCP header.
const TCP_CHECK: usize = 16;

/// The context of segmentation (C: `e1000_tso`). `None`: the headers are too far in for the card,
/// or not one behind the other.
#[inline]
pub fn tso_context(headers: Headers, packet_len: u32, mss: u16) -> Option<Context> {
    let Headers {
        network,
        transport,
        len,
        ipv4,
    } = headers;
    let hdrlen = u8::try_from(len).ok()?;
    let ip_check = network.checked_add(IP_CHECK)?;
    let tcp_check = transport.checked_add(TCP_CHECK)?;
    let paylen = packet_len.checked_sub(hdrlen.into())?;

    if ip_check >= transport || tcp_check >= len || paylen > MAX_PAYLEN {
        return None;
    }
    // CAST: Each place is in front of the end of the headers, which has 8 bits.
    Some(Context {
        ipcss: network as u8,
        ipcso: ip_check as u8,
        ipcse: if ipv4 {
            // It is not 0, as it is behind another place.
            transport.wrapping_sub(1) as u16
        } else {
            0
        },
        tucss: transport as u8,
        tucso: tcp_check as u8,
        tucse: 0,
        paylen,
        cmd: tx_cmd::TSE | tx_cmd::TCP | if ipv4 { tx_cmd::IP } else { 0 },
        hdrlen,
        mss,
    })
}

/// The context of a checksum (C: `e1000_tx_csum`): what is summed starts at `start`, and goes
/// `offset` bytes later. `None`: this is too far in for the card.
#[inline]
pub fn checksum_context(start: u32, offset: u16, tcp: bool) -> Option<Context> {
    let at = start.checked_add(offset.into())?;

    Some(Context {
        tucss: u8::try_from(start).ok()?,
        tucso: u8::try_from(at).ok()?,
        cmd: if tcp { tx_cmd::TCP } else { 0 },
        ..Context::default()
    })
}

/// What the card does to a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Offload {
    /// It is segmented.
    pub tso: bool,
    /// It is IPv4.
    pub ipv4: bool,
    /// It gets a checksum.
    pub checksum: bool,
    /// It gets a VLAN tag.
    pub vlan: Option<u16>,
    /// It has its check sequence already.
    pub no_fcs: bool,
}

impl Offload {
    /// The commands of each data descriptor, and the options of it (C: `e1000_tx_queue`).
    #[inline]
    pub const fn fields(&self) -> (u32, u32) {
        let mut lower = self.fcs();
        let mut upper = 0;

        if self.tso || self.checksum {
            lower |= tx_cmd::DEXT | tx_cmd::DTYP_D;
            upper |= tx_popts::TXSM;
        }
        if self.tso {
            lower |= tx_cmd::TSE;
            if self.ipv4 {
                upper |= tx_popts::IXSM;
            }
        }
        if let Some(tag) = self.vlan {
            lower |= tx_cmd::VLE;
            upper |= (tag as u32) << tx_popts::VLAN_SHIFT;
        }
        (lower, upper)
    }

    #[inline]
    const fn fcs(&self) -> u32 {
        if self.no_fcs {
            0
        } else {
            tx_cmd::IFCS
        }
    }
}

/// What the last descriptor has besides. `delay`: its interrupt may come later.
#[inline]
pub const fn last(delay: bool) -> u32 {
    let delay = if delay { tx_cmd::IDE } else { 0 };

    tx_cmd::EOP | tx_cmd::RS | delay
}

/// The bytes that go over the wire for a packet: each segment has the headers again, which C takes
/// to be the linear part.
#[inline]
pub const fn wire_bytes(len: u32, head: u32, segments: u16) -> u32 {
    let more = (segments as u32).saturating_sub(1);

    len.saturating_add(more.saturating_mul(head))
}
