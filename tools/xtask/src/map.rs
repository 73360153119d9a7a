// SPDX-License-Identifier: GPL-2.0
//! `make map`: a page that says what is where, made from what the files say of themselves in their first lines.

mod sentence;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use self::sentence::{first, folded, in_rst};
use crate::check::Findings;
use crate::kernel::Workshop;
use crate::progress::say;
use crate::project::{Project, walk};

/// The page, from the root of the checkout.
const FILE: &str = "Documentation/rust/map.rst";

/// Where the texts are parts of what `make new-driver` writes.
const TEMPLATES: &str = "tools/templates/";

const HEAD: &str = "\
.. SPDX\x2dLicense-Identifier: GPL-2.0

Map of the house
================

What is where. ``make map`` makes this page of the first lines of the files, and ``make check`` looks whether it is up
to date; what is wrong here is to be mended there.
";

type Section = fn(&Tree<'_>) -> Result<Vec<Entry>>;

/// Parts of the page: a title, and which files are listed below it.
const SECTIONS: [(&str, Section); 7] = [
    ("Commands", commands),
    ("Abstractions: rust/kernel", |tree| tree.modules("rust/kernel/")),
    ("Drivers and samples", |tree| tree.each(&["drivers/block/", "drivers/net/", "samples/"], "rs")),
    ("What C has to know", |tree| {
        Ok([tree.each(&["drivers/", "include/"], "c")?, tree.each(&["drivers/", "include/"], "h")?].concat())
    }),
    ("Programs of the host: tools", programs),
    ("Tests", tests),
    ("Documents", documents),
];

/// A line of the page: what, and what about it.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    name: String,
    text: String,
}

/// The files of a checkout.
struct Tree<'a> {
    repo: &'a Path,
    files: BTreeSet<String>,
}

/// Writes the page.
///
/// # Errors
///
/// A file cannot be read, or the page not written.
pub fn write(project: &Project) -> Result<()> {
    let path = project.repo.join(FILE);
    fs::write(&path, page(&project.repo)?).with_context(|| format!("cannot write {}", path.display()))?;
    say(&format!("wrote {FILE}"));
    Ok(())
}

/// Compares the page with the files.
///
/// # Errors
///
/// A file cannot be read.
pub fn check(workshop: &Workshop) -> Result<Findings> {
    let repo = &workshop.project.repo;
    let is_right = fs::read_to_string(repo.join(FILE)).is_ok_and(|text| page(repo).is_ok_and(|page| page == text));
    Ok(if is_right { Findings::new() } else { vec![format!("{FILE} does not say what is there now: make map")] })
}

fn page(repo: &Path) -> Result<String> {
    let tree = Tree::read(repo)?;
    let mut page = HEAD.to_owned();
    for (title, entries) in SECTIONS {
        page += &format!("\n{title}\n{}\n\n", "-".repeat(title.len()));
        for Entry { name, text } in entries(&tree)? {
            page += &format!("``{name}``\n{}\n", folded(&in_rst(&text), "    "));
        }
    }
    Ok(page)
}

impl<'a> Tree<'a> {
    fn read(repo: &'a Path) -> Result<Self> {
        let mut files = BTreeSet::new();
        for entry in walk(repo) {
            let entry = entry?;
            if entry.file_type().is_some_and(|kind| kind.is_file()) {
                files.insert(entry.path().strip_prefix(repo)?.to_string_lossy().into_owned());
            }
        }
        Ok(Self { repo, files })
    }

    fn text(&self, file: &str) -> Result<String> {
        fs::read_to_string(self.repo.join(file)).with_context(|| format!("cannot read {file}"))
    }

    fn entry(&self, file: &str) -> Result<Entry> {
        Ok(Entry { name: file.to_owned(), text: first(file, &self.text(file)?) })
    }

    /// An entry for each file with an extension below some directories.
    fn each(&self, dirs: &[&str], extension: &str) -> Result<Vec<Entry>> {
        let is_wanted = |file: &&String| {
            dirs.iter().any(|dir| file.starts_with(dir)) && file.rsplit_once('.').is_some_and(|(_, e)| e == extension)
        };
        self.files.iter().filter(is_wanted).map(|file| self.entry(file)).collect()
    }

