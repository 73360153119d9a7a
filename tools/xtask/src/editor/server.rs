// SPDX-License-Identifier: GPL-2.0
//! The rust-analyzer to ask: the user's, the system's, or one that is built.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::cargo;
use crate::progress::{Step, output, say};
use crate::project::{Project, remove_dir, variable};
use crate::toolchain::which;

/// The crate that is built when there is none.
const CRATE: &str = "ra_ap_rust-analyzer";

/// Its versions, each with the oldest Rust 1.x that can build it. They understand the Rust of their time.
const VERSIONS: [(u32, &str); 3] = [(95, "0.0.340"), (91, "0.0.330"), (85, "0.0.273")];

/// Crates that it consists of, for the progress bar.
const CRATES: u64 = 260;

/// A rust-analyzer that runs: that of `RUST_ANALYZER=`, one in `PATH`, or one that is built here, which takes long.
///
/// # Errors
///
/// The one that was named does not run, or none can be built.
pub fn ensure(project: &Project) -> Result<PathBuf> {
    if let Some(named) = variable("RUST_ANALYZER") {
        let path = which(&named).with_context(|| format!("RUST_ANALYZER={named}: there is no such program"))?;
        version(&path).with_context(|| format!("RUST_ANALYZER={named}"))?;
        return Ok(path);
    }
    let rust = output(cargo::program().arg("--version"))?;
    let wanted = fitting(&rust).with_context(|| format!("no {CRATE} is known for {}", rust.trim()))?;
    let root = project.cache.join("tools").join(format!("rust-analyzer-{wanted}"));
    let built = root.join("bin/rust-analyzer");
    // A toolchain manager has a stand-in that only says what is missing.
    let present = which("rust-analyzer").into_iter().chain([built.clone()]).find(|path| version(path).is_ok());
    if let Some(path) = present {
        say(&format!("{}, {}", version(&path)?, path.display()));
        return Ok(path);
    }
    let target = project.build.join("rust-analyzer");
    let is_crate: fn(&str) -> bool = |line| line.trim_start().starts_with("Compiling ");
    Step {
        title: "building rust-analyzer (crates)",
        log: &project.log("rust-analyzer-build")?,
        counts: Some(is_crate),
        expected: Some(CRATES),
    }
    .run(
        cargo::program()
            .args(["install", "--locked", CRATE, "--version", wanted, "--root"])
            .arg(&root)
            .env("CARGO_TARGET_DIR", &target),
    )
    .context("name a rust-analyzer with RUST_ANALYZER=")?;
    remove_dir(&target)?;
    Ok(built)
}

/// The newest version that a cargo, by what it says of itself, can build.
fn fitting(cargo: &str) -> Option<&'static str> {
    let minor: u32 = cargo.strip_prefix("cargo 1.")?.split('.').next()?.parse().ok()?;
    VERSIONS.iter().find(|(oldest, _)| *oldest <= minor).map(|(_, version)| *version)
}

fn version(path: &std::path::Path) -> Result<String> {
    Ok(output(Command::new(path).arg("--version"))?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_that_can_be_built_is_taken() {
        assert_eq!(fitting("cargo 1.95.0 (f2d3ce0bd 2026-03-21)"), Some("0.0.340"));
        assert_eq!(fitting("cargo 1.94.1"), Some("0.0.330"));
        assert_eq!(fitting("cargo 1.85.0"), Some("0.0.273"));
        assert_eq!(fitting("cargo 1.84.0"), None);
    }
}
