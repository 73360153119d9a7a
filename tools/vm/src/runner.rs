// SPDX-License-Identifier: GPL-2.0

//! One boot, from its description to its verdict.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::accel::Accel;
use crate::control::Line;
use crate::fio::{self, Speed};
use crate::hostcmd::HostCommands;
use crate::ktap::{Case, Cases, Tally, Verdict};
use crate::logscan::{self, Finding};
use crate::machine::{Config, Console};
use crate::qemu::{Running, Sockets, last_words};
use crate::report::Report;
use crate::scenario::{self, Flavour, Group, Overrides, Scenario};
use crate::{Host, Kernel, accel, image};

/// How often a running machine is looked at when it says nothing.
const TICK: Duration = Duration::from_millis(100);

/// Where QEMU's own messages go, beside the kernel's log.
const QEMU_LOG: &str = "qemu.log";

/// Every line that the guest script said.
const SCRIPT_LOG: &str = "script.log";

/// What a boot came to.
#[derive(Debug)]
pub struct Outcome {
    /// Cases, as the guest script told them.
    pub cases: Cases,
    /// Speeds it measured.
    pub speeds: Vec<Speed>,
    /// Why the machine did not come to its end, if it did not.
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
        self.cases.tally() + Tally { passed: u32::from(sound), failed: u32::from(!sound), skipped: 0 }
    }
}

/// Runs every scenario of `group`, one after the other.
///
/// # Errors
///
/// When a machine could not be started at all.
pub fn run_group(host: &Host, group: Group, plain: &Kernel, debug: &Kernel, overrides: &Overrides) -> Result<Tally> {
    let start = Instant::now();
    let accel = accel::probe(host, Some(plain))?;
    println!("accelerator: {accel}");
    let mut tally = Tally::default();
    for scenario in scenario::all().into_iter().filter(|s| s.group == group) {
        let kernel = if scenario.kernel == Flavour::Plain { plain } else { debug };
        tally += run(host, kernel, &accel, &scenario, overrides)?.tally();
    }
    Report::new(host.verbose).summary(group.name(), tally, start.elapsed());
    Ok(tally)
}

/// Boots `kernel` for `scenario` and reports as it goes.
///
/// # Errors
///
/// When the machine could not be started.
pub fn run(host: &Host, kernel: &Kernel, accel: &Accel, scenario: &Scenario, overrides: &Overrides) -> Result<Outcome> {
    let bzimage = kernel.bzimage();
    if !bzimage.is_file() {
        bail!("there is no kernel image {}", bzimage.display());
    }
    let boot = boot_dir(host, scenario.name)?;
    for disk in &scenario.disks {
        disk.prepare(&host.work, &boot)?;
    }
    let sockets = Sockets::listen()?;
    let console = boot.join("console.log");
    let mut config = Config {
        machine: scenario.machine,
        accel,
        memory: scenario.memory,
        cpus: scenario.cpus,
        bzimage,
        initrd: Some(image::build(host, kernel)?),
        cmdline: String::new(),
        shares: vec![("objdir", kernel.objdir.clone()), ("guest", host.guest_dir())],
        disks: &scenario.disks,
        console: Console::Log(console.clone()),
        control: Some(sockets.control_path()),
        qmp: Some(sockets.qmp_path()),
        work: &host.work,
        boot: &boot,
    };
    config.cmdline = scenario.cmdline(&config.disk_map(), overrides);
    let report = Report::new(host.verbose);
    report.boot(
        scenario.name,
        scenario.about,
        &format!("{} kernel, {}, {} CPUs, {} MiB", kernel.name, accel.name(), scenario.cpus, scenario.memory),
    );
    let running = Running::start(&host.qemu, &config, sockets, &boot.join(QEMU_LOG))?;
    let mut session = Session::new(running, &config, accel, scenario, &report, console)?;
    session.follow()?;
    let outcome = session.finish()?;
    if outcome.tally().success() {
        remove_scratch(&boot)?;
    }
    Ok(outcome)
}

/// An empty directory for a boot.
fn boot_dir(host: &Host, name: &str) -> Result<PathBuf> {
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

/// A machine being listened to.
struct Session<'a> {
    running: Running,
    host_commands: HostCommands<'a>,
    report: &'a Report,
    console: PathBuf,
    console_length: u64,
    script_log: File,
    idle_limit: Duration,
    deadline: Instant,
    last_sign: Instant,
    case_start: Instant,
    notes: Vec<String>,
    diagnostics: Vec<String>,
    cases: Cases,
    speeds: Vec<Speed>,
    done: bool,
    failure: Option<String>,
}

