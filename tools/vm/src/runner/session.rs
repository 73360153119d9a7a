// SPDX-License-Identifier: GPL-2.0

//! A running machine being listened to, until it ends or must be ended.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::guest::early;
use crate::guest::transcript::{Heard, Transcript};
use crate::machine::starvation::Starvation;
use crate::machine::{CONSOLE_LOG, Guest};
use crate::runner::report::Report;

/// How often a running machine is looked at when it says nothing.
const TICK: Duration = Duration::from_millis(100);
/// How long a machine may take to exit when it has closed the line to the guest.
const EXIT_LIMIT: Duration = Duration::from_secs(30);
/// Every line that the guest script said, beside the kernel's log.
const SCRIPT_LOG: &str = "script.log";
/// What a machine was at that had to be ended.
const STATE_LOG: &str = "state.log";

/// How long a machine may take, without the time that it waits for the host.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From its start to its end.
    pub whole: Duration,
    /// Without any sign of life.
    pub idle: Duration,
    /// The same before user space.
    pub early_idle: Duration,
    /// How much longer than alone on the host something may take that a guest script sets a time for.
    pub slowness: u32,
}

/// A moment, and how long the machine had waited for the host by then.
#[derive(Debug, Clone, Copy)]
struct Moment {
    at: Instant,
    starved: Duration,
}

impl Moment {
    /// How long the machine could have run between this moment and `later`.
    fn until(self, later: Self) -> Duration {
        later.at.duration_since(self.at).saturating_sub(later.starved.saturating_sub(self.starved))
    }
}

/// The machine and what is known of it.
pub struct Session<'a, G> {
    guest: G,
    report: &'a Report,
    objdir: &'a Path,
    console: Console,
    script_log: File,
    limits: Limits,
    starvation: Starvation,
    start: Moment,
    /// In how long the guest goes down, and since when.
    goes_down: Option<(Duration, Moment)>,
    last_sign: Moment,
    transcript: Transcript,
}

/// The kernel's log, seen from outside: its growth is a sign of life.
struct Console {
    path: PathBuf,
    length: u64,
}

impl Console {
    fn read(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.path).unwrap_or_default()).into_owned()
    }

    fn grew(&mut self) -> bool {
        let length = fs::metadata(&self.path).map_or(0, |meta| meta.len());
        length != std::mem::replace(&mut self.length, length)
    }
}

impl<'a, G: Guest> Session<'a, G> {
    /// Begins to listen. `boot` is the directory of this boot, `objdir` that of the kernel.
    ///
    /// # Errors
    ///
    /// When the log of the script cannot be written.
    pub fn new(mut guest: G, limits: Limits, report: &'a Report, boot: &Path, objdir: &'a Path) -> Result<Self> {
        let mut starvation = Starvation::of(guest.child().id());
        let now = Moment { at: Instant::now(), starved: starvation.so_far() };
        Ok(Self {
            guest,
            report,
            objdir,
            console: Console { path: boot.join(CONSOLE_LOG), length: 0 },
            script_log: File::create(boot.join(SCRIPT_LOG)).context("cannot write the script's log")?,
            limits,
            starvation,
            start: now,
            goes_down: None,
            last_sign: now,
            transcript: Transcript::default(),
        })
    }

    /// Listens until the end. Returns why the machine did not come to its proper end, if it did not.
    ///
    /// # Errors
    ///
    /// When the log cannot be written or the process cannot be waited for.
    pub fn follow(&mut self) -> Result<Option<String>> {
        loop {
            match self.guest.lines().recv_timeout(TICK) {
                Ok(line) => {
                    self.last_sign = self.now();
                    writeln!(self.script_log, "{line}").context("cannot write the script's log")?;
                    self.hear(&line);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.end(),
            }
            let overdue = self.overdue().or_else(|| self.look_after_events());
            if let Some(why) = overdue {
                let state = self.guest.state();
                // Only a help for whoever looks for the reason.
                let _ = fs::write(self.console.path.with_file_name(STATE_LOG), &state);
                self.guest.child().kill();
                let stands = early::where_it_stands(&self.console.read(), &state, self.objdir);
                return Ok(Some(stands.map_or(why.clone(), |stands| format!("{why}, {stands}"))));
            }
        }
    }

    /// The script's story.
    pub fn into_transcript(self) -> Transcript {
        self.transcript
    }

    fn hear(&mut self, line: &str) {
        match self.transcript.hear(line) {
            Heard::Nothing => {}
            Heard::Began(name) => self.report.begin(name),
            Heard::Ended(case) => self.report.case(case),
            Heard::Asked(request) => {
                // A guest that is gone is noticed by the loop, with a better reason than this one.
                let _ = self.guest.serve(&request);
            }
            Heard::GoesDown(within) => {
                self.goes_down = Some((within, self.now()));
            }
        }
    }

    /// The machine has closed the line: it exits.
    fn end(&mut self) -> Result<Option<String>> {
        Ok(match self.guest.child().wait_for(EXIT_LIMIT)? {
            Some(status) if status.success() => {
                if let Heard::Ended(case) = self.transcript.machine_ended(&self.console.read()) {
                    self.report.case(case);
                }
                (!self.transcript.done).then(|| "the guest ended before its script did".into())
            }
            Some(status) => Some(format!("the machine ended with {status} {}", self.guest.last_words())),
            None => Some("the machine does not exit".into()),
        })
    }

    /// Why the machine must be ended now, if it must.
    fn overdue(&mut self) -> Option<String> {
        let now = self.now();
        if self.console.grew() {
            self.last_sign = now;
        }
        let is_late = |(within, since): &(Duration, Moment)| since.until(now) > *within * self.limits.slowness;
        if let Some((within, _)) = self.goes_down.filter(is_late) {
            return Some(format!("the guest was ended: it was to be down within {} s", within.as_secs()));
        }
        if self.start.until(now) > self.limits.whole {
            return Some("the guest was ended: it took longer than this scenario may".into());
        }
        let silence = self.last_sign.until(now);
        let Limits { idle, early_idle, .. } = self.limits;
        let limit = if silence > early_idle && !self.has_begun() { early_idle } else { idle };
        (silence > limit).then(|| format!("the guest was ended: no sign of life for {} s", limit.as_secs()))
    }

    fn now(&mut self) -> Moment {
        Moment { at: Instant::now(), starved: self.starvation.so_far() }
    }

    /// Whether the guest is beyond its boot.
    fn has_begun(&self) -> bool {
        self.transcript.cases.planned.is_some() || early::is_over(&self.console.read())
    }

    fn look_after_events(&mut self) -> Option<String> {
        let result = self.guest.tick();
        result.err().map(|error| format!("the guest was ended: {error:#}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_that_the_host_took_does_not_count() {
        let at = Instant::now();
        let moment =
            |seconds, starved| Moment { at: at + Duration::from_secs(seconds), starved: Duration::from_secs(starved) };
        assert_eq!(moment(0, 0).until(moment(100, 0)), Duration::from_secs(100));
        assert_eq!(moment(0, 5).until(moment(100, 95)), Duration::from_secs(10));
        assert_eq!(moment(0, 0).until(moment(100, 101)), Duration::ZERO);
    }
}
