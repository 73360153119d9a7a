// SPDX-License-Identifier: GPL-2.0
//! The document that leads from C's driver to ours: the lines that it names must have what it says.

use std::fs;

use anyhow::{Context, Result};
use regex::Regex;

use super::Findings;
use crate::kernel::Workshop;

const DOCUMENT: &str = "Documentation/rust/virtio_blk.rst";
const DRIVER: &str = "drivers/block/virtio_blk_rs";

/// Compares the document with the driver.
///
/// # Errors
///
/// A file cannot be read.
pub fn check(workshop: &Workshop) -> Result<Findings> {
    let repo = &workshop.project.repo;
    let read = |path: &str| fs::read_to_string(repo.join(path)).with_context(|| format!("cannot read {path}"));
    compare(&read(DOCUMENT)?, |file| read(&format!("{DRIVER}/{file}")))
}

/// The places of the document at which there is something else.
fn compare(document: &str, source: impl Fn(&str) -> Result<String>) -> Result<Findings> {
    let place = Regex::new(r"``(\w+\.rs):(\d+)``, ``(\w+)``")?;
    let mut findings = Findings::new();
    for (number, line) in document.lines().enumerate() {
        for found in place.captures_iter(line) {
            let (_, [file, at, symbol]) = found.extract();
            let at: usize = at.parse()?;
            let text = source(file)?;
            let there = at.checked_sub(1).and_then(|index| text.lines().nth(index));
            if !there.is_some_and(|line| line.contains(symbol)) {
                findings.push(format!("{DOCUMENT}:{}: {file}:{at} is not {symbol}", number + 1));
            }
        }
    }
    if !place.is_match(document) {
        findings.push(format!("{DOCUMENT}: there are no places"));
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(document: &str) -> Findings {
        compare(document, |_| Ok("fn one() {}\nfn two() {}\n".to_owned())).unwrap()
    }

    #[test]
    fn a_line_that_has_moved_is_found() {
        assert!(findings("``a.rs:2``, ``two``").is_empty());
        assert_eq!(findings("``a.rs:1``, ``two``"), [format!("{DOCUMENT}:1: a.rs:1 is not two")]);
        assert_eq!(findings("``a.rs:0``, ``one``").len(), 1);
        assert_eq!(findings("``a.rs:9``, ``one``").len(), 1);
    }

    #[test]
    fn a_document_without_places_is_found() {
        assert_eq!(findings("nothing"), [format!("{DOCUMENT}: there are no places")]);
    }
}
