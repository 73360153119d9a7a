// SPDX-License-Identifier: GPL-2.0

//! The machines that make trials, one after the other, until all are made.

use std::collections::BTreeMap;
use std::fs;
use std::ops::AddAssign;
use std::path::Path;
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::DRIVERS;
use super::corpus::{self, Scenario};
use super::outcome::{Outcome, Trial};
use crate::guest::control::Line;
use crate::guest::logscan::{self, Finding};
use crate::machine::uml::UmlGuest;
use crate::machine::{Guest, Host, Kernel};
use crate::runner::boot_dir;
use crate::runner::uml::{Boot, start};
use crate::scenario::Overrides;

/// The longest time that a machine may take until it asks for its first trial.
const START_LIMIT: Duration = Duration::from_secs(60);
/// The longest time of a trial on a machine that is alone: what waits must have ended in 30 s, and there is something
/// before and after that.
const LIMIT: Duration = Duration::from_secs(40);
/// Memory in MiB.
const MEMORY: u32 = 512;
/// Lines of a trial's log that are kept.
const LINES: usize = 30;
/// How the guest script marks the log of the kernel.
const MARK: &str = "vmtest: trial ";
/// What the driver says when it finds what no interrupt has told of.
const MISSED: &str = "without an interrupt";
/// What the transport warns of when a device is gone, whichever driver it has.
const OF_THE_TRANSPORT: &str = "virtio_uml.c";

/// How much was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Machines that were started.
    pub boots: u64,
    /// Requests that the devices have seen; not those of devices that are gone.
    pub requests: u64,
    /// Lies that they have told.
    pub lies: u64,
}

impl AddAssign for Stats {
    fn add_assign(&mut self, other: Self) {
        self.boots += other.boots;
        self.requests += other.requests;
        self.lies += other.lies;
    }
}

/// Makes the trials of `batch`. `name` is that of the directory of logs.
pub fn run(host: &Host, kernel: &Kernel, driver: &str, name: &str, batch: &[&Scenario]) -> Result<(Vec<Trial>, Stats)> {
    let mut trials: Vec<Trial> = Vec::new();
    let mut stats = Stats::default();
    while trials.len() < batch.len() {
        let directory = format!("{name}-{}", stats.boots);
        let (made, of_boot) = boot(host, kernel, driver, &directory, &batch[trials.len()..])?;
        ensure!(
            !made.is_empty(),
            "the machine {directory} makes no trial: see {}",
            host.work.join(&directory).display()
        );
        trials.extend(made);
        stats += of_boot;
    }
    Ok((trials, stats))
}

/// Makes trials in one machine, until all are made or the machine is of no use any more; none if it was of no use at
/// all.
fn boot(
    host: &Host,
    kernel: &Kernel,
    driver: &str,
    directory: &str,
    batch: &[&Scenario],
) -> Result<(Vec<Trial>, Stats)> {
    let boot = boot_dir(host, directory)?;
    let overrides = Overrides { driver: Some(driver.to_owned()), vars: Vec::new() };
    let what = Boot { script: "hostile", vars: &[], devices: &corpus::devices(), memory: MEMORY };
    let (guest, console) = start(host, kernel, &what, &overrides, &boot)?;
    let mut course = Course { guest, batch, trials: Vec::new(), begun: 0, lies: 0, refused: false, log: Vec::new() };
    // Most of a run would go by in waiting for a driver that hangs again and again.
    let limit = if driver == DRIVERS[0] { host.patience(LIMIT) } else { LIMIT };
    let why = course.follow(host.patience(START_LIMIT), limit)?;
    let stats = Stats { boots: 1, requests: course.counted("requests"), lies: course.counted("lies") };
    let Course { mut guest, mut trials, begun, log, .. } = course;
    guest.child().kill();
    // The log of the kernel is complete when the guest is dropped.
    drop(guest);
    let kernel_log = fs::read(&console).unwrap_or_default();
    let kernel_log = String::from_utf8_lossy(&kernel_log);
    if let Some(outcome) = why {
        let details = last(log.iter().map(String::as_str)).chain(last(kernel_log.lines())).map(str::to_owned).collect();
        end_with(&mut trials, batch, begun, outcome, details);
    }
    blame(&mut trials, batch, &kernel_log);
    save(&boot, &trials)?;
    Ok((trials, stats))
}

