// SPDX-License-Identifier: GPL-2.0
//! Programs that the abstractions must refuse to compile, in `tests/compile_fail`.
//!
//! Each file is a program that compiles, which is checked, and has code for cases that must not, each compiled by
//! itself. Above that code comments say what the compiler must answer:
//!
//! ```text
//! //@ case: NAME            the code below has #[cfg(case = "NAME")]
//! //@ error: E0277          the code of the one error, `none` if it has none; `build_error` for a failed build-time
//!                           assertion
//! //@ message: some words   part of the error's text, its labels or its notes; what it is about is named there
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

/// What the compiler has to make of a program.
#[derive(Debug, PartialEq)]
enum Expectation {
    Compiles,
    BuildError,
    Error { code: String, message: String },
}

/// A part of a program and what the compiler has to make of it.
#[derive(Debug, PartialEq)]
struct Case {
    name: String,
    expectation: Expectation,
}

/// A diagnostic as rustc prints it in JSON.
#[derive(Debug, Default, Deserialize)]
struct Diagnostic {
    level: String,
    message: String,
    code: Option<Code>,
    spans: Vec<Span>,
    children: Vec<Diagnostic>,
    rendered: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Code {
    code: String,
}

#[derive(Debug, Deserialize)]
struct Span {
    label: Option<String>,
}

impl Diagnostic {
    /// Whether the compiler itself says the words, as opposed to the source that it quotes.
    fn says(&self, words: &str) -> bool {
        let mut labels = self.spans.iter().filter_map(|span| span.label.as_deref());
        self.message.contains(words)
            || labels.any(|label| label.contains(words))
            || self.children.iter().any(|note| note.says(words))
    }
}

/// The programs of a checkout.
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

/// Compiles each program and each of its cases against the kernel crate of user-mode Linux, which has been built.
///
/// # Errors
///
/// The flags of the kernel or the programs cannot be read.
pub fn run(workshop: &Workshop) -> Result<Tally> {
    let files = files(&workshop.project.repo)?;
    if files.is_empty() {
        bail!("tests/compile_fail has no program: is the checkout complete?");
    }
    let compiler = Compiler::of_kernel(workshop)?;
    files.iter().map(|file| check(&compiler, file)).sum()
}

fn check(compiler: &Compiler, file: &Path) -> Result<Tally> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let cases = cases(&text).with_context(|| format!("{} is not right", file.display()))?;
    let program = file.file_stem().unwrap_or_default().to_string_lossy();
    // The program without any case: if it did not compile, its cases might fail for the same reason.
    let mut tally = one(&program, compiler.check(file, None, &Expectation::Compiles));
    for case in &cases {
        let result = compiler.check(file, Some(&case.name), &case.expectation);
        tally += one(&format!("{program}: {}", case.name), result);
    }
    Ok(tally)
}

fn one(name: &str, result: Result<()>) -> Tally {
    match result {
        Ok(()) => {
            say(&format!("{name}: ok"));
            Tally { passed: 1, ..Tally::default() }
        }
        Err(error) => {
            say(&format!("{name}: FAILED: {error:#}"));
            Tally { failed: 1, ..Tally::default() }
        }
    }
}

/// The cases of a program.
fn cases(text: &str) -> Result<Vec<Case>> {
    let directives = text.lines().filter_map(|line| line.trim_start().strip_prefix("//@ "));
    let mut records: Vec<Vec<(&str, &str)>> = Vec::new();
    for directive in directives {
        let (key, value) = directive.split_once(": ").with_context(|| format!("`//@ {directive}` has no value"))?;
        match (key, records.last_mut()) {
            ("case", _) => records.push(vec![(key, value.trim())]),
            (_, Some(record)) => record.push((key, value.trim())),
            (_, None) => bail!("`//@ {directive}` comes before the first case"),
        }
    }
    let mut cases: Vec<Case> = Vec::new();
    for record in records {
        let expectation = match record[1..] {
            [("error", "build_error")] => Expectation::BuildError,
            [("error", code), ("message", message)] => {
                Expectation::Error { code: code.to_string(), message: message.to_string() }
            }
            _ => bail!("the case {} needs `error` and then `message`", record[0].1),
        };
        let name = record[0].1.to_string();
        let code = format!("case = \"{name}\"");
        if !text.contains(&code) || cases.iter().any(|case| case.name == name) {
            bail!("the case {name} needs code of its own, under #[cfg({code})]");
        }
        cases.push(Case { name, expectation });
    }
    if cases.is_empty() {
        bail!("there is no case");
    }
    Ok(cases)
}

