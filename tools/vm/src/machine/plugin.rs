// SPDX-License-Identifier: GPL-2.0

//! The files of the QEMU plugin that counts instructions.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};

use crate::machine::config::escape;

/// The name of the file with a request to the plugin, see tools/tcgprofile.
const REQUEST: &str = "request";

/// The plugin, and what it has to know of the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profiler {
    /// Its file.
    pub file: PathBuf,
    /// The address of what the kernel does first when a device interrupts.
    pub interrupt: u64,
}

impl Profiler {
    /// The argument of `-plugin` for a boot.
    pub fn argument(&self, boot: &Path) -> String {
        format!("{},dir={},interrupt={:x}", escape(&self.file), escape(&counts_dir(boot)), self.interrupt)
    }
}

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
    fn the_plugin_is_told_where_its_files_are_and_where_interrupts_begin() {
        let profiler = Profiler { file: "/p,q.so".into(), interrupt: 0xffff_ffff_8100_0000 };
        assert_eq!(profiler.argument(Path::new("/b")), "/p,,q.so,dir=/b/counts,interrupt=ffffffff81000000");
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
