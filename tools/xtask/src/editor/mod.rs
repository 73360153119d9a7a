// SPDX-License-Identifier: GPL-2.0
//! `make check-editor`: what an editor knows of our files, asked of the real rust-analyzer.

mod client;
mod questions;
mod server;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use vm::Tally;

use self::client::{Client, uri};
use self::questions::{QUESTIONS, Question};
use crate::kernel::Workshop;
use crate::new_driver::{self, Kind};
use crate::outside::Outside;
use crate::overlay::our_files;
use crate::progress::say;
use crate::project::{create_dir, remove_dir, walk};
use crate::rust_analyzer;

/// Complaints of the server that are no errors of ours, by their code: it cannot run the kernel's procedural macros
/// unless it comes with the same compiler.
const FORGIVEN: [&str; 3] = ["unresolved-proc-macro", "proc-macro-disabled", "inactive-code"];

/// Errors about types, which the server does not always understand.
const OF_TYPES: [&str; 2] = ["E0308", "E0614"];

/// A project that an editor has opened.
struct Opened<'a> {
    /// The folder.
    root: &'a Path,
    /// What describes its crates.
    description: PathBuf,
    /// Its files, from the folder on.
    files: Vec<PathBuf>,
    questions: &'a [Question],
}

/// Asks rust-analyzer about every Rust file of ours in the kernel tree, and of a new driver of each kind outside of it.
///
/// # Errors
///
/// There is no rust-analyzer and none can be built, the crates cannot be described, or the server does not answer.
pub fn check(workshop: &Workshop) -> Result<Tally> {
    let program = server::ensure(&workshop.project)?;
    let log = workshop.project.log("rust-analyzer")?;
    let root = &workshop.tree.root;
    let ours = our_files(&workshop.project.repo, root)?;
    // Those below Documentation are projects of their own, which an editor opens by themselves.
    let is_asked = |file: &PathBuf| {
        file.extension().is_some_and(|extension| extension == "rs") && !file.starts_with("Documentation")
    };
    let files = ours.into_iter().filter(is_asked).collect();
    let description = rust_analyzer::write(workshop, None)?;
    let mut tally = Opened { root, description, files, questions: QUESTIONS }.ask(&program, &log)?;

    // Their paths have a space, as many have.
    let place = workshop.project.build.join("new drivers to edit");
    remove_dir(&place)?;
    create_dir(&place)?;
    for kind in Kind::ALL {
        let root = &place.join(kind.name());
        new_driver::write(&workshop.project, &workshop.tree, "my_driver", kind, root)?;
        let outside = Outside::open(&workshop.project, root)?;
        let files = rust_files(root)?;
        let description = rust_analyzer::write(workshop, Some(&outside))?;
        let questions = if kind == Kind::Virtio { questions::NEW_DRIVER } else { &[] };
        say(&format!("a new driver of the kind {}", kind.name()));
        tally += Opened { root, description, files, questions }.ask(&program, &log)?;
    }
    remove_dir(&place)?;
    Ok(tally)
}

/// The Rust files of a project, from its folder on.
fn rust_files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in walk(root) {
        let path = entry?.into_path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path.strip_prefix(root)?.to_owned());
        }
    }
    Ok(files)
}

impl Opened<'_> {
    /// Asks all questions, and for complaints about each file.
    fn ask(&self, program: &Path, log: &Path) -> Result<Tally> {
        let options = json!({
            "linkedProjects": [self.description],
            "checkOnSave": false,
            "diagnostics": { "enable": true, "experimental": { "enable": false } },
        });
        say("rust-analyzer reads the kernel");
        let mut client = Client::start(program, self.root, options, log)?;
        for file in &self.files {
            client.open(&self.root.join(file), &read(self.root, file)?)?;
        }
        client.wait()?;
        let mut tally = Tally::default();
        for question in self.questions {
            let answer = ask(&mut client, self.root, question)?;
            count(&mut tally, &question.title(), answer);
        }
        for file in &self.files {
            let complaints = complaints(&mut client, self.root, file)?;
            let answer = if complaints.is_empty() { Ok(()) } else { Err(complaints.join("\n    ")) };
            // There are hundreds of files.
            if answer.is_err() {
                count(&mut tally, &format!("{}: nothing to complain about", file.display()), answer);
            } else {
                tally.passed += 1;
            }
        }
        say(&format!("{} files were looked at", self.files.len()));
        Ok(tally)
    }
}

