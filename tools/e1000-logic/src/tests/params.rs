// SPDX-License-Identifier: GPL-2.0

use crate::{
    itr,
    link::{Forced, Mode},
    params::{Given, Options},
    phy::{advertise, FlowControl},
};

/// What a card gets, and what is said.
fn check(given: Given) -> (Options, Vec<String>) {
    let mut lines = Vec::new();
    let options = Options::new(&given, &mut |line| lines.push(line.to_string()));

    (options, lines)
}

fn link(speed: i32, duplex: i32) -> (Mode, Vec<String>) {
    let (options, lines) = check(Given { speed: Some(speed), duplex: Some(duplex), ..Given::default() });

    assert_eq!(options.fc_autoneg, options.link.is_autoneg());
    (options.link, lines)
}

#[test]
fn nothing_given_is_the_default_without_a_word() {
    assert_eq!(check(Given::default()), (Options::DEFAULT, vec![]));
}

#[test]
fn minus_one_is_nothing_given() {
    let unset = Some(-1);

    assert_eq!(
        check(Given {
            tx_descriptors: unset,
            rx_descriptors: unset,
            speed: unset,
            duplex: unset,
            autoneg: unset,
            flow_control: unset,
            xsum_rx: unset,
            tx_int_delay: unset,
            tx_abs_int_delay: unset,
            rx_int_delay: unset,
            rx_abs_int_delay: unset,
            interrupt_throttle_rate: unset,
            smart_power_down: unset,
        }),
        (Options::DEFAULT, vec![])
    );
}

#[test]
fn rings_are_rounded_up_and_limits_are_kept() {
    for (value, count, line) in [
        (48, 48, "Transmit Descriptors set to 48"),
        (1001, 1008, "Transmit Descriptors set to 1001"),
        (4096, 4096, "Transmit Descriptors set to 4096"),
        (47, 256, "Invalid Transmit Descriptors value specified (47) using default of 256"),
        (4097, 256, "Invalid Transmit Descriptors value specified (4097) using default of 256"),
        (-2, 256, "Invalid Transmit Descriptors value specified (-2) using default of 256"),
    ] {
        let (options, lines) = check(Given { tx_descriptors: Some(value), ..Given::default() });

        assert_eq!(options.tx_size.count(), count);
        assert_eq!(lines, [line]);
    }
}

#[test]
fn flow_control_is_one_of_five() {
    for (value, flow_control, line) in [
        (0, Some(FlowControl::None), "Flow Control Disabled"),
        (1, Some(FlowControl::RxPause), "Flow Control Receive Only"),
        (2, Some(FlowControl::TxPause), "Flow Control Transmit Only"),
        (3, Some(FlowControl::Full), "Flow Control Enabled"),
        (255, None, "Flow Control Hardware Default"),
        (4, None, "Invalid Flow Control value specified (4) reading default settings from EEPROM"),
    ] {
        let (options, lines) = check(Given { flow_control: Some(value), ..Given::default() });

        assert_eq!(options.flow_control, flow_control);
        assert_eq!(lines, [line]);
    }
}

#[test]
fn the_rate_of_interrupts_is_a_mode_or_a_number() {
    const NAME: &str = "Interrupt Throttling Rate (ints/sec)";

    for (value, mode, line) in [
        (0, itr::Mode::Off, format!("{NAME} turned off")),
        (1, itr::Mode::Dynamic, format!("{NAME} set to dynamic mode")),
        (3, itr::Mode::Conservative, format!("{NAME} set to dynamic conservative mode")),
        (4, itr::Mode::Simplified, format!("{NAME} set to simplified (2000-8000) ints mode")),
        (8000, itr::Mode::Fixed(8000), format!("{NAME} set to 8000")),
        (99, itr::Mode::DEFAULT, format!("Invalid {NAME} value specified (99) using default of 3")),
    ] {
        let (options, lines) = check(Given { interrupt_throttle_rate: Some(value), ..Given::default() });

        assert_eq!(options.throttle, mode);
        assert_eq!(lines, [line]);
    }
}

#[test]
fn switches_are_on_or_off() {
    for (value, on, line) in [
        (0, false, "Checksum Offload Disabled"),
        (1, true, "Checksum Offload Enabled"),
        (2, true, "Invalid Checksum Offload value specified (2) defaulting to Enabled"),
    ] {
        let (options, lines) = check(Given { xsum_rx: Some(value), ..Given::default() });

        assert_eq!(options.rx_csum, on);
        assert_eq!(lines, [line]);
    }
}

