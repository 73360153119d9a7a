// SPDX-License-Identifier: GPL-2.0

//! Scenarios made at random, the same for the same seed.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use blkdev::chaos::FAULTS;
use blkdev::lie::LieKind;
use clap::ValueEnum;
use fastrand::Rng;

use super::corpus::{self, Scenario, When};
use super::machine::Stats;
use super::outcome::Outcome;
use super::{BATCH, machine};
use crate::guest::ktap::Tally;
use crate::machine::{Host, Kernel, image};
use crate::runner::report::{Report, seconds};
use crate::runner::threads;

/// The moments, busy ones more often.
const WHENS: [When; 8] =
    [When::Busy, When::Busy, When::Busy, When::Probe, When::Remove, When::Freeze, When::Other, When::Idle];

/// What requests can be chosen.
const REQUESTS: [&str; 6] = ["read", "write", "flush", "discard", "write-zeroes", "get-id"];

/// Fields of the configuration space that are put to nonsense. A size that is none leaves nothing to try.
const FIELDS: [(&str, u32); 18] = [
    ("size_max", 32),
    ("seg_max", 32),
    ("blk_size", 32),
    ("physical_block_exp", 8),
    ("alignment_offset", 8),
    ("min_io_size", 16),
    ("opt_io_size", 32),
    ("wce", 8),
    ("num_queues", 16),
    ("max_discard_sectors", 32),
    ("max_discard_seg", 32),
    ("discard_sector_alignment", 32),
    ("max_write_zeroes_sectors", 32),
    ("max_secure_erase_sectors", 32),
    ("max_secure_erase_seg", 32),
    ("secure_erase_sector_alignment", 32),
    ("heads", 8),
    ("sectors", 8),
];

/// Everything that does no harm.
const HARMLESS: [Outcome; 6] =
    [Outcome::Serves, Outcome::Fails, Outcome::GivesUp, Outcome::Gone, Outcome::Refuses, Outcome::Empty];

/// Makes trials for so long, says what came, and adds those that did harm to the corpus.
///
/// # Errors
///
/// When a machine could not be started at all.
pub fn run(host: &Host, kernel: &Kernel, driver: &str, seed: u64, time: Duration) -> Result<Tally> {
    image::build(host, kernel)?;
    let start = Instant::now();
    let report = Report::new(host.verbose);
    let mut tally = Tally::default();
    let mut stats = Stats::default();
    let mut silent = 0;
    let mut next = 0;
    println!("fuzz: SEED={seed}");
    while start.elapsed() < time {
        let batches: Vec<Vec<Scenario>> = (0..host.at_once)
            .map(|batch| (0..BATCH).map(|trial| scenario(seed, next + (batch * BATCH + trial) as u64)).collect())
            .collect();
        next += (host.at_once * BATCH) as u64;
        let numbered: Vec<_> = batches.iter().enumerate().collect();
        let made = threads::each(host, &numbered, |(number, batch)| {
            let batch: Vec<&Scenario> = batch.iter().collect();
            machine::run(host, kernel, driver, &format!("fuzz-{number}"), &batch)
        })?;
        for (batch, (trials, of_batch)) in batches.iter().zip(made) {
            stats += of_batch;
            for (scenario, trial) in batch.iter().zip(trials) {
                match trial.outcome {
                    // Chance may choose a lie about requests that nobody makes.
                    Outcome::Untold => {
                        silent += 1;
                        continue;
                    }
                    outcome if scenario.holds(outcome) => {
                        tally.passed += 1;
                        continue;
                    }
                    _ => tally.failed += 1,
                }
                let case = case(scenario);
                report.trouble(&format!("{}: {}", scenario.name, trial.outcome.name()));
                report.lines(
                    &case.lines().chain(trial.details.iter().map(String::as_str)).map(indent).collect::<Vec<_>>(),
                );
                keep(&host.repo, scenario)?;
            }
        }
    }
    if silent > tally.passed {
        report.trouble("most trials had no occasion: does the device still do what it is told?");
        tally.failed += 1;
    }
    let Stats { boots, requests, lies } = stats;
    println!(
        "fuzz: {} held, {} failed, {silent} without an occasion: {boots} boots, {requests} requests, {lies} lies, \
         SEED={seed}, in {}",
        tally.passed,
        tally.failed,
        seconds(start.elapsed())
    );
    Ok(tally)
}

fn indent(line: &str) -> String {
    format!("          {line}")
}

/// Adds a scenario to those that were found by chance, unless the same was found before.
fn keep(repo: &Path, scenario: &Scenario) -> Result<()> {
    let path = repo.join(corpus::DIR).join("chance.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    if corpus::read(&text)?.iter().any(|known| known.name == scenario.name) {
        return Ok(());
    }
    let case = case(scenario);
    let mut file =
        OpenOptions::new().append(true).open(&path).with_context(|| format!("cannot open {}", path.display()))?;
    write!(file, "\n{case}").with_context(|| format!("cannot write {}", path.display()))
}

