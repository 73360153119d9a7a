// SPDX-License-Identifier: GPL-2.0
//! The part of `make test` that tries the templates, as somebody would who begins with them, and what the book grows
//! from them: all are made, built, loaded and unloaded.

use std::path::PathBuf;

use anyhow::Result;
use vm::Tally;
use vm::scenario::Scenario;

use super::{Kind, write};
use crate::guest;
use crate::kernel::{Variant, Workshop, build as kernel_build};
use crate::lock::GuestLock;
use crate::outside::{self, Built, Compiler, Outside, Trial, assemble};
use crate::progress::say;
use crate::project::{Project, create_dir, remove_dir};

/// Where the projects are made: kbuild takes no path with a space, so they have one.
const PLACE: &str = "new drivers";

/// Where in the checkout the drivers of the book grow.
const STAGES: &str = "Documentation/rust/book/stages";

/// The drivers that do.
const GROWN: [&str; 3] = ["block", "net", "virtio"];

/// What the machine has for the scripts of [`GROWN`]: a device that can be reset, as those are that are plugged into a
/// port.
const DEVICES: [&str; 2] = ["pcie-root-port,id=port-stages,chassis=99,slot=99", "virtio-rng-pci,bus=port-stages"];

/// Tries everything on the debug kernel, in one machine.
///
/// # Errors
///
/// A project cannot be made, the kernel cannot be built, or no machine can be started.
pub fn run(workshop: &Workshop) -> Result<Tally> {
    let _lock = GuestLock::take(&workshop.project, "run")?;
    let variant = Variant::Debug;
    let mut projects = make(workshop)?;
    for name in GROWN {
        projects.push(Outside::open(&workshop.project, &workshop.project.repo.join(STAGES).join(name))?);
    }
    kernel_build::kernel(workshop, variant)?;
    let mut tally = Tally::default();
    let mut trials = Vec::new();
    for outside in &projects {
        tally += outside::test_logic(workshop, outside)?;
        match outside::build(workshop, outside, variant, Compiler::Clippy) {
            Ok(Built { modules, warnings }) => {
                tally += Tally { passed: u32::from(warnings == 0), failed: u32::from(warnings != 0), skipped: 0 };
                trials.push(Trial { outside, variant, modules });
            }
            Err(error) => {
                say(&format!("{}: FAILED: {error:#}", outside.dir.display()));
                tally += Tally { failed: 1, ..Tally::default() };
            }
        }
    }
    if trials.is_empty() {
        return Ok(tally);
    }
    let host = guest::host(&workshop.project);
    let modules = assemble(&trials, &trial_dir(&workshop.project))?;
    let devices = Kind::ALL.iter().map(|kind| kind.devices()).filter(|device| !device.is_empty()).chain(DEVICES);
    let devices = devices.map(str::to_owned).collect();
    let scenario =
        Scenario::of_modules("new-drivers", "what the templates make, outside of the tree", modules, devices);
    Ok(tally + vm::outside(&host, &guest::kernel(&workshop.project, &workshop.tree, variant), scenario)?)
}

/// Makes a project of each kind.
fn make(workshop: &Workshop) -> Result<Vec<Outside>> {
    let place = place(&workshop.project);
    remove_dir(&place)?;
    create_dir(&place)?;
    let one = |kind: Kind| {
        let name = format!("my_{}", kind.name());
        let dir = place.join(format!("my {} driver", kind.name()));
        write(&workshop.project, &workshop.tree, &name, kind, &dir)?;
        Outside::open(&workshop.project, &dir)
    };
    Kind::ALL.into_iter().map(one).collect()
}

/// Where the projects are made.
pub fn place(project: &Project) -> PathBuf {
    project.build.join(PLACE)
}

/// What the guest sees of them.
fn trial_dir(project: &Project) -> PathBuf {
    project.build.join("modules").join("trial")
}
