// SPDX-License-Identifier: GPL-2.0
//! Why Rust does not see a symbol, or does not see all of it, and what to do.

use anyhow::{Result, bail};
use regex::Regex;

use super::columns;
use super::conditions;
use super::generated::Item;
use super::headers::{Declaration, Headers, Kind};
use super::helper::{self, Helper};
use super::objects::Objects;
use super::search::{self, Mention};

/// Where bindgen's parameters are.
const PARAMETERS: &str = "rust/bindgen_parameters";

/// Where what bindgen reads is named; the overlay has a header of its own that this one includes.
const HEADER: &str = "rust/bindings/bindings_helper.h";

/// Where C declares what everybody can use.
const INCLUDES: [&str; 4] = ["include", "arch/x86/include", "arch/um/include", "arch/x86/um"];

/// Where else sources are.
const SOURCES: [&str; 14] = [
    "arch/um", "arch/x86", "block", "crypto", "drivers", "fs", "init", "io_uring", "kernel", "lib", "mm", "net",
    "security", "sound",
];

/// The longest line of a reason.
const WIDTH: usize = 100;

/// A reason.
#[derive(Debug)]
pub struct Reason {
    /// Why.
    why: String,
    /// What to do.
    what: String,
    /// Code to start from.
    code: Option<String>,
}

impl Reason {
    fn new(why: impl Into<String>, what: impl Into<String>) -> Self {
        Self { why: why.into(), what: what.into(), code: None }
    }

    fn with_code(self, code: String) -> Self {
        Self { code: Some(code), ..self }
    }

    /// Prints it.
    pub fn tell(&self) {
        for (label, text) in [("Why:   ", &self.why), ("To do: ", &self.what)] {
            columns::fold(&format!("{label} {text}"), WIDTH).iter().for_each(|line| println!("{line}"));
        }
        if let Some(code) = &self.code {
            println!();
            code.lines().for_each(|line| println!("    {}", line.replace('\t', "        ")));
            println!();
        }
    }
}

/// Why bindgen has made nothing of `symbol`.
///
/// # Errors
///
/// There is no such symbol, or the sources cannot be read.
pub fn reason(objects: &Objects, symbol: &str, headers: &Headers, helper: Option<&Helper>) -> Result<Reason> {
    if let Some(helper) = helper {
        let text = search::read(&objects.tree, &helper.place.file)?;
        let conditions = told(objects, &text, helper.place.line, &helper.place.file);
        return Ok(Reason::new(
            format!("there is a helper, {}, but it is left out here{conditions}.", helper.place),
            "turn the option on, for the kernels of this project in tests/config/.",
        ));
    }
    if let Some((line, parameter)) = parameter(objects, symbol, "--blocklist-")? {
        return Ok(Reason::new(
            format!("{PARAMETERS}:{line} tells bindgen to leave it out: {parameter}"),
            "see whether rust/bindings/lib.rs defines it by hand; otherwise wrap what is needed in a helper.",
        ));
    }
    match headers.declarations.first() {
        Some(declaration) => Ok(declared(declaration, symbol)),
        None => elsewhere(objects, symbol, headers),
    }
}

/// What C declares in the headers that bindgen reads, and bindgen makes nothing of.
fn declared(declaration: &Declaration, symbol: &str) -> Reason {
    match declaration.kind {
        Kind::Inline => Reason::new(
            "it is compiled into its callers, so there is no symbol that Rust could link, and no helper yet.",
            format!("add a helper to a file of {}/ (one file for each header):", helper::DIR),
        )
        .with_code(helper::proposal(declaration)),
        Kind::FunctionMacro => Reason::new(
            "a macro with arguments has no types, so bindgen can make nothing of it, and there is no helper yet.",
            format!(
                "if it computes, add a helper with the types that are right to a file of {}/; \
                 if it declares or loops, write in Rust what it does:",
                helper::DIR
            ),
        )
        .with_code(helper::proposal(declaration)),
        Kind::Macro => Reason::new(
            "bindgen evaluates only macros of plain numbers and strings, \
             not those with casts, sizeof, names of enumerations or other expressions that only the compiler knows.",
            format!(
                "if it is a constant, let the compiler evaluate it, in {HEADER} (TYPE is the one that it shall have):"
            ),
        )
        .with_code(format!("const TYPE RUST_CONST_HELPER_{symbol} = {symbol};\n")),
        _ => Reason::new(
            "bindgen has read the declaration and left it out, as it does with calling conventions and types that Rust \
             does not have.",
            format!("wrap what is needed in a helper, in a file of {}/.", helper::DIR),
        ),
    }
}

