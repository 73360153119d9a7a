// SPDX-License-Identifier: GPL-2.0

//! The device: carries out requests. Knows nothing of rings.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use crate::cache::Cache;
use crate::config::ConfigSpace;
use crate::fault::{FaultKind, Faults};
use crate::features::Features;
use crate::options::Options;
use crate::report;
use crate::request::{Command, Malformed, Range, Request, STATUS};
use crate::status::Status;
use crate::store::{self, SECTOR, Store};
use crate::zones::{ZoneOp, Zones};

/// A status that does not exist.
const UNKNOWN_STATUS: u8 = 0x77;
/// How much more than there is room for is said to have been written by a device that lies about it.
const TOO_MUCH: u32 = 4096;
/// What is no request.
const MALFORMED: &str = "malformed";

/// How a request lies in memory.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shape {
    /// Buffers of data, without header and status.
    pub segments: u64,
    /// Bytes of the longest of them.
    pub longest: u64,
}

/// What is given back to the driver.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// What is written, from the beginning of what can be written.
    pub bytes: Vec<u8>,
    /// How much the device says that it has written.
    pub used: u32,
    /// What it was: [`Command::name`].
    pub name: &'static str,
}

/// The device.
#[derive(Debug)]
pub struct Device {
    pub(crate) store: Store,
    pub(crate) zones: Option<Zones>,
    pub(crate) config: ConfigSpace,
    pub(crate) faults: Faults,
    pub(crate) counts: BTreeMap<String, u64>,
    pub(crate) cache: Cache,
    /// Whether there is such a cache.
    volatile: bool,
    /// What the next request suffers from besides.
    wrong: Option<FaultKind>,
    first_config: ConfigSpace,
    offered: Features,
    negotiated: Features,
    serial: String,
}

impl Device {
    /// A device full of zeroes.
    ///
    /// # Errors
    ///
    /// Options contradict each other.
    pub fn new(options: &Options) -> Result<Self> {
        options.check()?;
        Ok(Self {
            store: match &options.image {
                None => Store::new(options.sectors()),
                Some(file) => Store::load(file, options.sectors())
                    .with_context(|| format!("cannot take over {}", file.display()))?,
            },
            zones: options.geometry().map(|geometry| Zones::new(geometry, options.sectors())),
            config: options.config()?,
            first_config: options.config()?,
            faults: options.faults(),
            counts: BTreeMap::new(),
            cache: Cache::default(),
            volatile: options.volatile,
            wrong: None,
            offered: options.features(),
            negotiated: options.features(),
            serial: options.serial.clone(),
        })
    }

    /// What is offered.
    pub fn offered(&self) -> Features {
        self.offered
    }

    /// The driver has made its choice.
    pub fn negotiated(&mut self, features: Features) {
        self.negotiated = features;
    }

    /// A part of the configuration space.
    pub fn read_config(&self, offset: usize, size: usize) -> Vec<u8> {
        self.config.read(offset, size)
    }

    /// Says of itself what it did at the start.
    pub(crate) fn restore_config(&mut self) {
        self.config = self.first_config.clone();
    }

    /// The driver has switched the cache on or off.
    ///
    /// # Errors
    ///
    /// Never, in fact: the field exists.
    pub fn set_cache(&mut self, on: bool) -> Result<()> {
        self.count("cache-switched");
        self.config.set("wce", on.into())
    }

    /// The next request will suffer from this as well.
    pub fn do_wrong(&mut self, kind: FaultKind) {
        self.wrong = Some(kind);
    }

