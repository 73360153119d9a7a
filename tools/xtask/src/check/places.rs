// SPDX-License-Identifier: GPL-2.0
//! The documents that lead from C's drivers to ours: the places that they name must have what they say.

use anyhow::Result;
use regex::Regex;

use super::tables::{self, Table};
use super::{Findings, source};
use crate::kernel::Workshop;

/// A document, and what its tables of places have behind the first column, which says what is at the places.
struct Document {
    path: &'static str,
    columns: &'static [Column],
}

/// A column of places: what it is in, and the directory that its files are named from.
struct Column {
    dir: &'static str,
    language: Language,
}

enum Language {
    /// Places in C name a file, a line, and the definition that the line is part of; or else nothing but a file of the
    /// tree. Those that name no file are in this one.
    C(&'static str),
    /// Places in Rust name a file and what it defines.
    Rust,
}

const DOCUMENTS: [Document; 3] = [
    Document {
        path: "Documentation/rust/virtio_blk.rst",
        columns: &[
            Column { dir: "drivers/block", language: Language::C("virtio_blk.c") },
            Column { dir: "drivers/block/virtio_blk_rs", language: Language::Rust },
        ],
    },
    Document {
        path: "Documentation/rust/e1000.rst",
        columns: &[
            Column { dir: "drivers/net/ethernet/intel/e1000", language: Language::C("e1000_main.c") },
            Column { dir: "drivers/net/ethernet/intel/e1000_rs", language: Language::Rust },
        ],
    },
    Document {
        path: "Documentation/rust/drivers-compared.rst",
        columns: &[
            Column { dir: "drivers/block", language: Language::C("virtio_blk.c") },
            Column { dir: "drivers/block/virtio_blk_rs", language: Language::Rust },
            Column { dir: "drivers/net/ethernet/intel/e1000", language: Language::C("e1000_main.c") },
            Column { dir: "drivers/net/ethernet/intel/e1000_rs", language: Language::Rust },
        ],
    },
];

/// Compares the documents with the drivers.
///
/// # Errors
///
/// A document cannot be read.
pub fn check(workshop: &Workshop) -> Result<Findings> {
    let mut findings = Findings::new();
    for document in &DOCUMENTS {
        findings.extend(compare(document, &source(workshop, document.path)?, |path| source(workshop, path))?);
    }
    Ok(findings)
}

/// The places of a document at which there is something else.
fn compare(document: &Document, text: &str, read: impl Fn(&str) -> Result<String>) -> Result<Findings> {
    let place = Place::new()?;
    let mut findings = Findings::new();
    let mut places = vec![0; document.columns.len()];
    let tables = tables::of(text)?;
    for row in tables.iter().filter(|table| place.has_table(table)).flat_map(Table::body) {
        let (role, cells) = (&row[0], &row[1..]);
        if cells.len() != document.columns.len() {
            let (path, line, expected) = (document.path, role.line, document.columns.len() + 1);
            findings.push(format!("{path}:{line}: a row of places has {} cells, not {expected}", row.len()));
            continue;
        }
        for ((cell, column), places) in cells.iter().zip(document.columns).zip(&mut places) {
            if place.is_none(&cell.text) {
                continue;
            }
            *places += 1;
            let finding = place.look(&cell.text, column, &read)?;
            findings.extend(finding.map(|finding| format!("{}:{}: {finding}", document.path, cell.line)));
        }
    }
    for (column, places) in document.columns.iter().zip(places) {
        if places == 0 {
            findings.push(format!("{}: there are no places in {}", document.path, column.dir));
        }
    }
    Ok(findings)
}

/// The forms that a place can have.
struct Place {
    in_rust: Regex,
    in_c: Regex,
    file_of_c: Regex,
    like_a_place: Regex,
    none: Regex,
}

impl Place {
    fn new() -> Result<Self> {
        Ok(Self {
            in_rust: Regex::new(r"^``([\w/]+\.rs)``, ``([\w:!]+)``$")?,
            in_c: Regex::new(r"^(?:``([\w/]+\.[ch])``, )?(\d+), ``(\w+)``$")?,
            file_of_c: Regex::new(r"^``([\w/]+/[\w/]+\.[ch])``$")?,
            like_a_place: Regex::new(r"^(\d+,? ``|``[\w/]+\.rs``|``[\w/]+\.[ch]``, )")?,
            none: Regex::new(r"^none: .*\w")?,
        })
    }

    /// Whether a table is one of places: then all of its cells are, but the first of each row.
    fn has_table(&self, table: &Table) -> bool {
        table.body().flat_map(|row| &row[1..]).any(|cell| self.like_a_place.is_match(&cell.text))
    }

    /// Whether a cell says that there is no such place, and why.
    fn is_none(&self, cell: &str) -> bool {
        self.none.is_match(cell)
    }

