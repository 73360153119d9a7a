// SPDX-License-Identifier: GPL-2.0
//! C functions that exist so that Rust can call what has no symbol.

use std::path::Path;

use anyhow::Result;

use super::Place;
use super::headers::{Declaration, Kind};
use super::objects::Objects;
use super::search;

/// Where helpers are, from the root of the tree.
pub const DIR: &str = "rust/helpers";

/// A helper.
#[derive(Debug)]
pub struct Helper {
    /// Where it is.
    pub place: Place,
    text: String,
}

/// Finds the helper for `symbol`.
///
/// # Errors
///
/// The helpers cannot be read.
pub fn find(tree: &Path, symbol: &str) -> Result<Option<Helper>> {
    let name = format!("rust_helper_{symbol}");
    for file in search::files(tree, &name, &[DIR], &["*.c"])? {
        let source = search::read(tree, &file)?;
        if let Some((line, text)) = function(&source, &name) {
            return Ok(Some(Helper { place: Place { file, line }, text: text.to_owned() }));
        }
    }
    Ok(None)
}

/// A function and its line.
fn function<'a>(source: &'a str, name: &str) -> Option<(usize, &'a str)> {
    let at = source.find(&format!("{name}("))?;
    // Its result may be on a line of its own.
    let start = source[..at].rfind("__rust_helper")?;
    let end = at + source[at..].find("\n}")? + 2;
    Some((source[..start].matches('\n').count() + 1, &source[start..end]))
}

impl Helper {
    /// Prints it.
    pub fn tell(&self, objects: &Objects) {
        println!("It is called through this helper, {}:\n", self.place);
        for line in self.text.lines() {
            println!("    {}", line.replace('\t', "        "));
        }
        let is_inlined = objects.option("CONFIG_RUST_INLINE_HELPERS").is_some();
        let cost = if is_inlined {
            "The helper is inlined into its callers (CONFIG_RUST_INLINE_HELPERS=y): it costs nothing."
        } else {
            "Each use calls the helper: CONFIG_RUST_INLINE_HELPERS is not set."
        };
        println!("\n{cost}");
    }
}

/// A helper as it would have to be written for a declaration.
pub fn proposal(declaration: &Declaration) -> String {
    let Declaration { name, kind, parameters, result, .. } = declaration;
    if *kind == Kind::FunctionMacro {
        return format!("__rust_helper TYPE rust_helper_{name}(TYPE argument)\n{{\n\treturn {name}(argument);\n}}\n");
    }
    let named = |(at, parameter): (usize, &super::headers::Parameter)| match parameter.name.as_str() {
        "" => (format!("{} arg{at}", parameter.text), format!("arg{at}")),
        name => (parameter.text.split_whitespace().collect::<Vec<_>>().join(" "), name.to_owned()),
    };
    let (texts, names): (Vec<String>, Vec<String>) = parameters.iter().enumerate().map(named).unzip();
    let space = if result.ends_with('*') { "" } else { " " };
    let list = if texts.is_empty() { "void".to_owned() } else { texts.join(", ") };
    let mut head = format!("__rust_helper {result}{space}rust_helper_{name}({list})");
    if head.len() > 80 {
        head = format!("__rust_helper {result}\nrust_helper_{name}({})", texts.join(",\n\t"));
    }
    let word = if result == "void" { "" } else { "return " };
    format!("{head}\n{{\n\t{word}{name}({});\n}}\n", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::headers::Parameter;
    use super::*;

    fn declaration(result: &str, parameters: &[(&str, &str)]) -> Declaration {
        let parameter = |(text, name): &(&str, &str)| Parameter { text: (*text).into(), name: (*name).into() };
        Declaration {
            name: "f".into(),
            kind: Kind::Inline,
            place: Place { file: "a.h".into(), line: 1 },
            text: String::new(),
            parameters: parameters.iter().map(parameter).collect(),
            result: result.into(),
            is_complete: true,
        }
    }

    #[test]
    fn a_helper_passes_everything_on() {
        let text = proposal(&declaration("bool", &[("const struct a *a", "a"), ("int", "")]));
        let expected = "__rust_helper bool rust_helper_f(const struct a *a, int arg1)\n{\n\treturn f(a, arg1);\n}\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_helper_without_parameters_or_result_has_neither() {
        assert_eq!(proposal(&declaration("void", &[])), "__rust_helper void rust_helper_f(void)\n{\n\tf();\n}\n");
        assert!(proposal(&declaration("struct a *", &[])).contains("struct a *rust_helper_f(void)"));
    }

    #[test]
    fn a_helper_is_found_whole() {
        let source = "x\n__rust_helper int\nrust_helper_f(int a)\n{\n\treturn f(a);\n}\n\ny\n";
        let (line, text) = function(source, "rust_helper_f").unwrap();
        assert_eq!((line, text), (2, "__rust_helper int\nrust_helper_f(int a)\n{\n\treturn f(a);\n}"));
        assert_eq!(function(source, "rust_helper_g"), None);
    }
}
