// SPDX-License-Identifier: GPL-2.0
//! What the project needs from the system, how that is recognised, and which Debian packages have it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::progress::output;
use crate::project::{Project, variable};
use crate::toolchain::{self, MIN_BINDGEN, MIN_LLVM, MIN_RUSTC, which};

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

impl Release {
    /// The major version of LLVM that its packages have, rustc's included.
    fn llvm(self) -> u32 {
        match self {
            Self::Bookworm => 22,
            Self::Trixie => 19,
        }
    }
}

/// The Python of the distribution, see `tests/guest/net-selftests.sh`.
const SYSTEM_PYTHON: &str = "/usr/bin/python3";

/// What a need is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum For {
    /// Building and running.
    Everything,
    /// `make check` and `make test`.
    Checks,
    /// Builds or code that is faster; all works without it.
    Speed,
    /// `make book` and `make check-book`.
    Book,
    /// `make debug`.
    Debugger,
    /// `make soak`.
    LongTests,
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
    /// An LLVM of rustc's version, where the distribution has it.
    SameLlvm,
    Libclang,
    Bindgen,
    Sphinx,
    PyYaml,
}

/// One thing the project needs.
#[derive(Clone, Copy, Debug)]
pub struct Need {
    /// What it is, with the version where that matters.
    what: &'static str,
    purpose: For,
    probe: Probe,
    bookworm: &'static [&'static str],
    trixie: &'static [&'static str],
}

