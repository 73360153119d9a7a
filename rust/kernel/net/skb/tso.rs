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

/// The length of an IPv4 header without options.
const IPV4_LENGTH: usize = 20;
/// Where in it the length of the packet is, 2 bytes.
const IPV4_TOT_LEN: usize = 2;
/// Where in it its checksum is, 2 bytes.
const IPV4_CHECK: usize = 10;
/// Where in it the two addresses are.
const IPV4_ADDRESSES: core::ops::Range<usize> = 12..20;
/// The length of an IPv6 header.
const IPV6_LENGTH: usize = 40;
/// Where in it the length of what follows it is, 2 bytes.
const IPV6_PAYLOAD_LEN: usize = 4;
/// Where in it the two addresses are.
const IPV6_ADDRESSES: core::ops::Range<usize> = 8..40;
/// The length of the shortest TCP header.
const TCP_MIN_LENGTH: usize = 20;
/// Where in a TCP header its own length is, in units of 4 bytes, in the upper bits.
const TCP_DOFF: usize = 12;
/// Where in it its checksum is, 2 bytes.
const TCP_CHECK: usize = 16;
/// The number of TCP among the protocols above IP.
const TCP_PROTOCOL: u8 = 6;

/// What a card must know in order to cut a packet into TCP segments.
///
/// All places are counted in bytes from the beginning of the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tso {
    /// Whether it is over IPv6. If not, each segment needs a checksum in its IP header.
    pub is_v6: bool,
    /// The first byte of the IP header.
    pub ip_start: usize,
    /// The first byte of the TCP header.
    pub tcp_start: usize,
    /// The length of all headers, which each segment gets.
    pub header_length: usize,
    /// The largest number of bytes behind the headers that a segment has.
    pub segment_size: u16,
}

/// The checksum of a pseudo header of TCP, without the length, as it is in memory.
///
/// What the card adds the sum of the segment to; so it is not complemented.
#[inline(always)]
fn pseudo_checksum(addresses: &[u8]) -> [u8; 2] {
    // The sum does not depend on the order of bytes, nor on how many are added at a time, if
    // carries go to the other end.
    let words = addresses
        .chunks_exact(4)
        .map(|word| u64::from(u32::from_ne_bytes([word[0], word[1], word[2], word[3]])));
    let protocol = u16::from_ne_bytes([0, TCP_PROTOCOL]);
    // No overflow: there are 8 words at most.
    let sum = words.sum::<u64>() + u64::from(protocol);
    let sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);

    // CAST: The last carry does not make another one.
    ((sum + (sum >> 16)) as u16).to_ne_bytes()
}

impl SkBuff {
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

    // Not a call, and what it finds not in memory: its one caller needs all of it.
    #[inline]
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
        let room = self.headlen().checked_sub(tcp_start).ok_or(EINVAL)?;
        let segment_size = self.gso_size();

        if room < TCP_MIN_LENGTH {
            return Err(EINVAL);
        }
        // SAFETY: So many bytes are in the linear part. They are headers, which nobody shares after
        // `skb_cow_head()`.
        let headers =
            unsafe { core::slice::from_raw_parts_mut(self.data(), tcp_start + TCP_MIN_LENGTH) };
        let (ip, tcp) = headers.split_at_mut(tcp_start);
        let ip = ip.get_mut(ip_start..).ok_or(EINVAL)?;
        let tcp: &mut [u8; TCP_MIN_LENGTH] = tcp.first_chunk_mut().ok_or(EINVAL)?;
        let tcp_length = usize::from(tcp[TCP_DOFF] >> 4) * 4;

        if tcp_length < TCP_MIN_LENGTH || tcp_length > room {
            return Err(EINVAL);
        }

        let sum = if is_v6 {
            let ip: &mut [u8; IPV6_LENGTH] = ip.first_chunk_mut().ok_or(EINVAL)?;

            ip[IPV6_PAYLOAD_LEN..][..2].fill(0);
            pseudo_checksum(&ip[IPV6_ADDRESSES])
        } else {
            let ip: &mut [u8; IPV4_LENGTH] = ip.first_chunk_mut().ok_or(EINVAL)?;

            ip[IPV4_TOT_LEN..][..2].fill(0);
            ip[IPV4_CHECK..][..2].fill(0);
            pseudo_checksum(&ip[IPV4_ADDRESSES])
        };

        tcp[TCP_CHECK..][..2].copy_from_slice(&sum);

        Ok(Tso {
            is_v6,
            ip_start,
            tcp_start,
            // Both are in the linear part.
            header_length: tcp_start + tcp_length,
            segment_size,
        })
    }
}
