// SPDX-License-Identifier: GPL-2.0
//! `make status`: what would be used, and in which state it is.

use anyhow::Result;

use crate::guest;
use crate::kernel::{Variant, objdir};
use crate::overlay::{Overlay, Status};
use crate::project::Project;
use crate::setup;
use crate::source::{self, Tree};
use crate::toolchain::{Tool, probe, which};

/// Prints the state of tools, tree, overlay, kernels and accelerator, changing nothing but the guest's images.
///
/// # Errors
///
/// `KDIR=` names something else than a kernel tree of the right series.
pub fn print(project: &Project) -> Result<()> {
    row("checkout", &project.repo.display());
    row("build directory", &project.build.display());
    row("cache", &project.cache.display());
    tools(project);
    let Some(tree) = source::find(project)? else {
        row("kernel source", &"not there yet");
        return Ok(());
    };
    row("kernel source", &format!("Linux {} in {}", tree.version, tree.root.display()));
    row("overlay", &overlay(project, &tree));
    for variant in [Variant::Plain, Variant::Debug, Variant::Traced, Variant::Um] {
        let is_built = objdir(project, &tree, variant).join("vmlinux").is_file();
        row(&format!("{} kernel", variant.name()), if is_built { &"built" } else { &"not built" });
    }
    let plain = guest::kernel(project, &tree, Variant::Plain);
    let kernel = Some(&plain).filter(|_| objdir(project, &tree, Variant::Plain).join("vmlinux").is_file());
    match vm::accel::probe(&guest::host(project), kernel) {
        Ok(accel) => row("accelerator", &accel),
        Err(error) => row("accelerator", &format!("{error:#}")),
    }
    Ok(())
}

fn tools(project: &Project) {
    for need in setup::report(project) {
        row("missing", &need);
    }
    if let Ok(toolchain) = setup::find(project) {
        let rustc = &toolchain.rustc;
        tool("rustc", &rustc.tool);
        row("clang", &format!("{} (LLVM={})", toolchain.llvm.version, toolchain.llvm.choice));
        if rustc.llvm != toolchain.llvm.version.0 {
            row("", &format!("rustc has LLVM {}: C helpers are not inlined into Rust code", rustc.llvm));
        }
        tool("bindgen", &toolchain.bindgen);
        row("ccache", if toolchain.ccache { &"used" } else { &"not installed" });
    }
    let qemu = guest::host(project).qemu;
    if let Some(qemu) = which(&qemu.to_string_lossy()).and_then(|path| probe(&path)) {
        tool("QEMU", &qemu);
        if vm::qemu::version(&qemu.path).is_ok_and(|version| vm::qemu::tears_code(&version)) {
            row("", &"QEMU before 8.1 may crash a guest at boot, if its CPUs are emulated");
        }
    }
}

fn overlay(project: &Project, tree: &Tree) -> String {
    match Overlay::new(&project.repo, &tree.root).status() {
        Ok(Status::NotApplied) => "not applied".to_string(),
        Ok(Status::Applied { insertions, links }) => format!("applied ({insertions} insertions, {links} links)"),
        Ok(Status::OutOfDate) => "applied, but not up to date; the next build brings it up to date".to_string(),
        Ok(Status::Foreign(owner)) => format!("the tree carries the overlay of {}", owner.display()),
        Err(error) => format!("does not fit: {error:#}"),
    }
}

fn tool(name: &str, tool: &Tool) {
    row(name, &format!("{} ({})", tool.version, tool.path.display()));
}

fn row(name: &str, value: &dyn std::fmt::Display) {
    println!("{name:16} {value}");
}
