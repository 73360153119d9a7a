// SPDX-License-Identifier: GPL-2.0
//! The kernel's style checker on every source file of ours.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Findings;
use crate::kernel::Workshop;
use crate::project::walk;

/// The longest line in what is not for the kernel tree, as tools/rustfmt.toml says.
const TOOLS_LINE: u32 = 120;

/// Checks kernel files and host tools.
///
/// # Errors
///
/// The checkout cannot be read or the checker cannot be started.
pub fn check(workshop: &Workshop) -> Result<Findings> {
    let files = sources(&workshop.project.repo)?;
    let is_tool = |file: &PathBuf| file.starts_with("tools") || file.starts_with("tests");
    let (tools, kernel): (Vec<_>, Vec<_>) = files.into_iter().partition(is_tool);
    let mut findings = run(workshop, &kernel, &[])?;
    findings.extend(run(workshop, &tools, &[format!("--max-line-length={TOOLS_LINE}")])?);
    Ok(findings)
}

fn run(workshop: &Workshop, files: &[PathBuf], options: &[String]) -> Result<Findings> {
    if files.is_empty() {
        return Ok(Findings::new());
    }
    let tree = &workshop.tree.root;
    let output = Command::new("perl")
        .current_dir(&workshop.project.repo)
        // In what it takes for a git tree it runs a second checker, which needs Python modules for nothing but
        // the licence expression; that there is one is checked without.
        .env("GIT_DIR", "/nonexistent")
        .arg(tree.join("scripts/checkpatch.pl"))
        .arg(format!("--root={}", tree.display()))
        .args(["--strict", "--terse", "--show-types", "--no-summary", "--color=never"])
        .args(options)
        .arg("--file")
        .args(files)
        .output()
        .context("cannot start perl")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let mut findings: Findings = text.lines().filter(|line| !line.is_empty()).map(str::to_string).collect();
    if findings.is_empty() && !output.status.success() {
        findings.push(format!("checkpatch.pl ended with {}", output.status));
    }
    Ok(findings)
}

/// Every file of the checkout that the checker understands, relative to its root.
fn sources(repo: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in walk(repo) {
        let entry = entry?;
        let path = entry.path().strip_prefix(repo)?;
        if entry.file_type().is_some_and(|kind| kind.is_file()) && is_source(path) {
            files.push(path.to_path_buf());
        }
    }
    if files.is_empty() {
        bail!("{} has no source file: is the checkout complete?", repo.display());
    }
    files.sort();
    Ok(files)
}

fn is_source(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    matches!(&*extension, "rs" | "c" | "h" | "sh" | "S" | "rst" | "config")
        || name.starts_with("Kconfig")
        || name.starts_with("Makefile")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkout_without_sources_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(".git")).unwrap();
        std::fs::write(dir.path().join(".git/hook.sh"), "").unwrap();
        assert!(sources(dir.path()).is_err());
    }

    #[test]
    fn sources_are_told_from_other_files() {
        for path in ["rust/kernel/virtio.rs", "Makefile", "drivers/x/Kconfig", "drivers/virtio/Kconfig.rust", "a.c"] {
            assert!(is_source(Path::new(path)), "{path}");
        }
        for path in ["COPYING", "tools/Cargo.lock", "README.md"] {
            assert!(!is_source(Path::new(path)), "{path}");
        }
    }
}
