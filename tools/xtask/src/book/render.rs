// SPDX-License-Identifier: GPL-2.0
//! The book as HTML, with the rest of Documentation/rust, beside what rustdoc has made.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use regex::Regex;

use crate::check::Findings;
use crate::kernel::{Variant, Workshop};
use crate::overlay::our_files;
use crate::progress::{Step, read_lossy};

/// Where the book is below the documents about Rust.
pub const DIR: &str = "book";

/// Renders Documentation/rust with the kernel's configuration of Sphinx. Returns the first page of the book, and what
/// is wrong in documents of ours.
///
/// # Errors
///
/// Sphinx cannot be run.
pub fn html(workshop: &Workshop) -> Result<(PathBuf, Findings)> {
    let output = workshop.objdir(Variant::Um).join("Documentation/output");
    let html = output.join("rust");
    let log = workshop.project.log("book")?;
    Step { title: "rendering the book", log: &log, counts: None, expected: None }.run(&mut sphinx(
        workshop,
        &output.join(".doctrees-book"),
        &html,
    ))?;
    let mut findings = warnings(workshop, &read_lossy(&log))?;
    findings.extend(dead_links(&html)?);
    Ok((html.join(DIR).join("index.html"), findings))
}

/// Sphinx as the kernel's own target calls it. That target would make the documentation of rustdoc anew each time.
fn sphinx(workshop: &Workshop, doctrees: &Path, html: &Path) -> Command {
    let version = &workshop.tree.version;
    let mut command = Command::new("sphinx-build");
    command
        .current_dir(&workshop.tree.root)
        .env("srctree", ".")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("DOCS_CSS", "book.css")
        .env("LC_ALL", "C.UTF-8")
        .args(["-q", "-b", "html", "-t", "rustdoc", "-c", "Documentation"])
        .arg(format!("-j{}", workshop.project.jobs))
        .args(["-D", &format!("version={version}"), "-D", &format!("release={version}")])
        .args(["-D", "kerneldoc_srctree=."])
        // The kernel's directory and ours, from its configuration's.
        .args(["-D", &format!("html_static_path=sphinx-static,rust/{DIR}/static")])
        .arg("-d")
        .arg(doctrees)
        .arg("Documentation/rust")
        .arg(html);
    command
}

/// What Sphinx says about documents of ours.
fn warnings(workshop: &Workshop, log: &str) -> Result<Findings> {
    let ours: BTreeSet<PathBuf> = our_files(&workshop.project.repo, &workshop.tree.root)?.into_iter().collect();
    Ok(select(log, &workshop.tree.root, &ours))
}

fn select(log: &str, tree: &Path, ours: &BTreeSet<PathBuf>) -> Findings {
    let is_ours = |line: &&str| {
        let path = Path::new(line.split(':').next().unwrap_or_default());
        ours.contains(path.strip_prefix(tree).unwrap_or(path))
    };
    log.lines().filter(is_ours).map(str::to_owned).collect()
}

/// The links from pages into the documentation of rustdoc that lead nowhere.
fn dead_links(html: &Path) -> Result<Findings> {
    let link = Regex::new(r##"href="((?:\.\./)*rustdoc/[^"#]+)(?:#([^"]*))?""##)?;
    let mut findings = Findings::new();
    for dir in [html.to_path_buf(), html.join(DIR)] {
        for entry in fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))? {
            let page = entry?.path();
            if page.extension().is_none_or(|extension| extension != "html") {
                continue;
            }
            let text = fs::read_to_string(&page).with_context(|| format!("cannot read {}", page.display()))?;
            for found in link.captures_iter(&text) {
                let anchor = found.get(2).map(|anchor| anchor.as_str());
                if !leads_somewhere(&dir.join(&found[1]), anchor) {
                    findings.push(format!("{}: link to {}, which does not exist", page.display(), &found[0]));
                }
            }
        }
    }
    Ok(findings)
}

fn leads_somewhere(file: &Path, anchor: Option<&str>) -> bool {
    let text = fs::read_to_string(file).ok();
    text.is_some_and(|text| anchor.is_none_or(|anchor| text.contains(&format!("id=\"{anchor}\""))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_warnings_about_documents_of_ours_are_found() {
        let ours = BTreeSet::from([PathBuf::from("Documentation/rust/book/a.rst")]);
        let log = "Using alabaster theme\n/t/Documentation/rust/index.rst:50: WARNING: theirs\n\
                   /t/Documentation/rust/book/a.rst:3: WARNING: ours\n";
        assert_eq!(select(log, Path::new("/t"), &ours), ["/t/Documentation/rust/book/a.rst:3: WARNING: ours"]);
    }

    #[test]
    fn a_link_into_rustdoc_leads_to_a_page_and_a_place_on_it() {
        let dir = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("rustdoc/kernel/index.html", "<h2 id=\"here\">");
        put("book/good.html", "<a href=\"../rustdoc/kernel/index.html#here\"><a href=\"../other.html\">");
        assert_eq!(dead_links(dir.path()).unwrap(), Findings::new());
        put("book/bad.html", "<a href=\"../rustdoc/kernel/index.html#there\"><a href=\"../rustdoc/none.html\">");
        assert_eq!(dead_links(dir.path()).unwrap().len(), 2);
    }
}
