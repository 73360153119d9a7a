// SPDX-License-Identifier: GPL-2.0
//! Which QEMU boots the test kernels: the one that the user names, the system's, or, where that one is known to crash
//! guests, a newer one of the distribution, fetched but not installed.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use vm::qemu;

use crate::archive::{self, Wanted};
use crate::progress::{output, say};
use crate::project::{Project, create_dir, remove_dir, variable};
use crate::setup::Release;
use crate::toolchain::{Version, which};

/// The program, wherever it comes from.
const PROGRAM: &str = "qemu-system-x86_64";

/// What serves disks to it from a process of its own.
const STORAGE_DAEMON: &str = "qemu-storage-daemon";

/// The packages of Debian's backports that are a whole QEMU for our machines. The libraries that they need are those
/// of the release's own package, which set-up installs. QEMU looks for a module that it lacks among the system's, and
/// ends when that one is of another QEMU, so modules that nobody needs are here too.
const PACKAGES: &[&str] = &[
    "qemu-system-x86",
    "qemu-system-common",
    "qemu-system-data",
    "qemu-system-modules-opengl",
    "qemu-system-modules-spice",
    "qemu-utils",
    "seabios",
];

/// How long an attempt to fetch it is remembered that failed, so that work without network does not wait every time.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// The QEMU to use: a path, or a name to be looked for in `PATH`.
pub fn choice(project: &Project) -> PathBuf {
    let system = which(PROGRAM).and_then(|path| Some((qemu::version(&path).ok()?, path)));
    choose(variable("QEMU"), system, || fetched(&tools(project)))
}

/// Prefers what the user names, then what does not crash guests. `system` is its version and its path.
fn choose(
    named: Option<String>,
    system: Option<(String, PathBuf)>,
    fetched: impl FnOnce() -> Option<PathBuf>,
) -> PathBuf {
    if let Some(named) = named {
        return named.into();
    }
    match system {
        Some((version, path)) if !qemu::tears_code(&version) => path,
        Some((_, path)) => fetched().unwrap_or(path),
        None => fetched().unwrap_or_else(|| PROGRAM.into()),
    }
}

/// The newest of those that were fetched to the directory `tools`.
fn fetched(tools: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(tools).ok()?;
    let program = |dir: PathBuf| Some((version_in(&dir)?, dir.join("bin").join(PROGRAM)));
    let found = entries.flatten().filter_map(|entry| program(entry.path()));
    found.filter(|(_, path)| path.is_file()).max().map(|(_, path)| path)
}

/// The version in the name of a directory such as `qemu-10.0.2`.
fn version_in(dir: &Path) -> Option<Version> {
    Version::find(dir.file_name()?.to_str()?.strip_prefix("qemu-")?)
}

fn tools(project: &Project) -> PathBuf {
    project.cache.join("tools")
}

/// Left where the last attempt failed.
fn failure(project: &Project) -> PathBuf {
    tools(project).join("qemu.not-fetched")
}

/// Lets the next [`ensure`] try again, whatever happened last.
pub fn forget_failure(project: &Project) {
    // Most often there is none.
    let _ = fs::remove_file(failure(project));
}

/// Fetches a newer QEMU where the system's crashes guests and the distribution has another. Goes on with the old one,
/// and says so, where that cannot be done.
///
/// # Errors
///
/// The directory of the tools cannot be made.
pub fn ensure(project: &Project) -> Result<()> {
    let chosen = choice(project);
    let tears_code = || qemu::version(&chosen).is_ok_and(|version| qemu::tears_code(&version));
    if variable("QEMU").is_some() || Release::detect() != Some(Release::Bookworm) || !tears_code() {
        return Ok(());
    }
    let note = failure(project);
    let age = fs::metadata(&note).and_then(|meta| meta.modified()).ok().and_then(|time| time.elapsed().ok());
    if age.is_some_and(|age| age < PATIENCE) {
        return Ok(());
    }
    create_dir(&tools(project))?;
    match fetch(project) {
        Ok(dir) => say(&format!("QEMU {} is in {}", version_in(&dir).unwrap_or(Version(0, 0, 0)), dir.display())),
        Err(error) => {
            fs::write(&note, format!("{error:#}\n")).with_context(|| format!("cannot write {}", note.display()))?;
            say(&format!("going on with {}, which may crash a guest at boot: {error:#}", chosen.display()));
        }
    }
    Ok(())
}

fn fetch(project: &Project) -> Result<PathBuf> {
    // Made beside its final place and renamed at the end, so that nobody sees half of it.
    let scratch = tempfile::Builder::new().prefix(".qemu-").tempdir_in(tools(project))?;
    let wanted = Wanted { what: "a newer QEMU", megabytes: 16, suite: "bookworm-backports", packages: PACKAGES };
    let root = scratch.path().join("root");
    for package in archive::download(project, &wanted, scratch.path())? {
        archive::unpack(&package, &root)?;
    }
    let version = arrange(&root)?;
    let place = tools(project).join(format!("qemu-{version}"));
    // Another checkout may have been quicker, and its machines may be running.
    if !place.exists() {
        fs::rename(&root, &place).with_context(|| format!("cannot create {}", place.display()))?;
    }
    Ok(place)
}

