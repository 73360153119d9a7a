// SPDX-License-Identifier: GPL-2.0

//! How fast our driver is compared with the C driver: fio runs of both that take turns in one boot, on two disks
//! that store nothing, so that the host's storage has no part in it.
//!
//! Speeds of a virtual machine wander by more than the drivers differ, so only neighbouring runs are compared: each
//! pair gives one ratio, and the ratios give a mean and an interval.

use std::path::{Path, PathBuf};
use std::{env, fs, thread};

use anyhow::{Context, Result, bail, ensure};

use crate::guest::fio;
use crate::machine::disk::{Backend, Disk};
use crate::machine::{Host, Kernel, accel};
use crate::runner::Runner;
use crate::scenario::{Flavour, Group, Overrides, Scenario, minutes};

pub mod net;
mod pairs;
mod ratio;

use pairs::Sample;

/// The drivers: first the one to compare with.
const DRIVERS: [&str; 2] = ["virtio_blk", "virtio_blk_rs"];

/// Most virtual CPUs, queues and jobs.
const MAX_CPUS: usize = 4;

/// Largest number of pairs, or of seconds, that makes sense.
const MOST: u64 = 10_000;

/// Every run, in the directory of the boot.
const RUNS: &str = "runs.csv";

/// One run of fio.
#[derive(Debug, PartialEq)]
struct Run {
    workload: String,
    pair: u32,
    driver: usize,
    /// Requests per second.
    iops: f64,
    /// Mean time from submission to completion, in microseconds.
    latency: f64,
}

/// How a table is to be read; the file with every run follows.
const EXPLANATION: &str = "
Rust/C is the geometric mean of the ratios of neighbouring runs, with Student's t interval of
their logarithms; above 1 the Rust driver is faster. Every run: ";

/// Measures both drivers on `kernel` and prints the result.
///
/// `BENCH_PAIRS` (default 8) is the number of pairs of runs per workload, `BENCH_SECONDS` (default 2) the length of a
/// run.
///
/// # Errors
///
/// When nothing could be measured.
pub fn run(host: &Host, kernel: &Kernel) -> Result<()> {
    let (pairs, seconds) = pairs_and_seconds()?;
    let cpus = thread::available_parallelism().map_or(1, usize::from).min(MAX_CPUS);
    let accel = accel::probe(host, Some(kernel))?;
    println!("accelerator: {accel}");
    let outcome = Runner::new(host, &accel).run(kernel, &scenario(cpus, pairs, seconds)?, &Overrides::default())?;
    ensure!(outcome.tally().success(), "the measurement did not come to its end");

    let runs = outcome.data.iter().filter_map(|line| line.strip_prefix("run "));
    let runs: Vec<_> = runs.map(Run::parse).collect::<Result<_>>()?;
    let boot = outcome.console.parent().context("the console log is in no directory")?;
    let raw = save(&runs, boot)?;
    let samples: Vec<_> = runs.iter().map(Run::sample).collect();
    print!("{}", pairs::table(&pairs::compare(&samples, DRIVERS)?, "IOPS"));
    println!("{EXPLANATION}{}", raw.display());
    Ok(())
}

/// How many pairs of runs there are of each workload, and the length of a run in seconds.
fn pairs_and_seconds() -> Result<(u64, u64)> {
    let pairs = number("BENCH_PAIRS", 8)?;
    // One half of the pairs is measured with the drivers' devices swapped, and one ratio has no interval.
    ensure!(pairs >= 2 && pairs % 2 == 0, "BENCH_PAIRS={pairs}: an even number, 2 or more");
    let seconds = number("BENCH_SECONDS", 2)?;
    ensure!(seconds >= 1, "BENCH_SECONDS={seconds}: 1 or more");
    Ok((pairs, seconds))
}

/// A number from the environment.
fn number(name: &str, default: u64) -> Result<u64> {
    match env::var(name) {
        // As in a makefile, an empty variable is one that is not given.
        Ok(text) if !text.is_empty() => match text.parse() {
            Ok(number) if number <= MOST => Ok(number),
            _ => bail!("{name}={text}: give a number up to {MOST}"),
        },
        _ => Ok(default),
    }
}

fn scenario(cpus: usize, pairs: u64, seconds: u64) -> Result<Scenario> {
    let queues = u16::try_from(cpus)?;
    let disk = |name| Disk::scratch(name, 64 << 10).backend(Backend::Null).with(|p| p.num_queues = Some(queues));
    let mut scenario = Scenario::debug("bench", "fio with both drivers in turn", "bench")
        .var("oracle", DRIVERS[0])
        .var("driver", DRIVERS[1])
        .var("pairs", pairs)
        .var("seconds_each", seconds)
        .var("jobs", cpus)
        .disk(disk("main"))
        .disk(disk("other"));
    scenario.group = Group::Bench;
    scenario.kernel = Flavour::Plain;
    scenario.cpus = u32::from(queues);
    // Five workloads, two drivers; starting fio takes some seconds on an emulated CPU.
    scenario.limit = minutes(10 + pairs * (seconds + 8) / 6);
    Ok(scenario)
}

impl Run {
    /// Reads what the guest says: workload, pair, driver and fio's terse line.
    fn parse(text: &str) -> Result<Self> {
        let mut words = text.splitn(4, ' ');
        let mut parsed = || {
            let (workload, pair, driver) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
            let driver = DRIVERS.iter().position(|known| *known == driver)?;
            let speeds = fio::parse(words.next()?);
            let [speed] = &speeds[..] else { return None };
            Some(Self { workload: workload.to_owned(), pair, driver, iops: speed.iops, latency: speed.latency })
        };
        parsed().with_context(|| format!("the guest does not say what fio measured: `{text}`"))
    }

    fn sample(&self) -> Sample {
        Sample { workload: self.workload.clone(), pair: self.pair, driver: self.driver, value: self.iops }
    }
}

fn save(runs: &[Run], boot: &Path) -> Result<PathBuf> {
    let line =
        |run: &Run| format!("{},{},{},{},{}", run.workload, run.pair, DRIVERS[run.driver], run.iops, run.latency);
    save_lines(boot, "workload,pair,driver,iops,mean_latency_us", runs.iter().map(line))
}

/// Writes every run to a file in the directory of the boot.
fn save_lines(boot: &Path, head: &str, lines: impl Iterator<Item = String>) -> Result<PathBuf> {
    let path = boot.join(RUNS);
    let text = [head.to_owned()].into_iter().chain(lines).map(|line| line + "\n").collect::<String>();
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_guest_says_is_checked() {
        let mut fields = vec!["0"; 131];
        (fields[0], fields[7], fields[39]) = ("3", "250", "4000");
        let fio = fields.join(";");
        let run = Run::parse(&format!("read 3 virtio_blk_rs {fio}")).unwrap();
        assert_eq!((run.pair, run.driver, run.iops), (3, 1, 250.0));
        for text in ["", "read 3 virtio_blk_rs", &format!("read 3 nvme {fio}"), "read 3 virtio_blk fio: error"] {
            assert!(Run::parse(text).is_err(), "{text}");
        }
    }
}
