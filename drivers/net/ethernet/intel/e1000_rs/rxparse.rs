// SPDX-License-Identifier: GPL-2.0

//! What a receive descriptor means: whatever the card writes, nothing outside of the buffer is
//! believed.

use super::desc::{
    rx_bits,
    rx_error,
    rx_status,
    RxDone, //
};

/// The bytes of a frame check sequence, which the card leaves at the end of a packet.
pub const FCS_BYTES: u16 = 4;
/// The bits of the VLAN tag that the stack gets (C: `E1000_RXD_SPC_VLAN_MASK`).
const VLAN_MASK: u16 = 0x0fff;

/// What is accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// The size of each buffer.
    pub buffer: u16,
    /// The most bytes a packet may have that takes several buffers, check sequence included.
    pub max_packet: u32,
    /// The most buffers it may take.
    pub max_buffers: u16,
    /// Bad frames are taken too (`NETIF_F_RXALL`).
    pub all: bool,
    /// The check sequence is left in the packet (`NETIF_F_RXFCS`).
    pub keep_fcs: bool,
}

impl Rules {
    /// The bytes that are taken off the end of a packet.
    #[inline]
    const fn fcs(&self) -> u16 {
        if self.keep_fcs {
            0
        } else {
            FCS_BYTES
        }
    }
}

/// What is said of a good packet in one buffer, as nearly all are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Usual {
    /// The bits that matter in the second half of its descriptor.
    mask: u64,
    /// What is taken off its end.
    fcs: u16,
    /// The least bytes that it has, with that, and how many more it may have.
    least: u16,
    span: u16,
}

impl Usual {
    /// What the bits are that matter.
    const BITS: u64 = rx_bits(rx_status::DD | rx_status::EOP, 0);

    /// The same, if it has no more than `most` bytes.
    pub const fn up_to(self, most: u16) -> Self {
        match most.checked_sub(self.least) {
            Some(span) if span < self.span => Self { span, ..self },
            Some(_) => self,
            // Nothing looks like that.
            None => Self { mask: 0, ..self },
        }
    }

    /// What it looks like under these rules.
    #[inline]
    pub const fn new(rules: &Rules) -> Self {
        // CAST: It is a small number.
        let header = ETH_HEADER_BYTES as u16;
        let fcs = rules.fcs();
        let least = header.wrapping_add(fcs);
        // No buffer is smaller than a header, and no length has more than 16 bits.
        let span = rules.buffer.saturating_sub(header);
        let most = u16::MAX.wrapping_sub(least);
        let errors = if rules.all { 0 } else { rx_error::FRAME };

        Self {
            mask: rx_bits(rx_status::DD | rx_status::EOP, errors),
            fcs,
            least,
            // Emulations count what is taken off without having written it.
            span: if span < most { span } else { most },
        }
    }

    /// How many bytes are delivered of a buffer whose descriptor has this second half, as a number;
    /// `None` if that is anything else. No packet must be there that takes several buffers.
    #[inline]
    pub const fn packet(&self, half: u64) -> Option<u32> {
        // CAST: The lower bits are meant.
        let length = half as u16;

        if half & self.mask != Self::BITS || length.wrapping_sub(self.least) > self.span {
            return None;
        }
        // CAST: 16 bits fit.
        Some(length.wrapping_sub(self.fcs) as u32)
    }
}

/// The checksum of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Checksum {
    /// The card has not looked at it.
    Unknown,
    /// It is right.
    Good,
    /// It is wrong; the stack will find so itself.
    Bad,
}

impl Checksum {
    /// What the card says (C: `e1000_rx_checksum`).
    #[inline]
    pub const fn from_done(done: &RxDone) -> Self {
        if done.has(rx_status::IXSM) {
            Self::Unknown
        } else if done.errors & rx_error::TCPE != 0 {
            Self::Bad
        } else if done.has(rx_status::TCPCS) {
            Self::Good
        } else {
            Self::Unknown
        }
    }
}

/// The VLAN tag that was taken out of a packet.
#[inline]
pub const fn vlan(done: &RxDone) -> Option<u16> {
    if done.has(rx_status::VP) {
        Some(done.special & VLAN_MASK)
    } else {
        None
    }
}

