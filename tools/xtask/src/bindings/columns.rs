// SPDX-License-Identifier: GPL-2.0
//! Two declarations of the same, side by side.

use super::generated::{self, Item};
use super::headers::{Declaration, Kind};

/// The width of the column of C; what is longer goes on below.
const LEFT: usize = 56;

/// The width of the column of Rust.
const RIGHT: usize = 72;

const INDENT: &str = "    ";

/// Both declarations, each below its place.
pub fn pair(declaration: Option<&Declaration>, item: &Item) -> String {
    let right = rust_rows(item);
    let Some(declaration) = declaration else {
        return format!("{}\n{}\n", item.place, right.join("\n"));
    };
    let left = c_rows(declaration);
    let is_record = matches!(declaration.kind, Kind::Struct | Kind::Union);
    let rows = if is_record { by_name(&left, &right) } else { by_number(&left, &right) };
    let rows = [(declaration.place.to_string(), item.place.to_string())].into_iter().chain(rows);
    let mut text = String::new();
    for (left, right) in rows.map(|(left, right)| (fold(&left, LEFT), fold(&right, RIGHT))) {
        for at in 0..left.len().max(right.len()) {
            let cell = |column: &[String]| column.get(at).cloned().unwrap_or_default();
            text += format!("{:LEFT$}  {}", cell(&left), cell(&right)).trim_end();
            text.push('\n');
        }
    }
    text
}

/// The declaration of C by itself.
pub fn alone(declaration: &Declaration) -> String {
    c_rows(declaration).join("\n")
}

fn c_rows(declaration: &Declaration) -> Vec<String> {
    let text = without_comments(&declaration.text);
    match declaration.kind {
        Kind::Function | Kind::Inline => broken(&format!("{text};"), "(", ','),
        Kind::Enum => broken(&format!("{text};"), "{", ','),
        Kind::Constant => vec![one_line(&text)],
        Kind::Macro | Kind::FunctionMacro => text.replace('\t', INDENT).lines().map(str::to_owned).collect(),
        _ => broken(&format!("{text};"), "{", ';'),
    }
}

