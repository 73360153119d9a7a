// SPDX-License-Identifier: GPL-2.0
//! What C's headers declare under a name, as the compiler sees them that bindgen uses.

use std::collections::BTreeSet;
use std::fmt;
use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::Place;
use super::generated;
use super::objects::Objects;
use crate::progress::output;

/// What a declaration declares.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A function that others can call.
    Function,
    /// A function that has no symbol, as it is compiled into its callers.
    Inline,
    /// A global variable.
    Variable,
    /// A structure.
    Struct,
    /// A union.
    Union,
    /// An enumeration.
    Enum,
    /// A constant of an enumeration.
    Constant,
    /// Another name for a type.
    Typedef,
    /// A macro that stands for something.
    Macro,
    /// A macro with arguments.
    FunctionMacro,
}

impl Kind {
    /// Whether Rust's form of it is of the other kind.
    pub fn is_seen_as(self, rust: generated::Kind) -> bool {
        use generated::Kind as Rust;
        match self {
            Self::Function | Self::Inline | Self::FunctionMacro => rust == Rust::Function,
            Self::Variable => rust == Rust::Static,
            Self::Struct => rust == Rust::Struct,
            Self::Union => rust == Rust::Union,
            Self::Enum | Self::Typedef => matches!(rust, Rust::Type | Rust::Struct | Rust::Union),
            Self::Constant | Self::Macro => rust == Rust::Constant,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Function => "function",
            Self::Inline => "inline function",
            Self::Variable => "variable",
            Self::Struct => "struct",
            Self::Union => "union",
            Self::Enum => "enum",
            Self::Constant => "constant of an enum",
            Self::Typedef => "typedef",
            Self::Macro => "macro",
            Self::FunctionMacro => "macro with arguments",
        })
    }
}

/// A declaration.
#[derive(Debug)]
pub struct Declaration {
    /// The name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Where it is.
    pub place: Place,
    /// Its text, as it is in the header.
    pub text: String,
    /// Of a function: its parameters, each with type and name.
    pub parameters: Vec<Parameter>,
    /// Of a function: what it returns.
    pub result: String,
    /// Whether it says what is in the type, if it is one.
    pub is_complete: bool,
}

/// A parameter of a function.
#[derive(Debug)]
pub struct Parameter {
    /// Its text, such as `void *data`.
    pub text: String,
    /// Its name; empty if it has none.
    pub name: String,
}

/// What the headers say.
#[derive(Debug)]
pub struct Headers {
    /// The declarations of the name, the most telling first.
    pub declarations: Vec<Declaration>,
    /// All files that bindgen has read, named from the root of the tree.
    pub files: BTreeSet<String>,
}

/// Reads the headers that bindgen reads.
///
/// # Errors
///
/// The compiler cannot be started or does not take them.
pub fn read(objects: &Objects, symbol: &str) -> Result<Headers> {
    let mut declarations = parsed(objects, symbol)?;
    let text = output(clang(objects).args(["-E", "-dD"]).arg(&objects.header))?;
    let (definition, files) = macros(&text, symbol);
    if let Some((file, line)) = definition {
        let source = String::from_utf8_lossy(&objects.read(&file)?).into_owned();
        let text = directive(&source, line);
        let kind = if text.contains(&format!("{symbol}(")) { Kind::FunctionMacro } else { Kind::Macro };
        let place = Place { file: objects.file(&file), line };
        declarations.push(Declaration {
            name: symbol.to_owned(),
            kind,
            place,
            text,
            parameters: Vec::new(),
            result: String::new(),
            is_complete: true,
        });
    }
    let files = files.iter().filter(|file| !file.starts_with('<')).map(|file| objects.file(file)).collect();
    Ok(Headers { declarations, files })
}

fn clang(objects: &Objects) -> Command {
    let mut command = Command::new(&objects.clang);
    command.current_dir(&objects.dir).arg("-w").args(&objects.flags);
    command
}

