// SPDX-License-Identifier: GPL-2.0
//! Devices that lie, at random too, and disks that lose their power: `make hostile`, `make fuzz`, `make powercut`.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use vm::uml::hostile::corpus::Scenario;
use vm::uml::hostile::{self, DRIVERS, corpus, fuzz, table};
use vm::uml::powercut;
use vm::{Host, Kernel, Tally};

use crate::guest::{host, kernel};
use crate::kernel::{Variant, Workshop, build};
use crate::lock::GuestLock;
use crate::progress::say;
use crate::project::variable;

/// Power cuts unless `CUTS=` says otherwise.
const CUTS: u64 = 100;

/// More would not end in a year.
const MOST_CUTS: u32 = 1_000_000;

/// Power cuts of `make test`.
const FEW_CUTS: u32 = 5;

/// What decides about power cuts unless `SEED=` says otherwise.
const CUT_SEED: u64 = 1;

/// How long `make fuzz` goes on unless `FUZZ_SECONDS=` says otherwise.
const FUZZ_SECONDS: u64 = 60;

fn ready(workshop: &Workshop) -> Result<(Host, Kernel)> {
    build::kernel(workshop, Variant::Um)?;
    Ok((host(&workshop.project), kernel(&workshop.project, &workshop.tree, Variant::Um)))
}

/// `make hostile`: tries the whole corpus with both drivers, and writes the table.
///
/// # Errors
///
/// The kernel cannot be built, no machine can be started, or the table cannot be written.
pub fn all(workshop: &Workshop) -> Result<Tally> {
    let _lock = GuestLock::take(&workshop.project, "run")?;
    let (host, kernel) = ready(workshop)?;
    let scenarios = corpus::all(&host.repo)?;
    say(&format!("trying {} with {} scenarios", DRIVERS[1], scenarios.len()));
    let oracle = hostile::run(&host, &kernel, DRIVERS[1], &scenarios)?;
    say(&format!("trying {} with {} scenarios", DRIVERS[0], scenarios.len()));
    let (tally, ours) = hostile::test(&host, &kernel, &scenarios)?;
    let path = host.repo.join(table::DOCUMENT);
    let text = table::document(&host.repo, &[ours, oracle])?;
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(tally)
}

/// The choice of the corpus that `make test` tries.
///
/// # Errors
///
/// As for [`ours`].
pub fn short(workshop: &Workshop) -> Result<Tally> {
    ours(workshop, |scenario| scenario.short)
}

/// The corpus as `make soak` tries it.
///
/// # Errors
///
/// As for [`ours`].
pub fn whole(workshop: &Workshop) -> Result<Tally> {
    ours(workshop, |_| true)
}

/// Tries our driver with a choice of the corpus.
///
/// # Errors
///
/// The kernel cannot be built or no machine can be started.
fn ours(workshop: &Workshop, is_chosen: fn(&Scenario) -> bool) -> Result<Tally> {
    let _lock = GuestLock::take(&workshop.project, "run")?;
    let (host, kernel) = ready(workshop)?;
    let mut scenarios = corpus::all(&host.repo)?;
    scenarios.retain(is_chosen);
    Ok(hostile::test(&host, &kernel, &scenarios)?.0)
}

/// `make fuzz`: devices that misbehave at random for `FUZZ_SECONDS=`, by `SEED=`.
///
/// # Errors
///
/// A variable is wrong, the kernel cannot be built or no machine can be started.
pub fn fuzz(workshop: &Workshop) -> Result<Tally> {
    let _lock = GuestLock::take(&workshop.project, "run")?;
    let time = Duration::from_secs(number("FUZZ_SECONDS", FUZZ_SECONDS)?);
    let seed = number("SEED", u64::from(std::process::id()))?;
    let (host, kernel) = ready(workshop)?;
    fuzz::run(&host, &kernel, DRIVERS[0], seed, time)
}

/// What `CUTS=` and `SEED=` say.
#[derive(Debug, PartialEq)]
pub struct Cuts {
    count: u32,
    seed: u64,
}

impl Cuts {
    /// Reads the variables.
    ///
    /// # Errors
    ///
    /// One of them is no number that makes sense.
    pub fn wanted() -> Result<Self> {
        Ok(Self { count: count(number("CUTS", CUTS)?)?, seed: number("SEED", CUT_SEED)? })
    }
}

fn count(cuts: u64) -> Result<u32> {
    match u32::try_from(cuts) {
        Ok(count @ 1..=MOST_CUTS) => Ok(count),
        _ => bail!("CUTS={cuts}: give a number from 1 to {MOST_CUTS}"),
    }
}

/// `make powercut`: `CUTS=` power cuts, by `SEED=`.
///
/// # Errors
///
/// A variable is wrong, the kernel cannot be built or no machine can be started.
pub fn powercuts(workshop: &Workshop) -> Result<Tally> {
    let Cuts { count, seed } = Cuts::wanted()?;
    let _lock = GuestLock::take(&workshop.project, "run")?;
    let (host, kernel) = ready(workshop)?;
    powercut::run(&host, &kernel, DRIVERS[0], count, seed)
}

/// The power cuts of `make test`.
///
/// # Errors
///
/// The kernel cannot be built or no machine can be started.
pub fn few_powercuts(workshop: &Workshop) -> Result<Tally> {
    let _lock = GuestLock::take(&workshop.project, "run")?;
    let (host, kernel) = ready(workshop)?;
    powercut::run(&host, &kernel, DRIVERS[0], FEW_CUTS, CUT_SEED)
}

/// The number that a variable holds.
fn number(name: &str, default: u64) -> Result<u64> {
    parse(name, variable(name).as_deref(), default)
}

fn parse(name: &str, value: Option<&str>, default: u64) -> Result<u64> {
    match value.map(str::parse) {
        None => Ok(default),
        Some(Ok(number)) => Ok(number),
        Some(Err(_)) => bail!("{name}={}: give a number", value.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_some_cuts_and_not_too_many() {
        assert_eq!(count(1).unwrap(), 1);
        assert_eq!(count(0).unwrap_err().to_string(), "CUTS=0: give a number from 1 to 1000000");
        assert!(count(5_000_000_000).is_err());
    }

    #[test]
    fn a_variable_that_is_no_number_is_refused_by_name() {
        assert_eq!(parse("SEED", None, 7).unwrap(), 7);
        assert_eq!(parse("SEED", Some("12"), 7).unwrap(), 12);
        assert_eq!(parse("SEED", Some("-1"), 7).unwrap_err().to_string(), "SEED=-1: give a number");
    }
}
