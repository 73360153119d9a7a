// SPDX-License-Identifier: GPL-2.0
//! Programs that the abstractions must refuse to compile, in `tests/compile_fail`.
//!
//! Each begins with comments that say what the compiler must answer:
//!
//! ```text
//! //@ error: E0277          the code of every error; `build_error` for a failed build-time assertion
//! //@ message: some words   part of what the compiler prints
//! //@ compiles              instead of both: the control, which shows that the others fail for their reason
//! ```

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use vm::Tally;

use crate::kernel::{Variant, Workshop};
use crate::progress::{output, say};

/// The symbol to which a failed build-time assertion refers; the kernel does not link with it.
const BUILD_ERROR_SYMBOL: &str = "rust_build_error";

/// Directories in which kbuild has compiled a Rust module; its flags are used for the cases.
const MODULE_DIRS: [&str; 3] = ["drivers/block/virtio_blk_rs", "drivers/block/rnull", "samples/rust"];

/// What a case expects of the compiler.
#[derive(Debug, PartialEq)]
enum Expectation {
    Compiles,
    BuildError,
    Error { code: String, message: String },
}

/// A diagnostic as rustc prints it in JSON.
#[derive(Debug, Deserialize)]
struct Diagnostic {
    level: String,
    code: Option<Code>,
    rendered: String,
}

#[derive(Debug, Deserialize)]
struct Code {
    code: String,
}

/// The cases of a checkout.
///
/// # Errors
///
/// The directory is there but cannot be read.
pub fn files(repo: &Path) -> Result<Vec<PathBuf>> {
    let dir = repo.join("tests/compile_fail");
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Compiles each case against the kernel crate of user-mode Linux, which has been built.
///
/// # Errors
///
/// The flags of the kernel or the cases cannot be read.
pub fn run(workshop: &Workshop) -> Result<Tally> {
    let files = files(&workshop.project.repo)?;
    let mut tally = Tally::default();
    if files.is_empty() {
        return Ok(tally);
    }
    let compiler = Compiler::of_kernel(workshop)?;
    let mut controls = 0;
    for file in &files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        let result = fs::read_to_string(file).map_err(Into::into).and_then(|text| {
            let expectation = Expectation::parse(&text)?;
            controls += u32::from(expectation == Expectation::Compiles);
            compiler.check(file, &expectation)
        });
        match result {
            Ok(()) => {
                say(&format!("{name}: ok"));
                tally.passed += 1;
            }
            Err(error) => {
                say(&format!("{name}: FAILED: {error:#}"));
                tally.failed += 1;
            }
        }
    }
    if controls == 0 {
        say("no case says `//@ compiles`: without a control the others prove nothing");
        tally.failed += 1;
    }
    Ok(tally)
}

impl Expectation {
    fn parse(text: &str) -> Result<Self> {
        let (mut code, mut message, mut compiles) = (None, None, false);
        for directive in text.lines().filter_map(|line| line.strip_prefix("//@ ")) {
            match directive.split_once(": ") {
                Some(("error", value)) => code = Some(value.trim().to_string()),
                Some(("message", value)) => message = Some(value.trim().to_string()),
                None if directive.trim() == "compiles" => compiles = true,
                _ => bail!("`//@ {directive}` is not understood"),
            }
        }
        match (code, message, compiles) {
            (None, None, true) => Ok(Self::Compiles),
            (Some(code), None, false) if code == "build_error" => Ok(Self::BuildError),
            (Some(code), Some(message), false) => Ok(Self::Error { code, message }),
            _ => bail!("needs `//@ error:` with `//@ message:`, or `//@ compiles`"),
        }
    }

    /// Compares the expectation with what the compiler said; `success` is whether it made an object.
    fn check(&self, success: bool, diagnostics: &[Diagnostic]) -> Result<()> {
        let errors: Vec<&Diagnostic> =
            diagnostics.iter().filter(|d| d.level == "error" && !d.rendered.starts_with("error: aborting")).collect();
        let rendered = || errors.iter().map(|error| error.rendered.as_str()).collect::<Vec<_>>().join("");
        match self {
            Self::Compiles | Self::BuildError if success => Ok(()),
            Self::Compiles | Self::BuildError => bail!("does not compile:\n{}", rendered()),
            Self::Error { .. } if success => bail!("compiles, but must not"),
            Self::Error { code, message } => {
                let has_code = |error: &&&Diagnostic| error.code.as_ref().is_some_and(|found| found.code == *code);
                if errors.is_empty() || errors.iter().filter(has_code).count() != errors.len() {
                    bail!("expected only errors {code}, but the compiler says:\n{}", rendered());
                }
                if !errors.iter().any(|error| error.rendered.contains(message)) {
                    bail!("expected the words `{message}`, but the compiler says:\n{}", rendered());
                }
                Ok(())
            }
        }
    }
}

/// rustc with the flags that kbuild used for a module.
#[derive(Debug)]
struct Compiler {
    objdir: PathBuf,
    variables: Vec<(String, String)>,
    program: String,
    flags: Vec<String>,
    nm: String,
}

impl Compiler {
    fn of_kernel(workshop: &Workshop) -> Result<Self> {
        let objdir = workshop.objdir(Variant::Um);
        let command = MODULE_DIRS
            .iter()
            .find_map(|dir| recorded_command(&objdir.join(dir)))
            .with_context(|| format!("no Rust module has been built in {}", objdir.display()))?;
        let nm = workshop.toolchain.llvm.program("llvm-nm");
        Self::parse(&command, objdir, nm)
    }

