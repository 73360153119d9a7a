// SPDX-License-Identifier: GPL-2.0
//! Building a whole kernel.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail};

use super::{Variant, Workshop, config};
use crate::progress::Step;
use crate::project::{create_dir, variable};

/// Space that one object directory needs.
const NEEDED_BYTES: u64 = 2 << 30;

/// Steps of a first build, for the progress bar of a build without a predecessor.
const FIRST_BUILD_STEPS: u64 = 2200;

/// The variable by which a process that holds the lock names the kernel that it has just built, for the commands that
/// it runs: to find out that there is nothing to do takes seconds.
pub const FRESH: &str = "FRESH_KERNEL";

/// Configures a variant if need be and builds its kernel and all modules.
///
/// # Errors
///
/// The disk is too full, or configuring or compiling fails.
pub fn kernel(workshop: &Workshop, variant: Variant) -> Result<()> {
    if workshop.lock.is_lent() && variable(FRESH).is_some_and(|name| name == variant.name()) {
        return Ok(());
    }
    let objdir = workshop.objdir(variant);
    let is_first = !objdir.join("vmlinux").is_file();
    if is_first {
        check_space(&objdir)?;
    }
    config::ensure(workshop, variant)?;
    let name = variant.name();
    let count = workshop.project.build.join("logs").join(format!("build-{name}.count"));
    let last = fs::read_to_string(&count).ok().and_then(|text| text.trim().parse().ok());
    let steps = Step {
        title: &format!("building the {name} kernel (steps)"),
        log: &workshop.project.log(&format!("build-{name}"))?,
        counts: Some(is_build_line),
        expected: is_first.then(|| last.unwrap_or(FIRST_BUILD_STEPS)),
    }
    .run(workshop.kbuild(variant).args(variant.targets()))?;
    if is_first {
        fs::write(count, steps.to_string())?;
    }
    Ok(())
}

/// Configures a variant if need be and builds some targets of it.
///
/// # Errors
///
/// Configuring or compiling fails.
pub fn targets(workshop: &Workshop, variant: Variant, title: &str, targets: &[String]) -> Result<()> {
    config::ensure(workshop, variant)?;
    let log = workshop.project.log(&log_name(variant, title))?;
    Step { title, log: &log, counts: Some(is_build_line), expected: None }
        .run(workshop.kbuild(variant).args(targets))
        .map(drop)
}

/// The name of the log of [`targets`].
pub fn log_name(variant: Variant, title: &str) -> String {
    format!("{}-{}", title.replace(' ', "-"), variant.name())
}

fn check_space(objdir: &Path) -> Result<()> {
    create_dir(objdir)?;
    let free = fs4::available_space(objdir)?;
    if free < NEEDED_BYTES {
        bail!(
            "{} has {} MB free, but a kernel build needs {} MB: free some space or set BUILD=",
            objdir.display(),
            free >> 20,
            NEEDED_BYTES >> 20
        );
    }
    Ok(())
}

/// Whether a line of kbuild's says that it makes something: an upper-case word, then a file.
fn is_build_line(line: &str) -> bool {
    let Some(rest) = line.strip_prefix("  ") else {
        return false;
    };
    let word = rest.split(' ').next().unwrap_or_default();
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_' || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_kbuild_makes_counts() {
        for line in ["  CC      a.o", "  RUSTC L rust/core.o", "  LD [M]  x.ko", "  BINDGEN rust/x.rs"] {
            assert!(is_build_line(line), "{line}");
        }
        for line in ["make[1]: Entering", "warning: x", "  --> x.rs", "   |", "  = note: x", ""] {
            assert!(!is_build_line(line), "{line}");
        }
    }
}
