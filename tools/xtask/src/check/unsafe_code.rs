// SPDX-License-Identifier: GPL-2.0
//! Drivers, samples and what they begin with contain no `unsafe`: whoever needs it has found a hole in an abstraction.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use regex::Regex;

use super::Findings;
use crate::kernel::Workshop;
use crate::new_driver;
use crate::overlay::our_files;

/// Where the kernel's users are. What shows how Rust and C call each other needs the keyword.
const PLACES: [&str; 5] = [
    "drivers",
    "samples",
    "Documentation/rust/book/hello",
    "Documentation/rust/book/sleeper",
    "Documentation/rust/book/stages",
];

/// Looks for the keyword outside comments and strings.
///
/// # Errors
///
/// A file cannot be read.
pub fn check(workshop: &Workshop) -> Result<Findings> {
    let repo = &workshop.project.repo;
    let mut findings = Findings::new();
    let is_driver = |file: &PathBuf| PLACES.iter().any(|dir| file.starts_with(dir));
    let drivers = our_files(repo, &workshop.tree.root)?.into_iter().filter(is_driver).map(|file| repo.join(file));
    for path in drivers.chain(new_driver::sources(repo)?) {
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let file = path.strip_prefix(repo)?;
        for line in lines_with_unsafe(&text)? {
            findings.push(format!("{}:{line}: unsafe: give the abstraction a safe way instead", file.display()));
        }
    }
    Ok(findings)
}

/// The numbers of the lines, from 1, on which the keyword stands as code.
fn lines_with_unsafe(text: &str) -> Result<Vec<usize>> {
    // What is not code: line comments, block comments, strings, raw strings.
    let prose = Regex::new(r##"(?s)//[^\n]*|/\*.*?\*/|r#+".*?"#+|"(?:\\.|[^"\\])*""##)?;
    let code = prose.replace_all(text, |found: &regex::Captures<'_>| "\n".repeat(found[0].matches('\n').count()));
    let keyword = Regex::new(r"\bunsafe\b")?;
    Ok(code.lines().enumerate().filter(|(_, line)| keyword.is_match(line)).map(|(at, _)| at + 1).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keyword_is_found_where_it_is_code() {
        let text = "fn a() {\n    unsafe { b() }\n}\nunsafe impl Send for A {}\n";
        assert_eq!(lines_with_unsafe(text).unwrap(), [2, 4]);
    }

    #[test]
    fn comments_strings_and_lint_names_are_not_code() {
        let text =
            "//! unsafe\n#![deny(unsafe_code)]\n/* unsafe\n unsafe */\nlet s = \"unsafe \\\" unsafe\";\n// unsafe\n";
        assert!(lines_with_unsafe(text).unwrap().is_empty());
    }

    #[test]
    fn a_block_comment_does_not_shift_line_numbers() {
        assert_eq!(lines_with_unsafe("/*\n\n*/\nunsafe {}\n").unwrap(), [4]);
    }
}
