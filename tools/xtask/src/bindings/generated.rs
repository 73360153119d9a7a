// SPDX-License-Identifier: GPL-2.0
//! What bindgen has made of a name.

use std::fmt;
use std::fs;

use anyhow::{Context, Result};
use regex::Regex;

use super::Place;
use super::headers::{self, Declaration};
use super::objects::{BINDINGS, Objects};

/// What bindgen writes, and the crate that has it.
const FILES: [(&str, &str); 3] = [
    (BINDINGS, "bindings"),
    ("rust/bindings/bindings_helpers_generated.rs", "bindings"),
    ("rust/uapi/uapi_generated.rs", "uapi"),
];

/// What an item is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A function.
    Function,
    /// A structure.
    Struct,
    /// A union.
    Union,
    /// Another name for a type.
    Type,
    /// A constant.
    Constant,
    /// A variable.
    Static,
}

impl Kind {
    fn parse(keyword: &str) -> Self {
        match keyword {
            "fn" => Self::Function,
            "struct" => Self::Struct,
            "union" => Self::Union,
            "type" => Self::Type,
            "const" => Self::Constant,
            _ => Self::Static,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Function => "function",
            Self::Struct => "struct",
            Self::Union => "union",
            Self::Type => "type",
            Self::Constant => "constant",
            Self::Static => "variable",
        })
    }
}

/// An item of the generated files.
#[derive(Debug)]
pub struct Item {
    /// Its name in Rust.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Where it is.
    pub place: Place,
    /// Its text, without attributes.
    pub text: String,
    /// How Rust code names it.
    pub path: String,
    /// The name of the symbol behind it, where that is another.
    pub link_name: Option<String>,
    /// The traits that bindgen lets the compiler implement.
    pub derives: Vec<String>,
    /// Whether its name in Rust begins with that of an enumeration.
    is_prefixed: bool,
}

impl Item {
    /// Whether it comes of these declarations. A name with something in front of it can be by chance.
    pub fn is_for(&self, declarations: &[Declaration]) -> bool {
        !self.is_prefixed || declarations.iter().any(|one| one.kind == headers::Kind::Constant)
    }

    /// Whether a helper makes it.
    pub fn is_helper(&self) -> bool {
        self.link_name.is_some()
    }

    /// The first type that bindgen had to find a name for, of those that it has.
    pub fn inner_type(&self) -> Option<&str> {
        let start = self.text.find(&format!("{}__bindgen_ty_", self.name))?;
        self.text[start..].split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next()
    }

    /// Whether bindgen knows only how large it is.
    pub fn is_opaque(&self) -> bool {
        self.text.contains("_bindgen_opaque_blob")
    }

    /// Whether bindgen knows only that it is there.
    pub fn is_incomplete(&self) -> bool {
        self.text.contains("_unused: [u8; 0]")
    }
}

/// Finds what bindgen has made of `symbol`.
///
/// # Errors
///
/// A generated file cannot be read.
pub fn find(objects: &Objects, symbol: &str) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    for (file, crate_name) in FILES {
        let path = objects.dir.join(file);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut found = in_text(&text, symbol, crate_name)?;
        for item in &mut found {
            item.place.file = format!("{}/{file}", objects.name());
        }
        items.extend(found);
    }
    // The crate for user space has most of the types once more.
    if items.iter().any(|item: &Item| item.path.starts_with("bindings")) {
        items.retain(|item| item.path.starts_with("bindings"));
    }
    Ok(items)
}

