// SPDX-License-Identifier: GPL-2.0

//! Runs single scenarios by hand.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Parser, Subcommand};
use vm::report::Report;
use vm::runner::Runner;
use vm::scenario::{self, Kind, Overrides};
use vm::uml::{hostile, powercut};
use vm::{Host, Kernel, Tally, accel, bench, insns, kunit, studies, uml};

/// Runs single scenarios of the virtual machine tests by hand.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists the scenarios.
    List,
    /// Runs scenarios, one after the other.
    Run {
        /// Names of scenarios, or `kunit`.
        #[arg(required = true)]
        names: Vec<String>,
        /// Module under test.
        #[arg(long)]
        driver: Option<String>,
        /// A variable of the guest script, such as `loops=5`.
        #[arg(long = "set", value_parser = variable, value_name = "NAME=VALUE")]
        vars: Vec<(String, String)>,
        #[command(flatten)]
        target: Target,
    },
    /// Makes trials of the hostile corpus, and says what came of each.
    Hostile {
        /// Parts of the names of scenarios; all of them otherwise.
        names: Vec<String>,
        /// Only those that `make test` tries.
        #[arg(long)]
        short: bool,
        /// Module under test.
        #[arg(long, default_value = hostile::DRIVERS[0])]
        driver: String,
        #[command(flatten)]
        target: Target,
    },
    /// Cuts the power of a disk.
    Powercut {
        /// How often.
        #[arg(long, default_value_t = 5)]
        cuts: u32,
        /// What decides when, and what is lost.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Module under test.
        #[arg(long, default_value = hostile::DRIVERS[0])]
        driver: String,
        #[command(flatten)]
        target: Target,
    },
    /// Counts the instructions per request of both drivers.
    Insns {
        /// The plugin; by default the one built beside this program.
        #[arg(long)]
        plugin: Option<PathBuf>,
        /// Those of network cards.
        #[arg(long)]
        net: bool,
        #[command(flatten)]
        target: Target,
    },
    /// Counts the interrupts, notifications, wake-ups and locks of both drivers of disks.
    Trips {
        /// The plugin; by default the one built beside this program.
        #[arg(long)]
        plugin: Option<PathBuf>,
        #[command(flatten)]
        target: Target,
    },
    /// Compares the speed of both drivers.
    Bench {
        /// Those of network cards.
        #[arg(long)]
        net: bool,
        #[command(flatten)]
        target: Target,
    },
    /// Starts the interactive machine.
    Shell {
        #[command(flatten)]
        target: Target,
    },
    /// Is a test device.
    #[command(hide = true, name = uml::DEVICE_COMMAND)]
    Device(Box<blkdev::cli::Cli>),
    /// Says which accelerator runs a guest here.
    Accel {
        #[command(flatten)]
        target: Target,
    },
}

#[derive(Args)]
struct Target {
    /// Build directory of the kernel.
    #[arg(long)]
    objdir: PathBuf,
    /// Source tree of the kernel; by default the directory above the build directory.
    #[arg(long)]
    srcdir: Option<PathBuf>,
    /// The checkout that holds tests/guest.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../.."), hide_default_value = true)]
    repo: PathBuf,
    /// Directory for images, disks and logs; by default `vm` beside the build directory.
    #[arg(long)]
    work: Option<PathBuf>,
    /// QEMU to use.
    #[arg(long, default_value = "qemu-system-x86_64")]
    qemu: PathBuf,
    /// `kvm` or `tcg`; tried otherwise.
    #[arg(long)]
    accel: Option<String>,
    /// Machines of user-mode Linux at a time.
    #[arg(long, default_value_t = 1)]
    at_once: usize,
    /// Show also what passing cases have to say.
    #[arg(long, short)]
    verbose: bool,
}

impl Target {
    fn open(self) -> Result<(Host, Kernel)> {
        let absolute =
            |path: &PathBuf| path.canonicalize().with_context(|| format!("no such directory: {}", path.display()));
        let objdir = absolute(&self.objdir)?;
        let parent = objdir.parent().context("the build directory has no parent")?.to_path_buf();
        let name = match objdir.file_name().and_then(|name| name.to_str()) {
            Some("o-debug") => "debug",
            Some("o-um") => "um",
            Some("o-traced") => "traced",
            _ => "plain",
        };
        let host = Host {
            work: self.work.unwrap_or_else(|| parent.join("vm")),
            qemu: self.qemu,
            accel: self.accel,
            verbose: self.verbose,
            repo: absolute(&self.repo)?,
            at_once: self.at_once.max(1),
        };
        std::fs::create_dir_all(&host.work).with_context(|| format!("cannot make {}", host.work.display()))?;
        let kernel = Kernel { name: name.into(), objdir, srcdir: self.srcdir.unwrap_or(parent) };
        Ok((host, kernel))
    }
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".into()),
    }
}

