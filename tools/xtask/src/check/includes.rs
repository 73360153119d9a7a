// SPDX-License-Identifier: GPL-2.0
//! The pieces of sources that documents include: each must begin and end where its document says.

use std::path::{Component, Path};

use anyhow::Result;

use super::{Findings, source};
use crate::kernel::Workshop;
use crate::overlay::our_files;

/// The most lines of a piece of C or Rust that is included to show one thing.
const MOST_LINES: usize = 110;

/// Looks up what our documents include.
///
/// # Errors
///
/// A document cannot be read.
pub fn check(workshop: &Workshop) -> Result<Findings> {
    let mut findings = Findings::new();
    for file in our_files(&workshop.project.repo, &workshop.tree.root)? {
        if file.extension().is_some_and(|extension| extension == "rst") {
            let path = file.to_string_lossy();
            let text = source(workshop, &path)?;
            findings.extend(compare(&path, &text, |included| source(workshop, included).ok()));
        }
    }
    Ok(findings)
}

/// A directive that includes a piece of a file.
#[derive(Default)]
struct Include<'a> {
    line: usize,
    /// The file, from the document's directory.
    file: &'a str,
    /// What is on the first line, and whether that line is part of the piece.
    start: Option<(&'a str, bool)>,
    /// What is on the last line, likewise.
    end: Option<(&'a str, bool)>,
    by_numbers: bool,
}

/// What a document includes and is not there any more. `read` reads a file of the tree.
fn compare(document: &str, text: &str, read: impl Fn(&str) -> Option<String>) -> Findings {
    let mut findings = Findings::new();
    for include in includes(text) {
        let found = match resolve(document, include.file).map(|path| (read(&path), path)) {
            Some((Some(source), path)) => include.find(&path, &source),
            _ => Err(format!("there is no {}", include.file)),
        };
        if let Err(finding) = found {
            findings.push(format!("{document}:{}: {finding}", include.line));
        }
    }
    findings
}

fn includes(text: &str) -> Vec<Include<'_>> {
    let mut includes: Vec<Include<'_>> = Vec::new();
    let mut inside = false;
    for (at, line) in text.lines().enumerate() {
        let trimmed = line.trim_start();
        if let Some(file) = trimmed.strip_prefix(".. literalinclude:: ") {
            includes.push(Include { line: at + 1, file: file.trim(), ..Include::default() });
            inside = true;
        } else if let (true, Some(include)) = (inside && trimmed.starts_with(':'), includes.last_mut()) {
            let (option, value) = trimmed[1..].split_once(':').unwrap_or((trimmed, ""));
            let value = value.trim();
            match option {
                "start-at" => include.start = Some((value, true)),
                "start-after" => include.start = Some((value, false)),
                "end-at" => include.end = Some((value, true)),
                "end-before" => include.end = Some((value, false)),
                "lines" => include.by_numbers = true,
                _ => {}
            }
        } else {
            inside = false;
        }
    }
    includes
}

/// The path in the tree of a file that a document names from its own directory.
fn resolve(document: &str, file: &str) -> Option<String> {
    let mut path = Path::new(document).parent()?.to_path_buf();
    for component in Path::new(file).components() {
        match component {
            Component::Normal(name) => path.push(name),
            Component::ParentDir => path.pop().then_some(())?,
            _ => return None,
        }
    }
    Some(path.to_string_lossy().into_owned())
}