const fn program(name: &'static str, package: &'static [&'static str]) -> Need {
    Need { what: name, purpose: For::Everything, probe: Probe::Program(name), bookworm: package, trixie: package }
}

const fn file(what: &'static str, files: &'static [&'static str], package: &'static [&'static str]) -> Need {
    Need { what, purpose: For::Everything, probe: Probe::AnyFile(files), bookworm: package, trixie: package }
}

/// Everything, compilers first.
pub const NEEDS: &[Need] = &[
    Need {
        what: "rustc, with the source of its core library,",
        purpose: For::Everything,
        probe: Probe::Rustc,
        bookworm: &["rustc-web", "rust-web-src"],
        trixie: &["rustc", "rust-src"],
    },
    Need {
        what: "clippy of that rustc",
        purpose: For::Checks,
        probe: Probe::RustSibling("clippy-driver"),
        bookworm: &["rust-web-clippy"],
        trixie: &["rust-clippy"],
    },
    Need {
        what: "rustfmt of that rustc",
        purpose: For::Checks,
        probe: Probe::RustSibling("rustfmt"),
        bookworm: &["rustfmt-web"],
        trixie: &["rustfmt"],
    },
    Need {
        what: "clang, with lld and the LLVM tools,",
        purpose: For::Everything,
        probe: Probe::Llvm,
        bookworm: &["clang-22", "lld-22", "llvm-22"],
        trixie: &["clang-19", "lld-19", "llvm-19"],
    },
    Need {
        what: "clang of rustc's LLVM (to inline C helpers)",
        purpose: For::Speed,
        probe: Probe::SameLlvm,
        bookworm: &["clang-22", "lld-22", "llvm-22"],
        trixie: &["clang-19", "lld-19", "llvm-19"],
    },
    Need {
        what: "libclang (for bindgen)",
        purpose: For::Everything,
        probe: Probe::Libclang,
        bookworm: &["libclang-22-dev"],
        trixie: &["libclang-19-dev"],
    },
    // Where the distribution has none that is new enough, set-up builds one.
    Need { what: "bindgen", purpose: For::Everything, probe: Probe::Bindgen, bookworm: &[], trixie: &["bindgen"] },
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
    Need {
        what: "ccache",
        purpose: For::Speed,
        probe: Probe::Program("ccache"),
        bookworm: &["ccache"],
        trixie: &["ccache"],
    },
    Need {
        what: "qemu-system-x86_64",
        purpose: For::Everything,
        probe: Probe::Override("QEMU", "qemu-system-x86_64"),
        bookworm: &["qemu-system-x86"],
        trixie: &["qemu-system-x86"],
    },
    Need {
        what: "qemu-storage-daemon",
        purpose: For::Everything,
        probe: Probe::Program("qemu-storage-daemon"),
        bookworm: &["qemu-system-common"],
        trixie: &["qemu-utils"],
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
    program("mkfs.btrfs", &["btrfs-progs"]),
    program("vdpa", &["iproute2"]),
    program("ethtool", &["ethtool"]),
    program("ping", &["iputils-ping"]),
    program("iperf3", &["iperf3"]),
    Need {
        what: "Sphinx, with PyYAML",
        purpose: For::Book,
        probe: Probe::Sphinx,
        bookworm: &["python3-sphinx", "python3-yaml"],
        trixie: &["python3-sphinx", "python3-yaml"],
    },
    Need {
        what: "PyYAML (for the kernel's tests of network drivers)",
        purpose: For::LongTests,
        probe: Probe::PyYaml,
        bookworm: &["python3-yaml"],
        trixie: &["python3-yaml"],
    },
    Need {
        what: "socat",
        purpose: For::LongTests,
        probe: Probe::AnyFile(&["/usr/bin/socat"]),
        bookworm: &["socat"],
        trixie: &["socat"],
    },
    Need {
        what: "LVM",
        purpose: For::LongTests,
        probe: Probe::AnyFile(&["/usr/sbin/lvm"]),
        bookworm: &["lvm2"],
        trixie: &["lvm2"],
    },
    Need { what: "gdb", purpose: For::Debugger, probe: Probe::Program("gdb"), bookworm: &["gdb"], trixie: &["gdb"] },
];

impl Need {
    /// Whether a command that is for `purpose` cannot be carried out without it.
    pub fn is_required(&self, purpose: For) -> bool {
        self.purpose == For::Everything || self.purpose == purpose
    }

    /// Whether it is installed along with what a command for `purpose` needs.
    pub fn is_of_use(&self, purpose: For) -> bool {
        self.is_required(purpose) || matches!(self.purpose, For::Checks | For::Speed)
    }

    /// What was found instead, if the need is not met.
    pub fn lack(&self, project: &Project) -> Option<String> {
        let none = || "found none".to_string();
        match self.probe {
            Probe::Program(name) => which(name).is_none().then(none),
            Probe::Override(name, default) => match variable(name) {
                Some(value) => which(&value).is_none().then(|| format!("{name}={value}: there is no such program")),
                None => which(default).is_none().then(none),
            },
            Probe::AnyFile(files) => (!files.iter().any(|file| Path::new(file).exists())).then(none),
            Probe::Rustc => reason(toolchain::rustc()),
            Probe::RustSibling(name) => match toolchain::rustc() {
                Ok(rustc) => (!rustc.sibling(name).is_file()).then(none),
                Err(_) => Some(none()),
            },
            Probe::Llvm => reason(toolchain::llvm(None)),
            Probe::SameLlvm => lacks_same_llvm(),
            Probe::Libclang => (!has_libclang()).then(none),
            Probe::Bindgen => reason(toolchain::bindgen(project)),
            Probe::Sphinx => lacks_sphinx(),
            Probe::PyYaml => lacks_pyyaml(),
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
            Probe::Llvm | Probe::SameLlvm => "LLVM",
            Probe::Bindgen => "BINDGEN",
            Probe::Program(_) | Probe::AnyFile(_) | Probe::Libclang | Probe::Sphinx | Probe::PyYaml => return None,
        };
        Some(format!("{name}={}", variable(name)?))
    }

    /// What is needed and what was found instead, for a list of what is missing.
    pub fn describe(&self, lack: &str) -> String {
        let minimum = match self.probe {
            Probe::Rustc => format!(" >= {MIN_RUSTC}"),
            Probe::Llvm => format!(" >= {MIN_LLVM}"),
            Probe::Libclang => format!(" >= {}", MIN_LLVM.0),
            Probe::Bindgen => format!(" >= {MIN_BINDGEN}"),
            _ => String::new(),
        };
        let note = match self.purpose {
            For::Everything if self.is_built_here() => " (make will build it)",
            For::Everything => "",
            For::Checks => " (for make check and make test)",
            For::Speed => " (not required)",
            For::Book => " (for make book and make check-book)",
            For::Debugger => " (for make debug)",
            For::LongTests => " (for make soak)",
        };
        format!("{}{minimum}: {lack}{note}", self.what)
    }
}

fn reason<T>(result: Result<T>) -> Option<String> {
    result.err().map(|error| format!("{error:#}"))
}

/// What is found instead of a clang of rustc's LLVM, where the packages of the distribution would make them agree and
/// the user has not named either.
fn lacks_same_llvm() -> Option<String> {
    let release = Release::detect()?;
    let rustc = toolchain::rustc().map_or(release.llvm(), |rustc| rustc.llvm);
    if variable("RUSTC").is_some() || variable("LLVM").is_some() || rustc != release.llvm() {
        return None;
    }
    let clang = toolchain::llvm(Some(rustc)).ok()?.version;
    (clang.0 != rustc).then(|| format!("found {clang}, rustc has {rustc}"))
}

/// What keeps Sphinx from reading the kernel's documents: the Python that it runs in must know YAML.
fn lacks_sphinx() -> Option<String> {
    let Some(sphinx) = which("sphinx-build") else {
        return Some("found none".to_string());
    };
    let text = fs::read(&sphinx).ok()?;
    let first = String::from_utf8_lossy(text.split(|byte| *byte == b'\n').next()?).into_owned();
    // What is no script brings its own Python.
    let mut words = first.strip_prefix("#!")?.split_whitespace();
    let knows_yaml = output(Command::new(words.next()?).args(words).args(["-c", "import yaml"])).is_ok();
    (!knows_yaml).then(|| format!("{} has no PyYAML", sphinx.display()))
}

/// What is wrong with the Python that guests use: the system's, whatever else is in the user's path.
fn lacks_pyyaml() -> Option<String> {
    let knows_yaml = output(Command::new(SYSTEM_PYTHON).args(["-c", "import yaml"])).is_ok();
    (!knows_yaml).then(|| format!("{SYSTEM_PYTHON} has none"))
}

/// Whether the library that bindgen loads is in one of the usual places.
fn has_libclang() -> bool {
    let mut dirs: Vec<_> = ["/usr/lib", "/usr/lib64", "/usr/lib/x86_64-linux-gnu"].map(Into::into).to_vec();
    if let Ok(entries) = fs::read_dir("/usr/lib") {
        let llvm = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with("llvm-"));
        dirs.extend(llvm.map(|entry| entry.path().join("lib")));
    }
    dirs.iter().filter_map(|dir| fs::read_dir(dir).ok()).flat_map(|entries| entries.flatten()).any(|entry| {
        // A development package's `libclang.so` says its version only where it leads to.
        let path = entry.path().canonicalize().unwrap_or_else(|_| entry.path());
        let is_named = entry.file_name().to_string_lossy().starts_with("libclang");
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        is_named && libclang_major(&name).is_some_and(|major| major >= MIN_LLVM.0)
    })
}

/// The major version in the name of a libclang, such as `libclang-22.so.22` or `libclang.so.22.1.8`.
fn libclang_major(name: &str) -> Option<u32> {
    let rest = name.strip_prefix("libclang")?;
    let version = match rest.strip_prefix('-') {
        Some(rest) => rest.contains(".so").then_some(rest)?,
        None => rest.strip_prefix(".so.")?,
    };
    version.split('.').next()?.parse().ok()
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

    fn need(what: &str) -> &'static Need {
        NEEDS.iter().find(|need| need.what.starts_with(what)).unwrap()
    }

    #[test]
    fn what_is_missing_says_the_version_needed_and_found() {
        assert_eq!(
            need("rustc").describe("1.80.0 is too old"),
            format!("{} >= 1.85.0: 1.80.0 is too old", need("rustc").what)
        );
        assert!(need("libclang").describe("found none").starts_with("libclang (for bindgen) >= 17: found none"));
    }

    #[test]
    fn only_what_a_command_uses_is_required_for_it() {
        for (what, purposes) in [
            ("rustc", &[For::Everything, For::Checks, For::Book, For::Debugger, For::LongTests] as &[For]),
            ("clippy", &[For::Checks]),
            ("ccache", &[]),
            ("Sphinx", &[For::Book]),
            ("gdb", &[For::Debugger]),
            ("socat", &[For::LongTests]),
            ("LVM", &[For::LongTests]),
        ] {
            for purpose in [For::Everything, For::Checks, For::Book, For::Debugger, For::LongTests] {
                let expected = purposes.contains(&purpose);
                assert_eq!(need(what).is_required(purpose), expected, "{what} for {purpose:?}");
            }
        }
        assert!(need("clippy").is_of_use(For::Everything) && need("ccache").is_of_use(For::Book));
        assert!(!need("gdb").is_of_use(For::Checks) && !need("Sphinx").is_of_use(For::Everything));
    }

    #[test]
    fn the_version_of_a_libclang_is_in_its_name() {
        for (name, major) in [
            ("libclang-22.so.22", Some(22)),
            ("libclang-14.so.14.0.6", Some(14)),
            ("libclang.so.22.1.8", Some(22)),
            ("libclang-cpp.so.22", None),
            ("libclang-cpp.so.22.1", None),
            ("libclang.so", None),
            ("libclang-22.a", None),
        ] {
            assert_eq!(libclang_major(name), major, "{name}");
        }
    }
}
