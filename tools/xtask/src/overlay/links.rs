// SPDX-License-Identifier: GPL-2.0
//! Which of our files and directories appear in the kernel tree as symbolic links.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use crate::project::walk;

/// Directories of the checkout that are ours alone although the kernel may have one of that name.
const NOT_LINKED: [&str; 2] = ["tools", "tests"];

/// One symbolic link in the kernel tree.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Link {
    /// Where the link is, relative to the root of the tree.
    pub path: PathBuf,
    /// What it points to, absolute.
    pub target: PathBuf,
}

impl Link {
    /// Whether the link is in `tree` as described.
    pub fn is_made(&self, tree: &Path) -> bool {
        fs::read_link(tree.join(&self.path)).is_ok_and(|target| target == self.target)
    }
}

/// The files of the checkout that belong into the kernel tree, relative to its root.
///
/// These are the files git would track or show as untracked, below directories that the kernel has too.
///
/// # Errors
///
/// The checkout cannot be read, or has no such file.
pub fn our_files(repo: &Path, tree: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for found in walk(repo) {
        let found = found?;
        let path = found.path().strip_prefix(repo)?;
        // Files beside the directories are about the checkout.
        let Some(top) = path.parent().and_then(|dir| dir.components().next()) else {
            continue;
        };
        let ours_alone = NOT_LINKED.iter().any(|other| top.as_os_str() == *other);
        let is_dir = found.file_type().is_some_and(|kind| kind.is_dir());
        if !ours_alone && !is_dir && tree.join(top).is_dir() {
            files.push(path.to_path_buf());
        }
    }
    if files.is_empty() {
        bail!("{} has no file for the kernel tree: is the checkout complete?", repo.display());
    }
    files.sort();
    Ok(files)
}

/// The links that make `files` of `repo` visible in `tree`: for each file the topmost directory that the
/// kernel does not have, or the file itself.
///
/// `old` are links an earlier run made; they do not count as part of the kernel.
///
/// # Errors
///
/// A file would replace one of the kernel's.
pub fn plan(repo: &Path, tree: &Path, files: &[PathBuf], old: &[Link]) -> Result<Vec<Link>> {
    let mut links = BTreeSet::new();
    for file in files {
        let mut path = PathBuf::new();
        for part in file.components() {
            path.push(part);
            let made_before = old.iter().any(|link| link.path == path && link.is_made(tree));
            if made_before || fs::symlink_metadata(tree.join(&path)).is_err() {
                links.insert(Link { target: repo.join(&path), path: path.clone() });
                break;
            }
            if path == *file {
                bail!("{} would replace a file of the kernel: give it another name", file.display());
            }
        }
    }
    Ok(links.into_iter().collect())
}
