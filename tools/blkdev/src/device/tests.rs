// SPDX-License-Identifier: GPL-2.0

use super::*;
use crate::features::bit;
use crate::options::tests::options;

fn device(words: &str) -> Device {
    Device::new(&options(words).unwrap()).unwrap()
}

fn header(ty: u32, sector: u64) -> Vec<u8> {
    [&ty.to_le_bytes()[..], &[0; 4], &sector.to_le_bytes()].concat()
}

fn range(sector: u64, sectors: u32, flags: u32) -> Vec<u8> {
    [&sector.to_le_bytes()[..], &sectors.to_le_bytes(), &flags.to_le_bytes()].concat()
}

/// Sends a request and returns what comes back: data with status, and the used length.
fn send(device: &mut Device, readable: &[Vec<u8>], writable: usize) -> (Vec<u8>, u32) {
    let Answer { bytes, used, .. } = device.execute(&readable.concat(), writable, Shape::default());
    (bytes, used)
}

fn status(device: &mut Device, readable: &[Vec<u8>]) -> u8 {
    let (bytes, used) = send(device, readable, 1);
    assert_eq!((bytes.len(), used), (1, 1));
    bytes[0]
}

fn read(device: &mut Device, sector: u64) -> Vec<u8> {
    let (mut bytes, used) = send(device, &[header(0, sector)], 513);
    assert_eq!((bytes.pop(), used), (Some(0), 513));
    bytes
}

fn write(device: &mut Device, sector: u64, byte: u8) -> u8 {
    status(device, &[header(1, sector), vec![byte; 512]])
}

/// Zones of 1 MiB: one conventional, three sequential ones at sectors 2048, 4096 and 6144.
const ZONED: &str = "--size 4M --zone-size 1M --conventional 1 --max-append 16";

#[test]
fn what_was_written_is_read() {
    let mut device = device("--size 1M");
    assert_eq!(write(&mut device, 7, 42), 0);
    assert_eq!(read(&mut device, 7), [42; 512]);
    assert_eq!(read(&mut device, 8), [0; 512]);
    assert_eq!(status(&mut device, &[header(4, 0)]), 0);
}

#[test]
fn behind_the_end_is_an_error_that_fills_the_whole_answer() {
    let mut device = device("--size 1M");
    assert_eq!(write(&mut device, 2048, 1), 1);
    let (bytes, used) = send(&mut device, &[header(0, 2048)], 513);
    assert_eq!((bytes.len(), bytes[512], used), (513, 1, 513));
    assert_eq!(status(&mut device, &[header(1, 0), vec![0; 100]]), 1, "not whole sectors");
}

#[test]
fn a_read_only_device_refuses_writes_of_each_kind() {
    let mut device = device("--size 1M --feature ro");
    assert_eq!(write(&mut device, 0, 1), 1);
    for ty in [11, 13, 14] {
        assert_eq!(status(&mut device, &[header(ty, 0), range(0, 8, 0)]), 1, "{ty}");
    }
    assert_eq!(read(&mut device, 0), [0; 512]);
}

#[test]
fn the_serial_number_is_told() {
    let mut device = device("--serial ABC");
    let (bytes, used) = send(&mut device, &[header(8, 0)], 21);
    assert_eq!((&bytes[..4], bytes[20], used), (&b"ABC\0"[..], 0, 21));
}

#[test]
fn ranges_are_cleared_and_counted() {
    let mut device = device("--size 1M");
    for sector in 0..64 {
        write(&mut device, sector, 9);
    }
    assert_eq!(status(&mut device, &[header(11, 0), range(0, 8, 0), range(16, 8, 0)]), 0);
    assert_eq!(status(&mut device, &[header(13, 0), range(24, 8, 1)]), 0);
    assert_eq!(status(&mut device, &[header(14, 0), range(32, 8, 0)]), 0);
    let cleared: Vec<_> = (0..5).map(|group| read(&mut device, group * 8)[0] == 0).collect();
    assert_eq!(cleared, [true, false, true, true, true]);
    assert_eq!((device.counts["discard-ranges"], device.counts["unmap-ranges"]), (2, 1));
}

