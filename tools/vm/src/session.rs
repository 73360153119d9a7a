// SPDX-License-Identifier: GPL-2.0

//! A running machine being listened to, until it ends or must be ended.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::early;
use crate::machine::CONSOLE_LOG;
use crate::qemu::Child;
use crate::report::Report;
use crate::transcript::{Heard, Transcript};

/// How often a running machine is looked at when it says nothing.
const TICK: Duration = Duration::from_millis(100);
/// How long a machine may take to exit when it has closed the line to the guest.
const EXIT_LIMIT: Duration = Duration::from_secs(30);
/// Every line that the guest script said, beside the kernel's log.
const SCRIPT_LOG: &str = "script.log";
/// What a machine was at that had to be ended.
const STATE_LOG: &str = "state.log";

/// A machine that runs, whatever it runs in.
pub trait Guest {
    /// The lines that the guest script prints; closed when the machine has ended.
    fn lines(&self) -> &Receiver<String>;

    /// Does what the guest script asks for, and sends it the answer.
    ///
    /// # Errors
    ///
    /// The machine is gone.
    fn serve(&mut self, request: &str) -> Result<()>;

    /// Looks after what does not come from the guest script.
    ///
    /// # Errors
    ///
    /// The machine has to be ended.
    fn tick(&mut self) -> Result<()>;

    /// The process.
    fn child(&mut self) -> &mut Child;

    /// What the process itself has to say about its end.
    fn last_words(&self) -> String;

    /// What the machine is at, seen from outside; asked when it is ended because it says nothing any more.
    fn state(&mut self) -> String;
}

/// How long a machine may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From its start to its end.
    pub whole: Duration,
    /// Without any sign of life.
    pub idle: Duration,
    /// The same before user space.
    pub early_idle: Duration,
}

/// The machine and what is known of it.
pub struct Session<'a, G> {
    guest: G,
    report: &'a Report,
    objdir: &'a Path,
    console: Console,
    script_log: File,
    limits: Limits,
    deadline: Instant,
    last_sign: Instant,
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
    pub fn new(guest: G, limits: Limits, report: &'a Report, boot: &Path, objdir: &'a Path) -> Result<Self> {
        let now = Instant::now();
        Ok(Self {
            guest,
            report,
            objdir,
            console: Console { path: boot.join(CONSOLE_LOG), length: 0 },
            script_log: File::create(boot.join(SCRIPT_LOG)).context("cannot write the script's log")?,
            limits,
            deadline: now + limits.whole,
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
                    self.last_sign = Instant::now();
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
        }
    }

    /// The machine has closed the line: it exits.
    fn end(&mut self) -> Result<Option<String>> {
        Ok(match self.guest.child().wait_for(EXIT_LIMIT)? {
            Some(status) if !status.success() => {
                Some(format!("the machine ended with {status} {}", self.guest.last_words()))
            }
            Some(_) if !self.transcript.done => Some("the guest ended before its script did".into()),
            Some(_) => None,
            None => Some("the machine does not exit".into()),
        })
    }

    /// Why the machine must be ended now, if it must.
    fn overdue(&mut self) -> Option<String> {
        if self.console.grew() {
            self.last_sign = Instant::now();
        }
        let now = Instant::now();
        if now > self.deadline {
            return Some("the guest was ended: it took longer than this scenario may".into());
        }
        let silence = now.duration_since(self.last_sign);
        let Limits { idle, early_idle, .. } = self.limits;
        let limit = if silence > early_idle && !self.has_begun() { early_idle } else { idle };
        (silence > limit).then(|| format!("the guest was ended: no sign of life for {} s", limit.as_secs()))
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
