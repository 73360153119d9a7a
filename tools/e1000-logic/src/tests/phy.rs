// SPDX-License-Identifier: GPL-2.0

use crate::{
    link::{Forced, Mdix},
    phy::{self, advertise, an, cr, FlowControl, Outcome, Reg},
};

const FLOW_CONTROLS: [FlowControl; 4] =
    [FlowControl::None, FlowControl::RxPause, FlowControl::TxPause, FlowControl::Full];

#[test]
fn commands_are_what_the_manual_says() {
    assert_eq!(phy::CTRL.read_command(), 0x0820_0000);
    assert_eq!(phy::M88_PAGE_DATA.read_command(), 0x083e_0000);
    assert_eq!(phy::CTRL.write_command(0x9140), 0x0420_9140);
}

#[test]
fn a_number_from_elsewhere_cannot_spill_into_other_fields() {
    for number in 0..=u8::MAX {
        let command = Reg::from_number(number).write_command(0);

        assert_eq!(command & !(0x1f << 16), 0x0420_0000);
    }
}

#[test]
fn an_outcome_needs_the_ready_bit() {
    assert_eq!(Outcome::from_mdic(0x4000_1234), Outcome::Pending);
    assert_eq!(Outcome::from_mdic(0x5000_1234), Outcome::Failed);
    assert_eq!(Outcome::from_mdic(0x1820_1234), Outcome::Done(0x1234));
}

#[test]
fn what_is_advertised_is_what_was_asked_for_and_nothing_else() {
    let (adv, gigabit) = phy::advertisement(0xffff, 0xffff, advertise::FULL_100, FlowControl::None);

    assert_eq!(adv, !(an::SPEEDS | an::PAUSE | an::ASM_DIR) | an::FULL_100);
    assert_eq!(gigabit, !0x0300);
    assert_eq!(phy::advertisement(0x0001, 0, advertise::ALL, FlowControl::Full), (0x0de1, 0x0200));
}

#[test]
fn gigabit_half_duplex_is_never_advertised() {
    for modes in 0..=u16::MAX {
        let (_, gigabit) = phy::advertisement(0, 0x0100, modes, FlowControl::None);

        assert_eq!(gigabit & 0x0100, 0);
    }
}

/// The table of the standard, with what C makes of its last lines.
#[test]
fn pause_is_resolved_as_the_table_says() {
    use FlowControl::{Full, None, RxPause, TxPause};

    let bits = |pause: u16, dir: u16| (pause * an::PAUSE) | (dir * an::ASM_DIR);

    for (wanted, partner, result) in [
        (Full, bits(1, 0), Full),
        (Full, bits(1, 1), Full),
        (Full, bits(0, 1), RxPause),
        (Full, bits(0, 0), RxPause),
        (RxPause, bits(1, 0), RxPause),
        (RxPause, bits(1, 1), RxPause),
        (RxPause, bits(0, 1), RxPause),
        (RxPause, bits(0, 0), RxPause),
        (TxPause, bits(1, 1), TxPause),
        (TxPause, bits(1, 0), None),
        (TxPause, bits(0, 1), None),
        (TxPause, bits(0, 0), None),
        (None, bits(1, 1), None),
        (None, bits(1, 0), None),
        (None, bits(0, 1), None),
        (None, bits(0, 0), None),
    ] {
        let (adv, _) = phy::advertisement(0, 0, advertise::ALL, wanted);

        assert_eq!(phy::resolve_pause(adv, partner, wanted, true), result, "{wanted:?}");
        assert_eq!(phy::resolve_pause(adv, partner, wanted, false), None);
    }
}

#[test]
fn pause_frames_are_not_sent_to_a_partner_that_did_not_say_it_obeys() {
    for wanted in FLOW_CONTROLS {
        for adv in [0, an::PAUSE, an::ASM_DIR, an::PAUSE | an::ASM_DIR] {
            for partner in [0, an::ASM_DIR] {
                assert!(!phy::resolve_pause(adv, partner, wanted, true).tx());
            }
        }
    }
}

#[test]
fn directions_and_names_belong_together() {
    for flow_control in FLOW_CONTROLS {
        assert_eq!(FlowControl::new(flow_control.rx(), flow_control.tx()), flow_control);
    }
}

#[test]
fn the_eeprom_tells_the_default() {
    assert_eq!(FlowControl::from_eeprom(0x0000), FlowControl::None);
    assert_eq!(FlowControl::from_eeprom(0x2fff), FlowControl::TxPause);
    assert_eq!(FlowControl::from_eeprom(0x1000), FlowControl::Full);
    assert_eq!(FlowControl::from_eeprom(0x3000), FlowControl::Full);
}

#[test]
fn the_phy_is_set_up_as_c_does_it() {
    assert_eq!(phy::m88_setup(0x0002, Mdix::Auto), 0x0860);
    assert_eq!(phy::m88_setup(0xffff, Mdix::Mdi), 0xff9d);
    assert_eq!(phy::m88_setup(0, Mdix::MdiX), 0x0820);
    assert_eq!(phy::m88_ext_setup(0x0000), 0x0170);
    assert_eq!(phy::m88_ext_setup(0x0f00), 0x0170);
}

#[test]
fn a_fixed_mode_leaves_the_other_bits_alone() {
    for (forced, bits) in [
        (Forced::Half10, 0),
        (Forced::Full10, cr::FULL_DUPLEX),
        (Forced::Half100, cr::SPEED_100),
        (Forced::Full100, cr::SPEED_100 | cr::FULL_DUPLEX),
    ] {
        assert_eq!(phy::forced_ctrl(0, forced), bits);
        assert_eq!(phy::forced_ctrl(0xffff, forced), !0x3140 | bits);
    }
}