    /// Looks whether what a cell names is there. Returns what is wrong, if anything.
    fn look(&self, cell: &str, column: &Column, read: impl Fn(&str) -> Result<String>) -> Result<Option<String>> {
        let of_column = |file: &str| read(&format!("{}/{file}", column.dir));
        match &column.language {
            Language::Rust => {
                let Some(found) = self.in_rust.captures(cell) else {
                    return Ok(Some(OTHER_FORM.to_owned()));
                };
                let (_, [file, symbol]) = found.extract();
                let Ok(text) = of_column(file) else {
                    return Ok(Some(format!("there is no {file}")));
                };
                let count = definitions(&text, symbol)?;
                Ok((count != 1).then(|| format!("{file} defines {symbol} {count} times")))
            }
            Language::C(default) => {
                if let Some(found) = self.file_of_c.captures(cell) {
                    return Ok(read(&found[1]).is_err().then(|| format!("there is no {}", &found[1])));
                }
                let Some(found) = self.in_c.captures(cell) else {
                    return Ok(Some(OTHER_FORM.to_owned()));
                };
                let file = found.get(1).map_or(*default, |file| file.as_str());
                let (at, symbol) = (&found[2], &found[3]);
                let Ok(text) = of_column(file) else {
                    return Ok(Some(format!("there is no {file}")));
                };
                let is_there = definition_at(&text, at)?.is_some_and(|line| has_word(line, symbol));
                Ok((!is_there).then(|| format!("line {at} of {file} is not in {symbol}")))
            }
        }
    }
}

const OTHER_FORM: &str = "a place of another form, which nothing checks";

/// How often a file defines a symbol: `name`, `Type::name` for what is in an `impl` of the type, or `name!` for what a
/// macro makes.
fn definitions(rust: &str, symbol: &str) -> Result<usize> {
    if let Some(name) = symbol.strip_suffix('!') {
        let call = Regex::new(&format!(r"^(\w+::)*{name}! *[({{]"))?;
        return Ok(rust.lines().filter(|line| call.is_match(line)).count());
    }
    let (implementor, name) = symbol.split_once("::").map_or((None, symbol), |(of, name)| (Some(of), name));
    let indent = if implementor.is_some() { "    " } else { " *" };
    let kind = "fn|struct|enum|trait|mod|const|static|type";
    let item = Regex::new(&format!(r"^{indent}(pub(\(\w+\))? )?(const |unsafe )*({kind}) {name}\b"))?;
    let implementation = Regex::new(r"^(?:unsafe )?impl\b.*?(\w+)(?:<[^>]*>)? \{$")?;
    let mut count = 0;
    let mut implemented = None;
    for line in rust.lines() {
        if line == "}" {
            implemented = None;
        } else if let Some(found) = implementation.captures(line) {
            implemented = Some(found.extract::<1>().1[0]);
        }
        if item.is_match(line) && (implementor.is_none() || implementor == implemented) {
            count += 1;
        }
    }
    Ok(count)
}

/// Whether `word` is in `line`, and not only as a part of another word.
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |neighbour: char| neighbour.is_alphanumeric() || neighbour == '_';
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(is_part) && !line[at + word.len()..].starts_with(is_part))
}

/// The first line of the C definition that the line with the given number is part of. A macro is one of a line.
fn definition_at<'a>(c: &'a str, number: &str) -> Result<Option<&'a str>> {
    let number: usize = number.parse()?;
    let lines: Vec<&str> = c.lines().take(number).collect();
    if lines.len() == number && lines.last().is_some_and(|line| line.starts_with("#define ")) {
        return Ok(lines.last().copied());
    }
    // Labels stand at the beginning of the line, too.
    let starts = |line: &&&str| line.starts_with(|first: char| first.is_ascii_alphabetic()) && !line.ends_with(':');
    let definition = lines.iter().rev().find(starts).copied();
    Ok(definition.filter(|_| lines.len() == number))
}

#[cfg(test)]
mod tests {
    use super::*;

    const C: &str = "static int one(void)\n{\n\tgoto out;\nout:\n\treturn 0;\n}\n\nstatic int two(void)\n{\n#define \
                     THREE(x) x\n\treturn 0;\n}\n";

    const RUST: &str = "pub(crate) static ONE: u32 = 0;\n\nkernel::make! {\n    three = 3;\n}\n\nimpl Two {\n    \
                        fn new() -> Two {\n    }\n}\n\nimpl<'a> Make<One> for Three<'a> {\n    const FOUR: u32 = \
                        4;\n    pub(crate) fn new() {}\n    fn go() {\n        go();\n    }\n}\n\n// fn none\n";

    /// Of two drivers, of which each has a directory.
    const DOCUMENT: Document = Document {
        path: "d.rst",
        columns: &[
            Column { dir: "c", language: Language::C("c.c") },
            Column { dir: "rs", language: Language::Rust },
            Column { dir: "c/b", language: Language::C("b.c") },
        ],
    };

