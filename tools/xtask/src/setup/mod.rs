// SPDX-License-Identifier: GPL-2.0
//! Makes sure that every tool is there, installing what is missing where that is allowed.

mod packages;

use std::process::Command;

use anyhow::{Context, Result, bail};

use self::packages::{NEEDS, Need, Release};
use crate::cargo;
use crate::progress::{Step, output, say};
use crate::project::{Project, remove_dir};
use crate::toolchain::{self, BINDGEN_VERSION, Toolchain, which};

/// Returns the tools that build the kernel, after installing what is missing.
///
/// # Errors
///
/// Something is missing and cannot be installed; the message lists all of it with the command that would help.
pub fn ensure(project: &Project) -> Result<Toolchain> {
    let missing = missing(project);
    let (here, system): (Vec<&Need>, Vec<&Need>) = missing.iter().partition(|need| need.is_built_here());
    let release = Release::detect();
    let packages: Vec<&str> = release
        .map(|release| missing.iter().flat_map(|need| need.packages(release)).copied().collect())
        .unwrap_or_default();
    if !packages.is_empty() {
        install(project, &missing, &packages)?;
    } else if !system.is_empty() {
        bail!(list(&system, None));
    }
    if !here.is_empty() && toolchain::bindgen(project).is_none() {
        build_bindgen(project)?;
    }
    let rest = self::missing(project);
    if !rest.is_empty() {
        bail!(list(&rest, None));
    }
    find(project).context("the compilers vanished during set-up")
}

/// The tools that build the kernel, if all are there.
pub fn find(project: &Project) -> Option<Toolchain> {
    let rustc = toolchain::rustc()?;
    let llvm = toolchain::llvm(Some(rustc.llvm))?;
    let bindgen = toolchain::bindgen(project)?;
    Some(Toolchain { rustc, llvm, bindgen, ccache: which("ccache").is_some() })
}

/// What is missing, described for a reader.
pub fn report(project: &Project) -> Vec<String> {
    missing(project).into_iter().map(Need::describe).collect()
}

fn missing(project: &Project) -> Vec<&'static Need> {
    NEEDS.iter().filter(|need| !need.is_met(project)).collect()
}

fn list(missing: &[&Need], command: Option<&str>) -> String {
    let mut text = String::from("these tools are missing:\n");
    for need in missing {
        let note = if need.is_built_here() { " (make will build it)" } else { "" };
        text += &format!("  - {}{note}\n", need.describe());
    }
    text += &match command {
        Some(command) => format!("install them with: {command}"),
        None => "install them with the package manager of this system, then run make again".to_string(),
    };
    text
}

/// Installs Debian packages, as root or with a sudo that asks for no password.
fn install(project: &Project, missing: &[&Need], packages: &[&str]) -> Result<()> {
    let arguments = ["install", "-y", "--no-install-recommends"];
    let by_hand = format!("sudo apt-get update && sudo apt-get {} {}", arguments.join(" "), packages.join(" "));
    let Some(prefix) = privilege() else {
        bail!(list(missing, Some(&by_hand)));
    };
    say(&format!("installing with apt-get: {}", packages.join(" ")));
    let apt = |verb: &[&str]| {
        let mut words = prefix.iter().copied().chain(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        let mut command = Command::new(words.next().unwrap_or("env"));
        command.args(words).args(verb);
        command
    };
    let log = project.log("packages")?;
    let step = |title| Step { title, log: &log, counts: None, expected: None };
    step("reading the package lists").run(&mut apt(&["update"]))?;
    step("installing packages").run(apt(&arguments).args(packages)).with_context(|| format!("try: {by_hand}"))?;
    Ok(())
}

/// The words before a command that make it run as root, if that is possible without asking.
fn privilege() -> Option<Vec<&'static str>> {
    let is_root = output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if is_root {
        return Some(Vec::new());
    }
    let asks_nothing = which("sudo").is_some() && output(Command::new("sudo").args(["-n", "true"])).is_ok();
    asks_nothing.then(|| vec!["sudo", "-n"])
}

fn build_bindgen(project: &Project) -> Result<()> {
    let root = toolchain::bindgen_root(project);
    let target = project.build.join("bindgen");
    let is_crate: fn(&str) -> bool = |line| line.trim_start().starts_with("Compiling ");
    Step {
        title: "building bindgen (crates)",
        log: &project.log("bindgen")?,
        counts: Some(is_crate),
        expected: Some(60),
    }
    .run(
        cargo::program()
            .args(["install", "--locked", "bindgen-cli", "--version", BINDGEN_VERSION, "--root"])
            .arg(&root)
            .env("CARGO_TARGET_DIR", &target),
    )?;
    remove_dir(&target).map(drop)
}
