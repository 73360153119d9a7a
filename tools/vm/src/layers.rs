// SPDX-License-Identifier: GPL-2.0

//! Tests that the modules are layers: each one uses those below it and itself, never those above it.

use std::fs;
use std::path::Path;

/// The layers, the lowest first.
const LAYERS: [&str; 5] = ["machine", "guest", "scenario", "runner", "studies"];

/// What is wrong in a file of `layer` whose module lies `depth` modules below the root of the crate.
fn faults(layer: &str, depth: usize, text: &str) -> Vec<String> {
    let rank = |name: &str| LAYERS.iter().position(|layer| *layer == name);
    let mut faults = Vec::new();
    let code = text.lines().map(|line| if line.trim_start().starts_with("//") { "" } else { line });
    // The names that a statement takes from the crate may be on several lines.
    let code = code.collect::<Vec<_>>().join("\n");
    for rest in code.split("crate::").skip(1) {
        for name in first_names(rest) {
            match rank(&name) {
                None => faults.push(format!("crate::{name} is not in a layer")),
                Some(used) if rank(layer) < Some(used) => faults.push(format!("{layer} uses {name}")),
                Some(_) => {}
            }
        }
    }
    for line in code.lines() {
        // A module of tests inside of the file lies one deeper.
        let depth = depth + usize::from(line.starts_with(' '));
        let ups = line.split("super::").count() - 1;
        if ups >= depth {
            faults.push(format!("`{}` leaves the layer", line.trim()));
        }
    }
    faults
}

/// The first name of each path in `rest`, which follows on `crate::`: one, or several in braces.
fn first_names(rest: &str) -> Vec<String> {
    let name = |text: &str| text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(group) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let mut names = vec![String::new()];
    let mut nested = 0;
    for c in group.chars() {
        match c {
            '}' if nested == 0 => break,
            ',' if nested == 0 => names.push(String::new()),
            _ => {
                nested += i32::from(c == '{') - i32::from(c == '}');
                names.last_mut().expect("there is one from the start").push(c);
            }
        }
    }
    names.iter().map(|path| name(path)).filter(|name| !name.is_empty()).collect()
}

/// Every file of source below `dir`.
fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn no_layer_uses_one_above_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut seen = [0; LAYERS.len()];
    let mut found = Vec::new();
    for file in files(&src) {
        let module = file.strip_prefix(&src).unwrap().with_extension("");
        let parts: Vec<&str> = module.iter().map(|part| part.to_str().unwrap()).collect();
        let Some(rank) = LAYERS.iter().position(|layer| *layer == parts[0]) else {
            assert!(["lib", "layers", "bin"].contains(&parts[0]), "{} is in no layer", file.display());
            continue;
        };
        seen[rank] += 1;
        let faults = faults(parts[0], parts.len(), &fs::read_to_string(&file).unwrap());
        found.extend(faults.into_iter().map(|fault| format!("{}: {fault}", module.display())));
    }
    assert!(seen.iter().all(|files| *files > 1), "{LAYERS:?} have {seen:?} files");
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn what_uses_a_higher_layer_is_found() {
    for text in [
        "use crate::runner::Runner;",
        "use crate::{machine::Host, studies::kunit};",
        "use crate::{\n    machine::{Host, Kernel},\n    runner,\n};",
        "fn f() -> crate::studies::insns::Costs {}",
        "use crate::Host;",
        "use super::super::runner;",
        "    use super::super::super::runner;",
    ] {
        assert_eq!(faults("scenario", 2, text).len(), 1, "{text}");
    }
}

#[test]
fn what_uses_its_own_layer_or_a_lower_one_is_fine() {
    for text in [
        "use crate::machine::{self, Host, disk::{Attach, Disk}};",
        "use crate::{machine::Host, guest::{ktap, fio}};",
        "use crate::scenario::Group;",
        "use super::subjects;",
        "    use super::super::subjects;",
        "//! [`crate::runner`] makes the boots.",
    ] {
        assert_eq!(faults("scenario", 2, text), Vec::<String>::new(), "{text}");
    }
}
