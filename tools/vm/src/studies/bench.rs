// SPDX-License-Identifier: GPL-2.0

//! How fast our driver is compared with the C driver: fio runs of both that take turns in one boot, on two disks
//! that store nothing, so that the host's storage has no part in it.
//!
//! Speeds of a virtual machine wander by more than the drivers differ, so only neighbouring runs are compared: each
//! pair gives one ratio, and the ratios give a mean and an interval.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, thread};

use anyhow::{Context, Result, bail, ensure};

use crate::guest::fio;
use crate::machine::disk::{Backend, Disk};
use crate::machine::{Host, Kernel, accel};
use crate::runner::Runner;
use crate::scenario::{Flavour, Group, Overrides, Scenario, minutes};

mod ratio;

use ratio::Ratio;

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

/// Both drivers at one workload.
#[derive(Debug)]
struct Comparison {
    workload: String,
    /// Mean requests per second of each driver.
    iops: [f64; 2],
    ratio: Ratio,
}

/// Measures both drivers on `kernel` and prints the result.
///
/// `BENCH_PAIRS` (default 8) is the number of pairs of runs per workload, `BENCH_SECONDS` (default 2) the length of a
/// run.
///
/// # Errors
///
/// When nothing could be measured.
pub fn run(host: &Host, kernel: &Kernel) -> Result<()> {
    let pairs = number("BENCH_PAIRS", 8)?;
    // One half of the pairs is measured with the drivers' disks swapped, and one ratio has no interval.
    ensure!(pairs >= 2 && pairs % 2 == 0, "BENCH_PAIRS={pairs}: an even number, 2 or more");
    let seconds = number("BENCH_SECONDS", 2)?;
    ensure!(seconds >= 1, "BENCH_SECONDS={seconds}: 1 or more");
    let cpus = thread::available_parallelism().map_or(1, usize::from).min(MAX_CPUS);
    let accel = accel::probe(host, Some(kernel))?;
    println!("accelerator: {accel}");
    let outcome = Runner::new(host, &accel).run(kernel, &scenario(cpus, pairs, seconds)?, &Overrides::default())?;
    ensure!(outcome.tally().success(), "the measurement did not come to its end");

    let runs = outcome.data.iter().filter_map(|line| line.strip_prefix("run "));
    let runs: Vec<_> = runs.map(Run::parse).collect::<Result<_>>()?;
    let boot = outcome.console.parent().context("the console log is in no directory")?;
    let raw = save(&runs, boot)?;
    let comparisons = compare(&runs)?;
    print!("{}", table(&comparisons));
    println!("\nRust/C is the geometric mean of the ratios of neighbouring runs, with Student's t interval of");
    println!("their logarithms; above 1 the Rust driver is faster. Every run: {}", raw.display());
    Ok(())
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
}

fn save(runs: &[Run], boot: &Path) -> Result<std::path::PathBuf> {
    let mut text = String::from("workload,pair,driver,iops,mean_latency_us\n");
    for run in runs {
        writeln!(text, "{},{},{},{},{}", run.workload, run.pair, DRIVERS[run.driver], run.iops, run.latency)?;
    }
    let path = boot.join(RUNS);
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// Compares the drivers at each workload, in the order in which these were measured.
fn compare(runs: &[Run]) -> Result<Vec<Comparison>> {
    let mut workloads: Vec<&str> = Vec::new();
    for run in runs {
        if !workloads.contains(&run.workload.as_str()) {
            workloads.push(&run.workload);
        }
    }
    ensure!(!workloads.is_empty(), "the guest has measured nothing");
    workloads.into_iter().map(|workload| compare_one(workload, runs)).collect()
}

fn compare_one(workload: &str, runs: &[Run]) -> Result<Comparison> {
    let of = |driver, pair| {
        let mut fitting = runs.iter().filter(|r| r.workload == workload && r.driver == driver && r.pair == pair);
        match (fitting.next(), fitting.next()) {
            (Some(run), None) => Ok(run.iops),
            _ => bail!("{workload}: pair {pair} has not one run of {}", DRIVERS[driver]),
        }
    };
    let mut pairs: Vec<u32> = runs.iter().filter(|run| run.workload == workload).map(|run| run.pair).collect();
    pairs.sort_unstable();
    pairs.dedup();
    let pairs: Vec<[f64; 2]> = pairs.into_iter().map(|pair| Ok([of(0, pair)?, of(1, pair)?])).collect::<Result<_>>()?;
    let mean = |driver: usize| pairs.iter().map(|pair| pair[driver]).sum::<f64>() / pairs.len() as f64;
    let ratios: Vec<f64> = pairs.iter().map(|[c, rust]| rust / c).collect();
    let ratio = Ratio::of(&ratios).with_context(|| format!("{workload}: too few pairs"))?;
    Ok(Comparison { workload: workload.to_owned(), iops: [mean(0), mean(1)], ratio })
}

fn table(comparisons: &[Comparison]) -> String {
    let width = comparisons.iter().map(|c| c.workload.len()).max().unwrap_or_default().max(8);
    let mut text = format!(
        "\n  {:width$}  {:>9}  {:>9}  {:>7}  {:>15}  {:>5}\n",
        "workload", "C IOPS", "Rust IOPS", "Rust/C", "95 % interval", "pairs"
    );
    for Comparison { workload, iops: [c, rust], ratio } in comparisons {
        let Ratio { mean, low, high, pairs } = ratio;
        let interval = format!("{low:.3} .. {high:.3}");
        let _ = writeln!(text, "  {workload:width$}  {c:>9.0}  {rust:>9.0}  {mean:>7.3}  {interval:>15}  {pairs:>5}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(pair: u32, driver: usize, iops: f64) -> Run {
        Run { workload: "read".into(), pair, driver, iops, latency: 1.0 }
    }

    #[test]
    fn only_the_runs_of_one_pair_are_compared() {
        // The machine is twice as fast in the second pair; the drivers are equal in each.
        let runs = [run(1, 0, 100.0), run(1, 1, 100.0), run(2, 1, 200.0), run(2, 0, 200.0)];
        let comparisons = compare(&runs).unwrap();
        let Ratio { mean, low, high, pairs } = comparisons[0].ratio;
        assert_eq!((mean, low, high, pairs), (1.0, 1.0, 1.0, 2));
        assert_eq!(comparisons[0].iops, [150.0, 150.0]);
        let row = table(&comparisons);
        assert!(row.contains("1.000 .. 1.000"), "{row}");
    }

    #[test]
    fn a_run_that_is_missing_or_there_twice_is_an_error() {
        let complete = [run(1, 0, 1.0), run(1, 1, 1.0), run(2, 0, 1.0)];
        assert!(compare(&complete).is_err());
        let twice = [run(1, 0, 1.0), run(1, 1, 1.0), run(1, 1, 1.0)];
        assert!(compare(&twice).is_err());
        assert!(compare(&[]).is_err());
        // One pair has no interval.
        assert!(compare(&[run(1, 0, 1.0), run(1, 1, 1.0)]).is_err());
    }

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
