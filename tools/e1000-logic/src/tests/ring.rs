// SPDX-License-Identifier: GPL-2.0

use crate::ring::{stop_below, Size};

/// All sizes that a ring can have.
fn sizes() -> impl Iterator<Item = Size> {
    (48..=4096).step_by(8).map(|count| {
        let size = Size::nearest(count);

        assert_eq!(u32::from(size.count()), count);
        size
    })
}

#[test]
fn what_is_asked_for_is_rounded_up_to_a_multiple_within_the_limits() {
    for (asked, count) in [
        (0, 48),
        (47, 48),
        (48, 48),
        (49, 56),
        (255, 256),
        (256, 256),
        (4089, 4096),
        (4095, 4096),
        (4096, 4096),
        (4097, 4096),
        (u32::MAX, 4096),
    ] {
        assert_eq!(Size::nearest(asked).count(), count, "{asked}");
    }
    for asked in 0..5000 {
        let count = Size::nearest(asked).count();

        assert!(count % 8 == 0 && (48..=4096).contains(&count));
    }
}

#[test]
fn next_visits_every_index_once_and_previous_goes_back() {
    for size in sizes() {
        let mut index = 0;

        for step in 0..size.count() {
            assert_eq!(index, step);
            assert_eq!(size.previous(size.next(index)), index);
            index = size.next(index);
        }
        assert_eq!(index, 0);
    }
}

/// Each pair of indices in rings of some sizes: those with all others in between behave alike.
#[test]
fn an_index_out_of_range_comes_back_into_it() {
    for size in [48, 256, 4096].map(Size::nearest) {
        for index in [size.count(), size.count() + 1, u16::MAX - 1, u16::MAX] {
            assert!(size.next(index) < size.count());
            assert!(size.previous(index) < size.count());
        }
    }
}

#[test]
fn memory_is_whole_pages_with_room_for_each_descriptor() {
    for size in sizes() {
        assert_eq!(size.bytes() % 4096, 0);
        assert!(size.bytes() >= usize::from(size.count()) * 16);
    }
    assert_eq!(Size::MIN.bytes(), 4096);
    assert_eq!(Size::MAX.bytes(), 65536);
}

#[test]
fn the_smallest_ring_has_room_for_the_largest_packet() {
    // As many fragments as a packet has with pages of 4 KiB.
    assert!(stop_below(17) < Size::MIN.count());
    assert_eq!(stop_below(u16::MAX), u16::MAX);
}
