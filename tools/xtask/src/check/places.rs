// SPDX-License-Identifier: GPL-2.0
//! The document that leads from C's driver to ours: the lines that it names must have what it says.

use std::fs;

use anyhow::{Context, Result};
use regex::Regex;

use super::Findings;
use crate::kernel::Workshop;
use crate::overlay::Overlay;

const DOCUMENT: &str = "Documentation/rust/virtio_blk.rst";
const DRIVER: &str = "drivers/block/virtio_blk_rs";
const C_DRIVER: &str = "drivers/block/virtio_blk.c";

/// Compares the document with both drivers.
///
/// # Errors
///
/// A file cannot be read.
pub fn check(workshop: &Workshop) -> Result<Findings> {
    let repo = &workshop.project.repo;
    let read = |path: &str| fs::read_to_string(repo.join(path)).with_context(|| format!("cannot read {path}"));
    let c = Overlay::new(repo, &workshop.tree.root).pristine(C_DRIVER)?;
    compare(&read(DOCUMENT)?, &c, |file| read(&format!("{DRIVER}/{file}")))
}

/// The places of the document at which there is something else.
fn compare(document: &str, c: &str, rust: impl Fn(&str) -> Result<String>) -> Result<Findings> {
    let in_rust = Regex::new(r"``(\w+\.rs):(\d+)``, ``(\w+)``")?;
    let in_c = Regex::new(r"^ +- (\d+), ``(\w+)``$")?;
    let mut findings = Findings::new();
    for (number, line) in document.lines().enumerate() {
        let mut require = |holds: bool, finding: String| {
            if !holds {
                findings.push(format!("{DOCUMENT}:{}: {finding}", number + 1));
            }
        };
        for found in in_rust.captures_iter(line) {
            let (_, [file, at, symbol]) = found.extract();
            let there = line_at(&rust(file)?, at)?.is_some_and(|line| has_word(line, symbol));
            require(there, format!("{file}:{at} is not {symbol}"));
        }
        if let Some(found) = in_c.captures(line) {
            let (_, [at, symbol]) = found.extract();
            let there = definition_at(c, at)?.is_some_and(|line| has_word(line, symbol));
            require(there, format!("line {at} of {C_DRIVER} is not in {symbol}"));
        }
    }
    for place in [in_rust, in_c] {
        if !document.lines().any(|line| place.is_match(line)) {
            findings.push(format!("{DOCUMENT}: there are no places like {place}"));
        }
    }
    Ok(findings)
}

/// Whether `word` is in `line`, and not only as a part of another word.
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |neighbour: char| neighbour.is_alphanumeric() || neighbour == '_';
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(is_part) && !line[at + word.len()..].starts_with(is_part))
}

/// The line with the given number, if there is one.
fn line_at<'a>(text: &'a str, number: &str) -> Result<Option<&'a str>> {
    let number: usize = number.parse()?;
    Ok(number.checked_sub(1).and_then(|index| text.lines().nth(index)))
}

/// The first line of the C definition that the line with the given number is part of.
fn definition_at<'a>(c: &'a str, number: &str) -> Result<Option<&'a str>> {
    let number: usize = number.parse()?;
    let lines: Vec<&str> = c.lines().take(number).collect();
    // Labels stand at the beginning of the line, too.
    let starts = |line: &&&str| line.starts_with(|first: char| first.is_ascii_alphabetic()) && !line.ends_with(':');
    let definition = lines.iter().rev().find(starts).copied();
    Ok(definition.filter(|_| lines.len() == number))
}

#[cfg(test)]
mod tests {
    use super::*;

    const C: &str = "static int one(void)\n{\n\tgoto out;\nout:\n\treturn 0;\n}\n\nstatic int two(void)\n{\n}\n";

    fn findings(document: &str) -> Findings {
        let lines = format!("     - 1, ``one``\n     - ``a.rs:1``, ``one``\n{document}");
        compare(&lines, C, |_| Ok("fn one() {}\nfn two() {}\n".to_owned())).unwrap()
    }

    #[test]
    fn a_line_of_ours_that_has_moved_is_found() {
        assert!(findings("     - ``a.rs:2``, ``two``").is_empty());
        assert_eq!(findings("     - ``a.rs:1``, ``two``"), [format!("{DOCUMENT}:3: a.rs:1 is not two")]);
        assert_eq!(findings("     - ``a.rs:0``, ``one``").len(), 1);
        assert_eq!(findings("     - ``a.rs:9``, ``one``").len(), 1);
        assert_eq!(findings("     - ``a.rs:2``, ``tw``").len(), 1, "a part of a word");
    }

    #[test]
    fn a_line_of_c_that_has_moved_is_found() {
        for (place, expected) in
            [("1, ``one``", 0), ("5, ``one``", 0), ("8, ``two``", 0), ("5, ``two``", 1), ("99, ``two``", 1)]
        {
            assert_eq!(findings(&format!("     - {place}")).len(), expected, "{place}");
        }
    }

    #[test]
    fn a_document_without_places_is_found() {
        assert_eq!(compare("nothing", C, |_| Ok(String::new())).unwrap().len(), 2);
    }
}
