// SPDX-License-Identifier: GPL-2.0

use crate::wol::{from_wufc, to_wufc, wake, while_link_is_up, wufc};

#[test]
fn each_event_has_a_filter_of_its_own_and_comes_back() {
    for events in 0..=wake::SUPPORTED {
        if events & wake::REFUSED != 0 {
            assert_eq!(to_wufc(events), None);
            continue;
        }

        let filters = to_wufc(events).unwrap();
        assert_eq!(filters.count_ones(), (events & wake::SUPPORTED).count_ones());
        assert_eq!(from_wufc(filters), events & wake::SUPPORTED);
    }
    assert_eq!(to_wufc(wake::MAGIC), Some(wufc::MAG));
    assert_eq!(to_wufc(wake::UCAST), Some(wufc::EX));
}

#[test]
fn events_that_c_ignores_are_ignored() {
    assert_eq!(to_wufc(1 << 7), Some(0));
}

#[test]
fn a_link_that_is_there_does_not_wake() {
    assert_eq!(while_link_is_up(wufc::LNKC | wufc::MAG), wufc::MAG);
}
