// SPDX-License-Identifier: GPL-2.0
//! Trying and showing the modules of a project.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use vm::scenario::{self, Scenario};
use vm::{Host, Tally};

use super::build::{Compiler, build, name};
use super::{Outside, stage};
use crate::kernel::{Variant, Workshop, build as kernel_build};
use crate::lock::GuestLock;
use crate::project::{create_dir, remove_dir};
use crate::{cargo, guest};

/// What tries the modules in a guest.
const SCRIPT: &str = "test.sh";

/// A project that has been built, to be tried.
#[derive(Debug)]
pub struct Trial<'a> {
    /// The project.
    pub outside: &'a Outside,
    /// For which kernel.
    pub variant: Variant,
    /// Its modules.
    pub modules: Vec<PathBuf>,
}

/// `make test M=`: the tests of what needs no kernel, and the script of the project in a machine.
///
/// # Errors
///
/// Something cannot be built, or no machine can be started.
pub fn test(workshop: Workshop, outside: &Outside) -> Result<Tally> {
    let _lock = GuestLock::take(&workshop.project, "run")?;
    let variant = guest::wanted()?;
    let tally = test_logic(&workshop, outside)?;
    kernel_build::kernel(&workshop, variant)?;
    let modules = build(&workshop, outside, variant, Compiler::Rustc)?.modules;
    let trials = [Trial { outside, variant, modules }];
    let scenario = Scenario::of_modules(
        "driver",
        "what the project says that its modules do",
        assemble(&trials, &outside.work.join("trial"))?,
        guest::devices(),
    );
    let (host, kernel) = hand_over(workshop, variant);
    Ok(tally + vm::outside(&host, &kernel, scenario)?)
}

/// `make shell M=`: the interactive machine, with the modules.
///
/// # Errors
///
/// Something cannot be built, or no machine can be started.
pub fn shell(workshop: Workshop, outside: &Outside) -> Result<()> {
    let _lock = GuestLock::take(&workshop.project, "shell")?;
    let variant = guest::wanted_or_um()?;
    kernel_build::kernel(&workshop, variant)?;
    let built = build(&workshop, outside, variant, Compiler::Rustc)?;
    let names = built.modules.iter().map(|module| name(module)).collect();
    let shown = scenario::Outside { dir: outside.output(variant), names };
    let (host, kernel) = hand_over(workshop, variant);
    guest::open_shell(&host, &kernel, variant, Some(&shown))
}

/// Lets go of the lock: modules may be built again while a guest runs.
fn hand_over(workshop: Workshop, variant: Variant) -> (Host, vm::Kernel) {
    (guest::host(&workshop.project), guest::kernel(&workshop.project, &workshop.tree, variant))
}

/// Runs `cargo test` on the crate `logic` of a project, if it has one.
///
/// # Errors
///
/// The crate cannot be built.
pub fn test_logic(workshop: &Workshop, outside: &Outside) -> Result<Tally> {
    // Cargo writes beside the manifest, and the project is not for that.
    let stage = outside.stage();
    stage::mirror(&outside.dir, &stage)?;
    let manifest = stage.join("logic/Cargo.toml");
    if !manifest.is_file() {
        return Ok(Tally::default());
    }
    cargo::test_crate(&workshop.project, &manifest, &outside.work.join("target"))
}

/// Makes the folder that the guest sees: the modules of all projects, and for each project its script under the name of
/// its first module.
///
/// # Errors
///
/// A project has no script, or the folder cannot be written.
pub fn assemble(trials: &[Trial<'_>], dir: &Path) -> Result<scenario::Outside> {
    remove_dir(dir)?;
    create_dir(dir)?;
    let mut names = Vec::new();
    for Trial { outside, variant, modules } in trials {
        let script = outside.dir.join(SCRIPT);
        if !script.is_file() {
            bail!("{} has no {SCRIPT}, which says what to try", outside.dir.display());
        }
        for module in modules {
            copy(&outside.output(*variant).join(module), &dir.join(module.file_name().unwrap_or_default()))?;
        }
        let first = name(modules.first().context("there is no module")?);
        copy(&script, &dir.join(format!("{first}.sh")))?;
        names.push(first);
    }
    Ok(scenario::Outside { dir: dir.to_path_buf(), names })
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).map(drop).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}
