// SPDX-License-Identifier: GPL-2.0
//! Looking for a name in the sources.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use regex::Regex;

use super::Place;
use super::generated::Item;

/// The files below `dirs` of `tree` that have the word `name`, of those whose names match a pattern.
///
/// # Errors
///
/// The program that looks cannot be started.
pub fn files(tree: &Path, name: &str, dirs: &[&str], patterns: &[&str]) -> Result<Vec<String>> {
    let dirs: Vec<&&str> = dirs.iter().filter(|dir| tree.join(dir).is_dir()).collect();
    if dirs.is_empty() {
        bail!("{} is no kernel tree", tree.display());
    }
    // The tree has a gigabyte of sources; this is the program for that.
    let output = Command::new("grep")
        .current_dir(tree)
        .args(["-RlwF", name])
        .args(patterns.iter().map(|pattern| format!("--include={pattern}")))
        .arg("--")
        .args(dirs)
        .output()
        .context("cannot start grep")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut files: Vec<String> = text.lines().map(str::to_owned).collect();
    files.sort();
    Ok(files)
}

/// The text of a file of the tree.
///
/// # Errors
///
/// It cannot be read.
pub fn read(tree: &Path, file: &str) -> Result<String> {
    let bytes = fs::read(tree.join(file)).with_context(|| format!("cannot read {file}"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Where Rust code of the tree names an item, as one of `bindings` or `uapi`.
///
/// # Errors
///
/// The sources cannot be read.
pub fn uses(tree: &Path, item: &Item) -> Result<Vec<Place>> {
    let mut places = Vec::new();
    let (_, path) = item.path.split_once("::").unwrap_or_default();
    let pattern = Regex::new(&format!(r"\b(bindings|uapi)::{path}\b"))?;
    for file in files(tree, &item.name, &["rust", "drivers", "samples"], &["*.rs"])? {
        let text = read(tree, &file)?;
        let lines = text.lines().enumerate().filter(|(_, line)| pattern.is_match(line));
        places.extend(lines.map(|(at, _)| Place { file: file.clone(), line: at + 1 }));
    }
    // First the crate that makes it safe.
    places.sort_by_key(|place| !place.file.starts_with("rust/kernel"));
    Ok(places)
}

/// What a source says about a name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mention {
    /// A macro is defined.
    Macro,
    /// A structure, union or enumeration is defined.
    Type,
    /// A function that only this file can call, or that is compiled into its callers.
    Static,
    /// A function is declared or defined.
    Function,
    /// A constant of an enumeration, or another name for a type.
    Other,
}

/// The first line of a source that declares `name`, as far as that can be seen from the line.
pub fn declares(text: &str, name: &str) -> Option<(usize, Mention)> {
    let lines: Vec<&str> = text.lines().collect();
    let patterns = [
        (format!(r"^\s*#\s*define\s+{name}\b"), Mention::Macro),
        (format!(r"^\s*(typedef\s+)?(struct|union|enum)\s+{name}\s*\{{"), Mention::Type),
        (format!(r"^(static|extern\s+inline)\b.*\b{name}\s*\("), Mention::Static),
        // At the left, or below what it returns; not called.
        (format!(r"^(\w[^=;(]*[\s*])?{name}\s*\("), Mention::Function),
        (format!(r"^static\b[^(=;]*\b{name}\s*[=;\[]"), Mention::Static),
        (format!(r"^(const\s+)?struct\s+\w+\s+{name}\s*="), Mention::Other),
        (format!(r"^extern\s[^(]*\b{name}\b\s*[;\[]"), Mention::Other),
        (format!(r"^\s+{name}\s*(=[^=].*)?,"), Mention::Other),
        (format!(r"^(typedef\b.*|\}})\s*\*?{name};"), Mention::Other),
    ];
    let mut found: Vec<(usize, Mention)> = Vec::new();
    for (pattern, mention) in patterns {
        let pattern = Regex::new(&pattern).ok()?;
        if let Some(at) = lines.iter().position(|line| pattern.is_match(line)) {
            let above = at.checked_sub(1).map_or("", |above| lines[above]);
            let is_static = mention == Mention::Function && above.starts_with("static");
            found.push((at + 1, if is_static { Mention::Static } else { mention }));
        }
    }
    found.into_iter().min_by_key(|(line, _)| *line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations_are_told_from_uses() {
        for (line, mention) in [
            ("#define name(x) x", Mention::Macro),
            ("struct name {", Mention::Type),
            ("static inline int name(int a)", Mention::Static),
            ("extern int name(void);", Mention::Function),
            ("struct a *name(int a)", Mention::Function),
            ("\tname = 3,", Mention::Other),
            ("} name;", Mention::Other),
            ("typedef u32 name;", Mention::Other),
            ("extern struct a name;", Mention::Other),
            ("static const struct a name = {", Mention::Static),
            ("const struct a name = {", Mention::Other),
        ] {
            assert_eq!(declares(&format!("x\n{line}\n"), "name"), Some((2, mention)), "{line}");
        }
        for line in ["\treturn name(a);", "\tx = name(a);", "struct name *a;", "int names(void);", " * name() does"] {
            assert_eq!(declares(line, "name"), None, "{line}");
        }
    }

    #[test]
    fn a_result_on_a_line_of_its_own_is_looked_at() {
        assert_eq!(declares("static int\nname(void)\n", "name"), Some((2, Mention::Static)));
    }
}
