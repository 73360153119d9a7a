// SPDX-License-Identifier: GPL-2.0
//! Building the modules of a project.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::{Outside, stage};
use crate::check::diagnostics;
use crate::kernel::{Variant, Workshop, build as kernel_build};
use crate::progress::{excerpt, say};
use crate::project::{create_dir, remove_dir};

/// What compiles the Rust files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compiler {
    /// rustc.
    Rustc,
    /// The same with the lints of clippy.
    Clippy,
}

/// What has been built.
#[derive(Debug)]
pub struct Built {
    /// The modules, as seen from [`Outside::output`].
    pub modules: Vec<PathBuf>,
    /// How many warnings there were.
    pub warnings: usize,
}

/// Builds the modules of a project for a kernel, which is built before if it was not yet. Shows what the compiler has
/// to say.
///
/// # Errors
///
/// The kernel or the modules cannot be built, or there are none.
pub fn build(workshop: &Workshop, outside: &Outside, variant: Variant, compiler: Compiler) -> Result<Built> {
    if !workshop.objdir(variant).join("Module.symvers").is_file() {
        kernel_build::kernel(workshop, variant)?;
    }
    let (stage, output) = (outside.stage(), outside.output(variant));
    stage::mirror(&outside.dir, &stage)?;
    if compiler == Compiler::Clippy {
        // What is not compiled again does not warn again.
        remove_dir(&output)?;
    }
    create_dir(&output)?;
    say(&format!("building the modules of {}", outside.dir.display()));
    let log = workshop.project.log(&format!("modules-{}", variant.name()))?;
    let mut command = workshop.kbuild(variant);
    command.arg(format!("M={}", stage.display())).arg(format!("MO={}", output.display())).arg("modules");
    if compiler == Compiler::Clippy {
        let driver = workshop.toolchain.rustc.sibling("clippy-driver");
        command.arg("CLIPPY=1").arg(format!("CLIPPY_DRIVER={}", driver.display()));
    }
    let warnings = run(&mut command, &log, &stage)?;
    let modules = modules(&output)?;
    if modules.is_empty() {
        bail!("the Kbuild of {} names no module", outside.dir.display());
    }
    Ok(Built { modules, warnings })
}

/// The name of a module.
pub fn name(module: &Path) -> String {
    module.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Runs kbuild and shows the messages about the sources, with their places in the project. Returns how many there were.
fn run(command: &mut Command, log: &Path, stage: &Path) -> Result<usize> {
    let output = command.stdin(Stdio::null()).output().context("cannot start make")?;
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    fs::write(log, text.as_bytes()).with_context(|| format!("cannot write {}", log.display()))?;
    let text = text.replace(&format!("{}/", stage.display()), "");
    let messages = diagnostics::messages(&text);
    for message in &messages {
        eprintln!("{}\n", message.join("\n"));
    }
    if output.status.success() {
        return Ok(messages.len());
    }
    if messages.is_empty() {
        excerpt(&text).iter().for_each(|line| eprintln!("    {line}"));
    }
    bail!("the modules cannot be built; full log: {}", log.display());
}

/// The modules that kbuild has made.
fn modules(output: &Path) -> Result<Vec<PathBuf>> {
    let order = output.join("modules.order");
    let text = fs::read_to_string(&order).with_context(|| format!("cannot read {}", order.display()))?;
    Ok(text.lines().map(|line| Path::new(line).with_extension("ko")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_modules_are_those_of_kbuilds_list() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("modules.order"), "one.o\nparts/other-one.o\n").unwrap();
        let modules = modules(dir.path()).unwrap();
        assert_eq!(modules, ["one.ko", "parts/other-one.ko"].map(PathBuf::from));
        assert_eq!(name(&modules[1]), "other-one");
    }

    #[test]
    fn a_build_that_fails_names_its_log() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let mut command = Command::new("sh");
        command.args(["-c", "echo '/stage/x.rs: no'; exit 2"]);
        let error = run(&mut command, &log, Path::new("/stage")).unwrap_err().to_string();
        assert!(error.contains(log.to_str().unwrap()), "{error}");
        assert!(fs::read_to_string(log).unwrap().contains("/stage/x.rs: no"));
    }

    #[test]
    fn warnings_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "printf 'warning: one\n --> x\n\nwarning: other\n' >&2"]);
        assert_eq!(run(&mut command, &dir.path().join("log"), Path::new("/stage")).unwrap(), 2);
    }
}
