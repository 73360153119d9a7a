// SPDX-License-Identifier: GPL-2.0

//! How fast our driver of network cards is compared with the C driver: two cards, one of each, take turns with a third
//! one at the other end of the wire.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::pairs::{self, Sample};
use super::{EXPLANATION, pairs_and_seconds, save_lines};
use crate::machine::nic::Card;
use crate::machine::{Host, Kernel, accel};
use crate::runner::Runner;
use crate::scenario::net::DRIVERS;
use crate::scenario::{Flavour, Group, Overrides, Scenario, minutes};

/// Measures both drivers on `kernel` and prints the result. `BENCH_PAIRS` and `BENCH_SECONDS` are as for
/// [`super::run`].
///
/// # Errors
///
/// When nothing could be measured.
pub fn run(host: &Host, kernel: &Kernel) -> Result<()> {
    let (pairs, seconds) = pairs_and_seconds()?;
    let accel = accel::probe(host, Some(kernel))?;
    println!("accelerator: {accel}");
    let outcome = Runner::new(host, &accel).run(kernel, &scenario(pairs, seconds), &Overrides::default())?;
    ensure!(outcome.tally().success(), "the measurement did not come to its end");

    let lines = outcome.data.iter().filter_map(|line| line.strip_prefix("run "));
    let samples: Vec<_> = lines.map(parse).collect::<Result<_>>()?;
    let boot = outcome.console.parent().context("the console log is in no directory")?;
    let raw = save(&samples, boot)?;
    print!("{}", pairs::table(&pairs::compare(&samples, DRIVERS)?, ""));
    println!("{EXPLANATION}{}", raw.display());
    Ok(())
}

fn scenario(pairs: u64, seconds: u64) -> Scenario {
    let mut scenario = Scenario::debug("bench-net", "iperf3, pktgen and ping with both drivers in turn", "net-bench")
        .var("oracle", DRIVERS[0])
        .var("driver", DRIVERS[1])
        .var("pairs", pairs)
        .var("seconds_each", seconds)
        .card(Card::new("one"))
        .card(Card::new("two"))
        .card(Card::new("far"));
    scenario.group = Group::Bench;
    scenario.kernel = Flavour::Plain;
    // Five workloads, two drivers.
    scenario.limit = minutes(10 + pairs * (seconds + 8) / 6);
    scenario
}

/// Reads what the guest says: workload, pair, driver and speed.
fn parse(text: &str) -> Result<Sample> {
    let words: Vec<&str> = text.split(' ').collect();
    let parsed = || {
        let [workload, pair, driver, value] = words[..] else { return None };
        let driver = DRIVERS.iter().position(|known| *known == driver)?;
        let value = value.parse().ok().filter(|value: &f64| value.is_finite() && *value > 0.0)?;
        Some(Sample { workload: workload.to_owned(), pair: pair.parse().ok()?, driver, value })
    };
    parsed().with_context(|| format!("the guest does not say what was measured: `{text}`"))
}

fn save(samples: &[Sample], boot: &Path) -> Result<std::path::PathBuf> {
    let line = |s: &Sample| format!("{},{},{},{}", s.workload, s.pair, DRIVERS[s.driver], s.value);
    save_lines(boot, "workload,pair,driver,speed", samples.iter().map(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_guest_says_is_checked() {
        let sample = parse("tcp-send 3 e1000_rs 431.5").unwrap();
        assert_eq!((sample.pair, sample.driver, sample.value), (3, 1, 431.5));
        for text in ["", "tcp 3 e1000_rs", "tcp 3 e1000e 5", "tcp x e1000 5", "tcp 3 e1000 0", "tcp 3 e1000 5 Mbit/s"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn runs_are_saved_line_by_line() {
        let boot = tempfile::tempdir().unwrap();
        let path = save(&[parse("tcp 1 e1000 5").unwrap()], boot.path()).unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), "workload,pair,driver,speed\ntcp,1,e1000,5\n");
    }
}
