// SPDX-License-Identifier: GPL-2.0

//! One boot, from its description to its verdict, and several at a time.
//!
//! | module | subject |
//! |---|---|
//! | [`session`] | a machine that is listened to |
//! | [`report`] | how a boot is shown |
//! | [`bare`] | a machine that does what its kernel was told, and goes off |
//! | [`mod@shell`] | the interactive machine, in QEMU or in user-mode Linux |
//! | [`mod@debug`] | a machine with a debugger |
//! | [`uml`] | boots in user-mode Linux, with test devices that do what QEMU's cannot |
//! | `threads` | several machines at a time |

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::guest::early;
use crate::guest::fio::Speed;
use crate::guest::hostcmd::QemuGuest;
use crate::guest::iperf::Rate;
use crate::guest::ktap::{Cases, Tally};
use crate::guest::logscan::{self, Finding};
use crate::guest::transcript::Transcript;
use crate::machine::accel::Accel;
use crate::machine::backend::Backends;
use crate::machine::disk::Backend;
use crate::machine::qemu::{self, QEMU_LOG, Running, Sockets};
use crate::machine::{CONSOLE_LOG, Config, Console, Host, Kernel, image, plugin};
use crate::scenario::{Outside, Overrides, Scenario};

pub mod bare;
pub mod debug;
pub mod report;
pub mod session;
pub mod shell;
pub(crate) mod threads;
pub mod uml;

use report::Report;
use session::{Limits, Session};

/// What a study makes of what the guest told.
#[derive(Debug)]
pub struct Evaluation {
    /// For a person.
    pub lines: Vec<String>,
    /// As numbers of cases.
    pub tally: Tally,
    /// The line that tells the result.
    pub verdict: String,
}

/// Evaluates what the guest told in the boot of a scenario, if that is one to be evaluated.
pub type Evaluate = fn(&Scenario, &[String]) -> Result<Option<Evaluation>>;

/// What a boot came to.
#[derive(Debug)]
pub struct Outcome {
    /// Cases, as the guest script told them.
    pub cases: Cases,
    /// Speeds it measured.
    pub speeds: Vec<Speed>,
    /// Rates it measured.
    pub rates: Vec<Rate>,
    /// Facts it told for the host to evaluate.
    pub data: Vec<String>,
    /// What came of these facts.
    pub evaluation: Option<Evaluation>,
    /// Why the machine did not come to its end, or what QEMU complained of if it did.
    pub failure: Option<String>,
    /// Complaints of the kernel.
    pub findings: Vec<Finding>,
    /// The kernel's log.
    pub console: PathBuf,
}

impl Outcome {
    /// The numbers: the script's cases, and one more for the kernel log and the machine's proper end.
    pub fn tally(&self) -> Tally {
        let sound = self.failure.is_none() && self.findings.is_empty();
        let evaluated = self.evaluation.as_ref().map(|evaluation| evaluation.tally).unwrap_or_default();
        self.cases.tally() + evaluated + Tally { passed: u32::from(sound), failed: u32::from(!sound), skipped: 0 }
    }
}

/// Makes every boot of `boots`, in their order, as many at a time as the host is for, and adds up what they came to.
/// One that could not be made says why, and counts as a case that has failed.
///
/// # Errors
///
/// None of them could be made: the first error.
pub(crate) fn side_by_side<B: Sync>(
    host: &Host,
    boots: &[B],
    make: impl Fn(&B, &Report) -> Result<Tally> + Sync,
) -> Result<Tally> {
    let is_alone = host.at_once.min(boots.len()) == 1;
    let tallies = threads::each(host, boots, |boot| {
        let report = if is_alone { Report::new(host.verbose) } else { Report::in_one_piece(host.verbose) };
        let made = make(boot, &report);
        if let Err(error) = &made {
            report.trouble(&format!("it could not be made: {error:#}"));
        }
        Ok(made)
    })?;
    if tallies.iter().all(Result::is_err) {
        return tallies.into_iter().next().unwrap_or_else(|| Ok(Tally::default()));
    }
    Ok(tallies.into_iter().map(|made| made.unwrap_or(Tally { failed: 1, ..Tally::default() })).sum())
}

