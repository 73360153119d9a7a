// SPDX-License-Identifier: GPL-2.0

//! How many instructions the guest executes for one request to a disk, or one packet of a network card, by function,
//! with the C driver and with ours.
//!
//! One boot under emulation with one CPU; a QEMU plugin counts. The guest does the same work with few and with many
//! requests, so the difference is free of what starting and ending the work costs. Host speed has no part in it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::machine::accel::Accel;
use crate::machine::disk::{Backend, Disk};
use crate::machine::nic::Card;
use crate::machine::{Host, Kernel, plugin};
use crate::runner::Runner;
use crate::scenario::{Flavour, Group, Kind, Overrides, Scenario, minutes};

mod component;
mod cost;
mod counts;
mod measurement;
mod study;
mod symbols;
mod table;

use measurement::Measurement;
use study::Study;
use symbols::{LoadedSection, SymbolTable};

/// The plugin's file name, as cargo builds it from tools/tcgprofile.
pub const PLUGIN: &str = "libtcgprofile.so";

/// The functions by cost, beside the counts.
const FUNCTIONS: &str = "functions.txt";

/// Measures both drivers of `kind` on `kernel` and prints the result. `plugin` is the built tools/tcgprofile.
///
/// Returns whether our driver stays within the limit on every workload.
///
/// # Errors
///
/// When nothing could be measured.
pub fn run(host: &Host, kernel: &Kernel, plugin: &Path, kind: Kind) -> Result<bool> {
    ensure!(plugin.is_file(), "there is no plugin {}", plugin.display());
    let accel = Accel::Tcg { why: "only an emulated CPU counts instructions".into() };
    let (study, scenario) = match kind {
        Kind::Disks => (&study::DISKS, disks(plugin)),
        Kind::Cards => (&study::CARDS, cards(plugin)),
    };
    let outcome = Runner::new(host, &accel).run(kernel, &scenario, &Overrides::default())?;
    ensure!(outcome.tally().success(), "the measurement did not come to its end");
    let boot = outcome.console.parent().context("the console log is in no directory")?;

    let sections = outcome.data.iter().filter_map(|line| line.strip_prefix("section "));
    let sections: Vec<_> = sections.map(LoadedSection::parse).collect::<Result<_>>()?;
    let symbols = SymbolTable::read(&kernel.objdir, &sections, study)?;
    let counts = plugin::counts_dir(boot);
    let measurements = Measurement::read_all(study, &outcome.data, &counts, &symbols)?;

    let functions = boot.join(FUNCTIONS);
    fs::write(&functions, table::functions(study, &measurements, &symbols))
        .with_context(|| format!("cannot write {}", functions.display()))?;
    print!("{}", table::all(study, &measurements, &symbols));
    println!("\ncounts by translation block: {}", counts.display());
    println!("every function that costs something: {}", functions.display());
    Ok(table::verdict(study, &measurements, &symbols))
}

fn disks(plugin: &Path) -> Scenario {
    let scenario = Scenario::debug("insns", "instructions per request, C driver and ours", "insns")
        .disk(Disk::scratch("main", 64 << 10).backend(Backend::Null));
    counted(scenario, &study::DISKS, plugin)
}

fn cards(plugin: &Path) -> Scenario {
    let scenario = Scenario::debug("insns-net", "instructions per packet, C driver and ours", "net-insns")
        .card(Card::new("left"))
        .card(Card::new("right"));
    counted(scenario, &study::CARDS, plugin)
}

fn counted(scenario: Scenario, study: &Study, plugin: &Path) -> Scenario {
    let mut scenario = scenario.var("oracle", study.drivers[0]).var("driver", study.drivers[1]);
    scenario.group = Group::Bench;
    scenario.kernel = Flavour::Plain;
    scenario.cpus = 1;
    // One CPU that has to wait for its turn on the host seems to have no timer.
    scenario.kernel_words = "no_timer_check";
    scenario.limit = minutes(30);
    scenario.plugin = Some(PathBuf::from(plugin));
    scenario
}
