// SPDX-License-Identifier: GPL-2.0
//! What the project needs from the system, how that is recognised, and which Debian packages have it.

use std::fs;
use std::path::Path;

use crate::project::{Project, variable};
use crate::toolchain::{self, MIN_BINDGEN, MIN_LLVM, MIN_RUSTC, Version, probe, which};

/// A Debian release that set-up knows the packages of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Release {
    /// Debian 12.
    Bookworm,
    /// Debian 13.
    Trixie,
}

impl Release {
    /// The release that `/etc/os-release` describes.
    pub fn detect() -> Option<Self> {
        Self::parse(&fs::read_to_string("/etc/os-release").ok()?)
    }

    fn parse(os_release: &str) -> Option<Self> {
        let field = |name: &str| {
            os_release.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix('=')?.trim_matches('"')))
        };
        match (field("ID")?, field("VERSION_ID")?) {
            ("debian", "12") => Some(Self::Bookworm),
            ("debian", "13") => Some(Self::Trixie),
            _ => None,
        }
    }
}

/// How a need is recognised as met.
#[derive(Clone, Copy, Debug)]
enum Probe {
    Program(&'static str),
    /// A program that a make variable may name instead.
    Override(&'static str, &'static str),
    AnyFile(&'static [&'static str]),
    Rustc,
    /// A program of the Rust toolchain, beside its rustc.
    RustSibling(&'static str),
    Llvm,
    Libclang,
    Bindgen,
}

/// One thing the project needs.
#[derive(Clone, Copy, Debug)]
pub struct Need {
    /// What it is, with the version where that matters.
    what: &'static str,
    probe: Probe,
    bookworm: &'static [&'static str],
    trixie: &'static [&'static str],
}

