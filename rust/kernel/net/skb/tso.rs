// SPDX-License-Identifier: GPL-2.0

//! Packets that the card has to cut into TCP segments.
//!
//! C headers:
//! [`include/linux/tcp.h`](srctree/include/linux/tcp.h),
//! [`include/net/ip6_checksum.h`](srctree/include/net/ip6_checksum.h)

use super::SkBuff;
use crate::{
    error::to_result,
    prelude::*, //
};

/// Where in an IPv4 header the length of the packet is, 2 bytes.
const IPV4_TOT_LEN: usize = 2;
/// Where in an IPv4 header its checksum is, 2 bytes.
const IPV4_CHECK: usize = 10;
/// Where in an IPv4 header the two addresses are.
const IPV4_ADDRESSES: core::ops::Range<usize> = 12..20;
/// Where in an IPv6 header the length of what follows it is, 2 bytes.
const IPV6_PAYLOAD_LEN: usize = 4;
/// Where in an IPv6 header the two addresses are.
const IPV6_ADDRESSES: core::ops::Range<usize> = 8..40;
/// Where in a TCP header its own length is, in units of 4 bytes, in the upper bits.
const TCP_DOFF: usize = 12;
/// Where in a TCP header its checksum is, 2 bytes.
const TCP_CHECK: usize = 16;
/// The length of the shortest TCP header.
const TCP_MIN_LENGTH: usize = 20;

/// What a card must know in order to cut a packet into TCP segments.
///
/// All places are counted in bytes from the beginning of the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tso {
    /// Whether it is over IPv6. If not, there is a checksum in the IP header to be computed.
    pub is_v6: bool,
    /// The first byte of the IP header.
    pub ip_start: usize,
    /// The checksum in the IP header. For IPv6, which has none, where IPv4 would have it.
    pub ip_checksum: usize,
    /// The first byte of the TCP header.
    pub tcp_start: usize,
    /// The checksum in the TCP header.
    pub tcp_checksum: usize,
    /// The length of all headers, which each segment gets.
    pub header_length: usize,
    /// The number of bytes behind the headers.
    pub payload_length: usize,
    /// The largest number of these in a segment.
    pub segment_size: u16,
}

/// The sum of 16-bit words in network order, as the checksum of a pseudo header has it.
///
/// What the card adds the sum of the segment to; so it is not complemented.
fn pseudo_checksum(addresses: &[u8], protocol: u8) -> u16 {
    // Carries of the upper halves are added at the end, as they would have been at once.
    let words = addresses
        .chunks_exact(4)
        .map(|word| u64::from(u32::from_be_bytes([word[0], word[1], word[2], word[3]])));
    // No overflow: there are 8 words at most.
    let mut sum = words.sum::<u64>() + u64::from(protocol);

    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    // CAST: See above.
    sum as u16
}

impl SkBuff {
    /// The length of all headers of a TCP packet; none if it is none, or its TCP header is not in
    /// the linear part.
    #[inline]
    pub fn tcp_all_headers(&self) -> Option<usize> {
        let start = self.transport_offset()?;
        let header = self.head().get(start..)?;
        let length = usize::from(header.get(TCP_DOFF)? >> 4) * 4;

        if length < TCP_MIN_LENGTH || header.len() < length {
            return None;
        }
        start.checked_add(length)
    }

    /// Prepares the headers of a packet that the card has to cut into TCP segments: what depends on
    /// the length of a segment is set to zero, and the checksum of TCP to what the pseudo header
    /// gives without that. Returns none if the packet is not to be cut.
    ///
    /// # Errors
    ///
    /// - [`EINVAL`] if the packet is not what it says that it is.
    /// - [`EBUSY`] if the packet is shared with somebody.
    /// - [`ENOMEM`] if there is no memory for headers of its own.
    #[inline]
    pub fn prepare_tso(&mut self) -> Result<Option<Tso>> {
        if !self.is_gso() {
            return Ok(None);
        }
        self.prepare_headers().map(Some)
    }

    fn prepare_headers(&mut self) -> Result<Tso> {
        // CAST: They are bits of a word.
        const TCPV4: u32 = bindings::SKB_GSO_TCPV4 as u32;
        // CAST: As above.
        const TCPV6: u32 = bindings::SKB_GSO_TCPV6 as u32;

        let is_v6 = match self.gso_type() & (TCPV4 | TCPV6) {
            TCPV4 => false,
            TCPV6 => true,
            _ => return Err(EINVAL),
        };

        if self.is_shared() {
            return Err(EBUSY);
        }
        // SAFETY: The packet is valid, and not shared.
        to_result(unsafe { bindings::skb_cow_head(self.as_raw(), 0) })?;

        let ip_start = self.network_offset().ok_or(EINVAL)?;
        let tcp_start = self.transport_offset().ok_or(EINVAL)?;
        let header_length = self.tcp_all_headers().ok_or(EINVAL)?;
        let payload_length = self.len().checked_sub(header_length).ok_or(EINVAL)?;

        let (ip, tcp) = self
            .headers_mut(header_length)?
            .split_at_mut_checked(tcp_start)
            .ok_or(EINVAL)?;
        let ip = ip.get_mut(ip_start..).ok_or(EINVAL)?;

        let sum = if is_v6 {
            let addresses = ip.get(IPV6_ADDRESSES).ok_or(EINVAL)?;
            let sum = pseudo_checksum(addresses, TCP_PROTOCOL);

            set_word(ip, IPV6_PAYLOAD_LEN, 0)?;
            sum
        } else {
            let addresses = ip.get(IPV4_ADDRESSES).ok_or(EINVAL)?;
            let sum = pseudo_checksum(addresses, TCP_PROTOCOL);

            set_word(ip, IPV4_TOT_LEN, 0)?;
            set_word(ip, IPV4_CHECK, 0)?;
            sum
        };
        set_word(tcp, TCP_CHECK, sum)?;

        Ok(Tso {
            is_v6,
            ip_start,
            ip_checksum: ip_start + IPV4_CHECK,
            tcp_start,
            tcp_checksum: tcp_start + TCP_CHECK,
            header_length,
            payload_length,
            segment_size: self.gso_size(),
        })
    }

    /// The first bytes of the packet, after `skb_cow_head()`.
    fn headers_mut(&mut self, length: usize) -> Result<&mut [u8]> {
        if length > self.headlen() {
            return Err(EINVAL);
        }
        // SAFETY: They are in the linear part, the headers in which nobody shares.
        Ok(unsafe { core::slice::from_raw_parts_mut(self.data(), length) })
    }
}

/// The number of TCP among the protocols above IP.
const TCP_PROTOCOL: u8 = 6;

/// Writes a word in network order.
fn set_word(header: &mut [u8], at: usize, value: u16) -> Result {
    let word = header.get_mut(at..at + 2).ok_or(EINVAL)?;

    word.copy_from_slice(&value.to_be_bytes());
    Ok(())
}
