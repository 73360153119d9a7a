// SPDX-License-Identifier: GPL-2.0

//! KUnit at boot, judged by the kernel's own parser.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ignore::Walk;
use regex::Regex;
use serde_json::{Value, json};

use crate::guest::ktap::Tally;
use crate::guest::{early, logscan};
use crate::machine::accel::Accel;
use crate::machine::{CONSOLE_LOG, Host, Kernel, accel};
use crate::runner::bare::{Bare, Failure};
use crate::runner::report::Report;
use crate::runner::{boot_dir, read_log, unless_emulator_failed};

/// The suites: those of this project, upstream's Rust ones, and the documentation's examples.
pub const SUITES: &str = "rust_*";
/// What must be among them, by the beginning of a suite's name: a kernel built without them would pass in silence.
pub const REQUIRED: &[&str] = &[
    "rust_virtio",
    "rust_blk_mq",
    "rust_device_scope",
    "rust_irq",
    "rust_workqueue",
    "rust_net",
    "rust_doctests_kernel",
];
/// What must be on a machine with PCI beside the suites of the checkout.
const DOCTESTS: &str = "rust_doctests_kernel";
/// Virtual CPUs: with two, a request that is looked for on the wrong hardware queue can still be found.
const CPUS: u32 = 3;
/// Longest time for the boot, on an emulated CPU.
const LIMIT: Duration = Duration::from_secs(600);

/// Boots `kernel` so that it runs its KUnit suites and ends; shows and counts the cases.
///
/// # Errors
///
/// When the machine or the parser could not be started.
pub fn boot(host: &Host, kernel: &Kernel, report: &Report) -> Result<Tally> {
    let mut suites = suites(&host.repo)?;
    suites.push(DOCTESTS.to_owned());
    let required: Vec<&str> = suites.iter().map(String::as_str).collect();
    boot_suites(host, kernel, SUITES, &required, report)
}

/// The names of the suites of a checkout.
///
/// # Errors
///
/// A file cannot be read.
pub fn suites(repo: &Path) -> Result<Vec<String>> {
    let name = Regex::new(r"(?m)^#\[(?:macros::)?kunit_tests\((\w+)\)\]$")?;
    let mut suites = Vec::new();
    for entry in Walk::new(repo.join("rust")) {
        let entry = entry?;
        if entry.path().extension().is_some_and(|extension| extension == "rs") {
            let text =
                fs::read_to_string(entry.path()).with_context(|| format!("cannot read {}", entry.path().display()))?;
            suites.extend(name.captures_iter(&text).map(|found| found[1].to_owned()));
        }
    }
    Ok(suites)
}

/// Does the same with the suites that match `suites`; those that are `required` must be among them.
///
/// # Errors
///
/// As for [`boot`].
pub fn boot_suites(host: &Host, kernel: &Kernel, suites: &str, required: &[&str], report: &Report) -> Result<Tally> {
    let start = Instant::now();
    let accel = accel::probe(host, Some(kernel))?;
    report.boot(
        "kunit",
        "the KUnit suites and the documentation's examples",
        &format!("{} kernel, {}", kernel.name, accel.name()),
    );
    let boot = host.work.join(boot_name(kernel));
    let at_risk = early::tears_code(host, &accel, CPUS);
    let console = boot.join(CONSOLE_LOG);
    let is_sound = |_: &_| read_log(&console).is_ok_and(|log| !has_failed(&log));
    let failure =
        unless_emulator_failed(at_risk, &boot, report, is_sound, || run_to_end(host, kernel, &accel, suites))?;
    let tally = judge(&console, &kernel.srcdir, required, failure.as_deref(), report)?;
    report.summary(&format!("kunit ({} kernel)", kernel.name), tally, start.elapsed());
    Ok(tally)
}

/// Whether a case has failed, as far as a log goes.
fn has_failed(log: &str) -> bool {
    log.lines().any(|line| line.contains("not ok "))
}

/// The name of a boot that runs suites on `kernel`.
fn boot_name(kernel: &Kernel) -> String {
    format!("kunit-{}", kernel.name)
}

/// The kernel log of the last such boot.
pub fn console(host: &Host, kernel: &Kernel) -> PathBuf {
    host.work.join(boot_name(kernel)).join(CONSOLE_LOG)
}

/// Judges and shows a boot that ran suites: its kernel log, its end, the cases, and that `required` suites ran.
///
/// `srcdir` is the kernel's source, `failure` why the boot did not come to its proper end, if it did not.
///
/// # Errors
///
/// When the log cannot be read or the parser cannot be started.
pub fn judge(
    console: &Path,
    srcdir: &Path,
    required: &[&str],
    failure: Option<&str>,
    report: &Report,
) -> Result<Tally> {
    let bytes = fs::read(console).with_context(|| format!("cannot read {}", console.display()))?;
    let log = String::from_utf8_lossy(&bytes);
    // First, as a kernel that crashed may leave nothing that could be parsed.
    let findings = logscan::scan(&log);
    report.log(&findings, console);
    if let Some(why) = failure {
        report.trouble(why);
        report.tail(console, &log);
    }
    let (result, text) = parse(srcdir, console)?;
    let mut tally = count(&result)?;
    let absent = absent(&result, required);
    for suite in &absent {
        report.trouble(&format!("no suite {suite}* ran: is it in the kernel's configuration?"));
    }
    if tally.failed > 0 {
        report.lines(&[text]);
    } else {
        report.detail(&text);
    }
    tally.failed += u32::try_from(absent.len())? + u32::from(failure.is_some()) + u32::from(!findings.is_empty());
    Ok(tally)
}

