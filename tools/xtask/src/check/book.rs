// SPDX-License-Identifier: GPL-2.0
//! The chapters of the book: their commands are marked, what they name is there, and each has an exercise whose
//! solution is built.

use std::path::Path;

use anyhow::{Context, Result};
use regex::Regex;

use super::{Findings, source};
use crate::book::{CHAPTERS, blocks_of};
use crate::kernel::Workshop;
use crate::overlay::our_files;

/// Where the solutions are, and the file that says that they are built.
const SOLUTIONS: &str = "samples/rust/book";
const MAKEFILE: &str = "samples/rust/book/Makefile";

/// What is no chapter.
const INDEX: &str = "index.rst";

/// The top of the tree, of the paths that are looked up.
const TOPS: &str = "arch|block|Documentation|drivers|include|init|kernel|lib|mm|net|rust|samples|scripts|tests|tools";

/// Looks through all chapters.
///
/// # Errors
///
/// One cannot be read.
pub fn check(workshop: &Workshop) -> Result<Findings> {
    let names = Names::new()?;
    let read = |path: &str| source(workshop, path).ok();
    let is_there = |path: &str| {
        let (repo, tree) = (&workshop.project.repo, &workshop.tree.root);
        // What the build makes is not there on a fresh machine.
        path.ends_with("_generated.rs") || repo.join(path).exists() || tree.join(path).exists()
    };
    let makefile = source(workshop, MAKEFILE)?;
    let mut findings = Findings::new();
    for file in our_files(&workshop.project.repo, &workshop.tree.root)? {
        if file.starts_with(CHAPTERS) && file.extension().is_some_and(|extension| extension == "rst") {
            let path = file.to_string_lossy();
            let text = read(&path).with_context(|| format!("cannot read {path}"))?;
            let mut found = names.look_up(&text, read, is_there);
            found.extend(blocks_of(&text).err().map(|error| format!("{error:#}")));
            if !file.ends_with(INDEX) {
                found.extend(exercise(&text, &makefile));
            }
            findings.extend(found.into_iter().map(|finding| format!("{path}: {finding}")));
        }
    }
    Ok(findings)
}

/// What text names, in the forms that are looked up.
struct Names {
    path: Regex,
    symbol: Regex,
}

impl Names {
    fn new() -> Result<Self> {
        let path = format!(r"``((?:{TOPS})/[\w./-]+)``");
        // ``name()`` in ``path``, ``name`` (``path``)
        let symbol = format!(r"``([\w:!]+)(?:\(\))?``\s+(?:in\s+|\()``((?:{TOPS})/[\w./-]+\.\w+)``");
        Ok(Self { path: Regex::new(&path)?, symbol: Regex::new(&symbol)? })
    }

    /// The files that are not there, and the symbols that are not in the file that is named with them.
    fn look_up(&self, text: &str, read: impl Fn(&str) -> Option<String>, is_there: impl Fn(&str) -> bool) -> Findings {
        let paths = self.path.captures_iter(text).map(|found| found.extract::<1>().1[0]);
        let mut findings: Findings =
            paths.filter(|path| !is_there(path)).map(|path| format!("there is no {path}")).collect();
        for found in self.symbol.captures_iter(text) {
            let (_, [symbol, path]) = found.extract();
            let name = symbol.trim_end_matches('!').rsplit("::").next().unwrap_or(symbol);
            let is_word = Regex::new(&format!(r"\b{}\b", regex::escape(name)));
            // A file that is not there has been told already.
            if read(path).is_some_and(|source| is_word.is_ok_and(|word| !word.is_match(&source))) {
                findings.push(format!("{path} has no {symbol}"));
            }
        }
        findings
    }
}

/// What a chapter's exercise lacks.
fn exercise(text: &str, makefile: &str) -> Option<String> {
    let Some((_, exercise)) = text.split_once("\nExercise\n=") else {
        return Some("there is no section `Exercise`".to_owned());
    };
    // What is not a module is told in words, or is a mutant, which has a check of its own.
    if exercise.contains("*Solution:*") || exercise.contains("tests/mutants/") {
        return None;
    }
    let mut included = exercise.lines().filter_map(|line| line.trim().strip_prefix(".. literalinclude:: "));
    let Some(solution) = included.find(|file| file.contains(SOLUTIONS)) else {
        return Some(format!("the exercise shows no solution of {SOLUTIONS}"));
    };
    let object = Path::new(solution).with_extension("o");
    let object = object.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let is_built = makefile.split_whitespace().any(|word| word == object);
    (!is_built).then(|| format!("{MAKEFILE} does not build {object}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look_up(text: &str) -> Findings {
        let read = |path: &str| (path == "kernel/a.c").then(|| "int one(void);\n".to_owned());
        Names::new().unwrap().look_up(text, read, |path| path == "kernel/a.c" || path == "kernel")
    }

    #[test]
    fn a_file_or_a_symbol_that_has_gone_is_found() {
        assert_eq!(look_up("see ``one()`` in\n``kernel/a.c``, ``one`` (``kernel/a.c``), ``some/where``"), [""; 0]);
        assert_eq!(look_up("``kernel/b.c``"), ["there is no kernel/b.c"]);
        assert_eq!(look_up("``two()`` in ``kernel/a.c``"), ["kernel/a.c has no two"]);
        assert_eq!(look_up("``Type::on`` (``kernel/a.c``)"), ["kernel/a.c has no Type::on"]);
    }

    #[test]
    fn an_exercise_shows_a_solution_that_is_built() {
        let with = |body: &str| exercise(&format!("Text\n\nExercise\n========\n\n{body}"), "obj-m += a.o b.o\n");
        assert_eq!(with(".. literalinclude:: ../../../samples/rust/book/a.rs\n"), None);
        assert!(with(".. literalinclude:: ../../../samples/rust/book/c.rs\n").is_some());
        assert!(with("nothing").is_some());
        assert_eq!(with("*Solution:* think"), None);
        assert!(exercise("Text\n", "").is_some());
    }
}