/// A scenario as its file holds it.
fn case(scenario: &Scenario) -> String {
    let list = |items: &mut dyn Iterator<Item = String>| {
        let quoted: Vec<_> = items.map(|item| format!("\"{item}\"")).collect();
        quoted.join(", ")
    };
    format!(
        "[[scenario]]\nname = \"{}\"\nabout = \"{}\"\ndevice = \"{}\"\nwhen = \"{}\"\nduring = [{}]\n\
         after = [{}]\nreset_on_timeout = {}\nexpect = [{}]\n",
        scenario.name,
        scenario.about,
        scenario.device,
        scenario.when.name(),
        list(&mut scenario.during.iter().cloned()),
        list(&mut scenario.after.iter().cloned()),
        scenario.reset_on_timeout,
        list(&mut scenario.expect.iter().map(|outcome| outcome.name().replace(' ', "-")))
    )
}

/// The scenario with this number of a seed.
fn scenario(seed: u64, number: u64) -> Scenario {
    let mut rng = Rng::with_seed(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let (device, _) = corpus::DEVICES[rng.usize(0..corpus::DEVICES.len())];
    let when = WHENS[rng.usize(0..WHENS.len())];
    let mut during = Vec::new();
    for step in 0..rng.usize(1..=4) {
        if step > 0 && when != When::Probe {
            during.push(format!("sleep {}", rng.u32(1..5)));
        }
        during.push(act(&mut rng));
    }
    // A lie can leave the device and the driver with different ideas of what is in the ring, and then nothing comes but
    // silence, which is evidence for those only who say so.
    let reset_on_timeout = during.iter().any(|act| act.starts_with("lie ") || act.starts_with("chaos "));
    Scenario {
        name: format!("seed {seed}, trial {number}"),
        about: format!("does at random: {}", during.join("; ")),
        device: device.to_owned(),
        when,
        during,
        after: vec!["defaults".to_owned()],
        reset_on_timeout,
        expect: HARMLESS.to_vec(),
        short: false,
    }
}

/// Something that a device does. A device that never ends its silence is left out: nothing would end the trial.
fn act(rng: &mut Rng) -> String {
    let request = |rng: &mut Rng| REQUESTS[rng.usize(0..REQUESTS.len())];
    match rng.u32(0..14) {
        0..=2 => format!("chaos {} {}", rng.u32(..), rng.u32(1..400)),
        3..=5 => {
            let lie = name_of(rng, LieKind::value_variants(), &[LieKind::IndexStuck]);
            format!("lie {lie}:{}*{}", request(rng), rng.u32(1..4))
        }
        6 => {
            format!("fault {}:{}", name_of(rng, &FAULTS, &[]), request(rng))
        }
        7 => format!("delay {}", rng.u32(1..30)),
        8 => format!("pace {}", rng.u32(1..20)),
        9 => ["eager", "deaf", "lose 1", "lose 2"][rng.usize(0..4)].to_owned(),
        10 => format!("stall {}", rng.u32(100..1500)),
        11 => format!("interrupts {}", rng.u32(1..500)),
        12 => format!("changes {}", rng.u32(1..50)),
        _ => {
            let (field, bits) = FIELDS[rng.usize(0..FIELDS.len())];
            let max = u64::MAX >> (64 - bits);
            let value = [0, 1, rng.u64(..) & max, 1 << rng.u32(0..bits), max][rng.usize(0..5)];
            format!("set {field}={value}")
        }
    }
}

fn name_of<T: ValueEnum + PartialEq>(rng: &mut Rng, all: &[T], but: &[T]) -> String {
    let names: Vec<_> = all.iter().filter(|one| !but.contains(one)).filter_map(|one| one.to_possible_value()).collect();
    names[rng.usize(0..names.len())].get_name().to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::corpus::tests::check_commands;
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_scenarios() {
        let all = |seed| (0..50).map(|number| case(&scenario(seed, number))).collect::<Vec<_>>();
        assert_eq!(all(1), all(1));
        assert_ne!(all(1)[..10], all(2)[..10]);
    }

    #[test]
    fn every_scenario_is_one_that_the_corpus_could_hold() {
        let scenarios: Vec<_> = (0..500).map(|number| scenario(3, number)).collect();
        check_commands(&scenarios);
        for scenario in scenarios {
            let read = corpus::read(&case(&scenario)).unwrap();
            assert_eq!(read.len(), 1);
            assert_eq!(case(&read[0]), case(&scenario));
        }
    }

    #[test]
    fn what_has_failed_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join(corpus::DIR)).unwrap();
        assert!(keep(dir.path(), &scenario(1, 1)).is_err(), "there is no file");
        let path = dir.path().join(corpus::DIR).join("chance.toml");
        fs::write(&path, "# first\n").unwrap();
        let found = scenario(1, 1);
        for again in [false, true] {
            keep(dir.path(), &found).unwrap();
            let read = corpus::read(&fs::read_to_string(&path).unwrap()).unwrap();
            assert_eq!(read.len(), 1, "again: {again}");
            assert_eq!(read[0].during, found.during);
        }
    }
}
