// SPDX-License-Identifier: GPL-2.0
//! The files of a new project, in `tools/templates`: those in `common`, those in the folder of the kind, and what comes
//! next, in a file beside that.
//!
//! In their texts and names, words between double underscores stand for what [`Values`] has: an identifier for Rust, so
//! that the files are formatted as what they become.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use regex::Regex;

use super::kind::Kind;
use crate::project::create_dir;

/// Where the templates are in the checkout.
const DIR: &str = "tools/templates";

/// The folder of what all kinds have.
const COMMON: &str = "common";

/// What the words stand for.
#[derive(Debug)]
pub struct Values(Vec<(&'static str, String)>);

impl Values {
    /// Each word without its underscores, and what it stands for.
    pub fn new(values: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        Self(values.into_iter().collect())
    }

    /// Replaces the words in a text.
    fn put_into(&self, text: &str) -> Result<String> {
        let word = Regex::new("__([a-z]+(?:_[a-z]+)*)__")?;
        let mut result = String::new();
        let mut end = 0;
        for found in word.captures_iter(text) {
            let (whole, [name]) = found.extract();
            let value = self.0.iter().find(|(known, _)| *known == name);
            let (_, value) = value.with_context(|| format!("nothing is known for {whole}"))?;
            let begin = found.get(0).map_or(0, |place| place.start());
            result += &text[end..begin];
            result += value;
            end = begin + whole.len();
        }
        Ok(result + &text[end..])
    }
}

/// The files of a template, by their places in the project, with their texts.
///
/// # Errors
///
/// A file cannot be read, or has a word that stands for nothing.
pub fn files(repo: &Path, kind: Kind, values: &Values) -> Result<Vec<(PathBuf, String)>> {
    let templates = repo.join(DIR);
    let mut files = Vec::new();
    for folder in [templates.join(COMMON), templates.join(kind.name())] {
        for path in below(&folder)? {
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let place = path.strip_prefix(&folder)?.to_str().context("a template has an odd name")?;
            let what = || format!("{} is not right", path.display());
            let place = PathBuf::from(values.put_into(place).with_context(what)?);
            files.push((place, values.put_into(&text).with_context(what)?));
        }
    }
    Ok(files)
}

/// Every file of the templates.
///
/// # Errors
///
/// A folder cannot be read.
pub fn sources(repo: &Path) -> Result<Vec<PathBuf>> {
    below(&repo.join(DIR))
}

/// The text about what comes next, for [`Values`].
///
/// # Errors
///
/// As for [`files`].
pub fn next_steps(repo: &Path, kind: Kind, values: &Values) -> Result<String> {
    let path = repo.join(DIR).join(kind.name()).with_extension("md");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    values.put_into(text.trim_end()).with_context(|| format!("{} is not right", path.display()))
}

/// Every file below a folder, in the same order always.
fn below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut entries: Vec<PathBuf> =
        entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>().context("cannot read a folder")?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            paths.extend(below(&path)?);
        } else {
            paths.push(path);
        }
    }
    Ok(paths)
}

/// Writes the files as the new folder `dir`: all of them, or nothing.
///
/// # Errors
///
/// There is something of that name, or it cannot be written.
pub fn write(dir: &Path, files: &[(PathBuf, String)]) -> Result<()> {
    let parent = dir.parent().context("there is no folder above it")?;
    // Written beside it and renamed, so that an interruption leaves no half project.
    let scratch = tempfile::Builder::new()
        .prefix(".new-driver-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777))
        .tempdir_in(parent)
        .with_context(|| format!("cannot write in {}", parent.display()))?;
    for (place, text) in files {
        let path = scratch.path().join(place);
        create_dir(path.parent().unwrap_or(&path))?;
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if fs::symlink_metadata(dir).is_ok() {
        bail!("{} is there already", dir.display());
    }
    fs::rename(scratch.path(), dir).with_context(|| format!("cannot create {}", dir.display()))?;
    // There is nothing left to remove.
    let _ = scratch.keep();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        Values::new([("name", "foo".to_owned()), ("next", "__name__".to_owned())])
    }

    #[test]
    fn words_are_replaced_once_and_wherever_they_are() {
        let text = "__name__, x__name__y __init__(\"__next__\") _name_ __NAME__";
        assert!(values().put_into(text).unwrap_err().to_string().contains("__init__"));
        let text = text.replace("__init__", "");
        assert_eq!(values().put_into(&text).unwrap(), "foo, xfooy (\"__name__\") _name_ __NAME__");
    }

    #[test]
    fn a_project_is_there_as_a_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let project = dir.path().join("my driver");
        let files = [(PathBuf::from("a/b"), "text".to_owned()), (PathBuf::from("c"), String::new())];
        // A file cannot have something inside.
        let wrong = [files.as_slice(), &[(PathBuf::from("c/d"), String::new())]].concat();
        assert!(write(&project, &wrong).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        write(&project, &files).unwrap();
        assert_eq!(fs::read_to_string(project.join("a/b")).unwrap(), "text");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_there_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let files = [(PathBuf::from("c"), "new".to_owned())];
        fs::create_dir(dir.path().join("empty")).unwrap();
        fs::write(dir.path().join("file"), "old").unwrap();
        std::os::unix::fs::symlink("nowhere", dir.path().join("link")).unwrap();
        for name in ["empty", "file", "link"] {
            let error = write(&dir.path().join(name), &files).unwrap_err().to_string();
            assert!(error.ends_with(&format!("{name} is there already")), "{error}");
        }
        assert_eq!(fs::read_to_string(dir.path().join("file")).unwrap(), "old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
    }
}