    /// Takes the flags out of a recorded command, leaving behind what names the module.
    fn parse(command: &str, objdir: PathBuf, nm: String) -> Result<Self> {
        let words = shlex::split(command).context("kbuild recorded a command that cannot be read")?;
        let mut words = words.into_iter().peekable();
        let mut variables = Vec::new();
        while let Some((name, value)) = words.peek().and_then(|word| word.split_once('=')) {
            variables.push((name.to_string(), value.to_string()));
            words.next();
        }
        let program = words.next().context("kbuild recorded an empty command")?;
        let mut flags = Vec::new();
        while let Some(word) = words.next() {
            if word == "--crate-name" || word == "--out-dir" {
                words.next();
            } else if !word.starts_with("--emit") && (word.starts_with(['-', '@']) || !word.ends_with(".rs")) {
                flags.push(word);
            }
        }
        Ok(Self { objdir, variables, program, flags, nm })
    }

    fn check(&self, file: &Path, expectation: &Expectation) -> Result<()> {
        let scratch = tempfile::tempdir()?;
        let object = scratch.path().join("case.o");
        // Assertions in constants are only evaluated when code is generated, so an object is asked for.
        let output = Command::new(&self.program)
            .current_dir(&self.objdir)
            .envs(self.variables.iter().cloned())
            // As the kernel's Makefile: its code uses unstable features with a stable compiler.
            .env("RUSTC_BOOTSTRAP", "1")
            .args(&self.flags)
            .args(["--error-format=json", "--crate-name", "case"])
            .arg(format!("--emit=obj={}", object.display()))
            .arg(file)
            .output()
            .with_context(|| format!("cannot start {}", self.program))?;
        let text = String::from_utf8_lossy(&output.stderr);
        let diagnostics: Vec<Diagnostic> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        if !output.status.success() && diagnostics.is_empty() {
            bail!("the compiler could not be used:\n{}", text.trim());
        }
        expectation.check(output.status.success(), &diagnostics)?;
        if output.status.success() {
            let refers = self.refers_to_build_error(&object)?;
            match (expectation, refers) {
                (Expectation::BuildError, false) => bail!("no build-time assertion failed"),
                (Expectation::Compiles, true) => bail!("a build-time assertion failed"),
                _ => {}
            }
        }
        Ok(())
    }

    fn refers_to_build_error(&self, object: &Path) -> Result<bool> {
        let symbols = output(Command::new(&self.nm).arg("--undefined-only").arg(object))?;
        Ok(symbols.contains(BUILD_ERROR_SYMBOL))
    }
}

/// The rustc command that kbuild recorded for some module in a directory.
fn recorded_command(dir: &Path) -> Option<String> {
    let mut records: Vec<PathBuf> = fs::read_dir(dir).ok()?.flatten().map(|entry| entry.path()).collect();
    records.sort();
    records.iter().filter(|path| path.extension() == Some(OsStr::new("cmd"))).find_map(|path| {
        let text = fs::read_to_string(path).ok()?;
        let command = text.lines().next()?.split_once(" := ")?.1;
        command.contains("RUST_MODFILE=").then(|| command.split(';').next().unwrap_or(command).to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: Option<&str>, rendered: &str) -> Diagnostic {
        let code = code.map(|code| Code { code: code.to_string() });
        Diagnostic { level: "error".into(), code, rendered: rendered.into() }
    }

    fn expected() -> Expectation {
        Expectation::parse("// SPDX\n//@ error: E0277\n//@ message: is not declared\n").unwrap()
    }

    #[test]
    fn the_expected_error_passes() {
        let diagnostics = [error(Some("E0277"), "error: x is not declared"), error(None, "error: aborting due to")];
        expected().check(false, &diagnostics).unwrap();
    }

    #[test]
    fn another_error_beside_the_expected_one_fails() {
        let diagnostics = [error(Some("E0277"), "error: x is not declared"), error(Some("E0432"), "error: import")];
        assert!(expected().check(false, &diagnostics).unwrap_err().to_string().contains("only errors E0277"));
    }

    #[test]
    fn the_expected_code_with_other_words_fails() {
        assert!(expected().check(false, &[error(Some("E0277"), "error: other")]).is_err());
    }

    #[test]
    fn a_case_that_compiles_fails_and_a_control_that_does_not_too() {
        assert!(expected().check(true, &[]).is_err());
        assert!(Expectation::Compiles.check(false, &[error(None, "error: x")]).is_err());
        Expectation::Compiles.check(true, &[]).unwrap();
    }

    #[test]
    fn directives_must_be_complete_and_known() {
        for text in ["", "//@ error: E1\n", "//@ message: x\n", "//@ compiles\n//@ error: E1\n", "//@ warning: E1\n"] {
            assert!(Expectation::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(Expectation::parse("//@ error: build_error\n").unwrap(), Expectation::BuildError);
        assert_eq!(Expectation::parse("//@ compiles\n").unwrap(), Expectation::Compiles);
    }

    #[test]
    fn what_names_the_module_is_left_out_of_the_flags() {
        let command = "OBJTREE=/o RUST_MODFILE=a/b /usr/bin/rustc --edition=2021 @./cfg --extern kernel \
                       -Zcrate-attr='feature(x)' --crate-name b --out-dir a/ \
                       --emit=dep-info=a/.b.o.d --emit=obj=a/b.o ../a/b.rs";
        let compiler = Compiler::parse(command, PathBuf::new(), String::new()).unwrap();
        assert_eq!(compiler.program, "/usr/bin/rustc");
        assert_eq!(compiler.variables[1], ("RUST_MODFILE".to_string(), "a/b".to_string()));
        assert_eq!(compiler.flags, ["--edition=2021", "@./cfg", "--extern", "kernel", "-Zcrate-attr=feature(x)"]);
    }
}
