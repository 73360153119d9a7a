// SPDX-License-Identifier: GPL-2.0
//! `make mutants`: small changes that break a law or a duty on purpose, and the suites that must notice.

mod patch;
mod provoke;
mod tree;

use std::path::Path;

use anyhow::{Context, Result, bail};
use vm::Tally;
use vm::scenario::Overrides;
use vm::uml::hostile::{DRIVERS, corpus};
use vm::uml::{self, hostile, powercut};

use self::patch::{Mutant, Suite};
use self::tree::Planted;
use crate::check::Findings;
use crate::kernel::{Variant, Workshop, build};
use crate::lock::GuestLock;
use crate::progress::say;
use crate::project::variable;
use crate::suite::line;
use crate::{compile_fail, guest, kunit};

pub use self::provoke::provoke;
pub use self::tree::heal;

/// There are at least so many.
const LEAST: usize = 40;

/// Power cuts that a mutant must not survive.
const CUTS: u32 = 10;

/// What came of a mutant.
#[derive(Debug)]
enum Fate {
    /// The suite has noticed.
    Killed(String),
    /// The suite has noticed nothing.
    Survived,
    /// There is nothing to notice.
    Stillborn(String),
}

/// Tries all mutants, or those that `MUTANTS=` names by parts of their names. Each that its suite does not notice
/// fails.
///
/// # Errors
///
/// The mutants cannot be read, or what is tried does not even build without them.
pub fn run(workshop: &Workshop) -> Result<Tally> {
    let mutants = wanted(&workshop.project.repo)?;
    let _lock = GuestLock::take(&workshop.project, "run")?;
    let bad = bad_suites(workshop, &mutants)?;
    let mut tally = Tally::default();
    let mut survivors = Vec::new();
    for mutant in &mutants {
        say(&format!("mutant {}: breaks {}", mutant.name, mutant.breaks));
        let fate = match bad.iter().find(|(suite, _)| **suite == mutant.red) {
            Some((_, why)) => Fate::Stillborn(format!("without it, its suite has {why}")),
            None => fate(workshop, mutant)?,
        };
        match &fate {
            Fate::Killed(how) => println!("    {}: killed, {how}", mutant.name),
            Fate::Survived => println!("    {}: SURVIVED {:?}", mutant.name, mutant.red),
            Fate::Stillborn(why) => println!("    {}: FAILED: {why}", mutant.name),
        }
        let is_killed = matches!(fate, Fate::Killed(_));
        tally += Tally { passed: u32::from(is_killed), failed: u32::from(!is_killed), skipped: 0 };
        if !is_killed {
            survivors.push(mutant.name.as_str());
        }
    }
    // What was built of the last ones must not be taken for the driver.
    for variant in [Variant::Um, Variant::Debug] {
        if mutants.iter().any(|mutant| mutant.variant() == variant) {
            build::kernel(workshop, variant)?;
        }
    }
    let survived = if survivors.is_empty() { String::new() } else { format!(": {}", survivors.join(", ")) };
    println!("mutants: {} killed, {} survived{survived}", tally.passed, tally.failed);
    Ok(tally)
}

/// The mutants that `MUTANTS=` names.
///
/// # Errors
///
/// They cannot be read, or there are none.
pub fn wanted(repo: &Path) -> Result<Vec<Mutant>> {
    let wanted = variable("MUTANTS").unwrap_or_default();
    let mutants = chosen(patch::all(repo)?, &wanted);
    if mutants.is_empty() {
        bail!("MUTANTS={wanted}: there are none in {}", patch::DIR);
    }
    Ok(mutants)
}

/// Runs each suite without a mutant, and returns those that are not green then, with what came of them: they would kill
/// whatever there is.
fn bad_suites<'a>(workshop: &Workshop, mutants: &'a [Mutant]) -> Result<Vec<(&'a Suite, String)>> {
    let mut tried: Vec<&Suite> = Vec::new();
    let mut bad = Vec::new();
    for mutant in mutants {
        if mutant.red == Suite::Build || tried.contains(&&mutant.red) {
            continue;
        }
        build::kernel(workshop, mutant.variant())?;
        let tally = red(workshop, &mutant.red)?;
        if tally.failed > 0 || tally.passed == 0 {
            bad.push((&mutant.red, line(&tally)));
        }
        tried.push(&mutant.red);
    }
    Ok(bad)
}

fn chosen(mut mutants: Vec<Mutant>, wanted: &str) -> Vec<Mutant> {
    let parts: Vec<&str> = wanted.split([',', ' ']).filter(|part| !part.is_empty()).collect();
    mutants.retain(|mutant| parts.is_empty() || parts.iter().any(|part| mutant.name.contains(part)));
    mutants
}

