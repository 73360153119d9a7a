// SPDX-License-Identifier: GPL-2.0

//! KUnit at boot, judged by the kernel's own parser.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ignore::WalkBuilder;
use regex::Regex;
use serde_json::{Value, json};

use crate::guest::ktap::Tally;
use crate::guest::{early, logscan};
use crate::machine::accel::Accel;
use crate::machine::{CONSOLE_LOG, Host, Kernel, accel, image};
use crate::runner::bare::{Bare, Failure};
use crate::runner::report::Report;
use crate::runner::{boot_dir, read_log, unless_emulator_failed};
use crate::scenario::Flavour;

/// The suites: those of this project, upstream's Rust ones, and the documentation's examples.
pub const SUITES: &str = "rust_*";
/// The examples of the documentation.
const DOCTESTS: &str = "rust_doctests_kernel";
/// The beginnings of the names of suites that need a machine with PCI and DMA.
const OF_PCI: [&str; 5] = ["rust_dma_", "rust_net_hostile", "rust_net_mapped", "rust_pci_", "rust_virtio_pci"];
/// Virtual CPUs: with two, a request that is looked for on the wrong hardware queue can still be found.
const CPUS: u32 = 3;
/// What the guest's init says when it has looked for memory that nobody refers to any more.
const SEARCHED: &str = "vmtest: leaks were searched for";
/// The option of a kernel that can look for it.
const CAN_SEARCH: &str = "CONFIG_DEBUG_KMEMLEAK=y";
/// The status of a case that did not run.
const SKIPPED: &str = "SKIP";
/// Longest time for the boot, on an emulated CPU.
const LIMIT: Duration = Duration::from_secs(600);

/// Boots `kernel` so that it runs its KUnit suites, looks for leaks if it can, and ends; shows and counts the cases.
///
/// # Errors
///
/// When the machine or the parser could not be started.
pub fn boot(host: &Host, kernel: &Kernel, report: &Report) -> Result<Tally> {
    boot_suites(host, kernel, SUITES, &required(&host.repo, true)?, report)
}

/// The suites that must run in a kernel of a checkout, as one that was built without them would pass in silence.
///
/// # Errors
///
/// There is no suite, or as for [`suites`].
pub fn required(repo: &Path, has_pci: bool) -> Result<Vec<String>> {
    let mut required = suites(repo)?;
    ensure!(!required.is_empty(), "there is no suite in {}", repo.display());
    required.retain(|suite| has_pci || !OF_PCI.iter().any(|beginning| suite.starts_with(beginning)));
    required.push(DOCTESTS.to_owned());
    Ok(required)
}

/// The names of the suites of a checkout.
///
/// # Errors
///
/// A file cannot be read.
pub fn suites(repo: &Path) -> Result<Vec<String>> {
    let name = Regex::new(r"(?m)^#\[(?:macros::)?kunit_tests\((\w+)\)\]$")?;
    let mut suites = Vec::new();
    // What is ignored above the checkout or by the user counts nevertheless.
    for entry in WalkBuilder::new(repo.join("rust")).standard_filters(false).build() {
        let entry = entry?;
        if entry.path().extension().is_some_and(|extension| extension == "rs") {
            let text =
                fs::read_to_string(entry.path()).with_context(|| format!("cannot read {}", entry.path().display()))?;
            suites.extend(name.captures_iter(&text).map(|found| found[1].to_owned()));
        }
    }
    Ok(suites)
}

/// Boots `kernel` so that it runs the suites that match `suites`; those that are `required` must be among them.
///
/// # Errors
///
/// As for [`boot`].
pub fn boot_suites(host: &Host, kernel: &Kernel, suites: &str, required: &[String], report: &Report) -> Result<Tally> {
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
    let failure = match failure {
        None => unsearched(&fs::read_to_string(kernel.objdir.join(".config"))?, &read_log(&console)?),
        failed => failed,
    };
    let tally = judge(&console, &kernel.srcdir, required, failure.as_deref(), report)?;
    // On the kernel with every checker each case can be run.
    let tally = if kernel.name == Flavour::Debug.name() { tally.without_skips() } else { tally };
    report.summary(&format!("kunit ({} kernel)", kernel.name), tally, start.elapsed());
    Ok(tally)
}

