// SPDX-License-Identifier: GPL-2.0
//! The document that says which test is for which law: what it names must exist, and it must name every function. Tests
//! that other documents name must exist as well.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use regex::Regex;

use super::Findings;
use crate::kernel::Workshop;
use crate::overlay::our_files;

const DOCUMENT: &str = "Documentation/rust/laws.rst";

/// Documents that name tests beside other things.
const OTHERS: [&str; 1] = ["Documentation/rust/drivers-compared.rst"];

/// The functions of which each must be in the document: those below this path, without the tests and their device.
const ABSTRACTION: &str = "rust/kernel/virtio";
const NOT_PUBLIC: [&str; 4] = ["tests", "tests.rs", "fake", "fake.rs"];

/// Compares the document with the tests and the functions that there are.
///
/// # Errors
///
/// A file cannot be read.
pub fn check(workshop: &Workshop) -> Result<Findings> {
    let repo = &workshop.project.repo;
    let files = our_files(repo, &workshop.tree.root)?;
    let document = read(&repo.join(DOCUMENT))?;

    let mut tests = compile_fail_cases(&repo.join("tests/compile_fail"))?;
    tests.extend(guest_cases(&repo.join("tests/guest"))?);
    let mut functions = Functions::default();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "rs")) {
        let text = read(&repo.join(file))?;
        tests.extend(kunit_cases(&text)?);
        if is_public(file) {
            functions.add(&text)?;
        }
    }
    let mut findings = compare(&document, &tests, &functions)?;
    for other in OTHERS {
        findings.extend(compare_tests(other, &read(&repo.join(other))?, &tests)?);
    }
    Ok(findings)
}

/// What the document names and is not there, and what it should name.
fn compare(document: &str, tests: &BTreeSet<String>, functions: &Functions) -> Result<Findings> {
    let name = Regex::new(r"``(\w+::\w+)``")?;
    let mut findings = Findings::new();
    let mut named = BTreeSet::new();
    for (number, line) in document.lines().enumerate() {
        let names = name.captures_iter(line).map(|found| found.extract::<1>().1[0]);
        for name in names.filter(|name| !name.starts_with("kernel::")) {
            // Types begin with a capital letter, places of tests do not.
            let known = if name.starts_with(char::is_uppercase) {
                functions.own.contains(name) || functions.of_traits.contains(name)
            } else {
                tests.contains(name)
            };
            if !known {
                findings.push(format!("{DOCUMENT}:{}: there is no {name}", number + 1));
            }
            named.insert(name.to_owned());
        }
    }
    let missing = functions.own.difference(&named);
    findings.extend(missing.map(|name| format!("{DOCUMENT}: the function {name} is not in the table")));
    Ok(findings)
}

/// The tests that a document names and that are not there. Modules and their types are other things.
fn compare_tests(path: &str, document: &str, tests: &BTreeSet<String>) -> Result<Findings> {
    let name = Regex::new(r"``([a-z]\w*::[a-z]\w*)``")?;
    let mut findings = Findings::new();
    for (number, line) in document.lines().enumerate() {
        let names = name.captures_iter(line).map(|found| found.extract::<1>().1[0]);
        let gone = names.filter(|name| !name.starts_with("kernel::") && !tests.contains(*name));
        findings.extend(gone.map(|name| format!("{path}:{}: there is no test {name}", number + 1)));
    }
    Ok(findings)
}

/// Functions as the document writes them, `Type::function`.
#[derive(Default)]
struct Functions {
    /// Those that users call.
    own: BTreeSet<String>,
    /// Those that users may implement.
    of_traits: BTreeSet<String>,
}

impl Functions {
    /// Adds the functions of a file, which rustfmt has formatted.
    fn add(&mut self, text: &str) -> Result<()> {
        let owner = Regex::new(r"^(?:pub (trait)|impl(?:<.*?>)?(?: .* for)?) (\w+)\b.*\{$")?;
        let function = Regex::new(r"^    (pub )?(?:const |unsafe )*fn (\w+)")?;
        let mut of = None;
        let mut hidden = false;
        for line in text.lines() {
            if let Some(found) = owner.captures(line) {
                of = Some((found.get(1).is_some(), found[2].to_owned()));
            } else if line == "}" {
                of = None;
            }
            if let (Some((is_trait, owner)), Some(found)) = (&of, function.captures(line)) {
                let name = format!("{owner}::{}", &found[2]);
                if *is_trait {
                    self.of_traits.insert(name);
                } else if found.get(1).is_some() && !hidden {
                    self.own.insert(name);
                }
            }
            let line = line.trim_start();
            hidden = line == "#[doc(hidden)]" || (hidden && (line.starts_with("#[") || line.starts_with("//")));
        }
        Ok(())
    }
}

fn is_public(file: &Path) -> bool {
    let Ok(rest) = file.strip_prefix(ABSTRACTION) else {
        return file == Path::new(ABSTRACTION).with_extension("rs");
    };
    rest.iter().next().is_some_and(|first| !NOT_PUBLIC.iter().any(|name| first == *name))
}

/// The cases of the KUnit suites of a file, as `suite::case`.
fn kunit_cases(text: &str) -> Result<BTreeSet<String>> {
    let item = Regex::new(r"#\[(?:\w+::)*kunit_tests\((\w+)\)\]|#\[test\]\s+fn (\w+)")?;
    let mut suite = None;
    let mut cases = BTreeSet::new();
    for found in item.captures_iter(text) {
        match (found.get(1), found.get(2), &suite) {
            (Some(name), ..) => suite = Some(name.as_str()),
            (None, Some(case), Some(suite)) => {
                cases.insert(format!("{suite}::{}", case.as_str()));
            }
            _ => {}
        }
    }
    Ok(cases)
}

