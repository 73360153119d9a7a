// SPDX-License-Identifier: GPL-2.0
//! The checks that read sources and run nothing: formatting, lints, documentation.

mod c_names;
mod checkpatch;
mod clippy;
mod diagnostics;
mod format;
mod hostile;
mod laws;
mod places;
pub mod rustdoc;
mod unsafe_code;
mod values;

use anyhow::Result;
use vm::Tally;

use crate::kernel::Workshop;
use crate::mutants;
use crate::progress::say;

/// What a check found wrong, one entry per finding; empty when all is well.
pub type Findings = Vec<String>;

type Check = fn(&Workshop) -> Result<Findings>;

/// All checks, quick ones first.
const CHECKS: [(&str, Check); 13] = [
    ("no unsafe in drivers and samples", unsafe_code::check),
    ("laws and their tests", laws::check),
    ("places in both drivers", places::check),
    ("values that devices tell", values::check),
    ("devices that lie and their table", hostile::check),
    ("names of C's functions", c_names::check),
    ("mutants", mutants::check),
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
