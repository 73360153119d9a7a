// SPDX-License-Identifier: GPL-2.0
//! The overlay: our files linked into a kernel tree, and the few lines that existing files gain.

mod edit;
mod links;
mod manifest;
mod state;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tempfile::NamedTempFile;

pub use self::links::{Link, our_files};
pub use self::manifest::Insert;
use self::manifest::Manifest;
use self::state::State;

/// The overlay of one checkout, seen against one kernel tree.
#[derive(Debug)]
pub struct Overlay<'a> {
    repo: &'a Path,
    tree: &'a Path,
}

/// How a kernel tree and the overlay relate.
#[derive(Debug, PartialEq)]
pub enum Status {
    /// The tree is as its maintainers left it.
    NotApplied,
    /// Everything is in place.
    Applied {
        /// Number of insertions.
        insertions: usize,
        /// Number of links.
        links: usize,
    },
    /// Applied once, but the checkout or the tree changed since.
    OutOfDate,
    /// The overlay of another checkout is applied.
    Foreign(PathBuf),
}

/// Everything that has to change, worked out and verified before anything is written.
#[derive(Debug, Default)]
struct Plan {
    rewrites: BTreeMap<String, String>,
    remove: Vec<Link>,
    create: Vec<Link>,
}

impl Plan {
    fn is_empty(&self) -> bool {
        self.rewrites.is_empty() && self.remove.is_empty() && self.create.is_empty()
    }
}

impl<'a> Overlay<'a> {
    /// The overlay of the checkout `repo` for the kernel `tree`; both paths are canonical.
    pub fn new(repo: &'a Path, tree: &'a Path) -> Self {
        Self { repo, tree }
    }

    /// Brings the tree in line with the checkout and says whether anything changed.
    ///
    /// Files that are right already keep their modification time, so nothing is rebuilt for them.
    ///
    /// # Errors
    ///
    /// An anchor is missing or ambiguous, a file of ours would replace a kernel file, or the tree belongs to
    /// another checkout; nothing was written then. If writing fails, what was written is taken back.
    pub fn apply(&self) -> Result<bool> {
        let old = self.state()?;
        let wanted = self.wanted(&old)?;
        let plan = self.plan(&old, &wanted)?;
        if plan.is_empty() && old == wanted {
            return Ok(false);
        }
        self.carry_out(&plan, &old, &wanted)?;
        wanted.write(self.tree)?;
        Ok(true)
    }

    /// Restores the tree byte for byte and says whether anything changed.
    ///
    /// # Errors
    ///
    /// The tree belongs to another checkout, or cannot be written.
    pub fn unapply(&self) -> Result<bool> {
        let old = self.state()?;
        let nothing = State { owner: self.repo.to_path_buf(), ..State::default() };
        let plan = self.plan(&old, &nothing)?;
        self.carry_out(&plan, &old, &nothing)?;
        State::remove(self.tree)?;
        Ok(!plan.is_empty())
    }

    /// Compares the tree with the checkout and changes neither.
    ///
    /// # Errors
    ///
    /// As [`Self::apply`], except that a foreign owner is a result.
    pub fn status(&self) -> Result<Status> {
        let Some(old) = State::read(self.tree)? else {
            return Ok(Status::NotApplied);
        };
        if old.check_owner(self.repo, self.tree).is_err() {
            return Ok(Status::Foreign(old.owner));
        }
        let wanted = self.wanted(&old)?;
        if old == wanted && self.plan(&old, &wanted)?.is_empty() {
            return Ok(Status::Applied { insertions: old.insert.len(), links: old.link.len() });
        }
        Ok(Status::OutOfDate)
    }

    /// The text of a kernel file of the tree, without the lines that the checkout inserts.
    ///
    /// # Errors
    ///
    /// The file or the manifest cannot be read.
    pub fn pristine(&self, file: &str) -> Result<String> {
        let path = self.tree.join(file);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let insertions = Manifest::read(self.repo)?.insert;
        let of_file = insertions.iter().filter(|insert| insert.file == file);
        // In the order in which they lie on each other.
        Ok(of_file.rev().fold(text, |text, insert| edit::remove(&text, insert).unwrap_or(text)))
    }

    /// The kernel files that gain lines, and the insertions, in the order in which they are made.
    ///
    /// # Errors
    ///
    /// The manifest cannot be read.
    pub fn insertions(&self) -> Result<Vec<Insert>> {
        Ok(Manifest::read(self.repo)?.insert)
    }