/// What is known of the trials of a machine.
struct Course<'a> {
    guest: UmlGuest,
    batch: &'a [&'a Scenario],
    trials: Vec<Trial>,
    /// How many trials the guest script has begun.
    begun: usize,
    /// The lies that the device had told before the trial.
    lies: u64,
    /// Whether the device has refused a command in it.
    refused: bool,
    /// What the guest script has said in it.
    log: Vec<String>,
}

impl Course<'_> {
    /// Serves the guest script until it has made all trials; otherwise says what came of the one that it was at.
    fn follow(&mut self, start: Duration, limit: Duration) -> Result<Option<Outcome>> {
        let mut deadline = Instant::now() + start;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = match self.guest.lines().recv_timeout(left) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => return Ok(Some(Outcome::Hangs)),
                Err(RecvTimeoutError::Disconnected) => return Ok(Some(Outcome::Dies)),
            };
            match Line::parse(&line) {
                Line::Host(request) if request == "trial" => {
                    let Some(scenario) = self.batch.get(self.trials.len()) else {
                        return Ok(None);
                    };
                    deadline = Instant::now() + limit;
                    self.begun += 1;
                    self.refused = false;
                    self.log.clear();
                    let Scenario { device, when, name, reset_on_timeout, .. } = scenario;
                    let (when, reset) = (when.name(), u8::from(*reset_on_timeout));
                    let answer = format!("ok {device} {when} {reset} {}", name.replace(' ', "_"));
                    self.answer(&answer);
                }
                Line::Host(request) => {
                    let answer = self.serve(&request);
                    self.answer(&answer);
                }
                Line::Diagnostic(text) | Line::Other(text) => self.log.push(text),
                _ => {}
            }
        }
    }

    /// Answers the guest. One that is gone is noticed by its line, which ends.
    fn answer(&mut self, answer: &str) {
        let _ = self.guest.answer(answer);
    }

    fn serve(&mut self, request: &str) -> String {
        let Some(scenario) = self.batch.get(self.trials.len()).copied() else {
            return "error there is no trial".to_owned();
        };
        if request == "told" {
            return if self.is_silent(scenario) { "ok no" } else { "ok yes" }.to_owned();
        }
        match request.split_once(' ') {
            Some(("stage", "during")) => {
                self.lies = self.told(scenario);
                self.command(scenario, &scenario.during)
            }
            Some(("stage", "after")) => {
                let answer = self.command(scenario, &scenario.after);
                self.command(scenario, &["behave".to_owned()]);
                answer
            }
            Some(("outcome", name)) => {
                let mut outcome = Outcome::from_name(name).unwrap_or_else(|| {
                    self.log.push(format!("the script knows an outcome that nobody else does: `{name}`"));
                    Outcome::Complains
                });
                let silent = self.is_silent(scenario);
                if untold(outcome, silent, self.refused) {
                    outcome = Outcome::Untold;
                }
                let details =
                    if scenario.holds(outcome) { Vec::new() } else { last(self.log.iter()).cloned().collect() };
                self.trials.push(Trial { scenario: scenario.name.clone(), outcome, details });
                "ok".to_owned()
            }
            _ => self.guest.devices().serve(request),
        }
    }

    /// Lets the device of a scenario do what it is told. One that is gone does nothing.
    fn command(&mut self, scenario: &Scenario, commands: &[String]) -> String {
        let mut answer = "ok".to_owned();
        for command in commands {
            if let Some(tenths) = command.strip_prefix("sleep ") {
                thread::sleep(Duration::from_millis(100 * tenths.parse().unwrap_or(0)));
                continue;
            }
            let came = self.guest.devices().serve(&format!("device {} {command}", scenario.device));
            if came.starts_with("error") {
                self.log.push(format!("{command}: {came}"));
                self.refused = true;
                answer = came;
            }
        }
        answer
    }

    /// Whether the device has still to tell the lie that the scenario is about.
    fn is_silent(&mut self, scenario: &Scenario) -> bool {
        scenario.must_lie() && self.told(scenario) == self.lies
    }

    fn told(&mut self, scenario: &Scenario) -> u64 {
        self.count(&scenario.device, "lies")
    }

    /// What all devices have counted.
    fn counted(&mut self, what: &str) -> u64 {
        corpus::DEVICES.iter().map(|(device, _)| self.count(device, what)).sum()
    }

    fn count(&mut self, device: &str, what: &str) -> u64 {
        let answer = self.guest.devices().serve(&format!("device {device} count {what}"));
        answer.strip_prefix("ok ").and_then(|count| count.parse().ok()).unwrap_or(0)
    }
}