impl<'a> Session<'a> {
    fn new(
        running: Running,
        config: &'a Config<'a>,
        accel: &Accel,
        scenario: &Scenario,
        report: &'a Report,
        console: PathBuf,
    ) -> Result<Self> {
        let now = Instant::now();
        let script_log = File::create(console.with_file_name(SCRIPT_LOG)).context("cannot write the script's log")?;
        Ok(Self {
            running,
            host_commands: HostCommands::new(config),
            report,
            console,
            console_length: 0,
            script_log,
            idle_limit: accel.limit(scenario.idle),
            deadline: now + accel.limit(scenario.limit),
            last_sign: now,
            case_start: now,
            notes: Vec::new(),
            diagnostics: Vec::new(),
            cases: Cases::default(),
            speeds: Vec::new(),
            done: false,
            failure: None,
        })
    }

    /// Listens until the machine has ended or must be ended.
    fn follow(&mut self) -> Result<()> {
        loop {
            match self.running.lines.recv_timeout(TICK) {
                Ok(line) => {
                    self.last_sign = Instant::now();
                    writeln!(self.script_log, "{line}").context("cannot write the script's log")?;
                    self.line(&line)?;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.host_commands.tick(&mut self.running.qmp)?;
            self.failure = self.overdue();
            if self.failure.is_some() {
                self.running.child.kill();
                return Ok(());
            }
        }
        let status = self.running.child.wait()?;
        if !status.success() {
            self.failure =
                Some(format!("QEMU ended with {status}: {}", last_words(&self.console.with_file_name(QEMU_LOG))));
        } else if !self.done {
            self.failure = Some("the guest ended before its script did".into());
        }
        Ok(())
    }

    /// Why the machine must be ended now, if it must.
    fn overdue(&mut self) -> Option<String> {
        let length = fs::metadata(&self.console).map_or(0, |meta| meta.len());
        if length != self.console_length {
            self.console_length = length;
            self.last_sign = Instant::now();
        }
        let now = Instant::now();
        if now > self.deadline {
            return Some("the guest was ended: it took longer than this scenario may".into());
        }
        let idle = now.duration_since(self.last_sign) > self.idle_limit;
        idle.then(|| format!("the guest was ended: no sign of life for {} s", self.idle_limit.as_secs()))
    }

    fn line(&mut self, line: &str) -> Result<()> {
        match Line::parse(line) {
            Line::Plan(count) => *self.cases.planned.get_or_insert(0) += count,
            Line::Begin(name) => {
                self.case_start = Instant::now();
                self.notes.clear();
                self.diagnostics.clear();
                self.report.begin(&name);
            }
            Line::Note(text) => self.notes.push(text),
            Line::Diagnostic(text) | Line::Other(text) => self.diagnostics.push(text),
            Line::Result { ok, name, skip } => {
                let verdict = match (ok, skip) {
                    (true, Some(why)) => Verdict::Skipped(why),
                    (true, None) => Verdict::Passed,
                    (false, _) => Verdict::Failed,
                };
                let diagnostics = std::mem::take(&mut self.diagnostics);
                let notes = std::mem::take(&mut self.notes);
                let case = Case { name, verdict, duration: self.case_start.elapsed(), notes, diagnostics };
                self.report.case(&case);
                self.cases.ended.push(case);
            }
            Line::Host(request) => {
                let answer = self.host_commands.answer(&request, &mut self.running.qmp);
                self.running.answer(&answer)?;
            }
            Line::Fio(line) => self.speeds.extend(fio::parse(&line)),
            Line::Done => self.done = true,
        }
        Ok(())
    }

    /// Judges what was heard.
    fn finish(self) -> Result<Outcome> {
        let log = fs::read(&self.console).with_context(|| format!("cannot read {}", self.console.display()))?;
        let log = String::from_utf8_lossy(&log);
        let findings = logscan::scan(&log);
        if let Some(why) = &self.failure {
            self.report.trouble(why);
            for line in &self.diagnostics {
                println!("          {line}");
            }
            self.report.tail(&self.console, &log);
        }
        if let Some(why) = self.cases.missing() {
            self.report.trouble(&why);
        }
        self.report.log(&findings, &self.console);
        self.report.speeds(&self.speeds);
        Ok(Outcome { cases: self.cases, speeds: self.speeds, failure: self.failure, findings, console: self.console })
    }
}
