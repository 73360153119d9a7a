// SPDX-License-Identifier: GPL-2.0

//! The files of the QEMU plugin that counts instructions.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};

/// The name of the file with a request to the plugin, see tools/tcgprofile.
const REQUEST: &str = "request";

/// Where a profiled boot keeps counts of instructions, in its directory.
pub fn counts_dir(boot: &Path) -> PathBuf {
    boot.join("counts")
}

/// Asks the plugin to write what it has counted to the file `name`, as soon as the guest is idle.
///
/// # Errors
///
/// When the boot is not profiled, or the plugin has not answered the last request.
pub fn request_snapshot(boot: &Path, name: &str) -> Result<()> {
    let dir = counts_dir(boot);
    let request = dir.join(REQUEST);
    ensure!(dir.is_dir(), "this boot counts no instructions");
    ensure!(!request.exists(), "the counts asked for before were not written");
    if name.contains('/') || name == REQUEST {
        bail!("not a name for a file of counts: `{name}`");
    }
    // Renamed, so that the plugin never sees half a name.
    let partial = dir.join(format!("{REQUEST}.partial"));
    fs::write(&partial, name)?;
    fs::rename(partial, request)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_request_waits_for_the_answer_to_the_first() {
        let boot = tempfile::tempdir().unwrap();
        assert!(request_snapshot(boot.path(), "a").unwrap_err().to_string().contains("counts no"));
        fs::create_dir(counts_dir(boot.path())).unwrap();
        request_snapshot(boot.path(), "a").unwrap();
        assert_eq!(fs::read_to_string(counts_dir(boot.path()).join(REQUEST)).unwrap(), "a");
        assert!(request_snapshot(boot.path(), "b").unwrap_err().to_string().contains("not written"));
    }

    #[test]
    fn counts_go_nowhere_else() {
        let boot = tempfile::tempdir().unwrap();
        fs::create_dir(counts_dir(boot.path())).unwrap();
        for name in ["../a", "/a", REQUEST] {
            assert!(request_snapshot(boot.path(), name).is_err(), "{name}");
        }
    }
}
