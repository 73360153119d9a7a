// SPDX-License-Identifier: GPL-2.0

//! How fast our drivers are compared with the C drivers.
//!
//! Both drivers of a pair take turns in one boot, on devices that are alike, and in the second half of the runs each
//! has the other's device. Speeds of a virtual machine wander by more than the drivers differ, so only neighbouring
//! runs are compared: each pair gives one ratio, and the ratios give a mean and an interval.
//!
//! | module | subject |
//! |---|---|
//! | [`disks`], [`net`] | what is measured of disks and of network cards |
//! | `effort`, `cells`, `goals` | how much, what disks are asked to do, what is to be reached |
//! | `pairs`, `ratio` | pairs, their ratios, mean and interval |
//! | `results`, `table`, `page`, `facts` | the results, and how they are shown |

use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::machine::accel::Accel;
use crate::machine::{Host, Kernel};
use crate::runner::Runner;
use crate::scenario::{Overrides, Scenario};

pub mod disks;
pub mod net;

mod cells;
mod effort;
mod facts;
mod goals;
mod page;
mod pairs;
mod ratio;
mod results;
mod table;

pub use effort::Effort;
use facts::Fact;
use pairs::Sample;
use results::Results;

/// Boots `kernel` for `scenario`. Returns what the guest told.
fn told(host: &Host, accel: &Accel, kernel: &Kernel, scenario: &Scenario) -> Result<Vec<String>> {
    let outcome = Runner::new(host, accel).run(kernel, scenario, &Overrides::default())?;
    ensure!(outcome.tally().success(), "the measurement did not come to its end");
    Ok(outcome.data)
}

/// The runs among what the guest told, as `parse` reads each.
fn samples(data: &[String], parse: impl Fn(&str) -> Option<Sample>) -> Result<Vec<Sample>> {
    let runs = data.iter().filter_map(|line| line.strip_prefix("run "));
    let parse = |text| parse(text).with_context(|| format!("the guest does not say what was measured: `{text}`"));
    runs.map(parse).collect()
}

/// Shows the results below the host's work directory.
fn show(host: &Host, results: &Results) -> Result<()> {
    results.show(Path::new(&host.work))
}

/// How long a boot may take that measures so many cells: `seconds` for each run of each driver, `pairs` of them.
fn limit(cells: usize, pairs: u64, seconds: f64) -> std::time::Duration {
    // Starting fio takes some seconds on an emulated CPU, twice for each cell.
    let of_cell = 2.0 * (pairs as f64 * (seconds + 0.5) + 15.0);
    std::time::Duration::from_secs(600) + std::time::Duration::from_secs_f64(of_cell * cells as f64 * 2.0)
}
