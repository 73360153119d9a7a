// SPDX-License-Identifier: GPL-2.0
//! `make clean` and `make distclean`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::lock::BuildLock;
use crate::mutants;
use crate::new_driver::trial;
use crate::overlay::Overlay;
use crate::progress::say;
use crate::project::{Project, remove_dir};
use crate::source;

/// What commands make below the build directory, some of it only until they end.
const MADE: [&str; 8] = ["vm", "logs", "modules", "unpack", "patches", "rust-analyzer", "bindgen", "target"];

/// Removes what was built: object directories, images, logs and the host program itself.
///
/// # Errors
///
/// A build is running, or something cannot be removed.
pub fn objects(project: &Project) -> Result<()> {
    let _lock = BuildLock::take(project)?;
    remove_objects(project)
}

/// Removes also the kernel source and what was downloaded of it, and gives a tree of the user's back as it was.
///
/// # Errors
///
/// As for [`objects`].
pub fn everything(project: &Project) -> Result<()> {
    let _lock = BuildLock::take(project)?;
    mutants::heal(&project.build)?;
    remove_objects(project)?;
    if let Some(kdir) = &project.kdir {
        Overlay::new(&project.repo, kdir).unapply()?;
    }
    if let Some(tree) = source::unpacked(project) {
        remove(&tree.root)?;
    }
    remove(&project.downloads())
}

/// Removes the objects in the tree that was unpacked here and those of the user's trees, whichever is in use now.
fn remove_objects(project: &Project) -> Result<()> {
    if let Some(tree) = source::unpacked(project) {
        for entry in fs::read_dir(&tree.root).with_context(|| format!("cannot read {}", tree.root.display()))? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with("o-") {
                remove(&entry.path())?;
            }
        }
    }
    remove(&project.kdir_objects())?;
    remove(&trial::place(project))?;
    MADE.iter().try_for_each(|name| remove(&project.build.join(name)))
}

fn remove(dir: &Path) -> Result<()> {
    if remove_dir(dir)? {
        say(&format!("removed {}", dir.display()));
    }
    Ok(())
}
