// SPDX-License-Identifier: GPL-2.0
//! A project outside of the kernel tree, which `M=` names: built for the kernels of this checkout, tried and shown in
//! its machines.

mod build;
mod guest;
mod stage;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

pub use self::build::{Built, Compiler, build};
pub use self::guest::{Trial, assemble, shell, test, test_logic};
use crate::kernel::Variant;
use crate::project::{Project, name_for, variable};

/// What tells kbuild which modules there are.
const KBUILD: &str = "Kbuild";

/// A folder with the sources of modules.
#[derive(Debug)]
pub struct Outside {
    /// The folder, canonical.
    pub dir: PathBuf,
    /// Where its objects are.
    work: PathBuf,
}

impl Outside {
    /// What `M=` names, if it is given.
    ///
    /// # Errors
    ///
    /// It names no folder with a `Kbuild`.
    pub fn wanted(project: &Project) -> Result<Option<Self>> {
        variable("M").map(|dir| Self::open(project, &project.repo.join(dir))).transpose()
    }

    /// Opens a folder.
    ///
    /// # Errors
    ///
    /// There is no folder, or no `Kbuild` in it.
    pub fn open(project: &Project, dir: &Path) -> Result<Self> {
        let canonical = dir.canonicalize().with_context(|| format!("M={} cannot be opened", dir.display()))?;
        if !canonical.join(KBUILD).is_file() {
            bail!("M={} has no {KBUILD}, which names the modules to build", dir.display());
        }
        let work = project.build.join("modules").join(name_for(&canonical));
        Ok(Self { dir: canonical, work })
    }

    /// The sources as kbuild sees them.
    fn stage(&self) -> PathBuf {
        self.work.join("source")
    }

    /// Where kbuild puts the modules for a kernel.
    pub fn output(&self, variant: Variant) -> PathBuf {
        self.work.join(variant.name())
    }

    /// The files that are the roots of modules: those beside the `Kbuild` whose objects it names.
    ///
    /// # Errors
    ///
    /// The folder cannot be read.
    pub fn crate_roots(&self, makes: impl Fn(&str, &str) -> bool) -> Result<Vec<PathBuf>> {
        let kbuild = self.dir.join(KBUILD);
        let text = fs::read_to_string(&kbuild).with_context(|| format!("cannot read {}", kbuild.display()))?;
        let mut roots = Vec::new();
        for entry in fs::read_dir(&self.dir).with_context(|| format!("cannot read {}", self.dir.display()))? {
            let path = entry?.path();
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            if path.extension().is_some_and(|extension| extension == "rs") && makes(&text, &stem) {
                roots.push(path);
            }
        }
        roots.sort();
        Ok(roots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A project whose build directory is in `dir`.
    pub fn project(dir: &Path) -> Project {
        Project {
            repo: dir.to_path_buf(),
            cache: dir.join("cache"),
            build: dir.join("build"),
            kdir: None,
            jobs: 1,
            verbose: false,
        }
    }

    #[test]
    fn a_folder_without_kbuild_or_none_at_all_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let error = |name: &str| Outside::open(&project(dir.path()), &dir.path().join(name)).unwrap_err().to_string();
        assert!(error("none").ends_with("none cannot be opened"), "{}", error("none"));
        fs::create_dir(dir.path().join("empty")).unwrap();
        assert!(
            error("empty").ends_with("empty has no Kbuild, which names the modules to build"),
            "{}",
            error("empty")
        );
    }

    #[test]
    fn the_objects_of_a_folder_with_a_space_are_where_kbuild_can_go() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("my driver: 1");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join(KBUILD), "").unwrap();
        let outside = Outside::open(&project(dir.path()), &folder).unwrap();
        for path in [outside.stage(), outside.output(Variant::Debug)] {
            let path = path.strip_prefix(dir.path().join("build")).unwrap().display().to_string();
            assert!(!path.contains([' ', ':']), "{path}");
        }
        assert_ne!(outside.output(Variant::Debug), outside.output(Variant::Plain));
    }

    #[test]
    fn only_what_kbuild_makes_is_a_crate() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [(KBUILD, "obj-m := one.o"), ("one.rs", ""), ("part.rs", ""), ("one.c", "")] {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let outside = Outside::open(&project(dir.path()), dir.path()).unwrap();
        let makes = |text: &str, stem: &str| text.contains(&format!("{stem}.o"));
        assert_eq!(outside.crate_roots(makes).unwrap(), [outside.dir.join("one.rs")]);
    }
}
