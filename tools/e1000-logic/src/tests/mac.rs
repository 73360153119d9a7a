// SPDX-License-Identifier: GPL-2.0

use crate::{
    mac::{is_within_64k, Bus, Mac, PacketBuffer, Spacing},
    regs::status,
};

#[test]
fn the_bus_is_told_by_the_status_register() {
    let bus = |pcix, mhz, bits| Bus { pcix, mhz, bits };

    assert_eq!(Bus::from_status(0), bus(false, 33, 32));
    assert_eq!(Bus::from_status(status::PCI66), bus(false, 66, 32));
    assert_eq!(Bus::from_status(status::BUS64), bus(false, 33, 64));
    for (speed, mhz) in [(0, 66), (1 << 14, 100), (2 << 14, 133), (3 << 14, 33)] {
        assert_eq!(Bus::from_status(status::PCIX_MODE | speed), bus(true, mhz, 32));
    }
}

#[test]
fn large_frames_get_more_of_the_memory_for_transmission() {
    let kib = |frame| PacketBuffer::new(Mac::I82540, frame, 0).rx_kib;

    assert_eq!(kib(1518), 48);
    assert_eq!(kib(8192), 48);
    assert_eq!(kib(8193), 40);
    assert_eq!(kib(16128), 40);
}

#[test]
fn the_82545_has_room_for_two_packets_to_be_sent_and_one_to_be_received() {
    let kib = |frame, register| PacketBuffer::new(Mac::I82545, frame, register).rx_kib;

    assert_eq!(kib(1518, 0), 48);
    // Enough for both.
    assert_eq!(kib(1519, 16 << 16 | 48), 48);
    // 18 KiB are needed to send: 2 more, rounded.
    assert_eq!(kib(9018, 16 << 16 | 48), 40);
    // 32 KiB are needed to send.
    assert_eq!(kib(16128, 16 << 16 | 48), 32);
    // What cannot be had is left.
    assert_eq!(kib(16128, 8), 8);
}

#[test]
fn a_frame_fits_above_the_high_water_mark() {
    for mac in [Mac::I82540, Mac::I82545] {
        for frame in (60..=16128).chain([u32::MAX]) {
            for register in [0, 16 << 16 | 48, 48, u32::MAX, 0xffff] {
                let buffer = PacketBuffer::new(mac, frame, register);

                assert_eq!(buffer.high_water % 8, 0);
                assert!(u32::from(buffer.high_water) <= buffer.rx_kib.saturating_mul(1024));
                if frame <= 16128 && buffer.rx_kib * 1024 >= frame {
                    let above = buffer.rx_kib * 1024 - u32::from(buffer.high_water);

                    assert!(above >= frame);
                }
                assert!(buffer.low_water <= buffer.high_water);
            }
        }
    }
    assert_eq!(PacketBuffer::new(Mac::I82540, 1518, 0).high_water, 44232);
}

#[test]
fn spacing_grows_with_collisions_and_goes_with_the_traffic() {
    let mut spacing = Spacing::default();

    assert_eq!(spacing.update(1000, 500), None, "too little traffic");
    assert_eq!(spacing.update(2000, 501), Some(40));
    for value in [50, 60, 70, 80] {
        assert_eq!(spacing.update(2000, 1000), Some(value));
    }
    assert_eq!(spacing.update(2000, 1000), None, "no more than that");
    assert_eq!(spacing.update(2000, 0), None, "still traffic");
    assert_eq!(spacing.update(1000, 0), Some(0));
    assert_eq!(spacing.update(0, 0), None);
    assert_eq!(spacing.update(u64::MAX, u64::MAX), None);
}

#[test]
fn memory_that_crosses_64k_is_seen() {
    assert!(is_within_64k(0, 65536));
    assert!(!is_within_64k(1, 65536));
    assert!(is_within_64k(0xff00, 0x100));
    assert!(!is_within_64k(0xff00, 0x101));
    assert!(is_within_64k(0x12_3456, 0));
    assert!(is_within_64k(u64::MAX, usize::MAX));
}
