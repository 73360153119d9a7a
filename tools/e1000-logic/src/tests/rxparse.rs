// SPDX-License-Identifier: GPL-2.0

use crate::{
    desc::{self, rx_error, rx_status, RxDone},
    rxparse::{buffer_size, vlan, Chain, Checksum, Drop, Rules, Usual, Verdict},
};

const RULES: Rules = Rules { buffer: 2048, max_packet: 16128, max_buffers: 17, all: false, keep_fcs: false };

fn done(length: u16, status: u8, errors: u8) -> RxDone {
    RxDone { length, status: rx_status::DD | status, errors, special: 0 }
}

fn end(length: u16) -> RxDone {
    done(length, rx_status::EOP, 0)
}

fn part(length: u16) -> RxDone {
    done(length, 0, 0)
}

#[test]
fn a_packet_in_one_buffer_loses_its_check_sequence() {
    let mut chain = Chain::default();

    assert_eq!(chain.next(&RULES, &end(64)), Verdict::End { in_buffer: 64, packet: 60 });
    assert_eq!(chain, Chain::default());
}

#[test]
fn the_check_sequence_is_kept_where_it_was_asked_for() {
    let rules = Rules { keep_fcs: true, ..RULES };

    assert_eq!(Chain::default().next(&rules, &end(64)), Verdict::End { in_buffer: 64, packet: 64 });
}

/// Every length that the card can write, in buffers of all sizes that there are.
#[test]
fn no_length_reaches_beyond_the_buffer() {
    for buffer in [1522, 2048, 4096, 16384] {
        let rules = Rules { buffer, ..RULES };

        for length in 0..=u16::MAX {
            for status in [0, rx_status::EOP] {
                match Chain::default().next(&rules, &done(length, status, 0)) {
                    Verdict::End { in_buffer, packet } => {
                        assert!(in_buffer <= buffer && packet <= u32::from(buffer));
                        assert!(packet >= 14);
                    }
                    Verdict::Part(bytes) => assert!(bytes > 0 && bytes <= buffer),
                    Verdict::Drop(reason) => {
                        assert_eq!(reason, Drop::Length);
                        assert!(length < 18 || length > buffer);
                    }
                }
            }
        }
    }
}

#[test]
fn parts_add_up() {
    let mut chain = Chain::default();

    assert_eq!(chain.next(&RULES, &part(2048)), Verdict::Part(2048));
    assert_eq!(chain.next(&RULES, &part(2048)), Verdict::Part(2048));
    assert_eq!(chain.next(&RULES, &end(100)), Verdict::End { in_buffer: 100, packet: 4192 });
    assert_eq!(chain, Chain::default());
}

/// The check sequence may be cut in two by the end of a buffer.
#[test]
fn a_last_buffer_with_less_than_a_check_sequence_is_fine() {
    for last in 1..4 {
        let mut chain = Chain::default();

        assert_eq!(chain.next(&RULES, &part(2048)), Verdict::Part(2048));
        assert_eq!(
            chain.next(&RULES, &end(last)),
            Verdict::End { in_buffer: last, packet: 2048 + u32::from(last) - 4 }
        );
    }
}

#[test]
fn a_packet_that_never_ends_is_dropped_up_to_its_end_and_the_next_one_is_received() {
    let mut chain = Chain::default();

    for _ in 0..7 {
        assert_eq!(chain.next(&RULES, &part(2048)), Verdict::Part(2048));
    }
    assert_eq!(chain.next(&RULES, &part(2048)), Verdict::Drop(Drop::Length));
    for _ in 0..1000 {
        assert_eq!(chain.next(&RULES, &part(2048)), Verdict::Drop(Drop::Rest));
    }
    assert_eq!(chain.next(&RULES, &end(64)), Verdict::Drop(Drop::Rest));
    assert!(matches!(chain.next(&RULES, &end(64)), Verdict::End { .. }));
}

#[test]
fn a_packet_never_takes_more_buffers_than_it_may() {
    for max_buffers in 1..20 {
        let rules = Rules { max_buffers, ..RULES };
        let mut chain = Chain::default();

        for _ in 1..max_buffers {
            assert_eq!(chain.next(&rules, &part(1)), Verdict::Part(1));
        }
        // There must be room for the end as well.
        assert_eq!(chain.next(&rules, &part(1)), Verdict::Drop(Drop::Fragments));
        assert_eq!(chain.next(&rules, &end(64)), Verdict::Drop(Drop::Rest));

        for _ in 1..max_buffers {
            assert_eq!(chain.next(&rules, &part(100)), Verdict::Part(100));
        }
        assert!(matches!(chain.next(&rules, &end(64)), Verdict::End { .. }));
    }
}