    const HEADER: &str =
        ".. list-table::\n   :header-rows: 1\n\n   * - what\n     - ``c.c``, line\n     - Rust\n     - ``b.c``, line\n";

    /// The findings in a table with a row of these cells.
    fn findings(cells: &[&str]) -> Findings {
        let row = |cells: &[&str]| format!("   * - {}\n", cells.join("\n     - "));
        let good = row(&["first", "1, ``one``", "``a.rs``, ``ONE``", "8, ``two``"]);
        let read = |path: &str| match path {
            "c/c.c" | "c/b/b.c" | "c/b/d/c.c" | "include/h.h" => Ok(C.to_owned()),
            "rs/a.rs" => Ok(RUST.to_owned()),
            other => anyhow::bail!("no {other}"),
        };
        compare(&DOCUMENT, &format!("{HEADER}{good}{}\nThe end.\n", row(cells)), read).unwrap()
    }

    #[test]
    fn what_a_file_of_ours_does_not_define_is_found() {
        for (symbol, expected) in [
            ("ONE", 1),
            ("go", 1),
            ("Two::new", 1),
            ("Three::new", 1),
            ("Three::go", 1),
            ("Three::FOUR", 1),
            ("make!", 1),
            ("new", 2),
            ("Two::go", 0),
            ("One::new", 0),
            ("Make::new", 0),
            ("ON", 0),
            ("three!", 0),
            ("none", 0),
        ] {
            assert_eq!(definitions(RUST, symbol).unwrap(), expected, "{symbol}");
        }
        assert_eq!(findings(&["x", "1, ``one``", "``a.rs``, ``Two::new``", "1, ``one``"]), Findings::new());
        let found = findings(&["x", "1, ``one``", "``a.rs``, ``new``", "1, ``one``"]);
        assert_eq!(found, ["d.rst:14: a.rs defines new 2 times"]);
        assert_eq!(findings(&["x", "1, ``one``", "``a.rs``, ``Two::old``", "1, ``one``"]).len(), 1);
        assert_eq!(findings(&["x", "1, ``one``", "``b.rs``, ``ONE``", "1, ``one``"]), ["d.rst:14: there is no b.rs"]);
    }

    #[test]
    fn a_line_of_c_that_has_moved_is_found() {
        for (place, expected) in [
            ("1, ``one``", 0),
            ("5, ``one``", 0),
            ("``d/c.c``, 8, ``two``", 0),
            ("``include/h.h``", 0),
            ("10, ``THREE``", 0),
            ("11, ``two``", 0),
            ("11, ``THREE``", 1),
            ("10, ``two``", 1),
            ("5, ``two``", 1),
            ("99, ``two``", 1),
            ("``c.c``, 8, ``two``", 1),
            ("``include/g.h``", 1),
        ] {
            assert_eq!(findings(&["x", "1, ``one``", "``a.rs``, ``ONE``", place]).len(), expected, "{place}");
        }
    }

    #[test]
    fn a_place_that_would_not_be_checked_is_found() {
        for cell in ["1, one", "``a.rs``: ``ONE``", "``a.rs``", "``c.c``, ``one``", "see below", ""] {
            assert_eq!(findings(&["x", cell, "``a.rs``, ``ONE``", "1, ``one``"]).len(), 1, "{cell}");
            assert_eq!(findings(&["x", "1, ``one``", cell, "1, ``one``"]).len(), 1, "{cell}");
        }
    }

    #[test]
    fn a_row_names_each_driver_or_says_why_not() {
        let whole = ["x", "1, ``one``", "``a.rs``, ``ONE``", "1, ``one``"];
        assert_eq!(findings(&whole[..3]), ["d.rst:12: a row of places has 3 cells, not 4"]);
        assert_eq!(findings(&[whole.as_slice(), &["1, ``one``"]].concat()).len(), 1);
        let with = |cell| findings(&["x", cell, "``a.rs``, ``ONE``", "1, ``one``"]);
        assert_eq!(with("none: nobody looks"), Findings::new());
        assert_eq!(with("none: a reason that goes on\n       in the next line"), Findings::new());
        for without_reason in ["none", "none:", "none: "] {
            assert_eq!(with(without_reason).len(), 1, "{without_reason}");
        }
    }

    #[test]
    fn each_driver_is_in_its_column() {
        assert_eq!(findings(&["x", "``a.rs``, ``ONE``", "1, ``one``", "1, ``one``"]).len(), 2);
    }

    #[test]
    fn a_document_without_places_is_found() {
        let none = |_: &str| Ok(String::new());
        let other_table = ".. list-table::\n\n   * - ``a.rs`` and more\n     - 934, and 88\n";
        for text in ["nothing", other_table, HEADER] {
            assert_eq!(compare(&DOCUMENT, text, none).unwrap().len(), 3, "{text}");
        }
    }
}
