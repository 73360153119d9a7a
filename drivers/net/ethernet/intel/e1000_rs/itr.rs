// SPDX-License-Identifier: GPL-2.0

//! How often the card may interrupt (C: `e1000_set_itr`, `e1000_update_itr`).

/// How the rate is found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// There is no limit.
    Off,
    /// By the traffic, down to the shortest delays.
    Dynamic,
    /// By the traffic, but not to the shortest delays.
    Conservative,
    /// By how much traffic of both directions differs, every two seconds.
    Simplified,
    /// Interrupts each second.
    Fixed(u32),
}

impl Mode {
    /// What the driver does unless told otherwise.
    pub const DEFAULT: Self = Self::Conservative;

    /// The number of the mode, where it is none of microseconds.
    const fn number(self) -> Option<u32> {
        match self {
            Self::Off => Some(0),
            Self::Dynamic => Some(1),
            Self::Conservative => Some(3),
            Self::Simplified => Some(4),
            Self::Fixed(_) => None,
        }
    }

    /// What `ethtool -c` shows: microseconds, or the number of the mode.
    pub const fn to_usecs(self) -> u32 {
        match self {
            // As C counts: the lowest two bits of the rate are not kept.
            Self::Fixed(rate) if rate & !3 != 0 => 1_000_000 / (rate & !3),
            Self::Fixed(_) => 0,
            _ => match self.number() {
                Some(number) => number,
                None => 0,
            },
        }
    }

    /// What `ethtool -C` asks for. `None`: this cannot be.
    pub const fn from_usecs(usecs: u32) -> Option<Self> {
        Some(match usecs {
            0 => Self::Off,
            1 => Self::Dynamic,
            3 => Self::Conservative,
            4 => Self::Simplified,
            10..=10_000 => Self::Fixed(1_000_000 / usecs),
            _ => return None,
        })
    }

    /// The rate that is set before there is traffic; 0 for none.
    const fn first_rate(self) -> u32 {
        match self {
            Self::Off => 0,
            Self::Dynamic | Self::Conservative => 20_000,
            // C has the number of the mode here, 4 each second, until two seconds are over.
            Self::Simplified => SIMPLIFIED_MAX,
            Self::Fixed(rate) => rate,
        }
    }
}

/// The rate of [`Mode::Simplified`] without traffic, and with traffic in one direction.
const SIMPLIFIED_MAX: u32 = 8000;
/// The rate of [`Mode::Simplified`] with as much traffic in both directions.
const SIMPLIFIED_MIN: u32 = 2000;

/// The value of the register for a rate: the gap in units of 256 ns.
pub const fn interval(rate: u32) -> u32 {
    match 256u32.checked_mul(rate) {
        None | Some(0) => 0,
        Some(ns) => 1_000_000_000 / ns,
    }
}

/// What the delay of interrupts should be.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Latency {
    Lowest,
    Low,
    Bulk,
}

impl Latency {
    const fn rate(self) -> u32 {
        match self {
            Self::Lowest => 70_000,
            Self::Low => 20_000,
            Self::Bulk => 4000,
        }
    }

    /// What fits what one direction had since the last interrupt.
    const fn next(self, traffic: Traffic) -> Self {
        let Traffic { packets, bytes } = traffic;

        if packets == 0 {
            return self;
        }

        let mean = bytes / packets;

        match self {
            // Jumbo frames are bulk at once.
            Self::Lowest if mean > 8000 => Self::Bulk,
            Self::Lowest if packets < 5 && bytes > 512 => Self::Low,
            Self::Low if bytes > 10_000 => {
                if mean > 8000 || packets < 10 || mean > 1200 {
                    Self::Bulk
                } else if packets > 35 {
                    Self::Lowest
                } else {
                    self
                }
            }
            Self::Low if mean > 2000 => Self::Bulk,
            Self::Low if packets <= 2 && bytes < 512 => Self::Lowest,
            Self::Bulk if bytes > 25_000 => {
                if packets > 35 {
                    Self::Low
                } else {
                    self
                }
            }
            Self::Bulk if bytes < 6000 => Self::Low,
            _ => self,
        }
    }
}

/// What one direction had.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Traffic {
    /// Packets; segments count.
    pub packets: u32,
    /// Bytes.
    pub bytes: u32,
}

impl Traffic {
    /// Adds what came after.
    pub fn add(&mut self, packets: u32, bytes: u32) {
        self.packets = self.packets.saturating_add(packets);
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// The limit of interrupts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Throttle {
    mode: Mode,
    rate: u32,
    tx: Latency,
    rx: Latency,
}

impl Throttle {
    /// A limit that is found by `mode`.
    pub const fn new(mode: Mode) -> Self {
        Self {
            mode,
            rate: mode.first_rate(),
            tx: Latency::Lowest,
            rx: Latency::Lowest,
        }
    }

    /// How the rate is found.
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// The value of the register.
    pub const fn register(&self) -> u32 {
        interval(self.rate)
    }

    /// Whether [`Self::update`] does anything.
    pub const fn is_dynamic(&self) -> bool {
        matches!(self.mode, Mode::Dynamic | Mode::Conservative)
    }

    /// Takes account of the traffic since the last interrupt. Returns what the register should
    /// become, if it should change.
    pub fn update(&mut self, gigabit: bool, tx: Traffic, rx: Traffic) -> Option<u32> {
        if !self.is_dynamic() {
            return None;
        }

        let wanted = if gigabit {
            let floor = match self.mode {
                Mode::Dynamic => Latency::Lowest,
                _ => Latency::Low,
            };

            self.tx = self.tx.next(tx).max(floor);
            self.rx = self.rx.next(rx).max(floor);
            self.tx.max(self.rx).rate()
        } else {
            Latency::Bulk.rate()
        };

        if wanted == self.rate {
            return None;
        }
        // Up in steps, down at once: this leans towards bulk.
        self.rate = wanted.min(self.rate.saturating_add(wanted / 4));
        Some(self.register())
    }

    /// What the register of [`Mode::Simplified`] becomes after two seconds with so many bytes.
    pub fn simplified(&self, tx_bytes: u32, rx_bytes: u32) -> Option<u32> {
        if self.mode != Mode::Simplified {
            return None;
        }

        let sum = tx_bytes.saturating_add(rx_bytes) / 10_000;
        let difference = tx_bytes.abs_diff(rx_bytes) / 10_000;
        let range = SIMPLIFIED_MAX - SIMPLIFIED_MIN;
        let rate = difference.saturating_mul(range).checked_div(sum);

        Some(interval(
            rate.map_or(SIMPLIFIED_MAX, |rate| rate + SIMPLIFIED_MIN),
        ))
    }
}
