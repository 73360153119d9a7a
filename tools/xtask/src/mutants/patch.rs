// SPDX-License-Identifier: GPL-2.0
//! The files of `tests/mutants/`: a unified diff below lines that say what it breaks and who must notice.
//!
//! ```text
//! Breaks: law 6, a request ends
//! Red: kunit rust_virtio_notify
//!
//! --- a/rust/kernel/virtio/queue/locked.rs
//! ```
//!
//! `Red` names the quickest suite that must fail: `kunit FILTER`, `debug FILTER` (the same on the kernel with every
//! checker, in QEMU), `hostile WORDS` (scenarios with these words in
//! their names), `uml SCENARIO`, `powercut`, `compile-fail` or `build`. The numbers of lines in a diff do not count:
//! what it takes away must be in the file exactly once.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::kernel::Variant;

/// Where the files are in the checkout.
pub const DIR: &str = "tests/mutants";

/// Where what is broken may be, but for tests: nothing else is linked into the kernel tree.
const PLACES: [&str; 2] = ["rust/", "drivers/"];

/// Who must notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Suite {
    /// KUnit suites.
    Kunit(String),
    /// KUnit suites on the kernel with every checker.
    Debug(String),
    /// Scenarios of the hostile corpus.
    Hostile(String),
    /// A scenario in user-mode Linux.
    Uml(String),
    /// Power cuts.
    Powercut,
    /// What must not compile.
    CompileFail,
    /// The build itself.
    Build,
}

/// Lines that are replaced by others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hunk {
    old: String,
    new: String,
}

/// A small change that breaks something.
#[derive(Debug, Clone)]
pub struct Mutant {
    /// The name of the file.
    pub name: String,
    /// What it breaks.
    pub breaks: String,
    /// Who must notice.
    pub red: Suite,
    /// What it changes, by file.
    pub files: BTreeMap<PathBuf, Vec<Hunk>>,
}

/// All mutants of a checkout, by name.
///
/// # Errors
///
/// A file cannot be read or is not right.
pub fn all(repo: &Path) -> Result<Vec<Mutant>> {
    let dir = repo.join(DIR);
    let mut mutants = Vec::new();
    for entry in fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "patch") {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            mutants.push(Mutant::parse(&name, &text).with_context(|| format!("{} is not right", path.display()))?);
        }
    }
    mutants.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(mutants)
}

impl Mutant {
    /// Reads a file.
    fn parse(name: &str, text: &str) -> Result<Self> {
        let (head, diff) = text.split_once("\n\n").context("there is no empty line below the head")?;
        let field = |key: &str| {
            let value = head.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
            value.with_context(|| format!("there is no line `{key}: …`"))
        };
        let mut files: BTreeMap<PathBuf, Vec<Hunk>> = BTreeMap::new();
        let mut file = None;
        for line in diff.lines() {
            if line.starts_with("--- ") {
                continue;
            }
            if let Some(path) = line.strip_prefix("+++ b/") {
                ensure!(PLACES.iter().any(|place| path.starts_with(place)), "{path} is not in the kernel tree");
                ensure!(!path.contains("/tests/"), "{path} is a test: break what it is about");
                file = Some(files.entry(PathBuf::from(path)).or_default());
                continue;
            }
            let hunks = file.as_mut().context("a change comes before the name of a file")?;
            if line.starts_with("@@") {
                hunks.push(Hunk::default());
                continue;
            }
            let hunk = hunks.last_mut().context("a change comes before `@@`")?;
            let (old, new) = match line.split_at_checked(1) {
                Some((" ", rest)) => (Some(rest), Some(rest)),
                Some(("-", rest)) => (Some(rest), None),
                Some(("+", rest)) => (None, Some(rest)),
                None => (Some(""), Some("")),
                Some(_) => bail!("`{line}` is no line of a diff"),
            };
            for (text, line) in [(&mut hunk.old, old), (&mut hunk.new, new)] {
                if let Some(line) = line {
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
        ensure!(files.values().flatten().any(|hunk| hunk.old != hunk.new), "nothing is changed");
        Ok(Self {
            name: name.to_owned(),
            breaks: field("Breaks")?.to_owned(),
            red: Suite::parse(field("Red")?)?,
            files,
        })
    }

    /// The kernel on which it is noticed.
    pub fn variant(&self) -> Variant {
        match self.red {
            Suite::Debug(_) => Variant::Debug,
            _ => Variant::Um,
        }
    }

    /// The changed texts of its files, which `read` reads.
    ///
    /// # Errors
    ///
    /// What it takes away is not there, or more than once.
    pub fn apply(&self, read: impl Fn(&Path) -> Result<String>) -> Result<BTreeMap<PathBuf, String>> {
        let mut changed = BTreeMap::new();
        for (path, hunks) in &self.files {
            let mut text = read(path)?;
            for hunk in hunks {
                let found = text.matches(&hunk.old).count();
                ensure!(found == 1, "{}: the lines are {found} times in {}", self.name, path.display());
                text = text.replacen(&hunk.old, &hunk.new, 1);
            }
            changed.insert(path.clone(), text);
        }
        Ok(changed)
    }
}

impl Suite {
    fn parse(text: &str) -> Result<Self> {
        Ok(match text.split_once(' ') {
            Some(("kunit", filter)) => Self::Kunit(filter.to_owned()),
            Some(("debug", filter)) => Self::Debug(filter.to_owned()),
            Some(("hostile", words)) => Self::Hostile(words.to_owned()),
            Some(("uml", scenario)) => Self::Uml(scenario.to_owned()),
            None if text == "powercut" => Self::Powercut,
            None if text == "compile-fail" => Self::CompileFail,
            None if text == "build" => Self::Build,
            _ => bail!("there is no suite `{text}`"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Breaks: law 6\nRed: kunit a_*\n\n--- a/rust/x.rs\n+++ b/rust/x.rs\n@@ -1,3 +1,2 @@\n one\n\
                        -two\n\x20three\n@@ -9 +8 @@\n-nine\n+ten\n";

    fn apply(text: &str) -> Result<String> {
        let mutant = Mutant::parse("m", TEXT)?;
        let text = text.to_owned();
        Ok(mutant.apply(|_| Ok(text.clone()))?[Path::new("rust/x.rs")].clone())
    }

    #[test]
    fn a_file_is_read_and_applied_wherever_its_lines_are() {
        let mutant = Mutant::parse("m", TEXT).unwrap();
        assert_eq!((mutant.breaks.as_str(), mutant.red), ("law 6", Suite::Kunit("a_*".into())));
        assert_eq!(apply("zero\none\ntwo\nthree\nfour\nnine\n").unwrap(), "zero\none\nthree\nfour\nten\n");
    }

    #[test]
    fn lines_that_are_not_there_or_there_twice_are_an_error() {
        assert!(apply("one\nthree\nnine\n").is_err());
        assert!(apply("one\ntwo\nthree\none\ntwo\nthree\nnine\n").is_err());
    }

    #[test]
    fn a_file_without_head_change_or_place_is_refused() {
        for (from, to) in [("Breaks", "Broken"), ("kunit", "unit"), ("b/rust", "b/tools"), ("-two", "~two")] {
            assert!(Mutant::parse("m", &TEXT.replace(from, to)).is_err(), "{from}");
        }
        let nothing = TEXT.replace("-two\n", "").replace("-nine\n+ten\n", " nine\n");
        assert!(Mutant::parse("m", &nothing).is_err());
    }
}