    /// What a request is.
    pub fn name_of(&self, readable: &[u8], writable: usize) -> &'static str {
        Request::parse(readable, writable).map_or(MALFORMED, |request| request.command.name())
    }

    /// Carries out a request: its readable bytes, and how many can be written.
    pub fn execute(&mut self, readable: &[u8], writable: usize, shape: Shape) -> Answer {
        let request = match Request::parse(readable, writable) {
            Ok(request) => request,
            Err(malformed) => {
                self.count(MALFORMED);
                return refuse(malformed, writable);
            }
        };
        let name = request.command.name();
        self.count(name);
        self.count("requests");
        let wrong = self.wrong.take();
        let faults = self.faults.clone();
        let suffers = |kind| wrong == Some(kind) || faults.hit(kind, name);
        if request.ioprio != 0 {
            self.count(&format!("priority-{}", request.ioprio));
        }
        let mut data = vec![0; request.room];
        let mut append_sector = 0;
        let known = if suffers(FaultKind::Unsupp) { Err(Status::Unsupp) } else { Ok(()) };
        let outcome = known.and_then(|()| self.check_shape(shape)).and_then(|()| match &request.command {
            Command::ZoneAppend(bytes) => self.append(request.sector, bytes).map(|sector| append_sector = sector),
            _ => self.carry_out(&request, &mut data),
        });
        let status = outcome.err().unwrap_or(Status::Ok);
        if status != Status::Ok {
            eprintln!("blkdev: {name} at sector {}, {} bytes: {status:?}", request.sector, readable.len());
        }
        if suffers(FaultKind::AppendSector) {
            append_sector = append_sector.wrapping_sub(1 << 40);
        }
        let mut bytes = Vec::with_capacity(writable);
        // An append reads no data. Linux' C driver leaves seven bytes of padding between sector and status.
        if request.status_len > STATUS {
            bytes.extend(append_sector.to_le_bytes());
        }
        bytes.extend(data);
        bytes.push(match status {
            _ if suffers(FaultKind::UnknownStatus) => UNKNOWN_STATUS,
            _ if suffers(FaultKind::IoError) => Status::IoErr as u8,
            status => status as u8,
        });
        let used = used(suffers, bytes.len(), writable);
        if suffers(FaultKind::NoStatus) {
            bytes.pop();
        }
        Answer { bytes, used, name }
    }

    pub(crate) fn count(&mut self, what: &str) {
        self.add_to_count(what, 1);
    }

    fn add_to_count(&mut self, what: &str, number: usize) {
        *self.counts.entry(what.to_owned()).or_default() += number as u64;
    }

    /// Checks that the driver keeps the limits that it was told.
    fn check_shape(&mut self, shape: Shape) -> Result<(), Status> {
        let limit = |feature, field| {
            let told = self.negotiated.has(feature).then(|| self.config.get(field).unwrap_or(0));
            told.unwrap_or(u64::MAX)
        };
        // The driver cannot do with less than one segment.
        let segments = limit("seg-max", "seg_max").max(1);
        // Devices that set no limit are known to say so with a zero.
        let longest = Some(limit("size-max", "size_max")).filter(|max| *max != 0).unwrap_or(u64::MAX);
        if shape.segments > segments || shape.longest > longest {
            self.count("violation");
            return Err(Status::IoErr);
        }
        Ok(())
    }

    fn carry_out(&mut self, request: &Request<'_>, data: &mut [u8]) -> Result<(), Status> {
        let sector = request.sector;
        match &request.command {
            Command::Read => self.read(sector, data),
            Command::Write(bytes) => self.write(sector, bytes),
            Command::Flush => {
                self.cache.flush();
                Ok(())
            }
            Command::GetId => {
                let len = self.serial.len().min(data.len());
                data[..len].copy_from_slice(&self.serial.as_bytes()[..len]);
                Ok(())
            }
            Command::Discard(ranges) => self.clear("discard", "max_discard_seg", ranges),
            Command::WriteZeroes(ranges) => self.clear("write-zeroes", "max_write_zeroes_seg", ranges),
            Command::SecureErase(ranges) => self.clear("secure-erase", "max_secure_erase_seg", ranges),
            Command::ZoneReport => {
                let faults = &self.faults;
                let zones = zones(self.negotiated, &mut self.zones)?;
                report::fill(zones.from_sector(sector).ok_or(Status::ZoneInvalidCmd)?, data, faults)
            }
            Command::Zone(ZoneOp::Reset) => self.reset(sector),
            Command::Zone(op) => zones(self.negotiated, &mut self.zones)?.operate(*op, sector),
            Command::ZoneResetAll => {
                let all = zones(self.negotiated, &mut self.zones)?.resettable();
                all.into_iter().try_for_each(|(start, _)| self.reset(start))
            }
            Command::ZoneAppend(_) | Command::Unknown => Err(Status::Unsupp),
        }
    }

    fn read(&mut self, sector: u64, data: &mut [u8]) -> Result<(), Status> {
        let sectors = whole_sectors(data.len())?;
        let bytes = self.store.bytes(sector, data.len()).ok_or(Status::IoErr)?;
        if let Some(zones) = &self.zones {
            zones.check_read(sector, sectors)?;
        }
        data.copy_from_slice(bytes);
        Ok(())
    }

    /// Notes what is about to be written, unless it will last.
    fn note(&mut self, sector: u64, sectors: u64) {
        let writes_back = self.negotiated.has("flush") && self.config.get("wce").is_ok_and(|on| on != 0);
        if self.volatile && writes_back {
            self.cache.note(&self.store, sector, sectors);
        }
    }

    fn write(&mut self, sector: u64, data: &[u8]) -> Result<(), Status> {
        let sectors = whole_sectors(data.len())?;
        self.note(sector, sectors);
        let place = self.store.bytes_mut(sector, data.len()).ok_or(Status::IoErr)?;
        if self.offered.has("ro") {
            return Err(Status::IoErr);
        }
        if let Some(zones) = &mut self.zones {
            zones.write(sector, sectors)?;
        }
        place.copy_from_slice(data);
        Ok(())
    }

    fn append(&mut self, sector: u64, data: &[u8]) -> Result<u64, Status> {
        let sectors = whole_sectors(data.len())?;
        if self.offered.has("ro") {
            return Err(Status::IoErr);
        }
        let at = zones(self.negotiated, &mut self.zones)?.append(sector, sectors)?;
        self.note(at, sectors);
        self.store.bytes_mut(at, data.len()).ok_or(Status::IoErr)?.copy_from_slice(data);
        Ok(at)
    }

    /// Makes a zone empty, so that it reads as zeroes.
    fn reset(&mut self, sector: u64) -> Result<(), Status> {
        let zones = zones(self.negotiated, &mut self.zones)?;
        zones.operate(ZoneOp::Reset, sector)?;
        let zone = zones.from_sector(sector).and_then(<[_]>::first).ok_or(Status::ZoneInvalidCmd)?;
        let place = store::bytes(zone.capacity).and_then(|len| self.store.bytes_mut(sector, len));
        place.ok_or(Status::IoErr)?.fill(0);
        Ok(())
    }

    /// Resets the zones that a range consists of.
    fn reset_range(&mut self, range: &Range) -> Result<(), Status> {
        let zone_sectors = self.zones.as_ref().map_or(1, |zones| zones.geometry().zone_sectors);
        if range.sectors % zone_sectors != 0 {
            return Err(Status::ZoneInvalidCmd);
        }
        (0..range.sectors / zone_sectors).try_for_each(|index| self.reset(range.sector + index * zone_sectors))
    }

    /// Clears ranges, which is what discarding, zeroing and erasing come to in memory.
    fn clear(&mut self, feature: &str, max_ranges: &str, ranges: &[Range]) -> Result<(), Status> {
        if !self.negotiated.has(feature) {
            return Err(Status::Unsupp);
        }
        self.add_to_count(&format!("{feature}-ranges"), ranges.len());
        let unmapped = ranges.iter().filter(|range| range.unmap).count();
        self.add_to_count("unmap-ranges", unmapped);
        let max = self.config.get(max_ranges).unwrap_or(0);
        let longest = self.config.get(&format!("max_{}_sectors", feature.replace('-', "_"))).unwrap_or(0);
        if longest != 0 && ranges.iter().any(|range| range.sectors > longest) {
            self.count("violation");
            return Err(Status::IoErr);
        }
        let fits = ranges.iter().all(|range| {
            let len = store::bytes(range.sectors);
            len.is_some_and(|len| self.store.bytes(range.sector, len).is_some())
        });
        if self.offered.has("ro") || (max != 0 && ranges.len() as u64 > max) || !fits {
            return Err(Status::IoErr);
        }
        for range in ranges {
            match (&mut self.zones, feature) {
                (Some(_), "secure-erase") => {
                    self.reset_range(range)?;
                    continue;
                }
                (Some(zones), "write-zeroes") => zones.write(range.sector, range.sectors)?,
                (Some(_), _) => return Err(Status::ZoneInvalidCmd),
                (None, _) => {}
            }
            self.note(range.sector, range.sectors);
            let place = store::bytes(range.sectors).and_then(|len| self.store.bytes_mut(range.sector, len));
            place.ok_or(Status::IoErr)?.fill(0);
        }
        Ok(())
    }
}

