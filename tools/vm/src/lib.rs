// SPDX-License-Identifier: GPL-2.0

//! Boots the test kernels in QEMU, drives the guest and judges what it says.
//!
//! One boot is a [`scenario`]: a kernel, a [`machine`] with [`disk`]s, and a script in `tests/guest` that runs in
//! the guest. The pieces of a boot, from the outside in:
//!
//! | module | subject |
//! |---|---|
//! | [`accel`] | which accelerator really runs a guest here |
//! | [`image`] | the initramfs with the tools the guest scripts use |
//! | [`machine`], [`disk`] | the QEMU command line |
//! | [`backend`] | processes beside QEMU that serve disks |
//! | [`qemu`] | the running process, its sockets and its end |
//! | [`qmp`], [`hostcmd`] | what a guest script may ask of the host: hot-plug, resize, wake-up |
//! | [`control`], [`transcript`], [`ktap`], [`fio`] | the lines a guest script prints, and what they amount to |
//! | [`logscan`] | what must not be in a kernel log |
//! | [`starvation`] | time that the host took from a machine |
//! | [`early`] | a boot that ends or stands still before user space |
//! | [`scenario`] | the table of boots |
//! | [`runner`], [`session`], [`report`] | one boot from start to verdict, a machine listened to, how it is shown |
//! | [`parity`] | the driver compared with the C one |
//! | [`kunit`] | KUnit at boot, read by the kernel's own parser |
//! | [`insns`], [`bench`] | what a request costs and how fast it is, against the C driver |
//! | [`bare`] | a machine that does what its kernel was told, and goes off |
//! | [`boots`] | whether boots can be relied on at all |
//! | [`mod@shell`] | the interactive machine |
//! | [`uml`] | user-mode Linux with test devices that do what QEMU's cannot |
//! | `threads` | several machines at a time |

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

pub mod accel;
pub mod backend;
pub mod bare;
pub mod bench;
pub mod boots;
pub mod control;
pub mod disk;
pub mod early;
pub mod fio;
pub mod hostcmd;
pub mod image;
pub mod insns;
pub mod ktap;
pub mod kunit;
pub mod logscan;
pub mod machine;
pub mod parity;
pub mod qemu;
pub mod qmp;
pub mod report;
pub mod runner;
pub mod scenario;
pub mod session;
pub mod shell;
pub mod starvation;
mod threads;
pub mod transcript;
pub mod uml;

pub use ktap::Tally;
pub use parity::parity;
pub use shell::shell;

use runner::Boot;
use scenario::Group;

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

/// The demonstration: one disk, one file system, fio with verification and a short table of speeds.
///
/// # Errors
///
/// When the machine could not be started at all. A step that failed in the guest is counted in the [`Tally`].
pub fn run(host: &Host, plain: &Kernel) -> Result<Tally> {
    runner::run_all(host, "run", &Boot::of(Group::Run, plain, plain)?)
}

/// Everything that must pass before a change lands and needs a virtual machine.
///
/// The debug kernel alone, as building another one takes longer than all of this; what it lacks of the plain
/// one's speed is for [`soak()`].
///
/// # Errors
///
/// As for [`run`].
pub fn test(host: &Host, debug: &Kernel) -> Result<Tally> {
    let mut boots = Boot::of(Group::Test, debug, debug)?;
    boots.extend(Boot::of(Group::Run, debug, debug)?);
    boots.push(Boot::Kunit(debug));
    runner::run_all(host, "test", &boots)
}

/// The long versions of what [`test()`] does briefly, and KUnit and the short ones on the plain kernel.
///
/// [`scenario::Effort`] says how long.
///
/// # Errors
///
/// As for [`run`].
pub fn soak(host: &Host, plain: &Kernel, debug: &Kernel) -> Result<Tally> {
    let mut boots = vec![Boot::Kunit(plain)];
    boots.extend(Boot::of(Group::Test, plain, plain)?);
    boots.extend(Boot::of(Group::Soak, plain, debug)?);
    runner::run_all(host, "soak", &boots)
}
