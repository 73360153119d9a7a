// SPDX-License-Identifier: GPL-2.0
//! The modules of this project: where kbuild builds them, and the quick way to build them again.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{Variant, Workshop, build};
use crate::overlay::our_files;
use crate::progress::say;

/// Directories of the kernel, relative to its root, in which Rust modules of ours are built.
///
/// # Errors
///
/// The checkout cannot be read.
pub fn directories(workshop: &Workshop) -> Result<BTreeSet<PathBuf>> {
    let files = our_files(&workshop.project.repo, &workshop.tree.root)?;
    Ok(directories_of(&files))
}

/// The directories where modules live: the topmost ones that hold Rust files, and those that have a makefile.
pub fn directories_of(files: &[PathBuf]) -> BTreeSet<PathBuf> {
    let is_module = |path: &&PathBuf| {
        (path.starts_with("drivers") || path.starts_with("samples"))
            && path.extension().is_some_and(|extension| extension == "rs")
    };
    let all: BTreeSet<PathBuf> =
        files.iter().filter(is_module).filter_map(|path| path.parent()).map(Path::to_path_buf).collect();
    let is_top = |dir: &PathBuf| !dir.ancestors().skip(1).any(|above| all.contains(above));
    let has_makefile = |dir: &PathBuf| files.contains(&dir.join("Makefile"));
    all.iter().filter(|dir| is_top(dir) || has_makefile(dir)).cloned().collect()
}

/// Builds the modules of this project again, and more only where an abstraction changed.
///
/// # Errors
///
/// Configuring or compiling fails.
pub fn rebuild(workshop: &Workshop, variant: Variant) -> Result<()> {
    let objdir = workshop.objdir(variant);
    let modules = built(workshop, &objdir)?;
    if modules.is_empty() || !objdir.join("vmlinux").is_file() {
        return build::kernel(workshop, variant);
    }
    build::targets(workshop, variant, "building modules", &modules)?;
    if is_newer(&objdir.join("rust/kernel.o"), &objdir.join("vmlinux")) {
        say("the kernel crate changed: building the whole kernel; a running guest must be started anew");
        return build::kernel(workshop, variant);
    }
    for module in modules {
        say(&format!("built {}", objdir.join(module).display()));
    }
    Ok(())
}

/// The modules of ours that an earlier full build has made, relative to the object directory.
fn built(workshop: &Workshop, objdir: &Path) -> Result<Vec<String>> {
    let files = our_files(&workshop.project.repo, &workshop.tree.root)?;
    let mut modules = Vec::new();
    for dir in directories(workshop)? {
        let Ok(entries) = fs::read_dir(objdir.join(&dir)) else {
            continue;
        };
        for entry in entries.flatten() {
            let module = dir.join(entry.file_name());
            let is_ours = files.contains(&module.with_extension("rs")) || !files_of_kernel(workshop, &dir);
            if module.extension().is_some_and(|extension| extension == "ko") && is_ours {
                modules.push(module.display().to_string());
            }
        }
    }
    modules.sort();
    Ok(modules)
}

/// Whether the kernel has files of its own in a directory, that is, whether it is not one link of ours.
fn files_of_kernel(workshop: &Workshop, dir: &Path) -> bool {
    !workshop.tree.root.join(dir).canonicalize().is_ok_and(|real| real.starts_with(&workshop.project.repo))
}

fn is_newer(one: &Path, other: &Path) -> bool {
    let time = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    time(one) > time(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topmost_module_directories_are_named_and_those_with_a_makefile() {
        let files = [
            "drivers/block/ours/ours.rs",
            "drivers/block/ours/deep/part.rs",
            "drivers/virtio/Kconfig.rust",
            "rust/kernel/virtio.rs",
            "samples/rust/rust_x.rs",
            "samples/rust/more/Makefile",
            "samples/rust/more/rust_y.rs",
        ]
        .map(PathBuf::from);
        let expected = ["drivers/block/ours", "samples/rust", "samples/rust/more"].map(PathBuf::from);
        assert_eq!(directories_of(&files), BTreeSet::from(expected));
    }
}
