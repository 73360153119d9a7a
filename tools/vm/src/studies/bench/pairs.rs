// SPDX-License-Identifier: GPL-2.0

//! Measurements of two drivers in turn, compared pair by pair.

use std::fmt::Write as _;

use anyhow::{Context, Result, bail, ensure};

use super::ratio::Ratio;

/// What one run has measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// What was done.
    pub workload: String,
    /// Its neighbour has the same number.
    pub pair: u32,
    /// The position of the driver: first the one to compare with.
    pub driver: usize,
    /// How fast it was: more is better.
    pub value: f64,
}

/// Both drivers at one workload.
#[derive(Debug)]
pub struct Comparison {
    workload: String,
    /// Mean of each driver.
    means: [f64; 2],
    ratio: Ratio,
}

/// Compares the drivers, called so, at each workload, in the order in which these were measured.
///
/// # Errors
///
/// A workload was not measured once with each driver in each of two pairs or more.
pub fn compare(samples: &[Sample], drivers: [&str; 2]) -> Result<Vec<Comparison>> {
    let mut workloads: Vec<&str> = Vec::new();
    for sample in samples {
        if !workloads.contains(&sample.workload.as_str()) {
            workloads.push(&sample.workload);
        }
    }
    ensure!(!workloads.is_empty(), "the guest has measured nothing");
    workloads.into_iter().map(|workload| compare_one(workload, samples, drivers)).collect()
}

fn compare_one(workload: &str, samples: &[Sample], drivers: [&str; 2]) -> Result<Comparison> {
    let of = |driver: usize, pair| {
        let mut fitting = samples.iter().filter(|s| s.workload == workload && s.driver == driver && s.pair == pair);
        match (fitting.next(), fitting.next()) {
            (Some(sample), None) => Ok(sample.value),
            _ => bail!("{workload}: pair {pair} has not one run of {}", drivers[driver]),
        }
    };
    let mut pairs: Vec<u32> = samples.iter().filter(|s| s.workload == workload).map(|s| s.pair).collect();
    pairs.sort_unstable();
    pairs.dedup();
    let pairs: Vec<[f64; 2]> = pairs.into_iter().map(|pair| Ok([of(0, pair)?, of(1, pair)?])).collect::<Result<_>>()?;
    let mean = |driver: usize| pairs.iter().map(|pair| pair[driver]).sum::<f64>() / pairs.len() as f64;
    let ratios: Vec<f64> = pairs.iter().map(|[c, rust]| rust / c).collect();
    let ratio = Ratio::of(&ratios).with_context(|| format!("{workload}: too few pairs"))?;
    Ok(Comparison { workload: workload.to_owned(), means: [mean(0), mean(1)], ratio })
}

/// The comparisons as a table; `unit` is that of the speeds, if they have one.
pub fn table(comparisons: &[Comparison], unit: &str) -> String {
    let width = comparisons.iter().map(|c| c.workload.len()).max().unwrap_or_default().max(8);
    let [c, rust] = ["C", "Rust"].map(|name| format!("{name} {unit}"));
    let mut text = format!(
        "\n  {:width$}  {:>9}  {:>9}  {:>7}  {:>15}  {:>5}\n",
        "workload",
        c.trim_end(),
        rust.trim_end(),
        "Rust/C",
        "95 % interval",
        "pairs"
    );
    for Comparison { workload, means: [c, rust], ratio } in comparisons {
        let Ratio { mean, low, high, pairs } = ratio;
        let interval = format!("{low:.3} .. {high:.3}");
        let _ = writeln!(text, "  {workload:width$}  {c:>9.0}  {rust:>9.0}  {mean:>7.3}  {interval:>15}  {pairs:>5}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRIVERS: [&str; 2] = ["c", "rust"];

    fn sample(pair: u32, driver: usize, value: f64) -> Sample {
        Sample { workload: "read".into(), pair, driver, value }
    }

    #[test]
    fn only_the_runs_of_one_pair_are_compared() {
        // The machine is twice as fast in the second pair; the drivers are equal in each.
        let samples = [sample(1, 0, 100.0), sample(1, 1, 100.0), sample(2, 1, 200.0), sample(2, 0, 200.0)];
        let comparisons = compare(&samples, DRIVERS).unwrap();
        let Ratio { mean, low, high, pairs } = comparisons[0].ratio;
        assert_eq!((mean, low, high, pairs), (1.0, 1.0, 1.0, 2));
        assert_eq!(comparisons[0].means, [150.0, 150.0]);
        let table = table(&comparisons, "IOPS");
        assert!(table.contains("1.000 .. 1.000") && table.contains("Rust IOPS"), "{table}");
    }

    #[test]
    fn a_run_that_is_missing_or_there_twice_is_an_error() {
        let complete = [sample(1, 0, 1.0), sample(1, 1, 1.0), sample(2, 0, 1.0)];
        assert!(compare(&complete, DRIVERS).is_err());
        let twice = [sample(1, 0, 1.0), sample(1, 1, 1.0), sample(1, 1, 1.0)];
        assert!(compare(&twice, DRIVERS).is_err());
        assert!(compare(&[], DRIVERS).is_err());
        // One pair has no interval.
        assert!(compare(&[sample(1, 0, 1.0), sample(1, 1, 1.0)], DRIVERS).is_err());
    }
}