fn rust_rows(item: &Item) -> Vec<String> {
    match item.kind {
        generated::Kind::Function => broken(&item.text, "(", ','),
        _ => broken(&item.text, "{", ','),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn without_comments(text: &str) -> String {
    let (mut rest, mut out) = (text, String::new());
    while let Some(at) = rest.find("/*") {
        out.push_str(&rest[..at]);
        rest = rest[at..].find("*/").map_or("", |end| &rest[at + end + 2..]);
    }
    out.push_str(rest);
    out.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// A declaration with what is inside `open` on rows of their own, each ending with `separator`.
///
/// Parentheses are opened once, braces wherever they are; directives of C's preprocessor have rows of their own.
fn broken(text: &str, open: &str, separator: char) -> Vec<String> {
    let mut rows = Rows::default();
    let (mut inside, mut was_open) = (0_usize, false);
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with('#') {
            rows.end();
            rows.done.push(one_line(line));
            continue;
        }
        for c in line.chars() {
            match c {
                '(' if open == "(" && !was_open => {
                    was_open = true;
                    rows.open(c);
                }
                '{' if open == "{" => rows.open(c),
                '}' if open == "{" => rows.close(c),
                ')' if open == "(" && inside == 0 && rows.depth > 0 => rows.close(c),
                '(' | '[' => {
                    inside += 1;
                    rows.current.push(c);
                }
                ')' | ']' => {
                    inside = inside.saturating_sub(1);
                    rows.current.push(c);
                }
                c if c == separator && inside == 0 && rows.depth > 0 => {
                    rows.current.push(c);
                    rows.end();
                }
                c => rows.current.push(c),
            }
        }
        rows.current.push(' ');
    }
    rows.end();
    rows.done
}

#[derive(Default)]
struct Rows {
    done: Vec<String>,
    current: String,
    depth: usize,
}

impl Rows {
    fn end(&mut self) {
        let row = one_line(&std::mem::take(&mut self.current));
        if !row.is_empty() {
            self.done.push(INDENT.repeat(self.depth) + &row);
        }
    }

    fn open(&mut self, c: char) {
        self.current.push(c);
        self.end();
        self.depth += 1;
    }

    fn close(&mut self, c: char) {
        self.end();
        self.depth = self.depth.saturating_sub(1);
        self.current.push(c);
    }
}

fn by_number(left: &[String], right: &[String]) -> Vec<(String, String)> {
    let cell = |column: &[String], at: usize| column.get(at).cloned().unwrap_or_default();
    (0..left.len().max(right.len())).map(|at| (cell(left, at), cell(right, at))).collect()
}

/// Puts fields of the same name on the same row. Both columns keep their order.
fn by_name(left: &[String], right: &[String]) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let mut next = 0;
    for (at, row) in right.iter().enumerate() {
        let same = if at == 0 {
            Some(0)
        } else {
            let name = rust_name(row);
            left[next..].iter().position(|other| match name {
                // A structure or union without a name.
                Some(name) if name.starts_with("__bindgen_anon") => matches!(other.trim(), "struct {" | "union {"),
                Some(_) => c_name(other) == name,
                None => false,
            })
        };
        if let Some(skipped) = same {
            rows.extend(left[next..next + skipped].iter().map(|other| (other.clone(), String::new())));
            rows.push((left[next + skipped].clone(), row.clone()));
            next += skipped + 1;
        } else if at + 1 == right.len() {
            // What ends both.
            let (last, others) = left[next..].split_last().map_or((String::new(), &[][..]), |(l, o)| (l.clone(), o));
            rows.extend(others.iter().map(|other| (other.clone(), String::new())));
            rows.push((last, row.clone()));
            next = left.len();
        } else {
            rows.push((String::new(), row.clone()));
        }
    }
    rows.extend(left[next..].iter().map(|other| (other.clone(), String::new())));
    rows
}

/// The name of the field that a row of C declares.
fn c_name(row: &str) -> Option<&str> {
    let row = row.trim().strip_suffix(';')?;
    // A pointer to a function has its name in the first parentheses.
    if let Some((_, rest)) = row.split_once("(*") {
        return rest.split(')').next();
    }
    let row = row.split(['[', ':']).next()?.trim_end();
    // What follows the name are attributes.
    let row = row.split(" __").next()?;
    row.rsplit([' ', '*']).next()
}

/// The name of the field that a row of Rust declares, as C names it.
fn rust_name(row: &str) -> Option<&str> {
    let (name, _) = row.trim().strip_prefix("pub ")?.split_once(':')?;
    // What is a keyword of Rust has an underscore behind it.
    Some(name.strip_suffix('_').unwrap_or(name))
}

/// A row in as many lines as it needs.
pub fn fold(row: &str, width: usize) -> Vec<String> {
    let indent = row.len() - row.trim_start().len();
    let mut lines = vec![" ".repeat(indent)];
    for word in row.split_whitespace() {
        let line = lines.last_mut().expect("there is one from the start");
        if line.trim().is_empty() {
            line.push_str(word);
        } else if line.len() + 1 + word.len() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(" ".repeat(indent + INDENT.len()) + word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_has_a_row_for_each_parameter() {
        let text = "int add(struct queue *q,\n\t    void (*f)(int, int),\n\t    gfp_t gfp);";
        let expected = ["int add(", "    struct queue *q,", "    void (*f)(int, int),", "    gfp_t gfp", ");"];
        assert_eq!(broken(text, "(", ','), expected);
    }

    #[test]
    fn a_structure_has_a_row_for_each_field_and_directive() {
        let text = "struct a {\n\tint x[2];\n#ifdef CONFIG_B\n\tstruct {\n\t\tint y;\n\t};\n#endif\n};";
        let expected = [
            "struct a {",
            "    int x[2];",
            "#ifdef CONFIG_B",
            "    struct {",
            "        int y;",
            "    };",
            "#endif",
            "};",
        ];
        assert_eq!(broken(text, "{", ';'), expected);
    }

    #[test]
    fn fields_of_the_same_name_share_a_row() {
        let rows = |rows: &[&str]| rows.iter().map(|row| (*row).to_owned()).collect::<Vec<_>>();
        let left = rows(&["struct a {", "    int gone;", "    int type;", "    void (*f)(int);", "};"]);
        let right =
            rows(&["pub struct a {", "    pub type_: c_int,", "    pub bit: u8,", "    pub f: Option<fn()>,", "}"]);
        let paired: Vec<(String, String)> = by_name(&left, &right);
        let paired: Vec<(&str, &str)> = paired.iter().map(|(l, r)| (l.trim(), r.trim())).collect();
        let expected = [
            ("struct a {", "pub struct a {"),
            ("int gone;", ""),
            ("int type;", "pub type_: c_int,"),
            ("", "pub bit: u8,"),
            ("void (*f)(int);", "pub f: Option<fn()>,"),
            ("};", "}"),
        ];
        assert_eq!(paired, expected);
    }

    #[test]
    fn names_are_found_behind_types() {
        for (row, name) in [("int *x;", "x"), ("u8 a[4];", "a"), ("u8 b:3;", "b"), ("u8 c __aligned(8);", "c")] {
            assert_eq!(c_name(row), Some(name));
        }
    }

    #[test]
    fn comments_are_left_out() {
        assert_eq!(without_comments("int /* a */ x; // b\nint y;"), "int  x; \nint y;");
    }

    #[test]
    fn a_long_row_goes_on_below() {
        assert_eq!(fold("  aaa bbb ccc", 9), ["  aaa bbb", "      ccc"]);
    }
}
