// SPDX-License-Identifier: GPL-2.0
//! The kernel source: fetched with the system's own package manager, or a tree the user has.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::archive::{self, Wanted};
use crate::progress::{Step, say};
use crate::project::{KERNEL_SERIES, Project, create_dir, remove_dir};

/// The Debian package with the source, and the suite that has it.
const PACKAGE: &str = "linux-source-7.3";
const SUITE: &str = "trixie-backports";

/// Space that the packed and the unpacked source need.
const NEEDED_BYTES: u64 = 3 << 30;

/// Files in the archive, for the progress bar.
const ARCHIVE_FILES: u64 = 95_000;

/// A kernel source tree of the right series.
#[derive(Clone, Debug)]
pub struct Tree {
    /// Its root.
    pub root: PathBuf,
    /// Its version, such as `7.3.4`.
    pub version: String,
}

impl Tree {
    /// Opens a tree and checks its version.
    ///
    /// # Errors
    ///
    /// It is not a kernel tree, or one of another series.
    pub fn open(root: &Path) -> Result<Self> {
        let makefile = fs::read_to_string(root.join("Makefile"))
            .with_context(|| format!("{} is not a kernel source tree", root.display()))?;
        let version = version(&makefile)
            .with_context(|| format!("{} is not a kernel source tree: no VERSION in its Makefile", root.display()))?;
        if version != KERNEL_SERIES && !version.starts_with(&format!("{KERNEL_SERIES}.")) {
            bail!("{} is Linux {version}, but the overlay is for {KERNEL_SERIES}", root.display());
        }
        Ok(Self { root: root.to_path_buf(), version })
    }
}

/// The tree in use, if there is one already.
///
/// # Errors
///
/// `KDIR=` names something else than a tree of the right series.
pub fn find(project: &Project) -> Result<Option<Tree>> {
    if let Some(kdir) = &project.kdir {
        return Tree::open(kdir).map(Some);
    }
    Ok(unpacked(project))
}

/// The tree that was fetched and unpacked here, if there is one.
pub fn unpacked(project: &Project) -> Option<Tree> {
    let entries = fs::read_dir(&project.build).ok()?;
    let prefix = format!("linux-{KERNEL_SERIES}");
    let ours = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix));
    let trees = entries.flatten().map(|entry| entry.path()).filter(ours);
    // There is one, unless the user put another beside it; the choice must not change from run to run.
    trees.filter_map(|path| Tree::open(&path).ok()).min_by_key(|tree| tree.root.clone())
}

/// The tree in use, fetched and unpacked if need be.
///
/// # Errors
///
/// `KDIR=` is wrong, or the source cannot be fetched or does not fit on the disk.
pub fn ensure(project: &Project) -> Result<Tree> {
    match find(project)? {
        Some(tree) => Ok(tree),
        None => unpack(project),
    }
}

fn unpack(project: &Project) -> Result<Tree> {
    create_dir(&project.build)?;
    let free = fs4::available_space(&project.build)?;
    if free < NEEDED_BYTES {
        bail!(
            "{} has {} MB free, but the kernel source needs {} MB: free some space or set BUILD=",
            project.build.display(),
            free >> 20,
            NEEDED_BYTES >> 20
        );
    }
    // Unpacked beside its final place and renamed at the end: an interruption leaves no half tree, only a
    // directory that the next attempt removes.
    let scratch = project.build.join("unpack");
    remove_dir(&scratch)?;
    create_dir(&scratch)?;
    let archive = packed(project, &scratch)?;
    let is_file: fn(&str) -> bool = |_| true;
    Step {
        title: "unpacking the kernel source (files)",
        log: &project.log("unpack")?,
        counts: Some(is_file),
        expected: Some(ARCHIVE_FILES),
    }
    .run(Command::new("tar").arg("-xvf").arg(&archive).arg("-C").arg(&scratch))?;
    let tree = Tree::open(&scratch.join(PACKAGE))?;
    let root = project.build.join(format!("linux-{}", tree.version));
    fs::rename(&tree.root, &root).with_context(|| format!("cannot create {}", root.display()))?;
    remove_dir(&scratch)?;
    Ok(Tree { root, ..tree })
}

