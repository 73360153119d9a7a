// SPDX-License-Identifier: GPL-2.0
//! Building the kernel in the middle of the series: after the first patch, after the last, and after each that changes
//! a Kconfig file.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use vm::Tally;

use super::Commit;
use super::repository::{Repository, write};
use crate::guest;
use crate::kernel::{Variant, Workshop, build};
use crate::overlay::our_files;
use crate::progress::{output, say};
use crate::project::{create_dir, remove_dir};
use crate::source::Tree;

/// The kernels that are built: the one that can be tried at once, and the one that has PCI.
const KERNELS: [Variant; 2] = [Variant::Um, Variant::Plain];

/// Builds the steps that can break the build of others, and says how many these were. After the last one, upstream's
/// block driver, which the series moves to our abstraction, must serve in user-mode Linux as it did before.
///
/// That is done in a tree of its own, which shares the kernel's files with the one that the overlay is applied to.
///
/// # Errors
///
/// The tree cannot be made, or a step does not build; the message says which.
pub fn each(workshop: Workshop, repository: &Repository, base: &str, commits: &[Commit]) -> Result<(usize, Tally)> {
    let root = workshop.project.build.join("patches/linux");
    plant(&workshop, &root)?;
    for variant in KERNELS {
        seed(&workshop, &root, variant)?;
    }
    for file in repository.git(&["ls-tree", "-r", "--name-only", base])?.lines() {
        bring(repository, base, file, &root)?;
    }
    let tree = Tree { root: root.clone(), version: workshop.tree.version.clone() };
    let workshop = workshop.of_series(tree);
    let mut built = 0;
    for (number, Commit { subject, hash }) in commits.iter().enumerate() {
        let changed = repository.git(&["diff-tree", "--no-commit-id", "-r", "--name-only", hash])?;
        for file in changed.lines() {
            bring(repository, hash, file, &root)?;
        }
        let is_kconfig = |file: &str| file.rsplit('/').next().is_some_and(|name| name.starts_with("Kconfig"));
        if number == 0 || number + 1 == commits.len() || changed.lines().any(is_kconfig) {
            say(&format!("patch {} of {}: {subject}", number + 1, commits.len()));
            let failed = || format!("patch {}, `{subject}`, does not build", number + 1);
            for variant in KERNELS {
                build::kernel(&workshop, variant).with_context(failed)?;
            }
            built += 1;
        }
    }
    let work = workshop.project.build.join("patches/vm");
    Ok((built, guest::uml_one(&workshop, "rnull", work)?))
}

/// Makes a tree of the kernel without the overlay. Objects of an earlier run stay.
fn plant(workshop: &Workshop, root: &Path) -> Result<()> {
    create_dir(root)?;
    for entry in fs::read_dir(root)?.flatten().filter(|entry| !is_made(&entry.file_name())) {
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            remove_dir(&path)?;
        } else {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    let tree = &workshop.tree.root;
    let entries = fs::read_dir(tree)?.flatten().filter(|entry| !is_made(&entry.file_name()));
    let entries: Vec<_> = entries.map(|entry| entry.path()).collect();
    // Where there can be no links between the two, there are copies.
    let copy = |how: &str| output(Command::new("cp").arg(how).args(&entries).arg(root));
    copy("-al").or_else(|_| copy("-af")).context("cannot copy the kernel tree")?;
    for file in our_files(&workshop.project.repo, tree)? {
        let mut path = root.to_path_buf();
        for part in file.components() {
            path.push(part);
            if path.is_symlink() {
                fs::remove_file(&path)?;
                break;
            }
        }
    }
    Ok(())
}

/// Lets the first step begin with the objects of the whole overlay, of which most need not be made anew.
fn seed(workshop: &Workshop, root: &Path, variant: Variant) -> Result<()> {
    let objects = workshop.objdir(variant);
    let place = root.join(objects.file_name().context("the objects are nowhere")?);
    if objects.is_dir() && !place.exists() {
        // No links: kbuild writes into some of these files.
        output(Command::new("cp").arg("-a").arg(&objects).arg(&place)).context("cannot copy the objects")?;
    }
    Ok(())
}

/// Whether something in the tree is not the kernel's: objects, or a record of ours.
fn is_made(name: &std::ffi::OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with("o-") || name.starts_with(".virtio-rs") || name == "rust-project.json"
}

/// Writes a file as it is in a commit, or removes it if it is not there.
fn bring(repository: &Repository, commit: &str, file: &str, root: &Path) -> Result<()> {
    let is_there = !repository.git(&["ls-tree", "--name-only", commit, file])?.is_empty();
    let text = if is_there { Some(repository.git(&["show", &format!("{commit}:{file}")])?) } else { None };
    write(root, file, text.as_deref())
}