/// Runs the machine until it powers off. Returns why it had to be ended, if it had to.
fn run_to_end(host: &Host, kernel: &Kernel, accel: &Accel, suites: &str) -> Result<Option<String>> {
    let boot = boot_dir(host, &boot_name(kernel))?;
    let cmdline =
        format!("oops=panic kunit.enable=1 kunit.autorun=1 kunit.filter_glob={suites} kunit_shutdown=poweroff");
    let bare = Bare { kernel, accel, cpus: CPUS, initrd: None, cmdline, limit: LIMIT };
    let Some(Failure { why, state }) = bare.run(host, &boot)? else { return Ok(None) };
    let stands = early::where_it_stands(&read_log(&boot.join(CONSOLE_LOG))?, &state, &kernel.objdir);
    Ok(Some(format!("{why}{}", stands.map(|stands| format!(", {stands}")).unwrap_or_default())))
}

/// Lets `kunit.py parse` read a log. Returns its JSON, and its text for people.
fn parse(srcdir: &Path, console: &Path) -> Result<(Value, String)> {
    let json = console.with_extension("json");
    if json.exists() {
        fs::remove_file(&json)?;
    }
    let output = Command::new("python3")
        .arg("-B")
        .arg(srcdir.join("tools/testing/kunit/kunit.py"))
        .arg("parse")
        .arg(format!("--json={}", json.display()))
        .arg(console)
        .output()
        .context("cannot run python3 for the kernel's kunit.py")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    // Without a single test the parser writes no usable file; its text says why.
    let Ok(result) = fs::read_to_string(&json) else { return Ok((no_case(), text)) };
    Ok((serde_json::from_str(&result).context("kunit.py's JSON")?, text))
}

/// The numbers in `kunit.py`'s JSON. A crashed case has failed, and an error of the log itself counts as one.
fn count(result: &Value) -> Result<Tally> {
    let number = |name: &str| -> Result<u32> {
        let number = result["misc"][name].as_u64().with_context(|| format!("kunit.py's JSON has no `{name}`"))?;
        Ok(u32::try_from(number)?)
    };
    let (passed, skipped) = (number("passed")?, number("skipped")?);
    let failed = number("failed")? + number("crashed")? + number("errors")?;
    let none = u32::from(passed + failed + skipped == 0);
    Ok(Tally { passed, failed: failed + none, skipped })
}

/// What the parser would say of a log without any case.
fn no_case() -> Value {
    json!({ "misc": { "passed": 0, "failed": 0, "crashed": 0, "skipped": 0, "errors": 0 } })
}

/// The required suites of which no case ran.
fn absent<'a>(result: &Value, required: &[&'a str]) -> Vec<&'a str> {
    let ran = |prefix: &str| {
        list(result, "sub_groups").iter().any(|suite| {
            suite["name"].as_str().is_some_and(|name| name.starts_with(prefix))
                && list(suite, "test_cases").iter().any(|case| case["status"] != "SKIP")
        })
    };
    required.iter().copied().filter(|prefix| !ran(prefix)).collect()
}

/// The list `key` of `value`, empty if there is none.
fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(passed: u32, failed: u32, crashed: u32, errors: u32) -> Value {
        json!({ "misc": {
            "passed": passed, "failed": failed, "crashed": crashed, "skipped": 1, "errors": errors,
        } })
    }

    #[test]
    fn crashes_and_errors_count_as_failures() {
        assert_eq!(count(&result(5, 1, 2, 3)).unwrap(), Tally { passed: 5, failed: 6, skipped: 1 });
    }

    #[test]
    fn a_log_without_any_test_has_failed() {
        assert_eq!(count(&no_case()).unwrap().failed, 1);
    }

    #[test]
    fn a_required_suite_that_did_not_run_is_missed() {
        let suite = |name: &str, status: &str| json!({ "name": name, "test_cases": [{ "status": status }] });
        let some = json!({ "sub_groups": [
            suite("rust_virtio_queue", "FAIL"),
            suite("rust_virtio_pci", "SKIP"),
            suite("rust_device_scope", "PASS"),
            suite("rust_irq_scoped", "PASS"),
            suite("rust_workqueue_scoped", "PASS"),
            suite("rust_dma_streaming", "PASS"),
            suite("rust_pci_lifecycle", "PASS"),
            suite("rust_net_device", "PASS"),
            suite("rust_net_hostile", "FAIL"),
            suite("rust_doctests_kernel", "PASS"),
        ] });
        assert_eq!(absent(&some, REQUIRED), ["rust_blk_mq"]);
        assert_eq!(absent(&some, &["rust_virtio_pci", "rust_net_hostile"]), ["rust_virtio_pci"]);
        assert_eq!(absent(&json!({}), REQUIRED), REQUIRED);
        assert!(absent(&json!({}), &[]).is_empty());
    }

    #[test]
    fn the_suites_of_the_checkout_are_found() {
        let suites = suites(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap();
        for suite in ["rust_virtio_queue", "rust_blk_mq_death", "rust_pci_lifecycle", "rust_sync_spsc"] {
            assert!(suites.iter().any(|known| known == suite), "{suite}");
        }
    }

    #[test]
    fn a_case_that_fails_is_seen_before_the_end() {
        assert!(has_failed("[    1.0]     ok 1 a\n[    1.1]     not ok 2 b\n[    1.2] Oops: int3"));
        assert!(!has_failed("[    1.0]     ok 1 a\n"));
    }

    #[test]
    fn json_of_another_shape_is_an_error() {
        assert!(count(&json!({})).is_err());
    }
}