fn compile_fail_cases(dir: &Path) -> Result<BTreeSet<String>> {
    let case = Regex::new(r"(?m)^ *//@ case: (\w+)$")?;
    let mut cases = BTreeSet::new();
    for (stem, path) in files_of(dir, "rs")? {
        let text = read(&path)?;
        cases.extend(case.captures_iter(&text).map(|found| format!("compile_fail::{stem}_{}", &found[1])));
    }
    Ok(cases)
}

/// The cases of the guest scripts, as `script::case`: functions that stand behind the word `cases`.
fn guest_cases(dir: &Path) -> Result<BTreeSet<String>> {
    let function = Regex::new(r"(?m)^(\w+)\(\) \{$")?;
    let mut cases = BTreeSet::new();
    for (stem, path) in files_of(dir, "sh")? {
        let text = read(&path)?;
        let Some((functions, run)) = text.rsplit_once("\ncases ") else {
            continue;
        };
        let run: BTreeSet<&str> = run.split_whitespace().collect();
        // A name that the script has put into a variable is run under a condition.
        let is_run = |name: &str| {
            run.contains(name) || functions.contains(&format!("={name} ")) || functions.contains(&format!("={name}\n"))
        };
        let names = function.captures_iter(functions).map(|found| found[1].to_owned());
        cases.extend(names.filter(|name| is_run(name)).map(|name| format!("{stem}::{name}")));
    }
    Ok(cases)
}

fn files_of(dir: &Path, extension: &str) -> Result<Vec<(String, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let path = entry?.path();
        if let (true, Some(stem)) = (path.extension().is_some_and(|e| e == extension), path.file_stem()) {
            files.push((stem.to_string_lossy().into_owned(), path.clone()));
        }
    }
    Ok(files)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_test_that_does_not_exist_is_found_with_its_line() {
        let document = "one\n- ``suite::there``, ``suite::gone``\n";
        let findings = compare(document, &set(&["suite::there"]), &Functions::default()).unwrap();
        assert_eq!(findings, ["Documentation/rust/laws.rst:2: there is no suite::gone"]);
    }

    #[test]
    fn a_test_that_another_document_names_must_exist() {
        let document = "``kernel::virtio``, ``virtio::Driver``, ``Two::new``\n``suite::there``\n``suite::gone``\n";
        let findings = compare_tests("d.rst", document, &set(&["suite::there"])).unwrap();
        assert_eq!(findings, ["d.rst:3: there is no test suite::gone"]);
    }

    #[test]
    fn a_function_must_be_named_and_a_named_one_must_exist() {
        let functions = Functions { own: set(&["A::new"]), of_traits: set(&["B::probe"]) };
        let findings = compare("``A::old`` ``B::probe``", &BTreeSet::new(), &functions).unwrap();
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert!(findings[0].contains("A::old") && findings[1].contains("A::new"), "{findings:?}");
        assert!(compare("``A::new``", &BTreeSet::new(), &functions).unwrap().is_empty());
    }

    #[test]
    fn public_functions_are_found_and_hidden_ones_are_not() {
        let text = "impl<'a, T: Fn(u8)> A<'a, T> {\n    pub const fn new() {\n    }\n    fn private() {}\n\
                    \x20   #[doc(hidden)]\n    #[inline]\n    pub fn hidden() {}\n    pub fn shown() {}\n}\n\
                    impl Drop for C {\n    fn drop() {}\n}\npub trait B: Sized {\n    fn probe();\n}\n\
                    pub fn free() {}\n";
        let mut functions = Functions::default();
        functions.add(text).unwrap();
        assert_eq!(functions.own, set(&["A::new", "A::shown"]));
        assert_eq!(functions.of_traits, set(&["B::probe"]));
    }

    #[test]
    fn cases_belong_to_the_suite_above_them() {
        let text = "#[test]\nfn host() {}\n#[kunit_tests(one)]\nmod a {\n    #[test]\n    fn x() {}\n}\n\
                    #[macros::kunit_tests(two)]\nmod b {\n    #[test]\n    fn x() {}\n}\n";
        assert_eq!(kunit_cases(text).unwrap(), set(&["one::x", "two::x"]));
    }

    #[test]
    fn a_function_of_a_guest_script_is_a_case_only_if_it_is_run() {
        let dir = tempfile::tempdir().unwrap();
        let script = "helper() {\n}\nfirst() {\n}\nsecond() {\n}\nlast=second ;\ncases first $last\n";
        fs::write(dir.path().join("s.sh"), script).unwrap();
        fs::write(dir.path().join("lib.sh"), "x() {\n}\n").unwrap();
        assert_eq!(guest_cases(dir.path()).unwrap(), set(&["s::first", "s::second"]));
    }

    #[test]
    fn tests_and_their_device_are_not_the_abstraction() {
        for (file, expected) in [
            ("rust/kernel/virtio.rs", true),
            ("rust/kernel/virtio/queue.rs", true),
            ("rust/kernel/virtio/fake/ring.rs", false),
            ("rust/kernel/virtio/tests.rs", false),
            ("rust/kernel/block.rs", false),
        ] {
            assert_eq!(is_public(Path::new(file)), expected, "{file}");
        }
    }
}