fn in_text(text: &str, symbol: &str, crate_name: &str) -> Result<Vec<Item>> {
    let named = format!(r"(?<word>fn|struct|union|type|static)(?: mut)? (?<name>{symbol})");
    let constant = format!(r"(?<const>const) (?<constant>(?:\w+_)?{symbol})");
    let pattern = format!(r"(?m)^(?<space>[ \t]*)pub (?:{named}|{constant})\b");
    let pattern = Regex::new(&pattern)?;
    let items = pattern.captures_iter(text).filter_map(|captures| {
        let start = captures.get(0)?.start() + captures.name("space")?.len();
        let (word, name) = match captures.name("name") {
            Some(name) => (captures.name("word")?.as_str(), name.as_str()),
            None => ("const", captures.name("constant")?.as_str()),
        };
        let kind = Kind::parse(word);
        let before = &text[..start];
        let attributes = attributes(before);
        let line = before.matches('\n').count() + 1;
        let quoted = |text: &str| text.split('"').nth(1).map(str::to_owned);
        Some(Item {
            name: name.to_owned(),
            kind,
            place: Place { file: String::new(), line },
            text: whole(&text[start..]).to_owned(),
            path: path(before, !captures["space"].is_empty() && kind == Kind::Constant, name, crate_name),
            link_name: attributes.iter().find(|line| line.contains("link_name")).and_then(|line| quoted(line)),
            derives: derives(&attributes),
            is_prefixed: name != symbol,
        })
    });
    Ok(items.collect())
}

/// The item at the beginning of a text.
fn whole(text: &str) -> &str {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' if depth == 1 => return &text[..=at],
            '}' | ')' | ']' => depth = depth.saturating_sub(1),
            ';' if depth == 0 => return &text[..=at],
            _ => {}
        }
    }
    text
}

/// The attributes at the end of a text.
fn attributes(before: &str) -> Vec<&str> {
    let mut lines = before.lines().rev().peekable();
    // What is before the item on its own line.
    lines.next_if(|line| line.trim().is_empty());
    lines.map(str::trim).take_while(|line| line.starts_with("#[")).collect()
}

fn derives(attributes: &[&str]) -> Vec<String> {
    let lists = attributes.iter().filter_map(|line| line.strip_prefix("#[derive(")?.strip_suffix(")]"));
    lists.flat_map(|list| list.split(", ")).map(str::to_owned).collect()
}

/// How Rust code names an item, which may be a constant of a type.
fn path(before: &str, is_inner: bool, name: &str, crate_name: &str) -> String {
    let of = before.lines().rev().find_map(|line| line.strip_prefix("impl ")?.strip_suffix(" {"));
    match of.filter(|_| is_inner) {
        Some(of) => format!("{crate_name}::{of}::{name}"),
        None => format!("{crate_name}::{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "#[repr(C)]\n#[derive(Copy, Clone)]\npub struct queue {\n    pub a: [u8; 4usize],\n}\n\
        unsafe extern \"C\" {\n    #[link_name=\"rust_helper_add\"]\n    pub fn add(\n        q: *mut queue,\n    );\n\
        }\n\
        impl state {\n    pub const OFF: state = state(0);\n}\n\
        pub const mode_ON: mode = 1;\npub type mode = u32;\nextern \"C\" {\n    pub static mut other_add: u32;\n}\n";

    fn one(symbol: &str) -> Item {
        let mut items = in_text(TEXT, symbol, "bindings").unwrap();
        assert_eq!(items.len(), 1, "{symbol}");
        items.remove(0)
    }

    #[test]
    fn an_item_is_found_whole() {
        let queue = one("queue");
        assert_eq!((queue.kind, queue.place.line), (Kind::Struct, 3));
        assert_eq!(queue.text, "pub struct queue {\n    pub a: [u8; 4usize],\n}");
        assert_eq!(queue.derives, ["Copy", "Clone"]);
        assert_eq!(one("mode").text, "pub type mode = u32;");
        assert_eq!(one("other_add").kind, Kind::Static);
    }

    #[test]
    fn a_helper_has_the_name_of_its_symbol() {
        let add = one("add");
        assert_eq!(add.link_name.as_deref(), Some("rust_helper_add"));
        assert_eq!(add.text, "pub fn add(\n        q: *mut queue,\n    );");
        assert_eq!(add.path, "bindings::add");
    }

    #[test]
    fn constants_of_enumerations_are_found_under_both_names() {
        assert_eq!(one("OFF").path, "bindings::state::OFF");
        let on = one("ON");
        assert_eq!(on.path, "bindings::mode_ON");
        assert!(!on.is_for(&[]));
    }

    #[test]
    fn a_part_of_a_name_is_not_found() {
        assert!(in_text(TEXT, "queu", "bindings").unwrap().is_empty());
        assert!(in_text(TEXT, "dd", "bindings").unwrap().is_empty());
    }
}
