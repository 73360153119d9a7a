// SPDX-License-Identifier: GPL-2.0

//! Requests, read out of the bytes that the driver has made readable (virtio specification, 5.2.6).

use crate::zones::ZoneOp;

/// Bytes of the header.
pub const HEADER: usize = 16;
/// Bytes of the status at the end of what the device writes.
pub const STATUS: usize = 1;
/// Bytes of the status of a zone append, which begins with a sector.
pub const APPEND_STATUS: usize = 9;
/// Bytes of a range in a discard and its kin.
const RANGE: usize = 16;
/// The only flag that a range can have.
const UNMAP: u32 = 1;

/// What the driver wants.
#[derive(Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// Data from `sector` on.
    Read,
    /// This data written from `sector` on.
    Write(&'a [u8]),
    /// What was written made to last.
    Flush,
    /// The serial number.
    GetId,
    /// Ranges forgotten.
    Discard(Vec<Range>),
    /// Ranges zeroed.
    WriteZeroes(Vec<Range>),
    /// Ranges forgotten for good.
    SecureErase(Vec<Range>),
    /// This data written where the zone that starts at `sector` goes on.
    ZoneAppend(&'a [u8]),
    /// The zones from the one with `sector` in it.
    ZoneReport,
    /// An operation on the zone that starts at `sector`.
    Zone(ZoneOp),
    /// All zones emptied.
    ZoneResetAll,
    /// Nothing that is known.
    Unknown,
}

/// A range of sectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first.
    pub sector: u64,
    /// How many.
    pub sectors: u64,
    /// Whether the space may be given up.
    pub unmap: bool,
}

/// A request.
#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// What the driver wants.
    pub command: Command<'a>,
    /// Its I/O priority, in the place that the specification reserves, where Linux' drivers put it.
    pub ioprio: u64,
    /// Where.
    pub sector: u64,
    /// Bytes that it has room for besides the status.
    pub room: usize,
    /// Bytes that the status has.
    pub status_len: usize,
}

/// Why a request cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// It cannot even be answered.
    NoStatus,
    /// The header is not whole.
    ShortHeader,
    /// Ranges are not whole, or there are none.
    BadRanges,
    /// A range has a flag that does not exist, or not there.
    BadFlags,
}

impl Command<'_> {
    /// The name under which such requests are counted.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write(_) => "write",
            Self::Flush => "flush",
            Self::GetId => "get-id",
            Self::Discard(_) => "discard",
            Self::WriteZeroes(_) => "write-zeroes",
            Self::SecureErase(_) => "secure-erase",
            Self::ZoneAppend(_) => "append",
            Self::ZoneReport => "report",
            Self::Zone(ZoneOp::Open) => "open",
            Self::Zone(ZoneOp::Close) => "close",
            Self::Zone(ZoneOp::Finish) => "finish",
            Self::Zone(ZoneOp::Reset) => "reset",
            Self::ZoneResetAll => "reset-all",
            Self::Unknown => "unknown",
        }
    }
}

impl<'a> Request<'a> {
    /// Reads a request out of its `readable` bytes; the device may write `writable` bytes.
    ///
    /// # Errors
    ///
    /// It is no request.
    pub fn parse(readable: &'a [u8], writable: usize) -> Result<Self, Malformed> {
        if writable < STATUS {
            return Err(Malformed::NoStatus);
        }
        if readable.len() < HEADER {
            return Err(Malformed::ShortHeader);
        }
        let (header, data) = readable.split_at(HEADER);
        let command = match number(&header[..4]) {
            0 => Command::Read,
            1 => Command::Write(data),
            4 => Command::Flush,
            8 => Command::GetId,
            11 => Command::Discard(ranges(data, 0)?),
            13 => Command::WriteZeroes(ranges(data, UNMAP)?),
            14 => Command::SecureErase(ranges(data, 0)?),
            15 => Command::ZoneAppend(data),
            16 => Command::ZoneReport,
            18 => Command::Zone(ZoneOp::Open),
            20 => Command::Zone(ZoneOp::Close),
            22 => Command::Zone(ZoneOp::Finish),
            24 => Command::Zone(ZoneOp::Reset),
            26 => Command::ZoneResetAll,
            _ => Command::Unknown,
        };
        let status_len = if matches!(command, Command::ZoneAppend(_)) { APPEND_STATUS } else { STATUS };
        let room = writable.checked_sub(status_len).ok_or(Malformed::NoStatus)?;
        Ok(Self { command, ioprio: number(&header[4..8]), sector: number(&header[8..]), room, status_len })
    }
}

