// SPDX-License-Identifier: GPL-2.0

//! The host, and the kernels that were built on it.

use std::path::{Path, PathBuf};
use std::time::Duration;

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
