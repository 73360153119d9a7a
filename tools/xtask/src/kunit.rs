// SPDX-License-Identifier: GPL-2.0
//! KUnit in user-mode Linux: the suites run at boot, and are judged as those of a virtual machine.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use vm::report::Report;
use vm::{Tally, kunit};

use crate::kernel::{Variant, Workshop, build};
use crate::progress::say;
use crate::project::variable;

/// The longest time a boot with all suites may take.
const LIMIT: Duration = Duration::from_secs(600);

/// Builds user-mode Linux and runs the suites in it: all that are written in Rust, unless `FILTER=` says otherwise.
///
/// # Errors
///
/// The kernel cannot be built or started, or its output cannot be read as test results.
pub fn run(workshop: &Workshop) -> Result<Tally> {
    build::kernel(workshop, Variant::Um)?;
    let chosen = variable("FILTER");
    // Who chooses suites does not expect the others.
    let required = if chosen.is_some() { &[] } else { kunit::REQUIRED };
    let filter = chosen.unwrap_or_else(|| kunit::SUITES.to_string());
    say(&format!("running the KUnit suites {filter} in user-mode Linux"));
    let start = Instant::now();
    let console = workshop.project.log("kunit-um")?;
    let failure = boot(&workshop.objdir(Variant::Um).join("linux"), &filter, &console)?;
    let report = Report::new(workshop.project.verbose);
    let tally = kunit::judge(&console, &workshop.tree.root, required, failure.as_deref(), &report)?;
    report.summary("kunit (user-mode Linux)", tally, start.elapsed());
    Ok(tally)
}

/// Boots the kernel and waits for its end. Returns why it had to be ended, if it had to.
fn boot(linux: &Path, filter: &str, console: &Path) -> Result<Option<String>> {
    let log = File::create(console).with_context(|| format!("cannot write {}", console.display()))?;
    let errors = log.try_clone()?;
    let mut child = Command::new(linux)
        // Two CPUs need the seccomp mode; the console goes to our log.
        .args(["mem=1G", "ncpus=2", "seccomp=on", "con=null", "con0=fd:0,fd:1", "panic=-1", "oops=panic"])
        .args(["kunit.enable=1", "kunit.autorun=1", "kunit_shutdown=halt"])
        .arg(format!("kunit.filter_glob={filter}"))
        // The console polls its input, which neither a file nor /dev/null allows; nothing is ever written here.
        .stdin(Stdio::piped())
        .stdout(log)
        .stderr(errors)
        .spawn()
        .with_context(|| format!("cannot start {}", linux.display()))?;
    let input = child.stdin.take();
    let started = Instant::now();
    let trouble = loop {
        if let Some(status) = child.try_wait()? {
            break (!status.success()).then(|| format!("user-mode Linux ended with {status}"));
        }
        if started.elapsed() > LIMIT {
            child.kill()?;
            child.wait()?;
            break Some(format!("the suites did not end within {} s", LIMIT.as_secs()));
        }
        thread::sleep(Duration::from_millis(50));
    };
    drop(input);
    Ok(trouble)
}
