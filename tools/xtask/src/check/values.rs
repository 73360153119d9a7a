// SPDX-License-Identifier: GPL-2.0
//! The table of what both drivers make of the values that a device tells: the document must have what was measured.

use std::fs;

use anyhow::{Context, Result};

use super::Findings;
use crate::kernel::Workshop;

const DOCUMENT: &str = "Documentation/rust/virtio_blk.rst";
/// What `tests/guest/limits.sh` measures, and compares with this file whenever it runs.
const MEASURED: &str = "tests/guest/limits.csv";
/// The fewest values that make a table.
const FEWEST: usize = 60;

/// Compares the document with what was measured.
///
/// # Errors
///
/// A file cannot be read.
pub fn check(workshop: &Workshop) -> Result<Findings> {
    let repo = &workshop.project.repo;
    let read = |path: &str| fs::read_to_string(repo.join(path)).with_context(|| format!("cannot read {path}"));
    Ok(compare(&read(DOCUMENT)?, &read(MEASURED)?))
}

/// The rows of the document's table that are not what was measured, and those that are missing.
fn compare(document: &str, measured: &str) -> Findings {
    let rows: Vec<&str> = document.lines().filter_map(|line| line.strip_prefix("   \"")).collect();
    let expected: Vec<&str> = measured.lines().filter_map(|line| line.strip_prefix('"')).collect();
    let mut findings = Findings::new();
    if expected.len() < FEWEST {
        findings.push(format!("{MEASURED}: {} values, fewer than {FEWEST}", expected.len()));
    }
    for at in 0..rows.len().max(expected.len()) {
        let (row, expected) = (rows.get(at), expected.get(at));
        if row != expected {
            let text = |row: Option<&&str>| row.map_or("nothing".to_owned(), |row| format!("\"{row}"));
            findings.push(format!("{DOCUMENT}: has {}, measured was {}", text(row), text(expected)));
            break;
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured() -> String {
        (0..FEWEST).map(|n| format!("\"seg_max={n}\",\"as usual\",\"same\",\"\",\"\"\n")).collect()
    }

    fn document(measured: &str) -> String {
        let rows: String = measured.lines().map(|line| format!("   {line}\n")).collect();
        format!("Title\n\n.. csv-table::\n   :header: \"a\", \"b\"\n\n{rows}\nMore text.\n")
    }

    #[test]
    fn the_table_is_what_was_measured() {
        assert_eq!(compare(&document(&measured()), &measured()), Findings::new());
    }

    #[test]
    fn a_row_that_was_changed_left_out_or_added_is_found() {
        let measured = measured();
        let whole = document(&measured);
        let row = "   \"seg_max=7\",\"as usual\",\"same\",\"\",\"\"\n";
        for wrong in [
            whole.replace(row, &row.replace("same", "refused")),
            whole.replace(row, ""),
            whole.replace(row, &row.repeat(2)),
            "No table.".to_owned(),
        ] {
            let findings = compare(&wrong, &measured);
            assert_eq!(findings.len(), 1, "{wrong}");
        }
    }

    #[test]
    fn few_values_are_no_table() {
        let few: String = measured().lines().take(3).map(|line| format!("{line}\n")).collect();
        assert_eq!(compare(&document(&few), &few).len(), 1);
    }
}