/// The declarations in the compiler's own form, without its macros.
fn parsed(objects: &Objects, symbol: &str) -> Result<Vec<Declaration>> {
    let filter = format!("-ast-dump-filter={symbol}");
    let mut command = clang(objects);
    command.arg("-fsyntax-only").args(["-ast-dump=json", &filter].map(|a| ["-Xclang", a]).concat());
    let text = output(command.arg(&objects.header))?;
    let mut file = String::new();
    let mut found: Vec<Declaration> = Vec::new();
    for node in serde_json::Deserializer::from_str(&text).into_iter::<Node>() {
        let mut node = node.context("clang describes the headers in a way that is not known")?;
        node.place(&mut file);
        // The filter takes what has the name within its own, too.
        if let Some(kind) = node.kind().filter(|_| node.name == symbol) {
            found.push(node.declaration(objects, kind)?);
        }
    }
    found.sort_by_key(|declaration| !declaration.is_complete);
    let mut seen = Vec::new();
    found.retain(|declaration| !seen.contains(&declaration.kind) && (seen.push(declaration.kind), true).1);
    Ok(found)
}

/// A part of the compiler's description of the source.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Node {
    #[serde(rename = "kind")]
    what: String,
    loc: Spot,
    range: Range,
    name: String,
    #[serde(rename = "type")]
    of: Type,
    storage_class: String,
    inline: bool,
    complete_definition: bool,
    tag_used: String,
    inner: Vec<Node>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Type {
    qual_type: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Range {
    begin: Spot,
    end: Spot,
}

/// A place in a source. Its file is left out where it is that of the place before, in the order of the description.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spot {
    offset: usize,
    file: String,
    tok_len: usize,
    spelling_loc: Option<Box<Spot>>,
    expansion_loc: Option<Box<Spot>>,
}

impl Spot {
    fn place(&mut self, last: &mut String) {
        for inner in [&mut self.spelling_loc, &mut self.expansion_loc].into_iter().flatten() {
            inner.place(last);
        }
        if let Some(expansion) = self.expansion_loc.take() {
            *self = *expansion;
        } else if self.file.is_empty() {
            self.file.clone_from(last);
        } else {
            last.clone_from(&self.file);
        }
    }
}

impl Node {
    fn place(&mut self, last: &mut String) {
        for spot in [&mut self.loc, &mut self.range.begin, &mut self.range.end] {
            // One that is not there is no place.
            if spot.tok_len > 0 || spot.expansion_loc.is_some() {
                spot.place(last);
            }
        }
        for inner in &mut self.inner {
            inner.place(last);
        }
    }

    fn kind(&self) -> Option<Kind> {
        Some(match self.what.as_str() {
            "FunctionDecl" if self.inline || self.storage_class == "static" => Kind::Inline,
            "FunctionDecl" => Kind::Function,
            "VarDecl" => Kind::Variable,
            "RecordDecl" if self.tag_used == "union" => Kind::Union,
            "RecordDecl" => Kind::Struct,
            "EnumDecl" => Kind::Enum,
            "EnumConstantDecl" => Kind::Constant,
            "TypedefDecl" => Kind::Typedef,
            _ => return None,
        })
    }

    fn declaration(&self, objects: &Objects, kind: Kind) -> Result<Declaration> {
        let source = objects.read(&self.loc.file)?;
        let parameter = |node: &Node| Parameter { text: node.text(&source), name: node.name.clone() };
        let line = source.iter().take(self.loc.offset).filter(|&&byte| byte == b'\n').count() + 1;
        Ok(Declaration {
            name: self.name.clone(),
            kind,
            place: Place { file: objects.file(&self.loc.file), line },
            text: self.text(&source),
            parameters: self.inner.iter().filter(|node| node.what == "ParmVarDecl").map(parameter).collect(),
            result: self.of.qual_type.split('(').next().unwrap_or_default().trim_end().to_owned(),
            is_complete: match kind {
                Kind::Struct | Kind::Union => self.complete_definition,
                Kind::Enum => !self.inner.is_empty(),
                _ => true,
            },
        })
    }

