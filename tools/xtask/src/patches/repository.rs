// SPDX-License-Identifier: GPL-2.0
//! A git repository with no more of the kernel in it than the patches touch.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::progress::output;
use crate::project::{create_dir, remove_dir};

/// Who makes the patches, and when.
#[derive(Clone, Debug)]
pub struct Author {
    name: String,
    email: String,
    date: String,
}

impl Author {
    /// The author that git knows in the checkout, or else that of its last commit; and the time of that commit, so
    /// that the same checkout makes the same patches.
    ///
    /// # Errors
    ///
    /// git does not know anybody.
    pub fn find(repo: &Path) -> Result<Self> {
        let git = |arguments: &[&str]| output(Command::new("git").arg("-C").arg(repo).args(arguments));
        let last = git(&["log", "-1", "--format=%an%n%ae%n%aI"]);
        let last = last.context("the checkout is no git repository, so it is not known whose patches these are")?;
        let [name, email, date] = last.lines().collect::<Vec<_>>()[..] else {
            bail!("git does not tell the author of the last commit");
        };
        let known = |key: &str, other: &str| {
            git(&["config", key]).map_or_else(|_| other.to_owned(), |value| value.trim().to_owned())
        };
        Ok(Self { name: known("user.name", name), email: known("user.email", email), date: date.to_owned() })
    }

    /// The line with which the author vouches for a patch.
    pub fn sign_off(&self) -> String {
        format!("Signed-off-by: {} <{}>", self.name, self.email)
    }
}

/// The repository.
#[derive(Debug)]
pub struct Repository {
    dir: PathBuf,
    author: Author,
}

impl Repository {
    /// Makes an empty one in `dir`, in place of what is there.
    ///
    /// # Errors
    ///
    /// The directory cannot be made anew, or there is no git.
    pub fn new(dir: &Path, author: Author) -> Result<Self> {
        remove_dir(dir)?;
        create_dir(dir)?;
        let repository = Self { dir: dir.to_path_buf(), author };
        repository.git(&["init", "--quiet", "--initial-branch=base"])?;
        Ok(repository)
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Runs git there, whatever the user has configured.
    ///
    /// # Errors
    ///
    /// git fails; the message has what it said.
    pub fn git(&self, arguments: &[&str]) -> Result<String> {
        let Author { name, email, date } = &self.author;
        let mut command = Command::new("git");
        command.current_dir(&self.dir).args(arguments);
        for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
            command.env_remove(variable);
        }
        for (role, date) in [("AUTHOR", Some(date)), ("COMMITTER", Some(date))] {
            command.env(format!("GIT_{role}_NAME"), name).env(format!("GIT_{role}_EMAIL"), email);
            command.envs(date.map(|date| (format!("GIT_{role}_DATE"), date)));
        }
        output(command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1").env("LC_ALL", "C"))
    }

    /// Writes a file, or removes it if it has no text.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn write(&self, file: &str, text: Option<&str>) -> Result<()> {
        write(&self.dir, file, text)
    }

    /// Commits what was written and says which commit that is.
    ///
    /// # Errors
    ///
    /// There is nothing to commit.
    pub fn commit(&self, message: &str) -> Result<String> {
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "--message", message])?;
        self.head()
    }

    /// The commit that is checked out.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn head(&self) -> Result<String> {
        Ok(self.git(&["rev-parse", "HEAD"])?.trim().to_owned())
    }

    /// Applies a mail with a patch and says which commit that is.
    ///
    /// # Errors
    ///
    /// It does not apply.
    pub fn am(&self, mail: &Path) -> Result<String> {
        let name = mail.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let path = mail.to_str().context("a path that is no text")?;
        self.git(&["am", "--quiet", "--committer-date-is-author-date", path])
            .with_context(|| format!("{name} does not apply"))?;
        self.head()
    }

    /// Writes the commits of a range as mails into `dir`, with a letter that introduces them.
    ///
    /// # Errors
    ///
    /// git fails.
    pub fn format(&self, range: &str, dir: &Path, subject: &str, text: &str) -> Result<Vec<PathBuf>> {
        create_dir(dir)?;
        let to = dir.to_str().context("a path that is no text")?;
        let arguments = ["--no-signature", "--zero-commit", "--numbered", "--cover-letter", "--quiet", "-o", to, range];
        self.git(&[&["format-patch"], &arguments[..]].concat())?;
        let mut mails: Vec<PathBuf> = fs::read_dir(dir)?.flatten().map(|entry| entry.path()).collect();
        mails.sort();
        let cover = mails.first().context("git has written no patch")?;
        let letter = fs::read_to_string(cover)?;
        let (subjects, blurbs) = ("*** SUBJECT HERE ***", "*** BLURB HERE ***");
        ensure!(letter.contains(subjects) && letter.contains(blurbs), "git writes covers in a way that is not known");
        fs::write(cover, letter.replace(subjects, subject).replace(blurbs, text.trim()))?;
        Ok(mails)
    }
}

