// SPDX-License-Identifier: GPL-2.0

//! The driver compared with the C one, which is the oracle.
//!
//! In one machine, every disk of `scenario/matrix.rs` is served first by the one and then by the other, and in another
//! one a network card in each configuration of `scenario/net/parity.rs`. `tests/guest/parity.sh` and `net-parity.sh`
//! tell what can be seen of each driver as [`facts`]. They must be equal, but for what [`rules`] explain.

use anyhow::{Context, Result};

use crate::guest::ktap::Tally;
use crate::machine::{Host, Kernel, accel};
use crate::runner::{Evaluation, Runner};
use crate::scenario::{self, Group, Kind, Overrides, Parity, Scope, net};

pub mod facts;
pub mod rules;
pub mod table;

use facts::{Facts, Seen};
use rules::Rules;

/// Two drivers of one kind of devices.
struct Subject {
    /// What the comparison is called.
    title: &'static str,
    /// The boot in which they are compared.
    group: Group,
    /// The C driver, by its name in the guest.
    c: &'static str,
    /// The Rust driver.
    rust: &'static str,
    /// What need not be equal.
    rules: &'static str,
}

const DISKS: Subject = Subject {
    title: "parity",
    group: Group::Parity,
    c: "virtio_blk",
    rust: "virtio_blk_rs",
    rules: include_str!("parity/rules.toml"),
};

const CARDS: Subject = Subject {
    title: "parity-net",
    group: Group::ParityNet,
    c: net::DRIVERS[0],
    rust: net::DRIVERS[1],
    rules: include_str!("parity/net.toml"),
};

impl Subject {
    fn of(kind: Kind) -> &'static Self {
        match kind {
            Kind::Disks => &DISKS,
            Kind::Cards => &CARDS,
        }
    }
}

/// The row for what is of the modules and not of a disk.
const MODULES: &str = "modules";

/// The value of a fact that one of the drivers does not have.
const ABSENT: &str = "(absent)";

/// A fact that is not the same under both drivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its name.
    pub fact: String,
    /// The value under the C driver.
    pub c: String,
    /// The value under the Rust driver.
    pub rust: String,
    /// Why it is meant to be so; none when it is not.
    pub reason: Option<String>,
}

/// What a row came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All facts are the same.
    Equal,
    /// All differences are explained.
    Deliberate,
    /// There is one that is not.
    Different,
}

/// A configuration.
#[derive(Debug)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// How many facts were compared.
    pub compared: usize,
    /// Those that differ.
    pub differences: Vec<Difference>,
}

impl Row {
    /// What it came to.
    pub fn verdict(&self) -> Verdict {
        if self.differences.iter().any(|difference| difference.reason.is_none()) {
            Verdict::Different
        } else if self.differences.is_empty() {
            Verdict::Equal
        } else {
            Verdict::Deliberate
        }
    }
}

/// Every row, and what is wrong with the comparison itself.
#[derive(Debug)]
pub struct Comparison {
    /// One for each configuration.
    pub rows: Vec<Row>,
    /// Entries of the table of differences that explain nothing.
    pub unused: Vec<String>,
}

impl Comparison {
    /// How many rows came to `verdict`.
    pub fn count(&self, verdict: Verdict) -> u32 {
        self.rows.iter().map(|row| u32::from(row.verdict() == verdict)).sum()
    }

    /// The rows and the unused entries as numbers of cases.
    pub fn tally(&self) -> Tally {
        let different = self.count(Verdict::Different);
        let unused = u32::try_from(self.unused.len()).unwrap_or(u32::MAX);
        Tally { passed: self.rows.len() as u32 - different, failed: different + unused, skipped: 0 }
    }

    /// The numbers of facts.
    pub fn line(&self) -> String {
        let compared: usize = self.rows.iter().map(|row| row.compared).sum();
        let differences = || self.rows.iter().flat_map(|row| &row.differences);
        let different = differences().filter(|difference| difference.reason.is_none()).count();
        let deliberate = differences().count() - different;
        format!("{} equal, {deliberate} deliberate, {different} different", compared - deliberate - different)
    }
}

