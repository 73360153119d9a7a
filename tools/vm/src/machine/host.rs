// SPDX-License-Identifier: GPL-2.0

//! The host, and the kernels that were built on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The options that decide how much any driver costs, beside those that the drivers depend on: the allocator for
/// machines with a few MiB, when a task is preempted, what is done against faults of CPUs, and small C functions that
/// Rust calls.
const OPTIONS: [&str; 4] = ["SLUB_TINY", "PREEMPT_LAZY", "CPU_MITIGATIONS", "RUST_INLINE_HELPERS"];

/// A built kernel.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// `plain` or `debug`, as reports name it.
    pub name: String,
    /// Build directory: holds `arch/x86/boot/bzImage`, `usr/gen_init_cpio` and, somewhere below, the modules.
    pub objdir: PathBuf,
    /// Source tree: holds `tools/testing/kunit/kunit.py`.
    pub srcdir: PathBuf,
}

impl Kernel {
    /// The image that QEMU boots.
    pub fn bzimage(&self) -> PathBuf {
        self.objdir.join("arch/x86/boot/bzImage")
    }

    /// How those options are set that decide how much a driver costs.
    pub fn options(&self) -> String {
        let configuration = fs::read_to_string(self.objdir.join(".config"));
        configuration.map_or_else(|_| "options not known".into(), |text| settings(&text))
    }
}

/// The values of [`OPTIONS`] in a configuration.
fn settings(configuration: &str) -> String {
    let is_set = |name: &str| configuration.lines().any(|line| line == format!("CONFIG_{name}=y"));
    OPTIONS.map(|name| format!("{name}={}", if is_set(name) { 'y' } else { 'n' })).join(" ")
}

/// Where and with what virtual machines are run.
#[derive(Debug, Clone)]
pub struct Host {
    /// The checkout; `tests/guest` below it is shared with the guest.
    pub repo: PathBuf,
    /// Directory for images, disks and logs. Created when missing.
    pub work: PathBuf,
    /// The `qemu-system-x86_64` to use.
    pub qemu: PathBuf,
    /// `kvm` or `tcg` when the user insists; tried otherwise.
    pub accel: Option<String>,
    /// Show every line of the guest scripts, not only verdicts.
    pub verbose: bool,
    /// How many machines may run at a time, at least one.
    pub at_once: usize,
}

impl Host {
    /// The directory of guest scripts.
    pub fn guest_dir(&self) -> PathBuf {
        self.repo.join("tests/guest")
    }

    /// How long to wait for what takes `alone` where nothing else runs: machines side by side take longer, each of
    /// them.
    pub(crate) fn patience(&self, alone: Duration) -> Duration {
        alone * self.slowness()
    }

    /// The same as a factor.
    pub(crate) fn slowness(&self) -> u32 {
        u32::try_from(self.at_once).unwrap_or(1)
    }

    /// A host for the checkout at `repo`, with QEMU from `PATH`.
    pub fn new(repo: &Path, work: &Path) -> Self {
        Self {
            repo: repo.to_path_buf(),
            work: work.to_path_buf(),
            qemu: PathBuf::from("qemu-system-x86_64"),
            accel: None,
            verbose: false,
            at_once: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_is_no() {
        let configuration = "CONFIG_PREEMPT_LAZY=y\n# CONFIG_SLUB_TINY is not set\nCONFIG_RUST_INLINE_HELPERS=y\n";
        assert_eq!(settings(configuration), "SLUB_TINY=n PREEMPT_LAZY=y CPU_MITIGATIONS=n RUST_INLINE_HELPERS=y");
    }
}