/// Makes programs in `bin` of what was unpacked below `root`, sees them run, and returns their version.
fn arrange(root: &Path) -> Result<Version> {
    let libraries = fs::read_dir(root.join("usr/lib")).context("the packages hold no modules of QEMU")?;
    let modules = libraries.flatten().find(|entry| entry.path().join("qemu").is_dir());
    let modules = modules.context("the packages hold no modules of QEMU")?.file_name();
    let bin = root.join("bin");
    create_dir(&bin)?;
    let program = bin.join(PROGRAM);
    fs::write(&program, launcher(&modules.to_string_lossy()))?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    symlink(Path::new("../usr/bin").join(STORAGE_DAEMON), bin.join(STORAGE_DAEMON))?;
    output(Command::new(bin.join(STORAGE_DAEMON)).arg("--version"))?;
    // It tries every module.
    output(Command::new(&program).args(["-machine", "none", "-device", "help"]))?;
    let text = output(Command::new(&program).arg("--version"))?;
    // Documentation and icons, half of what there is.
    for unused in ["doc", "man", "icons", "lintian"] {
        remove_dir(&root.join("usr/share").join(unused))?;
    }
    match Version::find(&text) {
        Some(version) if !qemu::tears_code(&text) => Ok(version),
        _ => bail!("it is no newer: {}", text.lines().next().unwrap_or_default()),
    }
}

/// A program that starts QEMU with the data, firmware and modules that lie beside it, and not the system's.
fn launcher(triplet: &str) -> String {
    format!(
        "#!/bin/sh\n# Starts this QEMU with its own data, firmware and modules, wherever the directory is.\n\
         root=${{0%/bin/*}}\n\
         export QEMU_MODULE_DIR=\"$root/usr/lib/{triplet}/qemu\"\n\
         exec \"$root/usr/bin/{PROGRAM}\" -L \"$root/usr/share/qemu\" -L \"$root/usr/share/seabios\" \"$@\"\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "QEMU emulator version 7.2.22 (Debian 1:7.2)";
    const NEW: &str = "QEMU emulator version 8.1.0";

    #[test]
    fn a_newer_qemu_is_chosen_only_where_the_systems_crashes_guests() {
        let system = |version: &str| Some((version.to_owned(), "/usr/bin/q".into()));
        let fetched = || Some("/cache/q".into());
        for (named, system, chosen) in [
            (Some("mine".to_owned()), system(OLD), "mine"),
            (None, system(NEW), "/usr/bin/q"),
            (None, system(OLD), "/cache/q"),
            (None, None, "/cache/q"),
        ] {
            assert_eq!(choose(named, system, fetched), PathBuf::from(chosen));
        }
        assert_eq!(choose(None, system(OLD), || None), PathBuf::from("/usr/bin/q"));
        assert_eq!(choose(None, None, || None), PathBuf::from(PROGRAM));
    }

    #[test]
    fn the_newest_by_number_of_those_that_were_fetched_is_used() {
        let tools = tempfile::tempdir().unwrap();
        assert_eq!(fetched(tools.path()), None);
        for name in ["qemu-9.2.0", "qemu-10.0.2", "qemu-11.0.0", "bindgen-99.0.0", ".qemu-x"] {
            create_dir(&tools.path().join(name).join("bin")).unwrap();
        }
        for name in ["qemu-9.2.0", "qemu-10.0.2", "bindgen-99.0.0"] {
            fs::write(tools.path().join(name).join("bin").join(PROGRAM), "").unwrap();
        }
        assert_eq!(fetched(tools.path()), Some(tools.path().join("qemu-10.0.2/bin").join(PROGRAM)));
    }

    /// What the packages would unpack to, with programs that print `version`.
    fn unpacked(version: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for dir in ["usr/bin", "usr/lib/some-triplet/qemu", "usr/share/doc"] {
            create_dir(&root.path().join(dir)).unwrap();
        }
        for name in [PROGRAM, STORAGE_DAEMON] {
            let path = root.path().join("usr/bin").join(name);
            fs::write(&path, format!("#!/bin/sh\necho '{version}'\necho \"$QEMU_MODULE_DIR $*\"\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        root
    }

    #[test]
    fn a_qemu_that_was_unpacked_uses_its_own_files() {
        let root = unpacked(NEW);
        assert_eq!(arrange(root.path()).unwrap(), Version(8, 1, 0));
        let text = output(Command::new(root.path().join("bin").join(PROGRAM)).arg("-S")).unwrap();
        let dir = root.path().display();
        let expected = format!("{dir}/usr/lib/some-triplet/qemu -L {dir}/usr/share/qemu -L {dir}/usr/share/seabios -S");
        assert_eq!(text.lines().nth(1), Some(expected.as_str()));
        assert!(root.path().join("bin").join(STORAGE_DAEMON).is_file());
        assert!(!root.path().join("usr/share/doc").exists());
    }

    #[test]
    fn a_qemu_that_is_no_better_is_not_taken() {
        assert!(arrange(unpacked(OLD).path()).unwrap_err().to_string().contains("7.2.22"));
        assert!(arrange(tempfile::tempdir().unwrap().path()).is_err());
    }
}
