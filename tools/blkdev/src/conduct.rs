// SPDX-License-Identifier: GPL-2.0

//! How a device goes about its requests: whether it serves them, tells of them, and is there at all.

use std::process;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::fault::request_name;

/// The exit status of a device that died on purpose.
pub const DIED: i32 = 3;

/// A moment at which a device can die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// When the driver has chosen the features.
    Features,
    /// At so many reads of the configuration space from now.
    Config(u32),
    /// When the driver tells where its memory is, before its queues.
    Memory,
    /// At the next notification.
    Kick,
    /// At the next request of this kind, before it is carried out.
    Before(&'static str),
    /// Then, after it was carried out, and before the driver learns of it.
    After(&'static str),
}

impl Step {
    /// Reads `features`, `config:N`, `memory`, `kick`, `before:REQUEST` or `after:REQUEST`.
    ///
    /// # Errors
    ///
    /// It is none of them.
    pub fn parse(text: &str) -> Result<Self> {
        Ok(match text.split_once(':') {
            None if text == "features" => Self::Features,
            None if text == "memory" => Self::Memory,
            None if text == "kick" => Self::Kick,
            Some(("config", count)) => Self::Config(count.parse().with_context(|| format!("not a number: `{count}`"))?),
            Some(("before", request)) => Self::Before(request_name(request)?),
            Some(("after", request)) => Self::After(request_name(request)?),
            _ => bail!("a device dies at features, config:N, memory, kick, before:REQUEST or after:REQUEST"),
        })
    }
}

/// How a device goes about its requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conduct {
    /// It serves nothing.
    pub stalled: bool,
    /// It interrupts for nothing.
    pub mute: bool,
    /// So many interrupts get lost.
    pub lost: u32,
    /// It says that it need not be notified, and looks by itself instead.
    pub deaf: bool,
    /// It interrupts for each buffer, whether wanted or not.
    pub eager: bool,
    /// How long it takes for each request.
    pub pace: Duration,
    /// How long after a buffer came back it interrupts.
    pub delay: Duration,
    /// Where it dies.
    die: Option<Step>,
}

impl Conduct {
    /// Will die at a step.
    pub fn die_at(&mut self, step: Step) {
        self.die = Some(step);
    }

    /// Whether this is the step at which it dies.
    pub fn dies_at(&mut self, step: Step) -> bool {
        match (&mut self.die, step) {
            (Some(Step::Config(left)), Step::Config(_)) => {
                *left = left.saturating_sub(1);
                *left == 0
            }
            (die, step) => *die == Some(step),
        }
    }

    /// Dies, if this is the step for it.
    pub fn perhaps_die(&mut self, step: Step) {
        if self.dies_at(step) {
            process::exit(DIED);
        }
    }

    /// Whether an interrupt that is due is to come.
    pub fn interrupts(&mut self) -> bool {
        let is_lost = self.lost > 0;
        self.lost = self.lost.saturating_sub(1);
        !self.mute && !is_lost
    }

    /// Carries out a command about it; false if it is another one.
    ///
    /// # Errors
    ///
    /// The command is not right.
    pub fn command(&mut self, words: &[&str]) -> Result<bool> {
        match words {
            ["stall"] => self.stalled = true,
            ["stall", time] => {
                millis(time)?;
                self.stalled = true;
            }
            ["resume"] => self.stalled = false,
            ["mute"] => self.mute = true,
            ["lose", count] => self.lost = count.parse().with_context(|| format!("not a number: `{count}`"))?,
            ["deaf"] => self.deaf = true,
            ["eager"] => self.eager = true,
            ["pace", time] => self.pace = millis(time)?,
            ["delay", time] => self.delay = millis(time)?,
            ["die", step] => self.die_at(Step::parse(step)?),
            ["behave"] => *self = Self::default(),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Reads a time in milliseconds.
///
/// # Errors
///
/// It is no number.
pub fn millis(text: &str) -> Result<Duration> {
    Ok(Duration::from_millis(text.parse().with_context(|| format!("not a number: `{text}`"))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_dies_where_it_was_told_to() {
        let mut conduct = Conduct::default();
        assert!(!conduct.dies_at(Step::Kick));
        assert!(conduct.command(&["die", "after:flush"]).unwrap());
        assert!(!conduct.dies_at(Step::Before("flush")) && !conduct.dies_at(Step::After("read")));
        assert!(conduct.dies_at(Step::After("flush")));
        conduct.command(&["die", "config:3"]).unwrap();
        assert_eq!([1, 2, 3].map(|_| conduct.dies_at(Step::Config(0))), [false, false, true]);
        conduct.command(&["behave"]).unwrap();
        assert_eq!(conduct, Conduct::default());
    }

    #[test]
    fn interrupts_get_lost_as_often_as_asked_for() {
        let mut conduct = Conduct::default();
        conduct.command(&["lose", "2"]).unwrap();
        assert_eq!([0; 3].map(|_| conduct.interrupts()), [false, false, true]);
        conduct.command(&["mute"]).unwrap();
        assert!(!conduct.interrupts());
    }

    #[test]
    fn what_is_no_conduct_is_left_to_others_and_nonsense_is_refused() {
        let mut conduct = Conduct::default();
        assert!(!conduct.command(&["fault", "io-error"]).unwrap());
        for wrong in ["die soon", "die config:x", "die after:all", "pace slow", "stall long"] {
            let words: Vec<_> = wrong.split(' ').collect();
            assert!(conduct.command(&words).is_err(), "{wrong}");
        }
        assert_eq!(conduct, Conduct::default());
        conduct.command(&["delay", "20"]).unwrap();
        assert_eq!(conduct.delay, Duration::from_millis(20));
    }
}
