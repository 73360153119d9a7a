// SPDX-License-Identifier: GPL-2.0

//! The parameters of the module, one for each card: what they may be, and what is said of them
//! (C: `e1000_check_options`).

use core::fmt::Arguments;

use super::{
    itr,
    link::Mode,
    phy::{
        advertise,
        FlowControl, //
    },
    ring::Size, //
};

/// Cards that there are parameters for.
pub const MAX_CARDS: usize = 32;

/// What a parameter has where nothing was meant to be set.
const UNSET: i32 = -1;

/// What was given for a card.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs)]
pub struct Given {
    pub tx_descriptors: Option<i32>,
    pub rx_descriptors: Option<i32>,
    pub speed: Option<i32>,
    pub duplex: Option<i32>,
    pub autoneg: Option<i32>,
    pub flow_control: Option<i32>,
    pub xsum_rx: Option<i32>,
    pub tx_int_delay: Option<i32>,
    pub tx_abs_int_delay: Option<i32>,
    pub rx_int_delay: Option<i32>,
    pub rx_abs_int_delay: Option<i32>,
    pub interrupt_throttle_rate: Option<i32>,
    pub smart_power_down: Option<i32>,
}

/// What a card gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// The transmit ring.
    pub tx_size: Size,
    /// The receive ring.
    pub rx_size: Size,
    /// How the link is made.
    pub link: Mode,
    /// Whether the direction of pause frames is negotiated.
    pub fc_autoneg: bool,
    /// Which way pause frames go; `None`: as the EEPROM says.
    pub flow_control: Option<FlowControl>,
    /// Whether checksums of received packets are looked at.
    pub rx_csum: bool,
    /// The delay of transmit interrupts, in units of 1.024 us.
    pub tx_int_delay: u16,
    /// The most that they are delayed.
    pub tx_abs_int_delay: u16,
    /// The delay of receive interrupts.
    pub rx_int_delay: u16,
    /// The most that they are delayed.
    pub rx_abs_int_delay: u16,
    /// The limit of interrupts.
    pub throttle: itr::Mode,
}

impl Options {
    /// What a card gets for which nothing was given.
    pub const DEFAULT: Self = Self {
        tx_size: Size::DEFAULT,
        rx_size: Size::DEFAULT,
        link: Mode::Autoneg(advertise::ALL),
        fc_autoneg: true,
        flow_control: None,
        rx_csum: true,
        tx_int_delay: 8,
        tx_abs_int_delay: 32,
        rx_int_delay: 0,
        rx_abs_int_delay: 8,
        throttle: itr::Mode::DEFAULT,
    };

    /// Looks at what was given. `log` gets lines without a newline.
    pub fn new(given: &Given, log: &mut dyn FnMut(Arguments<'_>)) -> Self {
        let mut check = Check { log };
        let default = Self::DEFAULT;

        let tx_size = check.ring("Transmit Descriptors", given.tx_descriptors);
        let rx_size = check.ring("Receive Descriptors", given.rx_descriptors);
        let rx_csum = check.switch("Checksum Offload", given.xsum_rx, default.rx_csum);
        let flow_control = check.flow_control(given.flow_control);
        let tx_int_delay = check.delay(
            "Transmit Interrupt Delay",
            given.tx_int_delay,
            default.tx_int_delay,
        );
        let tx_abs_int_delay = check.delay(
            "Transmit Absolute Interrupt Delay",
            given.tx_abs_int_delay,
            default.tx_abs_int_delay,
        );
        let rx_int_delay = check.delay(
            "Receive Interrupt Delay",
            given.rx_int_delay,
            default.rx_int_delay,
        );
        let rx_abs_int_delay = check.delay(
            "Receive Absolute Interrupt Delay",
            given.rx_abs_int_delay,
            default.rx_abs_int_delay,
        );
        let throttle = check.throttle(given.interrupt_throttle_rate);
        // C looks at it, but does nothing with it on these cards: neither does this driver.
        check.switch("PHY Smart Power Down", given.smart_power_down, false);
        let link = check.link(given);

        Self {
            tx_size,
            rx_size,
            link,
            fc_autoneg: link.is_autoneg(),
            flow_control,
            rx_csum,
            tx_int_delay,
            tx_abs_int_delay,
            rx_int_delay,
            rx_abs_int_delay,
            throttle,
        }
    }
}

/// What says what it finds.
struct Check<'a> {
    log: &'a mut dyn FnMut(Arguments<'_>),
}

