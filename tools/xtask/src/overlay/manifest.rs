// SPDX-License-Identifier: GPL-2.0
//! `overlay.toml`: which existing kernel files gain which lines.

use std::fs;
use std::path::{Component, Path};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The insertions, in the order in which they are made.
    #[serde(default)]
    pub insert: Vec<Insert>,
}

/// Lines that an existing kernel file gains.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(try_from = "Record", into = "Record")]
pub struct Insert {
    /// The kernel file, relative to the root of the tree.
    pub file: String,
    /// Where in the file.
    pub place: Place,
    /// The lines, without line ends.
    pub lines: Vec<String>,
}

/// A place in a file, found by its content so that it survives point releases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Below the only line that reads so.
    After(String),
    /// Above the only line that reads so.
    Before(String),
    /// Below the last line.
    End,
}

/// How an [`Insert`] is written in TOML.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Record {
    file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    end: bool,
    lines: Vec<String>,
}

impl TryFrom<Record> for Insert {
    type Error = String;

    fn try_from(record: Record) -> Result<Self, String> {
        let Record { file, after, before, end, lines } = record;
        let inside = Path::new(&file).components().all(|part| matches!(part, Component::Normal(_)));
        if file.is_empty() || !inside {
            return Err(format!("file `{file}` is not a path inside the kernel tree"));
        }
        if lines.is_empty() || lines.iter().any(|line| line.contains('\n')) {
            return Err(format!("{file}: `lines` must hold at least one line and no line ends"));
        }
        let place = match (after, before, end) {
            (Some(anchor), None, false) => Place::After(anchor),
            (None, Some(anchor), false) => Place::Before(anchor),
            (None, None, true) => Place::End,
            _ => return Err(format!("{file}: give exactly one of `after`, `before`, `end = true`")),
        };
        Ok(Self { file, place, lines })
    }
}

impl From<Insert> for Record {
    fn from(insert: Insert) -> Self {
        let (after, before, end) = match insert.place {
            Place::After(anchor) => (Some(anchor), None, false),
            Place::Before(anchor) => (None, Some(anchor), false),
            Place::End => (None, None, true),
        };
        Self { file: insert.file, after, before, end, lines: insert.lines }
    }
}

impl Manifest {
    /// Reads the `overlay.toml` of a checkout.
    ///
    /// # Errors
    ///
    /// The file cannot be read or does not say what it must.
    pub fn read(repo: &Path) -> Result<Self> {
        let path = repo.join("overlay.toml");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("{} is not right", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Manifest, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn each_place_survives_a_round_trip() {
        for place in ["after = \"a\"", "before = \"b\"", "end = true"] {
            let text = format!("[[insert]]\nfile = \"x/y\"\n{place}\nlines = [\"l\"]\n");
            let insert = parse(&text).unwrap().insert.remove(0);
            let again: Insert = toml::from_str(&toml::to_string(&insert).unwrap()).unwrap();
            assert_eq!(again, insert);
        }
    }

    #[test]
    fn two_places_are_refused() {
        let text = "[[insert]]\nfile = \"x\"\nafter = \"a\"\nend = true\nlines = [\"l\"]\n";
        assert!(parse(text).unwrap_err().to_string().contains("exactly one"));
    }

    #[test]
    fn a_path_that_leaves_the_tree_is_refused() {
        for file in ["../x", "/etc/passwd", "a/../../b", ""] {
            let text = format!("[[insert]]\nfile = \"{file}\"\nend = true\nlines = [\"l\"]\n");
            assert!(parse(&text).is_err(), "{file}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let text = "[[insert]]\nfile = \"x\"\nend = true\nlines = [\"l\"]\nextra = 1\n";
        assert!(parse(text).is_err());
    }
}
