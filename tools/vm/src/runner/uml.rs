// SPDX-License-Identifier: GPL-2.0

//! User-mode Linux with test devices: a block device of ours that does what QEMU's does not.
//!
//! The scripts, their protocol and the judgement of the kernel log are those of the machines in QEMU. The guest
//! sees the host's directories by hostfs, as its transport for virtio is taken up by the devices under test.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::guest::ktap::Tally;
use crate::machine::uml::{Config, Device, Devices, UmlGuest};
use crate::machine::{CONSOLE_LOG, Console, Host, Kernel, image};
use crate::runner::report::Report;
use crate::runner::session::{Limits, Session};
use crate::runner::{Outcome, boot_dir, judge, side_by_side};
use crate::scenario::uml::{Scenario, all};
use crate::scenario::{Overrides, words_for_init};

/// Runs every scenario.
///
/// # Errors
///
/// When a machine could not be started at all.
pub fn test(host: &Host, kernel: &Kernel) -> Result<Tally> {
    run_all(host, kernel, &all())
}

/// Runs the scenario of this name.
///
/// # Errors
///
/// As for [`test`], and when there is none.
pub fn test_one(host: &Host, kernel: &Kernel, name: &str) -> Result<Tally> {
    let scenarios: Vec<_> = all().into_iter().filter(|scenario| scenario.name == name).collect();
    ensure!(!scenarios.is_empty(), "there is no scenario `{name}` for user-mode Linux");
    run_all(host, kernel, &scenarios)
}

fn run_all(host: &Host, kernel: &Kernel, scenarios: &[Scenario]) -> Result<Tally> {
    let start = Instant::now();
    image::build(host, kernel)?;
    let tally = side_by_side(host, scenarios, |scenario, report| {
        Ok(boot(host, kernel, scenario, &Overrides::default(), report)?.tally().without_skips())
    })?;
    Report::new(host.verbose).summary("user-mode Linux", tally, start.elapsed());
    Ok(tally)
}

/// Boots `kernel` for `scenario` and reports as it goes.
///
/// # Errors
///
/// When the machine or one of its devices could not be started.
pub fn run(host: &Host, kernel: &Kernel, scenario: &Scenario, overrides: &Overrides) -> Result<Outcome> {
    boot(host, kernel, scenario, overrides, &Report::new(host.verbose))
}

fn boot(host: &Host, kernel: &Kernel, scenario: &Scenario, overrides: &Overrides, report: &Report) -> Result<Outcome> {
    let boot = boot_dir(host, scenario.name)?;
    let what =
        Boot { script: scenario.script, vars: &scenario.vars, devices: &scenario.devices, memory: scenario.memory };
    let machine = format!("{} kernel, user-mode Linux, {} MiB", kernel.name, scenario.memory);
    report.boot(scenario.name, scenario.about, &machine);
    let (guest, console) = start(host, kernel, &what, overrides, &boot)?;
    let limit = host.patience(scenario.limit);
    let limits = Limits { whole: limit, idle: limit, early_idle: limit, slowness: host.slowness() };
    let mut session = Session::new(guest, limits, report, &boot, &kernel.objdir)?;
    let failure = session.follow()?;
    judge(session.into_transcript(), None, failure, console, report)
}

/// What is to be booted.
pub(crate) struct Boot<'a> {
    /// Guest script, without `.sh`.
    pub(crate) script: &'a str,
    /// Variables of the script.
    pub(crate) vars: &'a [(&'static str, String)],
    /// The devices.
    pub(crate) devices: &'a [Device],
    /// Memory in MiB.
    pub(crate) memory: u32,
}

/// Starts a machine whose files are in the directory `boot`, and returns it and where its kernel's log is.
pub(crate) fn start(
    host: &Host,
    kernel: &Kernel,
    what: &Boot<'_>,
    overrides: &Overrides,
    boot: &Path,
) -> Result<(UmlGuest, PathBuf)> {
    let devices = Devices::start(what.devices, boot)?;
    let words = words_for_init(what.script, what.vars, &[("disks", devices.map())], overrides);
    let console = boot.join(CONSOLE_LOG);
    let config = Config {
        linux: &program(kernel)?,
        initrd: &image::build(host, kernel)?,
        memory: what.memory,
        objdir: &kernel.objdir,
        guest: &link(boot, "guest", &host.guest_dir())?,
        outside: None,
        words: &words,
        console: Console::Log(console.clone()),
    };
    Ok((UmlGuest::start(&config, &console, devices)?, console))
}

/// The kernel, which is a program.
pub(crate) fn program(kernel: &Kernel) -> Result<PathBuf> {
    let linux = kernel.objdir.join("linux");
    if !linux.is_file() {
        bail!("there is no kernel {}", linux.display());
    }
    Ok(linux)
}

/// Makes a link in `boot` to a directory of the host. The guest's first program reads its path as one word, and what it
/// leads to may be anywhere.
pub(crate) fn link(boot: &Path, name: &str, dir: &Path) -> Result<PathBuf> {
    let link = boot.join(name);
    symlink(dir, &link).with_context(|| format!("cannot make {}", link.display()))?;
    Ok(link)
}