fn main() -> ExitCode {
    match execute(Cli::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("vmtest: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command) -> Result<bool> {
    match command {
        Command::List => {
            for scenario in scenario::all() {
                println!(
                    "{:10}  {:18}  {:?}  {}",
                    scenario.group.name(),
                    scenario.name,
                    scenario.kernel,
                    scenario.about
                );
            }
            for scenario in uml::all() {
                println!("um          {:18}  {}", scenario.name, scenario.about);
            }
            Ok(true)
        }
        Command::Run { names, driver, vars, target } => run(&names, Overrides { driver, vars }, target),
        Command::Hostile { names, short, driver, target } => hostile(&names, short, &driver, target),
        Command::Powercut { cuts, seed, driver, target } => {
            let (host, kernel) = target.open()?;
            Ok(powercut::run(&host, &kernel, &driver, cuts, seed)?.success())
        }
        Command::Insns { plugin, net, target } => {
            let (host, kernel) = target.open()?;
            insns::run(&host, &kernel, &profiler(plugin)?, if net { Kind::Cards } else { Kind::Disks })
        }
        Command::Trips { plugin, target } => {
            let (host, kernel) = target.open()?;
            insns::trips::run(&host, &kernel, &profiler(plugin)?)?;
            Ok(true)
        }
        Command::Bench { net, target } => {
            let effort = bench::Effort::from_environment()?;
            let (host, kernel) = target.open()?;
            let run = if net { bench::net::run } else { bench::disks::run };
            run(&host, &kernel, &effort)?;
            Ok(true)
        }
        Command::Device(device) => blkdev::cli::run(&device).map(|()| true),
        Command::Shell { target } => {
            let (host, kernel) = target.open()?;
            vm::shell(&host, &kernel, None, &[])?;
            Ok(true)
        }
        Command::Accel { target } => {
            let (host, kernel) = target.open()?;
            println!("{}", accel::probe(&host, Some(&kernel))?);
            Ok(true)
        }
    }
}

/// The plugin that counts: the one that was named, or that beside this program.
fn profiler(named: Option<PathBuf>) -> Result<PathBuf> {
    Ok(named.map_or_else(|| Ok(std::env::current_exe()?.with_file_name(insns::PLUGIN)), Ok::<_, std::io::Error>)?)
}

fn hostile(names: &[String], short: bool, driver: &str, target: Target) -> Result<bool> {
    let (host, kernel) = target.open()?;
    let mut scenarios = hostile::corpus::all(&host.repo)?;
    scenarios.retain(|scenario| names.is_empty() || names.iter().any(|name| scenario.name.contains(name)));
    scenarios.retain(|scenario| scenario.short || !short);
    ensure!(!scenarios.is_empty(), "no scenario of a device that lies is called so");
    let results = hostile::run(&host, &kernel, driver, &scenarios)?;
    let mut held = true;
    for scenario in &scenarios {
        let trial = results.get(&scenario.name).with_context(|| format!("{} was not tried", scenario.name))?;
        let holds = scenario.holds(trial.outcome);
        held &= holds;
        println!("{} {} => {}", if holds { "  ok  " } else { "  FAIL" }, scenario.name, trial.outcome.name());
        trial.details.iter().for_each(|line| println!("          {line}"));
    }
    Ok(held)
}

fn run(names: &[String], overrides: Overrides, target: Target) -> Result<bool> {
    let (host, kernel) = target.open()?;
    let all = scenario::all();
    let um = uml::all();
    let known = |n: &str| n == "kunit" || all.iter().any(|s| s.name == n) || um.iter().any(|s| s.name == n);
    if let Some(name) = names.iter().find(|n| !known(n)) {
        bail!("there is no scenario `{name}`; `vmtest list` shows them");
    }
    let mut tally = Tally::default();
    for name in names {
        tally += if let Some(scenario) = um.iter().find(|s| s.name == name) {
            uml::run(&host, &kernel, scenario, &overrides)?.tally()
        } else if let Some(scenario) = all.iter().find(|s| s.name == name) {
            let accel = accel::probe(&host, Some(&kernel))?;
            let runner = Runner { evaluate: studies::evaluate, ..Runner::new(&host, &accel) };
            runner.run(&kernel, scenario, &overrides)?.tally()
        } else {
            kunit::boot(&host, &kernel, &Report::new(host.verbose))?
        };
    }
    println!("\n{} passed, {} failed, {} skipped", tally.passed, tally.failed, tally.skipped);
    Ok(tally.success())
}
