// SPDX-License-Identifier: GPL-2.0

//! Misbehaviour on command.

use anyhow::{Context, Result};
use clap::ValueEnum;

/// What a device can do wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FaultKind {
    /// The status byte is not written.
    NoStatus,
    /// The status has a value that does not exist.
    UnknownStatus,
    /// Each request fails.
    IoError,
    /// The request fails because the device does not know it, whatever it has offered.
    Unsupp,
    /// The used length is that of the status alone, although everything was written.
    UsedShort,
    /// The used length is zero, although everything was written.
    UsedZero,
    /// The used length is that of the data, without the status behind it.
    UsedData,
    /// The used length is a byte less than that of the data, although everything was written.
    UsedLess,
    /// The used length is all that could be written.
    UsedAll,
    /// The used length is more than there was room for.
    UsedLong,
    /// An append says that it went to another zone.
    AppendSector,
    /// A zone report says that it has no zone.
    ZoneCountZero,
    /// A zone report says that it has more zones than can be.
    ZoneCountHuge,
    /// All zones of a report start at the same sector.
    ZoneStart,
    /// Write pointers lie behind their zone.
    ZonePointer,
    /// Zones can be written behind their end.
    ZoneCapacity,
    /// The zones' states do not exist.
    ZoneState,
    /// The zones' types do not exist.
    ZoneType,
}

/// A fault, and the requests that suffer from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    kind: FaultKind,
    /// [`crate::request::Command::name`], or all requests.
    request: Option<&'static str>,
}

/// The requests that a fault can be limited to.
const REQUESTS: [&str; 14] = [
    "read",
    "write",
    "flush",
    "get-id",
    "discard",
    "write-zeroes",
    "secure-erase",
    "append",
    "report",
    "open",
    "close",
    "finish",
    "reset",
    "reset-all",
];

impl Fault {
    /// Reads `FAULT` or `FAULT:REQUEST`.
    ///
    /// # Errors
    ///
    /// There is no such fault or request.
    pub fn parse(text: &str) -> Result<Self> {
        let (kind, request) = match text.split_once(':') {
            Some((kind, request)) => (kind, Some(request)),
            None => (text, None),
        };
        let found = FaultKind::from_str(kind, false).ok().with_context(|| {
            let known = FaultKind::value_variants().iter().filter_map(ValueEnum::to_possible_value);
            let known: Vec<_> = known.map(|value| value.get_name().to_owned()).collect();
            format!("no fault `{kind}`; there are {}", known.join(", "))
        })?;
        Ok(Self { kind: found, request: request.map(request_name).transpose()? })
    }
}

/// The name of a request that misbehaviour can be limited to.
///
/// # Errors
///
/// There is no such request.
pub fn request_name(name: &str) -> Result<&'static str> {
    let found = REQUESTS.iter().copied().find(|known| *known == name);
    found.with_context(|| format!("no request `{name}`; there are {}", REQUESTS.join(", ")))
}

/// All that a device does wrong at a time.
#[derive(Debug, Clone, Default)]
pub struct Faults(Vec<Fault>);

impl FromIterator<Fault> for Faults {
    fn from_iter<I: IntoIterator<Item = Fault>>(faults: I) -> Self {
        Self(faults.into_iter().collect())
    }
}

impl Faults {
    /// Adds one.
    pub fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// Behaves again.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether requests called `request` suffer from a fault of this kind.
    pub fn hit(&self, kind: FaultKind, request: &str) -> bool {
        self.0.iter().any(|fault| fault.kind == kind && fault.request.is_none_or(|only| only == request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_hits_the_requests_it_is_limited_to() {
        let mut faults = Faults::default();
        faults.add(Fault::parse("no-status:read").unwrap());
        assert!(faults.hit(FaultKind::NoStatus, "read"));
        assert!(!faults.hit(FaultKind::NoStatus, "write") && !faults.hit(FaultKind::UsedLong, "read"));
        faults.add(Fault::parse("used-long").unwrap());
        assert!(faults.hit(FaultKind::UsedLong, "append"));
        faults.clear();
        assert!(!faults.hit(FaultKind::UsedLong, "append"));
    }

    #[test]
    fn unknown_faults_and_requests_are_named() {
        assert!(Fault::parse("none").unwrap_err().to_string().contains("zone-count-huge"));
        assert!(Fault::parse("no-status:write-all").unwrap_err().to_string().contains("write-zeroes"));
    }
}