#[test]
fn a_bad_frame_is_dropped_with_all_that_came_before() {
    let mut chain = Chain::default();

    for errors in [rx_error::CE, rx_error::SE, rx_error::SEQ, rx_error::CXE, rx_error::RXE] {
        assert_eq!(chain.next(&RULES, &part(2048)), Verdict::Part(2048));
        assert_eq!(chain.next(&RULES, &done(64, rx_status::EOP, errors)), Verdict::Drop(Drop::BadFrame));
        assert_eq!(chain, Chain::default());
    }
}

#[test]
fn a_bad_frame_is_received_where_all_are_wanted() {
    let rules = Rules { all: true, ..RULES };
    let frame = done(64, rx_status::EOP, rx_error::CE);

    assert!(matches!(Chain::default().next(&rules, &frame), Verdict::End { .. }));
    // What cannot be is dropped all the same.
    assert_eq!(Chain::default().next(&rules, &done(3, rx_status::EOP, rx_error::CE)), Verdict::Drop(Drop::Length));
}

#[test]
fn errors_before_the_end_mean_nothing() {
    assert_eq!(Chain::default().next(&RULES, &done(2048, 0, 0xff)), Verdict::Part(2048));
}

#[test]
fn the_rest_of_what_could_not_be_kept_is_dropped() {
    let mut chain = Chain::default();

    assert_eq!(chain.next(&RULES, &part(2048)), Verdict::Part(2048));
    chain.abandon(&part(2048));
    assert_eq!(chain.next(&RULES, &end(64)), Verdict::Drop(Drop::Rest));
    assert_eq!(chain, Chain::default());

    chain.abandon(&end(64));
    assert!(matches!(chain.next(&RULES, &end(64)), Verdict::End { .. }));
}

/// However many buffers it has, a packet that the driver gives up is one loss. What the card says is bad, it has
/// counted.
#[test]
fn a_packet_is_lost_once() {
    let losses = |buffers: &[RxDone]| {
        let mut chain = Chain::default();

        buffers
            .iter()
            .filter(|done| matches!(chain.next(&RULES, done), Verdict::Drop(reason) if reason.is_loss()))
            .count()
    };
    let bad = done(64, rx_status::EOP, rx_error::CE);

    assert_eq!(losses(&[end(3)]), 1);
    assert_eq!(losses(&[part(2048), end(0)]), 1);
    assert_eq!(losses(&[part(2048), part(0), part(2048), end(64)]), 1);
    assert_eq!(losses(&[part(0), part(0), bad, end(0)]), 2);
    assert_eq!(losses(&[part(1); 100]), 1);
    assert_eq!(losses(&[part(2048), bad, bad]), 0);
}

/// A card that writes anything: nothing is believed, and it can always go on.
#[test]
fn any_sequence_of_statuses_keeps_within_the_limits() {
    let mut chain = Chain::default();
    let mut seed = 1u64;
    let mut in_chain = (0u32, 0u32);

    for _ in 0..200_000 {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let [a, b, status, errors, ..] = (seed >> 16).to_le_bytes();
        let length = u16::from_le_bytes([a, b]) >> (errors & 7);

        match chain.next(&RULES, &done(length, status, errors)) {
            Verdict::Part(bytes) => {
                in_chain = (in_chain.0 + u32::from(bytes), in_chain.1 + 1);
                assert!(bytes <= RULES.buffer);
            }
            Verdict::End { in_buffer, packet } => {
                assert_eq!(packet + 4, in_chain.0 + u32::from(in_buffer));
                assert!(in_buffer <= RULES.buffer);
                in_chain = (0, 0);
            }
            Verdict::Drop(_) => in_chain = (0, 0),
        }
        assert!(in_chain.1 < u32::from(RULES.max_buffers));
        assert!(in_chain.0 <= RULES.max_packet);
    }
}