/// The packed source: of an installed package, or of one that is downloaded but not installed.
fn packed(project: &Project, scratch: &Path) -> Result<PathBuf> {
    let name = format!("{PACKAGE}.tar.xz");
    let installed = Path::new("/usr/src").join(&name);
    if installed.is_file() {
        return Ok(installed);
    }
    let package = match downloaded(project) {
        Some(package) => package,
        None => download(project, scratch)?,
    };
    let root = scratch.join("package");
    archive::unpack(&package, &root)?;
    Ok(root.join("usr/src").join(name))
}

fn downloaded(project: &Project) -> Option<PathBuf> {
    let entries = fs::read_dir(project.downloads()).ok()?;
    let packages = entries.flatten().map(|entry| entry.path()).filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(&format!("{PACKAGE}_")) && name.ends_with(".deb")
    });
    packages.max()
}

/// Downloads the package and keeps it.
fn download(project: &Project, scratch: &Path) -> Result<PathBuf> {
    let wanted = Wanted { what: "the kernel source", megabytes: 160, suite: SUITE, packages: &[PACKAGE] };
    let packages = archive::download(project, &wanted, scratch).with_context(|| {
        format!(
            "the kernel source cannot be fetched here; unpack any Linux {KERNEL_SERIES}.y and give KDIR=its directory"
        )
    })?;
    packages.iter().map(|package| keep(project, package)).next().context("nothing was downloaded")?
}

/// Keeps a downloaded package for other checkouts and later set-ups.
fn keep(project: &Project, package: &Path) -> Result<PathBuf> {
    let downloads = project.downloads();
    create_dir(&downloads)?;
    let kept = downloads.join(package.file_name().unwrap_or_default());
    // Copied, as the build directory may be on another disk, and renamed, as other checkouts look here too.
    let partial = tempfile::Builder::new().prefix(".partial-").tempfile_in(&downloads)?;
    fs::copy(package, partial.path()).with_context(|| format!("cannot write in {}", downloads.display()))?;
    partial.persist(&kept).with_context(|| format!("cannot create {}", kept.display()))?;
    say(&format!("kernel source package kept as {}", kept.display()));
    Ok(kept)
}

/// The version in the text of a kernel Makefile, such as `7.3.4`, or `7.3` for a first release.
fn version(makefile: &str) -> Option<String> {
    let field = |name: &str| {
        makefile.lines().take(10).find_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key.trim() == name).then(|| value.trim().to_string())
        })
    };
    let (major, minor) = (field("VERSION")?, field("PATCHLEVEL")?);
    Some(match field("SUBLEVEL").as_deref() {
        None | Some("" | "0") => format!("{major}.{minor}"),
        Some(point) => format!("{major}.{minor}.{point}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(version: &str, patchlevel: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let text = format!("# SPDX\nVERSION = {version}\nPATCHLEVEL = {patchlevel}\nSUBLEVEL = 4\nEXTRAVERSION =\n");
        fs::write(dir.path().join("Makefile"), text).unwrap();
        dir
    }

    #[test]
    fn a_tree_of_the_series_is_opened() {
        assert_eq!(Tree::open(tree("7", "3").path()).unwrap().version, "7.3.4");
    }

    #[test]
    fn a_tree_of_another_series_is_refused_with_both_versions() {
        for (version, patchlevel) in [("7", "30"), ("7", "2"), ("6", "3")] {
            let error = Tree::open(tree(version, patchlevel).path()).unwrap_err().to_string();
            assert!(error.contains(&format!("Linux {version}.{patchlevel}.4")), "{error}");
            assert!(error.contains("for 7.3"), "{error}");
        }
    }

    #[test]
    fn a_directory_without_makefile_is_no_kernel_tree() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Tree::open(dir.path()).unwrap_err().to_string().contains("not a kernel source tree"));
    }

    #[test]
    fn a_first_release_has_no_point() {
        assert_eq!(version("VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 0\n").unwrap(), "7.3");
    }
}
