// SPDX-License-Identifier: GPL-2.0
//! Putting a mutant into the kernel tree, and taking it back whatever happens.
//!
//! The checkout is never changed: the links of the overlay are led to a copy of it that is. All of them, as a file can
//! have another one for a module that is at the other end of the tree. A record of that is written first, so that the
//! next command takes it back when this one was killed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::overlay::our_files;
use crate::project::{create_dir, remove_dir};

/// The directory of the copies and the record, below the build directory.
const DIR: &str = "mutant";
const RECORD: &str = "record.toml";

/// What is changed.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Record {
    /// Links in the kernel tree, and where they belong.
    links: BTreeMap<PathBuf, PathBuf>,
    /// Files that must be compiled again afterwards.
    files: Vec<PathBuf>,
}

/// A mutant in the tree, until it is dropped.
#[derive(Debug)]
pub struct Planted {
    build: PathBuf,
}

impl Planted {
    /// Puts changed files of the checkout `repo`, which are named relative to its root, into `tree`.
    ///
    /// # Errors
    ///
    /// A file is not ours, or something cannot be written; then nothing is left changed.
    pub fn new(repo: &Path, build: &Path, tree: &Path, changed: &BTreeMap<PathBuf, String>) -> Result<Self> {
        heal(build)?;
        let mut record = Record::default();
        let mut inside = BTreeSet::new();
        for file in our_files(repo, tree)? {
            let link = link_above(tree, &file)?;
            record.links.insert(tree.join(&link), fs::read_link(tree.join(&link))?);
            inside.insert(link);
        }
        for file in changed.keys() {
            let link = link_above(tree, file)?;
            let target = fs::read_link(tree.join(&link))?;
            record.files.push(target.join(file.strip_prefix(&link)?).components().collect());
        }
        let dir = build.join(DIR);
        create_dir(&dir)?;
        fs::write(dir.join(RECORD), toml::to_string(&record)?).context("cannot write the record of the mutant")?;
        // From here on, dropping takes everything back.
        let planted = Self { build: build.to_path_buf() };
        for link in &inside {
            copy(&record.links[&tree.join(link)], &dir.join("tree").join(link))?;
        }
        for (file, text) in changed {
            let copy = dir.join("tree").join(file);
            fs::write(&copy, text).with_context(|| format!("cannot write {}", copy.display()))?;
        }
        for link in &inside {
            lead(&tree.join(link), &dir.join("tree").join(link))?;
        }
        Ok(planted)
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        if let Err(error) = heal(&self.build) {
            eprintln!("error: the mutant is still in the kernel tree: {error:#}");
        }
    }
}

/// Takes a mutant out of the kernel tree, if there is one, and says whether there was.
///
/// # Errors
///
/// The record cannot be read, or a link not be made.
pub fn heal(build: &Path) -> Result<bool> {
    let dir = build.join(DIR);
    let text = match fs::read_to_string(dir.join(RECORD)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        text => text.context("cannot read the record of the mutant")?,
    };
    let record: Record = toml::from_str(&text).context("the record of the mutant is damaged")?;
    for (link, target) in &record.links {
        lead(link, target)?;
    }
    // What was made of the mutant is newer than the sources.
    for file in &record.files {
        let now = File::options().append(true).open(file).and_then(|file| file.set_modified(SystemTime::now()));
        now.with_context(|| format!("cannot touch {}", file.display()))?;
    }
    remove_dir(&dir)
}

/// The link through which a file of ours is in the tree.
fn link_above(tree: &Path, file: &Path) -> Result<PathBuf> {
    let mut path = PathBuf::new();
    for part in file.components() {
        path.push(part);
        if tree.join(&path).is_symlink() {
            return Ok(path);
        }
    }
    bail!("{} is not a file of the overlay", file.display())
}

fn lead(link: &Path, target: &Path) -> Result<()> {
    let make = || -> std::io::Result<()> {
        if link.is_symlink() {
            fs::remove_file(link)?;
        }
        symlink(target, link)
    };
    make().with_context(|| format!("cannot lead {} to {}", link.display(), target.display()))
}

