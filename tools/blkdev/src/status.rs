// SPDX-License-Identifier: GPL-2.0

//! The outcomes of a request (virtio specification, 5.2.6).

/// The status byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Done.
    Ok = 0,
    /// Failed.
    IoErr = 1,
    /// Not known, or not offered.
    Unsupp = 2,
    /// Not possible in the state that the zone is in.
    ZoneInvalidCmd = 3,
    /// A write that is not at the write pointer.
    ZoneUnalignedWp = 4,
    /// Too many zones are open.
    ZoneOpenResource = 5,
    /// Too many zones are active.
    ZoneActiveResource = 6,
}
