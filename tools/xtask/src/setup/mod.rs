// SPDX-License-Identifier: GPL-2.0
//! Makes sure that every tool is there, installing what is missing where that is allowed.

mod packages;

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context, Result, bail};

pub use self::packages::{For, Release};
use self::packages::{NEEDS, Need};
use crate::progress::{Step, output, say};
use crate::project::{Project, remove_dir};
use crate::toolchain::{self, BINDGEN_VERSION, Toolchain, which};
use crate::{cargo, emulator};

/// Something that is needed, and what was found instead.
type Missing = (&'static Need, String);

/// Returns the tools that build the kernel, after installing what is missing for `purpose`.
///
/// # Errors
///
/// Something is missing and cannot be installed; the message lists all of it with the command that would help.
pub fn ensure(project: &Project, purpose: For) -> Result<Toolchain> {
    let missing_now = || missing(project).into_iter().filter(|(need, _)| need.is_of_use(purpose)).collect::<Vec<_>>();
    let mut missing = missing_now();
    if let Some(release) = Release::detect() {
        let packages: BTreeSet<&str> = missing.iter().flat_map(|(need, _)| need.packages(release)).copied().collect();
        if !packages.is_empty() {
            install(project, &missing, &packages.into_iter().collect::<Vec<_>>(), purpose)?;
            missing = missing_now();
        }
    }
    let is_required = |(need, _): &&Missing| need.is_required(purpose);
    if missing.iter().filter(is_required).any(|(need, _)| !need.is_built_here()) {
        bail!(list(&missing, None));
    }
    if missing.iter().any(|(need, _)| need.is_built_here()) {
        build_bindgen(project)?;
    }
    emulator::ensure(project)?;
    find(project)
}

/// The tools that build the kernel.
///
/// # Errors
///
/// One of them is not there.
pub fn find(project: &Project) -> Result<Toolchain> {
    let rustc = toolchain::rustc().context("rustc")?;
    let llvm = toolchain::llvm(Some(rustc.llvm)).context("clang")?;
    let bindgen = toolchain::bindgen(project).context("bindgen")?;
    Ok(Toolchain { rustc, llvm, bindgen, ccache: which("ccache").is_some() })
}

/// What is missing, described for a reader.
pub fn report(project: &Project) -> Vec<String> {
    missing(project).iter().map(|(need, lack)| need.describe(lack)).collect()
}

fn missing(project: &Project) -> Vec<Missing> {
    NEEDS.iter().filter_map(|need| Some((need, need.lack(project)?))).collect()
}

fn list(missing: &[Missing], command: Option<&str>) -> String {
    let mut text = String::from("these tools are missing:\n");
    for (need, lack) in missing {
        text += &format!("  - {}\n", need.describe(lack));
    }
    text += &match command {
        Some(command) => format!("install them with: {command}"),
        None => "install them with the package manager of this system, then run make again".to_string(),
    };
    text
}

/// Installs Debian packages, as root or with a sudo that asks for no password.
fn install(project: &Project, missing: &[Missing], packages: &[&str], purpose: For) -> Result<()> {
    let arguments = ["install", "-y", "--no-install-recommends"];
    let by_hand = format!("sudo apt-get update && sudo apt-get {} {}", arguments.join(" "), packages.join(" "));
    let is_required = missing.iter().any(|(need, _)| need.is_required(purpose));
    let Some(prefix) = privilege() else {
        if is_required {
            bail!(list(missing, Some(&by_hand)));
        }
        return Ok(());
    };
    say(&format!("installing with apt-get: {}", packages.join(" ")));
    let log = project.log("packages")?;
    let step = |title| Step { title, log: &log, counts: None, expected: None };
    let result = step("reading the package lists")
        .run(&mut apt(&prefix, &["update"]))
        .and_then(|_| step("installing packages").run(apt(&prefix, &arguments).args(packages)));
    match result {
        Err(error) if is_required => Err(error).with_context(|| format!("try: {by_hand}")),
        Err(_) => {
            say("going on without what could not be installed");
            Ok(())
        }
        Ok(_) => Ok(()),
    }
}

/// Lets apt read its package lists, and says whether that was possible without asking for a password.
///
/// # Errors
///
/// apt fails.
pub fn update_package_lists(project: &Project) -> Result<bool> {
    let Some(prefix) = privilege() else {
        return Ok(false);
    };
    let log = project.log("packages")?;
    Step { title: "reading the package lists", log: &log, counts: None, expected: None }
        .run(&mut apt(&prefix, &["update"]))?;
    Ok(true)
}

fn apt(prefix: &[&str], verb: &[&str]) -> Command {
    let mut words = prefix.iter().copied().chain(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
    let mut command = Command::new(words.next().unwrap_or("env"));
    command.args(words).args(verb);
    command
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
