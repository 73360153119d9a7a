// SPDX-License-Identifier: GPL-2.0
//! Where things are: the checkout, the cache outside git, and what the user overrode.

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ignore::{Walk, WalkBuilder};
use sha2::{Digest, Sha256};

/// The kernel series the overlay is written for.
pub const KERNEL_SERIES: &str = "7.3";

/// The name of the directories below the user's cache.
const CACHE_NAME: &str = "linux-virtio-rs";

/// The paths and overrides of one invocation.
#[derive(Debug)]
pub struct Project {
    /// The checkout, canonical.
    pub repo: PathBuf,
    /// What all checkouts of this user share: downloads, tools, ccache.
    pub cache: PathBuf,
    /// What belongs to this checkout alone: kernel tree, object directories, logs, images.
    pub build: PathBuf,
    /// The kernel tree the user named with `KDIR=`.
    pub kdir: Option<PathBuf>,
    /// Parallel jobs of a kernel build.
    pub jobs: usize,
    /// Ask child programs to say more.
    pub verbose: bool,
}

/// The value of a make variable, which reaches us as an environment variable.
///
/// An empty value means "not given", as it does in a makefile.
pub fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

impl Project {
    /// Finds the checkout around the current directory and reads the overrides.
    ///
    /// # Errors
    ///
    /// Not started from within a checkout, no home directory, or an override that cannot be right.
    pub fn discover(verbose: bool) -> Result<Self> {
        let here = env::current_dir()?.canonicalize()?;
        let repo = here
            .ancestors()
            .find(|dir| dir.join("overlay.toml").is_file())
            .context("overlay.toml not found here or above: run this from the checkout")?
            .to_path_buf();
        let cache = match variable("XDG_CACHE_HOME") {
            Some(dir) => PathBuf::from(dir),
            None => PathBuf::from(variable("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?).join(".cache"),
        }
        .join(CACHE_NAME);
        refuse_odd("the cache directory (XDG_CACHE_HOME=)", &cache)?;
        let build = match variable("BUILD") {
            Some(dir) => here.join(dir),
            None => cache.join("checkouts").join(name_for(&repo)),
        };
        refuse_odd("the build directory (BUILD=)", &build)?;
        let kdir = match variable("KDIR") {
            Some(dir) => Some(here.join(&dir).canonicalize().with_context(|| format!("KDIR={dir} cannot be opened"))?),
            None => None,
        };
        if let Some(kdir) = &kdir {
            refuse_odd("the kernel tree (KDIR=)", kdir)?;
        }
        let jobs = match variable("JOBS") {
            Some(text) => match text.parse() {
                Ok(jobs) if jobs > 0 => jobs,
                _ => bail!("JOBS={text} is not a positive number"),
            },
            None => std::thread::available_parallelism().map_or(1, usize::from),
        };
        Ok(Self { repo, cache, build, kdir, jobs, verbose })
    }

    /// Where downloaded packages are kept.
    pub fn downloads(&self) -> PathBuf {
        self.cache.join("downloads")
    }

    /// Where the object directories of the user's own kernel trees are.
    pub fn kdir_objects(&self) -> PathBuf {
        self.build.join("kdir")
    }

    /// Where the full log of a long step goes.
    ///
    /// # Errors
    ///
    /// The directory of the logs cannot be created.
    pub fn log(&self, step: &str) -> Result<PathBuf> {
        let dir = self.build.join("logs");
        create_dir(&dir)?;
        Ok(dir.join(format!("{step}.log")))
    }
}

/// Refuses a directory that make cannot handle, before anything is done with it.
fn refuse_odd(what: &str, dir: &Path) -> Result<()> {
    if dir.to_string_lossy().contains(|c: char| c.is_whitespace() || c == ':') {
        bail!("{what} is {}: kbuild takes no path with a space or a colon", dir.display());
    }
    Ok(())
}

/// The files and directories below `dir` as git would see them, whatever is ignored above the checkout or by the user.
///
/// Ignore rules count in a checkout that is no git repository too, such as an unpacked archive.
pub fn walk(dir: &Path) -> Walk {
    WalkBuilder::new(dir)
        .hidden(false)
        .require_git(false)
        .parents(false)
        .git_global(false)
        .git_exclude(false)
        .filter_entry(|entry| entry.file_name() != ".git")
        .build()
}

/// Creates a directory and its parents, naming it when that fails.
///
/// # Errors
///
/// The directory does not exist and cannot be created.
pub fn create_dir(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))
}

/// Removes a directory with everything in it, if it is there, and says whether it was.
///
/// # Errors
///
/// The directory is there and cannot be removed.
pub fn remove_dir(dir: &Path) -> Result<bool> {
    match fs::remove_dir_all(dir) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("cannot remove {}", dir.display())),
    }
}

/// A name for a directory that is readable and differs between two directories of one machine.
///
/// `tools/bootstrap.sh` forms the same name for the checkout.
pub fn name_for(dir: &Path) -> String {
    let plain = |byte: &u8| if byte.is_ascii_alphanumeric() || b"._-".contains(byte) { char::from(*byte) } else { '_' };
    let base: String = dir.file_name().unwrap_or_default().as_encoded_bytes().iter().map(plain).collect();
    let hash = hex(&Sha256::digest(dir.as_os_str().as_encoded_bytes()));
    format!("{base}-{}", &hash[..8])
}

/// Lower-case hexadecimal digits of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |digits, byte| digits + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkouts_of_the_same_base_name_get_different_names() {
        let one = name_for(Path::new("/a/linux"));
        let two = name_for(Path::new("/b/linux"));
        assert!(one.starts_with("linux-") && two.starts_with("linux-"));
        assert_ne!(one, two);
    }

    #[test]
    fn a_name_has_no_character_that_make_or_a_search_path_takes_apart() {
        assert!(name_for(Path::new("/a/my linux: a\u{e9}$")).starts_with("my_linux__a___-"));
        assert!(name_for(Path::new("/a/linux-7.3_x")).starts_with("linux-7.3_x-"));
    }

    #[test]
    fn a_directory_that_make_cannot_handle_is_refused_by_name() {
        for dir in ["/a b/c", "/a/b:c"] {
            let error = refuse_odd("BUILD=", Path::new(dir)).unwrap_err().to_string();
            assert!(error.contains("BUILD=") && error.contains(dir), "{error}");
        }
        refuse_odd("BUILD=", Path::new("/a/b-c_7.3")).unwrap();
    }

    #[test]
    fn hex_pads_small_bytes() {
        assert_eq!(hex(&[0, 10, 255]), "000aff");
    }
}
