// SPDX-License-Identifier: GPL-2.0

//! The table of the corpus in `Documentation/rust/`, made from what came of a whole run, and compared with the corpus.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::corpus::{self, FAMILIES, Scenario};
use super::outcome::Outcome;
use super::{DRIVERS, Results};

/// The document.
pub const DOCUMENT: &str = "Documentation/rust/hostile.rst";

// In two pieces, as the style checker looks for a licence in the first line alone.
const HEAD: &str = concat!(
    ".. SPDX-",
    "License-Identifier: GPL-2.0

==================
Devices that lie
==================

What block devices do wrong in the tests of ``virtio_blk_rs``, what should come of it and
what does, beside C's ``virtio_blk``. ``make hostile`` tries every row and writes this
document; ``make check`` compares it with ``tests/hostile/``, which says for each scenario
what the device does, on user-mode Linux with a block device of our own.

A trial binds the driver, reads and writes with several processes at a time, lets the
device misbehave, ends that, looks whether the disk serves again, and takes it away. It
ends within 40 seconds, or longer where machines are side by side, with one of these:

serves
    All that was asked for was done, and all data was right.
fails
    Some requests failed with an I/O error, the data of all others was right, and the disk
    served again by itself.
gives up
    Every request fails until the driver is bound again.
gone
    The device went away, and what waited for it failed.
refuses
    The device is not brought up; when it says what makes sense, it is.
empty
    A disk of no size.

Everything else is harm: *wrong data*, *hangs*, *crashes*, *complains* (the kernel, in its
log), *stays broken*. \"untold\" means that the device had no occasion for what it was to
do. C's driver is tried in machines of its own, which are ended when it hangs.
"
);

/// The document with the results of both drivers.
///
/// # Errors
///
/// The corpus cannot be read.
pub fn document(repo: &Path, results: &[Results; 2]) -> Result<String> {
    let mut text = HEAD.to_owned();
    for (family, title) in FAMILIES {
        let scenarios = corpus::family(repo, family)?;
        if scenarios.is_empty() {
            continue;
        }
        let line = "=".repeat(title.len());
        write!(text, "\n{title}\n{line}\n\n.. list-table::\n   :header-rows: 1\n   :widths: 22 40 14 12 12\n\n")?;
        text.push_str(&row(&["Scenario", "The device", "Expected", DRIVERS[0], DRIVERS[1]].map(str::to_owned)));
        for scenario in &scenarios {
            let came = results.each_ref().map(|results| came(results, scenario));
            let [ours, oracle] = came;
            text.push_str(&row(&[scenario.name.clone(), about(scenario), expected(scenario), ours, oracle]));
        }
    }
    Ok(text)
}

fn row(cells: &[String; 5]) -> String {
    let mut text = String::new();
    for (index, cell) in cells.iter().enumerate() {
        let bullet = if index == 0 { "   * -" } else { "     -" };
        text.push_str(format!("{bullet} {cell}").trim_end());
        text.push('\n');
    }
    text
}

fn about(scenario: &Scenario) -> String {
    format!("{}: {}", scenario.when.name(), scenario.about)
}

fn expected(scenario: &Scenario) -> String {
    scenario.expect.iter().map(Outcome::name).collect::<Vec<_>>().join(" or ")
}

fn came(results: &Results, scenario: &Scenario) -> String {
    results.get(&scenario.name).map_or("not tried", |trial| trial.outcome.name()).to_owned()
}

/// Compares the document of a checkout with its corpus, and returns what is wrong.
///
/// # Errors
///
/// The corpus or the document cannot be read.
pub fn check(repo: &Path) -> Result<Vec<String>> {
    let path = repo.join(DOCUMENT);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    compare(&text, &corpus::all(repo)?)
}

