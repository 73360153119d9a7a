// SPDX-License-Identifier: GPL-2.0
//! What is shown compared with what came. What differs from run to run and from host to host is not compared.

use std::path::Path;

use anyhow::Result;
use regex::Regex;

/// What stands for anything: some lines if it is alone on its line, or a part of a line.
const ANYTHING: &str = "...";

/// What varies, and what is compared instead. The index of the book lists the same.
const VARIABLE: [(&str, &str); 11] = [
    // The build directory of a checkout.
    (r"[^\s'=]*/linux-virtio-rs/checkouts/[\w.-]+", "BUILD"),
    // Versions of tools and of the kernel.
    (r"\b\d+\.\d+\.\d+\b", "VERSION"),
    (r"\b(LLVM=|clang-|LLVM |lld-)-?\d+\b", "${1}N"),
    // Times: of the kernel's log, of tracers, of our own programs.
    (r"\[ *\d+\.\d{6}\]", "[TIME]"),
    (r"\b\d+:\d\d min\b", "TIME"),
    (r"\b\d+:\d\d:\d\d\b", "TIME"),
    (r"\b\d+(\.\d+)? ?(us|ms|s|min)\b", "TIME"),
    // Addresses.
    (r"\b0x[0-9a-f]{6,16}\b", "ADDRESS"),
    (r"\b[0-9a-f]{16}\b", "ADDRESS"),
    // The number of a crate in the name of a symbol.
    (r"Cs[0-9A-Za-z]{6,}_", "Cs_"),
    (r"\s+", " "),
];

/// Compares outputs with what the book shows.
#[derive(Debug)]
pub struct Comparer {
    /// Directories of this host and how the book calls them.
    places: Vec<(String, &'static str)>,
    variable: Vec<(Regex, &'static str)>,
}

impl Comparer {
    /// `places` are directories of this host and how the book calls them, the inner ones first.
    ///
    /// # Errors
    ///
    /// Never, as a test shows: the expressions are right.
    pub fn new(places: &[(&Path, &'static str)]) -> Result<Self> {
        let places = places.iter().map(|(path, name)| (path.display().to_string(), *name)).collect();
        let variable = VARIABLE.iter().map(|(expression, name)| Ok((Regex::new(expression)?, *name)));
        Ok(Self { places, variable: variable.collect::<Result<_>>()? })
    }

    /// Whether `came` is what `shown` promises.
    pub fn agree(&self, shown: &[String], came: &str) -> bool {
        let shown: Vec<String> = shown.iter().map(|line| self.essence(line)).collect();
        let came: Vec<String> = came.lines().map(|line| self.essence(line)).collect();
        let (shown, came) = (without_blank_ends(&shown), without_blank_ends(&came));
        lines_agree(shown, came)
    }

    /// The line without what varies.
    fn essence(&self, line: &str) -> String {
        let mut text = line.to_owned();
        for (path, name) in &self.places {
            text = text.replace(path, name);
        }
        for (expression, name) in &self.variable {
            text = expression.replace_all(&text, *name).into_owned();
        }
        text.trim().to_owned()
    }
}

fn without_blank_ends(lines: &[String]) -> &[String] {
    let Some(first) = lines.iter().position(|line| !line.is_empty()) else {
        return &[];
    };
    let last = lines.iter().rposition(|line| !line.is_empty()).unwrap_or(first);
    &lines[first..=last]
}

fn lines_agree(shown: &[String], came: &[String]) -> bool {
    match shown.split_first() {
        None => came.is_empty(),
        Some((first, rest)) if first == ANYTHING => (0..=came.len()).any(|skipped| lines_agree(rest, &came[skipped..])),
        Some((first, rest)) => {
            came.split_first().is_some_and(|(line, others)| parts_agree(first, line) && lines_agree(rest, others))
        }
    }
}

/// Whether a line has the parts of the one that is shown, in their order.
fn parts_agree(shown: &str, line: &str) -> bool {
    let Some((start, others)) = shown.split_once(ANYTHING) else {
        return shown == line;
    };
    let Some(mut left) = line.strip_prefix(start) else {
        return false;
    };
    let parts: Vec<&str> = others.split(ANYTHING).collect();
    let Some((end, inner)) = parts.split_last() else {
        return true;
    };
    for part in inner {
        let Some((_, behind)) = left.split_once(part) else {
            return false;
        };
        left = behind;
    }
    left.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agree(shown: &str, came: &str) -> bool {
        let comparer = Comparer::new(&[(Path::new("/tmp/x"), "/home/you")]).unwrap();
        let shown: Vec<String> = shown.lines().map(str::to_owned).collect();
        comparer.agree(&shown, came)
    }

    #[test]
    fn the_same_lines_agree_and_others_do_not() {
        assert!(agree("a\nb", "a\nb\n"));
        assert!(agree("", ""));
        assert!(agree("a  b\n", "\na b   \n\n"));
        for came in ["a", "a\nb\nc", "a\nc", "b\na", ""] {
            assert!(!agree("a\nb", came), "{came}");
        }
    }

    #[test]
    fn dots_stand_for_any_lines_or_for_a_part_of_one() {
        assert!(
            agree("a\n...\nz", "a\nz") && agree("a\n...\nz", "a\nb\nc\nz") && agree("...", "") && agree("...", "x")
        );
        assert!(!agree("a\n...\nz", "a\nb") && !agree("...\nz", "z\na"));
        assert!(agree("from ... to ... end", "from here to there end") && agree("a...", "a") && agree("...a", "bcda"));
        assert!(!agree("from ... to", "from here") && !agree("a ... b ... c", "a b c d") && !agree("a...", "b"));
    }

    #[test]
    fn what_varies_is_not_compared() {
        for (shown, came) in [
            ("[    1.234567] a", "[  11.000001] a"),
            ("done in 0:05 min, 3 min 4 s, 1.5 ms", "done in 12:34 min, 1 min 59 s, 90ms"),
            ("Linux 7.3.4 by rustc 1.85.1", "Linux 7.3.11 by rustc 1.96.0"),
            ("make LLVM=-19", "make LLVM=-22"),
            ("at 0xffffffff81000000", "at 0xffffffffa0001234"),
            ("ffffffff81000000 t _RNvCsabcdefgh_6kernel", "ffffffffa0000000 t _RNvCs1aZ9bQxY0_6kernel"),
            (
                "/home/you/.cache/linux-virtio-rs/checkouts/a-1/linux",
                "/home/me/.cache/linux-virtio-rs/checkouts/main-00/linux",
            ),
            ("in /home/you/hello", "in /tmp/x/hello"),
        ] {
            assert!(agree(shown, came), "{shown}");
        }
        for (shown, came) in [("7.3", "7.4"), ("0x10", "0x20"), ("3 queues", "4 queues"), ("x 1.2.3", "y 1.2.3")] {
            assert!(!agree(shown, came), "{shown}");
        }
    }
}
