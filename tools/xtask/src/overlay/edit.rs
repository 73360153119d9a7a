// SPDX-License-Identifier: GPL-2.0
//! Inserting lines into a text, and taking exactly these lines out again.

use anyhow::{Result, bail};

use super::manifest::{Insert, Place};

/// Returns `text` with the insertion made.
///
/// # Errors
///
/// The anchor is not there exactly once, or the text has one of the lines already.
pub fn insert(text: &str, insert: &Insert) -> Result<String> {
    let file = &insert.file;
    if !text.ends_with('\n') {
        bail!("{file}: the last line has no line end, so this is not the expected kernel file");
    }
    let mut lines: Vec<&str> = text.lines().collect();
    let at = place(&lines, insert)?;
    lines.splice(at..at, insert.lines.iter().map(String::as_str));
    Ok(join(&lines))
}

/// Where in `lines` the insertion belongs.
///
/// # Errors
///
/// The anchor is not there exactly once.
pub fn place(lines: &[&str], insert: &Insert) -> Result<usize> {
    Ok(match &insert.place {
        Place::After(anchor) => position(&insert.file, lines, anchor)? + 1,
        Place::Before(anchor) => position(&insert.file, lines, anchor)?,
        Place::End => lines.len(),
    })
}

/// Returns `text` without the insertion, or `None` when it is not there as it was made.
pub fn remove(text: &str, insert: &Insert) -> Option<String> {
    let mut lines: Vec<&str> = text.lines().collect();
    let count = insert.lines.len();
    let made_here = |at: usize| match &insert.place {
        Place::After(anchor) => at > 0 && lines[at - 1] == anchor,
        Place::Before(anchor) => lines.get(at + count).is_some_and(|line| line == anchor),
        Place::End => at + count == lines.len(),
    };
    let at =
        (0..=lines.len().checked_sub(count)?).find(|&at| lines[at..at + count] == insert.lines[..] && made_here(at))?;
    lines.drain(at..at + count);
    Some(join(&lines))
}

/// Refuses an insertion whose lines the kernel file has on its own.
///
/// # Errors
///
/// A line that is not blank is in `text` already. Fields of MAINTAINERS, such as `S:`, may be.
pub fn refuse_duplicates(text: &str, insert: &Insert) -> Result<()> {
    let is_field = |line: &str| line.split_once(":\t").is_some_and(|(letter, _)| letter.len() == 1);
    let is_own = |line: &str| !line.trim().is_empty() && !is_field(line);
    let present = |line: &&String| is_own(line) && text.lines().any(|other| other == *line);
    match insert.lines.iter().find(present) {
        Some(line) => bail!("{}: the kernel file already has the line `{line}`", insert.file),
        None => Ok(()),
    }
}

fn position(file: &str, lines: &[&str], anchor: &str) -> Result<usize> {
    let mut found = lines.iter().enumerate().filter(|(_, line)| **line == anchor);
    match (found.next(), found.next()) {
        (Some((at, _)), None) => Ok(at),
        (None, _) => bail!("{file}: anchor line `{anchor}` not found"),
        (Some(_), Some(_)) => bail!("{file}: anchor line `{anchor}` is there more than once"),
    }
}

fn join(lines: &[&str]) -> String {
    lines.iter().flat_map(|line| [*line, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(place: Place) -> Insert {
        Insert { file: "f".into(), place, lines: vec!["x".into(), "y".into()] }
    }

    #[test]
    fn each_place_inserts_and_removes() {
        let text = "a\nb\nc\n";
        for (place, expected) in [
            (Place::After("b".into()), "a\nb\nx\ny\nc\n"),
            (Place::Before("b".into()), "a\nx\ny\nb\nc\n"),
            (Place::End, "a\nb\nc\nx\ny\n"),
        ] {
            let edit = make(place);
            let edited = insert(text, &edit).unwrap();
            assert_eq!(edited, expected);
            assert_eq!(remove(&edited, &edit).unwrap(), text);
        }
    }

    #[test]
    fn a_missing_anchor_is_named() {
        let error = insert("a\n", &make(Place::After("zz".into()))).unwrap_err().to_string();
        assert!(error.contains("f: anchor line `zz` not found"), "{error}");
    }

    #[test]
    fn an_ambiguous_anchor_is_refused() {
        let error = insert("a\na\n", &make(Place::After("a".into()))).unwrap_err().to_string();
        assert!(error.contains("more than once"), "{error}");
    }

    #[test]
    fn nothing_is_removed_where_nothing_was_inserted() {
        for text in ["", "a\n", "x\ny\na\n", "a\nx\nq\ny\n"] {
            assert_eq!(remove(text, &make(Place::After("a".into()))), None, "{text:?}");
        }
    }

    #[test]
    fn a_line_that_upstream_has_is_refused() {
        let error = refuse_duplicates("a\ny\n", &make(Place::End)).unwrap_err().to_string();
        assert!(error.contains("already has the line `y`"), "{error}");
    }

    #[test]
    fn fields_of_maintainers_may_be_there_already() {
        let fields = Insert { lines: vec!["OURS".into(), "S:\tMaintained".into()], ..make(Place::End) };
        refuse_duplicates("THEIRS\nS:\tMaintained\n", &fields).unwrap();
        assert!(refuse_duplicates("OURS\n", &fields).is_err());
    }

    #[test]
    fn a_file_without_final_line_end_is_refused() {
        assert!(insert("a", &make(Place::End)).is_err());
    }
}