/// What came of a machine is what came of the trial that began last, although that may have come to something before.
/// If none has begun, it is no scenario's.
fn end_with(trials: &mut Vec<Trial>, batch: &[&Scenario], begun: usize, outcome: Outcome, details: Vec<String>) {
    let last = begun.checked_sub(1);
    if let Some((at, scenario)) = last.and_then(|at| Some((at, batch.get(at)?))) {
        trials.truncate(at);
        trials.push(Trial { scenario: scenario.name.clone(), outcome, details });
    }
}

/// The last lines of something.
fn last<T>(lines: impl DoubleEndedIterator<Item = T>) -> impl Iterator<Item = T> {
    let last: Vec<_> = lines.rev().take(LINES).collect();
    last.into_iter().rev()
}

/// Whether a trial shows nothing: the device was silent, or has refused its part. One that is gone refuses all.
fn untold(outcome: Outcome, silent: bool, refused: bool) -> bool {
    !outcome.is_harm() && (silent || refused && outcome != Outcome::Gone)
}

/// Finds complaints of the kernel and the trials in which they came. What came before the first one is shown with it.
fn blame(trials: &mut [Trial], batch: &[&Scenario], log: &str) {
    let (before, _) = log.split_once(MARK).unwrap_or((log, ""));
    let parts: BTreeMap<String, &str> = log
        .split(MARK)
        .skip(1)
        .filter_map(|part| part.split_once('\n'))
        .map(|(name, part)| (name.trim().to_owned(), part))
        .collect();
    for (at, (trial, scenario)) in trials.iter_mut().zip(batch).enumerate() {
        let Some(part) = parts.get(&scenario.name.replace(' ', "_")).copied() else {
            complain(trial, ["the kernel's log does not say that it was tried".to_owned()]);
            continue;
        };
        let of_the_transport = |finding: &Finding| scenario.is_alone() && finding.text().contains(OF_THE_TRANSPORT);
        // Until then no device has done wrong.
        let mut findings = if at == 0 { logscan::scan(before) } else { Vec::new() };
        findings.extend(
            logscan::scan_but(part, &[logscan::DEVICE]).into_iter().filter(|finding| !of_the_transport(finding)),
        );
        // What has ended must have been noticed by the interrupt, if there was one.
        let missed = part.lines().find(|line| line.contains(MISSED) && !scenario.loses_interrupts());
        if let Some(line) = missed {
            complain(trial, [line.to_owned()]);
        }
        if let Some(first) = findings.first() {
            complain(trial, first.context.iter().take(LINES).cloned());
        }
    }
}

/// Notes that the kernel has complained in a trial, unless something worse came of it. A trial that has shown nothing
/// else has shown this.
fn complain(trial: &mut Trial, details: impl IntoIterator<Item = String>) {
    if !trial.outcome.is_harm() || trial.outcome == Outcome::Untold {
        trial.outcome = Outcome::Complains;
    }
    trial.details.extend(details);
}