/// Makes a boot, and makes it once more if the first one died of a known fault of the emulator, and nothing had failed
/// until then, as `is_sound` says. `at_risk` says whether it can [tear code](early::tears_code); `boot` is where it has
/// its files.
pub(crate) fn unless_emulator_failed<T>(
    at_risk: bool,
    boot: &Path,
    report: &Report,
    is_sound: impl Fn(&T) -> bool,
    make: impl Fn() -> Result<T>,
) -> Result<T> {
    let first = make()?;
    let Some(fault) = emulators_fault(at_risk, boot)?.filter(|_| is_sound(&first)) else {
        return Ok(first);
    };
    report.again(&format!("{fault}; booted once more"), &set_aside(boot)?);
    make()
}

/// Whether a machine has died of a known fault of the emulator, and of which one.
fn emulators_fault(at_risk: bool, boot: &Path) -> Result<Option<&'static str>> {
    let log = read_log(&boot.join(CONSOLE_LOG))?;
    if at_risk && early::died_of_torn_code(&log) {
        return Ok(Some("an int3 oops before user space: QEMU before 8.1 runs code that is being patched"));
    }
    let messages = boot.join(QEMU_LOG);
    if messages.exists() && qemu::lost_a_section(&read_log(&messages)?) && logscan::scan(&log).is_empty() {
        return Ok(Some("QEMU has aborted: one CPU used a map of memory that another one was changing"));
    }
    Ok(None)
}

/// Makes boots on a host.
#[derive(Debug, Clone, Copy)]
pub struct Runner<'a> {
    /// Where.
    pub host: &'a Host,
    /// What runs the machines.
    pub accel: &'a Accel,
    /// What is made of the facts that a guest tells.
    pub evaluate: Evaluate,
}

impl<'a> Runner<'a> {
    /// A runner that leaves the facts to who asked for the boot.
    pub fn new(host: &'a Host, accel: &'a Accel) -> Self {
        Self { host, accel, evaluate: |_, _| Ok(None) }
    }

    /// Boots `kernel` for `scenario` and reports as it goes.
    ///
    /// # Errors
    ///
    /// When the machine could not be started.
    pub fn run(&self, kernel: &Kernel, scenario: &Scenario, overrides: &Overrides) -> Result<Outcome> {
        self.boot(kernel, scenario, overrides, &Report::new(self.host.verbose))
    }

    /// The same with a report of the caller's.
    ///
    /// # Errors
    ///
    /// When the machine could not be started.
    pub fn boot(
        &self,
        kernel: &Kernel,
        scenario: &Scenario,
        overrides: &Overrides,
        report: &Report,
    ) -> Result<Outcome> {
        let Self { host, accel, evaluate } = *self;
        report.boot(
            scenario.name,
            scenario.about,
            &format!("{} kernel, {}, {} CPUs, {} MiB", kernel.name, accel.name(), scenario.cpus, scenario.memory),
        );
        let boot = host.work.join(scenario.name);
        let at_risk = early::tears_code(host, accel, scenario.cpus);
        let is_sound = |(transcript, _): &(Transcript, _)| !transcript.cases.has_failed();
        let (transcript, failure) = unless_emulator_failed(at_risk, &boot, report, is_sound, || {
            self.listen(kernel, scenario, overrides, report)
        })?;
        let evaluation = evaluate(scenario, &transcript.data)?;
        let mut outcome = judge(transcript, evaluation, failure, boot.join(CONSOLE_LOG), report)?;
        if outcome.failure.is_none() {
            let log = boot.join(QEMU_LOG);
            let is_served = scenario.disks.iter().any(|disk| disk.backend == Backend::Served);
            outcome.failure = qemu::complaint(&read_log(&log)?, is_served).map(str::to_owned);
            if let Some(line) = &outcome.failure {
                report.trouble(&format!("QEMU complains, see {}: {line}", log.display()));
            }
        }
        if outcome.tally().success() {
            remove_scratch(&boot)?;
        }
        Ok(outcome)
    }

