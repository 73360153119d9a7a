// SPDX-License-Identifier: GPL-2.0

//! Power cuts: a disk with a cache that forgets, of which each cut takes a part; what was synced must be there in the
//! next boot.
//!
//! The disk goes first and the machine after it, so whatever the guest has told to be done was done before the cut.

use std::fs;
use std::path::Path;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use fastrand::Rng;

use crate::guest::control::Line;
use crate::guest::ktap::Tally;
use crate::guest::logscan;
use crate::guest::transcript::Transcript;
use crate::machine::uml::{Device, UmlGuest};
use crate::machine::{Guest, Host, Kernel, image};
use crate::runner::boot_dir;
use crate::runner::report::seconds;
use crate::runner::uml::{Boot, start};
use crate::scenario::Overrides;

/// The longest time that a boot may take until something was synced, or to its end.
const LIMIT: Duration = Duration::from_secs(90);
/// How long files are written after that before the cut, in milliseconds.
const WORK: std::ops::Range<u64> = 50..2500;
/// How long a step usually takes, at most.
const STEP: Duration = Duration::from_secs(1);
/// The cases of the guest script.
const CASES: usize = 4;
/// Memory in MiB: little, so that pages are written back early.
const MEMORY: u32 = 256;
/// The disk.
const DISK: &str = "--size 96M --volatile";

/// What was found after a cut.
#[derive(Debug)]
struct Cut {
    /// The last step that was told to be done before the next cut.
    acked: u32,
    /// What the disk has lost in the next cut.
    lost: String,
    /// What is wrong with what the cut before has left.
    faults: Vec<String>,
}

/// Cuts the power `cuts` times and counts the boots in which everything that had been synced was there; one line each.
/// The same seed loses the same parts of the same writes.
///
/// # Errors
///
/// When a machine could not be started at all.
pub fn run(host: &Host, kernel: &Kernel, driver: &str, cuts: u32, seed: u64) -> Result<Tally> {
    let begin = Instant::now();
    image::build(host, kernel)?;
    let mut rng = Rng::with_seed(seed);
    let mut tally = Tally::default();
    let mut acked = 0;
    let mut steps = 0;
    for number in 0..=cuts {
        let cut = boot(host, kernel, driver, number, acked, (number < cuts).then_some(&mut rng))?;
        if number > 0 {
            let is_whole = cut.faults.is_empty();
            tally += Tally { passed: u32::from(is_whole), failed: u32::from(!is_whole), skipped: 0 };
            println!("  {} cut {number}: {acked} steps were synced", if is_whole { "ok   " } else { "FAIL " });
        } else if !cut.faults.is_empty() {
            tally.failed += 1;
            println!("  FAIL  the boot before the first cut");
        }
        cut.faults.iter().for_each(|fault| println!("          {fault}"));
        if number < cuts && !cut.lost.is_empty() {
            println!("        cut {}: {}", number + 1, cut.lost);
        }
        acked = cut.acked;
        steps += acked;
        // What was lost is no start for the next one.
        if !cut.faults.is_empty() {
            break;
        }
    }
    println!(
        "power cuts: {} survived, {} lost, {steps} steps, seed {seed}, in {}",
        tally.passed,
        tally.failed,
        seconds(begin.elapsed())
    );
    Ok(tally)
}

/// Looks at what was left, lets files be written until the cut that `rng` chooses, if there is to be one.
fn boot(host: &Host, kernel: &Kernel, driver: &str, number: u32, acked: u32, rng: Option<&mut Rng>) -> Result<Cut> {
    let boot = boot_dir(host, &format!("powercut-{number}"))?;
    let left = |number: u32| host.work.join(format!("powercut-{number}.raw"));
    let options = if number == 0 { DISK.to_owned() } else { format!("{DISK} --image {}", left(number).display()) };
    let vars =
        [("cut", number.to_string()), ("acked", acked.to_string()), ("work", u8::from(rng.is_some()).to_string())];
    let devices = [Device { name: "main", options }];
    let what = Boot { script: "powercut", vars: &vars, devices: &devices, memory: MEMORY };
    let overrides = Overrides { driver: Some(driver.to_owned()), vars: Vec::new() };
    let (guest, console) = start(host, kernel, &what, &overrides, &boot)?;
    let mut course =
        Course { guest, transcript: Transcript::default(), acked: 0, works: None, last: None, failed: None };
    let mut lost = String::new();
    let mut before = usize::MAX;
    let why;
    if let Some(rng) = rng {
        let work = Duration::from_millis(rng.u64(WORK));
        why = course.listen(host.patience(LIMIT), work, host.patience(STEP));
        if why.is_none() {
            let file = left(number + 1);
            before = length(&console)?;
            let answer = course.guest.devices().serve(&format!("device main cut {} {}", rng.u64(..), file.display()));
            lost = answer.strip_prefix("ok ").with_context(|| format!("the disk cannot be cut: {answer}"))?.to_owned();
        }
        course.guest.child().kill();
        // What the guest had told before.
        while let Ok(line) = course.guest.lines().recv_timeout(Duration::from_secs(5)) {
            course.hear(&line);
        }
    } else {
        why = course.listen(host.patience(LIMIT), Duration::MAX, Duration::MAX);
    }
    let Course { guest, transcript, acked, .. } = course;
    drop(guest);
    remove(&left(number))?;
    let faults = faults(&transcript, why, &console, before)?;
    Ok(Cut { acked, lost, faults })
}