/// Compares the drivers of a kind in all configurations. The last line printed tells the result.
///
/// Returns whether all is equal or explained, and the boot itself went well.
///
/// # Errors
///
/// When the machine could not be started, or what it told is not understood.
pub fn parity(host: &Host, kernel: &Kernel, kind: Kind) -> Result<bool> {
    let accel = accel::probe(host, Some(kernel))?;
    println!("accelerator: {accel}");
    let (all, group) = (scenario::all(), Subject::of(kind).group);
    let scenario = all.iter().find(|s| s.group == group).context("there is no boot for the comparison")?;
    let runner = Runner { evaluate: super::evaluate, ..Runner::new(host, &accel) };
    let outcome = runner.run(kernel, scenario, &Overrides::default())?;
    let comparison = outcome.evaluation.as_ref().context("nothing was compared")?;
    println!("\n{}", comparison.verdict);
    Ok(outcome.tally().without_skips().success())
}

/// What comes of what the guest told of two drivers.
///
/// # Errors
///
/// When the guest told something that is not a fact, or the table of differences cannot be read.
pub fn evaluate(lines: &[String], parity: &Parity) -> Result<Evaluation> {
    let subject = Subject::of(parity.kind);
    let names: Vec<&str> = parity.configurations.iter().map(String::as_str).chain([MODULES]).collect();
    let rules = Rules::parse(subject.rules)?;
    let comparison = compare(subject, &rules, &Seen::parse(lines)?, parity.scope, &names);
    let verdict = format!("{}: {}", subject.title, comparison.line());
    Ok(Evaluation { lines: table::lines(&comparison), tally: comparison.tally(), verdict })
}

fn compare(subject: &Subject, rules: &Rules, seen: &Seen, scope: Scope, names: &[&str]) -> Comparison {
    let row = |name: &&str| compare_row(rules, name, seen.of(name, subject.c), seen.of(name, subject.rust));
    let rows = names.iter().map(row).collect();
    let unused = if scope == Scope::Whole { rules.unused() } else { Vec::new() };
    Comparison { rows, unused }
}