impl Include<'_> {
    /// Looks for the piece in its file, as Sphinx does. If it is not there as it was meant, says why.
    fn find(&self, path: &str, source: &str) -> Result<(), String> {
        if self.by_numbers {
            return Err(format!("a piece of {path} by numbers, which change: say what is on its lines"));
        }
        let mut piece: Vec<&str> = source.lines().collect();
        if let Some((marker, inclusive)) = self.start {
            let at: Vec<usize> = (0..piece.len()).filter(|&at| piece[at].contains(marker)).collect();
            let [at] = at[..] else {
                return Err(format!("'{marker}' is on {} lines of {path}, not on one", at.len()));
            };
            piece.drain(..if inclusive { at } else { at + 1 });
        }
        if let Some((marker, inclusive)) = self.end {
            let may_be_first = |at: usize| at > 0 || inclusive;
            let Some(at) = (0..piece.len()).find(|&at| may_be_first(at) && piece[at].contains(marker)) else {
                return Err(format!("'{marker}' is not in {path} behind where the piece begins"));
            };
            piece.truncate(if inclusive { at + 1 } else { at });
        }
        let is_part = self.start.is_some() && self.end.is_some();
        if is_part && piece.len() > MOST_LINES {
            return Err(format!("a piece of {} lines of {path}, more than {MOST_LINES}", piece.len()));
        }
        if piece.iter().all(|line| line.trim().is_empty()) {
            return Err(format!("an empty piece of {path}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "// one\nfn one() {\n    go();\n}\n\n// two\nfn two() {\n    go();\n}\n";

    fn findings(options: &str) -> Findings {
        let options: String = options.lines().map(|option| format!("   :{option}\n")).collect();
        let text =
            format!("Text.\n\n.. literalinclude:: ../../drivers/a.rs\n   :language: rust\n{options}\n:lines: 1\n");
        compare("Documentation/rust/d.rst", &text, |path| (path == "drivers/a.rs").then(|| SOURCE.to_owned()))
    }

    #[test]
    fn a_piece_that_is_there_is_fine() {
        for options in [
            "",
            "start-at: fn one\nend-before: // two",
            "start-after: // one\nend-at: }",
            "start-at: fn two",
            "end-before: // two",
            // The first line does not end what begins with it.
            "start-at: // two\nend-before: fn two",
            "start-at: fn two() {\nend-at: fn two() {",
        ] {
            assert_eq!(findings(options), Findings::new(), "{options}");
        }
    }

    #[test]
    fn a_marker_that_has_gone_is_found() {
        for options in [
            "start-at: fn three",
            "start-after: // three\nend-before: // two",
            "start-at: fn one\nend-before: fn three",
            // It is there, but not behind.
            "start-at: fn two\nend-before: // one",
            "start-at: // two\nend-before: // two",
        ] {
            assert_eq!(findings(options).len(), 1, "{options}");
        }
        let found = findings("start-at: fn three");
        assert_eq!(found, ["Documentation/rust/d.rst:3: 'fn three' is on 0 lines of drivers/a.rs, not on one"]);
    }

    #[test]
    fn a_start_that_is_in_several_places_is_found() {
        assert_eq!(findings("start-at: go();\nend-at: }").len(), 1);
    }

    #[test]
    fn lines_by_numbers_are_found() {
        assert_eq!(findings("lines: 1-3").len(), 1);
    }

    #[test]
    fn a_piece_that_is_empty_or_long_is_found() {
        let text = ".. literalinclude:: a\n   :start-after: begin\n   :end-before: end\n";
        let with = |source: String| compare("d.rst", text, |_| Some(source.clone())).len();
        let lines = |count: usize| "x\n".repeat(count);
        assert_eq!(with("begin\nx\nend\n".to_owned()), 0);
        assert_eq!(with("begin\n\nend\n".to_owned()), 1);
        assert_eq!(with(format!("begin\n{}end\n", lines(MOST_LINES))), 0);
        assert_eq!(with(format!("begin\n{}end\n", lines(MOST_LINES + 1))), 1);
    }

    #[test]
    fn a_file_that_has_gone_is_found() {
        let include = |file: &str| format!(".. literalinclude:: {file}\n");
        for file in ["../../drivers/b.rs", "../../../drivers/a.rs", "/drivers/a.rs"] {
            let read = |path: &str| (path == "drivers/a.rs").then(|| SOURCE.to_owned());
            assert_eq!(compare("Documentation/rust/d.rst", &include(file), read).len(), 1, "{file}");
        }
    }
}
