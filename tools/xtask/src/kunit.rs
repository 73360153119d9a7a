// SPDX-License-Identifier: GPL-2.0
//! KUnit in user-mode Linux: the suites run at boot, and are judged as those of a virtual machine.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use vm::qemu::Child;
use vm::report::Report;
use vm::{Tally, kunit};

use crate::kernel::{Variant, Workshop, build};
use crate::progress::say;
use crate::project::variable;

/// The longest time a boot with all suites may take.
const LIMIT: Duration = Duration::from_secs(600);

/// Builds user-mode Linux and runs in it the suites that `FILTER=` names, or else all.
///
/// # Errors
///
/// The kernel cannot be built or started, or its output cannot be read as test results.
pub fn run_wanted(workshop: &Workshop) -> Result<Tally> {
    match variable("FILTER") {
        // Who chooses suites does not expect the others.
        Some(filter) => run(workshop, &filter, &[]),
        None => run_all(workshop),
    }
}

/// Builds user-mode Linux and runs all suites that are written in Rust.
///
/// # Errors
///
/// As for [`run_wanted`].
pub fn run_all(workshop: &Workshop) -> Result<Tally> {
    run(workshop, kunit::SUITES, &kunit::required(&workshop.project.repo, false)?)
}

/// Builds user-mode Linux and runs the suites that match `filter`; those that are `required` must be among them.
///
/// # Errors
///
/// As for [`run_wanted`].
pub fn run(workshop: &Workshop, filter: &str, required: &[String]) -> Result<Tally> {
    build::kernel(workshop, Variant::Um)?;
    say(&format!("running the KUnit suites {filter} in user-mode Linux"));
    let start = Instant::now();
    let console = workshop.project.log("kunit-um")?;
    let failure = boot(&workshop.objdir(Variant::Um).join("linux"), filter, &console)?;
    let report = Report::new(workshop.project.verbose);
    let tally = kunit::judge(&console, &workshop.tree.root, required, failure.as_deref(), &report)?;
    report.summary("kunit (user-mode Linux)", tally, start.elapsed());
    Ok(tally)
}

/// Boots the kernel and waits for its end. Returns why it had to be ended, if it had to.
fn boot(linux: &Path, filter: &str, console: &Path) -> Result<Option<String>> {
    let log = File::create(console).with_context(|| format!("cannot write {}", console.display()))?;
    let errors = log.try_clone()?;
    // Two CPUs need the seccomp mode; the console goes to our log.
    let mut args: Vec<String> =
        ["mem=1G", "ncpus=2", "seccomp=on", "con=null", "con0=fd:0,fd:1", "panic=-1", "oops=panic"]
            .map(str::to_owned)
            .into();
    args.extend(["kunit.enable=1", "kunit.autorun=1", "kunit_shutdown=halt"].map(str::to_owned));
    args.push(format!("kunit.filter_glob={filter}"));
    // The console polls its input, which neither a file nor /dev/null allows; nothing is ever written here.
    let (_input, its_input) = UnixStream::pair()?;
    let mut child = Child::spawn(linux, &args, |command| {
        command.stdin(OwnedFd::from(its_input)).stdout(log).stderr(errors);
    })?;
    Ok(match child.wait_for(LIMIT)? {
        Some(status) if status.success() => None,
        Some(status) => Some(format!("user-mode Linux ended with {status}")),
        None => Some(format!("the suites did not end within {} s", LIMIT.as_secs())),
    })
}
