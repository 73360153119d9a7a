// SPDX-License-Identifier: GPL-2.0
//! Formatting: the kernel's rules for kernel files, ours for the host tools.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::Findings;
use crate::kernel::Workshop;
use crate::overlay::our_files;
use crate::{cargo, compile_fail, new_driver};

/// Checks the files of the kernel, those that are to become some, and the programs that must not compile.
///
/// # Errors
///
/// rustfmt cannot be started.
pub fn kernel(workshop: &Workshop) -> Result<Findings> {
    let repo = &workshop.project.repo;
    let is_rust = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    let files: Vec<PathBuf> = our_files(repo, &workshop.tree.root)?
        .into_iter()
        .map(|path| repo.join(path))
        .chain(compile_fail::files(repo)?)
        .chain(new_driver::sources(repo)?)
        .filter(is_rust)
        .collect();
    if files.is_empty() {
        return Ok(Findings::new());
    }
    findings(
        Command::new(workshop.toolchain.rustc.sibling("rustfmt"))
            .args(["--check", "--color=never"])
            .arg("--config-path")
            .arg(workshop.tree.root.join(".rustfmt.toml"))
            .args(files),
    )
}

/// Checks the host tools.
///
/// # Errors
///
/// cargo cannot be started.
pub fn tools(workshop: &Workshop) -> Result<Findings> {
    findings(cargo::command(&workshop.project, "fmt").args(["--all", "--check", "--", "--color=never"]))
}

/// What a formatter in check mode complains about.
fn findings(command: &mut Command) -> Result<Findings> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot start {program}"))?;
    if output.status.success() {
        return Ok(Findings::new());
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    Ok(vec![text])
}
