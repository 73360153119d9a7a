// SPDX-License-Identifier: GPL-2.0
//! The checks that read sources and run nothing: formatting, lints, documentation.

mod book;
mod c_names;
mod checkpatch;
mod clippy;
pub mod diagnostics;
mod format;
mod hostile;
mod includes;
mod laws;
mod numbers;
mod places;
pub mod rustdoc;
mod tables;
mod unsafe_code;
mod values;

use std::fs;

use anyhow::{Context, Result};
use vm::Tally;

use crate::kernel::Workshop;
use crate::overlay::Overlay;
use crate::progress::say;
use crate::{map, mutants, patches};

/// What a check found wrong, one entry per finding; empty when all is well.
pub type Findings = Vec<String>;

type Check = fn(&Workshop) -> Result<Findings>;

/// All checks, quick ones first.
const CHECKS: [(&str, Check); 18] = [
    ("no unsafe in drivers, samples and templates", unsafe_code::check),
    ("laws and their tests", laws::check),
    ("places in both drivers", places::check),
    ("pieces of sources in documents", includes::check),
    ("chapters of the book", book::check),
    ("numbers of lines and instructions", numbers::check),
    ("values that devices tell", values::check),
    ("devices that lie and their table", hostile::check),
    ("names of C's functions", c_names::check),
    ("mutants", mutants::check),
    ("the series of patches", patches::check),
    ("map of the house", map::check),
    ("rustfmt of the kernel files", format::kernel),
    ("rustfmt of the host tools", format::tools),
    ("checkpatch", checkpatch::check),
    ("clippy of the host tools", clippy::tools),
    ("clippy of the kernel files", clippy::kernel),
    ("rustdoc", rustdoc::check),
];

/// Runs every check, so that one report has everything, and counts each as one case.
pub fn all(workshop: &Workshop) -> Tally {
    CHECKS.iter().map(|(name, check)| one(name, check(workshop))).sum()
}

fn one(name: &str, result: Result<Findings>) -> Tally {
    let findings = result.unwrap_or_else(|error| vec![format!("{error:#}")]);
    if findings.is_empty() {
        say(&format!("{name}: ok"));
        return Tally { passed: 1, ..Tally::default() };
    }
    say(&format!("{name}: FAILED"));
    findings.iter().for_each(|finding| println!("{finding}"));
    Tally { failed: 1, ..Tally::default() }
}

/// The text of a file of ours or else of the tree, there without the lines that the overlay inserts.
fn source(workshop: &Workshop, path: &str) -> Result<String> {
    let repo = &workshop.project.repo;
    let own = repo.join(path);
    if own.is_file() {
        return fs::read_to_string(&own).with_context(|| format!("cannot read {path}"));
    }
    Overlay::new(repo, &workshop.tree.root).pristine(path)
}