fn remove(file: &Path) -> Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", file.display()))
        }
        _ => Ok(()),
    }
}

fn length(log: &Path) -> Result<usize> {
    let length = fs::metadata(log).with_context(|| format!("cannot read {}", log.display()))?.len();
    Ok(usize::try_from(length)?)
}

/// What is wrong with a boot whose disk was there for the first `before` bytes of its log.
fn faults(transcript: &Transcript, why: Option<String>, console: &Path, before: usize) -> Result<Vec<String>> {
    let mut faults: Vec<String> = why.into_iter().collect();
    let tally = transcript.cases.tally();
    if tally.passed as usize != CASES {
        faults.push(format!("{} of {CASES} cases passed", tally.passed));
        let said = transcript.cases.ended.iter().flat_map(|case| case.diagnostics.iter().rev().take(20).rev());
        faults.extend(said.cloned());
    }
    let log = fs::read(console).with_context(|| format!("cannot read {}", console.display()))?;
    let (before, after) = log.split_at(before.min(log.len()));
    let text = String::from_utf8_lossy;
    let of_the_cut = [logscan::DEVICE, logscan::FILE_SYSTEM];
    for finding in logscan::scan(&text(before)).into_iter().chain(logscan::scan_but(&text(after), &of_the_cut)) {
        faults.push(format!("the kernel's log: {}", finding.context.join(" | ")));
    }
    Ok(faults)
}

/// A machine that is listened to.
struct Course {
    guest: UmlGuest,
    transcript: Transcript,
    /// The last step that was told to be done.
    acked: u32,
    /// When the first step was told to be done. A cut before that would show nothing.
    works: Option<Instant>,
    /// When the last one was.
    last: Option<Instant>,
    /// The step that could not be done.
    failed: Option<String>,
}

impl Course {
    fn hear(&mut self, line: &str) {
        match Line::parse(line) {
            Line::Data(text) => {
                if let Some(step) = text.strip_prefix("acked ").and_then(|step| step.parse().ok()) {
                    let now = Instant::now();
                    self.acked = step;
                    self.works.get_or_insert(now);
                    self.last = Some(now);
                } else if let Some(step) = text.strip_prefix("failed ") {
                    self.failed = Some(step.to_owned());
                }
            }
            _ => {
                self.transcript.hear(line);
            }
        }
    }

    /// Listens until files have been written for so long after the first was synced, or to the end of the machine. A
    /// step that takes longer than `step` must come to its end first: what hangs would be hidden by the cut. Says why
    /// that cannot be had.
    fn listen(&mut self, limit: Duration, work: Duration, step: Duration) -> Option<String> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(step) = &self.failed {
                return Some(format!("step {step} failed before the cut"));
            }
            let now = Instant::now();
            if now >= deadline {
                return Some(match self.acked {
                    0 => "it took too long".to_owned(),
                    acked => format!("step {} does not end", acked + 1),
                });
            }
            let cut = self.works.and_then(|works| works.checked_add(work)).unwrap_or(deadline);
            let is_at_work = self.last.is_some_and(|last| now.duration_since(last) < step);
            if now >= cut && is_at_work {
                return None;
            }
            let until = if now < cut { cut.min(deadline) } else { deadline };
            match self.guest.lines().recv_timeout(until - now) {
                Ok(line) => self.hear(&line),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) if work == Duration::MAX => {
                    return (!self.transcript.done).then(|| "the machine has ended".to_owned());
                }
                Err(RecvTimeoutError::Disconnected) => return Some("the machine has ended before the cut".to_owned()),
            }
        }
    }
}
