// SPDX-License-Identifier: GPL-2.0
//! One build at a time in a build directory and in a kernel tree, and one run of guests at a time.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use fs4::fs_std::FileExt;

use crate::project::{Project, create_dir, name_for, variable};

/// The variable by which a process that holds the lock says so to the commands that it runs.
pub const HOLDER: &str = "BUILD_LOCK_HOLDER";

/// Held while the build directory and the tree may change; released when dropped.
#[derive(Debug)]
pub struct BuildLock {
    files: Vec<File>,
}

impl BuildLock {
    /// Takes the lock without waiting.
    ///
    /// # Errors
    ///
    /// Another process holds it; the message names that process.
    pub fn take(project: &Project) -> Result<Self> {
        create_dir(&project.build)?;
        let is_of_holder = |pid: String| fs::read_to_string(path(project)).is_ok_and(|text| text.trim() == pid);
        if variable(HOLDER).is_some_and(is_of_holder) {
            return Ok(Self { files: Vec::new() });
        }
        let mut files = vec![lock(&path(project), &project.build)?];
        if let Some(kdir) = &project.kdir {
            // Beside the user's tree, not in it: it is to be given back as it was.
            let locks = project.cache.join("locks");
            create_dir(&locks)?;
            files.push(lock(&locks.join(name_for(kdir)), kdir)?);
        }
        Ok(Self { files })
    }

    /// Whether it is held by the process that runs this one.
    pub fn is_lent(&self) -> bool {
        self.files.is_empty()
    }
}

fn path(project: &Project) -> PathBuf {
    project.build.join("lock")
}

/// Held while guests use the images of one purpose; released when dropped.
#[derive(Debug)]
pub struct GuestLock {
    _file: File,
}

impl GuestLock {
    /// Takes the lock of `purpose` without waiting. It does not exclude builds: modules may be built again
    /// while a guest runs.
    ///
    /// # Errors
    ///
    /// Another process holds it; the message names that process.
    pub fn take(project: &Project, purpose: &str) -> Result<Self> {
        create_dir(&project.build)?;
        let path = project.build.join(format!("lock-{purpose}"));
        Ok(Self { _file: lock(&path, &project.build.join("vm"))? })
    }
}

fn lock(path: &Path, what: &Path) -> Result<File> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .with_context(|| format!("cannot open the lock {}", path.display()))?;
    if !file.try_lock_exclusive().with_context(|| format!("cannot lock {}", path.display()))? {
        let mut pid = String::new();
        file.read_to_string(&mut pid)?;
        bail!(
            "busy: another make (pid {}) uses {}; wait for it, or give this one its own BUILD= directory",
            pid.trim(),
            what.display()
        );
    }
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_taker_is_told_who_holds_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = lock(&path, dir.path()).unwrap();
        let error = lock(&path, dir.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("pid {}", std::process::id())), "{error}");
        drop(held);
        lock(&path, dir.path()).unwrap();
    }
}