fn compare_row(rules: &Rules, configuration: &str, c: Option<&Facts>, rust: Option<&Facts>) -> Row {
    let mut row = Row { name: configuration.to_owned(), compared: 0, differences: Vec::new() };
    let (Some(c), Some(rust)) = (c, rust) else {
        // A driver that nothing is known of is equal to none.
        let told = |facts: Option<&Facts>| facts.map_or(ABSENT, |_| "told").to_owned();
        row.compared = 1;
        row.differences.push(Difference { fact: "(all)".into(), c: told(c), rust: told(rust), reason: None });
        return row;
    };
    let names = c.keys().chain(rust.keys().filter(|name| !c.contains_key(*name)));
    for name in names {
        let value = |facts: &Facts| facts.get(name).map_or(ABSENT, String::as_str).to_owned();
        let (c, rust) = (value(c), value(rust));
        if rules.excluded.iter().any(|rule| rule.matches(configuration, name, &c, &rust)) {
            continue;
        }
        row.compared += 1;
        if c != rust {
            let rule = rules.deliberate.iter().find(|rule| rule.matches(configuration, name, &c, &rust));
            let reason = rule.map(|rule| rule.reason.clone());
            row.differences.push(Difference { fact: name.clone(), c, rust, reason });
        }
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "[[excluded]]\nfact = 'counter'\nreason = 'it counts'\n\
                         [[deliberate]]\nfact = 'limit'\nreason = 'C hangs'\n";

    /// Compares configuration `a`; the facts of C and of Rust are words `NAME=VALUE`.
    fn compared(c: &str, rust: &str, scope: Scope) -> Comparison {
        let lines = |driver: &str, words: &str| -> Vec<String> {
            words.split(' ').filter(|word| !word.is_empty()).map(|word| format!("a {driver} {word}")).collect()
        };
        let lines = [lines(DISKS.c, c), lines(DISKS.rust, rust)].concat();
        compare(&DISKS, &Rules::parse(TABLE).unwrap(), &Seen::parse(&lines).unwrap(), scope, &["a"])
    }

    #[test]
    fn equal_facts_are_equal_whatever_the_excluded_ones_are() {
        let result = compared("counter=1 x=1", "counter=2 x=1", Scope::Part);
        assert_eq!((result.rows[0].verdict(), result.rows[0].compared), (Verdict::Equal, 1));
        assert_eq!(result.line(), "1 equal, 0 deliberate, 0 different");
        assert!(result.tally().success());
    }

    #[test]
    fn a_difference_is_found() {
        let result = compared("limit=1 x=1 y=1", "limit=2 x=1 y=2", Scope::Part);
        assert_eq!(result.rows[0].verdict(), Verdict::Different);
        let difference = result.rows[0].differences.iter().find(|d| d.reason.is_none()).unwrap();
        assert_eq!((&*difference.fact, &*difference.c, &*difference.rust), ("y", "1", "2"));
        assert_eq!(result.line(), "1 equal, 1 deliberate, 1 different");
        assert!(!result.tally().success());
    }

    #[test]
    fn a_fact_that_only_one_driver_has_is_a_difference() {
        for (c, rust) in [("x=1 y=1", "x=1"), ("x=1", "x=1 y=1")] {
            let result = compared(c, rust, Scope::Part);
            assert_eq!(result.rows[0].verdict(), Verdict::Different, "{c} / {rust}");
        }
    }

    #[test]
    fn a_deliberate_difference_is_explained() {
        let result = compared("limit=1 counter=1", "limit=2 counter=1", Scope::Whole);
        assert_eq!(result.rows[0].verdict(), Verdict::Deliberate);
        assert_eq!(result.rows[0].differences[0].reason.as_deref(), Some("C hangs"));
        assert!(result.tally().success());
        assert_eq!(result.line(), "0 equal, 1 deliberate, 0 different");
    }

    #[test]
    fn the_tables_of_this_project_can_be_read() {
        for subject in [&DISKS, &CARDS] {
            assert!(!Rules::parse(subject.rules).unwrap().excluded.is_empty(), "{}", subject.title);
        }
    }

    #[test]
    fn each_kind_has_drivers_and_a_title_of_its_own() {
        for (kind, driver, verdict) in [
            (Kind::Disks, "virtio_blk", "parity: 0 equal, 0 deliberate, 2 different"),
            (Kind::Cards, "e1000", "parity-net: 0 equal, 0 deliberate, 2 different"),
        ] {
            let parity = Parity { kind, scope: Scope::Part, configurations: vec!["a".into()] };
            let lines = [format!("a {driver} f=1"), format!("a {driver}_rs f=2")];
            assert_eq!(evaluate(&lines, &parity).unwrap().verdict, verdict);
        }
    }

    #[test]
    fn an_explanation_that_explains_nothing_is_an_error() {
        let result = compared("limit=1 counter=1", "limit=1 counter=1", Scope::Whole);
        assert_eq!(result.rows[0].verdict(), Verdict::Equal);
        assert_eq!(result.unused.len(), 1, "{:?}", result.unused);
        assert!(!result.tally().success());
        assert!(compared("limit=1", "limit=1", Scope::Part).tally().success());
    }

    #[test]
    fn an_exclusion_that_excludes_nothing_is_an_error() {
        let result = compared("limit=1", "limit=2", Scope::Whole);
        assert_eq!(result.unused.len(), 1, "{:?}", result.unused);
    }

    #[test]
    fn a_driver_of_which_nothing_was_told_is_different() {
        for (c, rust) in [("x=1", ""), ("", "x=1"), ("", "")] {
            assert_eq!(compared(c, rust, Scope::Part).rows[0].verdict(), Verdict::Different, "{c} / {rust}");
        }
    }
}
