// SPDX-License-Identifier: GPL-2.0
//! Running cargo on the host tools, with what is there and without network.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use vm::Tally;
use vm::insns::PLUGIN;

use crate::progress::{Step, read_lossy};
use crate::project::Project;

/// The cargo that built this program, with the other programs of its toolchain first in `PATH`.
///
/// With another toolchain's rustc, crates of both would meet in one target directory.
pub fn program() -> Command {
    let cargo = PathBuf::from(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let mut command = Command::new(&cargo);
    let toolchain = cargo.parent().filter(|dir| !dir.as_os_str().is_empty()).map(Path::to_path_buf);
    let path = env::var_os("PATH").unwrap_or_default();
    if let Ok(path) = env::join_paths(toolchain.into_iter().chain(env::split_paths(&path))) {
        command.env("PATH", path);
    }
    command.env_remove("RUSTC");
    command
}

/// A cargo command on the workspace of the host tools.
pub fn command(project: &Project, verb: &str) -> Command {
    on(&project.repo.join("tools/Cargo.toml"), verb, &project.build.join("target"))
}

/// A cargo command on a package or a workspace, whose files go to `target`.
fn on(manifest: &Path, verb: &str, target: &Path) -> Command {
    let mut command = program();
    command.arg(verb).arg("--manifest-path").arg(manifest);
    // Tests and lints must not depend on what the user overrides for a kernel build, nor on the calling make.
    for name in ["ACCEL", "BINDGEN", "BUILD", "JOBS", "KDIR", "LLVM", "M", "MAKEFLAGS", "MFLAGS", "QEMU"] {
        command.env_remove(name);
    }
    command.env("CARGO_TARGET_DIR", target);
    command
}

/// Builds the plugin with which QEMU counts instructions, and returns its file.
///
/// # Errors
///
/// It cannot be built, or cargo cannot be started.
pub fn plugin(project: &Project) -> Result<PathBuf> {
    let log = project.log("cargo-plugin")?;
    Step { title: "building the profiler", log: &log, counts: None, expected: None }
        .run(command(project, "build").args(["--package", "tcgprofile", "--offline", "--locked"]))?;
    Ok(project.build.join("target/debug").join(PLUGIN))
}

/// Runs the tests of the host tools.
///
/// # Errors
///
/// They cannot be built, or cargo cannot be started. Failed tests are counted, not an error.
pub fn test(project: &Project) -> Result<Tally> {
    let log = project.log("cargo-test")?;
    let mut command = command(project, "test");
    count(
        "testing the host tools (tests)",
        &log,
        command.args(["--workspace", "--offline", "--locked", "--no-fail-fast"]),
    )
}

/// Runs the tests of a package that depends on no other; its files go to `target`.
///
/// # Errors
///
/// As for [`test`].
pub fn test_crate(project: &Project, manifest: &Path, target: &Path) -> Result<Tally> {
    let log = project.log("cargo-test-logic")?;
    count(
        "testing what needs no kernel (tests)",
        &log,
        on(manifest, "test", target).args(["--offline", "--no-fail-fast"]),
    )
}

/// Runs tests and counts them.
fn count(title: &str, log: &Path, command: &mut Command) -> Result<Tally> {
    let is_test: fn(&str) -> bool = |line| line.starts_with("test ");
    let result = Step { title, log, counts: Some(is_test), expected: None }.run(command);
    let tally = tally(&read_lossy(log));
    match result {
        Err(error) if tally.failed == 0 => Err(error),
        _ => Ok(tally),
    }
}

/// Adds up the `test result:` lines of the test programs.
fn tally(log: &str) -> Tally {
    let results = log.lines().filter_map(|line| line.strip_prefix("test result:"));
    results
        .map(|line| {
            let number = |what: &str| {
                let words: Vec<&str> = line.split([' ', ';']).filter(|word| !word.is_empty()).collect();
                let at = words.iter().position(|word| *word == what)?;
                words.get(at.checked_sub(1)?)?.parse().ok()
            };
            Tally {
                passed: number("passed").unwrap_or(0),
                failed: number("failed").unwrap_or(0),
                skipped: number("ignored").unwrap_or(0),
            }
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_finds_the_rustc_beside_it() {
        let mut command = program();
        let cargo = PathBuf::from(command.get_program());
        let expected = cargo.parent().filter(|dir| !dir.as_os_str().is_empty());
        let path = command.get_envs().find_map(|(name, value)| (name == "PATH").then_some(value)).flatten();
        let first = path.and_then(|path| env::split_paths(path).next());
        assert!(expected.is_some(), "cargo names itself to its tests with its path");
        assert_eq!(first.as_deref(), expected);
        assert!(command.arg("-V").output().is_ok_and(|output| output.status.success()));
    }

    #[test]
    fn the_results_of_several_test_programs_add_up() {
        let log = "test a ... ok\ntest result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n\
                   test result: FAILED. 2 passed; 4 failed; 0 ignored; 0 measured; 0 filtered out\n";
        assert_eq!(tally(log), Tally { passed: 5, failed: 4, skipped: 1 });
    }

    #[test]
    fn a_build_that_failed_has_no_results() {
        assert_eq!(tally("error: could not compile\n"), Tally::default());
    }
}
