// SPDX-License-Identifier: GPL-2.0
//! The kernels that are built: which there are, and the one way kbuild is called for them.

pub mod build;
mod config;
pub mod modules;

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::overlay::Overlay;
use crate::progress::say;
use crate::project::{Project, name_for};
use crate::setup::{self, For};
use crate::source::{self, Tree};
use crate::toolchain::Toolchain;
use crate::{lock::BuildLock, mutants};

/// Variables that mean something to kbuild or to this program and must not reach kbuild by accident.
const SCRUBBED: &[&str] = &[
    "ACCEL",
    "ARCH",
    "BINDGEN",
    "BUILD",
    "C",
    "CC",
    "CLIPPY",
    "CROSS_COMPILE",
    "GNUMAKEFLAGS",
    "HOSTCC",
    "JOBS",
    "KBUILD_OUTPUT",
    "KCONFIG_CONFIG",
    "KDIR",
    "LLVM",
    "M",
    "MAKEFILES",
    "MAKEFLAGS",
    "MAKELEVEL",
    "MAKEOVERRIDES",
    "MFLAGS",
    "MO",
    "O",
    "QEMU",
    "RUSTC",
    "RUSTFLAGS",
    "SRCARCH",
    "V",
    "W",
];

/// What kbuild must be told for modules of user-mode Linux: its loader knows no global offset table, which Rust code
/// there would use for data.
pub const UM_MODULES: &str = "RUSTFLAGS_MODULE=-Zdirect-access-external-data=yes";

/// One configuration of the kernel, built in an object directory of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Variant {
    /// The kernel that is measured and shown.
    Plain,
    /// The kernel with every checker.
    Debug,
    /// The kernel that one looks into: debug information, tracers.
    Traced,
    /// User-mode Linux, for KUnit.
    Um,
    /// Objects compiled by clippy; never linked.
    Clippy,
}

impl Variant {
    /// The name in messages, logs and directories.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Debug => "debug",
            Self::Traced => "traced",
            Self::Um => "um",
            Self::Clippy => "clippy",
        }
    }

    fn arch(self) -> &'static str {
        match self {
            Self::Plain | Self::Debug | Self::Traced | Self::Clippy => "x86_64",
            Self::Um => "um",
        }
    }

    /// The fragments of `tests/config`, later ones having the last word.
    fn fragments(self) -> &'static [&'static str] {
        match self {
            Self::Plain | Self::Clippy => &["common", "x86"],
            Self::Debug => &["common", "x86", "debug"],
            Self::Traced => &["common", "x86", "traced"],
            Self::Um => &["common", "um"],
        }
    }

    fn targets(self) -> &'static [&'static str] {
        match self {
            Self::Plain | Self::Debug => &["bzImage", "modules"],
            Self::Traced => &["bzImage", "modules", "scripts_gdb"],
            Self::Um | Self::Clippy => &[],
        }
    }
}

/// A checkout with its tools, a kernel tree with the overlay applied, and the lock on both.
#[derive(Debug)]
pub struct Workshop {
    /// Paths and overrides.
    pub project: Project,
    /// Compilers.
    pub toolchain: Toolchain,
    /// The kernel source.
    pub tree: Tree,
    /// Whether only a part of the overlay is in the tree, so that options of `tests/config` may be missing.
    is_partial: bool,
    lock: BuildLock,
}

impl Workshop {
    /// Takes the lock, sets up what is missing for `purpose`, and brings the overlay up to date.
    ///
    /// # Errors
    ///
    /// Another build is running, a tool or the source cannot be had, or the overlay does not fit.
    pub fn open(project: Project, purpose: For) -> Result<Self> {
        let lock = BuildLock::take(&project)?;
        let toolchain = setup::ensure(&project, purpose)?;
        let tree = source::ensure(&project)?;
        if mutants::heal(&project.build)? {
            say("a mutant that was left in the kernel tree is taken back");
        }
        if Overlay::new(&project.repo, &tree.root).apply()? {
            say(&format!("overlay applied to {}", tree.root.display()));
        }
        Ok(Self { project, toolchain, tree, is_partial: false, lock })
    }