    /// The lines of a kernel file with the overlay, each with the number of the insertion that it is of.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or an insertion does not fit.
    pub fn origins(&self, file: &str, insertions: &[Insert]) -> Result<Vec<(String, Option<usize>)>> {
        let pristine = self.pristine(file)?;
        let mut lines: Vec<(String, Option<usize>)> = pristine.lines().map(|line| (line.to_owned(), None)).collect();
        for (number, insert) in insertions.iter().enumerate().filter(|(_, insert)| insert.file == file) {
            let texts: Vec<&str> = lines.iter().map(|(line, _)| line.as_str()).collect();
            let at = edit::place(&texts, insert)?;
            lines.splice(at..at, insert.lines.iter().map(|line| (line.clone(), Some(number))));
        }
        Ok(lines)
    }

    /// The record of the tree, after making sure that the tree is ours.
    fn state(&self) -> Result<State> {
        let state = State::read(self.tree)?.unwrap_or_default();
        state.check_owner(self.repo, self.tree)?;
        Ok(state)
    }

    fn wanted(&self, old: &State) -> Result<State> {
        let files = our_files(self.repo, self.tree)?;
        Ok(State {
            owner: self.repo.to_path_buf(),
            insert: Manifest::read(self.repo)?.insert,
            link: links::plan(self.repo, self.tree, &files, &old.link)?,
        })
    }

    fn plan(&self, old: &State, wanted: &State) -> Result<Plan> {
        let mut plan = Plan::default();
        let files: BTreeSet<&String> = old.insert.iter().chain(&wanted.insert).map(|i| &i.file).collect();
        for file in files {
            let Some(now) = self.read_kernel_file(file, wanted)? else {
                continue;
            };
            let then = rewrite(&now, file, &old.insert, &wanted.insert)?;
            if then != now {
                plan.rewrites.insert(file.clone(), then);
            }
        }
        let gone = |link: &&Link| !wanted.link.contains(link) && link.is_made(self.tree);
        plan.remove = old.link.iter().filter(gone).cloned().collect();
        plan.create = wanted.link.iter().filter(|link| !link.is_made(self.tree)).cloned().collect();
        Ok(plan)
    }

    /// Reads a file of the kernel; one that only an old record names may have gone since.
    fn read_kernel_file(&self, file: &str, wanted: &State) -> Result<Option<String>> {
        let path = self.tree.join(file);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(_) if !wanted.insert.iter().any(|insert| insert.file == *file) => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read the kernel file {}", path.display())),
        }
    }

    fn carry_out(&self, plan: &Plan, old: &State, wanted: &State) -> Result<()> {
        if plan.is_empty() {
            return Ok(());
        }
        // What takes space on the disk is written beside its destination first: if it does not fit, the
        // tree has not changed yet.
        let mut staged = Vec::new();
        for (file, text) in &plan.rewrites {
            let path = self.tree.join(file);
            staged.push((stage(&path, text)?, path));
        }
        union(old, wanted).write(self.tree)?;
        for (file, path) in staged {
            file.persist(&path).with_context(|| format!("cannot replace {}", path.display()))?;
        }
        for link in &plan.remove {
            let path = self.tree.join(&link.path);
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
        for link in &plan.create {
            self.create(link)?;
        }
        Ok(())
    }

    fn create(&self, link: &Link) -> Result<()> {
        let path = self.tree.join(&link.path);
        if path.is_symlink() {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
        symlink(&link.target, &path).with_context(|| format!("cannot create the link {}", path.display()))
    }
}

/// Takes the old insertions out of the text of `file` and makes the new ones.
fn rewrite(now: &str, file: &str, old: &[Insert], new: &[Insert]) -> Result<String> {
    let mut text = now.to_string();
    for insert in old.iter().rev().filter(|insert| insert.file == file) {
        // Not there: an interrupted apply had not come to it, or the file was unpacked anew.
        text = edit::remove(&text, insert).unwrap_or(text);
    }
    let pristine = text.clone();
    for insert in new.iter().filter(|insert| insert.file == file) {
        edit::refuse_duplicates(&pristine, insert)?;
        text = edit::insert(&text, insert)?;
    }
    Ok(text)
}

/// What the tree may hold while it changes from `old` to `wanted`.
fn union(old: &State, wanted: &State) -> State {
    let mut both = State { owner: wanted.owner.clone(), insert: old.insert.clone(), link: old.link.clone() };
    both.insert.extend(wanted.insert.iter().filter(|insert| !old.insert.contains(insert)).cloned());
    both.link.extend(wanted.link.iter().filter(|link| !old.link.contains(link)).cloned());
    both
}

/// Writes `text` to a temporary file beside `path`, with the mode of `path`.
fn stage(path: &Path, text: &str) -> Result<NamedTempFile> {
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_file() {
        bail!("{} is not a regular file", path.display());
    }
    let write = || -> Result<NamedTempFile> {
        let mut file = NamedTempFile::new_in(path.parent().unwrap_or(path))?;
        file.write_all(text.as_bytes())?;
        file.as_file().set_permissions(metadata.permissions())?;
        Ok(file)
    };
    write().with_context(|| format!("cannot write beside {}", path.display()))
}
