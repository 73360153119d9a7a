// SPDX-License-Identifier: GPL-2.0
//! `make provoke`: a mutant on the kernel with every checker, to see what the checkers say.

use std::fs;

use anyhow::{Context, Result, ensure};
use vm::{Tally, kunit, report::Report};

use super::patch::{self, Mutant, Suite};
use super::tree::Planted;
use super::{chosen, read};
use crate::guest;
use crate::kernel::{Variant, Workshop, build};
use crate::lock::GuestLock;
use crate::progress::say;
use crate::project::variable;

/// How reports of the kernel's checkers begin.
const BEGINNINGS: [&str; 4] = ["BUG: ", "WARNING: ", "INFO: ", "unreferenced object"];

/// The longest report that is shown.
const MOST_LINES: usize = 80;

/// Builds the kernel with the one mutant that `MUTANTS=` names, runs its KUnit suites there, and shows what the first
/// checker says that notices it; `false` if none does.
///
/// # Errors
///
/// There is no such mutant, it is not one that KUnit notices, or the kernel cannot be built or run.
pub fn provoke(workshop: &Workshop) -> Result<bool> {
    let wanted = variable("MUTANTS").context("which mutant? make provoke MUTANTS=interrupt-stays")?;
    let mutant = &one(patch::all(&workshop.project.repo)?, &wanted)?;
    let (Suite::Kunit(filter) | Suite::Debug(filter)) = &mutant.red else {
        anyhow::bail!("{} is not noticed by KUnit, but by {:?}", mutant.name, mutant.red);
    };
    let _lock = GuestLock::take(&workshop.project, "run")?;
    say(&format!("mutant {}: breaks {}", mutant.name, mutant.breaks));
    let planted = {
        let changed = mutant.apply(|file| read(&workshop.project.repo, file))?;
        Planted::new(&workshop.project.repo, &workshop.project.build, &workshop.tree.root, &changed)?
    };
    build::kernel(workshop, Variant::Debug)?;
    run(workshop, filter)?;
    drop(planted);
    let (host, kernel) = machine(workshop);
    let console = kunit::console(&host, &kernel);
    let log = fs::read(&console).with_context(|| format!("cannot read {}", console.display()))?;
    let log = String::from_utf8_lossy(&log);
    let report = report(&log);
    report.iter().for_each(|line| println!("{line}"));
    say(&format!("the whole log: {}", console.display()));
    say("the next build takes the mutant out of the kernel");
    Ok(!report.is_empty())
}

/// The mutant of this name, or else the only one with this in its name.
fn one(mutants: Vec<Mutant>, wanted: &str) -> Result<Mutant> {
    if let Some(exact) = mutants.iter().find(|mutant| mutant.name == wanted) {
        return Ok(exact.clone());
    }
    let mut alike = chosen(mutants, wanted);
    ensure!(alike.len() == 1, "MUTANTS={wanted} names {} mutants, not one", alike.len());
    Ok(alike.remove(0))
}

/// Runs KUnit suites on the kernel with every checker, as it was built.
pub fn run(workshop: &Workshop, filter: &str) -> Result<Tally> {
    let (host, kernel) = machine(workshop);
    kunit::boot_suites(&host, &kernel, filter, &[], &Report::new(workshop.project.verbose))
}

fn machine(workshop: &Workshop) -> (vm::Host, vm::Kernel) {
    (guest::host(&workshop.project), guest::kernel(&workshop.project, &workshop.tree, Variant::Debug))
}

/// The first report of a checker in a log, without time stamps.
fn report(log: &str) -> Vec<&str> {
    let lines: Vec<&str> = log.lines().map(|line| text(line.trim_end())).collect();
    let begins = |line: &&str| BEGINNINGS.iter().any(|beginning| line.starts_with(beginning));
    let Some(start) = lines.iter().position(begins) else {
        return Vec::new();
    };
    // KUnit's own lines go on where a report ends.
    let is_other = |line: &&&str| line.trim_start().starts_with("ok ") || line.trim_start().starts_with("not ok ");
    lines[start..].iter().take(MOST_LINES).take_while(|line| !is_other(line)).copied().collect()
}

/// A line of a kernel log without its time, and without the thread that has printed it.
fn text(line: &str) -> &str {
    let mut rest = line;
    for open in ['[', '['] {
        let stamp = rest.strip_prefix(open).and_then(|rest| rest.split_once(']'));
        let is_stamp = |text: &str| {
            let text = text.trim_start_matches([' ', 'T', 'C']);
            !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '.')
        };
        match stamp.filter(|(text, _)| is_stamp(text)) {
            Some((_, after)) => rest = after.strip_prefix(' ').unwrap_or(after),
            None => break,
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_found_without_its_time_stamps() {
        let log = "[    1.0] ok 1 a\n[    2.5][   T17] BUG: KASAN: x\n[    2.6][   T17] Read of size 4\n\
                   [    2.7]     not ok 2 b\n[    2.8] later\n";
        assert_eq!(report(log), ["BUG: KASAN: x", "Read of size 4"]);
        assert!(report("[    1.0] ok 1 a\n").is_empty());
    }

    #[test]
    fn a_whole_name_is_not_a_part_of_another() {
        let repo = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        let all = || patch::all(repo).unwrap();
        assert_eq!(one(all(), "interrupt-stays").unwrap().name, "interrupt-stays");
        assert_eq!(one(all(), "one-class").unwrap().name, "one-class-for-all-locks");
        assert!(one(all(), "interrupt").is_err() && one(all(), "no-such").is_err());
    }

    #[test]
    fn what_only_looks_like_a_stamp_stays() {
        assert_eq!(text("[<c0ffee>] f+0x1"), "[<c0ffee>] f+0x1");
    }
}
