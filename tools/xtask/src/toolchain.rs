// SPDX-License-Identifier: GPL-2.0
//! Which compilers build the kernel, and their versions.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

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

/// The first program that has what is needed, of the one that a make variable names or else of `defaults`.
fn first<T>(name: &str, defaults: &[PathBuf], examine: impl Fn(&Path) -> Result<T>) -> Result<T> {
    if let Some(value) = variable(name) {
        let named = || examine(&which(&value).context("there is no such program")?);
        return named().with_context(|| format!("{name}={value}"));
    }
    let mut lacking: Vec<String> = Vec::new();
    for path in defaults.iter().filter(|path| path.is_file()) {
        match examine(path) {
            Ok(found) => return Ok(found),
            Err(error) => lacking.push(format!("{}: {error:#}", path.display())),
        }
    }
    lacking.dedup();
    if lacking.is_empty() { bail!("found none") } else { bail!("{}", lacking.join("; ")) }
}

/// The first rustc that is new enough and has the sources of the core library.
///
/// The one in `PATH` comes last: a toolchain manager's usually lacks the sources.
///
/// # Errors
///
/// There is none; the message says what those that were found lack. So do the others below.
pub fn rustc() -> Result<Rustc> {
    let defaults: Vec<PathBuf> = ["/usr/bin/rustc", "rustc"].into_iter().filter_map(which).collect();
    first("RUSTC", &defaults, examine_rustc)
}

fn examine_rustc(path: &Path) -> Result<Rustc> {
    let text = output(Command::new(path).arg("-vV"))?;
    let version = Version::find(&text).context("says no version")?;
    if version < MIN_RUSTC {
        bail!("{version} is too old");
    }
    let llvm = text.lines().find_map(|line| Version::find(line.strip_prefix("LLVM version:")?));
    let llvm = llvm.with_context(|| format!("{version} does not say which LLVM it has"))?.0;
    let sysroot = output(Command::new(path).args(["--print", "sysroot"]))?;
    let core = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core/src/lib.rs");
    if !core.is_file() {
        bail!("{version} lacks {}", core.display());
    }
    Ok(Rustc { tool: Tool { path: path.to_path_buf(), version }, llvm })
}

/// The LLVM to use with a rustc of LLVM major `preferred`: that one, or else the newest.
///
/// # Errors
///
/// There is none that is new enough and complete.
pub fn llvm(preferred: Option<u32>) -> Result<Llvm> {
    if let Some(choice) = variable("LLVM") {
        return examine_llvm(&choice).with_context(|| format!("LLVM={choice}"));
    }
    let mut majors: Vec<u32> = (MIN_LLVM.0..MIN_LLVM.0 + 40).rev().collect();
    majors.sort_by_key(|&major| Some(major) != preferred);
    let mut lacking: Vec<String> = Vec::new();
    for choice in majors.iter().map(|major| format!("-{major}")).chain(["1".to_string()]) {
        match examine_llvm(&choice) {
            Ok(llvm) => return Ok(llvm),
            Err(error) if which(&llvm_program(&choice, "clang")).is_some() => lacking.push(format!("{error:#}")),
            Err(_) => {}
        }
    }
    if lacking.is_empty() { bail!("found none") } else { bail!("{}", lacking.join("; ")) }
}

fn examine_llvm(choice: &str) -> Result<Llvm> {
    let clang = llvm_program(choice, "clang");
    let path = which(&clang).with_context(|| format!("there is no {clang}"))?;
    let Tool { version, .. } = probe(&path).with_context(|| format!("{clang} says no version"))?;
    if version < MIN_LLVM {
        bail!("{clang} {version} is too old");
    }
    let programs = ["ld.lld", "llvm-ar", "llvm-nm", "llvm-objcopy"].map(|name| llvm_program(choice, name));
    let absent: Vec<String> = programs.into_iter().filter(|program| which(program).is_none()).collect();
    if !absent.is_empty() {
        bail!("{clang} {version} comes without {}", absent.join(", "));
    }
    Ok(Llvm { choice: choice.to_string(), version })
}

/// The first bindgen that is new enough.
///
/// # Errors
///
/// There is none.
pub fn bindgen(project: &Project) -> Result<Tool> {
    let ours = bindgen_root(project).join("bin/bindgen");
    let defaults: Vec<PathBuf> = [Some(ours), which("bindgen")].into_iter().flatten().collect();
    first("BINDGEN", &defaults, |path| {
        let tool = probe(path).context("says no version")?;
        if tool.version < MIN_BINDGEN {
            bail!("{} is too old", tool.version);
        }
        Ok(tool)
    })
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

    /// A program that prints `text`, whatever it is asked.
    fn program(dir: &Path, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = dir.join(name);
        std::fs::write(&path, format!("#!/bin/sh\ncat <<'END'\n{text}\nEND\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn a_rustc_that_will_not_do_is_told_what_it_lacks() {
        let dir = tempfile::tempdir().unwrap();
        for (text, lacks) in [
            ("rustc 1.84.0\nLLVM version: 19.1", "1.84.0 is too old"),
            ("rustc 1.85.0\nLLVM version: 19.1", "1.85.0 lacks "),
            ("rustc 1.85.0", "1.85.0 does not say which LLVM"),
            ("no version", "says no version"),
        ] {
            let error = examine_rustc(&program(dir.path(), "rustc", text)).unwrap_err().to_string();
            assert!(error.starts_with(lacks), "{error}");
        }
    }

    #[test]
    fn an_llvm_that_will_not_do_is_told_what_it_lacks() {
        let dir = tempfile::tempdir().unwrap();
        let choice = format!("{}/", dir.path().display());
        let error = || examine_llvm(&choice).unwrap_err().to_string();
        assert!(error().starts_with("there is no "));
        program(dir.path(), "clang", "clang version 16.0.0");
        assert!(error().ends_with("16.0.0 is too old"), "{}", error());
        program(dir.path(), "clang", "clang version 19.1.7");
        program(dir.path(), "ld.lld", "");
        assert!(error().contains("19.1.7 comes without") && error().contains("llvm-nm"), "{}", error());
        assert!(!error().contains("ld.lld"), "{}", error());
    }

    #[test]
    fn every_program_that_was_found_is_told_with_what_it_lacks() {
        let dir = tempfile::tempdir().unwrap();
        let paths = [program(dir.path(), "a", "x 0.1.2"), dir.path().join("absent"), program(dir.path(), "b", "y")];
        let error =
            first::<()>("NO_SUCH_VARIABLE", &paths, |path| bail!("{} will not do", path.display())).unwrap_err();
        assert_eq!(error.to_string().matches("will not do").count(), 2, "{error}");
        let error = first::<()>("NO_SUCH_VARIABLE", &[], |_| Ok(())).unwrap_err();
        assert_eq!(error.to_string(), "found none");
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