#[test]
fn checksums_are_good_only_if_the_card_has_looked() {
    for (status, errors, checksum) in [
        (0, 0, Checksum::Unknown),
        (rx_status::TCPCS, 0, Checksum::Good),
        (rx_status::TCPCS, rx_error::TCPE, Checksum::Bad),
        (0, rx_error::TCPE, Checksum::Bad),
        (rx_status::TCPCS | rx_status::IXSM, 0, Checksum::Unknown),
        (rx_status::IXSM, rx_error::TCPE, Checksum::Unknown),
    ] {
        assert_eq!(Checksum::from_done(&done(64, status, errors)), checksum);
    }
}

#[test]
fn the_tag_is_there_only_if_one_was_taken_out() {
    let tagged = |status| RxDone { special: 0xf123, ..done(64, status, 0) };

    assert_eq!(vlan(&tagged(rx_status::VP)), Some(0x123));
    assert_eq!(vlan(&tagged(0)), None);
}

#[test]
fn buffers_are_as_large_as_cs() {
    for (frame, size) in
        [(64, 2048), (1517, 2048), (1518, 1522), (1519, 2048), (1522, 1522), (2048, 2048), (2049, 4096), (16128, 4096)]
    {
        assert_eq!(buffer_size(frame, 4096), size, "{frame}");
    }
}

/// The second half of a descriptor, as a number.
fn half(done: &RxDone) -> u64 {
    u64::from(done.length) | desc::rx_bits(done.status, done.errors) | u64::from(done.special) << 48
}

#[test]
fn a_check_sequence_that_was_not_written_needs_no_room() {
    let bits = desc::rx_bits(rx_status::DD | rx_status::EOP, 0);
    let rules = Rules { buffer: 1522, max_buffers: 1, ..RULES };
    let usual = Usual::new(&rules);
    let kept = Usual::new(&Rules { keep_fcs: true, ..rules });

    assert_eq!(usual.packet(bits | 1526), Some(1522));
    assert_eq!(usual.packet(bits | 1527), None);
    assert_eq!(kept.packet(bits | 1522), Some(1522));
    assert_eq!(kept.packet(bits | 1523), None);
}

#[test]
fn what_is_too_long_to_be_copied_is_not_decided_at_once() {
    let bits = desc::rx_bits(rx_status::DD | rx_status::EOP, 0);
    let usual = Usual::new(&RULES);

    assert_eq!(usual.up_to(256).packet(bits | 256), Some(252));
    assert_eq!(usual.up_to(256).packet(bits | 257), None);
    assert_eq!(usual.up_to(0).packet(bits | 64), None);
    assert_eq!(usual.up_to(u16::MAX), usual);
}

/// What is decided at once is what would be decided anyway, and changes nothing.
#[test]
fn a_whole_packet_is_what_comes_out_of_the_long_way() {
    for bits in 0..8 {
        let (all, keep_fcs) = (bits & 1 != 0, bits & 2 != 0);
        let max_buffers = if bits & 4 != 0 { 1 } else { 17 };

        for buffer in [1522, 2048, 4096, 16384, u16::MAX] {
            let rules = Rules { all, keep_fcs, max_buffers, buffer, ..RULES };
            let usual = Usual::new(&rules);

            for length in [0, 1, 13, 14, 17, 18, 19, 60, buffer - 1, buffer, buffer.saturating_add(5), u16::MAX] {
                for status in 0..=u8::MAX {
                    for errors in 0..=u8::MAX {
                        let done = RxDone { length, status, errors, special: u16::MAX };
                        // The checksum of the packet does not count.
                        let packet = usual.packet(half(&done) | 0xffff_0000);
                        let mut after = Chain::default();

                        assert!(after.is_at_start());
                        match after.next(&rules, &done) {
                            Verdict::End { in_buffer, packet: bytes } if done.has(rx_status::DD) => {
                                assert_eq!((packet, in_buffer), (Some(bytes), length));
                                assert!(after.is_at_start());
                            }
                            _ => assert_eq!(packet, None, "{done:?}"),
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn a_chain_is_at_its_start_between_packets() {
    for (first, at_start) in [(end(64), true), (part(64), false), (end(0), true), (part(0), false)] {
        let mut chain = Chain::default();

        chain.next(&RULES, &first);
        assert_eq!(chain.is_at_start(), at_start, "{first:?}");
        chain.next(&RULES, &end(64));
        assert!(chain.is_at_start());
    }
}
