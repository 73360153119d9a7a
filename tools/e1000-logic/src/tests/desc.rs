// SPDX-License-Identifier: GPL-2.0

use crate::desc::{self, rx_error, rx_status, tx_cmd, Context, RxDone};

/// The bytes that a descriptor has in memory.
fn bytes(words: desc::Words) -> [u8; 16] {
    let mut bytes = [0; 16];

    for (chunk, word) in bytes.chunks_mut(4).zip(words) {
        chunk.copy_from_slice(&word.to_ne_bytes());
    }
    bytes
}

#[test]
fn a_receive_descriptor_is_the_address_and_nothing_else() {
    assert_eq!(
        bytes(desc::rx(0x1122_3344_5566_7788)),
        [0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0, 0, 0, 0, 0, 0, 0, 0]
    );
}

#[test]
fn a_transmit_descriptor_has_its_fields_where_the_manual_has_them() {
    let lower = tx_cmd::EOP | tx_cmd::IFCS | tx_cmd::RS | tx_cmd::VLE;

    assert_eq!(
        bytes(desc::tx(0x8000_0001, 0x1000, lower, 0xabcd_0000)),
        [1, 0, 0, 0x80, 0, 0, 0, 0, 0, 0x10, 0, 0x4b, 0, 0, 0xcd, 0xab]
    );
}

#[test]
fn a_context_descriptor_has_its_fields_where_the_manual_has_them() {
    let context = Context {
        ipcss: 14,
        ipcso: 24,
        ipcse: 33,
        tucss: 34,
        tucso: 50,
        tucse: 0x0102,
        paylen: 0x5_4321,
        cmd: tx_cmd::TCP | tx_cmd::IP | tx_cmd::TSE,
        hdrlen: 54,
        mss: 1448,
    };

    assert_eq!(bytes(context.to_words()), [14, 24, 33, 0, 34, 50, 2, 1, 0x21, 0x43, 0x05, 0x27, 0, 54, 0xa8, 0x05]);
}

#[test]
fn the_payload_cannot_spill_into_other_fields() {
    let context = Context { paylen: u32::MAX, ..Context::default() };

    assert_eq!(u32::from_le(context.to_words()[2]), tx_cmd::DEXT | 0xf_ffff);
}

#[test]
fn what_the_card_writes_is_decoded_for_each_byte() {
    let half = u64::from_le_bytes([0x34, 0x12, 0xff, 0xee, 0x0b, 0x81, 0x78, 0x56]);
    let done = RxDone::from_half(half);

    assert!(RxDone::is_done(half));
    assert_eq!(
        done,
        RxDone {
            length: 0x1234,
            status: rx_status::DD | rx_status::EOP | rx_status::VP,
            errors: rx_error::CE | rx_error::RXE,
            special: 0x5678,
        }
    );
    assert!(done.is_bad_frame());
}

#[test]
fn only_its_own_bit_says_that_a_descriptor_is_done() {
    for bit in 0..32 {
        assert_eq!(desc::tx_is_done((1u32 << bit).to_le()), bit == 0);
    }
    for bit in 0..64 {
        assert_eq!(RxDone::is_done(1 << bit), bit == 32);
    }
}

#[test]
fn checksum_errors_do_not_make_a_frame_bad() {
    for errors in 0..=u8::MAX {
        let done = RxDone { length: 64, status: rx_status::DD | rx_status::EOP, errors, special: 0 };

        assert_eq!(done.is_bad_frame(), errors & 0x97 != 0);
    }
}
