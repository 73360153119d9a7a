// SPDX-License-Identifier: GPL-2.0

//! The hostile corpus: what devices do wrong, what should come of it, and what does.
//!
//! `tests/hostile/` says what each device does and what is expected; [`corpus`] reads it. A machine in user-mode Linux
//! has a device of each kind and makes one trial after the other; after a hang or a crash the rest are made in a new
//! machine. The trials of a scenario under both drivers are a row of the table in `Documentation/rust/`.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::Result;

use crate::guest::ktap::Tally;
use crate::machine::{Host, Kernel, image};
use crate::runner::report::{Report, seconds};
use crate::runner::threads;

pub mod corpus;
pub mod fuzz;
mod machine;
pub mod outcome;
pub mod table;

use corpus::Scenario;
use outcome::{Outcome, Trial};

/// The driver under test, and the one it is compared with.
pub const DRIVERS: [&str; 2] = ["virtio_blk_rs", "virtio_blk"];

/// Trials that one machine makes.
const BATCH: usize = 16;

/// What came of the scenarios under a driver, by their names.
pub type Results = BTreeMap<String, Trial>;

/// Makes the trials of `scenarios` under the driver and counts those that held.
///
/// # Errors
///
/// When a machine could not be started at all.
pub fn run(host: &Host, kernel: &Kernel, driver: &str, scenarios: &[Scenario]) -> Result<Results> {
    image::build(host, kernel)?;
    let batches: Vec<(usize, Vec<&Scenario>)> = batches(scenarios).into_iter().enumerate().collect();
    let made = threads::each(host, &batches, |(number, batch)| {
        machine::run(host, kernel, driver, &format!("hostile-{driver}-{number}"), batch)
    })?;
    Ok(made.into_iter().flat_map(|(trials, _)| trials).map(|trial| (trial.scenario.clone(), trial)).collect())
}

/// Scenarios after which a machine is of no use have one each.
fn batches(scenarios: &[Scenario]) -> Vec<Vec<&Scenario>> {
    let (alone, others): (Vec<&Scenario>, Vec<_>) = scenarios.iter().partition(|scenario| scenario.is_alone());
    let mut batches: Vec<Vec<_>> = others.chunks(BATCH).map(<[_]>::to_vec).collect();
    batches.extend(alone.into_iter().map(|scenario| vec![scenario]));
    batches
}

/// Makes the trials of the driver, says which did not hold, and what came of all: `hostile: N held, M failed`.
///
/// # Errors
///
/// As for [`run`].
pub fn test(host: &Host, kernel: &Kernel, scenarios: &[Scenario]) -> Result<(Tally, Results)> {
    let start = Instant::now();
    let results = run(host, kernel, DRIVERS[0], scenarios)?;
    let tally = judge(scenarios, &results);
    println!("{} trials in {}", scenarios.len(), seconds(start.elapsed()));
    println!("hostile: {} held, {} failed", tally.passed, tally.failed);
    Ok((tally, results))
}

/// Compares what came with what was expected.
fn judge(scenarios: &[Scenario], results: &Results) -> Tally {
    let mut tally = Tally::default();
    let report = Report::new(false);
    for scenario in scenarios {
        let Some(trial) = results.get(&scenario.name) else {
            report.trouble(&format!("{}: not tried", scenario.name));
            tally.failed += 1;
            continue;
        };
        if scenario.holds(trial.outcome) {
            tally.passed += 1;
            continue;
        }
        tally.failed += 1;
        let expected: Vec<_> = scenario.expect.iter().map(Outcome::name).collect();
        report.trouble(&format!("{}: {}, expected: {}", scenario.name, trial.outcome.name(), expected.join(" or ")));
        report.lines(&trial.details.iter().map(|line| format!("          {line}")).collect::<Vec<_>>());
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::corpus::tests::scenario;
    use super::*;

    #[test]
    fn a_scenario_that_leaves_no_machine_has_one_of_its_own() {
        let mut scenarios: Vec<_> = (0..20).map(|n| scenario(&format!("s{n}"))).collect();
        scenarios[3].during = vec!["die kick".into()];
        let sizes: Vec<_> = batches(&scenarios).iter().map(Vec::len).collect();
        assert_eq!(sizes, [16, 3, 1]);
    }

    #[test]
    fn what_was_not_tried_or_came_out_otherwise_has_failed() {
        let scenarios = ["good", "bad", "absent"].map(scenario);
        let trial = |name: &str, outcome| Trial { scenario: name.into(), outcome, details: Vec::new() };
        let results = [("good", Outcome::Serves), ("bad", Outcome::Hangs)]
            .map(|(name, outcome)| (name.to_owned(), trial(name, outcome)))
            .into();
        assert_eq!(judge(&scenarios, &results), Tally { passed: 1, failed: 2, skipped: 0 });
    }
}