    /// Boots `kernel` for `scenario` and listens until the end. Returns what was heard, and why the machine did not
    /// come to its proper end, if it did not.
    fn listen(
        &self,
        kernel: &Kernel,
        scenario: &Scenario,
        overrides: &Overrides,
        report: &Report,
    ) -> Result<(Transcript, Option<String>)> {
        let Self { host, accel, .. } = *self;
        let bzimage = kernel.bzimage();
        if !bzimage.is_file() {
            bail!("there is no kernel image {}", bzimage.display());
        }
        let boot = boot_dir(host, scenario.name)?;
        for disk in &scenario.disks {
            disk.prepare(&host.work, &boot)?;
        }
        if scenario.plugin.is_some() {
            fs::create_dir(plugin::counts_dir(&boot)).context("cannot make the directory of the counts")?;
        }
        let backends = Backends::start(host, &scenario.disks, &boot)?;
        let sockets = Sockets::listen()?;
        let mut config = Config {
            machine: scenario.machine,
            accel,
            memory: scenario.memory,
            cpus: scenario.cpus,
            bzimage,
            initrd: Some(image::build(host, kernel)?),
            cmdline: String::new(),
            shares: all_shares(host, kernel, scenario),
            disks: &scenario.disks,
            cards: &scenario.cards,
            devices: &scenario.devices,
            console: Console::Log(boot.join(CONSOLE_LOG)),
            control: Some(sockets.control_path()),
            qmp: Some(sockets.qmp_path()),
            backends: backends.as_ref().map(Backends::sockets),
            debugger: None,
            plugin: scenario.plugin.clone(),
            work: &host.work,
            boot: &boot,
        };
        config.cmdline = scenario.cmdline(&[("disks", config.disk_map()), ("cards", config.card_map())], overrides);
        let log = boot.join(QEMU_LOG);
        let running = Running::start(&host.qemu, &config, sockets, &log)?;
        let guest = QemuGuest::new(running, &config, backends, log);
        let limit = |alone| host.patience(accel.limit(alone));
        let limits = Limits {
            whole: limit(scenario.limit),
            idle: limit(scenario.idle),
            early_idle: limit(early::IDLE),
            slowness: host.slowness(),
        };
        let mut session = Session::new(guest, limits, report, &boot, &kernel.objdir)?;
        let failure = session.follow()?;
        Ok((session.into_transcript(), failure))
    }
}

/// The directories of the host that a guest sees.
pub(crate) fn shares(host: &Host, kernel: &Kernel, outside: Option<&Outside>) -> Vec<(&'static str, PathBuf)> {
    let mut shares = vec![("objdir", kernel.objdir.clone()), ("guest", host.guest_dir())];
    shares.extend(outside.map(|outside| ("outside", outside.dir.clone())));
    shares
}

/// The same for a scenario, which may want those for programs that are not in the image.
fn all_shares(host: &Host, kernel: &Kernel, scenario: &Scenario) -> Vec<(&'static str, PathBuf)> {
    let mut shares = shares(host, kernel, scenario.outside.as_ref());
    if scenario.host_root {
        shares.extend([("root", PathBuf::from("/")), ("source", kernel.srcdir.clone())]);
    }
    shares
}

/// Moves the directory of a boot out of the way of the next one, without its disks, and returns where its log is.
fn set_aside(boot: &Path) -> Result<PathBuf> {
    remove_scratch(boot)?;
    let aside = boot.with_extension("first");
    if aside.exists() {
        fs::remove_dir_all(&aside).with_context(|| format!("cannot remove {}", aside.display()))?;
    }
    fs::rename(boot, &aside).with_context(|| format!("cannot create {}", aside.display()))?;
    Ok(aside.join(CONSOLE_LOG))
}

/// The kernel's log, whatever bytes are in it.
pub(crate) fn read_log(console: &Path) -> Result<String> {
    let log = fs::read(console).with_context(|| format!("cannot read {}", console.display()))?;
    Ok(String::from_utf8_lossy(&log).into_owned())
}

/// Judges and shows what was heard.
pub(crate) fn judge(
    transcript: Transcript,
    evaluation: Option<Evaluation>,
    failure: Option<String>,
    console: PathBuf,
    report: &Report,
) -> Result<Outcome> {
    let log = read_log(&console)?;
    let findings = logscan::scan(&log);
    if let Some(why) = &failure {
        report.died(why, &transcript, &console, &log);
    }
    if let Some(why) = transcript.cases.missing() {
        report.trouble(&why);
    }
    report.log(&findings, &console);
    report.speeds(&transcript.speeds);
    report.rates(&transcript.rates);
    if let Some(evaluation) = &evaluation {
        report.lines(&evaluation.lines);
    }
    let Transcript { cases, speeds, rates, data, .. } = transcript;
    Ok(Outcome { cases, speeds, rates, data, evaluation, failure, findings, console })
}

/// An empty directory for a boot.
pub(crate) fn boot_dir(host: &Host, name: &str) -> Result<PathBuf> {
    let boot = host.work.join(name);
    if boot.exists() {
        fs::remove_dir_all(&boot).with_context(|| format!("cannot empty {}", boot.display()))?;
    }
    fs::create_dir_all(&boot).with_context(|| format!("cannot make {}", boot.display()))?;
    Ok(boot)
}