fn fate(workshop: &Workshop, mutant: &Mutant) -> Result<Fate> {
    let changed = match mutant.apply(|file| read(&workshop.project.repo, file)) {
        Ok(changed) => changed,
        Err(error) => return Ok(Fate::Stillborn(format!("{error:#}"))),
    };
    let _planted = Planted::new(&workshop.project.repo, &workshop.project.build, &workshop.tree.root, &changed)?;
    if let Err(error) = build::kernel(workshop, mutant.variant()) {
        return Ok(match mutant.red {
            Suite::Build => Fate::Killed("it does not build".to_owned()),
            _ => Fate::Stillborn(format!("it does not build: {error:#}")),
        });
    }
    Ok(match red(workshop, &mutant.red) {
        Ok(Tally { failed: 0, passed: 0, .. }) => Fate::Stillborn("the suite has tried nothing".to_owned()),
        Ok(Tally { failed: 0, .. }) => Fate::Survived,
        Ok(tally) => Fate::Killed(format!("{} failed", tally.failed)),
        Err(error) => Fate::Stillborn(format!("the suite could not run: {error:#}")),
    })
}

/// Runs a suite against what was built.
fn red(workshop: &Workshop, suite: &Suite) -> Result<Tally> {
    let host = guest::host(&workshop.project);
    let kernel = guest::kernel(&workshop.project, &workshop.tree, Variant::Um);
    match suite {
        Suite::Kunit(filter) => kunit::run(workshop, filter, &[]),
        Suite::Debug(filter) => provoke::run(workshop, filter),
        Suite::CompileFail => compile_fail::run(workshop),
        // It has built.
        Suite::Build => Ok(Tally { passed: 1, ..Tally::default() }),
        Suite::Powercut => powercut::run(&host, &kernel, DRIVERS[0], CUTS, 1),
        Suite::Uml(name) => {
            let scenarios = uml::all();
            let scenario = scenarios.iter().find(|scenario| scenario.name == name);
            let scenario = scenario.with_context(|| format!("there is no scenario {name}"))?;
            Ok(uml::run(&host, &kernel, scenario, &Overrides::default())?.tally())
        }
        Suite::Hostile(words) => {
            let mut scenarios = corpus::all(&host.repo)?;
            scenarios.retain(|scenario| scenario.name.contains(words.as_str()));
            Ok(hostile::test(&host, &kernel, &scenarios)?.0)
        }
    }
}

fn read(repo: &Path, file: &Path) -> Result<String> {
    let path = repo.join(file);
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// Checks that each mutant still applies and its suite exists, and that there are enough.
///
/// # Errors
///
/// A file is not right.
pub fn check(workshop: &Workshop) -> Result<Findings> {
    findings(&workshop.project.repo)
}

fn findings(repo: &Path) -> Result<Findings> {
    let mutants = patch::all(repo)?;
    let scenarios = corpus::all(repo)?;
    let suites = vm::kunit::suites(repo)?;
    let mut findings = Findings::new();
    if mutants.len() < LEAST {
        findings.push(format!("{}: {} mutants, fewer than {LEAST}", patch::DIR, mutants.len()));
    }
    for mutant in &mutants {
        if let Err(error) = mutant.apply(|file| read(repo, file)) {
            findings.push(format!("{}/{}.patch: {error:#}", patch::DIR, mutant.name));
        }
        let is_known = match &mutant.red {
            Suite::Hostile(words) => scenarios.iter().any(|scenario| scenario.name.contains(words.as_str())),
            Suite::Uml(name) => uml::all().iter().any(|scenario| scenario.name == name),
            Suite::Kunit(filter) | Suite::Debug(filter) => suites.iter().any(|suite| matches(filter, suite)),
            Suite::CompileFail | Suite::Build | Suite::Powercut => true,
        };
        if !is_known {
            findings.push(format!("{}/{}.patch: there is nothing like {:?}", patch::DIR, mutant.name, mutant.red));
        }
    }
    Ok(findings)
}

/// Whether a filter of KUnit's chooses a suite: its name, or its beginning and a star.
fn matches(filter: &str, suite: &str) -> bool {
    match filter.strip_suffix('*') {
        Some(beginning) => suite.starts_with(beginning),
        None => suite == filter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repo() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
    }

    #[test]
    fn a_part_of_a_name_chooses() {
        let all = patch::all(repo()).unwrap();
        let names = |wanted: &str| chosen(all.clone(), wanted).len();
        assert_eq!(names(""), all.len());
        assert_eq!(names("no-such-mutant"), 0);
        assert_eq!(names(&all[0].name), 1);
    }

    #[test]
    fn a_filter_chooses_by_name_or_beginning() {
        assert!(matches("rust_a", "rust_a") && matches("rust_*", "rust_a"));
        assert!(!matches("rust_a", "rust_ab") && !matches("rust_b*", "rust_a"));
    }

    #[test]
    fn what_does_not_apply_any_more_is_found() {
        let dir = tempfile::tempdir().unwrap();
        for sub in [patch::DIR, "rust"] {
            std::fs::create_dir_all(dir.path().join(sub)).unwrap();
        }
        for (family, _) in corpus::FAMILIES {
            let file = dir.path().join(corpus::DIR).join(family).with_extension("toml");
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "").unwrap();
        }
        let text = "Breaks: x\nRed: hostile nothing\n\n--- a/rust/x.rs\n+++ b/rust/x.rs\n@@ -1 +1 @@\n-one\n+two\n";
        std::fs::write(dir.path().join(patch::DIR).join("m.patch"), text).unwrap();
        let found = findings(dir.path()).unwrap();
        assert_eq!(found.len(), 3, "{found:?}");
    }
}
