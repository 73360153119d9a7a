// SPDX-License-Identifier: GPL-2.0

//! Many boots up to user space, to see whether machine and emulator can be relied on.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::guest::ktap::Tally;
use crate::guest::{early, logscan};
use crate::machine::accel::{ALIVE, Accel};
use crate::machine::qemu::version;
use crate::machine::{CONSOLE_LOG, Host, Kernel, accel, image};
use crate::runner::bare::{Bare, Failure};
use crate::runner::report::seconds;
use crate::runner::{boot_dir, read_log, threads};

/// How many machines boot at a time, so that they are in each other's way as they are in the tests.
const AT_ONCE: usize = 3;
/// Longest time from the start of a machine to its end, on an emulated CPU and alone on the host.
const LIMIT: Duration = Duration::from_secs(180);
/// Virtual CPUs: the faults to be found need more than one.
const CPUS: u32 = 2;
/// How many boots pass between two lines that say how far it is.
const PROGRESS: usize = 25;

/// What a boot came to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    /// User space ran, the log has no complaint, and the machine went off.
    Good,
    /// It died of a breakpoint that nobody has set.
    TornCode,
    /// It never came to user space.
    StoodStill(String),
    /// Anything else.
    Bad(String),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Good => f.write_str("good"),
            Self::TornCode => f.write_str("int3 oops before user space"),
            Self::StoodStill(place) => write!(f, "stood still {place}"),
            Self::Bad(why) => f.write_str(why),
        }
    }
}

/// Boots `kernel` so many times and counts how it ended; every boot that was lost is shown and fails the run.
///
/// # Errors
///
/// When a machine could not be started at all.
pub fn run(host: &Host, kernel: &Kernel, count: usize) -> Result<Tally> {
    let start = Instant::now();
    let host = &Host { at_once: AT_ONCE, ..host.clone() };
    let accel = accel::probe(host, Some(kernel))?;
    image::build(host, kernel)?;
    println!(
        "{count} boots of the {} kernel, {} at a time, {CPUS} CPUs, {}, {}",
        kernel.name,
        host.at_once,
        accel.name(),
        version(&host.qemu)?
    );
    let numbers: Vec<usize> = (1..=count).collect();
    let made = AtomicUsize::new(0);
    let ends = threads::each(host, &numbers, |number| {
        let end = boot(host, kernel, &accel, *number)?;
        if end != End::Good {
            println!("  boot {number}: {end}");
        }
        let made = made.fetch_add(1, Ordering::Relaxed) + 1;
        if made % PROGRESS == 0 {
            println!("  {made} of {count}, {}", seconds(start.elapsed()));
        }
        Ok(end)
    })?;
    println!("{} kernel: {}, {}", kernel.name, summary(&ends), seconds(start.elapsed()));
    Ok(tally(&ends))
}

fn tally(ends: &[End]) -> Tally {
    let passed = ends.iter().filter(|end| **end == End::Good).count();
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Tally { passed: number(passed), failed: number(ends.len() - passed), skipped: 0 }
}

/// How many boots ended in each way.
fn summary(ends: &[End]) -> String {
    let kind = |end: &End| match end {
        End::Good => "good",
        End::TornCode => "int3 oops",
        End::StoodStill(_) => "stood still",
        End::Bad(_) => "otherwise bad",
    };
    let mut counts = BTreeMap::from([("good", 0), ("int3 oops", 0), ("stood still", 0), ("otherwise bad", 0)]);
    for end in ends {
        *counts.entry(kind(end)).or_insert(0) += 1;
    }
    let text = |name: &str| format!("{} {name}", counts.get(name).copied().unwrap_or(0));
    format!("{} boots: {}", ends.len(), ["good", "int3 oops", "stood still", "otherwise bad"].map(text).join(", "))
}

fn boot(host: &Host, kernel: &Kernel, accel: &Accel, number: usize) -> Result<End> {
    let boot = boot_dir(host, &format!("boots-{}-{number}", kernel.name))?;
    let initrd = image::build(host, kernel)?;
    let cmdline = "oops=panic vmtest.script=alive".into();
    let failure = Bare { kernel, accel, cpus: CPUS, initrd, cmdline, limit: LIMIT }.run(host, &boot)?;
    let end = judge(&read_log(&boot.join(CONSOLE_LOG))?, failure, &kernel.objdir);
    if end == End::Good {
        std::fs::remove_dir_all(&boot)?;
    }
    Ok(end)
}

/// How a boot ended that left `log`, and `failure` if the machine did not come to its proper end.
fn judge(log: &str, failure: Option<Failure>, objdir: &Path) -> End {
    let finding = logscan::scan(log).into_iter().next();
    if early::died_of_torn_code(log) {
        End::TornCode
    } else if let Some(finding) = finding {
        End::Bad(format!("{} in line {} of its log", finding.what, finding.line))
    } else if let Some(Failure { why, state }) = failure {
        match early::where_it_stands(log, &state, objdir) {
            Some(place) => End::StoodStill(place),
            None => End::Bad(why),
        }
    } else if log.contains(ALIVE) {
        End::Good
    } else {
        End::Bad("it ended before its first program did".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INIT: &str = "[    1.0] Run /init as init process\n";

    fn end(log: &str, failure: Option<&str>) -> End {
        let failure = failure.map(|why| Failure { why: why.to_owned(), state: String::new() });
        judge(log, failure, Path::new("/none"))
    }

    #[test]
    fn a_boot_is_good_only_if_user_space_ran_and_the_machine_went_off_without_complaint() {
        let alive = format!("{INIT}{ALIVE}\n");
        assert_eq!(end(&alive, None), End::Good);
        assert!(matches!(end(&alive, Some("did not end")), End::Bad(_)));
        assert!(matches!(end(&format!("{alive}BUG: x\n"), None), End::Bad(_)));
        assert!(matches!(end(INIT, None), End::Bad(_)));
    }

    #[test]
    fn a_lost_boot_is_told_by_how_it_was_lost() {
        assert_eq!(end("Oops: int3: 0000 [#1]\n", Some("x")), End::TornCode);
        assert!(matches!(end("one\n", Some("x")), End::StoodStill(place) if place.contains("`one`")));
        let ends = [End::Good, End::TornCode, End::Good, End::StoodStill("here".into())];
        assert_eq!(summary(&ends), "4 boots: 2 good, 1 int3 oops, 1 stood still, 0 otherwise bad");
        assert_eq!(tally(&ends), Tally { passed: 2, failed: 2, skipped: 0 });
    }
}
