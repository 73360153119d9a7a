// SPDX-License-Identifier: GPL-2.0
//! The overlay line by line, each line with the patch that brings it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};

use super::manifest::{Manifest, Patch};

/// A line of a file.
#[derive(Clone, Debug)]
pub struct Line {
    text: String,
    /// The number of the patch; none if the kernel has the line on its own.
    patch: Option<usize>,
}

/// A line of a file before it is known which patch brings it.
#[derive(Clone, Debug)]
pub enum Origin {
    /// The kernel has it.
    Kernel,
    /// It is of a file of ours.
    Ours,
    /// It is of the insertion of this number.
    Insertion(usize),
}

/// All files that the overlay adds or changes, with all their lines.
pub type Sources = BTreeMap<String, Vec<(String, Origin)>>;

/// Who brings what.
#[derive(Debug)]
pub struct Parts {
    files: BTreeMap<String, Vec<Line>>,
}

impl Parts {
    /// Gives every line to the patch that the manifest gives it to.
    ///
    /// # Errors
    ///
    /// A line is given to no patch or to two, or the manifest names what is not there.
    pub fn new(manifest: &Manifest, sources: &Sources) -> Result<Self> {
        let patches: Vec<&Patch> = manifest.patches().collect();
        let mut used = BTreeSet::new();
        let mut files = BTreeMap::new();
        for (file, lines) in sources {
            files.insert(file.clone(), assign(file, lines, &patches, &mut used)?);
        }
        for (number, patch) in patches.iter().enumerate() {
            let named = patch.insert.keys().chain(patch.lines.keys());
            if let Some(file) = named.into_iter().find(|file| !sources.contains_key(*file)) {
                bail!("`{}` names {file}, which the overlay does not have", patch.subject);
            }
            if let Some(name) = patch.files.iter().find(|name| !used.contains(&(number, (*name).clone()))) {
                bail!("`{}` names {name}, which is nothing, or all of it is in other patches", patch.subject);
            }
        }
        Ok(Self { files })
    }

    /// The files that a patch changes.
    pub fn changed(&self, patch: usize) -> impl Iterator<Item = &str> {
        let is_changed = move |lines: &Vec<Line>| lines.iter().any(|line| line.patch == Some(patch));
        self.files.iter().filter(move |(_, lines)| is_changed(lines)).map(|(file, _)| file.as_str())
    }

    /// The text of a file once the patches up to this number are there; nothing if there is no such file yet.
    pub fn text(&self, file: &str, patch: usize) -> Option<String> {
        self.select(file, |of| of.is_none_or(|of| of <= patch))
    }

    /// The text of a file of the kernel without any patch; nothing for a file of ours.
    pub fn pristine(&self, file: &str) -> Option<String> {
        self.select(file, |of| of.is_none())
    }

    /// The files of the overlay and those of the kernel that it changes.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    fn select(&self, file: &str, is_there: impl Fn(Option<usize>) -> bool) -> Option<String> {
        let lines = self.files.get(file)?.iter().filter(|line| is_there(line.patch));
        let text: String = lines.flat_map(|line| [line.text.as_str(), "\n"]).collect();
        (!text.is_empty()).then_some(text)
    }
}

/// Gives the lines of one file to patches.
fn assign(
    file: &str,
    lines: &[(String, Origin)],
    patches: &[&Patch],
    used: &mut BTreeSet<(usize, String)>,
) -> Result<Vec<Line>> {
    let owner = owner(file, patches)?;
    if let Some((patch, name)) = &owner {
        used.insert((*patch, name.clone()));
    }
    let owner = owner.map(|(patch, _)| patch);
    let is_own = |origin: &Origin| !matches!(origin, Origin::Kernel);
    let mut given: Vec<Option<usize>> = vec![None; lines.len()];
    for (number, patch) in patches.iter().enumerate() {
        let mut ranges = Vec::new();
        for line in patch.insert.get(file).into_iter().flatten() {
            ranges.push(insertion(lines, line).with_context(|| format!("`{}`: {file}", patch.subject))?);
        }
        for block in patch.lines.get(file).into_iter().flatten() {
            ranges.push(find(lines, block).with_context(|| format!("`{}`: {file}", patch.subject))?);
        }
        for at in ranges.into_iter().flatten() {
            ensure!(given[at].is_none(), "{file}: `{}` is in two patches", lines[at].0);
            given[at] = Some(number);
        }
    }
    let mut assigned = Vec::new();
    for ((text, origin), given) in lines.iter().zip(given) {
        let patch = if is_own(origin) { given.or(owner) } else { None };
        if is_own(origin) {
            ensure!(patch.is_some(), "{file}: `{text}` is in no patch");
            // A file begins with the patch that has it.
            let is_early = matches!(origin, Origin::Ours) && patch < owner;
            ensure!(!is_early, "{file}: `{text}` comes before the file itself");
        }
        assigned.push(Line { text: text.clone(), patch });
    }
    Ok(assigned)
}

/// The patch that names a file by the longest name, and that name.
fn owner(file: &str, patches: &[&Patch]) -> Result<Option<(usize, String)>> {
    let fits = |name: &str| name == file || (name.ends_with('/') && file.starts_with(name));
    let names =
        patches.iter().enumerate().flat_map(|(number, patch)| patch.files.iter().map(move |name| (number, name)));
    let mut fitting: Vec<(usize, &String)> = names.filter(|(_, name)| fits(name)).collect();
    fitting.sort_by_key(|(_, name)| std::cmp::Reverse(name.len()));
    if let [(one, name), (two, other), ..] = fitting[..] {
        let [one, two] = [one, two].map(|number| &patches[number].subject);
        ensure!(name.len() != other.len(), "{file} is in two patches, `{one}` and `{two}`");
    }
    Ok(fitting.first().map(|(number, name)| (*number, (*name).clone())))
}

