// SPDX-License-Identifier: GPL-2.0

//! How many instructions the guest executes for one request to a disk, or one packet of a network card, by function,
//! with the C driver and with ours.
//!
//! Boots under emulation with one CPU, or two for two queues; a QEMU plugin counts. The guest does the same work with
//! few and with many requests, so the difference is free of what starting and ending the work costs. Host speed has no
//! part in it. What is left to chance, such as which pages the buffers are in, differs from boot to boot and hardly
//! within one. So there are several, and each of them counts as one pair.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::machine::accel::Accel;
use crate::machine::disk::{Backend, Disk};
use crate::machine::nic::Card;
use crate::machine::plugin::Profiler;
use crate::machine::{Host, Kernel, plugin, qemu};
use crate::runner::Runner;
use crate::scenario::{Flavour, Group, Kind, Overrides, Scenario, minutes};

mod component;
mod cost;
mod counts;
mod measurement;
mod memory;
mod repeats;
mod rounds;
mod study;
mod symbols;
mod table;
pub mod trips;

use measurement::Measurement;
use memory::Memory;
use study::Study;
use symbols::{LoadedSection, SymbolTable};

/// The plugin's file name, as cargo builds it from tools/tcgprofile.
pub const PLUGIN: &str = "libtcgprofile.so";

/// What the kernel does first when a device interrupts.
const INTERRUPT: &str = "asm_common_interrupt";

/// The functions by cost, beside the counts.
const FUNCTIONS: &str = "functions.txt";

/// How many times each machine is booted, with two pairs of runs each time.
const BOOTS: usize = 5;

/// Measures both drivers of `kind` on `kernel` and prints the result. `plugin` is the built tools/tcgprofile.
///
/// Returns whether our driver stays within the limits on every workload.
///
/// # Errors
///
/// When nothing could be measured.
pub fn run(host: &Host, kernel: &Kernel, plugin: &Path, kind: Kind) -> Result<bool> {
    let profiler = profiler(kernel, plugin)?;
    let (study, scenarios) = match kind {
        Kind::Disks => (&study::DISKS, vec![disks(profiler.clone()), queues(profiler)]),
        Kind::Cards => (&study::CARDS, vec![cards(profiler)]),
    };
    let mut measurements = Vec::new();
    let mut pages = Vec::new();
    let mut memory = String::new();
    let mut functions = PathBuf::new();
    for scenario in &scenarios {
        for _ in 0..BOOTS {
            let boot = Boot::make(host, kernel, study, scenario)?;
            let counts = plugin::counts_dir(&boot.dir);
            Measurement::add_boot(&mut measurements, Measurement::read_all(study, &boot.data, &counts, &boot.symbols)?);
            pages.extend(boot.data.into_iter().filter(|line| line.starts_with("pages ")));
            if !pages.is_empty() {
                memory = Memory::read(study, &pages, &boot.symbols)?.table();
            }
            functions = boot.dir.join(FUNCTIONS);
        }
    }
    fs::write(&functions, table::functions(study, &measurements))
        .with_context(|| format!("cannot write {}", functions.display()))?;
    let with = format!("{}, {} kernel, {}", qemu::version(&host.qemu)?, kernel.name, kernel.options());
    print!("{}", table::all(study, &measurements, &with));
    print!("{memory}");
    println!("\nevery function that costs something: {}", functions.display());
    Ok(table::verdict(study, &measurements))
}

/// The plugin for `kernel`.
fn profiler(kernel: &Kernel, file: &Path) -> Result<Profiler> {
    ensure!(file.is_file(), "there is no plugin {}", file.display());
    Ok(Profiler { file: file.into(), interrupt: symbols::address_of(INTERRUPT, &kernel.objdir)? })
}

/// A boot in which instructions were counted.
struct Boot {
    /// Where its files are.
    dir: PathBuf,
    /// What the guest told.
    data: Vec<String>,
    /// The functions, as either driver's measurement sees them.
    symbols: [SymbolTable; 2],
}

impl Boot {
    /// # Errors
    ///
    /// The machine could not be started, or the guest did not do all of its work.
    fn make(host: &Host, kernel: &Kernel, study: &Study, scenario: &Scenario) -> Result<Self> {
        let accel = Accel::Tcg { why: "only an emulated CPU counts instructions".into() };
        let outcome = Runner::new(host, &accel).run(kernel, scenario, &Overrides::default())?;
        ensure!(outcome.tally().success(), "the measurement did not come to its end");
        let dir = outcome.console.parent().context("the console log is in no directory")?.to_path_buf();
        let sections = outcome.data.iter().filter_map(|line| line.strip_prefix("section "));
        let sections: Vec<_> = sections.map(LoadedSection::parse).collect::<Result<_>>()?;
        let symbols = SymbolTable::read(&kernel.objdir, &sections, study)?;
        Ok(Self { dir, data: outcome.data, symbols })
    }
}

fn disks(profiler: Profiler) -> Scenario {
    let disk = |name| Disk::scratch(name, 64 << 10).backend(Backend::Null);
    let scenario = Scenario::debug("insns", "instructions per request, C driver and ours", "insns")
        .disk(disk("main"))
        .disk(disk("packed").with(|properties| properties.packed = Some(true)));
    counted(scenario, &study::DISKS, profiler)
}

fn queues(profiler: Profiler) -> Scenario {
    let mut scenario = Scenario::debug("insns-queues", "the same with two queues, and memory", "insns-queues");
    scenario.disks.extend(memory::disks());
    let mut scenario = counted(scenario, &study::DISKS, profiler);
    scenario.cpus = 2;
    scenario
}

fn cards(profiler: Profiler) -> Scenario {
    let scenario = Scenario::debug("insns-net", "instructions per packet, C driver and ours", "net-insns")
        .card(Card::new("left"))
        .card(Card::new("right"));
    counted(scenario, &study::CARDS, profiler)
}

fn counted(scenario: Scenario, study: &Study, profiler: Profiler) -> Scenario {
    let mut scenario = scenario.var("oracle", study.drivers[0]).var("driver", study.drivers[1]);
    scenario.group = Group::Bench;
    scenario.kernel = Flavour::Plain;
    scenario.cpus = 1;
    // One CPU that has to wait for its turn on the host seems to have no timer.
    scenario.kernel_words = "no_timer_check";
    scenario.limit = minutes(30);
    scenario.plugin = Some(profiler);
    scenario
}