#[test]
fn delays_fit_into_their_registers() {
    let (options, lines) = check(Given {
        tx_int_delay: Some(65535),
        tx_abs_int_delay: Some(65536),
        rx_int_delay: Some(-5),
        rx_abs_int_delay: Some(0),
        ..Given::default()
    });

    assert_eq!(options.tx_int_delay, 65535);
    assert_eq!(options.tx_abs_int_delay, 32);
    assert_eq!(options.rx_int_delay, 0);
    assert_eq!(options.rx_abs_int_delay, 0);
    assert_eq!(
        lines,
        [
            "Transmit Interrupt Delay set to 65535",
            "Invalid Transmit Absolute Interrupt Delay value specified (65536) using default of 32",
            "Invalid Receive Interrupt Delay value specified (-5) using default of 0",
            "Receive Absolute Interrupt Delay set to 0",
        ]
    );
}

#[test]
fn speed_and_duplex_together_are_forced() {
    const MDI: &str = "Speed, AutoNeg and MDI-X specs are incompatible. Setting MDI-X to a compatible value.";

    for (speed, duplex, forced, line) in [
        (10, 1, Forced::Half10, "Forcing to 10 Mbps Half Duplex"),
        (10, 2, Forced::Full10, "Forcing to 10 Mbps Full Duplex"),
        (100, 1, Forced::Half100, "Forcing to 100 Mbps Half Duplex"),
        (100, 2, Forced::Full100, "Forcing to 100 Mbps Full Duplex"),
    ] {
        let (mode, lines) = link(speed, duplex);

        assert_eq!(mode, Mode::Forced(forced));
        assert_eq!(lines, [line, MDI]);
    }
}

#[test]
fn one_of_speed_and_duplex_limits_what_is_advertised() {
    for (speed, duplex, modes, said) in [
        (0, 0, advertise::ALL, &[][..]),
        (0, 1, 0x05, &["Half Duplex specified without Speed", "Using Autonegotiation at Half Duplex only"]),
        (0, 2, 0x2a, &["Full Duplex specified without Speed", "Using Autonegotiation at Full Duplex only"]),
        (100, 0, 0x0c, &["100 Mbps Speed specified without Duplex", "Using Autonegotiation at 100 Mbps only"]),
        (
            1000,
            1,
            0x20,
            &["Half Duplex is not supported at 1000 Mbps", "Using Autonegotiation at 1000 Mbps Full Duplex only"],
        ),
        (1000, 2, 0x20, &["Using Autonegotiation at 1000 Mbps Full Duplex only"]),
    ] {
        let (mode, lines) = link(speed, duplex);

        assert_eq!(mode, Mode::Autoneg(modes));
        assert_eq!(lines, said);
    }
}

#[test]
fn what_is_advertised_is_named_from_fast_to_slow() {
    for (value, modes, line) in [
        (0x01, 0x01, "AutoNeg advertising 10/HD"),
        (0x2f, 0x2f, "AutoNeg advertising 1000/FD, 100/FD, 100/HD, 10/FD, 10/HD"),
        (0x2a, 0x2a, "AutoNeg advertising 1000/FD, 100/FD, 10/FD"),
        (0x10, 0x2f, "Invalid AutoNeg value specified (16) parameter ignored"),
        (0, 0x2f, "Invalid AutoNeg value specified (0) parameter ignored"),
    ] {
        let (options, lines) = check(Given { autoneg: Some(value), ..Given::default() });

        assert_eq!(options.link, Mode::Autoneg(modes));
        assert_eq!(lines, [line]);
    }
}

#[test]
fn autoneg_is_ignored_along_with_speed() {
    let (options, lines) = check(Given { autoneg: Some(0x01), speed: Some(1000), ..Given::default() });

    assert_eq!(options.link, Mode::Autoneg(0x20));
    assert_eq!(lines[0], "AutoNeg specified along with Speed or Duplex, parameter ignored");
}

#[test]
fn speeds_that_there_are_not_are_ignored() {
    let (mode, lines) = link(11, 3);

    assert_eq!(mode, Mode::Autoneg(advertise::ALL));
    assert_eq!(
        lines,
        [
            "Invalid Speed value specified (11) parameter ignored",
            "Invalid Duplex value specified (3) parameter ignored",
        ]
    );
}
