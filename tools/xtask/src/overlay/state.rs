// SPDX-License-Identifier: GPL-2.0
//! The record that the overlay leaves in a kernel tree: whose it is and what was done.

use std::fs::{self, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::links::Link;
use super::manifest::Insert;

const FILE: &str = ".virtio-rs-overlay.toml";

/// What was done to a tree.
///
/// It is written before the first change of an apply, so an interrupted apply is repaired by the next one.
#[derive(Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The checkout the overlay comes from.
    pub owner: PathBuf,
    /// Insertions that are, or may be, in the tree.
    #[serde(default)]
    pub insert: Vec<Insert>,
    /// Links that are, or may be, in the tree.
    #[serde(default)]
    pub link: Vec<Link>,
}

impl State {
    /// Reads the record of `tree`; a tree without one is untouched.
    ///
    /// # Errors
    ///
    /// The record is there but cannot be read or understood.
    pub fn read(tree: &Path) -> Result<Option<Self>> {
        let path = tree.join(FILE);
        match fs::read_to_string(&path) {
            Ok(text) => {
                let state = toml::from_str(&text).with_context(|| format!("{} is damaged", path.display()))?;
                Ok(Some(state))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Writes the record into `tree`.
    ///
    /// # Errors
    ///
    /// The tree cannot be written, or the disk is full; an older record stays as it was.
    pub fn write(&self, tree: &Path) -> Result<()> {
        let path = tree.join(FILE);
        let write = || -> Result<()> {
            let mut file = NamedTempFile::new_in(tree)?;
            file.write_all(toml::to_string(self)?.as_bytes())?;
            // Others may build from the tree, and so may look who owns the overlay.
            file.as_file().set_permissions(Permissions::from_mode(0o644))?;
            file.persist(&path)?;
            Ok(())
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }

    /// Removes the record from `tree`.
    ///
    /// # Errors
    ///
    /// It is there and cannot be removed.
    pub fn remove(tree: &Path) -> Result<()> {
        let path = tree.join(FILE);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a tree that carries the overlay of another checkout.
    ///
    /// A checkout that no longer exists cannot take its overlay back, so its tree may be taken over.
    ///
    /// # Errors
    ///
    /// The other checkout exists.
    pub fn check_owner(&self, repo: &Path, tree: &Path) -> Result<()> {
        if self.owner != repo && self.owner.is_dir() {
            bail!(
                "{} carries the overlay of {}: run `make unapply` there, or use another tree",
                tree.display(),
                self.owner.display()
            );
        }
        Ok(())
    }
}
