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

/// What the delay of interrupts should be: the more, the longer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Latency(u32);

impl Latency {
    const LOWEST: Self = Self(0);
    const LOW: Self = Self(1);
    const BULK: Self = Self(2);

    const fn rate(self) -> u32 {
        match self {
            Self::LOWEST => 70_000,
            Self::LOW => 20_000,
            _ => 4000,
        }
    }

    /// What fits what one direction had since the last interrupt.
    const fn next(self, traffic: Traffic) -> Self {
        let Traffic { packets, bytes } = traffic;

        if packets == 0 {
            return self;
        }

        match self {
            // Jumbo frames are bulk at once.
            Self::LOWEST if bytes > 8000 && bytes / packets > 8000 => Self::BULK,
            Self::LOWEST if packets < 5 && bytes > 512 => Self::LOW,
            Self::LOW if bytes > 10_000 => {
                if packets < 10 || bytes / packets > 1200 {
                    Self::BULK
                } else if packets > 35 {
                    Self::LOWEST
                } else {
                    self
                }
            }
            Self::LOW if bytes > 2000 && bytes / packets > 2000 => Self::BULK,
            Self::LOW if packets <= 2 && bytes < 512 => Self::LOWEST,
            Self::BULK if bytes > 25_000 => {
                if packets > 35 {
                    Self::LOW
                } else {
                    self
                }
            }
            Self::BULK if bytes < 6000 => Self::LOW,
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

/// The limit of interrupts, in one word: from the lowest bit on, the rate, what delays should be
/// for transmit and for receive, and the number of the mode. [`Mode::Fixed`] has [`Self::FIXED`]
/// there; its rate is the rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Throttle(u32);

impl Throttle {
    /// No rate is greater; C allows at most 100,000.
    const RATE_MASK: u32 = (1 << Self::TX_SHIFT) - 1;
    const TX_SHIFT: u32 = 20;
    const RX_SHIFT: u32 = 22;
    const MODE_SHIFT: u32 = 24;
    /// The number of [`Mode::Fixed`].
    const FIXED: u32 = 7;

    const fn pack(mode: u32, rate: u32, tx: Latency, rx: Latency) -> Self {
        let rate = if rate > Self::RATE_MASK {
            Self::RATE_MASK
        } else {
            rate
        };

        Self(mode << Self::MODE_SHIFT | rx.0 << Self::RX_SHIFT | tx.0 << Self::TX_SHIFT | rate)
    }

    /// A limit that is found by `mode`.
    pub const fn new(mode: Mode) -> Self {
        let number = match mode.number() {
            Some(number) => number,
            None => Self::FIXED,
        };

        Self::pack(number, mode.first_rate(), Latency::LOWEST, Latency::LOWEST)
    }

    /// The limit that [`Self::to_word`] has returned.
    pub const fn from_word(word: u32) -> Self {
        Self(word)
    }

    /// The limit as a number.
    pub const fn to_word(self) -> u32 {
        self.0
    }

    /// How the rate is found.
    pub const fn mode(self) -> Mode {
        match self.0 >> Self::MODE_SHIFT {
            0 => Mode::Off,
            1 => Mode::Dynamic,
            3 => Mode::Conservative,
            4 => Mode::Simplified,
            _ => Mode::Fixed(self.rate()),
        }
    }

    const fn rate(self) -> u32 {
        self.0 & Self::RATE_MASK
    }

    /// The value of the register.
    pub const fn register(self) -> u32 {
        interval(self.rate())
    }

    /// What becomes of the limit by the traffic since the last interrupt.
    pub fn after(self, gigabit: bool, tx: Traffic, rx: Traffic) -> Self {
        let floor = match self.mode() {
            Mode::Dynamic => Latency::LOWEST,
            Mode::Conservative => Latency::LOW,
            _ => return self,
        };
        let (mut tx_latency, mut rx_latency) = (
            Latency(self.0 >> Self::TX_SHIFT & 3),
            Latency(self.0 >> Self::RX_SHIFT & 3),
        );

        let wanted = if gigabit {
            tx_latency = tx_latency.next(tx).max(floor);
            rx_latency = rx_latency.next(rx).max(floor);
            tx_latency.max(rx_latency).rate()
        } else {
            Latency::BULK.rate()
        };
        // Up in steps, down at once: this leans towards bulk.
        let rate = wanted.min(self.rate().saturating_add(wanted / 4));

        Self::pack(self.0 >> Self::MODE_SHIFT, rate, tx_latency, rx_latency)
    }

    /// What becomes of the limit of [`Mode::Simplified`] after two seconds with so many bytes.
    pub fn simplified(self, tx_bytes: u32, rx_bytes: u32) -> Self {
        if self.mode() != Mode::Simplified {
            return self;
        }

        let sum = tx_bytes.saturating_add(rx_bytes) / 10_000;
        let difference = tx_bytes.abs_diff(rx_bytes) / 10_000;
        let range = SIMPLIFIED_MAX - SIMPLIFIED_MIN;
        let rate = difference.saturating_mul(range).checked_div(sum);

        Self::pack(
            self.0 >> Self::MODE_SHIFT,
            rate.map_or(SIMPLIFIED_MAX, |rate| rate + SIMPLIFIED_MIN),
            Latency::LOWEST,
            Latency::LOWEST,
        )
    }
}