/// The lines of the insertion that has a line.
fn insertion(lines: &[(String, Origin)], line: &str) -> Result<Vec<usize>> {
    let number = |(text, origin): &(String, Origin)| match origin {
        Origin::Insertion(number) if text == line => Some(*number),
        _ => None,
    };
    let numbers: BTreeSet<usize> = lines.iter().filter_map(number).collect();
    let [number] = numbers.iter().copied().collect::<Vec<_>>()[..] else {
        bail!("`{line}` is in {} insertions, not in one", numbers.len());
    };
    let is_of_it = |at: &usize| matches!(lines[*at].1, Origin::Insertion(other) if other == number);
    Ok((0..lines.len()).filter(is_of_it).collect())
}

/// The lines of a block of ours.
fn find(lines: &[(String, Origin)], block: &str) -> Result<Vec<usize>> {
    let own: Vec<usize> = (0..lines.len()).filter(|&at| !matches!(lines[at].1, Origin::Kernel)).collect();
    let wanted: Vec<&str> = block.lines().collect();
    let fits = |window: &&[usize]| window.iter().zip(&wanted).all(|(&at, wanted)| lines[at].0 == *wanted);
    let found: Vec<&[usize]> = own.windows(wanted.len().max(1)).filter(fits).collect();
    let [found] = found[..] else {
        bail!("`{}` is there {} times, not once", wanted.first().unwrap_or(&""), found.len());
    };
    Ok(found.to_vec())
}

#[cfg(test)]
mod tests {
    use super::super::manifest::{Cover, Series};
    use super::*;

    fn manifest(patches: &[&str]) -> Manifest {
        let cover = || Cover { subject: String::new(), text: String::new() };
        let patch = patches.iter().map(|text| toml::from_str(text).unwrap()).collect();
        Manifest { cover: cover(), series: vec![Series { name: "s".into(), cover: cover(), patch }] }
    }

    fn sources() -> Sources {
        let ours = |text: &str| text.lines().map(|line| (line.to_owned(), Origin::Ours)).collect();
        let line = |text: &str, origin: Origin| (text.to_owned(), origin);
        let kernel = vec![
            line("a", Origin::Kernel),
            line("one", Origin::Insertion(0)),
            line("", Origin::Insertion(0)),
            line("two", Origin::Insertion(1)),
            line("b", Origin::Kernel),
        ];
        BTreeMap::from([
            ("d/x".to_owned(), ours("x1\nx2\n")),
            ("d/y".to_owned(), ours("y\n")),
            ("k".to_owned(), kernel),
        ])
    }

    fn error(patches: &[&str]) -> String {
        format!("{:#}", Parts::new(&manifest(patches), &sources()).unwrap_err())
    }

    #[test]
    fn files_and_insertions_grow_patch_by_patch() {
        let patches = [
            "files = [\"d/x\"]\ninsert = { k = [\"two\"] }",
            "files = [\"d/\"]\ninsert = { k = [\"one\"] }\nlines = { \"d/x\" = [\"x2\"] }",
        ];
        let parts = Parts::new(&manifest(&patches), &sources()).unwrap();
        assert_eq!(parts.pristine("k").unwrap(), "a\nb\n");
        assert_eq!(parts.text("k", 0).unwrap(), "a\ntwo\nb\n");
        assert_eq!(parts.text("k", 1).unwrap(), "a\none\n\ntwo\nb\n");
        assert_eq!((parts.text("d/x", 0).unwrap(), parts.text("d/y", 0)), ("x1\n".to_owned(), None));
        assert_eq!(parts.text("d/x", 1).unwrap(), "x1\nx2\n");
        assert_eq!(parts.changed(0).collect::<Vec<_>>(), ["d/x", "k"]);
        assert_eq!(parts.changed(1).collect::<Vec<_>>(), ["d/x", "d/y", "k"]);
    }

    #[test]
    fn what_is_in_no_patch_or_in_two_is_an_error() {
        assert!(error(&["files = [\"d/\"]"]).contains("k: `one` is in no patch"));
        assert!(error(&["files = [\"d/x\", \"k\"]"]).contains("d/y: `y` is in no patch"));
        assert!(error(&["files = [\"d/\", \"k\"]", "files = [\"d/\"]"]).contains("two patches"));
        let twice = "files = [\"d/\", \"k\"]\ninsert = { k = [\"one\"] }\nlines = { k = [\"one\"] }";
        assert!(error(&[twice]).contains("`one` is in two patches"));
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        assert!(error(&["files = [\"d/\", \"k\", \"e\"]"]).contains("names e"));
        assert!(error(&["files = [\"d/\", \"k\"]\ninsert = { z = [\"one\"] }"]).contains("names z"));
        assert!(error(&["files = [\"d/\", \"k\"]\ninsert = { k = [\"a\"] }"]).contains("in 0 insertions"));
        assert!(error(&["files = [\"d/\", \"k\"]\nlines = { \"d/x\" = [\"x2\\nx1\"] }"]).contains("0 times"));
    }

    #[test]
    fn a_line_does_not_come_before_its_file() {
        let patches = ["files = [\"d/y\", \"k\"]\nlines = { \"d/x\" = [\"x2\"] }", "files = [\"d/x\"]"];
        assert!(error(&patches).contains("comes before the file"));
    }
}