impl Expectation {
    /// Compares the expectation with what the compiler said; `success` is whether it made an object.
    fn check(&self, success: bool, diagnostics: &[Diagnostic]) -> Result<()> {
        let is_error = |d: &&Diagnostic| d.level == "error" && !d.message.starts_with("aborting");
        let errors: Vec<&Diagnostic> = diagnostics.iter().filter(is_error).collect();
        let rendered = || errors.iter().filter_map(|error| error.rendered.as_deref()).collect::<Vec<_>>().join("");
        match self {
            Self::Compiles | Self::BuildError if success => Ok(()),
            Self::Compiles | Self::BuildError => bail!("does not compile:\n{}", rendered()),
            Self::Error { .. } if success => bail!("compiles, but must not"),
            Self::Error { code, message } => match errors[..] {
                [error] if error.code.as_ref().map_or("none", |found| &found.code) != code => {
                    bail!("expected the error {code}, but the compiler says:\n{}", rendered())
                }
                [error] if !error.says(message) => {
                    bail!("expected the words `{message}`, but the compiler says:\n{}", rendered())
                }
                [_] => Ok(()),
                _ => bail!("expected one error, but the compiler has {}:\n{}", errors.len(), rendered()),
            },
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

    fn check(&self, file: &Path, case: Option<&str>, expectation: &Expectation) -> Result<()> {
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
            .args(case.map(|case| format!("--cfg=case=\"{case}\"")))
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

    fn error(code: Option<&str>, message: &str) -> Diagnostic {
        let code = code.map(|code| Code { code: code.to_string() });
        Diagnostic { level: "error".into(), code, message: message.into(), ..Diagnostic::default() }
    }

    fn expected() -> Expectation {
        Expectation::Error { code: "E0277".into(), message: "is not declared".into() }
    }

    #[test]
    fn the_expected_error_passes() {
        let diagnostics = [error(Some("E0277"), "x is not declared"), error(None, "aborting due to 1 error")];
        expected().check(false, &diagnostics).unwrap();
    }

    #[test]
    fn the_words_may_be_in_a_label_or_a_note_but_not_in_the_source_that_is_quoted() {
        let say = |edit: fn(&mut Diagnostic)| {
            let mut error = error(Some("E0277"), "the bound is not satisfied");
            edit(&mut error);
            expected().check(false, &[error])
        };
        say(|error| error.spans.push(Span { label: Some("this is not declared".into()) })).unwrap();
        say(|error| error.children.push(Diagnostic { message: "x is not declared".into(), ..Diagnostic::default() }))
            .unwrap();
        assert!(say(|error| error.rendered = Some("error: no\n | // is not declared\n".into())).is_err());
    }

    #[test]
    fn another_error_beside_the_expected_one_fails() {
        for code in ["E0432", "E0277"] {
            let diagnostics = [error(Some("E0277"), "x is not declared"), error(Some(code), "y is not declared")];
            assert!(expected().check(false, &diagnostics).unwrap_err().to_string().contains("expected one error"));
        }
    }

    #[test]
    fn the_expected_code_with_other_words_fails_and_the_words_with_another_code_too() {
        assert!(expected().check(false, &[error(Some("E0277"), "other")]).is_err());
        assert!(expected().check(false, &[error(Some("E0308"), "x is not declared")]).is_err());
        assert!(expected().check(false, &[error(None, "x is not declared")]).is_err());
        assert!(expected().check(false, &[]).is_err());
    }

    #[test]
    fn a_case_that_compiles_fails_and_a_program_that_does_not_too() {
        assert!(expected().check(true, &[]).is_err());
        assert!(Expectation::Compiles.check(false, &[error(None, "x")]).is_err());
        Expectation::Compiles.check(true, &[]).unwrap();
    }

    #[test]
    fn cases_are_read_with_what_they_expect() {
        let text = "//@ case: a\n//@ error: E1\n//@ message: m: n\n#[cfg(case = \"a\")]\nfn f() {}\n\
                    fn g() {\n    //@ case: b\n    //@ error: build_error\n    #[cfg(case = \"b\")]\n    f();\n}\n";
        let error = Expectation::Error { code: "E1".into(), message: "m: n".into() };
        let expected = [("a", error), ("b", Expectation::BuildError)];
        let expected = expected.map(|(name, expectation)| Case { name: name.into(), expectation });
        assert_eq!(cases(text).unwrap(), expected);
    }

    #[test]
    fn directives_must_be_complete_and_each_case_have_code() {
        let code = "#[cfg(case = \"a\")]\n";
        for directives in [
            "",
            "//@ error: E1\n",
            "//@ case: a\n",
            "//@ case: a\n//@ error: E1\n",
            "//@ case: a\n//@ message: m\n",
            "//@ case: a\n//@ error: E1\n//@ message: m\n//@ warning: w\n",
            "//@ case: b\n//@ error: E1\n//@ message: m\n",
            "//@ case: a\n//@ error: build_error\n//@ case: a\n//@ error: build_error\n",
            "//@ case\n",
        ] {
            assert!(cases(&format!("{directives}{code}")).is_err(), "{directives:?}");
        }
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
