// SPDX-License-Identifier: GPL-2.0

use super::*;

const GEOMETRY: Geometry = Geometry {
    zone_sectors: 128,
    zone_capacity: 96,
    conventional: 1,
    max_open: 2,
    max_active: 3,
    max_append: 32,
    write_granularity: 512,
};

/// One conventional zone, then five sequential ones at 128, 256, 384, 512 and 640.
fn zones() -> Zones {
    Zones::new(GEOMETRY, 6 * 128)
}

fn zone(zones: &Zones, sector: u64) -> Zone {
    zones.from_sector(sector).unwrap()[0]
}

fn state(zones: &Zones, sector: u64) -> State {
    zone(zones, sector).state
}

#[test]
fn a_device_is_divided_into_zones() {
    let zones = Zones::new(GEOMETRY, 5 * 128 + 40);
    let all = zones.from_sector(0).unwrap();
    assert_eq!(all.len(), 6);
    assert_eq!((all[0].zone_type, all[0].state, all[0].capacity), (ZoneType::Conventional, State::NotWp, 128));
    assert_eq!((all[1].start, all[1].capacity, all[1].write_pointer), (128, 96, 128));
    assert_eq!(all[5].capacity, 40, "the last zone ends with the device");
    assert_eq!(zones.from_sector(130).unwrap()[0].start, 128);
    assert!(zones.from_sector(5 * 128 + 40).is_none());
}

#[test]
fn a_sequential_zone_is_written_at_its_pointer_only() {
    let mut zones = zones();
    assert_eq!(zones.write(136, 8), Err(Status::ZoneUnalignedWp));
    assert_eq!(state(&zones, 128), State::Empty, "a refused write changes nothing");
    assert_eq!(zones.write(128, 8), Ok(()));
    assert_eq!((state(&zones, 128), zone(&zones, 128).write_pointer), (State::ImplicitOpen, 136));
    assert_eq!(zones.write(128, 8), Err(Status::ZoneUnalignedWp));
    assert_eq!(zones.write(136, 88), Ok(()));
    assert_eq!((state(&zones, 128), zone(&zones, 128).write_pointer), (State::Full, 224));
    assert_eq!(zones.write(224, 8), Err(Status::ZoneInvalidCmd), "beyond the capacity");
}

#[test]
fn a_write_that_does_not_fit_is_refused() {
    let mut zones = zones();
    assert_eq!(zones.write(128, 97), Err(Status::ZoneInvalidCmd));
    assert_eq!(zones.write(128, 200), Err(Status::ZoneInvalidCmd), "into the next zone");
    assert_eq!(zones.write(120, 16), Err(Status::ZoneInvalidCmd), "from a conventional zone");
    assert_eq!(zones.write(6 * 128, 8), Err(Status::IoErr), "behind the device");
    assert_eq!(zones.write(u64::MAX, 8), Err(Status::IoErr));
}

#[test]
fn a_write_ends_at_a_multiple_of_the_granularity() {
    let mut zones = Zones::new(Geometry { write_granularity: 4096, ..GEOMETRY }, 6 * 128);
    assert_eq!(zones.write(128, 7), Err(Status::ZoneUnalignedWp));
    assert_eq!(zones.write(128, 8), Ok(()));
}

#[test]
fn a_conventional_zone_is_written_anywhere_and_has_no_state() {
    let mut zones = zones();
    assert_eq!(zones.write(64, 8), Ok(()));
    assert_eq!(zones.write(0, 128), Ok(()));
    assert_eq!(state(&zones, 0), State::NotWp);
    for op in [ZoneOp::Open, ZoneOp::Close, ZoneOp::Finish, ZoneOp::Reset] {
        assert_eq!(zones.operate(op, 0), Err(Status::ZoneInvalidCmd), "{op:?}");
    }
    assert_eq!(zones.append(0, 8), Err(Status::ZoneInvalidCmd));
}

#[test]
fn an_append_tells_where_it_went() {
    let mut zones = zones();
    assert_eq!(zones.append(128, 8), Ok(128));
    assert_eq!(zones.append(128, 16), Ok(136));
    assert_eq!(zone(&zones, 128).write_pointer, 152);
    assert_eq!(zones.append(136, 8), Err(Status::ZoneInvalidCmd), "not the start of a zone");
    assert_eq!(zones.append(128, 33), Err(Status::ZoneInvalidCmd), "longer than an append can be");
    let mut none = Zones::new(Geometry { max_append: 0, ..GEOMETRY }, 6 * 128);
    assert_eq!(none.append(128, 8), Err(Status::Unsupp));
}

#[test]
fn an_append_fills_a_zone_but_never_more() {
    let mut zones = zones();
    assert_eq!(zones.write(128, 88), Ok(()));
    assert_eq!(zones.append(128, 16), Err(Status::ZoneInvalidCmd));
    assert_eq!(zones.append(128, 8), Ok(216));
    assert_eq!(state(&zones, 128), State::Full);
    assert_eq!(zones.append(128, 8), Err(Status::ZoneInvalidCmd));
}

