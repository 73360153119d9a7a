// SPDX-License-Identifier: GPL-2.0

//! Zones and their write pointers: the state machine of the virtio specification, 5.2.6.
//!
//! All positions and lengths are in sectors of 512 bytes.

use crate::status::Status;

/// What can be written where in a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZoneType {
    /// Anything anywhere.
    Conventional = 1,
    /// Only at the write pointer.
    Sequential = 2,
}

/// The state of a zone, with the number that a report gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The zone has no write pointer.
    NotWp = 0,
    /// Nothing was written.
    Empty = 1,
    /// Opened by a write.
    ImplicitOpen = 2,
    /// Opened by a request.
    ExplicitOpen = 3,
    /// Written in part and not open.
    Closed = 4,
    /// Broken: can only be read.
    ReadOnly = 13,
    /// Can be read and reset.
    Full = 14,
    /// Broken: can be neither read nor written.
    Offline = 15,
}

/// A zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone {
    /// The first sector.
    pub start: u64,
    /// The sectors that can be written.
    pub capacity: u64,
    /// Where the next write has to go.
    pub write_pointer: u64,
    /// What can be written where.
    pub zone_type: ZoneType,
    /// The state.
    pub state: State,
}

/// How a device is divided into zones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Sectors from the start of a zone to that of the next.
    pub zone_sectors: u64,
    /// Sectors of a sequential zone that can be written.
    pub zone_capacity: u64,
    /// How many zones are conventional: the first ones.
    pub conventional: usize,
    /// How many zones can be open; 0 for any number.
    pub max_open: usize,
    /// How many zones can be open or closed; 0 for any number.
    pub max_active: usize,
    /// The longest append; 0 if there is none.
    pub max_append: u64,
    /// What writes must end at a multiple of.
    pub write_granularity: u64,
}

/// An operation on one zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZoneOp {
    /// Opens it until it is closed.
    Open,
    /// Gives up an open zone's resource.
    Close,
    /// Makes it full.
    Finish,
    /// Makes it empty.
    Reset,
}

/// All zones of a device.
#[derive(Debug, Clone)]
pub struct Zones {
    geometry: Geometry,
    zones: Vec<Zone>,
    end: u64,
}

impl Zones {
    /// Divides a device of `sectors` sectors. The last zone may be shorter than the others.
    ///
    /// # Panics
    ///
    /// If a zone has no sectors.
    pub fn new(geometry: Geometry, sectors: u64) -> Self {
        assert!(geometry.zone_sectors > 0, "zones without sectors");
        let count = sectors.div_ceil(geometry.zone_sectors);
        let zones = (0..count).map(|index| {
            let start = index * geometry.zone_sectors;
            let len = geometry.zone_sectors.min(sectors - start);
            let conventional = index < geometry.conventional as u64;
            Zone {
                start,
                capacity: if conventional { len } else { geometry.zone_capacity.min(len) },
                write_pointer: start,
                zone_type: if conventional { ZoneType::Conventional } else { ZoneType::Sequential },
                state: if conventional { State::NotWp } else { State::Empty },
            }
        });
        Self { geometry, zones: zones.collect(), end: sectors }
    }

    /// How the device is divided.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// The zones from the one with `sector` in it.
    pub fn from_sector(&self, sector: u64) -> Option<&[Zone]> {
        self.zones.get(self.index(sector)?..)
    }

    /// The zone number `index`.
    pub fn zone_mut(&mut self, index: usize) -> Option<&mut Zone> {
        self.zones.get_mut(index)
    }

    fn index(&self, sector: u64) -> Option<usize> {
        if sector >= self.end {
            return None;
        }
        usize::try_from(sector / self.geometry.zone_sectors).ok()
    }

    /// The index of the zone that starts at `sector`.
    fn starting_at(&self, sector: u64) -> Result<usize, Status> {
        let index = self.index(sector).ok_or(Status::ZoneInvalidCmd)?;
        if self.zones[index].start != sector {
            return Err(Status::ZoneInvalidCmd);
        }
        Ok(index)
    }

    fn count(&self, wanted: fn(State) -> bool) -> usize {
        self.zones.iter().filter(|zone| wanted(zone.state)).count()
    }

    /// Makes room for one more open zone, by closing one that nobody asked to be open if need be.
    fn reserve(&mut self, index: usize) -> Result<(), Status> {
        let Geometry { max_open, max_active, .. } = self.geometry;
        let is_active = self.zones[index].state == State::Closed;
        // Where both limits are reached, this is the one to tell.
        if !is_active && max_active != 0 && self.count(State::is_active) >= max_active {
            return Err(Status::ZoneActiveResource);
        }
        if max_open != 0 && self.count(State::is_open) >= max_open {
            let idle = self.zones.iter_mut().find(|zone| zone.state == State::ImplicitOpen);
            idle.ok_or(Status::ZoneOpenResource)?.state = State::Closed;
        }
        Ok(())
    }

    /// Whether the sectors can be read.
    ///
    /// # Errors
    ///
    /// A zone is offline, or the range leaves a sequential zone.
    pub fn check_read(&self, sector: u64, sectors: u64) -> Result<(), Status> {
        let zones = self.touched(sector, sectors)?;
        let broken = zones.iter().any(|zone| zone.state == State::Offline);
        let crosses = zones.len() > 1 && zones.iter().any(|zone| zone.zone_type == ZoneType::Sequential);
        if broken || crosses { Err(Status::ZoneInvalidCmd) } else { Ok(()) }
    }

