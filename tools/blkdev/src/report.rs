// SPDX-License-Identifier: GPL-2.0

//! Zone reports: `struct virtio_blk_zone_report` and `struct virtio_blk_zone_descriptor`.

use crate::fault::{FaultKind, Faults};
use crate::status::Status;
use crate::zones::Zone;

/// Bytes of the header, and of the descriptor of a zone.
const RECORD: usize = 64;
/// A state and a type that do not exist.
const UNKNOWN_STATE: u8 = 9;
const UNKNOWN_TYPE: u8 = 7;

/// Writes as many of `zones` into `data` as fit.
///
/// # Errors
///
/// Not even the header fits.
pub fn fill(zones: &[Zone], data: &mut [u8], faults: &Faults) -> Result<(), Status> {
    let fault = |kind| faults.hit(kind, "report");
    let (header, rest) = data.split_at_mut_checked(RECORD).ok_or(Status::IoErr)?;
    let mut count = 0u64;
    for (record, zone) in rest.chunks_exact_mut(RECORD).zip(zones) {
        let mut zone = *zone;
        if fault(FaultKind::ZoneStart) {
            zone.start = zones[0].start;
        }
        if fault(FaultKind::ZoneCapacity) {
            zone.capacity += 1 << 32;
        }
        if fault(FaultKind::ZonePointer) {
            zone.write_pointer += zone.capacity + 1;
        }
        record[..8].copy_from_slice(&zone.capacity.to_le_bytes());
        record[8..16].copy_from_slice(&zone.start.to_le_bytes());
        record[16..24].copy_from_slice(&zone.write_pointer.to_le_bytes());
        record[24] = if fault(FaultKind::ZoneType) { UNKNOWN_TYPE } else { zone.zone_type as u8 };
        record[25] = if fault(FaultKind::ZoneState) { UNKNOWN_STATE } else { zone.state as u8 };
        count += 1;
    }
    if fault(FaultKind::ZoneCountZero) {
        count = 0;
    }
    if fault(FaultKind::ZoneCountHuge) {
        count = u64::MAX;
    }
    header[..8].copy_from_slice(&count.to_le_bytes());
    Ok(())
}