/// What is wrong if a kernel of that configuration could have looked for leaks, and its log does not say that it has.
fn unsearched(config: &str, log: &str) -> Option<String> {
    let can = config.lines().any(|line| line == CAN_SEARCH);
    (can && !log.contains(SEARCHED)).then(|| "nobody has looked for leaks".to_owned())
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
    required: &[String],
    failure: Option<&str>,
    report: &Report,
) -> Result<Tally> {
    let bytes = fs::read(console).with_context(|| format!("cannot read {}", console.display()))?;
    let log = String::from_utf8_lossy(&bytes);
    // First, as a kernel that crashed may leave nothing that could be parsed. The suites have devices that fail.
    let findings = logscan::scan_but(&log, &[logscan::DEVICE]);
    report.log(&findings, console);
    if let Some(why) = failure {
        report.trouble(why);
        report.tail(console, &log);
    }
    let (result, text) = parse(srcdir, console)?;
    let mut tally = count(&result)?;
    let absent = absent(&result, required);
    for suite in &absent {
        report.trouble(&format!("no suite {suite} ran: is it in the kernel's configuration?"));
    }
    report.lines(&skipped(&result));
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
    let cmdline = format!("oops=panic kunit.enable=1 kunit.autorun=1 kunit.filter_glob={suites} vmtest.script=leaks");
    let initrd = image::build(host, kernel)?;
    let bare = Bare { kernel, accel, cpus: CPUS, initrd, cmdline, limit: LIMIT };
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
fn absent<'a>(result: &Value, required: &'a [String]) -> Vec<&'a str> {
    let ran = |name: &str| {
        list(result, "sub_groups").iter().any(|suite| {
            suite["name"] == name && list(suite, "test_cases").iter().any(|case| case["status"] != SKIPPED)
        })
    };
    required.iter().map(String::as_str).filter(|name| !ran(name)).collect()
}

/// A line for each case that was skipped.
fn skipped(result: &Value) -> Vec<String> {
    let of_suite = |suite: &Value| {
        let skipped = list(suite, "test_cases").iter().filter(|case| case["status"] == SKIPPED);
        let name = |value: &Value| value["name"].as_str().unwrap_or_default().to_owned();
        skipped.map(|case| format!("skipped: {} of {}", name(case), name(suite))).collect::<Vec<_>>()
    };
    list(result, "sub_groups").iter().flat_map(of_suite).collect()
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
        let suite =
            |name: &str, status: &str| json!({ "name": name, "test_cases": [{ "name": "c", "status": status }] });
        let some = json!({ "sub_groups": [
            suite("rust_virtio_queue", "FAIL"),
            suite("rust_virtio_pci", "SKIP"),
            suite("rust_blk_mq_limits_update", "PASS"),
        ] });
        let required = ["rust_virtio_queue", "rust_virtio_pci", "rust_blk_mq_limits"].map(str::to_owned);
        assert_eq!(absent(&some, &required), ["rust_virtio_pci", "rust_blk_mq_limits"]);
        assert_eq!(absent(&json!({}), &required), required);
        assert!(absent(&json!({}), &[]).is_empty());
        assert_eq!(skipped(&some), ["skipped: c of rust_virtio_pci"]);
        assert!(skipped(&json!({})).is_empty());
    }

    #[test]
    fn only_suites_of_pci_may_be_absent_from_user_mode_linux() {
        let repo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let [everywhere, with_pci] = [false, true].map(|has_pci| required(&repo, has_pci).unwrap());
        assert!(with_pci.iter().any(|suite| suite == "rust_pci_lifecycle"));
        assert!(!everywhere.iter().any(|suite| suite == "rust_pci_lifecycle"));
        for suite in ["rust_virtio_queue", "rust_blk_mq_limits", DOCTESTS] {
            assert!(everywhere.iter().any(|known| known == suite), "{suite}");
        }
    }

    #[test]
    fn the_suites_of_the_checkout_are_found() {
        let suites = suites(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap();
        for suite in ["rust_virtio_queue", "rust_blk_mq_death", "rust_pci_lifecycle", "rust_sync_spsc"] {
            assert!(suites.iter().any(|known| known == suite), "{suite}");
        }
    }

    #[test]
    fn a_kernel_that_can_find_leaks_has_to_look_for_them() {
        let (can, cannot) = (format!("CONFIG_A=y\n{CAN_SEARCH}\n"), "# CONFIG_DEBUG_KMEMLEAK is not set\n");
        assert!(unsearched(&can, "[    1.0] ok 1 a\n").is_some());
        assert_eq!(unsearched(&can, &format!("[    1.0] ok 1 a\n{SEARCHED}\n")), None);
        assert_eq!(unsearched(cannot, ""), None);
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