/// Leaves what came beside the logs.
fn save(boot: &Path, trials: &[Trial]) -> Result<()> {
    let lines = trials.iter().flat_map(|trial| {
        let first = format!("{}: {}", trial.scenario, trial.outcome.name());
        std::iter::once(first).chain(trial.details.iter().map(|line| format!("    {line}")))
    });
    fs::write(boot.join("trials.log"), lines.map(|line| line + "\n").collect::<String>())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::corpus::tests::scenario;
    use super::*;

    #[test]
    fn a_complaint_belongs_to_the_trial_in_which_it_came() {
        let scenarios = ["a", "b c"].map(scenario);
        let batch: Vec<_> = scenarios.iter().collect();
        let trial = |name: &str| Trial { scenario: name.into(), outcome: Outcome::Serves, details: Vec::new() };
        let mut trials = [trial("a"), trial("b c")];
        let log = "[1] boot\n[2] vmtest: trial a\n[3] fine\n[4] vmtest: trial b_c\n[5] WARNING: x\n";
        blame(&mut trials, &batch, log);
        assert_eq!(trials.each_ref().map(|trial| trial.outcome), [Outcome::Serves, Outcome::Complains]);
        assert!(trials[1].details.iter().any(|line| line.contains("WARNING")));
    }

    #[test]
    fn a_complaint_counts_whatever_else_a_trial_has_shown() {
        let scenarios = ["a", "b"].map(scenario);
        let batch: Vec<_> = scenarios.iter().collect();
        let blamed = |outcomes: [Outcome; 2], log: &str| {
            let trial = |name: &str, outcome| Trial { scenario: name.into(), outcome, details: Vec::new() };
            let mut trials = [trial("a", outcomes[0]), trial("b", outcomes[1])];
            blame(&mut trials, &batch, log);
            trials.map(|trial| trial.outcome)
        };
        let log = "vmtest: trial a\nWARNING: x\nvmtest: trial b\nWARNING: x\n";
        assert_eq!(blamed([Outcome::Untold, Outcome::Broken], log), [Outcome::Complains, Outcome::Broken]);
        // Neither is what came while the machine started lost, nor a trial that the log does not know.
        let log = "WARNING: x\nvmtest: trial a\n";
        assert_eq!(blamed([Outcome::Serves; 2], log), [Outcome::Complains; 2]);
    }

    #[test]
    fn what_comes_of_a_machine_belongs_to_the_trial_that_began_last() {
        let scenarios = ["a", "b"].map(scenario);
        let batch: Vec<_> = scenarios.iter().collect();
        let ends = |made: usize, begun| {
            let trial = |scenario: &Scenario| Trial {
                scenario: scenario.name.clone(),
                outcome: Outcome::Serves,
                details: Vec::new(),
            };
            let mut trials: Vec<_> = scenarios[..made].iter().map(trial).collect();
            end_with(&mut trials, &batch, begun, Outcome::Hangs, Vec::new());
            trials.into_iter().map(|trial| (trial.scenario, trial.outcome)).collect::<Vec<_>>()
        };
        let (a, b) = ("a".to_owned(), "b".to_owned());
        assert_eq!(ends(0, 0), [], "it never came to the first one");
        assert_eq!(ends(0, 1), [(a.clone(), Outcome::Hangs)]);
        assert_eq!(ends(1, 1), [(a.clone(), Outcome::Hangs)], "after its end");
        assert_eq!(ends(1, 2), [(a, Outcome::Serves), (b, Outcome::Hangs)]);
    }

    #[test]
    fn a_trial_whose_device_was_silent_or_refused_its_part_shows_nothing() {
        assert!(untold(Outcome::Serves, true, false) && untold(Outcome::Serves, false, true));
        assert!(!untold(Outcome::Serves, false, false));
        assert!(!untold(Outcome::Gone, false, true), "a device that is gone");
        assert!(!untold(Outcome::Hangs, true, true), "harm is harm");
    }

    #[test]
    fn an_interrupt_that_only_the_driver_can_have_missed_is_a_complaint() {
        let mut scenario = scenario("a");
        let log = "vmtest: trial a\n1 requests had ended on queue 0 without an interrupt\n";
        for (during, expected) in [("sleep 9", Outcome::Complains), ("lose 1", Outcome::Serves)] {
            scenario.during = vec![during.into()];
            let mut trials = [Trial { scenario: "a".into(), outcome: Outcome::Serves, details: Vec::new() }];
            blame(&mut trials, &[&scenario], log);
            assert_eq!(trials[0].outcome, expected, "{during}");
        }
    }

    #[test]
    fn what_the_transport_says_of_a_dead_device_is_no_complaint_about_the_driver() {
        let mut dead = scenario("a");
        let log = "vmtest: trial a\nWARNING: arch/um/drivers/virtio_uml.c:7 at vu_del_vqs\n";
        for (during, expected) in [("stall", Outcome::Complains), ("die kick", Outcome::Gone)] {
            dead.during = vec![during.into()];
            let mut trials = [Trial { scenario: "a".into(), outcome: Outcome::Gone, details: Vec::new() }];
            blame(&mut trials, &[&dead], log);
            assert_eq!(trials[0].outcome, expected);
        }
    }
}
