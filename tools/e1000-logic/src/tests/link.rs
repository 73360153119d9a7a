// SPDX-License-Identifier: GPL-2.0

use crate::{
    link::{flow_control_name, Forced, Link, Mode},
    phy::{advertise, FlowControl},
};

#[test]
fn every_fixed_mode_but_half_duplex_gigabit_can_be() {
    assert_eq!(Mode::fixed(10, false), Some(Mode::Forced(Forced::Half10)));
    assert_eq!(Mode::fixed(10, true), Some(Mode::Forced(Forced::Full10)));
    assert_eq!(Mode::fixed(100, false), Some(Mode::Forced(Forced::Half100)));
    assert_eq!(Mode::fixed(100, true), Some(Mode::Forced(Forced::Full100)));
    assert_eq!(Mode::fixed(1000, true), Some(Mode::Autoneg(advertise::FULL_1000)));
    for (mbps, full) in [(1000, false), (0, true), (11, true), (u32::MAX, false)] {
        assert_eq!(Mode::fixed(mbps, full), None);
    }
}

#[test]
fn nothing_to_advertise_means_everything() {
    assert_eq!(Mode::advertise(0).advertised(), advertise::ALL);
    assert_eq!(Mode::advertise(0x10).advertised(), advertise::ALL);
    assert_eq!(Mode::advertise(0xffd1).advertised(), advertise::HALF_10);
    assert_eq!(Mode::Forced(Forced::Full10).advertised(), 0);
}

#[test]
fn speed_and_duplex_are_told_by_the_status_register() {
    for (status, mbps, full_duplex) in
        [(0x0000, 10, false), (0x0001, 10, true), (0x0040, 100, false), (0x0081, 1000, true), (0x00c1, 1000, true)]
    {
        assert_eq!(Link::from_status(status), Link { mbps, full_duplex });
    }
}

#[test]
fn slow_links_are_given_more_time() {
    let link = |mbps| Link { mbps, full_duplex: true };

    assert_eq!(link(10).hang_seconds(), 16);
    assert_eq!(link(100).hang_seconds(), 1);
    assert_eq!(link(1000).hang_seconds(), 1);
}

#[test]
fn the_words_of_the_log_are_cs() {
    assert_eq!(flow_control_name(FlowControl::None), "None");
    assert_eq!(flow_control_name(FlowControl::RxPause), "RX");
    assert_eq!(flow_control_name(FlowControl::TxPause), "TX");
    assert_eq!(flow_control_name(FlowControl::Full), "RX/TX");
    assert_eq!(Link::from_status(1).duplex_name(), "Full Duplex");
    assert_eq!(Link::from_status(0).duplex_name(), "Half Duplex");
}
