// SPDX-License-Identifier: GPL-2.0
//! The documentation of the abstractions, made with the kernel's own target.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use sha2::{Digest, Sha256};

use super::{Findings, diagnostics};
use crate::kernel::{Variant, Workshop, build};
use crate::overlay::our_files;
use crate::progress::read_lossy;
use crate::project::walk;

const TITLE: &str = "making the documentation";

/// Beside the documentation: what it was made from.
const KEY: &str = "Documentation/output/rust/rustdoc.key";

/// Makes the documentation and returns what rustdoc says about our files.
///
/// The kernel's target makes everything anew, always, and takes minutes. So it is called when there is a change.
///
/// # Errors
///
/// The documentation cannot be made at all.
pub fn check(workshop: &Workshop) -> Result<Findings> {
    let key = key(workshop)?;
    let stamp = workshop.objdir(Variant::Um).join(KEY);
    if fs::read_to_string(&stamp).is_ok_and(|old| old == key) {
        return Ok(Findings::new());
    }
    let result = build::targets(workshop, Variant::Um, TITLE, &["rustdoc".to_string()]);
    let log = read_lossy(&workshop.project.log(&build::log_name(Variant::Um, TITLE))?);
    let mut findings = diagnostics::of_our_files(workshop, &log)?;
    findings.extend(dead_links(workshop, &log)?);
    if findings.is_empty() {
        result?;
        fs::write(stamp, key)?;
    }
    Ok(findings)
}

/// A digest of all that the documentation depends on.
fn key(workshop: &Workshop) -> Result<String> {
    let repo = &workshop.project.repo;
    let ours = our_files(repo, &workshop.tree.root)?.into_iter().map(|file| repo.join(file));
    let mut hash = Sha256::new();
    hash.update(workshop.toolchain.to_string());
    for dir in [workshop.tree.root.join("rust"), repo.join("tests/config")] {
        for entry in walk(&dir) {
            hash_file(&mut hash, entry?.path())?;
        }
    }
    for file in ours {
        hash_file(&mut hash, &file)?;
    }
    Ok(format!("{:x}", hash.finalize()))
}

fn hash_file(hash: &mut Sha256, path: &Path) -> Result<()> {
    if path.is_file() {
        hash.update(format!("{}\n", path.display()));
        hash.update(fs::read(path)?);
    }
    Ok(())
}

/// The start pages of our modules that exist, after [`check`].
///
/// # Errors
///
/// The checkout cannot be read.
pub fn pages(workshop: &Workshop) -> Result<Vec<PathBuf>> {
    let root = workshop.objdir(Variant::Um).join("Documentation/output/rust/rustdoc/kernel");
    let files = our_files(&workshop.project.repo, &workshop.tree.root)?;
    let page = |file: &PathBuf| Some(root.join(module(file)?).join("index.html"));
    Ok(files.iter().filter_map(page).filter(|page| page.is_file()).collect())
}

/// The directory of a module of the kernel crate below the crate's documentation.
fn module(file: &Path) -> Option<PathBuf> {
    Some(file.strip_prefix("rust/kernel").ok()?.to_str()?.strip_suffix(".rs")?.into())
}

/// Links into the source tree that lead nowhere: the kernel's target names the file, not where the link is.
fn dead_links(workshop: &Workshop, log: &str) -> Result<Findings> {
    let dead = log.lines().filter_map(|line| {
        line.strip_prefix("warning: srctree/ link to ")?
            .strip_suffix(" does not exist")
            .map(|file| format!("srctree/{file}"))
    });
    let dead: Vec<String> = dead.collect();
    let mut findings = Findings::new();
    for file in our_files(&workshop.project.repo, &workshop.tree.root)? {
        let text = fs::read_to_string(workshop.project.repo.join(&file)).unwrap_or_default();
        let here = dead.iter().filter(|link| text.contains(link.as_str()));
        findings.extend(here.map(|link| format!("{}: link to {link}, which does not exist", file.display())));
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_of_the_kernel_crate_have_a_directory() {
        assert_eq!(module(Path::new("rust/kernel/virtio/queue.rs")), Some("virtio/queue".into()));
        assert_eq!(module(Path::new("rust/helpers/virtio.c")), None);
        assert_eq!(module(Path::new("drivers/block/x.rs")), None);
    }
}