/// What is not declared in the headers that bindgen reads.
fn elsewhere(objects: &Objects, symbol: &str, headers: &Headers) -> Result<Reason> {
    let is_read = |file: &String| headers.files.contains(file);
    let places = [(&INCLUDES[..], "*.h"), (&SOURCES[..], "*.h"), (&SOURCES[..], "*.c")];
    for (dirs, pattern) in places {
        let mut found = Vec::new();
        for file in search::files(&objects.tree, symbol, dirs, &[pattern])? {
            let text = search::read(&objects.tree, &file)?;
            if let Some((line, mention)) = search::declares(&text, symbol) {
                found.push((file, line, mention, text));
            }
        }
        // A header that is read tells more than one that is not, and one of all architectures more than one of some.
        found.sort_by_key(|(file, ..)| (!is_read(file), file.starts_with("arch"), file.starts_with("include/uapi")));
        let Some((file, line, mention, text)) = found.into_iter().next() else {
            continue;
        };
        let conditions = told(objects, &text, line, &file);
        return Ok(if is_read(&file) {
            let why = if conditions.is_empty() { ", but not for this kernel" } else { &conditions };
            Reason::new(
                format!("it is declared at {file}:{line}{why}."),
                "turn the option on (for the kernels of this project in tests/config/), and guard what uses it in Rust \
                 with #[cfg(CONFIG_…)].",
            )
        } else if pattern == "*.h" {
            header_not_read(&file, line, mention, &conditions)
        } else {
            private(&file, line, mention)
        });
    }
    bail!("{symbol}: no header or source of the kernel declares it{}", similar(objects, symbol)?)
}

fn header_not_read(file: &str, line: usize, mention: Mention, conditions: &str) -> Reason {
    let why =
        format!("it is declared at {file}:{line}{conditions}, and {HEADER} includes no header that includes this.");
    let name = file.strip_prefix("include/uapi/").or(file.strip_prefix("include/"));
    let header = name.map_or_else(|| format!("\"../../{file}\""), |name| format!("<{name}>"));
    let then = match mention {
        Mention::Static => "; it has no symbol, so it needs a helper in rust/helpers/, too",
        Mention::Macro => "; what bindgen cannot evaluate of it needs a constant there or a helper, too",
        _ => "",
    };
    let what = format!("include {header} there (this project: rust/bindings/bindings_helper_overlay.h){then}.");
    Reason::new(why, what)
}

fn private(file: &str, line: usize, mention: Mention) -> Reason {
    match mention {
        Mention::Static => Reason::new(
            format!("it is static at {file}:{line}: no other file can name it, in C neither."),
            "use what calls it and is declared in a header, or move it to a header in a patch for C.",
        ),
        _ => Reason::new(
            format!("it is known only to {file}, line {line}: no header declares it."),
            "look for what that file offers to others in a header.",
        ),
    }
}

