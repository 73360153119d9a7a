// SPDX-License-Identifier: GPL-2.0
//! The book: made as HTML by `make book`, and tried by `make check-book`, which types what it shows and compares what
//! comes.

mod blocks;
mod compare;
mod dialogue;
mod render;
mod trial;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use vm::Tally;

pub use self::blocks::of as blocks_of;
use self::trial::{Chapter, Choice, Trial};
use crate::check::rustdoc;
use crate::kernel::{Variant, Workshop, build};
use crate::progress::say;
use crate::project::variable;

/// The chapters.
pub const CHAPTERS: &str = "Documentation/rust/book";

/// `make book`: renders it, and says where it is.
///
/// # Errors
///
/// It cannot be made. What is wrong in it makes the result `false`, after it was printed.
pub fn make(workshop: &Workshop) -> Result<bool> {
    let complaints = rustdoc::check(workshop)?;
    if !complaints.is_empty() {
        bail!("rustdoc has {} complaints about our files:\n{}", complaints.len(), complaints.join("\n"));
    }
    let (page, findings) = render::html(workshop)?;
    findings.iter().for_each(|finding| println!("{finding}"));
    println!("{}", page.display());
    Ok(findings.is_empty())
}

/// `make check-book`: renders the book and runs all of it that can be run. `CHAPTER=` names chapters to run alone, and
/// `QUICK=1` wants only what is a part of `make test`.
///
/// # Errors
///
/// A kernel or the book cannot be built, or a chapter is not as it must be.
pub fn check(workshop: &Workshop) -> Result<Tally> {
    let wanted = variable("CHAPTER");
    let chapters = chapters(&workshop.project.repo, wanted.as_deref())?;
    let is_quick = variable("QUICK").is_some_and(|value| value != "0");
    let choice = if is_quick { Choice::Quick } else { Choice::All };
    let mut tally = Tally::default();
    if wanted.is_none() && !is_quick {
        let is_right = make(workshop)?;
        say(if is_right { "the book renders: ok" } else { "the book renders: FAILED" });
        tally += Tally { passed: u32::from(is_right), failed: u32::from(!is_right), skipped: 0 };
    }
    Ok(tally + run(workshop, choice, &chapters)?)
}

/// The part of `make test`: what needs no machine and no more than the kernel of user-mode Linux.
///
/// # Errors
///
/// That kernel cannot be built, or a chapter is not as it must be.
pub fn quick(workshop: &Workshop) -> Result<Tally> {
    run(workshop, Choice::Quick, &chapters(&workshop.project.repo, None)?)
}

/// Runs the blocks of chapters, after building the kernels that they look into. What else they need they build.
fn run(workshop: &Workshop, choice: Choice, files: &[PathBuf]) -> Result<Tally> {
    let chapters = files.iter().map(|file| Chapter::read(file)).collect::<Result<Vec<_>>>()?;
    let inputs: Vec<&str> = chapters.iter().flat_map(|chapter| chapter.inputs(choice)).collect();
    // What most chapters use is built in any case, so that their commands need not look.
    build::kernel(workshop, Variant::Um)?;
    for (variable, variant) in [("$KPLAIN", Variant::Plain), ("$KDEBUG", Variant::Debug), ("$KTRACED", Variant::Traced)]
    {
        if inputs.iter().any(|input| input.contains(variable)) {
            build::kernel(workshop, variant)?;
        }
    }
    Trial::new(workshop, choice)?.run(&chapters)
}

/// The files of the chapters, in the order of their names; those that one of `wanted`, with commas, is a part of.
fn chapters(repo: &Path, wanted: Option<&str>) -> Result<Vec<PathBuf>> {
    let dir = repo.join(CHAPTERS);
    let entries = fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "rst"));
    files.sort();
    if let Some(wanted) = wanted {
        let stem = |file: &Path| file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        for part in wanted.split(',') {
            if !files.iter().any(|file| stem(file).contains(part)) {
                bail!("CHAPTER={part}: there are {}", files.iter().map(|f| stem(f)).collect::<Vec<_>>().join(", "));
            }
        }
        files.retain(|file| wanted.split(',').any(|part| stem(file).contains(part)));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chapters_are_chosen_by_parts_of_their_names() {
        let dir = tempfile::tempdir().unwrap();
        let book = dir.path().join(CHAPTERS);
        fs::create_dir_all(&book).unwrap();
        for name in ["b.rst", "ab.rst", "c.rst", "c.css"] {
            fs::write(book.join(name), "").unwrap();
        }
        let chosen = |wanted| {
            let files = chapters(dir.path(), wanted)?;
            Ok::<_, anyhow::Error>(files.iter().map(|file| file.file_name().unwrap().to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(chosen(None).unwrap(), ["ab.rst", "b.rst", "c.rst"]);
        assert_eq!(chosen(Some("b")).unwrap(), ["ab.rst", "b.rst"]);
        assert_eq!(chosen(Some("a,c")).unwrap(), ["ab.rst", "c.rst"]);
        assert_eq!(chosen(Some("a,x")).unwrap_err().to_string(), "CHAPTER=x: there are ab, b, c");
    }
}