    fn touched(&self, sector: u64, sectors: u64) -> Result<&[Zone], Status> {
        let last = sector.checked_add(sectors.max(1) - 1).ok_or(Status::IoErr)?;
        let (Some(first), Some(last)) = (self.index(sector), self.index(last)) else {
            return Err(Status::IoErr);
        };
        Ok(&self.zones[first..=last])
    }

    /// Takes note of a write, if it is allowed.
    ///
    /// # Errors
    ///
    /// Why it is not. Nothing has changed then.
    pub fn write(&mut self, sector: u64, sectors: u64) -> Result<(), Status> {
        let touched = self.touched(sector, sectors)?;
        if touched.iter().all(|zone| zone.zone_type == ZoneType::Conventional) {
            let broken = touched.iter().any(|zone| matches!(zone.state, State::ReadOnly | State::Offline));
            return if broken { Err(Status::ZoneInvalidCmd) } else { Ok(()) };
        }
        let [zone] = touched else {
            return Err(Status::ZoneInvalidCmd);
        };
        if !zone.state.is_writable() {
            return Err(Status::ZoneInvalidCmd);
        }
        if sector != zone.write_pointer {
            return Err(Status::ZoneUnalignedWp);
        }
        let index = self.index(sector).ok_or(Status::IoErr)?;
        self.advance(index, sectors)
    }

    /// Takes note of an append to the zone that starts at `sector`, and returns where the data goes.
    ///
    /// # Errors
    ///
    /// Why it is not allowed. Nothing has changed then.
    pub fn append(&mut self, sector: u64, sectors: u64) -> Result<u64, Status> {
        match self.geometry.max_append {
            0 => return Err(Status::Unsupp),
            max if sectors > max => return Err(Status::ZoneInvalidCmd),
            _ => {}
        }
        let index = self.starting_at(sector)?;
        let zone = self.zones[index];
        if zone.zone_type != ZoneType::Sequential || !zone.state.is_writable() {
            return Err(Status::ZoneInvalidCmd);
        }
        self.advance(index, sectors)?;
        Ok(zone.write_pointer)
    }

    /// Moves the write pointer of a writable sequential zone.
    fn advance(&mut self, index: usize, sectors: u64) -> Result<(), Status> {
        let zone = self.zones[index];
        let end = zone.write_pointer + sectors;
        if end > zone.start + zone.capacity {
            return Err(Status::ZoneInvalidCmd);
        }
        if end * 512 % self.geometry.write_granularity != 0 {
            return Err(Status::ZoneUnalignedWp);
        }
        if sectors == 0 {
            return Ok(());
        }
        if !zone.state.is_open() {
            self.reserve(index)?;
        }
        let zone = &mut self.zones[index];
        zone.write_pointer = end;
        if end == zone.start + zone.capacity {
            zone.state = State::Full;
        } else if zone.state != State::ExplicitOpen {
            zone.state = State::ImplicitOpen;
        }
        Ok(())
    }

    /// Carries out `op` on the zone that starts at `sector`.
    ///
    /// # Errors
    ///
    /// Why it is not allowed. Nothing has changed then.
    pub fn operate(&mut self, op: ZoneOp, sector: u64) -> Result<(), Status> {
        let index = self.starting_at(sector)?;
        let zone = self.zones[index];
        if zone.zone_type == ZoneType::Conventional || matches!(zone.state, State::ReadOnly | State::Offline) {
            return Err(Status::ZoneInvalidCmd);
        }
        let state = match (op, zone.state) {
            (ZoneOp::Open, State::Full) => return Err(Status::ZoneInvalidCmd),
            (ZoneOp::Open, state) => {
                if !state.is_open() {
                    self.reserve(index)?;
                }
                State::ExplicitOpen
            }
            (ZoneOp::Close, State::Empty | State::Full) => return Err(Status::ZoneInvalidCmd),
            (ZoneOp::Close, _) if zone.write_pointer == zone.start => State::Empty,
            (ZoneOp::Close, _) => State::Closed,
            // Also an empty or closed zone: the other standards for zones allow it, and Linux relies on it.
            (ZoneOp::Finish, _) => State::Full,
            (ZoneOp::Reset, _) => State::Empty,
        };
        let zone = &mut self.zones[index];
        zone.state = state;
        match op {
            ZoneOp::Finish => zone.write_pointer = zone.start + zone.capacity,
            ZoneOp::Reset => zone.write_pointer = zone.start,
            ZoneOp::Open | ZoneOp::Close => {}
        }
        Ok(())
    }

    /// The zones that are not empty and can be reset: where they start, and how long they are.
    pub fn resettable(&self) -> Vec<(u64, u64)> {
        let used = self.zones.iter().filter(|zone| zone.state.is_active() || zone.state == State::Full);
        used.map(|zone| (zone.start, zone.capacity)).collect()
    }
}

impl State {
    fn is_open(self) -> bool {
        matches!(self, Self::ImplicitOpen | Self::ExplicitOpen)
    }

    fn is_active(self) -> bool {
        self.is_open() || self == Self::Closed
    }

    fn is_writable(self) -> bool {
        self.is_active() || self == Self::Empty
    }
}

#[cfg(test)]
mod tests;
