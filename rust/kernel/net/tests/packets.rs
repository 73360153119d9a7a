// SPDX-License-Identifier: GPL-2.0

//! Packets by themselves.

use super::{
    census::Census,
    peer::counted,
    setup::Slot, //
};
use crate::{
    net::skb::{
        DropReason,
        SkBuff,
        Tso, //
    },
    prelude::*, //
};

/// What a TCP packet is made of.
struct TcpPlan {
    is_v6: bool,
    /// In units of 4 bytes.
    tcp_words: u8,
    payload: usize,
    segment: u16,
}

const ETH: usize = 14;

/// A packet that is to be cut into TCP segments, with nonsense where the card needs zero.
fn tcp(plan: &TcpPlan) -> Result<SkBuff> {
    // CAST: There are 32.
    let mut addresses = core::array::from_fn(|at| at as u8);

    if !plan.is_v6 {
        addresses[..8].copy_from_slice(&[192, 168, 0, 1, 192, 168, 0, 2]);
    }
    tcp_between(plan, &addresses)
}

/// The same with these addresses, of which IPv4 has fewer.
fn tcp_between(plan: &TcpPlan, addresses: &[u8; 32]) -> Result<SkBuff> {
    let ip_length = if plan.is_v6 { 40 } else { 20 };
    let tcp_length = usize::from(plan.tcp_words) * 4;
    let mut skb = SkBuff::new(ETH + ip_length + 60 + plan.payload, GFP_KERNEL)?;
    let mut ip = [0xaa_u8; 40];

    skb.put_data(&[0; ETH])?;
    if plan.is_v6 {
        ip[0] = 0x60;
        ip[6] = 6;
        ip[8..].copy_from_slice(addresses);
    } else {
        ip[0] = 0x45;
        ip[9] = 6;
        ip[12..20].copy_from_slice(&addresses[..8]);
    }
    skb.put_data(&ip[..ip_length])?;

    let mut header = [0xbb_u8; 60];

    header[12] = plan.tcp_words << 4;
    skb.put_data(&header[..tcp_length.max(20)])?;
    for _ in 0..plan.payload {
        skb.put_data(&[0xcc])?;
    }

    // SAFETY: The packet is valid, and belongs to this. The headers are where they should be.
    unsafe {
        bindings::skb_field_set_transport(skb.as_raw(), ETH as u16, (ETH + ip_length) as u16)
    };

    let gso_type = if plan.is_v6 {
        bindings::SKB_GSO_TCPV6
    } else {
        bindings::SKB_GSO_TCPV4
    };

    // SAFETY: The packet is valid, and belongs to this.
    unsafe { (*skb.shinfo()).gso_size = plan.segment };
    // SAFETY: As above.
    unsafe { (*skb.shinfo()).gso_type = gso_type as u32 };
    Ok(skb)
}

