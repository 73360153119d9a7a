// SPDX-License-Identifier: GPL-2.0
//! KUnit in user-mode Linux: the suites run at boot, and the kernel's own parser reads the result.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use vm::{Tally, logscan};

use crate::kernel::{Variant, Workshop, build};
use crate::progress::{read_lossy, say};
use crate::project::variable;

/// The suites that run unless `FILTER=` says otherwise: all that are written in Rust.
const SUITES: &str = "rust_*";

/// The longest time a boot with all suites may take.
const LIMIT: Duration = Duration::from_secs(600);

/// Builds user-mode Linux and runs the suites in it.
///
/// # Errors
///
/// The kernel cannot be built or started, or its output cannot be read as test results.
pub fn run(workshop: &Workshop) -> Result<Tally> {
    build::kernel(workshop, Variant::Um)?;
    let filter = variable("FILTER").unwrap_or_else(|| SUITES.to_string());
    say(&format!("running the KUnit suites {filter} in user-mode Linux"));
    let console = workshop.project.log("kunit-um")?;
    let trouble = boot(&workshop.objdir(Variant::Um).join("linux"), &filter, &console)?;
    let text = read_lossy(&console);
    let (mut tally, report) = parse(&workshop.tree.root, &console)?;
    let findings = logscan::scan(&text);
    tally.failed += u32::from(trouble.is_some()) + u32::try_from(findings.len())?;
    if tally.failed > 0 || workshop.project.verbose {
        println!("{report}");
    }
    for finding in &findings {
        println!("line {} of the kernel log: {}", finding.line, finding.what);
        finding.context.iter().for_each(|line| println!("    {line}"));
    }
    if let Some(trouble) = trouble {
        println!("{trouble}");
    }
    let Tally { passed, failed, skipped } = tally;
    say(&format!("KUnit: {passed} passed, {failed} failed, {skipped} skipped; kernel log: {}", console.display()));
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

/// Lets the kernel's parser read a log. Returns its numbers, and its text for people.
fn parse(tree: &Path, console: &Path) -> Result<(Tally, String)> {
    let json = console.with_extension("json");
    if json.exists() {
        fs::remove_file(&json)?;
    }
    let output = Command::new("python3")
        .arg("-B")
        .arg(tree.join("tools/testing/kunit/kunit.py"))
        .arg("parse")
        .arg(format!("--json={}", json.display()))
        .arg(console)
        .output()
        .context("cannot run the kernel's kunit.py with python3")?;
    let report = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let Ok(text) = fs::read_to_string(&json) else {
        bail!("kunit.py found no test results in {}:\n{report}", console.display());
    };
    Ok((count(&serde_json::from_str(&text)?)?, report))
}

/// The numbers in the parser's result. A crash and an error of the log itself are failures, and so is a log
/// without a single case.
fn count(result: &Value) -> Result<Tally> {
    let number = |name: &str| -> Result<u32> {
        let value = &result["misc"][name];
        Ok(u32::try_from(value.as_u64().with_context(|| format!("kunit.py's result has no `{name}`"))?)?)
    };
    let (passed, skipped) = (number("passed")?, number("skipped")?);
    let failed = number("failed")? + number("crashed")? + number("errors")?;
    let nothing = u32::from(passed + failed + skipped == 0);
    Ok(Tally { passed, failed: failed + nothing, skipped })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn crashes_and_log_errors_are_failures() {
        let result = json!({"misc": {"passed": 4, "failed": 1, "crashed": 2, "errors": 3, "skipped": 5}});
        assert_eq!(count(&result).unwrap(), Tally { passed: 4, failed: 6, skipped: 5 });
    }

    #[test]
    fn a_log_without_cases_has_failed() {
        let result = json!({"misc": {"passed": 0, "failed": 0, "crashed": 0, "errors": 0, "skipped": 0}});
        assert_eq!(count(&result).unwrap().failed, 1);
    }

    #[test]
    fn a_result_of_another_shape_is_an_error() {
        assert!(count(&json!({"misc": {}})).is_err());
    }
}
