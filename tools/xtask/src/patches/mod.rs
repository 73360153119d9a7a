// SPDX-License-Identifier: GPL-2.0
//! `make patches`: the overlay as patches that can be mailed, and as many proofs that they are right as can be had
//! without sending them.

mod build;
mod manifest;
mod parts;
mod removal;
mod repository;
mod style;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use self::manifest::{FILE, Manifest, Patch};
use self::parts::{Origin, Parts, Sources};
use self::repository::{Author, Repository};
use crate::kernel::Workshop;
use crate::overlay::{Overlay, our_files};
use crate::progress::say;
use crate::project::{create_dir, remove_dir, variable};

/// Where patches for C are, from the root of the checkout.
const C: &str = "patches/c";

/// The kernel's list of who looks after what.
const MAINTAINERS: &str = "MAINTAINERS";

/// Everything that is needed to make the patches.
struct Plan<'a> {
    workshop: &'a Workshop,
    manifest: Manifest,
    parts: Parts,
    /// Patches that are there as files: by their number, their path and text.
    mails: BTreeMap<usize, (PathBuf, String)>,
    /// By the number of each patch that does what the overlay does not: the files that it changes.
    further: BTreeMap<usize, Vec<String>>,
    /// Files of the kernel that only those patches touch.
    others: BTreeMap<String, String>,
}

/// A patch as it was committed.
struct Commit {
    subject: String,
    hash: String,
}

/// Makes the patches, checks them, and says where they are; `false` if a check has found something.
///
/// # Errors
///
/// The manifest is not right, the patches cannot be made, or they do not come to what the overlay is.
pub fn make(workshop: Workshop) -> Result<bool> {
    let plan = Plan::new(&workshop)?;
    let out = workshop.project.build.join("patches");
    for dir in ["all", "series", "c", "repository"] {
        remove_dir(&out.join(dir))?;
    }
    let author = Author::find(&workshop.project.repo)?;
    let repository = Repository::new(&out.join("repository"), author.clone())?;
    let base = plan.base(&repository)?;
    let commits = plan.commit(&repository, &author)?;
    say(&format!("{} patches in {} series make up the overlay", commits.len(), plan.manifest.series.len()));

    let all = plan.mails(&repository, &base, &commits, &out)?;
    plan.apply(&repository, &base, &all)?;
    say("they apply one after the other with git am, and what they come to is the overlay, to the byte");
    let for_c = plan.for_c(&repository, &base, &out)?;
    say(&format!("the {} patches for C apply with git am", for_c.len() - 1));

    say("asking checkpatch");
    let patches: Vec<PathBuf> = all.iter().skip(1).chain(for_c.iter().skip(1)).cloned().collect();
    let tree = &workshop.tree.root;
    let findings = style::findings(tree, &patches, workshop.project.jobs)?;
    findings.iter().for_each(|finding| println!("{finding}"));
    say(&format!("checkpatch --strict has {} complaints", findings.len()));
    plan.recipients(&out)?;
    say(&format!("who is to get them is in {}", out.join("recipients.txt").display()));
    say(&format!("all in one: {}", out.join("all").display()));
    say(&format!("for each subsystem: {}", out.join("series").display()));
    say(&format!("for C: {}", out.join("c").display()));
    let is_clean = findings.is_empty();
    if variable("BUILD_EACH").is_some_and(|value| value != "0") {
        let (built, tally) = build::each(workshop, &repository, &base, &commits)?;
        say(&format!(
            "the kernel builds after {built} of the {} patches, the first and the last among them",
            commits.len()
        ));
        return Ok(is_clean && tally.failed == 0);
    }
    Ok(is_clean)
}

/// What `make check` wants of the manifest: that each part of the overlay is in one patch, and has a maintainer.
///
/// # Errors
///
/// The overlay cannot be read.
pub fn check(workshop: &Workshop) -> Result<Vec<String>> {
    let sources = sources(workshop)?;
    let parts = Manifest::read(&workshop.project.repo).and_then(|manifest| Parts::new(&manifest, &sources));
    let mut findings: Vec<String> = parts.err().map(|error| format!("{FILE}: {error:#}")).into_iter().collect();
    let insertions = Overlay::new(&workshop.project.repo, &workshop.tree.root).insertions()?;
    let entries = insertions.iter().filter(|insert| insert.file == MAINTAINERS).flat_map(|insert| &insert.lines);
    let entries: Vec<&str> = entries.map(String::as_str).collect();
    let is_ours = |lines: &[(String, Origin)]| lines.iter().any(|(_, origin)| matches!(origin, Origin::Ours));
    let ours = sources.iter().filter(|(_, lines)| is_ours(lines)).map(|(file, _)| file.as_str());
    let tell = |file: &str| format!("{file}: no entry that overlay.toml inserts into {MAINTAINERS} names it");
    findings.extend(style::unmaintained(ours, &entries).into_iter().map(tell));
    Ok(findings)
}