    /// What it looks like in its file; of a function without its body.
    fn text(&self, source: &[u8]) -> String {
        let Range { begin, end } = &self.range;
        let body = self.inner.iter().find(|node| node.what == "CompoundStmt");
        // That of a function which a macro makes begins where the function does.
        let body = body.map(|body| body.range.begin.offset).filter(|&at| at > begin.offset);
        let end = body.unwrap_or(end.offset + end.tok_len);
        let text = source.get(begin.offset..end).unwrap_or_default();
        String::from_utf8_lossy(text).trim_end().to_owned()
    }
}

/// A file as a tool in the object directory named it, and a line of it.
type Definition = (String, usize);

/// Where a macro is defined, of what the preprocessor has printed, and the files that it has read.
fn macros(text: &str, symbol: &str) -> (Option<Definition>, BTreeSet<String>) {
    let (mut file, mut line) = (String::new(), 0);
    let (mut found, mut files) = (None, BTreeSet::new());
    for row in text.lines() {
        if let Some(marker) = row.strip_prefix("# ") {
            let mut parts = marker.split('"');
            if let (Some(number), Some(name)) = (parts.next(), parts.next()) {
                line = number.trim().parse().unwrap_or(0);
                name.clone_into(&mut file);
                files.insert(file.clone());
                continue;
            }
        }
        let is_named =
            |rest: &str| rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next() == Some(symbol);
        if row.strip_prefix("#define ").is_some_and(is_named) {
            // What comes from the command line has no place.
            found = Some((file.clone(), line)).filter(|(file, _)| !file.starts_with('<'));
        } else if row.strip_prefix("#undef ").is_some_and(is_named) {
            found = None;
        }
        line += 1;
    }
    (found, files)
}

/// The directive that begins on a line of a source.
fn directive(source: &str, line: usize) -> String {
    let mut rows = Vec::new();
    for row in source.lines().skip(line - 1) {
        rows.push(row);
        if !row.ends_with('\\') {
            break;
        }
    }
    rows.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_left_out_is_that_of_the_place_before() {
        let text = r#"{"kind": "FunctionDecl", "name": "f", "loc": {"offset": 9, "file": "a.h", "tokLen": 1},
            "range": {"begin": {"offset": 5, "tokLen": 3}, "end": {"offset": 12, "tokLen": 1}},
            "inner": [{"kind": "Attr", "range": {
                "begin": {"spellingLoc": {"offset": 1, "file": "b.h", "tokLen": 1},
                          "expansionLoc": {"offset": 2, "file": "a.h", "tokLen": 1}},
                "end": {"offset": 3, "tokLen": 1}}}]}"#;
        let mut node: Node = serde_json::from_str(text).unwrap();
        node.place(&mut String::new());
        assert_eq!(node.range.end.file, "a.h");
        let attribute = &node.inner[0].range;
        assert_eq!((attribute.begin.offset, attribute.begin.file.as_str()), (2, "a.h"));
        assert_eq!(attribute.end.file, "a.h");
    }

    #[test]
    fn a_macro_is_found_where_it_is_defined_last() {
        let text = "# 1 \"a.h\" 1\n#define A 1\n#define AB 2\n# 7 \"b.h\" 2\nint x;\n#define A(x) 3\n#undef AB\n";
        let (found, files) = macros(text, "A");
        assert_eq!(found, Some(("b.h".to_owned(), 8)));
        assert_eq!(files.len(), 2);
        assert_eq!(macros(text, "AB").0, None);
        assert_eq!(macros("# 1 \"<built-in>\" 1\n#define A 1\n", "A").0, None);
    }

    #[test]
    fn a_directive_ends_where_no_line_goes_on() {
        assert_eq!(directive("x\n#define A \\\n\t1\ny\n", 2), "#define A \\\n\t1");
    }
}
