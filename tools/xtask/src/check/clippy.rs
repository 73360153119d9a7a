// SPDX-License-Identifier: GPL-2.0
//! clippy: with the kernel's own set of lints for kernel files, with its default set for the host tools.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::{Findings, diagnostics};
use crate::cargo;
use crate::kernel::modules::directories;
use crate::kernel::{Variant, Workshop, build};
use crate::progress::{Step, read_lossy};

/// Left in the object directory after a run without findings.
const CLEAN: &str = ".clippy-clean";

const TITLE: &str = "running clippy";

/// Checks the host tools.
///
/// # Errors
///
/// cargo cannot be started.
pub fn tools(workshop: &Workshop) -> Result<Findings> {
    let log = workshop.project.log("clippy-tools")?;
    let result = Step { title: "clippy of the host tools", log: &log, counts: None, expected: None }.run(
        cargo::command(&workshop.project, "clippy").args([
            "--workspace",
            "--all-targets",
            "--offline",
            "--locked",
            "--",
            "-D",
            "warnings",
        ]),
    );
    Ok(result.err().map(|error| error.to_string()).into_iter().collect())
}

/// Checks the kernel crate and the modules.
///
/// Objects that are up to date are not compiled again and show no warnings, so after a run with findings, or an
/// interrupted one, everything of ours is compiled anew.
///
/// # Errors
///
/// The kernel cannot be configured, or something else than a finding of ours stops the build.
pub fn kernel(workshop: &Workshop) -> Result<Findings> {
    let objdir = workshop.objdir(Variant::Clippy);
    let directories = directories(workshop)?;
    let clean = objdir.join(CLEAN);
    if !clean.is_file() {
        forget(&objdir.join("rust"), "kernel.o")?;
        for dir in &directories {
            forget(&objdir.join(dir), "")?;
        }
    }
    let _ = fs::remove_file(&clean);
    let targets: Vec<String> = directories.iter().map(|dir| format!("{}/", dir.display())).collect();
    let targets = if targets.is_empty() { vec!["prepare".to_string()] } else { targets };
    let result = build::targets(workshop, Variant::Clippy, TITLE, &targets);
    let log = workshop.project.log(&build::log_name(Variant::Clippy, TITLE))?;
    let findings = diagnostics::of_our_files(workshop, &read_lossy(&log))?;
    if findings.is_empty() {
        result?;
        fs::write(&clean, "").with_context(|| format!("cannot write {}", clean.display()))?;
    }
    Ok(findings)
}

/// Removes the objects of a directory, or the one that is named.
fn forget(dir: &Path, name: &str) -> Result<()> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Ok(());
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let is_object = path.extension().is_some_and(|extension| extension == "o");
        if is_object && (name.is_empty() || entry.file_name() == name) {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}