/// The zones, for a driver that knows of them.
fn zones(negotiated: Features, zones: &mut Option<Zones>) -> Result<&mut Zones, Status> {
    zones.as_mut().filter(|_| negotiated.has("zoned")).ok_or(Status::Unsupp)
}

fn whole_sectors(len: usize) -> Result<u64, Status> {
    let len = len as u64;
    if len % SECTOR == 0 { Ok(len / SECTOR) } else { Err(Status::IoErr) }
}

/// How much the device says that it has written, when that is `written` bytes.
fn used(suffers: impl Fn(FaultKind) -> bool, written: usize, writable: usize) -> u32 {
    let data = written.saturating_sub(STATUS) as u32;
    let lengths = [
        (FaultKind::UsedZero, 0),
        (FaultKind::UsedShort, STATUS as u32),
        (FaultKind::UsedData, data),
        (FaultKind::UsedLess, data.saturating_sub(1)),
        (FaultKind::UsedAll, writable as u32),
        (FaultKind::UsedLong, written as u32 + TOO_MUCH),
    ];
    let told = lengths.into_iter().find(|(kind, _)| suffers(*kind));
    told.map_or(written as u32, |(_, length)| length)
}

/// Answers what is no request.
fn refuse(malformed: Malformed, writable: usize) -> Answer {
    let status = match malformed {
        Malformed::NoStatus => return Answer { bytes: Vec::new(), used: 0, name: MALFORMED },
        Malformed::ShortHeader | Malformed::BadRanges => Status::IoErr,
        Malformed::BadFlags => Status::Unsupp,
    };
    let mut bytes = vec![0; writable];
    bytes[writable - STATUS] = status as u8;
    Answer { bytes, used: writable as u32, name: MALFORMED }
}

#[cfg(test)]
mod tests;