/// All that the overlay adds and changes.
fn sources(workshop: &Workshop) -> Result<Sources> {
    let (repo, tree) = (&workshop.project.repo, &workshop.tree.root);
    let mut sources = Sources::new();
    for file in our_files(repo, tree)? {
        let text = fs::read_to_string(repo.join(&file)).with_context(|| format!("cannot read {}", file.display()))?;
        let lines = text.lines().map(|line| (line.to_owned(), Origin::Ours)).collect();
        sources.insert(file.to_string_lossy().into_owned(), lines);
    }
    let overlay = Overlay::new(repo, tree);
    let insertions = overlay.insertions()?;
    for insert in &insertions {
        if !sources.contains_key(&insert.file) {
            let lines = overlay.origins(&insert.file, &insertions)?.into_iter();
            let origin = |number: Option<usize>| number.map_or(Origin::Kernel, Origin::Insertion);
            sources.insert(insert.file.clone(), lines.map(|(line, number)| (line, origin(number))).collect());
        }
    }
    Ok(sources)
}

impl<'a> Plan<'a> {
    fn new(workshop: &'a Workshop) -> Result<Self> {
        let repo = &workshop.project.repo;
        let manifest = Manifest::read(repo)?;
        let parts = Parts::new(&manifest, &sources(workshop)?).context(FILE)?;
        let mut mails = BTreeMap::new();
        for (number, patch) in manifest.patches().enumerate() {
            if let Some(from) = &patch.from {
                let path = repo.join("patches").join(from);
                let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
                mails.insert(number, (path, text));
            }
        }
        let (further, others) = (BTreeMap::new(), BTreeMap::new());
        let mut plan = Self { workshop, manifest, parts, mails, further, others };
        plan.further = plan.further()?;
        plan.order()?;
        plan.others = plan.others()?;
        Ok(plan)
    }

    /// What the patches change that do what the overlay does not.
    fn further(&self) -> Result<BTreeMap<usize, Vec<String>>> {
        let mut further = BTreeMap::new();
        for (number, patch) in self.manifest.patches().enumerate().filter(|(_, patch)| patch.goes_further()) {
            let mut files: Vec<String> = match self.mails.get(&number) {
                Some((_, text)) => repository::touched(text),
                None => removal::files(&self.workshop.tree.root, patch)?,
            };
            files.extend(patch.cut.keys().cloned());
            further.insert(number, files);
        }
        Ok(further)
    }

    /// Such a patch must be behind all that the overlay does to the files that it changes.
    fn order(&self) -> Result<()> {
        let subjects: Vec<&str> = self.manifest.patches().map(|patch| patch.subject.as_str()).collect();
        for (number, files) in &self.further {
            for file in files {
                let mut later = number + 1..subjects.len();
                let changes = later.find(|&later| self.parts.changed(later).any(|other| other == file));
                let name = self.mails.get(number).map_or(subjects[*number].to_owned(), |(path, _)| name(path));
                ensure!(changes.is_none(), "{name}: a later patch changes {file}, too");
            }
        }
        Ok(())
    }

    /// Reads what only those patches change, and those for C.
    fn others(&self) -> Result<BTreeMap<String, String>> {
        let mut files: Vec<String> = self.further.values().flatten().cloned().collect();
        for path in mails_of(&self.workshop.project.repo.join(C))? {
            files.extend(repository::touched(&fs::read_to_string(&path)?));
        }
        let ours: Vec<&str> = self.parts.files().collect();
        let mut others = BTreeMap::new();
        for file in files {
            let path = self.workshop.tree.root.join(&file);
            if !ours.contains(&file.as_str()) && path.is_file() {
                others.insert(file, fs::read_to_string(&path)?);
            }
        }
        Ok(others)
    }

    /// Commits the kernel's files as they are without the overlay.
    fn base(&self, repository: &Repository) -> Result<String> {
        for file in self.parts.files() {
            repository.write(file, self.parts.pristine(file).as_deref())?;
        }
        for (file, text) in &self.others {
            repository.write(file, Some(text))?;
        }
        repository.commit(&format!("Linux {}", self.workshop.tree.version))
    }

    /// Commits patch after patch.
    fn commit(&self, repository: &Repository, author: &Author) -> Result<Vec<Commit>> {
        repository.git(&["checkout", "--quiet", "-b", "series"])?;
        let mut commits = Vec::new();
        for (number, patch) in self.manifest.patches().enumerate() {
            let hash = match self.mails.get(&number) {
                Some((path, _)) => repository.am(path)?,
                None => {
                    for file in self.parts.changed(number) {
                        repository.write(file, self.parts.text(file, number).as_deref())?;
                    }
                    self.remove(number, patch, repository)?;
                    let message = format!("{}\n\n{}\n\n{}\n", patch.subject, patch.body.trim(), author.sign_off());
                    repository.commit(&message).with_context(|| format!("cannot commit `{}`", patch.subject))?
                }
            };
            let subject = repository.git(&["log", "-1", "--format=%s"])?.trim().to_owned();
            commits.push(Commit { subject, hash });
        }
        Ok(commits)
    }

