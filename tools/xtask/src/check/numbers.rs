// SPDX-License-Identifier: GPL-2.0
//! The numbers that the comparison of the drivers tells: lines must be about as many as there are, and what was
//! measured must be what the README has.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use regex::Regex;

use super::tables::{self, Table};
use super::{Findings, source};
use crate::kernel::Workshop;
use crate::overlay::our_files;

const DOCUMENT: &str = "Documentation/rust/drivers-compared.rst";

const README: &str = "README.md";

/// The header of a table of lines.
const LINES: [&str; 2] = ["Files", "Lines"];

/// The header of a table of what was measured.
const MEASURED: [&str; 3] = ["Measured", "C", "Rust"];

/// A number is rounded: it may be off by one of so many parts.
const PARTS: usize = 20;

/// What is not counted of a directory: the tests and what they need.
const NOT_COUNTED: [&str; 4] = ["tests", "tests.rs", "fake", "fake.rs"];

/// Compares the tables of numbers with the files and with the README.
///
/// # Errors
///
/// A file cannot be read.
pub fn check(workshop: &Workshop) -> Result<Findings> {
    let ours = our_files(&workshop.project.repo, &workshop.tree.root)?;
    let read = |path: &str| source(workshop, path);
    let document = read(DOCUMENT)?;
    let mut findings = compare_lines(&document, |path| count(&ours, path, read))?;
    findings.extend(compare_measured(&document, &read(README)?)?);
    Ok(findings)
}

/// The lines of code of a file, or of the Rust files below a directory of ours.
fn count(ours: &[PathBuf], path: &str, read: impl Fn(&str) -> Result<String>) -> Result<usize> {
    if Path::new(path).extension().is_some() {
        return lines_of_code(&read(path)?, path.ends_with(".rs"));
    }
    let counts = |file: &Path| {
        let rest = file.strip_prefix(path).ok().filter(|file| file.extension().is_some_and(|end| end == "rs"));
        rest.is_some_and(|rest| !rest.iter().any(|part| NOT_COUNTED.iter().any(|name| part == *name)))
    };
    let files: Vec<&PathBuf> = ours.iter().filter(|file| counts(file)).collect();
    if files.is_empty() {
        bail!("there are no files below {path}");
    }
    files.iter().map(|file| lines_of_code(&read(&file.to_string_lossy())?, true)).sum()
}

/// The numbers of a document that are not those of `lines_of`, which counts the code of a file or a directory.
fn compare_lines(document: &str, lines_of: impl Fn(&str) -> Result<usize>) -> Result<Findings> {
    let path = Regex::new(r"``([\w/.-]+)``")?;
    let mut findings = Findings::new();
    let tables = tables::of(document)?;
    let mut count = 0;
    for row in tables.iter().filter(|table| has_header(table, &LINES)).flat_map(Table::body) {
        count += 1;
        let [files, told] = &row[..] else {
            findings.push(format!("{DOCUMENT}:{}: a row of {} cells", row[0].line, row.len()));
            continue;
        };
        let paths: Vec<&str> = path.captures_iter(&files.text).map(|found| found.extract::<1>().1[0]).collect();
        let counted: Result<usize> = paths.iter().map(|path| lines_of(path)).sum();
        let finding = match (counted, told.text.parse::<usize>()) {
            (Err(error), _) => format!("{error:#}"),
            (Ok(counted), _) if paths.is_empty() || counted == 0 => "no files are named".to_owned(),
            (Ok(counted), Ok(told)) if told.abs_diff(counted) * PARTS <= counted => continue,
            (Ok(counted), _) => format!("{} has {counted} lines, not {}", paths.join(", "), told.text),
        };
        findings.push(format!("{DOCUMENT}:{}: {finding}", files.line));
    }
    if count == 0 {
        findings.push(format!("{DOCUMENT}: there are no numbers of lines"));
    }
    Ok(findings)
}

/// The rows of what was measured that are not in the README's table.
fn compare_measured(document: &str, readme: &str) -> Result<Findings> {
    let mut findings = Findings::new();
    let tables = tables::of(document)?;
    let mut count = 0;
    for row in tables.iter().filter(|table| has_header(table, &MEASURED)).flat_map(Table::body) {
        count += 1;
        let cells: Vec<String> = row.iter().map(|cell| cell.text.replace("``", "`")).collect();
        let expected = format!("| {} |", cells.join(" | "));
        if !readme.lines().any(|line| line == expected) {
            findings.push(format!("{DOCUMENT}:{}: {README} has no row {expected}", row[0].line));
        }
    }
    if count == 0 {
        findings.push(format!("{DOCUMENT}: there is nothing that was measured"));
    }
    Ok(findings)
}