impl Check<'_> {
    fn say(&mut self, line: &str) {
        (self.log)(format_args!("{line}"));
    }

    fn invalid(&mut self, name: &str, value: i32, consequence: &str) {
        (self.log)(format_args!(
            "Invalid {name} value specified ({value}) {consequence}"
        ));
    }

    /// A value, unless it was not given.
    fn given(value: Option<i32>) -> Option<i32> {
        value.filter(|&value| value != UNSET)
    }

    /// A number within a range.
    fn range(
        &mut self,
        name: &str,
        value: Option<i32>,
        (min, max): (i32, i32),
        consequence: &str,
    ) -> Option<i32> {
        let value = Self::given(value)?;

        if !(min..=max).contains(&value) {
            self.invalid(name, value, consequence);
            return None;
        }
        (self.log)(format_args!("{name} set to {value}"));
        Some(value)
    }

    fn ring(&mut self, name: &str, value: Option<i32>) -> Size {
        let range = (Size::MIN.count().into(), Size::MAX.count().into());
        let value = self.range(name, value, range, "using default of 256");

        match value.and_then(|value| u32::try_from(value).ok()) {
            Some(value) => Size::nearest(value),
            None => Size::DEFAULT,
        }
    }

    fn delay(&mut self, name: &str, value: Option<i32>, default: u16) -> u16 {
        let consequence = match default {
            0 => "using default of 0",
            8 => "using default of 8",
            _ => "using default of 32",
        };
        let value = self.range(name, value, (0, u16::MAX.into()), consequence);

        value
            .and_then(|value| u16::try_from(value).ok())
            .unwrap_or(default)
    }

    fn switch(&mut self, name: &str, value: Option<i32>, default: bool) -> bool {
        let (on, word) = match Self::given(value) {
            None => return default,
            Some(1) => (true, "Enabled"),
            Some(0) => (false, "Disabled"),
            Some(value) => {
                let consequence = if default {
                    "defaulting to Enabled"
                } else {
                    "defaulting to Disabled"
                };

                self.invalid(name, value, consequence);
                return default;
            }
        };

        (self.log)(format_args!("{name} {word}"));
        on
    }

    fn flow_control(&mut self, value: Option<i32>) -> Option<FlowControl> {
        let (word, flow_control) = match Self::given(value)? {
            0 => ("Disabled", Some(FlowControl::None)),
            1 => ("Receive Only", Some(FlowControl::RxPause)),
            2 => ("Transmit Only", Some(FlowControl::TxPause)),
            3 => ("Enabled", Some(FlowControl::Full)),
            0xff => ("Hardware Default", None),
            value => {
                self.invalid(
                    "Flow Control",
                    value,
                    "reading default settings from EEPROM",
                );
                return None;
            }
        };

        (self.log)(format_args!("Flow Control {word}"));
        flow_control
    }

    fn throttle(&mut self, value: Option<i32>) -> itr::Mode {
        const NAME: &str = "Interrupt Throttling Rate (ints/sec)";

        let (what, mode) = match Self::given(value) {
            None => return itr::Mode::DEFAULT,
            Some(0) => ("turned off", itr::Mode::Off),
            Some(1) => ("set to dynamic mode", itr::Mode::Dynamic),
            Some(3) => ("set to dynamic conservative mode", itr::Mode::Conservative),
            Some(4) => (
                "set to simplified (2000-8000) ints mode",
                itr::Mode::Simplified,
            ),
            Some(_) => {
                let rate = self.range(NAME, value, (100, 100_000), "using default of 3");

                return match rate.and_then(|rate| u32::try_from(rate).ok()) {
                    Some(rate) => itr::Mode::Fixed(rate),
                    None => itr::Mode::DEFAULT,
                };
            }
        };

        (self.log)(format_args!("{NAME} {what}"));
        mode
    }

    /// One of a few values; 0 is the default.
    fn one_of(&mut self, name: &str, value: Option<i32>, values: &[i32]) -> i32 {
        match Self::given(value) {
            None => 0,
            Some(value) if values.contains(&value) => value,
            Some(value) => {
                self.invalid(name, value, "parameter ignored");
                0
            }
        }
    }

    /// C: `e1000_check_copper_options`.
    fn link(&mut self, given: &Given) -> Mode {
        let speed = self.one_of("Speed", given.speed, &[0, 10, 100, 1000]);
        let duplex = self.one_of("Duplex", given.duplex, &[0, 1, 2]);
        let fixed = speed != 0 || duplex != 0;
        let advertised = if given.autoneg.is_some() && fixed {
            self.say("AutoNeg specified along with Speed or Duplex, parameter ignored");
            advertise::ALL
        } else {
            self.advertised(given.autoneg)
        };

        match (speed, duplex) {
            (10 | 100, 1 | 2) => {
                let word = if duplex == 1 { "Half" } else { "Full" };

                (self.log)(format_args!("Forcing to {speed} Mbps {word} Duplex"));
            }
            (10 | 100, _) => {
                (self.log)(format_args!("{speed} Mbps Speed specified without Duplex"));
                (self.log)(format_args!("Using Autonegotiation at {speed} Mbps only"));
            }
            (0, 1) => {
                self.say("Half Duplex specified without Speed");
                self.say("Using Autonegotiation at Half Duplex only");
            }
            (0, 2) => {
                self.say("Full Duplex specified without Speed");
                self.say("Using Autonegotiation at Full Duplex only");
            }
            (1000, _) => {
                match duplex {
                    0 => self.say("1000 Mbps Speed specified without Duplex"),
                    1 => self.say("Half Duplex is not supported at 1000 Mbps"),
                    _ => {}
                }
                self.say("Using Autonegotiation at 1000 Mbps Full Duplex only");
            }
            _ => {}
        }

        let mode = match (speed, duplex) {
            (10, 1) => Mode::fixed(10, false),
            (10, 2) => Mode::fixed(10, true),
            (100, 1) => Mode::fixed(100, false),
            (100, 2) => Mode::fixed(100, true),
            _ => None,
        };

        if let Some(mode) = mode {
            self.say(
                "Speed, AutoNeg and MDI-X specs are incompatible. \
                 Setting MDI-X to a compatible value.",
            );
            return mode;
        }
        Mode::advertise(match (speed, duplex) {
            (0, 1) => advertise::HALF_10 | advertise::HALF_100,
            (0, 2) => advertise::FULL_10 | advertise::FULL_100 | advertise::FULL_1000,
            (10, _) => advertise::HALF_10 | advertise::FULL_10,
            (100, _) => advertise::HALF_100 | advertise::FULL_100,
            (1000, _) => advertise::FULL_1000,
            _ => advertised,
        })
    }

    fn advertised(&mut self, value: Option<i32>) -> u16 {
        /// From the fastest mode to the slowest, as the log has them.
        const NAMES: [(u16, &str); 5] = [
            (advertise::FULL_1000, "1000/FD"),
            (advertise::FULL_100, "100/FD"),
            (advertise::HALF_100, "100/HD"),
            (advertise::FULL_10, "10/FD"),
            (advertise::HALF_10, "10/HD"),
        ];

        let Some(value) = Self::given(value) else {
            return advertise::ALL;
        };
        let modes = match u16::try_from(value) {
            Ok(modes) if modes != 0 && modes & !advertise::ALL == 0 => modes,
            _ => {
                self.invalid("AutoNeg", value, "parameter ignored");
                return advertise::ALL;
            }
        };
        let mut names = [""; NAMES.len()];
        let set = NAMES.iter().filter(|(mode, _)| modes & mode != 0);

        for (slot, (_, name)) in names.iter_mut().zip(set) {
            *slot = name;
        }

        let [a, b, c, d, e] = names;
        let comma = |name: &str| if name.is_empty() { "" } else { ", " };

        (self.log)(format_args!(
            "AutoNeg advertising {a}{}{b}{}{c}{}{d}{}{e}",
            comma(b),
            comma(c),
            comma(d),
            comma(e)
        ));
        modes
    }
}
