// SPDX-License-Identifier: GPL-2.0
//! Patches that take out of the kernel what the overlay leaves there.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::manifest::Patch;

/// The files that a patch removes, from the root of the kernel tree.
///
/// # Errors
///
/// One of those that the patch names is not there.
pub fn files(tree: &Path, patch: &Patch) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for name in &patch.remove {
        let before = files.len();
        find(tree, PathBuf::from(name), &mut files)?;
        ensure!(files.len() > before, "`{}` removes {name}, which is empty", patch.subject);
    }
    files.sort();
    Ok(files)
}

fn find(tree: &Path, path: PathBuf, files: &mut Vec<String>) -> Result<()> {
    let place = tree.join(&path);
    if !place.is_dir() {
        ensure!(place.is_file(), "there is no {} in the kernel", path.display());
        files.push(path.to_string_lossy().into_owned());
        return Ok(());
    }
    for entry in fs::read_dir(&place).with_context(|| format!("cannot read {}", place.display()))? {
        find(tree, path.join(entry?.file_name()), files)?;
    }
    Ok(())
}

/// A text without lines, each of which must be there once.
///
/// # Errors
///
/// One is not.
pub fn cut(text: &str, lines: &[String]) -> Result<String> {
    for line in lines {
        let count = text.lines().filter(|other| other == line).count();
        ensure!(count == 1, "`{line}` is there {count} times, not once");
    }
    let stays = |line: &&str| !lines.iter().any(|other| other == line.trim_end_matches('\n'));
    Ok(text.split_inclusive('\n').filter(stays).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_stands_for_all_below_it() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("d/e")).unwrap();
        for file in ["d/a", "d/e/b", "f", "g"] {
            fs::write(dir.path().join(file), "").unwrap();
        }
        let patch =
            |names: &[&str]| Patch { remove: names.iter().map(ToString::to_string).collect(), ..Patch::default() };
        assert_eq!(files(dir.path(), &patch(&["f", "d/"])).unwrap(), ["d/a", "d/e/b", "f"]);
        assert!(files(dir.path(), &patch(&["h"])).unwrap_err().to_string().contains("no h"));
    }

    #[test]
    fn a_line_is_cut_where_it_is_there_once() {
        let lines = |lines: &[&str]| lines.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(cut("a\nb\nc", &lines(&["b"])).unwrap(), "a\nc");
        assert!(cut("a\na\n", &lines(&["a"])).unwrap_err().to_string().contains("2 times"));
        assert!(cut("ab\n", &lines(&["a"])).unwrap_err().to_string().contains("0 times"));
    }
}
