// SPDX-License-Identifier: GPL-2.0
//! `make test`: everything that must pass before a change lands; and `make soak`: its long versions.

use std::time::Instant;

use anyhow::Result;
use vm::Tally;
use vm::report::seconds;
use vm::scenario::Effort;

use crate::kernel::Workshop;
use crate::new_driver::trial;
use crate::progress::say;
use crate::{book, cargo, check, compile_fail, guest, hostile, kunit, mutants};

type Stage = fn(&Workshop) -> Result<Tally>;

/// The stages of `make test`, quick ones first.
const SHORT: [(&str, Stage); 10] = [
    ("checks", |workshop| Ok(check::all(workshop))),
    ("host tools", |workshop| cargo::test(&workshop.project)),
    ("KUnit", kunit::run_all),
    ("compile-fail", compile_fail::run),
    ("book", book::quick),
    ("user-mode Linux", guest::uml),
    ("devices that lie", hostile::short),
    ("power cuts", hostile::few_powercuts),
    ("new drivers", trial::run),
    ("virtual machines", guest::test),
];

/// The stages of `make soak`.
const LONG: [(&str, Stage); 5] = [
    ("virtual machines", guest::soak),
    ("devices that lie", hostile::whole),
    ("power cuts", hostile::powercuts),
    ("instructions", guest::few_instructions),
    ("mutants", mutants::run),
];

/// Runs everything that must pass before a change lands.
pub fn test(workshop: &Workshop) -> Tally {
    run(workshop, &SHORT)
}

/// Runs the long tests.
///
/// # Errors
///
/// A variable is wrong, which is told before hours have gone by.
pub fn soak(workshop: &Workshop) -> Result<Tally> {
    Effort::from_environment()?;
    hostile::Cuts::wanted()?;
    mutants::wanted(&workshop.project.repo)?;
    Ok(run(workshop, &LONG))
}

/// Runs every stage, also after one that failed, so that one run tells everything.
fn run(workshop: &Workshop, stages: &[(&'static str, Stage)]) -> Tally {
    let run = |(name, stage): &(&'static str, Stage)| {
        say(name);
        let begin = Instant::now();
        let result = stage(workshop);
        (*name, result, seconds(begin.elapsed()))
    };
    let results: Vec<_> = stages.iter().map(run).collect();
    say("summary");
    let mut sum = Tally::default();
    for (name, result, took) in results {
        match result {
            Ok(tally) => {
                println!("    {name:18} {took:>12}  {}", line(&tally));
                sum += tally;
            }
            // A stage that could not run has failed.
            Err(error) => {
                println!("    {name:18} {took:>12}  {error:#}");
                sum += Tally { failed: 1, ..Tally::default() };
            }
        }
    }
    sum
}

/// A tally as the last line of a run shows it.
pub fn line(tally: &Tally) -> String {
    format!("{} passed, {} failed, {} skipped", tally.passed, tally.failed, tally.skipped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_has_the_form_that_is_read_by_machines() {
        assert_eq!(line(&Tally { passed: 3, failed: 0, skipped: 1 }), "3 passed, 0 failed, 1 skipped");
    }
}