fn count(tally: &mut Tally, title: &str, answer: Result<(), String>) {
    match answer {
        Ok(()) => {
            println!("  ok    {title}");
            tally.passed += 1;
        }
        Err(why) => {
            println!("  FAIL  {title}\n    {why}");
            tally.failed += 1;
        }
    }
}

fn read(tree: &Path, file: &Path) -> Result<String> {
    fs::read_to_string(tree.join(file)).with_context(|| format!("cannot read {}", file.display()))
}

/// Asks for the definition of a name, and what is shown beside it.
fn ask(client: &mut Client, tree: &Path, question: &Question) -> Result<Result<(), String>> {
    let text = read(tree, Path::new(question.file))?;
    let Some(position) = questions::position(&text, question.line, question.name) else {
        return Ok(Err(format!("{} has no line with `{}`", question.file, question.line)));
    };
    let place = json!({ "textDocument": { "uri": uri(&tree.join(question.file)) }, "position": position });
    let found = client.ask("textDocument/definition", place.clone())?;
    let files = locations(&found);
    if !files.iter().any(|file| file.ends_with(question.defined_in)) {
        return Ok(Err(format!("is not defined in {}, but in {files:?}", question.defined_in)));
    }
    let hover = client.ask("textDocument/hover", place)?.to_string();
    if !hover.contains(question.shows) {
        return Ok(Err(format!("shows {hover}, not `{}`", question.shows)));
    }
    Ok(Ok(()))
}

/// The files in an answer with places.
fn locations(answer: &Value) -> Vec<String> {
    let list = match answer {
        Value::Array(list) => list.clone(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    };
    let uri = |place: &Value| place["uri"].as_str().or(place["targetUri"].as_str()).map(str::to_owned);
    list.iter().filter_map(uri).collect()
}

/// What the server complains about in a file.
fn complaints(client: &mut Client, tree: &Path, file: &Path) -> Result<Vec<String>> {
    let document = json!({ "textDocument": { "uri": uri(&tree.join(file)) } });
    let answer = client.ask("textDocument/diagnostic", document)?;
    let items = answer["items"].as_array().cloned().unwrap_or_default();
    let tell = |item: &Value| {
        let line = item["range"]["start"]["line"].as_u64().unwrap_or(0) + 1;
        format!("line {line}: {}: {}", item["code"].as_str().unwrap_or("error"), item["message"].as_str().unwrap_or(""))
    };
    Ok(items.iter().filter(|item| is_error(item)).map(tell).collect())
}

/// Whether a complaint is an error about names, or about a file that is of no crate, which is none to the server.
fn is_error(item: &Value) -> bool {
    const ERROR: u64 = 1;
    let code = item["code"].as_str().unwrap_or_default();
    let is_forgiven = FORGIVEN.contains(&code) || OF_TYPES.contains(&code);
    item["severity"].as_u64() == Some(ERROR) && !is_forgiven || code == "unlinked-file"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_project_are_named_from_its_folder_on() {
        let dir = tempfile::tempdir().unwrap();
        create_dir(&dir.path().join("logic/src")).unwrap();
        for file in ["one.rs", "Kbuild", "logic/src/lib.rs"] {
            fs::write(dir.path().join(file), "").unwrap();
        }
        let mut files = rust_files(dir.path()).unwrap();
        files.sort();
        assert_eq!(files, ["logic/src/lib.rs", "one.rs"].map(PathBuf::from));
    }

    #[test]
    fn places_come_in_several_forms() {
        assert_eq!(
            locations(&json!([{ "uri": "file:///a" }, { "targetUri": "file:///b" }])),
            ["file:///a", "file:///b"]
        );
        assert_eq!(locations(&json!({ "uri": "file:///a" })), ["file:///a"]);
        assert!(locations(&Value::Null).is_empty());
    }
}