fn compare(text: &str, scenarios: &[Scenario]) -> Result<Vec<String>> {
    let rows: Vec<Vec<&str>> = text.split("\n   * - ").skip(1).map(cells).collect();
    let mut findings = Vec::new();
    let mut known = BTreeSet::from(["Scenario"]);
    for scenario in scenarios {
        known.insert(&scenario.name);
        let Some(row) = rows.iter().find(|row| row.first() == Some(&scenario.name.as_str())) else {
            findings.push(format!("{DOCUMENT}: {} is missing; `make hostile` adds it", scenario.name));
            continue;
        };
        let (about, expected) = (about(scenario), expected(scenario));
        let [_, told, promised, ours, oracle] = row[..] else {
            findings.push(format!("{DOCUMENT}: {} has {} cells, not 5", scenario.name, row.len()));
            continue;
        };
        if (told, promised) != (about.as_str(), expected.as_str()) {
            findings.push(format!("{DOCUMENT}: {} is not what tests/hostile says; run `make hostile`", scenario.name));
        }
        if Outcome::from_name(ours).is_none_or(|outcome| !scenario.holds(outcome)) {
            findings.push(format!("{DOCUMENT}: {}: {ours}, expected: {expected}", scenario.name));
        }
        if Outcome::from_name(oracle).is_none() {
            findings.push(format!("{DOCUMENT}: {}: `{oracle}` for {} is no outcome", scenario.name, DRIVERS[1]));
        }
    }
    let unknown = rows.iter().filter_map(|row| row.first()).filter(|name| !known.contains(**name));
    findings.extend(unknown.map(|name| format!("{DOCUMENT}: there is no scenario {name}")));
    Ok(findings)
}

/// The cells of a row, which ends where the table does.
fn cells(row: &str) -> Vec<&str> {
    let row = row.split("\n\n").next().unwrap_or_default();
    row.split("\n     - ").map(str::trim).collect()
}

#[cfg(test)]
mod tests {
    use super::super::corpus::tests::scenario;
    use super::super::outcome::Trial;
    use super::*;

    #[test]
    fn each_scenario_has_a_row_with_what_came_of_it_under_both_drivers() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join(corpus::DIR)).unwrap();
        for (family, _) in FAMILIES {
            std::fs::write(dir.path().join(corpus::DIR).join(family).with_extension("toml"), "").unwrap();
        }
        let (family, title) = FAMILIES[0];
        let case = "[[scenario]]\nname = \"a b\"\nabout = \"does nothing\"\ndevice = \"main\"\nwhen = \"busy\"\n\
                    during = [\"eager\"]\nexpect = [\"serves\", \"fails\"]\n";
        std::fs::write(dir.path().join(corpus::DIR).join(family).with_extension("toml"), case).unwrap();
        let trial = Trial { scenario: "a b".into(), outcome: Outcome::Hangs, details: Vec::new() };
        let results = [Results::new(), Results::from([("a b".to_owned(), trial)])];
        let text = document(dir.path(), &results).unwrap();
        let row = "   * - a b\n     - busy: does nothing\n     - serves or fails\n     - not tried\n     - hangs\n";
        assert!(text.contains(title) && text.ends_with(row), "{text}");
        assert!(!text.contains(FAMILIES[1].1), "a family without scenarios");
    }

    fn text(ours: Outcome) -> String {
        let trial = |outcome| Trial { scenario: "a b".into(), outcome, details: Vec::new() };
        let results = [ours, Outcome::Hangs].map(|outcome| Results::from([("a b".to_owned(), trial(outcome))]));
        let scenario = scenario("a b");
        let [ours, oracle] = results.each_ref().map(|results| came(results, &scenario));
        let head = row(&["Scenario".into(), "x".into(), "x".into(), "x".into(), "x".into()]);
        let cells = [scenario.name.clone(), about(&scenario), expected(&scenario), ours, oracle];
        format!("Head\n\n.. list-table::\n\n{head}{}\nNext\n", row(&cells))
    }

    #[test]
    fn a_document_agrees_with_the_corpus_that_it_was_made_from() {
        let found = compare(&text(Outcome::Serves), &[scenario("a b")]).unwrap();
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn what_is_missing_unknown_changed_or_has_failed_is_found() {
        let good = text(Outcome::Serves);
        let mut changed = scenario("a b");
        changed.about = "does something".into();
        for (text, scenarios, words) in [
            (&good, vec![scenario("a b"), scenario("c")], "c is missing"),
            (&good, vec![], "no scenario a b"),
            (&good, vec![changed], "is not what"),
            (&text(Outcome::Hangs), vec![scenario("a b")], "a b: hangs, expected: serves"),
        ] {
            let found = compare(text, &scenarios).unwrap();
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains(words), "{found:?}");
        }
    }
}