    /// The same with a tree that has a part of the overlay as files, and its objects in it.
    pub fn of_series(self, tree: Tree) -> Self {
        Self { project: Project { kdir: None, ..self.project }, tree, is_partial: true, ..self }
    }

    /// The object directory of a variant.
    ///
    /// In a tree of our own it is a direct subdirectory, so that kbuild names sources relative to it and the
    /// compiler cache recognises them from another checkout. A tree of the user's is not filled with objects.
    pub fn objdir(&self, variant: Variant) -> PathBuf {
        objdir(&self.project, &self.tree, variant)
    }

    /// A kbuild command for a variant, to which targets are to be added.
    pub fn kbuild(&self, variant: Variant) -> Command {
        let Toolchain { rustc, llvm, bindgen, ccache } = &self.toolchain;
        let mut command = Command::new("make");
        for name in SCRUBBED {
            command.env_remove(name);
        }
        let clang = llvm.program("clang");
        let assign = |name: &str, value: &dyn std::fmt::Display| format!("{name}={value}");
        command
            .arg("-C")
            .arg(&self.tree.root)
            .arg(assign("O", &self.objdir(variant).display()))
            .arg(assign("ARCH", &variant.arch()))
            .arg(assign("LLVM", &llvm.choice))
            .arg(assign("RUSTC", &rustc.tool.path.display()))
            .arg(assign("RUSTDOC", &rustc.sibling("rustdoc").display()))
            .arg(assign("BINDGEN", &bindgen.path.display()))
            .arg(format!("-j{}", self.project.jobs));
        if variant.arch() == "um" {
            command.arg(UM_MODULES);
        }
        if *ccache {
            command.arg(assign("CC", &format!("ccache {clang}")));
        }
        if variant == Variant::Clippy {
            command.arg("CLIPPY=1").arg(assign("CLIPPY_DRIVER", &rustc.sibling("clippy-driver").display()));
        }
        self.environment(&mut command);
        command
    }

    /// Everything that must be the same in two builds for the second to find the first one's objects.
    fn environment(&self, command: &mut Command) {
        // Kbuild finds the compiler of its own host programs by name.
        let rust_dir = self.toolchain.rustc.tool.path.parent().map(PathBuf::from);
        let path = env::var_os("PATH").unwrap_or_default();
        let dirs = rust_dir.into_iter().chain(env::split_paths(&path));
        if let Ok(path) = env::join_paths(dirs) {
            command.env("PATH", path);
        }
        command
            .env("LC_ALL", "C")
            .env("KBUILD_BUILD_TIMESTAMP", "2026-01-01")
            .env("KBUILD_BUILD_USER", "user")
            .env("KBUILD_BUILD_HOST", "host")
            .env("CCACHE_DIR", self.project.cache.join("ccache"))
            .env("CCACHE_BASEDIR", &self.project.build)
            .env("CCACHE_NOHASHDIR", "1")
            // The first build has nothing to gain from running the preprocessor once more.
            .env("CCACHE_DEPEND", "1")
            .env("CCACHE_MAXSIZE", "10G")
            .env("CCACHE_COMPILERCHECK", "content")
            .env("CCACHE_SLOPPINESS", "time_macros,include_file_mtime,include_file_ctime");
    }
}

/// The object directory of a variant; see [`Workshop::objdir`].
pub fn objdir(project: &Project, tree: &Tree, variant: Variant) -> PathBuf {
    let parent = match &project.kdir {
        // Another tree has other objects.
        Some(kdir) => project.kdir_objects().join(name_for(kdir)),
        None => tree.root.clone(),
    };
    parent.join(format!("o-{}", variant.name()))
}