/// Why a packet is not delivered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Drop {
    /// The card says that the frame is bad, and has counted it.
    BadFrame,
    /// The length cannot be.
    Length,
    /// It takes more buffers than it may.
    Fragments,
    /// It is the rest of a packet that is not delivered.
    Rest,
}

impl Drop {
    /// Whether a packet is lost that nobody has counted.
    #[inline]
    pub const fn is_loss(self) -> bool {
        matches!(self, Self::Length | Self::Fragments)
    }
}

/// What to do with a buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The packet goes on: so many bytes of the buffer belong to it.
    Part(u16),
    /// The packet ends: so many bytes of the buffer belong to it, and it has so many altogether,
    /// check sequence taken off where [`Rules::keep_fcs`] says so.
    End {
        /// Bytes of this buffer, with the check sequence.
        in_buffer: u16,
        /// Bytes of the packet that are delivered.
        packet: u32,
    },
    /// The packet is not delivered, nor what came before of it.
    Drop(Drop),
}

/// The packet that is being received.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Chain {
    /// The next buffer begins one.
    #[default]
    Start,
    /// It has so many bytes by now, in so many buffers.
    Within {
        /// Bytes, of which there are some.
        bytes: u32,
        /// Buffers.
        buffers: u16,
    },
    /// The rest of it is thrown away, up to its end.
    Rest,
}

impl Chain {
    /// Whether the next buffer begins a packet. If that is all of it, nothing changes here.
    #[inline]
    pub const fn is_at_start(&self) -> bool {
        matches!(self, Self::Start)
    }

    /// What becomes of the rest of a packet that is not delivered, of which `done` was a part.
    const fn without(done: &RxDone) -> Self {
        if done.has(rx_status::EOP) {
            Self::Start
        } else {
            Self::Rest
        }
    }

    /// Decides on the next buffer.
    pub fn next(&mut self, rules: &Rules, done: &RxDone) -> Verdict {
        let ends = done.has(rx_status::EOP);
        let (bytes, buffers) = match core::mem::replace(self, Self::without(done)) {
            Self::Start => (0, 0),
            Self::Within { bytes, buffers } => (bytes, buffers),
            Self::Rest => return Verdict::Drop(Drop::Rest),
        };

        // Errors mean something at the end only.
        if ends && done.is_bad_frame() && !rules.all {
            return Verdict::Drop(Drop::BadFrame);
        }

        let bytes = bytes.saturating_add(done.length.into());
        let buffers = buffers.saturating_add(1);

        if buffers > rules.max_buffers || !ends && buffers == rules.max_buffers {
            return Verdict::Drop(Drop::Fragments);
        }
        if done.length == 0 || done.length > rules.buffer || buffers > 1 && bytes > rules.max_packet
        {
            return Verdict::Drop(Drop::Length);
        }
        if !ends {
            *self = Self::Within { bytes, buffers };
            return Verdict::Part(done.length);
        }
        match bytes.checked_sub(rules.fcs().into()) {
            // An Ethernet header is what the stack looks at first.
            Some(packet) if packet >= ETH_HEADER_BYTES => Verdict::End {
                in_buffer: done.length,
                packet,
            },
            _ => Verdict::Drop(Drop::Length),
        }
    }

    /// Forgets what has been received of a packet, as it could not be kept; the rest of it is
    /// thrown away unless `done` was its end.
    pub fn abandon(&mut self, done: &RxDone) {
        *self = Self::without(done);
    }
}

/// The bytes of an Ethernet header.
const ETH_HEADER_BYTES: u32 = 14;

/// How large buffers are for frames of a size, check sequence and header included
/// (C: `e1000_change_mtu`). `page` is the size of a page.
pub const fn buffer_size(max_frame: u32, page: u16) -> u16 {
    match max_frame {
        // The card does not write more than this unless frames are large.
        MAX_FRAME | MAX_VLAN_FRAME => MAX_VLAN_FRAME as u16,
        0..=2048 => 2048,
        _ => page,
    }
}

/// The largest frame without jumbo.
pub const MAX_FRAME: u32 = 1518;
/// The same with a VLAN tag.
pub const MAX_VLAN_FRAME: u32 = 1522;
/// The largest frame of all, without tags.
pub const MAX_JUMBO_FRAME: u32 = 0x3f00;
/// The most that the card receives.
pub const MAX_RECEIVED: u32 = 16384;