const fn program(name: &'static str, package: &'static [&'static str]) -> Need {
    Need { what: name, probe: Probe::Program(name), bookworm: package, trixie: package }
}

const fn file(what: &'static str, files: &'static [&'static str], package: &'static [&'static str]) -> Need {
    Need { what, probe: Probe::AnyFile(files), bookworm: package, trixie: package }
}

/// Everything, compilers first.
pub const NEEDS: &[Need] = &[
    Need {
        what: "rustc, with the source of its core library,",
        probe: Probe::Rustc,
        bookworm: &["rustc-web", "rust-web-src"],
        trixie: &["rustc", "rust-src"],
    },
    Need {
        what: "clippy of that rustc",
        probe: Probe::RustSibling("clippy-driver"),
        bookworm: &["rust-web-clippy"],
        trixie: &["rust-clippy"],
    },
    Need {
        what: "rustfmt of that rustc",
        probe: Probe::RustSibling("rustfmt"),
        bookworm: &["rustfmt-web"],
        trixie: &["rustfmt"],
    },
    Need {
        what: "clang, with lld and the LLVM tools,",
        probe: Probe::Llvm,
        bookworm: &["clang-22", "lld-22", "llvm-22"],
        trixie: &["clang-19", "lld-19", "llvm-19"],
    },
    Need {
        what: "libclang (for bindgen)",
        probe: Probe::Libclang,
        bookworm: &["libclang-22-dev"],
        trixie: &["libclang-19-dev"],
    },
    // Where the distribution has none that is new enough, set-up builds one.
    Need { what: "bindgen", probe: Probe::Bindgen, bookworm: &[], trixie: &["bindgen"] },
    file("C library headers", &["/usr/include/stdio.h"], &["libc6-dev"]),
    file("libelf headers", &["/usr/include/gelf.h"], &["libelf-dev"]),
    file("OpenSSL headers", &["/usr/include/openssl/ssl.h"], &["libssl-dev"]),
    program("gcc", &["gcc"]),
    program("bc", &["bc"]),
    program("bison", &["bison"]),
    program("flex", &["flex"]),
    program("cpio", &["cpio"]),
    program("modprobe", &["kmod"]),
    program("rsync", &["rsync"]),
    program("xz", &["xz-utils"]),
    program("perl", &["perl"]),
    program("python3", &["python3"]),
    program("ccache", &["ccache"]),
    Need {
        what: "qemu-system-x86_64",
        probe: Probe::Override("QEMU", "qemu-system-x86_64"),
        bookworm: &["qemu-system-x86"],
        trixie: &["qemu-system-x86"],
    },
    file(
        "SeaBIOS",
        &[
            "/usr/share/seabios/bios-256k.bin",
            "/usr/share/qemu/bios-256k.bin",
            "/usr/share/qemu-system-x86_64/bios-256k.bin",
        ],
        &["seabios"],
    ),
    program("busybox", &["busybox-static"]),
    program("fio", &["fio"]),
    program("mkfs.ext4", &["e2fsprogs"]),
    program("mkfs.xfs", &["xfsprogs"]),
];

impl Need {
    /// Whether the need is met.
    pub fn is_met(&self, project: &Project) -> bool {
        match self.probe {
            Probe::Program(name) => which(name).is_some(),
            Probe::Override(name, default) => which(&variable(name).unwrap_or_else(|| default.into())).is_some(),
            Probe::AnyFile(files) => files.iter().any(|file| Path::new(file).exists()),
            Probe::Rustc => toolchain::rustc().is_some(),
            Probe::RustSibling(name) => toolchain::rustc().is_some_and(|rustc| rustc.sibling(name).is_file()),
            Probe::Llvm => toolchain::llvm(None).is_some(),
            Probe::Libclang => has_libclang(),
            Probe::Bindgen => toolchain::bindgen(project).is_some(),
        }
    }

    /// Whether set-up can meet the need in the user's own directories.
    pub fn is_built_here(&self) -> bool {
        matches!(self.probe, Probe::Bindgen) && self.named_by_user().is_none()
    }

    /// The packages that meet it; none when the user named the tool to use.
    pub fn packages(&self, release: Release) -> &'static [&'static str] {
        match release {
            _ if self.named_by_user().is_some() => &[],
            Release::Bookworm => self.bookworm,
            Release::Trixie => self.trixie,
        }
    }

    /// The make variable by which the user named the tool, if so.
    fn named_by_user(&self) -> Option<String> {
        let name = match self.probe {
            Probe::Override(name, _) => name,
            Probe::Rustc | Probe::RustSibling(_) => "RUSTC",
            Probe::Llvm => "LLVM",
            Probe::Bindgen => "BINDGEN",
            Probe::Program(_) | Probe::AnyFile(_) | Probe::Libclang => return None,
        };
        Some(format!("{name}={}", variable(name)?))
    }

    /// What is needed and what was found, for a list of what is missing.
    pub fn describe(&self) -> String {
        let minimum = match self.probe {
            Probe::Rustc => Some(("rustc", MIN_RUSTC)),
            Probe::Llvm => Some(("clang", MIN_LLVM)),
            Probe::Bindgen => Some(("bindgen", MIN_BINDGEN)),
            _ => None,
        };
        let needed = match minimum {
            Some((_, minimum)) => format!("{} >= {minimum}", self.what),
            None => self.what.to_string(),
        };
        match (self.named_by_user(), minimum) {
            (Some(named), _) => format!("{needed}: {named} is not"),
            (None, Some((program, minimum))) => format!("{needed}: {}", found(program, minimum)),
            (None, None) => format!("{needed}: found none"),
        }
    }
}

fn found(program: &str, minimum: Version) -> String {
    match which(program).and_then(|path| probe(&path)) {
        Some(tool) if tool.version >= minimum => {
            format!("found {} {}, which is not complete", tool.path.display(), tool.version)
        }
        Some(tool) => format!("found {} {}", tool.path.display(), tool.version),
        None => "found none".to_string(),
    }
}

/// Whether the library that bindgen loads is in one of the usual places.
fn has_libclang() -> bool {
    let mut dirs: Vec<_> = ["/usr/lib", "/usr/lib64", "/usr/lib/x86_64-linux-gnu"].map(Into::into).to_vec();
    if let Ok(entries) = fs::read_dir("/usr/lib") {
        let llvm = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with("llvm-"));
        dirs.extend(llvm.map(|entry| entry.path().join("lib")));
    }
    dirs.iter().filter_map(|dir| fs::read_dir(dir).ok()).flat_map(|entries| entries.flatten()).any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("libclang.so") || name.starts_with("libclang-") && name.contains(".so")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_supported_releases_are_recognised() {
        let text = |version: &str| {
            format!("PRETTY_NAME=\"x\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"{version}\"\nID=debian\n")
        };
        assert_eq!(Release::parse(&text("12")), Some(Release::Bookworm));
        assert_eq!(Release::parse(&text("13")), Some(Release::Trixie));
        assert_eq!(Release::parse(&text("11")), None);
        assert_eq!(Release::parse("ID=fedora\nVERSION_ID=44\n"), None);
    }

    #[test]
    fn every_need_has_packages_or_is_built_here() {
        for need in NEEDS {
            for release in [Release::Bookworm, Release::Trixie] {
                assert!(need.is_built_here() || !need.packages(release).is_empty(), "{}", need.what);
            }
        }
    }

    #[test]
    fn what_is_missing_says_the_version_needed_and_found() {
        assert_eq!(found("no-such-program", MIN_RUSTC), "found none");
        let need = NEEDS.iter().find(|need| need.what == "bindgen").unwrap();
        assert!(need.describe().starts_with("bindgen >= 0.71.1: found"), "{}", need.describe());
    }
}