    /// Removes what a patch removes.
    fn remove(&self, number: usize, patch: &Patch, repository: &Repository) -> Result<()> {
        for file in self.further.get(&number).into_iter().flatten() {
            let text = match patch.cut.get(file) {
                None => None,
                Some(lines) => {
                    let text = fs::read_to_string(repository.dir().join(file))?;
                    Some(removal::cut(&text, lines).with_context(|| format!("`{}`: {file}", patch.subject))?)
                }
            };
            repository.write(file, text.as_deref())?;
        }
        Ok(())
    }

    /// Writes the mails: all in one, and each series by itself. Returns the former.
    fn mails(&self, repository: &Repository, base: &str, commits: &[Commit], out: &Path) -> Result<Vec<PathBuf>> {
        let last = &commits.last().context("there is no patch")?.hash;
        let mut overview = self.manifest.cover.text.trim().to_owned() + "\n";
        let count = self.manifest.series.len();
        let (mut start, mut next) = (base, 0);
        for (number, series) in self.manifest.series.iter().enumerate() {
            let first = next + 1;
            next += series.patch.len();
            let end = &commits.get(next - 1).context("a series has no patch")?.hash;
            let dir = out.join("series").join(format!("{}-{}", number + 1, series.name));
            let text = format!("{}\n\nThis is part {} of {count}.", series.cover.text.trim(), number + 1);
            repository.format(&format!("{start}..{end}"), &dir, &series.cover.subject, &text)?;
            overview += &format!("\n{first:2} to {next:2}: {}", series.cover.subject);
            start = end;
        }
        repository.format(&format!("{base}..{last}"), &out.join("all"), &self.manifest.cover.subject, &overview)
    }

    /// Applies the mails to the base anew, and compares what they come to with the overlay as it is applied.
    fn apply(&self, repository: &Repository, base: &str, mails: &[PathBuf]) -> Result<()> {
        repository.git(&["checkout", "--quiet", "-b", "applied", base])?;
        let applied: Vec<String> = mails.iter().skip(1).map(|mail| repository.am(mail)).collect::<Result<_>>()?;
        // What only the series does, and the overlay does not.
        for commit in self.further.keys().rev().filter_map(|&number| applied.get(number)) {
            repository.git(&["revert", "--no-commit", commit])?;
        }
        let (repo, tree) = (&self.workshop.project.repo, &self.workshop.tree.root);
        let mut expected: BTreeMap<String, PathBuf> = BTreeMap::new();
        for file in our_files(repo, tree)? {
            expected.insert(file.to_string_lossy().into_owned(), repo.join(file));
        }
        let insertions = Overlay::new(repo, tree).insertions()?;
        for file in insertions.iter().map(|insert| &insert.file).chain(self.others.keys()) {
            expected.insert(file.clone(), tree.join(file));
        }
        for (file, path) in &expected {
            let is_same = fs::read(repository.dir().join(file)).ok() == fs::read(path).ok();
            ensure!(is_same, "{file} is not what the overlay makes of it after the last patch");
        }
        let listed = repository.git(&["ls-files"])?;
        if let Some(other) = listed.lines().find(|file| !expected.contains_key(*file)) {
            bail!("the patches make {other}, which the overlay does not have");
        }
        repository.git(&["reset", "--quiet", "--hard"])?;
        Ok(())
    }

    /// Applies the patches for C to the kernel and writes them as mails that belong together.
    fn for_c(&self, repository: &Repository, base: &str, out: &Path) -> Result<Vec<PathBuf>> {
        repository.git(&["checkout", "--quiet", "-b", "c", base])?;
        for mail in mails_of(&self.workshop.project.repo.join(C))? {
            repository.am(&mail)?;
        }
        let readme = fs::read_to_string(self.workshop.project.repo.join(C).join("README.rst"))?;
        let text = readme.split_once("\n\n").map_or("", |(_, rest)| rest);
        repository.format(
            &format!("{base}..c"),
            &out.join("c"),
            "virtio, blk-mq, um: what a device or a race can break",
            text,
        )
    }

    /// Writes who is to get which patch.
    fn recipients(&self, out: &Path) -> Result<()> {
        let mut text = String::new();
        let mut series: Vec<PathBuf> = fs::read_dir(out.join("series"))?.flatten().map(|entry| entry.path()).collect();
        series.sort();
        for dir in series.into_iter().chain([out.join("c")]) {
            for patch in mails_of(&dir)?.iter().filter(|patch| !name(patch).starts_with("0000-")) {
                text += &format!("{}/{}\n", name(&dir), name(patch));
                for recipient in style::recipients(&self.workshop.tree.root, patch)? {
                    text += &format!("    {recipient}\n");
                }
            }
        }
        create_dir(out)?;
        fs::write(out.join("recipients.txt"), text).context("cannot write the list of recipients")
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The mails in a directory, in order.
fn mails_of(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let is_mail = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "patch");
    let mut mails: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_mail).collect();
    mails.sort();
    Ok(mails)
}
