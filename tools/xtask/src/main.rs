// SPDX-License-Identifier: GPL-2.0
//! The host-side program behind `make`: sets up, builds, checks and tests. See `make help`.

mod archive;
mod bindings;
mod book;
mod cargo;
mod check;
mod clean;
mod compile_fail;
mod editor;
mod emulator;
mod environment;
mod guest;
mod hostile;
mod kernel;
mod kunit;
mod lock;
mod map;
mod mutants;
mod new_driver;
mod outside;
mod overlay;
mod patches;
mod progress;
mod project;
mod rust_analyzer;
mod setup;
mod source;
mod status;
mod suite;
mod toolchain;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use vm::Tally;
use vm::scenario::Kind;

use crate::check::rustdoc;
use crate::kernel::{Variant, Workshop, build, modules};
use crate::outside::{Compiler, Outside};
use crate::overlay::Overlay;
use crate::progress::say;
use crate::project::{Project, variable};
use crate::setup::For;

#[derive(Parser)]
#[command(about, version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// One target of the Makefile each.
#[derive(Subcommand)]
enum Command {
    /// Install what is missing and fetch the kernel source
    Setup,
    /// Show versions, tree, overlay, kernels, accelerator
    Status,
    /// Apply the overlay to the kernel tree
    Apply,
    /// Restore the kernel tree
    Unapply,
    /// Build the kernel that KERNEL= names, with all modules
    Kernel,
    /// Write the beginning of a driver outside of the kernel tree
    NewDriver,
    /// Try what new-driver writes, and the stages of the book
    Templates,
    /// Build the modules of this project again, or those of the one that M= names
    Ko,
    /// Show the driver at work in a virtual machine
    Run,
    /// Show the driver at work between two network cards in a virtual machine
    RunNet,
    /// Open a shell in a virtual machine
    Shell,
    /// Run everything that must pass before a change lands
    Test,
    /// Run the long tests
    Soak,
    /// Boot each kernel many times and count how that ends
    Boots,
    /// Count the instructions per request of the C driver and of ours
    Insns,
    /// Count the instructions per packet of both drivers of network cards
    InsnsNet,
    /// Count the interrupts, notifications, wake-ups and locks of both drivers of disks
    Trips,
    /// Compare the speed of the C driver and of ours
    Bench,
    /// Compare the speed of both drivers of network cards
    BenchNet,
    /// Compare the driver with the C one on every kind of disk
    Parity,
    /// Compare the driver of network cards with the C one
    ParityNet,
    /// Run the KUnit suites in user-mode Linux
    Kunit,
    /// Run both drivers on our own block device in user-mode Linux
    Uml,
    /// Try both drivers on devices that lie, and write down what came of it
    Hostile,
    /// Try the driver on devices that misbehave at random
    Fuzz,
    /// Cut the power of a disk and look what was kept
    Powercut,
    /// Break laws and duties on purpose and see who notices
    Mutants,
    /// Break one law on the kernel with every checker and show what that says
    Provoke,
    /// Check formatting, lints and documentation
    Check,
    /// Check what the abstractions must refuse to compile
    CompileFail,
    /// Make the documentation of the abstractions
    Doc,
    /// Make the book
    Book,
    /// Run the commands of the book and compare
    CheckBook,
    /// Attach gdb to a machine that is about to load a module
    Debug,
    /// Print shell variables with which kbuild can be called by hand
    Env,
    /// Show what Rust sees of the symbol of C that SYMBOL= names, or why it does not
    Bindings,
    /// Write the page that says what is where
    Map,
    /// Make the overlay into patches that can be mailed
    Patches,
    /// Make rust-project.json for rust-analyzer
    RustAnalyzer,
    /// Ask rust-analyzer what an editor knows of our files
    CheckEditor,
    /// Be a test device of a virtual machine
    #[command(hide = true, name = vm::uml::DEVICE_COMMAND)]
    Device(Box<blkdev::cli::Cli>),
    /// Remove what was built
    Clean,
    /// Remove what was built and fetched
    Distclean,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match execute(&arguments.command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Carries out a command; `false` when it ran and found something wrong.
fn execute(command: &Command) -> Result<bool> {
    if let Command::Device(device) = command {
        return blkdev::cli::run(device).map(|()| true);
    }
    let project = Project::discover(variable("V").is_some_and(|value| value != "0"))?;
    match command {
        Command::Status => status::print(&project)?,
        Command::NewDriver => new_driver::run(&project)?,
        Command::Env => environment::print(&project)?,
        Command::Clean => clean::objects(&project)?,
        Command::Distclean => clean::everything(&project)?,
        Command::Unapply => unapply(&project)?,
        Command::Bindings => bindings::show(&project)?,
        Command::Map => map::write(&project)?,
        _ => {
            if matches!(command, Command::Setup) {
                emulator::forget_failure(&project);
            }
            let outside = outside(command, &project)?;
            let purpose = if outside.is_some() { For::Everything } else { purpose(command) };
            let workshop = Workshop::open(project, purpose)?;
            return match outside {
                Some(outside) => work_outside(command, workshop, &outside),
                None => work(command, workshop),
            };
        }
    }
    Ok(true)
}

/// The project outside of the tree that a command is about, if `M=` names one.
fn outside(command: &Command, project: &Project) -> Result<Option<Outside>> {
    match command {
        Command::Ko | Command::Shell | Command::Test | Command::RustAnalyzer => Outside::wanted(project),
        _ => Ok(None),
    }
}

/// Carries out a command for a project outside of the tree.
fn work_outside(command: &Command, workshop: Workshop, outside: &Outside) -> Result<bool> {
    match command {
        Command::Test => return Ok(tell(outside::test(workshop, outside)?)),
        Command::Shell => outside::shell(workshop, outside)?,
        Command::RustAnalyzer => drop(rust_analyzer::write(&workshop, Some(outside))?),
        _ => {
            let variant = guest::wanted_or_um()?;
            for module in outside::build(&workshop, outside, variant, Compiler::Rustc)?.modules {
                say(&format!("built {}", outside.output(variant).join(module).display()));
            }
        }
    }
    Ok(true)
}

/// What the tools are needed for.
fn purpose(command: &Command) -> For {
    match command {
        Command::Check | Command::Test | Command::Templates => For::Checks,
        Command::Book | Command::CheckBook => For::Book,
        Command::Debug => For::Debugger,
        Command::Soak => For::LongTests,
        _ => For::Everything,
    }
}

/// Carries out a command that needs the tools and the tree with the overlay.
fn work(command: &Command, workshop: Workshop) -> Result<bool> {
    match command {
        Command::Kernel => build::kernel(&workshop, guest::wanted_or_um()?)?,
        Command::Ko => modules::rebuild(&workshop, guest::wanted_or_um()?)?,
        Command::Run => return Ok(guest::run(workshop)?.success()),
        Command::RunNet => return Ok(guest::run_net(workshop)?.success()),
        Command::Shell => guest::shell(workshop)?,
        Command::Test => return Ok(tell(suite::test(&workshop))),
        Command::Soak => return Ok(tell(suite::soak(&workshop)?)),
        Command::Boots => return Ok(tell(guest::boots(&workshop)?)),
        Command::Insns => return guest::insns(workshop, Kind::Disks),
        Command::InsnsNet => return guest::insns(workshop, Kind::Cards),
        Command::Trips => guest::trips(workshop)?,
        Command::Bench => guest::bench(workshop)?,
        Command::BenchNet => guest::bench_net(workshop)?,
        Command::Parity => return guest::parity(workshop, Kind::Disks),
        Command::ParityNet => return guest::parity(workshop, Kind::Cards),
        Command::Kunit => return Ok(tell(kunit::run_wanted(&workshop)?)),
        Command::Uml => return Ok(tell(guest::uml(&workshop)?)),
        Command::Hostile => return Ok(hostile::all(&workshop)?.success()),
        Command::Fuzz => return Ok(hostile::fuzz(&workshop)?.success()),
        Command::Powercut => return Ok(hostile::powercuts(&workshop)?.success()),
        Command::Mutants => return Ok(mutants::run(&workshop)?.success()),
        Command::Provoke => return mutants::provoke(&workshop),
        Command::Check => return Ok(tell(check::all(&workshop))),
        Command::Templates => return Ok(tell(new_driver::trial::run(&workshop)?)),
        Command::CompileFail => {
            build::kernel(&workshop, Variant::Um)?;
            return Ok(tell(compile_fail::run(&workshop)?));
        }
        Command::Doc => doc(&workshop)?,
        Command::Book => return book::make(&workshop),
        Command::CheckBook => return Ok(tell(book::check(&workshop)?)),
        Command::Debug => guest::debug(workshop)?,
        Command::Patches => return patches::make(workshop),
        Command::RustAnalyzer => drop(rust_analyzer::write(&workshop, None)?),
        Command::CheckEditor => return Ok(tell(editor::check(&workshop)?)),
        Command::Apply => say(&format!("the overlay is applied to {}", workshop.tree.root.display())),
        _ => say(&format!("ready: {}, Linux {}", workshop.toolchain, workshop.tree.version)),
    }
    Ok(true)
}

fn unapply(project: &Project) -> Result<()> {
    let _lock = lock::BuildLock::take(project)?;
    mutants::heal(&project.build)?;
    let tree = source::find(project)?.context("there is no kernel tree yet, so there is nothing to restore")?;
    let changed = Overlay::new(&project.repo, &tree.root).unapply()?;
    let what = if changed { "restored" } else { "nothing to restore in" };
    say(&format!("{what} {}", tree.root.display()));
    Ok(())
}

fn doc(workshop: &Workshop) -> Result<()> {
    let findings = rustdoc::check(workshop)?;
    if !findings.is_empty() {
        bail!("rustdoc has {} complaints about our files:\n{}", findings.len(), findings.join("\n"));
    }
    for page in rustdoc::pages(workshop)? {
        println!("{}", page.display());
    }
    Ok(())
}

/// Ends a run with the line that says what came out, and tells whether that is good.
fn tell(tally: Tally) -> bool {
    println!("{}", suite::line(&tally));
    tally.success()
}
