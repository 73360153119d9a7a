// SPDX-License-Identifier: GPL-2.0
//! The conditions of the preprocessor around a line.

use regex::Regex;

use super::objects::Objects;

/// A condition, and whether the line is where it does not hold.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Condition {
    /// The line of the directive.
    pub line: usize,
    /// The directive.
    pub text: String,
    /// The line is below its `#else`, or below a later `#elif`.
    pub is_negated: bool,
}

/// The conditions around a line of a header, the outermost first, without the one that keeps it from being read twice.
pub fn around(text: &str, line: usize) -> Vec<Condition> {
    let mut stack: Vec<Vec<Condition>> = Vec::new();
    let mut rows = text.lines().enumerate().take(line.saturating_sub(1)).peekable();
    while let Some((at, row)) = rows.next() {
        let Some(directive) = row.trim_start().strip_prefix('#').map(str::trim_start) else {
            continue;
        };
        let condition = || Condition { line: at + 1, text: format!("#{}", directive.trim_end()), is_negated: false };
        let negate = |level: &mut Vec<Condition>| level.iter_mut().for_each(|condition| condition.is_negated = true);
        if directive.starts_with("if") {
            let is_guard = directive.strip_prefix("ifndef").is_some_and(|name| {
                rows.peek().is_some_and(|(_, next)| next.trim().strip_prefix("#define") == Some(name.trim_end()))
            });
            stack.push(if is_guard { Vec::new() } else { vec![condition()] });
        } else if directive.starts_with("elif") {
            if let Some(level) = stack.last_mut() {
                negate(level);
                level.push(condition());
            }
        } else if directive.starts_with("else") {
            stack.last_mut().into_iter().for_each(negate);
        } else if directive.starts_with("endif") {
            stack.pop();
        }
    }
    stack.concat()
}

/// The options that the condition names and that are not set, or are set where it must not hold.
pub fn options(objects: &Objects, condition: &Condition) -> Vec<String> {
    let Ok(pattern) = Regex::new(r"\bCONFIG_[A-Z0-9_]+") else {
        return Vec::new();
    };
    let names = pattern.find_iter(&condition.text).map(|found| found.as_str());
    let tell = |name: &str| match objects.option(name) {
        Some(value) => format!("{name}={value}"),
        None => format!("{name} is not set"),
    };
    let mut told: Vec<String> = names.map(tell).collect();
    told.dedup();
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "#ifndef _A_H\n#define _A_H\n#ifdef CONFIG_A\nint a;\n#elif defined(CONFIG_B)\nint b;\n#else\n\
        int c;\n#endif\n#if 1\n#endif\nint d;\n#endif\n";

    fn told(line: usize) -> Vec<(String, bool)> {
        around(TEXT, line).into_iter().map(|condition| (condition.text, condition.is_negated)).collect()
    }

    #[test]
    fn a_line_has_the_conditions_around_it() {
        let (a, b) = ("#ifdef CONFIG_A".to_owned(), "#elif defined(CONFIG_B)".to_owned());
        assert_eq!(told(4), [(a.clone(), false)]);
        assert_eq!(told(6), [(a.clone(), true), (b.clone(), false)]);
        assert_eq!(told(8), [(a, true), (b, true)]);
    }

    #[test]
    fn the_guard_of_a_header_is_no_condition() {
        assert!(told(12).is_empty());
    }
}
