// SPDX-License-Identifier: GPL-2.0

use std::collections::HashSet;

use crate::stats::{values, Counter, Counters, Own, NAMES, STRINGS};

/// The value of a statistic.
fn value(name: &str, counters: &Counters, own: &Own) -> u64 {
    let index = NAMES.iter().position(|other| *other == name).unwrap();

    values(counters, own).nth(index).unwrap()
}

#[test]
fn there_are_as_many_names_as_c_has_and_no_two_are_the_same() {
    assert_eq!(STRINGS, 46);
    assert_eq!(NAMES.len(), 46);
    assert_eq!(values(&Counters::default(), &Own::default()).len(), 46);
    assert_eq!(NAMES.into_iter().collect::<HashSet<_>>().len(), 46);
    assert!(NAMES.iter().all(|name| name.len() < 32));
}

#[test]
fn the_first_the_last_and_some_in_between_are_at_cs_places() {
    for (index, name) in [
        (0, "rx_packets"),
        (8, "rx_errors"),
        (17, "rx_no_buffer_count"),
        (28, "tx_timeout_count"),
        (33, "tx_tcp_seg_good"),
        (39, "rx_long_byte_count"),
        (42, "alloc_rx_buff_failed"),
        (45, "dropped_smbus"),
    ] {
        assert_eq!(NAMES[index], name);
    }
}

#[test]
fn registers_are_read_once_each_and_in_ascending_order() {
    let mut offsets = Vec::new();

    Counters::default().accumulate(|offset| {
        offsets.push(offset);
        0
    });
    assert!(offsets.is_sorted_by(|a, b| a < b));
    assert_eq!(offsets.first(), Some(&Counter::Crcerrs.offset()));
    assert_eq!(offsets.last(), Some(&Counter::Tsctfc.offset()));
    assert!(offsets.iter().all(|offset| offset % 4 == 0 && (0x4000..0x4100).contains(offset)));

    let mut cleared = Vec::new();
    Counters::clear(|offset| {
        cleared.push(offset);
        1
    });
    assert_eq!(cleared, offsets);
}

#[test]
fn what_was_counted_before_is_kept() {
    let mut counters = Counters::default();

    for _ in 0..3 {
        counters.accumulate(|offset| u32::from(offset == Counter::Gprc.offset()));
    }
    assert_eq!(counters.get(Counter::Gprc), 3);
    assert_eq!(value("rx_packets", &counters, &Own::default()), 3);
    assert_eq!(value("tx_packets", &counters, &Own::default()), 0);
}

#[test]
fn bytes_are_counted_beyond_32_bits() {
    let mut counters = Counters::default();

    for _ in 0..2 {
        counters.accumulate(|offset| match offset {
            _ if offset == Counter::Gorcl.offset() => u32::MAX,
            _ if offset == Counter::Gotch.offset() => 3,
            _ => 0,
        });
    }
    assert_eq!(value("rx_bytes", &counters, &Own::default()), 2 * u64::from(u32::MAX));
    assert_eq!(value("rx_long_byte_count", &counters, &Own::default()), 2 * u64::from(u32::MAX));
    assert_eq!(value("tx_bytes", &counters, &Own::default()), 6 << 32);
}

#[test]
fn each_counter_of_the_driver_is_shown_by_its_name() {
    let own = Own {
        tx_dropped: 1,
        tx_timeout_count: 2,
        tx_restart_queue: 3,
        rx_csum_offload_good: 4,
        rx_csum_offload_errors: 5,
        alloc_rx_buff_failed: 6,
    };

    for (name, expected) in [
        ("tx_dropped", 1),
        ("tx_timeout_count", 2),
        ("tx_restart_queue", 3),
        ("rx_csum_offload_good", 4),
        ("rx_csum_offload_errors", 5),
        ("alloc_rx_buff_failed", 6),
    ] {
        assert_eq!(value(name, &Counters::default(), &own), expected, "{name}");
    }
}

#[test]
fn errors_are_sums_of_their_kinds() {
    let mut counters = Counters::default();

    counters.accumulate(|_| 1);
    assert_eq!(counters.rx_errors(), 6);
    assert_eq!(counters.rx_length_errors(), 2);
    assert_eq!(counters.tx_errors(), 2);
}
