// SPDX-License-Identifier: GPL-2.0
//! The sources of a project where kbuild can go: it takes no path with a space, and follows a link to one.
//!
//! So the folders are made, and each file is a link: an edit of the file is an edit of what is built.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::project::{create_dir, walk};

/// Makes `to` have the folders of `from`, a link for each file, and nothing else.
///
/// # Errors
///
/// One of them cannot be read or written.
pub fn mirror(from: &Path, to: &Path) -> Result<()> {
    create_dir(to)?;
    let mut wanted = BTreeSet::new();
    for found in walk(from) {
        let found = found.with_context(|| format!("cannot read {}", from.display()))?;
        let path = found.path().strip_prefix(from)?.to_path_buf();
        let place = to.join(&path);
        if found.file_type().is_some_and(|kind| kind.is_dir()) {
            if place.is_symlink() {
                remove(&place)?;
            }
            create_dir(&place)?;
        } else if !fs::read_link(&place).is_ok_and(|target| target == found.path()) {
            remove(&place)?;
            symlink(found.path(), &place).with_context(|| format!("cannot create the link {}", place.display()))?;
        }
        wanted.insert(path);
    }
    prune(to, Path::new(""), &wanted)
}

/// Removes what is in the folder `inside` of `root` and not among `wanted`.
fn prune(root: &Path, inside: &Path, wanted: &BTreeSet<PathBuf>) -> Result<()> {
    let dir = root.join(inside);
    for entry in fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let entry = entry?;
        let path = inside.join(entry.file_name());
        if !wanted.contains(&path) {
            remove(&root.join(path))?;
        } else if entry.file_type()?.is_dir() {
            prune(root, &path, wanted)?;
        }
    }
    Ok(())
}

/// Removes a link or a folder with what is in it, if it is there.
fn remove(path: &Path) -> Result<()> {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    let removed = if metadata.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.with_context(|| format!("cannot remove {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes files with their own path as contents.
    fn make(root: &Path, files: &[&str]) {
        for file in files {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
    }

    fn read(root: &Path, file: &str) -> Option<String> {
        fs::read_to_string(root.join(file)).ok()
    }

    #[test]
    fn an_edit_is_seen_without_a_copy_and_folders_are_no_links() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("my driver"), dir.path().join("stage"));
        make(&from, &["Kbuild", "logic/src/lib.rs"]);
        mirror(&from, &to).unwrap();
        assert_eq!(read(&to, "logic/src/lib.rs").as_deref(), Some("logic/src/lib.rs"));
        assert!(to.join("logic/src").canonicalize().unwrap().starts_with(to.canonicalize().unwrap()));
        fs::write(from.join("Kbuild"), "obj-m").unwrap();
        assert_eq!(read(&to, "Kbuild").as_deref(), Some("obj-m"));
    }

    #[test]
    fn what_comes_and_goes_does_so_there_too() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("a"), dir.path().join("b"));
        make(&from, &["Kbuild", "old.rs", "parts/x.rs", "was_file"]);
        mirror(&from, &to).unwrap();
        fs::remove_file(from.join("old.rs")).unwrap();
        fs::remove_dir_all(from.join("parts")).unwrap();
        fs::remove_file(from.join("was_file")).unwrap();
        make(&from, &["new.rs", "was_file/x.rs", "parts"]);
        mirror(&from, &to).unwrap();
        assert_eq!(read(&to, "old.rs"), None);
        for file in ["Kbuild", "new.rs", "was_file/x.rs", "parts"] {
            assert_eq!(read(&to, file).as_deref(), Some(file));
        }
    }

    #[test]
    fn what_is_ignored_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("a"), dir.path().join("b"));
        make(&from, &["Kbuild", "logic/target/debug/x", ".git/config"]);
        fs::write(from.join(".gitignore"), "target/\n").unwrap();
        mirror(&from, &to).unwrap();
        assert!(!to.join("logic/target").exists() && !to.join(".git").exists());
    }
}
