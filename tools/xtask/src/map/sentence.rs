// SPDX-License-Identifier: GPL-2.0
//! The sentence with which a file says what it is.

use regex::{Captures, Regex};

/// The first sentence of a file, or nothing if it says nothing.
pub fn first(file: &str, text: &str) -> String {
    let lines: Vec<&str> = match file.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "rs" => paragraph(text.lines().filter_map(|line| line.trim_start().strip_prefix("//!"))),
        "c" | "h" => c_comment(text),
        "rst" => title(text).into_iter().collect(),
        "md" => text.lines().filter_map(|line| line.strip_prefix("# ")).take(1).collect(),
        _ => {
            let comments = text.lines().map_while(|line| line.strip_prefix('#'));
            paragraph(comments.filter(|line| !is_formal(line)))
        }
    };
    capital(&end(&lines.join(" ")))
}

/// A text with a capital at its beginning and a full stop at its end.
pub fn capital(text: &str) -> String {
    let mut chars = text.chars();
    // A name stays as it is written.
    let is_name = text.split(' ').next().is_some_and(|word| word.contains(['_', '`', '.', '/']));
    let text = match chars.next() {
        Some(c) if !is_name => c.to_uppercase().chain(chars).collect(),
        _ => text.to_owned(),
    };
    if text.is_empty() || text.ends_with(['.', '!', '?']) { text } else { text + "." }
}

/// The marks of rustdoc and Markdown in those of reStructuredText.
pub fn in_rst(text: &str) -> String {
    let replace = |text: &str, pattern: &str, by: &str| match Regex::new(pattern) {
        Ok(pattern) => pattern.replace_all(text, by).into_owned(),
        Err(_) => text.to_owned(),
    };
    let text = replace(text, r"\[(`[^`]+`)\](\([^)]*\))?", "$1");
    let text = replace(&text, r"\[([^\]]+)\]\([^)]*\)", "$1");
    let text = text.replace('*', "\\*");
    let Ok(literal) = Regex::new(r"`([^`]+)`(\w?)") else {
        return text;
    };
    let mark = |found: &Captures<'_>| match &found[2] {
        "" => format!("``{}``", &found[1]),
        // What follows a literal at once is no part of it.
        rest => format!("``{}``\\ {rest}", &found[1]),
    };
    literal.replace_all(&text, mark).into_owned()
}

/// A text in lines that are not long.
pub fn folded(text: &str, indent: &str) -> String {
    /// As in the other documents.
    const WIDTH: usize = 100;
    let mut lines = vec![indent.to_owned()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().map_or(0, |line| line.chars().count());
        if line > indent.len() && line + 1 + word.chars().count() > WIDTH {
            lines.push(indent.to_owned());
        }
        if let Some(line) = lines.last_mut() {
            *line += if line.len() > indent.len() { " " } else { "" };
            *line += word;
        }
    }
    lines.join("\n")
}

/// Whether a comment is for programs.
fn is_formal(line: &str) -> bool {
    line.starts_with('!') || line.contains("SPDX")
}

/// The first lines up to an empty one.
fn paragraph<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    lines.map(str::trim).skip_while(|line| line.is_empty()).take_while(|line| !line.is_empty()).collect()
}

/// The comment at the beginning of a C source that is for people.
fn c_comment(text: &str) -> Vec<&str> {
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        if rest.starts_with("//") {
            rest = rest.split_once('\n').map_or("", |(_, after)| after);
        } else if let Some((comment, after)) = rest.strip_prefix("/*").and_then(|rest| rest.split_once("*/")) {
            if !is_formal(comment) {
                return paragraph(comment.lines().map(|line| line.trim().trim_start_matches('*')));
            }
            rest = after;
        } else {
            return Vec::new();
        }
    }
}

fn title(text: &str) -> Option<&str> {
    let lines: Vec<&str> = text.lines().collect();
    let is_rule = |line: &str| line.len() > 2 && line.chars().all(|c| c == '=');
    lines.windows(2).find(|pair| !pair[0].is_empty() && !is_rule(pair[0]) && is_rule(pair[1])).map(|pair| pair[0])
}

/// A text up to the end of its first sentence.
fn end(text: &str) -> String {
    let is_end =
        |(at, _): &(usize, &str)| text[at + 2..].starts_with(|c: char| c.is_uppercase() || c == '`' || c == '[');
    match text.match_indices(". ").find(is_end) {
        Some((at, _)) => text[..=at].to_owned(),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_file_says_what_it_is() {
        for (file, text, expected) in [
            ("a.rs", "// SPDX\n//! What a is,\n//! and more. And this.\n//!\n//! x\n", "What a is, and more."),
            ("a.h", "/* SPDX */\n/*\n * What it is. More.\n */\n", "What it is."),
            ("a.c", "// SPDX\nint x;\n/* No. */\n", ""),
            ("a.c", "// SPDX\n/* Yes. */\nint x;\n", "Yes."),
            ("a.sh", "#!/bin/sh\n# SPDX\n# Does that\n\n# x\n", "Does that."),
            ("a.toml", "# SPDX\n#\n# lies of a ring: more\n", "Lies of a ring: more."),
            ("a.rst", ".. SPDX\n\nA title\n=======\n", "A title."),
            ("a.md", "<!-- SPDX -->\n# A title\n", "A title."),
        ] {
            assert_eq!(first(file, text), expected, "{file}");
        }
    }

    #[test]
    fn a_sentence_does_not_end_within_a_number_or_name() {
        assert_eq!(end("See 5.2. and e.g. this. That."), "See 5.2. and e.g. this.");
    }

    #[test]
    fn marks_are_translated() {
        assert_eq!(in_rst("[`A`](super::A), [`B`], [c](d) and `e*`"), "``A``, ``B``, c and ``e\\*``");
        assert_eq!(in_rst("many `switch`es"), r"many ``switch``\ es");
    }
}
