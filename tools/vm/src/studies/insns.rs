// SPDX-License-Identifier: GPL-2.0

//! How many instructions the guest executes for one request, by function, with the C driver and with ours.
//!
//! One boot under emulation with one CPU; a QEMU plugin counts. The guest does the same work with few and with many
//! requests, so the difference is free of what starting and ending the work costs. Host speed has no part in it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::machine::accel::Accel;
use crate::machine::disk::{Backend, Disk};
use crate::machine::{Host, Kernel, plugin};
use crate::runner::Runner;
use crate::scenario::{Flavour, Group, Overrides, Scenario, minutes};

mod component;
mod cost;
mod counts;
mod measurement;
mod symbols;
mod table;

use measurement::Measurement;
use symbols::{LoadedSection, SymbolTable};

/// The most that our driver may need, relative to the C driver, between block layer and device.
const LIMIT: f64 = 1.1;

/// The drivers: first the one to compare with.
const DRIVERS: [&str; 2] = ["virtio_blk", "virtio_blk_rs"];

/// The plugin's file name, as cargo builds it from tools/tcgprofile.
pub const PLUGIN: &str = "libtcgprofile.so";

/// The functions by cost, beside the counts.
const FUNCTIONS: &str = "functions.txt";

/// Measures both drivers on `kernel` and prints the result. `plugin` is the built tools/tcgprofile.
///
/// Returns whether our driver stays within the limit on every workload.
///
/// # Errors
///
/// When nothing could be measured.
pub fn run(host: &Host, kernel: &Kernel, plugin: &Path) -> Result<bool> {
    ensure!(plugin.is_file(), "there is no plugin {}", plugin.display());
    let accel = Accel::Tcg { why: "only an emulated CPU counts instructions".into() };
    let outcome = Runner::new(host, &accel).run(kernel, &scenario(plugin), &Overrides::default())?;
    ensure!(outcome.tally().success(), "the measurement did not come to its end");
    let boot = outcome.console.parent().context("the console log is in no directory")?;

    let sections = outcome.data.iter().filter_map(|line| line.strip_prefix("section "));
    let sections: Vec<_> = sections.map(LoadedSection::parse).collect::<Result<_>>()?;
    let symbols = SymbolTable::read(&kernel.objdir, &sections)?;
    let measurements = Measurement::read_all(&outcome.data, &plugin::counts_dir(boot), &symbols)?;

    let functions = boot.join(FUNCTIONS);
    fs::write(&functions, table::functions(&measurements, &symbols))
        .with_context(|| format!("cannot write {}", functions.display()))?;
    print!("{}", table::all(&measurements, &symbols));
    println!("\ncounts by translation block: {}", plugin::counts_dir(boot).display());
    println!("every function that costs something: {}", functions.display());
    Ok(table::verdict(&measurements, &symbols))
}

fn scenario(plugin: &Path) -> Scenario {
    let mut scenario = Scenario::debug("insns", "instructions per request, C driver and ours", "insns")
        .var("oracle", DRIVERS[0])
        .var("driver", DRIVERS[1])
        .disk(Disk::scratch("main", 64 << 10).backend(Backend::Null));
    scenario.group = Group::Bench;
    scenario.kernel = Flavour::Plain;
    scenario.cpus = 1;
    // One CPU that has to wait for its turn on the host seems to have no timer.
    scenario.kernel_words = "no_timer_check";
    scenario.limit = minutes(30);
    scenario.plugin = Some(PathBuf::from(plugin));
    scenario
}
