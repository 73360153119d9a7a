// SPDX-License-Identifier: GPL-2.0
//! Which compilers build the kernel, and their versions.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::progress::output;
use crate::project::{Project, variable};

/// Oldest rustc that Linux 7.3 accepts.
pub const MIN_RUSTC: Version = Version(1, 85, 0);
/// Oldest clang that Linux 7.3 accepts.
pub const MIN_LLVM: Version = Version(17, 0, 1);
/// Oldest bindgen that Linux 7.3 accepts.
pub const MIN_BINDGEN: Version = Version(0, 71, 1);
/// The bindgen that set-up builds when there is none.
pub const BINDGEN_VERSION: &str = "0.72.1";

/// A version of a tool.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// Finds the first version number in what a tool prints.
    pub fn find(text: &str) -> Option<Self> {
        text.split(|c: char| !(c.is_ascii_digit() || c == '.')).find_map(|word| {
            let mut numbers = word.split('.').map(str::parse);
            let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
                return None;
            };
            let patch = numbers.next().and_then(Result::ok).unwrap_or(0);
            Some(Self(major, minor, patch))
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// A program and its version.
#[derive(Clone, Debug)]
pub struct Tool {
    /// The program.
    pub path: PathBuf,
    /// Its version.
    pub version: Version,
}

/// A rustc that can build the kernel.
#[derive(Clone, Debug)]
pub struct Rustc {
    /// The compiler.
    pub tool: Tool,
    /// The major version of its LLVM.
    pub llvm: u32,
}

impl Rustc {
    /// A program that belongs to this compiler, such as `rustdoc`.
    pub fn sibling(&self, name: &str) -> PathBuf {
        self.tool.path.with_file_name(name)
    }
}

/// An LLVM that can build the kernel.
#[derive(Clone, Debug)]
pub struct Llvm {
    /// What kbuild's `LLVM=` says: `1`, a suffix such as `-22`, or a directory that ends in a slash.
    pub choice: String,
    /// The version of its clang.
    pub version: Version,
}

impl Llvm {
    /// The name by which `LLVM=` finds a program of it.
    pub fn program(&self, name: &str) -> String {
        llvm_program(&self.choice, name)
    }
}

/// Everything that builds a kernel.
#[derive(Clone, Debug)]
pub struct Toolchain {
    /// The Rust compiler.
    pub rustc: Rustc,
    /// The C compiler and the binary tools.
    pub llvm: Llvm,
    /// The generator of the C bindings.
    pub bindgen: Tool,
    /// Whether C objects are cached.
    pub ccache: bool,
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rustc, llvm, bindgen, .. } = self;
        write!(
            f,
            "rustc {} (LLVM {}), clang {}, bindgen {}",
            rustc.tool.version, rustc.llvm, llvm.version, bindgen.version
        )
    }
}

/// Finds a program in `PATH` or where administrators' programs are.
pub fn which(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| path.is_file());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let admin = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path).chain(admin).map(|dir| dir.join(name)).find(|path| path.is_file())
}

/// A program with the version it prints.
pub fn probe(path: &Path) -> Option<Tool> {
    let version = Version::find(&output(Command::new(path).arg("--version")).ok()?)?;
    Some(Tool { path: path.to_path_buf(), version })
}

/// The first rustc that is new enough and has the sources of the core library.
///
/// The one in `PATH` comes last: a toolchain manager's usually lacks the sources.
pub fn rustc() -> Option<Rustc> {
    let candidates = match variable("RUSTC") {
        Some(path) => vec![which(&path)],
        None => vec![which("/usr/bin/rustc"), which("rustc")],
    };
    candidates.into_iter().flatten().find_map(|path| {
        let text = output(Command::new(&path).arg("-vV")).ok()?;
        let version = Version::find(&text)?;
        let llvm = text.lines().find_map(|line| Version::find(line.strip_prefix("LLVM version:")?))?.0;
        let sysroot = output(Command::new(&path).args(["--print", "sysroot"])).ok()?;
        let core = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core/src/lib.rs");
        let fits = version >= MIN_RUSTC && core.is_file();
        fits.then_some(Rustc { tool: Tool { path, version }, llvm })
    })
}

/// The LLVM to use with a rustc of LLVM major `preferred`: that one, or else the newest.
pub fn llvm(preferred: Option<u32>) -> Option<Llvm> {
    let choices = match variable("LLVM") {
        Some(choice) => vec![choice],
        None => {
            let mut majors: Vec<u32> = (MIN_LLVM.0..MIN_LLVM.0 + 40).rev().collect();
            majors.sort_by_key(|&major| Some(major) != preferred);
            majors.iter().map(|major| format!("-{major}")).chain(["1".to_string()]).collect()
        }
    };
    choices.into_iter().find_map(|choice| {
        let tool = probe(&which(&llvm_program(&choice, "clang"))?)?;
        let complete = ["ld.lld", "llvm-ar", "llvm-nm", "llvm-objcopy"]
            .iter()
            .all(|name| which(&llvm_program(&choice, name)).is_some());
        (complete && tool.version >= MIN_LLVM).then_some(Llvm { choice, version: tool.version })
    })
}

/// The first bindgen that is new enough.
pub fn bindgen(project: &Project) -> Option<Tool> {
    let candidates = match variable("BINDGEN") {
        Some(path) => vec![which(&path)],
        None => vec![Some(bindgen_root(project).join("bin/bindgen")), which("bindgen")],
    };
    candidates.into_iter().flatten().filter_map(|path| probe(&path)).find(|tool| tool.version >= MIN_BINDGEN)
}

/// Where set-up installs its own bindgen.
pub fn bindgen_root(project: &Project) -> PathBuf {
    project.cache.join("tools").join(format!("bindgen-{BINDGEN_VERSION}"))
}

fn llvm_program(choice: &str, name: &str) -> String {
    match choice {
        "1" => name.to_string(),
        dir if dir.ends_with('/') => format!("{dir}{name}"),
        suffix => format!("{name}{suffix}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_tools_print() {
        for (text, version) in [
            ("rustc 1.96.0 (ac68faa20 2026-05-25) (built from a source tarball)", Version(1, 96, 0)),
            ("Debian clang version 22.1.8 (1~deb12u1)", Version(22, 1, 8)),
            ("bindgen 0.72.1", Version(0, 72, 1)),
            ("LLVM version: 22.1", Version(22, 1, 0)),
            ("cargo 1.97.0-nightly (x)", Version(1, 97, 0)),
        ] {
            assert_eq!(Version::find(text), Some(version), "{text}");
        }
        assert_eq!(Version::find("no version, 7 only"), None);
    }

    #[test]
    fn versions_compare_by_number() {
        assert!(Version(0, 9, 9) < Version(0, 71, 1));
        assert!(Version(1, 85, 0) >= MIN_RUSTC);
    }

    #[test]
    fn llvm_programs_are_named_as_kbuild_names_them() {
        assert_eq!(llvm_program("1", "clang"), "clang");
        assert_eq!(llvm_program("-22", "ld.lld"), "ld.lld-22");
        assert_eq!(llvm_program("/opt/llvm/bin/", "clang"), "/opt/llvm/bin/clang");
    }
}