/// Removes disk images that nobody will look at any more; after a failure they stay.
fn remove_scratch(boot: &Path) -> Result<()> {
    for entry in fs::read_dir(boot)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "raw") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three_boots(at_once: usize) -> Result<Tally> {
        let host = Host { at_once, ..Host::new(Path::new("/r"), Path::new("/w")) };
        side_by_side(&host, &[1, 2, 3], |passed, _| match passed {
            2 if at_once == 3 => bail!("this one cannot be made"),
            _ => Ok(Tally { passed: *passed, ..Tally::default() }),
        })
    }

    #[test]
    fn boots_side_by_side_are_all_made_and_added_up() {
        for at_once in [1, 2, 8] {
            assert_eq!(three_boots(at_once).unwrap().passed, 6);
        }
    }

    #[test]
    fn a_boot_that_cannot_be_made_has_failed_and_the_others_count() {
        let tally = three_boots(3).unwrap();
        assert_eq!((tally.passed, tally.failed), (4, 1));
        let host = Host::new(Path::new("/r"), Path::new("/w"));
        let none = side_by_side(&host, &[1, 2], |boot, _| -> Result<Tally> { bail!("not {boot}") });
        assert_eq!(none.unwrap_err().to_string(), "not 1");
    }

    /// How many boots are made, and what the last one says, when they leave these logs.
    fn boots_with(at_risk: bool, logs: &[&str]) -> (usize, String, bool) {
        let work = tempfile::tempdir().unwrap();
        let host = Host::new(Path::new("/r"), work.path());
        let made = std::cell::Cell::new(0);
        let report = Report::in_one_piece(false);
        let last = unless_emulator_failed(
            at_risk,
            &work.path().join("name"),
            &report,
            |_| true,
            || {
                let boot = boot_dir(&host, "name")?;
                let log = logs[made.get()];
                made.set(made.get() + 1);
                fs::write(boot.join(CONSOLE_LOG), log)?;
                Ok(log.to_owned())
            },
        );
        let kept = fs::read_to_string(work.path().join("name.first").join(CONSOLE_LOG));
        (made.get(), last.unwrap(), kept.is_ok_and(|log| log == logs[0]))
    }

    #[test]
    fn a_boot_is_made_once_more_after_the_emulators_own_fault_alone() {
        let (torn, oops) = ("Oops: int3: 0000", "Oops: general protection fault");
        assert_eq!(boots_with(true, &[torn, "fine"]), (2, "fine".into(), true));
        assert_eq!(boots_with(true, &[torn, torn, "never"]), (2, torn.into(), true));
        assert_eq!(boots_with(true, &[oops, "never"]), (1, oops.into(), false));
        assert_eq!(boots_with(false, &[torn, "never"]), (1, torn.into(), false));
        let late = "Run /init as init process\nOops: int3: 0000";
        assert_eq!(boots_with(true, &[late, "never"]), (1, late.into(), false));
    }

    #[test]
    fn a_boot_is_made_once_more_after_an_abort_of_the_emulator_that_is_known() {
        let work = tempfile::tempdir().unwrap();
        let host = Host::new(Path::new("/r"), work.path());
        let report = Report::in_one_piece(false);
        let known = "qemu: system/physmem.c:2678: iotlb_to_section: Assertion `section_index < n' failed.";
        let other = "qemu: hw/core/cpu.c:1: other: Assertion `x' failed.";
        for (messages, log, is_sound, boots) in [
            (known, "fine", true, 2),
            (known, "fine", false, 1),
            (known, "WARNING: CPU: 0 PID: 1 at x.c:1 y+0x1/0x2", true, 1),
            (other, "fine", true, 1),
        ] {
            let made = std::cell::Cell::new(0);
            let make = || {
                let boot = boot_dir(&host, "name")?;
                made.set(made.get() + 1);
                fs::write(boot.join(CONSOLE_LOG), format!("Run /init as init process\n[    1.0] {log}\n"))?;
                fs::write(boot.join(QEMU_LOG), messages)?;
                Ok(is_sound)
            };
            unless_emulator_failed(false, &work.path().join("name"), &report, |sound| *sound, make).unwrap();
            assert_eq!(made.get(), boots, "{messages} {log} {is_sound}");
        }
    }
}
