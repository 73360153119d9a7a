// SPDX-License-Identifier: GPL-2.0
//! `patches/series.toml`: which part of the overlay goes into which patch, and what the patches say.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

/// The file, from the root of the checkout.
pub const FILE: &str = "patches/series.toml";

/// The longest line of a message, as the kernel wants it.
const WIDTH: usize = 75;

/// More patches than these are not read at once.
const MOST_PATCHES: usize = 15;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What introduces the whole.
    pub cover: Cover,
    /// The series, in the order in which they build on each other.
    pub series: Vec<Series>,
}

/// A letter that introduces patches.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cover {
    /// The subject.
    pub subject: String,
    /// The text.
    pub text: String,
}

/// Patches that go to the same people.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Series {
    /// The name of its directory.
    pub name: String,
    /// What introduces it.
    pub cover: Cover,
    /// The patches.
    pub patch: Vec<Patch>,
}

/// A patch.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Patch {
    /// The first line of the message.
    pub subject: String,
    /// What follows.
    pub body: String,
    /// Files, or directories with a slash at the end. The longest name that fits a file decides; of a kernel file, all
    /// insertions are meant that no patch names by a line.
    pub files: Vec<String>,
    /// Insertions into kernel files, each named by one of its lines.
    pub insert: BTreeMap<String, Vec<String>>,
    /// Lines that come with this patch into a file that an earlier one has begun.
    pub lines: BTreeMap<String, Vec<String>>,
    /// Files of the kernel, or directories with a slash at the end, that it removes. The overlay keeps them.
    pub remove: Vec<String>,
    /// Lines that it takes out of other files: of each one that is there once. The overlay keeps them, too.
    pub cut: BTreeMap<String, Vec<String>>,
    /// A patch that is there as a file, from the directory of the manifest. It has its own message.
    pub from: Option<String>,
}

impl Manifest {
    /// Reads the manifest of a checkout.
    ///
    /// # Errors
    ///
    /// It cannot be read, or a message is not as the kernel wants it.
    pub fn read(repo: &Path) -> Result<Self> {
        let path = repo.join(FILE);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let manifest: Self = toml::from_str(&text).with_context(|| format!("{FILE} is not right"))?;
        manifest.check().context(FILE)?;
        Ok(manifest)
    }

    /// The patches of all series, in order.
    pub fn patches(&self) -> impl Iterator<Item = &Patch> {
        self.series.iter().flat_map(|series| &series.patch)
    }

    fn check(&self) -> Result<()> {
        for series in &self.series {
            let is_name = series.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            ensure!(is_name && !series.name.is_empty(), "`{}` is no name for a directory", series.name);
            let count = series.patch.len();
            ensure!(
                count <= MOST_PATCHES,
                "{} has {count} patches: more than {MOST_PATCHES} nobody reads",
                series.name
            );
            series.patch.iter().try_for_each(Patch::check)?;
        }
        Ok(())
    }
}

impl Patch {
    /// Whether it does what the overlay does not.
    pub fn goes_further(&self) -> bool {
        self.from.is_some() || !self.remove.is_empty()
    }

    fn check(&self) -> Result<()> {
        let adds = !(self.files.is_empty() && self.insert.is_empty() && self.lines.is_empty());
        let has_parts = adds || !self.remove.is_empty();
        if let Some(from) = &self.from {
            let is_alone = !has_parts && self.subject.is_empty() && self.body.is_empty();
            ensure!(is_alone, "{from}: a patch that is there as a file has everything else in it");
            return Ok(());
        }
        let subject = &self.subject;
        ensure!(has_parts, "`{subject}` has nothing in it");
        ensure!(!adds || self.remove.is_empty(), "`{subject}` removes, so it cannot add");
        ensure!(self.cut.is_empty() || !self.remove.is_empty(), "`{subject}` cuts lines, but removes nothing");
        ensure!(subject.contains(": ") && !subject.ends_with('.'), "`{subject}` is not `area: what it does`");
        ensure!(!self.body.trim().is_empty(), "`{subject}` does not say why");
        if let Some(line) = self.body.lines().chain([subject.as_str()]).find(|line| line.chars().count() > WIDTH) {
            bail!("`{subject}` has a line of more than {WIDTH} characters: {line}");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(text: &str) -> Result<()> {
        let head = "cover = { subject = \"s\", text = \"t\" }\n[[series]]\nname = \"n\"\n\
                    cover = { subject = \"s\", text = \"t\" }\n[[series.patch]]\n";
        toml::from_str::<Manifest>(&format!("{head}{text}"))?.check()
    }

    #[test]
    fn a_patch_says_what_and_why() {
        patch("subject = \"a: b\"\nbody = \"c\"\nfiles = [\"f\"]").unwrap();
        patch("from = \"x.patch\"").unwrap();
        patch("subject = \"a: b\"\nbody = \"c\"\nremove = [\"f\"]\ncut = { g = [\"h\"] }").unwrap();
    }

    #[test]
    fn a_patch_that_does_not_is_refused() {
        for text in [
            "subject = \"no area\"\nbody = \"c\"\nfiles = [\"f\"]",
            "subject = \"a: b.\"\nbody = \"c\"\nfiles = [\"f\"]",
            "subject = \"a: b\"\nbody = \"\"\nfiles = [\"f\"]",
            "subject = \"a: b\"\nbody = \"c\"",
            "subject = \"a: b\"\nfrom = \"x.patch\"",
            "subject = \"a: b\"\nbody = \"c\"\nfiles = [\"e\"]\nremove = [\"f\"]",
            "subject = \"a: b\"\nbody = \"c\"\nfiles = [\"e\"]\ncut = { g = [\"h\"] }",
            "subject = \"a: b\"\nbody = \"c\"\nfiles = [\"f\"]\nextra = 1",
        ] {
            assert!(patch(text).is_err(), "{text}");
        }
        let long = format!("subject = \"a: b\"\nbody = \"{}\"\nfiles = [\"f\"]", "x".repeat(WIDTH + 1));
        assert!(patch(&long).unwrap_err().to_string().contains("more than 75"));
    }
}