/// What bindgen does not know of an item that it has made.
///
/// # Errors
///
/// The sources cannot be read.
pub fn shortcomings(objects: &Objects, symbol: &str, items: &[&Item]) -> Result<Vec<Reason>> {
    let mut reasons = Vec::new();
    for item in items {
        if item.is_opaque() {
            let why = match parameter(objects, symbol, "--opaque-type")? {
                Some((line, text)) => format!("its fields are hidden: {PARAMETERS}:{line} says {text}"),
                None => {
                    "its fields are hidden: Rust cannot lay it out as C does, so bindgen knows only its size.".into()
                }
            };
            reasons.push(Reason::new(why, "read and write its fields in a helper."));
        }
        if item.is_incomplete() {
            let why = "its fields are not known: no header that bindgen reads defines it.";
            let what = match definition(objects, symbol)? {
                Some(file) if file.ends_with(".c") => {
                    format!("leave it alone: it is private to {file}; call the functions that take a pointer to it.")
                }
                Some(file) => format!("if they are needed, include {file} in {HEADER}; else pass pointers on."),
                None => "pass pointers on.".to_owned(),
            };
            reasons.push(Reason::new(why, what));
        }
    }
    Ok(reasons)
}

/// The file that defines a type.
fn definition(objects: &Objects, symbol: &str) -> Result<Option<String>> {
    for (dirs, pattern) in [(&INCLUDES[..], "*.h"), (&SOURCES[..], "*.h"), (&SOURCES[..], "*.c")] {
        for file in search::files(&objects.tree, symbol, dirs, &[pattern])? {
            let text = search::read(&objects.tree, &file)?;
            if search::declares(&text, symbol).is_some_and(|(_, mention)| mention == Mention::Type) {
                return Ok(Some(file));
            }
        }
    }
    Ok(None)
}

/// The line of bindgen's parameters that begins with `option` and is about `symbol`.
fn parameter(objects: &Objects, symbol: &str, option: &str) -> Result<Option<(usize, String)>> {
    let text = search::read(&objects.tree, PARAMETERS)?;
    Ok(in_parameters(&text, symbol, option))
}

fn in_parameters(text: &str, symbol: &str, option: &str) -> Option<(usize, String)> {
    text.lines().enumerate().find_map(|(at, line)| {
        let pattern = line.strip_prefix(option)?.rsplit(' ').next()?;
        let is_about = Regex::new(&format!("^(?:{pattern})$")).is_ok_and(|pattern| pattern.is_match(symbol));
        is_about.then(|| (at + 1, line.to_owned()))
    })
}

/// The conditions around a line, and what the configuration says about them.
fn told(objects: &Objects, text: &str, line: usize, file: &str) -> String {
    let mut told = Vec::new();
    for condition in conditions::around(text, line) {
        let options = conditions::options(objects, &condition);
        if options.is_empty() {
            continue;
        }
        let branch = if condition.is_negated { "the other branch of " } else { "" };
        told.push(format!("{branch}{} ({file}:{}; {})", condition.text, condition.line, options.join(", ")));
    }
    if told.is_empty() { String::new() } else { format!(" within {}", told.join(" and ")) }
}

/// Names that bindgen knows and that begin alike.
fn similar(objects: &Objects, symbol: &str) -> Result<String> {
    /// More do not help.
    const MOST: usize = 5;
    let text = search::read(&objects.dir, super::objects::BINDINGS)?;
    let pattern = Regex::new(r"(?m)^\s*pub (?:fn|struct|union|type) (\w+)")?;
    let names: Vec<&str> = pattern.captures_iter(&text).filter_map(|found| Some(found.get(1)?.as_str())).collect();
    for length in (symbol.len() / 2..symbol.len()).rev() {
        let mut alike: Vec<&str> = names.iter().copied().filter(|name| name.starts_with(&symbol[..length])).collect();
        alike.sort_unstable();
        alike.dedup();
        if (1..=MOST).contains(&alike.len()) {
            return Ok(format!("; there is {}", alike.join(", ")));
        }
    }
    Ok(String::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_expressions() {
        let text = "# --opaque-type no\n--opaque-type uv_cb.*\n--blocklist-function __list_.*_report\n";
        let opaque = Some((2, "--opaque-type uv_cb.*".to_owned()));
        assert_eq!(in_parameters(text, "uv_cb_header", "--opaque-type"), opaque);
        assert_eq!(in_parameters(text, "uv", "--opaque-type"), None);
        assert_eq!(in_parameters(text, "__list_add_report", "--blocklist-").map(|(line, _)| line), Some(3));
    }
}