    /// An entry for each module that is not a part of another one, with its parts.
    fn modules(&self, dir: &str) -> Result<Vec<Entry>> {
        let modules: Vec<&str> = self.files.iter().filter_map(|file| file.strip_suffix(".rs")).collect();
        let is_below = |module: &str, other: &str| module.strip_prefix(other).is_some_and(|rest| rest.starts_with('/'));
        let is_root = |module: &&&str| module.starts_with(dir) && !modules.iter().any(|other| is_below(module, other));
        let mut entries = Vec::new();
        for module in modules.iter().filter(is_root) {
            let mut entry = self.entry(&format!("{module}.rs"))?;
            let below = modules.iter().filter_map(|other| other.strip_prefix(module)?.strip_prefix('/'));
            let (tests, parts): (Vec<&str>, Vec<&str>) =
                below.partition(|part| part.split('/').any(|name| name == "tests"));
            if !parts.is_empty() {
                entry.text += &format!(" Parts: {}.", parts.join(", "));
            }
            if !tests.is_empty() {
                entry.text += &format!(" Tests: {}.", plural(tests.len(), "file"));
            }
            entries.push(entry);
        }
        Ok(entries)
    }
}

fn plural(count: usize, what: &str) -> String {
    if count == 1 { format!("one {what}") } else { format!("{count} {what}s") }
}

/// The targets of the Makefile.
fn commands(tree: &Tree) -> Result<Vec<Entry>> {
    let makefile = tree.text("Makefile")?;
    let target = |line: &str| {
        let (name, text) = line.split_once(": ## ")?;
        Some(Entry { name: format!("make {name}"), text: sentence::capital(text) })
    };
    Ok(makefile.lines().filter_map(target).collect())
}

/// The crates, with the modules at the top of each.
fn programs(tree: &Tree) -> Result<Vec<Entry>> {
    let is_top = |file: &&String| {
        let parts: Vec<&str> = file.split('/').collect();
        matches!(parts[..], ["tools", _, "src", name] if name.ends_with(".rs") && name != "tests.rs")
            || matches!(parts[..], ["tools", _, "src", _, "mod.rs"])
            || matches!(parts[..], ["tools", name] if name.ends_with(".sh"))
    };
    tree.files.iter().filter(is_top).map(|file| tree.entry(file)).collect()
}

fn tests(tree: &Tree) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for (dir, extension) in
        [("tests/compile_fail/", "rs"), ("tests/config/", "config"), ("tests/guest/", "sh"), ("tests/hostile/", "toml")]
    {
        entries.extend(tree.each(&[dir], extension)?);
    }
    let mutants =
        tree.files.iter().filter(|file| file.starts_with("tests/mutants/") && file.ends_with(".patch")).count();
    let text = format!("{} that break laws and duties on purpose.", plural(mutants, "small change"));
    entries.push(Entry { name: "tests/mutants/".into(), text });
    Ok(entries)
}

fn documents(tree: &Tree) -> Result<Vec<Entry>> {
    let is_document = |file: &&String| {
        let is_text = file.ends_with(".rst") || file.ends_with(".md");
        is_text && file.as_str() != FILE && !file.starts_with(TEMPLATES)
    };
    tree.files.iter().filter(is_document).map(|file| tree.entry(file)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, String) {
        let dir = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let page = page(dir.path()).unwrap();
        (dir, page)
    }

    #[test]
    fn files_are_listed_with_what_they_say() {
        let (_dir, page) = tree(&[
            ("Makefile", "help: ## show this\nrun: ## run it\n"),
            ("rust/kernel/a.rs", "//! What `a` is.\n"),
            ("rust/kernel/a/part.rs", "//! A part.\n"),
            ("rust/kernel/a/tests/t.rs", "//! A test.\n"),
            ("tools/x/src/main.rs", "//! A program: it runs.\n"),
            ("tests/mutants/m.patch", ""),
            ("README.md", "# Title\n"),
        ]);
        for line in [
            "``make run``\n    Run it.\n",
            "``rust/kernel/a.rs``\n    What ``a`` is. Parts: part. Tests: one file.\n",
            "``tools/x/src/main.rs``\n    A program: it runs.\n",
            "``tests/mutants/``\n    one small change that break",
            "``README.md``\n    Title.\n",
        ] {
            assert!(page.contains(line), "{line}\n{page}");
        }
        assert!(!page.contains("a/part.rs"));
    }
}
