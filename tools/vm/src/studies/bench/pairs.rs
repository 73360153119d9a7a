// SPDX-License-Identifier: GPL-2.0

//! Measurements of two drivers in turn, compared pair by pair.

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;

use super::ratio::{Ratio, median};

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
    pub speed: f64,
    /// How long requests took, where that was measured.
    pub latency: Option<Latency>,
}

/// How long requests took, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Latency {
    /// Half of them.
    pub p50: f64,
    /// 99 of 100.
    pub p99: f64,
    /// 999 of 1000.
    pub p999: f64,
}

/// One quantity of both drivers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Quantity {
    /// The values of each pair of neighbouring runs.
    pub pairs: Vec<[f64; 2]>,
    /// The median of each driver's.
    pub medians: [f64; 2],
    /// Our driver's relative to the other one's, pair by pair.
    pub ratio: Ratio,
}

/// Both drivers at one workload.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// What was done.
    pub workload: String,
    /// How fast.
    pub speed: Quantity,
    /// The time that half of the requests keep, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50: Option<Quantity>,
    /// That which 99 of 100 keep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99: Option<Quantity>,
    /// That which 999 of 1000 keep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p999: Option<Quantity>,
}

impl Quantity {
    fn of(pairs: Vec<[f64; 2]>) -> Option<Self> {
        let of_driver = |driver: usize| median(&pairs.iter().map(|pair| pair[driver]).collect::<Vec<_>>());
        let medians = [of_driver(0)?, of_driver(1)?];
        let ratio = Ratio::of(&pairs.iter().map(|[c, rust]| rust / c).collect::<Vec<_>>())?;
        Some(Self { pairs, medians, ratio })
    }
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
            (Some(sample), None) => Ok(sample),
            _ => bail!("{workload}: pair {pair} has not one run of {}", drivers[driver]),
        }
    };
    let mut pairs: Vec<u32> = samples.iter().filter(|s| s.workload == workload).map(|s| s.pair).collect();
    pairs.sort_unstable();
    pairs.dedup();
    let pairs: Vec<[&Sample; 2]> =
        pairs.into_iter().map(|pair| Ok([of(0, pair)?, of(1, pair)?])).collect::<Result<_>>()?;
    let quantity = |value: &dyn Fn(&Sample) -> Option<f64>| {
        let pairs = pairs.iter().map(|[c, rust]| Some([value(c)?, value(rust)?])).collect::<Option<Vec<_>>>();
        pairs.map(|pairs| Quantity::of(pairs).with_context(|| format!("{workload}: too few pairs, or wild ones")))
    };
    let speed = quantity(&|sample| Some(sample.speed)).context("a sample has a speed")??;
    let p50 = quantity(&|sample| Some(sample.latency?.p50)).transpose()?;
    let p99 = quantity(&|sample| Some(sample.latency?.p99)).transpose()?;
    let p999 = quantity(&|sample| Some(sample.latency?.p999)).transpose()?;
    Ok(Comparison { workload: workload.to_owned(), speed, p50, p99, p999 })
}

#[cfg(test)]
pub mod tests {
    use super::*;

    const DRIVERS: [&str; 2] = ["c", "rust"];

    fn sample(pair: u32, driver: usize, speed: f64) -> Sample {
        let latency = Some(Latency { p50: 1e6 / speed, p99: 2e6 / speed, p999: 4e6 / speed });
        Sample { workload: "read".into(), pair, driver, speed, latency }
    }

    /// A workload at which the second driver is `factor` times as fast, on a machine that gets faster.
    pub fn comparison(workload: &str, factor: f64) -> Comparison {
        let runs = |pair: u32| [sample(pair, 0, f64::from(pair)), sample(pair, 1, f64::from(pair) * factor)];
        let mut samples = [runs(1), runs(2), runs(3)].concat();
        samples.iter_mut().for_each(|sample| sample.workload = workload.to_owned());
        compare(&samples, DRIVERS).unwrap().remove(0)
    }

    #[test]
    fn only_the_runs_of_one_pair_are_compared() {
        // The machine is twice as fast in the second pair; the drivers are equal in each.
        let samples = [sample(1, 0, 100.0), sample(1, 1, 100.0), sample(2, 1, 200.0), sample(2, 0, 200.0)];
        let comparison = compare(&samples, DRIVERS).unwrap().remove(0);
        let Quantity { pairs, medians, ratio } = comparison.speed;
        assert_eq!((ratio.mean, ratio.low, ratio.high, ratio.pairs), (1.0, 1.0, 1.0, 2));
        assert_eq!(medians, [150.0, 150.0]);
        assert_eq!(pairs, [[100.0, 100.0], [200.0, 200.0]]);
    }

    #[test]
    fn latencies_are_compared_where_every_run_has_them() {
        let whole = comparison("read", 2.0);
        let [p50, p99, p999] = [whole.p50, whole.p99, whole.p999].map(Option::unwrap);
        assert!([&p50, &p99, &p999].into_iter().all(|quantity| (quantity.ratio.mean - 0.5).abs() < 1e-12));
        assert_eq!((p99.medians, p999.medians), ([1e6, 0.5e6], [2e6, 1e6]));
        let mut samples = [sample(1, 0, 1.0), sample(1, 1, 1.0), sample(2, 0, 1.0), sample(2, 1, 1.0)];
        samples[3].latency = None;
        let without = compare(&samples, DRIVERS).unwrap().remove(0);
        assert_eq!((without.p50, without.p99, without.p999), (None, None, None));
    }

    #[test]
    fn workloads_keep_their_order() {
        let mut samples = [sample(1, 0, 1.0), sample(1, 1, 1.0), sample(2, 0, 1.0), sample(2, 1, 1.0)].to_vec();
        let mut others = samples.clone();
        others.iter_mut().for_each(|sample| sample.workload = "a".into());
        samples.extend(others);
        let names: Vec<String> = compare(&samples, DRIVERS).unwrap().into_iter().map(|c| c.workload).collect();
        assert_eq!(names, ["read", "a"]);
    }

    #[test]
    fn a_run_that_is_missing_or_there_twice_is_an_error() {
        let complete = [sample(1, 0, 1.0), sample(1, 1, 1.0), sample(2, 0, 1.0)];
        assert!(compare(&complete, DRIVERS).unwrap_err().to_string().contains("pair 2 has not one run of rust"));
        let twice = [sample(1, 0, 1.0), sample(1, 1, 1.0), sample(1, 1, 1.0)];
        assert!(compare(&twice, DRIVERS).is_err());
        assert!(compare(&[], DRIVERS).is_err());
        // One pair has no interval.
        assert!(compare(&[sample(1, 0, 1.0), sample(1, 1, 1.0)], DRIVERS).is_err());
    }
}