#[test]
fn ranges_beyond_the_limits_are_refused_as_a_whole() {
    let mut device = device("--size 1M --set max_discard_seg=2");
    write(&mut device, 0, 9);
    let ranges = [header(11, 0), range(0, 8, 0), range(8, 8, 0), range(16, 8, 0)];
    assert_eq!(status(&mut device, &ranges), 1, "too many");
    assert_eq!(status(&mut device, &[header(11, 0), range(0, 8, 0), range(2047, 2, 0)]), 1, "behind the end");
    assert_eq!(status(&mut device, &[header(11, 0), range(0, 8, 1)]), 2, "a flag that discards do not have");
    assert_eq!(read(&mut device, 0), [9; 512]);
}

#[test]
fn what_was_not_negotiated_is_not_supported() {
    let mut device = device("--size 1M");
    let none = device.offered().with(bit("discard").unwrap(), false);
    device.negotiated(none);
    assert_eq!(status(&mut device, &[header(11, 0), range(0, 8, 0)]), 2);
    assert_eq!(status(&mut device, &[header(18, 0)]), 2);
    assert_eq!(status(&mut device, &[header(99, 0)]), 2);
}

#[test]
fn a_driver_that_breaks_the_limits_is_told_so() {
    let mut device = device("--set seg_max=4 --set size_max=4096 --feature size-max");
    let request = [header(1, 0), vec![0; 512]].concat();
    for (shape, expected) in [((4, 4096), 0), ((5, 4096), 1), ((4, 4097), 1)] {
        let shape = Shape { segments: shape.0, longest: shape.1 };
        assert_eq!(device.execute(&request, 1, shape).bytes, [expected], "{shape:?}");
    }
    assert_eq!(device.counts["violation"], 2);
}

#[test]
fn a_request_without_room_for_its_status_cannot_be_answered() {
    let answer = device("").execute(&header(4, 0), 0, Shape::default());
    assert_eq!(answer, Answer { bytes: vec![], used: 0, name: "malformed" });
}

#[test]
fn appends_tell_their_sector() {
    let mut device = device(ZONED);
    for expected in [2048u64, 2049] {
        let (bytes, used) = send(&mut device, &[header(15, 2048), vec![5; 512]], 9);
        assert_eq!((&bytes[..8], bytes[8], used), (&expected.to_le_bytes()[..], 0, 9));
    }
    assert_eq!(read(&mut device, 2049), [5; 512]);
    let (bytes, used) = send(&mut device, &[header(15, 2048), vec![5; 512]], 16);
    assert_eq!((&bytes[..8], bytes[15], used), (&2050u64.to_le_bytes()[..], 0, 16), "with padding");
    let (bytes, _) = send(&mut device, &[header(15, 2049), vec![5; 512]], 9);
    assert_eq!(bytes[8], Status::ZoneInvalidCmd as u8);
}

#[test]
fn zones_are_reported() {
    let mut device = device(ZONED);
    write(&mut device, 2048, 1);
    let (bytes, _) = send(&mut device, &[header(16, 2100)], 64 + 2 * 64 + 1);
    let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    assert_eq!(number(0), 2, "as many as fit");
    assert_eq!((number(64), number(72), number(80)), (2048, 2048, 2049));
    assert_eq!((bytes[88], bytes[89]), (2, 2));
    assert_eq!((number(136), bytes[153], bytes[192]), (4096, 1, 0));
    let (bytes, _) = send(&mut device, &[header(16, 8192)], 129);
    assert_eq!(bytes[128], Status::ZoneInvalidCmd as u8);
    let (bytes, _) = send(&mut device, &[header(16, 0)], 64);
    assert_eq!(bytes[63], 1, "not even the header fits");
}