#[test]
fn each_operation_leads_from_each_state_to_the_right_one() {
    use State::{Closed, Empty, ExplicitOpen, Full, ImplicitOpen, Offline, ReadOnly};
    let table = [
        (Empty, [Some(ExplicitOpen), None, Some(Full), Some(Empty)]),
        (ImplicitOpen, [Some(ExplicitOpen), Some(Closed), Some(Full), Some(Empty)]),
        (ExplicitOpen, [Some(ExplicitOpen), Some(Closed), Some(Full), Some(Empty)]),
        (Closed, [Some(ExplicitOpen), Some(Closed), Some(Full), Some(Empty)]),
        (Full, [None, None, Some(Full), Some(Empty)]),
        (ReadOnly, [None; 4]),
        (Offline, [None; 4]),
    ];
    for (from, expected) in table {
        for (op, to) in [ZoneOp::Open, ZoneOp::Close, ZoneOp::Finish, ZoneOp::Reset].into_iter().zip(expected) {
            let mut zones = zones();
            let pointer = match from {
                Empty => 128,
                Full => 224,
                _ => 136,
            };
            *zones.zone_mut(1).unwrap() = Zone { state: from, write_pointer: pointer, ..zone(&zones, 128) };
            let result = zones.operate(op, 128);
            assert_eq!(result, to.map(|_| ()).ok_or(Status::ZoneInvalidCmd), "{op:?} of {from:?}");
            let after = zone(&zones, 128);
            assert_eq!(after.state, to.unwrap_or(from), "{op:?} of {from:?}");
            let pointer = match (to, op) {
                (Some(_), ZoneOp::Reset) => 128,
                (Some(_), ZoneOp::Finish) => 224,
                _ => pointer,
            };
            assert_eq!(after.write_pointer, pointer, "{op:?} of {from:?}");
        }
    }
}

#[test]
fn closing_an_open_zone_without_data_makes_it_empty() {
    let mut zones = zones();
    zones.operate(ZoneOp::Open, 128).unwrap();
    zones.operate(ZoneOp::Close, 128).unwrap();
    assert_eq!(state(&zones, 128), State::Empty);
}

#[test]
fn an_operation_needs_the_start_of_a_zone() {
    let mut zones = zones();
    assert_eq!(zones.operate(ZoneOp::Open, 136), Err(Status::ZoneInvalidCmd));
    assert_eq!(zones.operate(ZoneOp::Open, 6 * 128), Err(Status::ZoneInvalidCmd));
}

#[test]
fn the_limit_of_open_zones_is_kept() {
    let mut zones = zones();
    zones.operate(ZoneOp::Open, 128).unwrap();
    zones.operate(ZoneOp::Open, 256).unwrap();
    assert_eq!(zones.operate(ZoneOp::Open, 384), Err(Status::ZoneOpenResource));
    assert_eq!(zones.write(384, 8), Err(Status::ZoneOpenResource));
    assert_eq!(zones.append(384, 8), Err(Status::ZoneOpenResource));
    assert_eq!(state(&zones, 384), State::Empty);
    zones.operate(ZoneOp::Close, 256).unwrap();
    assert_eq!(zones.write(384, 8), Ok(()));
}

#[test]
fn a_zone_that_a_write_has_opened_makes_room() {
    let mut zones = zones();
    zones.write(128, 8).unwrap();
    zones.operate(ZoneOp::Open, 256).unwrap();
    assert_eq!(zones.write(384, 8), Ok(()));
    assert_eq!((state(&zones, 128), state(&zones, 384)), (State::Closed, State::ImplicitOpen));
}

#[test]
fn the_limit_of_active_zones_is_kept_and_told_first() {
    let mut zones = zones();
    for start in [128, 256, 384] {
        zones.write(start, 8).unwrap();
    }
    assert_eq!(zones.write(512, 8), Err(Status::ZoneActiveResource));
    assert_eq!(zones.operate(ZoneOp::Open, 512), Err(Status::ZoneActiveResource));
    zones.operate(ZoneOp::Open, 128).unwrap();
    zones.operate(ZoneOp::Open, 256).unwrap();
    assert_eq!(zones.operate(ZoneOp::Open, 512), Err(Status::ZoneActiveResource), "both limits are reached");
    assert_eq!(zones.write(392, 8), Err(Status::ZoneOpenResource), "a closed zone is active already");
    zones.operate(ZoneOp::Finish, 128).unwrap();
    assert_eq!(zones.write(512, 8), Ok(()));
}

#[test]
fn what_can_be_reset_is_neither_empty_nor_broken() {
    let mut zones = zones();
    zones.write(128, 8).unwrap();
    zones.operate(ZoneOp::Finish, 256).unwrap();
    zones.zone_mut(3).unwrap().state = State::ReadOnly;
    zones.zone_mut(4).unwrap().state = State::Offline;
    assert_eq!(zones.resettable(), [(128, 96), (256, 96)]);
}

#[test]
fn broken_zones_are_not_written_and_offline_ones_not_read() {
    let mut zones = zones();
    zones.zone_mut(1).unwrap().state = State::ReadOnly;
    zones.zone_mut(2).unwrap().state = State::Offline;
    assert_eq!(zones.write(128, 8), Err(Status::ZoneInvalidCmd));
    assert_eq!(zones.check_read(128, 8), Ok(()));
    assert_eq!(zones.check_read(256, 8), Err(Status::ZoneInvalidCmd));
    zones.zone_mut(0).unwrap().state = State::ReadOnly;
    assert_eq!(zones.write(0, 8), Err(Status::ZoneInvalidCmd));
}

#[test]
fn a_read_stays_in_its_sequential_zone() {
    let zones = zones();
    assert_eq!(zones.check_read(0, 128), Ok(()));
    assert_eq!(zones.check_read(250, 6), Ok(()));
    assert_eq!(zones.check_read(250, 7), Err(Status::ZoneInvalidCmd));
    assert_eq!(zones.check_read(760, 16), Err(Status::IoErr));
}
