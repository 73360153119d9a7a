// SPDX-License-Identifier: GPL-2.0

use crate::itr::{interval, Mode, Throttle, Traffic};

fn traffic(packets: u32, bytes: u32) -> Traffic {
    Traffic { packets, bytes }
}

/// What the register becomes by traffic, if it changes.
fn update(throttle: &mut Throttle, gigabit: bool, tx: Traffic, rx: Traffic) -> Option<u32> {
    let before = throttle.register();

    *throttle = throttle.after(gigabit, tx, rx);
    (throttle.register() != before).then(|| throttle.register())
}

const IDLE: Traffic = Traffic { packets: 0, bytes: 0 };

#[test]
fn microseconds_and_modes_are_told_apart_as_c_does() {
    for (usecs, mode) in [
        (0, Some(Mode::Off)),
        (1, Some(Mode::Dynamic)),
        (2, None),
        (3, Some(Mode::Conservative)),
        (4, Some(Mode::Simplified)),
        (5, None),
        (9, None),
        (10, Some(Mode::Fixed(100_000))),
        (10_000, Some(Mode::Fixed(100))),
        (10_001, None),
        (u32::MAX, None),
    ] {
        assert_eq!(Mode::from_usecs(usecs), mode, "{usecs}");
    }
}

#[test]
fn what_was_set_is_shown() {
    for usecs in [0, 1, 3, 4, 10, 20, 50, 100, 250, 1000, 10_000] {
        assert_eq!(Mode::from_usecs(usecs).unwrap().to_usecs(), usecs, "{usecs}");
    }
    for rate in [0, 1, 3, 4, u32::MAX] {
        Mode::Fixed(rate).to_usecs();
    }
}

#[test]
fn the_register_counts_in_units_of_256_ns() {
    assert_eq!(interval(8000), 488);
    assert_eq!(interval(20_000), 195);
    assert_eq!(interval(0), 0);
    assert_eq!(interval(u32::MAX), 0);
    assert_eq!(Throttle::new(Mode::Off).register(), 0);
    assert_eq!(Throttle::new(Mode::Conservative).register(), 195);
    assert_eq!(Throttle::new(Mode::Fixed(8000)).register(), 488);
}

#[test]
fn a_limit_is_a_word_that_has_its_mode() {
    for mode in [Mode::Off, Mode::Dynamic, Mode::Conservative, Mode::Simplified, Mode::Fixed(100), Mode::Fixed(100_000)]
    {
        let throttle = Throttle::new(mode);

        assert_eq!(throttle.mode(), mode);
        assert_eq!(Throttle::from_word(throttle.to_word()), throttle);
    }
    let mut throttle = Throttle::new(Mode::Conservative);

    for packets in [1, 10, 100] {
        throttle = throttle.after(true, traffic(packets, packets * 1500), traffic(1, 60));
        assert_eq!(throttle.mode(), Mode::Conservative);
        assert_eq!(Throttle::from_word(throttle.to_word()), throttle);
    }
}

#[test]
fn without_dynamics_traffic_changes_nothing() {
    for mode in [Mode::Off, Mode::Simplified, Mode::Fixed(5000)] {
        let mut throttle = Throttle::new(mode);

        assert_eq!(update(&mut throttle, true, traffic(1000, 1_000_000), IDLE), None);
        assert_eq!(update(&mut throttle, false, IDLE, IDLE), None);
    }
}

#[test]
fn bulk_slows_down_at_once_and_silence_speeds_up_in_steps() {
    let mut throttle = Throttle::new(Mode::Conservative);

    // From the lowest latency to low, and then to bulk.
    assert_eq!(update(&mut throttle, true, IDLE, traffic(4, 6000)), None);
    assert_eq!(update(&mut throttle, true, IDLE, traffic(9, 13_000)), Some(interval(4000)));
    assert_eq!(update(&mut throttle, true, IDLE, traffic(30, 45_000)), None);
    let steps: Vec<_> = (0..5).map(|_| update(&mut throttle, true, IDLE, traffic(1, 60))).collect();
    assert_eq!(
        steps,
        [9000, 14_000, 19_000, 20_000].map(interval).map(Some).into_iter().chain([None]).collect::<Vec<_>>()
    );
}

#[test]
fn only_the_dynamic_mode_reaches_the_lowest_latency() {
    let rates = |mode| {
        let mut throttle = Throttle::new(mode);

        for _ in 0..20 {
            update(&mut throttle, true, traffic(1, 60), traffic(1, 60));
        }
        throttle.register()
    };

    assert_eq!(rates(Mode::Dynamic), interval(70_000));
    assert_eq!(rates(Mode::Conservative), interval(20_000));
}

#[test]
fn slow_links_have_a_fixed_rate() {
    let mut throttle = Throttle::new(Mode::Dynamic);

    assert_eq!(update(&mut throttle, false, traffic(1, 60), IDLE), Some(interval(4000)));
    assert_eq!(update(&mut throttle, false, traffic(1, 60), IDLE), None);
}

#[test]
fn jumbo_frames_are_bulk() {
    let mut throttle = Throttle::new(Mode::Dynamic);

    assert_eq!(update(&mut throttle, true, traffic(2, 18_000), IDLE), Some(interval(4000)));
}

#[test]
fn the_simplified_mode_lies_between_symmetric_and_one_way() {
    let throttle = Throttle::new(Mode::Simplified);
    let register = |tx, rx| throttle.simplified(tx, rx).register();

    assert_eq!(register(0, 0), interval(8000));
    assert_eq!(register(1_000_000, 1_000_000), interval(2000));
    assert_eq!(register(1_000_000, 0), interval(8000));
    assert_eq!(register(u32::MAX, u32::MAX), interval(2000));
    assert_eq!(throttle.simplified(1_000_000, 1_000_000).mode(), Mode::Simplified);
    for mode in [Mode::Off, Mode::Dynamic, Mode::Fixed(5000)] {
        assert_eq!(Throttle::new(mode).simplified(1, 1), Throttle::new(mode));
    }
}

#[test]
fn counts_do_not_overflow() {
    let mut sum = Traffic::default();

    sum.add(u32::MAX, u32::MAX);
    sum.add(1, 1);
    assert_eq!(sum, traffic(u32::MAX, u32::MAX));
    update(&mut Throttle::new(Mode::Dynamic), true, sum, sum);
}
