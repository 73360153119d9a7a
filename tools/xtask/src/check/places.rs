// SPDX-License-Identifier: GPL-2.0
//! The documents that lead from C's drivers to ours: the places that they name must have what they say.

use std::fs;

use anyhow::{Context, Result};
use regex::Regex;

use super::Findings;
use crate::kernel::Workshop;
use crate::overlay::Overlay;

/// A document, and where the files are that its places are in.
struct Document {
    path: &'static str,
    rust: &'static str,
    c: &'static str,
    /// The file of places in C that name none.
    c_file: &'static str,
}

const DOCUMENTS: [Document; 1] = [Document {
    path: "Documentation/rust/virtio_blk.rst",
    rust: "drivers/block/virtio_blk_rs",
    c: "drivers/block",
    c_file: "virtio_blk.c",
}];

/// Compares the documents with the drivers.
///
/// # Errors
///
/// A file cannot be read.
pub fn check(workshop: &Workshop) -> Result<Findings> {
    let repo = &workshop.project.repo;
    let read = |path: &str| fs::read_to_string(repo.join(path)).with_context(|| format!("cannot read {path}"));
    let overlay = Overlay::new(repo, &workshop.tree.root);
    let mut findings = Findings::new();
    for document in &DOCUMENTS {
        let rust = |file: &str| read(&format!("{}/{file}", document.rust));
        let c = |file: &str| overlay.pristine(&format!("{}/{file}", document.c));
        findings.extend(compare(document, &read(document.path)?, c, rust)?);
    }
    Ok(findings)
}

/// The places of a document at which there is something else.
fn compare(
    document: &Document,
    text: &str,
    c: impl Fn(&str) -> Result<String>,
    rust: impl Fn(&str) -> Result<String>,
) -> Result<Findings> {
    let in_rust = Regex::new(r"^ +- ``([\w/]+\.rs)``, ``([\w:!]+)``$")?;
    let in_c = Regex::new(r"^ +- (?:``([\w/]+\.[ch])``, )?(\d+), ``(\w+)``$")?;
    let like_a_place = Regex::new(r"^ +- (\d+\b|``[\w/]+\.rs``|``[\w/]+\.c``, )")?;
    let mut findings = Findings::new();
    for (number, line) in text.lines().enumerate() {
        let mut require = |holds: bool, finding: String| {
            if !holds {
                findings.push(format!("{}:{}: {finding}", document.path, number + 1));
            }
        };
        if let Some(found) = in_rust.captures(line) {
            let (_, [file, symbol]) = found.extract();
            let count = definitions(&rust(file)?, symbol)?;
            require(count == 1, format!("{file} defines {symbol} {count} times"));
        } else if let Some(found) = in_c.captures(line) {
            let file = found.get(1).map_or(document.c_file, |file| file.as_str());
            let (at, symbol) = (&found[2], &found[3]);
            let c = c(file)?;
            let there = definition_at(&c, at)?.is_some_and(|line| has_word(line, symbol));
            require(there, format!("line {at} of {file} is not in {symbol}"));
        } else {
            require(!like_a_place.is_match(line), "a place of another form, which nothing checks".to_owned());
        }
    }
    for place in [in_rust, in_c] {
        if !text.lines().any(|line| place.is_match(line)) {
            findings.push(format!("{}: there are no places like {place}", document.path));
        }
    }
    Ok(findings)
}

/// How often a file defines a symbol: `name`, `Type::name` for what is in an `impl` of the type, or `name!` for what a
/// macro makes.
fn definitions(rust: &str, symbol: &str) -> Result<usize> {
    if let Some(name) = symbol.strip_suffix('!') {
        let call = Regex::new(&format!(r"^(\w+::)*{name}! *[({{]"))?;
        return Ok(rust.lines().filter(|line| call.is_match(line)).count());
    }
    let (implementor, name) = symbol.split_once("::").map_or((None, symbol), |(of, name)| (Some(of), name));
    let indent = if implementor.is_some() { "    " } else { " *" };
    let item =
        Regex::new(&format!(r"^{indent}(pub(\(\w+\))? )?(const |unsafe )*(fn|struct|enum|static|type) {name}\b"))?;
    let implementation = Regex::new(r"^(?:unsafe )?impl\b.*?(\w+)(?:<[^>]*>)? \{$")?;
    let mut count = 0;
    let mut implemented = None;
    for line in rust.lines() {
        if line == "}" {
            implemented = None;
        } else if let Some(found) = implementation.captures(line) {
            implemented = Some(found.extract::<1>().1[0]);
        }
        if item.is_match(line) && (implementor.is_none() || implementor == implemented) {
            count += 1;
        }
    }
    Ok(count)
}

/// Whether `word` is in `line`, and not only as a part of another word.
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |neighbour: char| neighbour.is_alphanumeric() || neighbour == '_';
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(is_part) && !line[at + word.len()..].starts_with(is_part))
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

    const RUST: &str = "pub(crate) static ONE: u32 = 0;\n\nkernel::make! {\n    three = 3;\n}\n\nimpl Two {\n    \
                        fn new() -> Two {\n    }\n}\n\nimpl<'a> Make<One> for Three<'a> {\n    pub(crate) fn \
                        new() {}\n    fn go() {\n        go();\n    }\n}\n\n// fn none\n";

    fn findings(document: &str) -> Findings {
        let lines = format!("     - 1, ``one``\n     - ``a.rs``, ``ONE``\n{document}");
        compare(&DOCUMENTS[0], &lines, |_| Ok(C.to_owned()), |_| Ok(RUST.to_owned())).unwrap()
    }

    #[test]
    fn what_a_file_of_ours_does_not_define_is_found() {
        for (symbol, expected) in [
            ("ONE", 1),
            ("go", 1),
            ("Two::new", 1),
            ("Three::new", 1),
            ("Three::go", 1),
            ("make!", 1),
            ("new", 2),
            ("Two::go", 0),
            ("One::new", 0),
            ("Make::new", 0),
            ("ON", 0),
            ("three!", 0),
            ("none", 0),
        ] {
            assert_eq!(definitions(RUST, symbol).unwrap(), expected, "{symbol}");
        }
        assert!(findings("     - ``a.rs``, ``Two::new``").is_empty());
        let found = findings("     - ``a.rs``, ``new``");
        assert_eq!(found, [format!("{}:3: a.rs defines new 2 times", DOCUMENTS[0].path)]);
        assert_eq!(findings("     - ``a.rs``, ``Two::old``").len(), 1);
    }

    #[test]
    fn a_line_of_c_that_has_moved_is_found() {
        for (place, expected) in
            [("1, ``one``", 0), ("5, ``one``", 0), ("``b/c.c``, 8, ``two``", 0), ("5, ``two``", 1), ("99, ``two``", 1)]
        {
            assert_eq!(findings(&format!("     - {place}")).len(), expected, "{place}");
        }
    }

    #[test]
    fn a_place_that_would_not_be_checked_is_found() {
        for line in ["     - 1, one", "     - ``a.rs``: ``ONE``", "     - ``a.rs``", "     - ``c.c``, ``one``"] {
            assert_eq!(findings(line).len(), 1, "{line}");
        }
    }

    #[test]
    fn a_document_without_places_is_found() {
        let none = |_: &str| Ok(String::new());
        assert_eq!(compare(&DOCUMENTS[0], "nothing", none, none).unwrap().len(), 2);
    }
}