/// Writes a file below `dir`, or removes it if it has no text. Another file that is the same one on the disk stays.
///
/// # Errors
///
/// It cannot be written.
pub fn write(dir: &Path, file: &str, text: Option<&str>) -> Result<()> {
    let path = dir.join(file);
    let failed = || format!("cannot write {}", path.display());
    if fs::symlink_metadata(&path).is_ok() {
        fs::remove_file(&path).with_context(failed)?;
    }
    if let Some(text) = text {
        create_dir(path.parent().unwrap_or(dir))?;
        fs::write(&path, text).with_context(failed)?;
    }
    Ok(())
}

/// The files that a patch changes.
pub fn touched(patch: &str) -> Vec<String> {
    let named = |line: &str| {
        let name = line.strip_prefix("--- a/").or(line.strip_prefix("+++ b/"))?;
        Some(name.split('\t').next()?.to_owned())
    };
    let mut files: Vec<String> = patch.lines().filter_map(named).collect();
    files.sort();
    files.dedup();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(dir: &Path) -> Repository {
        let author = Author { name: "A".into(), email: "a@b.example".into(), date: "2026-01-01T00:00:00Z".into() };
        Repository::new(&dir.join("r"), author).unwrap()
    }

    #[test]
    fn what_is_committed_can_be_mailed_and_applied() {
        let dir = tempfile::tempdir().unwrap();
        let repository = repository(dir.path());
        repository.write("d/k", Some("a\n")).unwrap();
        let base = repository.commit("base").unwrap();
        repository.write("d/k", Some("a\nb\n")).unwrap();
        let made = repository.commit("area: add b\n\nWhy.\n").unwrap();
        let mails = repository.format(&format!("{base}..{made}"), &dir.path().join("m"), "what", "why").unwrap();
        assert_eq!(mails.len(), 2);
        let cover = fs::read_to_string(&mails[0]).unwrap();
        assert!(cover.contains("Subject: [PATCH 0/1] what") && cover.contains("\nwhy\n"), "{cover}");
        repository.git(&["checkout", "--quiet", "-b", "again", &base]).unwrap();
        assert_eq!(repository.am(&mails[1]).unwrap(), made, "the same patch makes the same commit");
    }

    #[test]
    fn a_patch_that_does_not_apply_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let repository = repository(dir.path());
        repository.write("k", Some("a\n")).unwrap();
        repository.commit("base").unwrap();
        let mail = dir.path().join("0001-x.patch");
        fs::write(
            &mail,
            "From: A <a@b.example>\nDate: Thu, 1 Jan 2026 00:00:00 +0000\nSubject: x\n\n---\n\
            --- a/k\n+++ b/k\n@@ -1 +1 @@\n-z\n+y\n",
        )
        .unwrap();
        let error = format!("{:#}", repository.am(&mail).unwrap_err());
        assert!(error.starts_with("0001-x.patch does not apply"), "{error}");
    }

    #[test]
    fn a_file_that_is_shared_with_another_tree_is_not_changed_there() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("one"), "a").unwrap();
        fs::hard_link(dir.path().join("one"), dir.path().join("two")).unwrap();
        write(dir.path(), "two", Some("b")).unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("one")).unwrap(), "a");
    }

    #[test]
    fn a_patch_names_its_files() {
        let patch = "--- a/x\n+++ b/x\n@@\n--- a/old\n+++ /dev/null\n";
        assert_eq!(touched(patch), ["old", "x"]);
    }
}