/// Reads the ranges of a discard and its kin.
fn ranges(data: &[u8], flags: u32) -> Result<Vec<Range>, Malformed> {
    if data.is_empty() || data.len() % RANGE != 0 {
        return Err(Malformed::BadRanges);
    }
    let range = |bytes: &[u8]| {
        let found = number(&bytes[12..]) as u32;
        if found & !flags != 0 {
            return Err(Malformed::BadFlags);
        }
        Ok(Range { sector: number(&bytes[..8]), sectors: number(&bytes[8..12]), unmap: found & UNMAP != 0 })
    };
    data.chunks_exact(RANGE).map(range).collect()
}

/// A little-endian number of at most eight bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(ty: u32, sector: u64) -> Vec<u8> {
        [&ty.to_le_bytes()[..], &[0; 4], &sector.to_le_bytes()].concat()
    }

    fn range(sector: u64, sectors: u32, flags: u32) -> Vec<u8> {
        [&sector.to_le_bytes()[..], &sectors.to_le_bytes(), &flags.to_le_bytes()].concat()
    }

    #[test]
    fn reads_and_writes_are_told_apart_by_their_type() {
        let bytes = header(0, 0x0102_0304_0506);
        let read = Request::parse(&bytes, 4097).unwrap();
        assert_eq!((read.command, read.sector), (Command::Read, 0x0102_0304_0506));
        assert_eq!((read.ioprio, read.room, read.status_len), (0, 4096, 1));
        let bytes = [header(1, 8), vec![7; 512]].concat();
        assert_eq!(Request::parse(&bytes, 1).unwrap().command, Command::Write(&[7; 512]));
    }

    #[test]
    fn an_append_has_a_longer_status() {
        let bytes = [header(15, 128), vec![1; 512]].concat();
        let append = Request::parse(&bytes, 9).unwrap();
        assert_eq!((append.room, append.status_len), (0, 9));
        assert_eq!(Request::parse(&bytes, 8), Err(Malformed::NoStatus));
    }

    #[test]
    fn every_type_of_the_specification_is_known() {
        let names = [
            (4, "flush"),
            (8, "get-id"),
            (16, "report"),
            (18, "open"),
            (20, "close"),
            (22, "finish"),
            (24, "reset"),
            (26, "reset-all"),
            (2, "unknown"),
            (0x8000_0000, "unknown"),
        ];
        for (ty, name) in names {
            assert_eq!(Request::parse(&header(ty, 0), 1).unwrap().command.name(), name, "{ty}");
        }
    }

    #[test]
    fn ranges_are_read() {
        let bytes = [header(11, 0), range(8, 16, 0), range(64, 8, 0)].concat();
        let expected = [(8, 16), (64, 8)].map(|(sector, sectors)| Range { sector, sectors, unmap: false });
        assert_eq!(Request::parse(&bytes, 1).unwrap().command, Command::Discard(expected.to_vec()));
        let bytes = [header(13, 0), range(8, 16, 1)].concat();
        let expected = vec![Range { sector: 8, sectors: 16, unmap: true }];
        assert_eq!(Request::parse(&bytes, 1).unwrap().command, Command::WriteZeroes(expected));
    }

    #[test]
    fn nonsense_is_refused() {
        assert_eq!(Request::parse(&header(0, 0), 0), Err(Malformed::NoStatus));
        assert_eq!(Request::parse(&header(0, 0)[..15], 1), Err(Malformed::ShortHeader));
        assert_eq!(Request::parse(&header(11, 0), 1), Err(Malformed::BadRanges));
        assert_eq!(Request::parse(&[header(14, 0), vec![0; 17]].concat(), 1), Err(Malformed::BadRanges));
        for (ty, flags) in [(11, 1), (14, 1), (13, 2)] {
            let bytes = [header(ty, 0), range(0, 8, flags)].concat();
            assert_eq!(Request::parse(&bytes, 1), Err(Malformed::BadFlags), "{ty} with {flags}");
        }
    }
}