#[kunit_tests(rust_net_packets)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_freed_once_whatever_is_done_to_it() -> Result {
        let census = Census::new()?;

        drop(counted(&census, 60)?);
        assert_eq!(census.counts().1, 0);
        counted(&census, 60)?.consume();
        assert_eq!(census.counts().1, 0);
        counted(&census, 60)?.drop_with(DropReason::NOMEM);
        assert_eq!(census.counts().1, 0);
        drop(counted(&census, 60)?.busy());
        assert_eq!(census.counts().1, 0);
        Ok(())
    }

    #[test]
    fn a_packet_has_as_much_room_as_it_has() -> Result {
        let mut skb = SkBuff::new(100, GFP_KERNEL)?;
        let room = skb.tailroom();
        let headroom = skb.headroom();

        assert!(room >= 100);
        skb.reserve(2)?;
        assert_eq!(skb.headroom(), headroom + 2);
        assert_eq!(skb.reserve(room), Err(EINVAL));
        skb.put_data(&[1, 2, 3])?;
        assert_eq!(skb.reserve(1), Err(EINVAL));
        assert_eq!(skb.tailroom(), room - 5);

        let mut too_much = KVec::new();

        too_much.resize(room, 0, GFP_KERNEL)?;
        assert_eq!(skb.put_data(&too_much), Err(ENOSPC));
        assert_eq!(skb.head(), &[1, 2, 3]);
        skb.put_data(&too_much[..room - 5])?;
        assert_eq!(skb.tailroom(), 0);
        assert_eq!(skb.put_data(&[0]), Err(ENOSPC));
        skb.put_data(&[])?;
        skb.trim(2)?;
        skb.trim(7)?;
        assert_eq!(skb.head(), &[1, 2]);
        Ok(())
    }

    #[test]
    fn a_packet_is_not_larger_than_what_was_filled() -> Result {
        let mut skb = SkBuff::new(100, GFP_KERNEL)?;
        let other = KBox::into_raw(KBox::new([0_u8; 4], GFP_KERNEL)?);

        assert_eq!(skb.put_with(4, |_| Err(EIO)), Err(EIO));
        // Somewhere else.
        assert_eq!(
            // SAFETY: It is freed below, and nobody else uses it until then.
            skb.put_with(4, |_| Ok(unsafe { &mut *other }.as_mut_slice())),
            Err(EINVAL)
        );
        // SAFETY: It comes from `into_raw`.
        drop(unsafe { KBox::from_raw(other) });
        assert!(skb.is_empty());
        Ok(())
    }

    #[test]
    fn no_packet_is_larger_than_memory() {
        assert_eq!(SkBuff::new(usize::MAX, GFP_KERNEL).err(), Some(EOVERFLOW));
        assert_eq!(SkBuff::new(1 << 31, GFP_KERNEL).err(), Some(EOVERFLOW));
    }

    #[test]
    fn short_packets_are_padded_with_zeroes() -> Result {
        let mut skb = SkBuff::new(14, GFP_KERNEL)?;

        skb.put_data(&[9; 14])?;
        assert!(!skb.pad()?);
        assert_eq!(skb.len(), 60);
        assert_eq!(skb.head()[..14], [9; 14]);
        assert!(skb.head()[14..].iter().all(|byte| *byte == 0));
        skb.pad()?;
        assert_eq!(skb.len(), 60);
        Ok(())
    }

    #[test]
    fn a_shared_packet_is_padded_for_who_sends_it_alone() -> Result {
        let mut skb = SkBuff::new(100, GFP_KERNEL)?;

        skb.put_data(&[9; 42])?;

        // SAFETY: The packet is valid.
        let other = unsafe { bindings::skb_get_for_tests(skb.as_raw()) };
        // SAFETY: The reference that was taken above belongs to this.
        let other = unsafe { SkBuff::from_raw(core::ptr::NonNull::new(other).ok_or(EINVAL)?) };

        assert!(skb.pad()?);
        assert_eq!(skb.len(), 60);
        assert_eq!(skb.head()[..42], [9; 42]);
        assert!(skb.head()[42..].iter().all(|byte| *byte == 0));
        assert_eq!(other.len(), 42);
        // Neither has anything in common with the other one any more.
        assert!(!skb.is_shared() && !other.is_shared());
        skb.put_data(&[1])?;
        assert_eq!(other.head(), [9; 42]);
        Ok(())
    }

    #[test]
    fn a_shared_packet_is_not_changed() -> Result {
        let mut skb = SkBuff::new(100, GFP_KERNEL)?;

        skb.put_data(&[9; 20])?;

        // SAFETY: The packet is valid.
        let other = unsafe { bindings::skb_get_for_tests(skb.as_raw()) };
        // SAFETY: The reference that was taken above belongs to this.
        let other = unsafe { SkBuff::from_raw(core::ptr::NonNull::new(other).ok_or(EINVAL)?) };

        assert_eq!(skb.put_data(&[1]), Err(EBUSY));
        assert_eq!(skb.trim(1), Err(EBUSY));
        assert_eq!(skb.reserve(0), Err(EBUSY));
        assert_eq!(skb.linearize(), Ok(()));
        assert_eq!(skb.pull_header(20), Ok(()));
        assert_eq!(skb.pull_header(21), Err(EINVAL));
        drop(other);
        skb.put_data(&[1])?;
        assert_eq!(skb.len(), 21);
        Ok(())
    }

    #[test]
    fn offloads_are_as_they_are_set() -> Result {
        let mut skb = SkBuff::new(100, GFP_KERNEL)?;

        skb.put_data(&[0; 60])?;
        assert_eq!(skb.partial_checksum(), None);
        assert_eq!(skb.vlan_tag(), None);
        assert_eq!(skb.gso_size(), 0);
        assert_eq!(skb.prepare_tso()?, None);
        assert!(!skb.no_fcs());
        assert_eq!(skb.transport_offset(), None);
        // SAFETY: The packet is valid; the checksum begins at the 34th byte.
        unsafe { bindings::skb_field_set_partial(skb.as_raw(), 34, 16) };
        assert_eq!(
            skb.partial_checksum().map(|sum| (sum.start, sum.offset)),
            Some((34, 16))
        );
        Ok(())
    }

    #[test]
    fn a_packet_that_cannot_be_mapped_comes_back() -> Result {
        let census = Census::new()?;
        // A device of the system alone, which has no way to memory.
        let slot = Slot::new()?;

        if cfg!(CONFIG_HAS_DMA) {
            return Ok(());
        }

        let skb = counted(&census, 60)?;
        let Err(error) = skb.map(slot.parent()) else {
            return Err(EINVAL);
        };

        assert_eq!(error.error, ENOMEM);
        assert_eq!(error.skb.len(), 60);
        assert_eq!(census.counts().1, 1);
        drop(error);
        assert_eq!(census.counts().1, 0);
        Ok(())
    }

    #[test]
    fn tcp_over_ipv4_is_prepared_for_the_card() -> Result {
        let mut skb = tcp(&TcpPlan {
            is_v6: false,
            tcp_words: 8,
            payload: 1000,
            segment: 400,
        })?;

        assert_eq!(skb.ip_protocol(), Some(6));
        assert_eq!(
            skb.prepare_tso()?,
            Some(Tso {
                is_v6: false,
                ip_start: 14,
                tcp_start: 34,
                header_length: 66,
                segment_size: 400,
            })
        );
        assert_eq!(skb.head()[16..18], [0, 0]);
        assert_eq!(skb.head()[24..26], [0, 0]);
        // 0xc0a8 + 0x0001 + 0xc0a8 + 0x0002 + 6, folded.
        assert_eq!(skb.head()[50..52], [0x81, 0x5a]);
        // Nothing else has changed.
        assert_eq!(skb.head()[18..20], [0xaa, 0xaa]);
        assert_eq!(skb.head()[52..54], [0xbb, 0xbb]);
        Ok(())
    }

    #[test]
    fn tcp_over_ipv6_is_prepared_for_the_card() -> Result {
        let mut skb = tcp(&TcpPlan {
            is_v6: true,
            tcp_words: 5,
            payload: 100,
            segment: 40,
        })?;
        let tso = skb.prepare_tso()?.ok_or(EINVAL)?;

        assert!(tso.is_v6);
        assert_eq!((tso.ip_start, tso.tcp_start), (14, 54));
        assert_eq!(tso.header_length, 74);
        assert_eq!(skb.head()[18..20], [0, 0]);

        // SAFETY: The packet has an IPv6 header there.
        let expected = unsafe { bindings::tcp_v6_pseudo_for_tests(skb.head()[14..].as_ptr()) };

        assert_eq!(skb.head()[70..72], expected.to_ne_bytes());
        Ok(())
    }

    /// The sum of a pseudo header, word by word, as the standard has it.
    fn word_by_word(addresses: &[u8]) -> [u8; 2] {
        let mut sum = 6;

        for word in addresses.chunks_exact(2) {
            sum += u32::from(u16::from_be_bytes([word[0], word[1]]));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        // CAST: No carry is left.
        (sum as u16).to_be_bytes()
    }

    #[test]
    fn no_carry_of_a_checksum_is_lost() -> Result {
        // One whose last carry makes another one, and so on.
        let last = [0xff, 0xff, 0xff, 0xff, 0x00, 0xfa, 0xff, 0xff];
        let mut seed = 1_u64;

        for round in 0..600 {
            let is_v6 = round % 2 == 0;
            let addresses: [u8; 32] = core::array::from_fn(|at| {
                seed = seed
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                match round {
                    0 | 1 => last[at % 8],
                    2 | 3 => 0xff,
                    // CAST: Any byte will do.
                    _ => (seed >> 32) as u8 | if round < 300 { 0xf0 } else { 0 },
                }
            });
            let plan = TcpPlan {
                is_v6,
                tcp_words: 5,
                payload: 10,
                segment: 4,
            };
            let mut skb = tcp_between(&plan, &addresses)?;
            let check = skb.prepare_tso()?.ok_or(EINVAL)?.tcp_start + 16;
            let expected = word_by_word(&addresses[..if is_v6 { 32 } else { 8 }]);

            assert_eq!(skb.head()[check..check + 2], expected);
        }
        Ok(())
    }

    #[test]
    fn packets_that_lie_about_their_headers_are_refused() -> Result {
        let plan = TcpPlan {
            is_v6: false,
            tcp_words: 5,
            payload: 10,
            segment: 4,
        };

        // A header that is too short, and one that is longer than the packet.
        for tcp_words in [0, 4, 15] {
            let mut skb = tcp(&TcpPlan { tcp_words, ..plan })?;

            skb.trim(14 + 20 + 20)?;
            assert_eq!(skb.prepare_tso(), Err(EINVAL));
        }

        let mut skb = tcp(&plan)?;

        // SAFETY: The packet is valid, and belongs to this.
        unsafe { (*skb.shinfo()).gso_type = bindings::SKB_GSO_UDP_L4 as u32 };
        assert_eq!(skb.prepare_tso(), Err(EINVAL));

        // Headers in the wrong order, and beyond the end.
        for (network, transport) in [(40, 14), (14, 60), (60, 63), (14, 15)] {
            let mut skb = tcp(&plan)?;

            // SAFETY: The packet is valid, and belongs to this.
            unsafe { bindings::skb_field_set_transport(skb.as_raw(), network, transport) };
            assert_eq!(skb.prepare_tso(), Err(EINVAL));
        }
        Ok(())
    }
}