/// Copies a file, or a directory with everything in it, with the times of the files.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if from.is_dir() {
        create_dir(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(());
    }
    create_dir(to.parent().unwrap_or(to))?;
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    let modified = fs::metadata(from)?.modified()?;
    File::options().append(true).open(to)?.set_modified(modified)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A checkout, a tree with a linked directory and a linked file, and a build directory.
    fn places() -> (tempfile::TempDir, PathBuf, PathBuf, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let [repo, tree, build] = ["repo", "tree", "build"].map(|name| dir.path().join(name));
        fs::create_dir_all(repo.join("rust/k")).unwrap();
        fs::create_dir_all(repo.join("rust/l")).unwrap();
        fs::create_dir_all(tree.join("rust")).unwrap();
        let old = SystemTime::now() - Duration::from_secs(1000);
        for file in ["rust/k/a.rs", "rust/k/b.rs", "rust/l/d.rs", "rust/c.rs"] {
            fs::write(repo.join(file), file).unwrap();
            File::options().append(true).open(repo.join(file)).unwrap().set_modified(old).unwrap();
        }
        symlink(repo.join("rust/k"), tree.join("rust/k")).unwrap();
        symlink(repo.join("rust/l"), tree.join("rust/l")).unwrap();
        symlink(repo.join("rust/c.rs"), tree.join("rust/c.rs")).unwrap();
        (dir, repo, tree, build)
    }

    fn changed() -> BTreeMap<PathBuf, String> {
        ["rust/k/a.rs", "rust/c.rs"].map(|file| (PathBuf::from(file), "changed".to_owned())).into()
    }

    fn text(root: &Path, file: &str) -> String {
        fs::read_to_string(root.join(file)).unwrap()
    }

    fn age(root: &Path, file: &str) -> u64 {
        fs::metadata(root.join(file)).unwrap().modified().unwrap().elapsed().unwrap().as_secs()
    }

    #[test]
    fn a_mutant_is_in_the_tree_and_not_in_the_checkout_until_it_is_dropped() {
        let (_dir, repo, tree, build) = places();
        let planted = Planted::new(&repo, &build, &tree, &changed()).unwrap();
        assert_eq!((text(&tree, "rust/k/a.rs"), text(&tree, "rust/c.rs")), ("changed".into(), "changed".into()));
        assert_eq!(text(&repo, "rust/k/a.rs"), "rust/k/a.rs");
        assert_eq!(text(&tree, "rust/l/../k/a.rs"), "changed", "for those who look from the next directory");
        assert!(age(&tree, "rust/k/b.rs") > 900 && age(&tree, "rust/k/a.rs") < 900, "only what changed is newer");
        drop(planted);
        assert_eq!((text(&tree, "rust/k/a.rs"), text(&tree, "rust/c.rs")), ("rust/k/a.rs".into(), "rust/c.rs".into()));
        assert!(age(&tree, "rust/k/a.rs") < 900, "it is compiled again");
        assert!(age(&tree, "rust/k/b.rs") > 900);
        assert!(!heal(&build).unwrap());
    }

    #[test]
    fn a_mutant_that_was_left_is_taken_back_by_the_next_command() {
        let (_dir, repo, tree, build) = places();
        std::mem::forget(Planted::new(&repo, &build, &tree, &changed()).unwrap());
        assert!(heal(&build).unwrap());
        assert_eq!(text(&tree, "rust/k/a.rs"), "rust/k/a.rs");
    }

    #[test]
    fn a_file_of_the_kernel_is_left_alone() {
        let (_dir, repo, tree, build) = places();
        fs::write(tree.join("rust/own.rs"), "kernel").unwrap();
        let changed = [(PathBuf::from("rust/own.rs"), String::new())].into();
        assert!(Planted::new(&repo, &build, &tree, &changed).is_err());
        assert_eq!(text(&tree, "rust/own.rs"), "kernel");
    }
}
