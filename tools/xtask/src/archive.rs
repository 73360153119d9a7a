// SPDX-License-Identifier: GPL-2.0
//! Packages of Debian's archive that are fetched but not installed, with apt's own means and lists of our own, so that
//! the system's configuration stays as it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::progress::{Step, output};
use crate::project::{Project, create_dir};
use crate::setup;

/// What is to be fetched.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// What the reader is told it is.
    pub what: &'a str,
    /// About how much is downloaded, in MB.
    pub megabytes: u32,
    /// The suite that has it.
    pub suite: &'a str,
    /// The packages, by name.
    pub packages: &'a [&'a str],
}

/// Downloads the newest version of each package from the mirror that the system uses already.
///
/// `scratch` is an empty directory; the packages are files below it.
///
/// # Errors
///
/// apt knows no mirror, cannot reach it, or does not find a package there.
pub fn download(project: &Project, wanted: &Wanted<'_>, scratch: &Path) -> Result<Vec<PathBuf>> {
    let mirror = mirror(project)?;
    let keyring = ["gpg", "pgp"]
        .map(|kind| PathBuf::from(format!("/usr/share/keyrings/debian-archive-keyring.{kind}")))
        .into_iter()
        .find(|path| path.is_file())
        .context("the Debian archive keyring is missing: install debian-archive-keyring")?;
    let dir = &scratch.join("apt");
    for sub in ["lists/partial", "cache/archives/partial"] {
        create_dir(&dir.join(sub))?;
    }
    let sources = dir.join("wanted.sources");
    fs::write(&sources, source(&mirror, wanted.suite, &keyring))?;
    let apt = |verb: &[&str]| {
        let mut command = Command::new("apt-get");
        command.current_dir(dir).env("LC_ALL", "C");
        for (option, value) in [
            ("Dir::Etc::sourcelist", sources.display().to_string()),
            ("Dir::Etc::sourceparts", "/dev/null".into()),
            ("Dir::State::lists", dir.join("lists").display().to_string()),
            ("Dir::Cache", dir.join("cache").display().to_string()),
            ("APT::Sandbox::User", "root".into()),
        ] {
            command.args(["-o", &format!("{option}={value}")]);
        }
        command.args(verb);
        command
    };
    let Wanted { what, megabytes, packages, .. } = wanted;
    let log = project.log("download")?;
    let step = |title: String, command: &mut Command| {
        Step { title: &title, log: &log, counts: None, expected: None }.run(command)
    };
    step(format!("reading the package list of {what}"), &mut apt(&["update"]))?;
    step(format!("downloading {what} (about {megabytes} MB)"), apt(&["download"]).args(*packages))?;
    let files = fs::read_dir(dir)?.flatten().map(|entry| entry.path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|kind| kind == "deb")).collect();
    files.sort();
    ensure!(files.len() == packages.len(), "apt-get did not download every package; log: {}", log.display());
    Ok(files)
}

/// Unpacks a package below `root`, without installing it.
///
/// # Errors
///
/// It is no package, or the disk is full.
pub fn unpack(package: &Path, root: &Path) -> Result<()> {
    output(Command::new("dpkg-deb").arg("-x").arg(package).arg(root)).map(drop)
}

/// A description of the archive for apt.
fn source(mirror: &str, suite: &str, keyring: &Path) -> String {
    let keyring = keyring.display();
    format!("Types: deb\nURIs: {mirror}\nSuites: {suite}\nComponents: main\nSigned-By: {keyring}\n")
}

/// The first mirror of Debian's main archive in the system's package configuration.
fn mirror(project: &Project) -> Result<String> {
    let known = || -> Result<Option<String>> {
        let targets = output(Command::new("apt-get").args([
            "indextargets",
            "--format",
            "$(REPO_URI)|$(ORIGIN)|$(LABEL)|$(COMPONENT)",
            "Created-By: Packages",
        ]))?;
        Ok(main_archive(&targets))
    };
    if let Some(mirror) = known()? {
        return Ok(mirror);
    }
    // apt knows an archive only after it has read its lists, which a fresh system may not have done.
    ensure!(
        setup::update_package_lists(project)?,
        "apt knows no Debian mirror; if its lists were never read, run: sudo apt-get update"
    );
    known()?.context("apt is not configured with a Debian mirror")
}

/// The first archive that may have more than what the system was installed from.
fn main_archive(targets: &str) -> Option<String> {
    let mut mains = targets.lines().filter_map(|line| line.strip_suffix("|Debian|Debian|main"));
    mains.find(|uri| !uri.starts_with("cdrom:")).map(str::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_main_archive_is_told_from_security_and_foreign_ones() {
        let targets =
            "a|Other|Other|main\nb|Debian|Debian-Security|main\nc|Debian|Debian|contrib\nd/|Debian|Debian|main\n";
        assert_eq!(main_archive(targets).as_deref(), Some("d/"));
        assert_eq!(main_archive("a|Other|Other|main\n"), None);
        assert_eq!(main_archive("cdrom:[x]/|Debian|Debian|main\nd/|Debian|Debian|main\n").as_deref(), Some("d/"));
    }

    #[test]
    fn apt_is_told_one_suite_and_whose_signature_it_has() {
        let text = source("http://mirror/debian/", "some-suite", Path::new("/k.gpg"));
        for line in ["URIs: http://mirror/debian/", "Suites: some-suite", "Signed-By: /k.gpg"] {
            assert!(text.lines().any(|l| l == line), "{line} is not in {text}");
        }
    }
}