#[test]
fn a_zone_that_was_reset_reads_as_zeroes() {
    let mut device = device(ZONED);
    for sector in [2048, 4096] {
        assert_eq!(write(&mut device, sector, 8), 0);
    }
    assert_eq!(status(&mut device, &[header(24, 2048)]), 0);
    assert_eq!((read(&mut device, 2048)[0], read(&mut device, 4096)[0]), (0, 8));
    assert_eq!(status(&mut device, &[header(26, 0)]), 0);
    assert_eq!(read(&mut device, 4096)[0], 0);
    assert_eq!(write(&mut device, 2048, 8), 0);
}

#[test]
fn a_secure_erase_resets_whole_zones() {
    let mut device = device(&format!("{ZONED} --feature secure-erase"));
    write(&mut device, 2048, 8);
    assert_eq!(status(&mut device, &[header(14, 0), range(2048, 8, 0)]), Status::ZoneInvalidCmd as u8);
    assert_eq!(read(&mut device, 2048)[0], 8);
    assert_eq!(status(&mut device, &[header(14, 0), range(2048, 4096, 0)]), 0);
    assert_eq!(read(&mut device, 2048)[0], 0);
}

#[test]
fn faults_of_the_answer_are_made() {
    for (fault, len, last, used) in [
        ("no-status:read", 512, 3, 513),
        ("unknown-status", 513, UNKNOWN_STATUS, 513),
        ("io-error", 513, 1, 513),
        ("unsupp:read", 513, Status::Unsupp as u8, 513),
        ("used-short", 513, 0, 1),
        ("used-zero", 513, 0, 0),
        ("used-data:read", 513, 0, 512),
        ("used-less", 513, 0, 511),
        ("used-all", 513, 0, 513),
        ("used-long", 513, 0, 513 + TOO_MUCH),
    ] {
        let mut device = device("--size 1M");
        write(&mut device, 0, 3);
        device.command(&format!("fault {fault}")).unwrap();
        let (bytes, told) = send(&mut device, &[header(0, 0)], 513);
        assert_eq!((bytes.len(), *bytes.last().unwrap(), told), (len, last, used), "{fault}");
    }
}

#[test]
fn what_is_not_supported_is_not_done() {
    let mut device = device("--size 1M");
    write(&mut device, 0, 9);
    for (fault, ty) in [("discard", 11), ("write-zeroes", 13), ("secure-erase", 14)] {
        device.command(&format!("fault unsupp:{fault}")).unwrap();
        assert_eq!(status(&mut device, &[header(ty, 0), range(0, 8, 0)]), Status::Unsupp as u8, "{fault}");
    }
    assert_eq!(read(&mut device, 0), [9; 512]);
}

#[test]
fn faults_of_zone_reports_are_made() {
    let second = 64 + 64;
    for (fault, at, expected) in [
        ("zone-count-zero", 0, 0),
        ("zone-count-huge", 0, u64::MAX),
        ("zone-start", second + 8, 0),
        ("zone-capacity", second, 2048 + (1 << 32)),
        ("zone-pointer", second + 16, 2048 + 2048 + 1),
    ] {
        let mut device = device(ZONED);
        device.command(&format!("fault {fault}")).unwrap();
        let (bytes, _) = send(&mut device, &[header(16, 0)], 64 + 2 * 64 + 1);
        assert_eq!(u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()), expected, "{fault}");
    }
    for (fault, at) in [("zone-type", second + 24), ("zone-state", second + 25)] {
        let mut device = device(ZONED);
        device.command(&format!("fault {fault}")).unwrap();
        let (bytes, _) = send(&mut device, &[header(16, 0)], 64 + 2 * 64 + 1);
        assert!(bytes[at] > 4 && bytes[at] < 13, "{fault}");
    }
}

#[test]
fn an_append_may_lie_about_its_sector() {
    let mut device = device(ZONED);
    device.command("fault append-sector:append").unwrap();
    let (bytes, _) = send(&mut device, &[header(15, 2048), vec![5; 512]], 9);
    assert_ne!(bytes[..8], 2048u64.to_le_bytes());
    assert_eq!(bytes[8], 0);
}
