// SPDX-License-Identifier: GPL-2.0
//! `make clean` and `make distclean`.

use std::path::Path;

use anyhow::Result;

use crate::kernel::{Variant, objdir};
use crate::lock::BuildLock;
use crate::overlay::Overlay;
use crate::progress::say;
use crate::project::{Project, remove_dir};
use crate::source;

/// Removes what was built: object directories, images, logs and the host program itself.
///
/// # Errors
///
/// A build is running, or something cannot be removed.
pub fn objects(project: &Project) -> Result<()> {
    let _lock = BuildLock::take(project)?;
    remove_objects(project)
}

/// Removes also what was fetched, and gives a tree of the user's back as it was.
///
/// # Errors
///
/// As for [`objects`].
pub fn everything(project: &Project) -> Result<()> {
    let _lock = BuildLock::take(project)?;
    remove_objects(project)?;
    if let Some(tree) = source::find(project)? {
        if project.kdir.is_some() {
            Overlay::new(&project.repo, &tree.root).unapply()?;
        } else {
            remove(&tree.root)?;
        }
    }
    remove(&project.downloads())
}

fn remove_objects(project: &Project) -> Result<()> {
    if let Some(tree) = source::find(project)? {
        for variant in [Variant::Plain, Variant::Debug, Variant::Um, Variant::Clippy] {
            remove(&objdir(project, &tree, variant))?;
        }
    }
    ["vm", "logs", "unpack", "target"].iter().try_for_each(|name| remove(&project.build.join(name)))
}

fn remove(dir: &Path) -> Result<()> {
    if remove_dir(dir)? {
        say(&format!("removed {}", dir.display()));
    }
    Ok(())
}