fn has_header(table: &Table, expected: &[&str]) -> bool {
    let texts = |header: &Vec<tables::Cell>| header.iter().map(|cell| cell.text.clone()).collect::<Vec<_>>();
    table.header().is_some_and(|header| texts(header) == expected)
}

/// The lines of a file that are neither blank nor comments nor, in Rust, tests.
fn lines_of_code(text: &str, is_rust: bool) -> Result<usize> {
    // Strings come first, as they may have what looks like a comment.
    let comment = Regex::new(r#"(?s)"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])'|//[^\n]*|/\*.*?\*/"#)?;
    let code = comment.replace_all(text, |found: &regex::Captures<'_>| {
        if found[0].starts_with('/') { "\n".repeat(found[0].matches('\n').count()) } else { found[0].to_owned() }
    });
    let tests = Regex::new(r"^#\[(cfg\(test\)|(\w+::)*kunit_tests\(.*\))\]$")?;
    let mut in_tests = false;
    let mut count = 0;
    for line in code.lines() {
        in_tests |= is_rust && tests.is_match(line);
        count += usize::from(!in_tests && !line.trim().is_empty());
        in_tests &= line != "}";
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUST: &str = "//! Doc.\n\nuse a; // why\n\n/// Item.\nfn one() {\n    let text = \"// no comment\";\n}\n\n\
                        #[kunit_tests(suite)]\nmod tests {\n    #[test]\n    fn two() {\n    }\n}\n\nfn three() {}\n\n\
                        #[cfg(test)]\nmod more {\n    fn four() {}\n}\n";

    const C: &str = "/* One.\n * Two.\n */\n\nint one; /* why */\n\t// two\nchar q = '\"'; /* \"three */\nchar *two = \
                     \"/* four\";\n";

    fn findings(rows: &[(&str, &str)]) -> Findings {
        let rows: String = rows.iter().map(|(files, told)| format!("   * - {files}\n     - {told}\n")).collect();
        let header = ".. list-table::\n   :header-rows: 1\n\n   * - Files\n     - Lines\n";
        compare_lines(&format!("{header}{rows}"), |path| match path {
            "a.rs" => lines_of_code(RUST, true),
            "b" => Ok(1000),
            other => bail!("there is no {other}"),
        })
        .unwrap()
    }

    #[test]
    fn comments_blank_lines_and_tests_do_not_count() {
        assert_eq!(lines_of_code(RUST, true).unwrap(), 5);
        assert_eq!(lines_of_code(C, false).unwrap(), 3);
    }

    #[test]
    fn a_number_is_about_that_of_the_lines() {
        for told in ["950", "1000", "1050"] {
            assert_eq!(findings(&[("``b``", told)]), Findings::new(), "{told}");
        }
        for told in ["949", "1051", "some", ""] {
            assert_eq!(findings(&[("``b``", told)]).len(), 1, "{told}");
        }
        assert_eq!(findings(&[("``a.rs`` and ``b``", "1005")]), Findings::new());
        assert_eq!(findings(&[("``a.rs``", "6")]), [format!("{DOCUMENT}:6: a.rs has 5 lines, not 6")]);
    }

    #[test]
    fn rows_that_nothing_can_be_counted_for_are_found() {
        for files in ["``c.rs``", "the files", ""] {
            assert_eq!(findings(&[(files, "5")]).len(), 1, "{files}");
        }
        assert_eq!(findings(&[("``a.rs``\n     - ``b``", "5")]).len(), 1);
        assert_eq!(findings(&[]).len(), 1);
        let other = ".. list-table::\n   :header-rows: 1\n\n   * - Place\n     - Lines\n   * - ``b``\n     - 1\n";
        assert_eq!(compare_lines(other, |_| Ok(1)).unwrap().len(), 1);
    }

    #[test]
    fn what_was_measured_is_what_the_readme_has() {
        let readme = "| | C | Rust |\n|---|---|---|\n| so many (`make x`) | 7 | 8, and 9 |\n";
        let with = |cells: &str| {
            let header = ".. list-table::\n   :header-rows: 1\n\n   * - Measured\n     - C\n     - Rust\n";
            compare_measured(&format!("{header}{cells}"), readme).unwrap().len()
        };
        assert_eq!(with("   * - so many (``make x``)\n     - 7\n     - 8, and 9\n"), 0);
        assert_eq!(with("   * - so many (``make x``)\n     - 7\n     - 8, and\n       9\n"), 0);
        assert_eq!(with("   * - so many (``make x``)\n     - 7\n     - 8\n"), 1);
        assert_eq!(with("   * - so many\n     - 7\n     - 8, and 9\n"), 1);
        assert_eq!(with("\n"), 1);
    }
}
