// SPDX-License-Identifier: GPL-2.0

//! The comparison as a person reads it: what differs, one row for each configuration, and the reasons.

use std::collections::BTreeMap;

use super::{Comparison, Difference, Row, Verdict};

/// Longest part of a value that is shown.
const VALUE: usize = 200;

/// Everything but the line that tells the result.
pub fn lines(comparison: &Comparison) -> Vec<String> {
    let mut lines = vec![String::new(), format!("  {:16} {:>8}  verdict", "configuration", "compared")];
    lines.extend(comparison.rows.iter().map(row));
    lines.extend(details(comparison));
    lines.extend(reasons(comparison));
    lines.extend(comparison.unused.iter().map(|entry| format!("  FAIL  nothing matches the entry {entry}")));
    lines
}

fn row(row: &Row) -> String {
    let list = |explained: bool| -> String {
        let facts = row.differences.iter().filter(|d| d.reason.is_some() == explained);
        facts.map(|d| d.fact.as_str()).collect::<Vec<_>>().join(", ")
    };
    let verdict = match row.verdict() {
        Verdict::Equal => "equal".into(),
        Verdict::Deliberate => format!("deliberate: {}", list(true)),
        Verdict::Different => format!("DIFFERENT: {}", list(false)),
    };
    format!("  {:16} {:>8}  {verdict}", row.name, row.compared)
}

/// What is not explained, with both values.
fn details(comparison: &Comparison) -> Vec<String> {
    let mut lines = Vec::new();
    for row in &comparison.rows {
        for difference in row.differences.iter().filter(|d| d.reason.is_none()) {
            lines.push(String::new());
            lines.push(format!("  {}: {}", row.name, difference.fact));
            lines.extend(values(difference));
        }
    }
    lines
}

/// Both values; of values with several lines, the lines that the other one lacks.
fn values(difference: &Difference) -> Vec<String> {
    let only = |ours: &str, theirs: &str| -> Vec<String> {
        let several = ours.contains('\n') || theirs.contains('\n');
        ours.lines().filter(|line| !several || !theirs.lines().any(|other| other == *line)).map(cut).collect()
    };
    let sides = [("C", only(&difference.c, &difference.rust)), ("Rust", only(&difference.rust, &difference.c))];
    let show = |(side, lines): &(&str, Vec<String>)| -> Vec<String> {
        lines.iter().map(|line| format!("    {side:4} {line}")).collect()
    };
    let shown = sides.iter().flat_map(show).collect::<Vec<_>>();
    if shown.is_empty() { vec!["    the same lines, in another order or number".into()] } else { shown }
}

fn cut(line: &str) -> String {
    match line.char_indices().nth(VALUE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

/// Each reason once, with the facts it explains and in how many configurations, and an example.
fn reasons(comparison: &Comparison) -> Vec<String> {
    let mut explained: BTreeMap<(&str, &str), (usize, &Difference)> = BTreeMap::new();
    for difference in comparison.rows.iter().flat_map(|row| &row.differences) {
        if let Some(reason) = &difference.reason {
            explained.entry((reason, &difference.fact)).or_insert((0, difference)).0 += 1;
        }
    }
    if explained.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![String::new(), "  deliberate differences".into()];
    let mut last = "";
    for ((reason, fact), (count, example)) in explained {
        if reason != last {
            lines.push(format!("  {reason}"));
            last = reason;
        }
        let [c, rust] = [&example.c, &example.rust].map(|value| cut(&value.replace('\n', " | ")));
        lines.push(format!("    {fact}, in {count}: C {c}, Rust {rust}"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(c: &str, rust: &str, reason: Option<&str>) -> Difference {
        Difference { fact: "f".into(), c: c.into(), rust: rust.into(), reason: reason.map(Into::into) }
    }

    fn shown(differences: Vec<Difference>) -> String {
        let rows = vec![Row { name: "a".into(), compared: 3, differences }];
        lines(&Comparison { rows, unused: vec!["u".into()] }).join("\n")
    }

    #[test]
    fn a_difference_is_shown_with_both_values() {
        let text = shown(vec![difference("1", "2", None)]);
        for part in ["DIFFERENT: f", "C    1", "Rust 2", "nothing matches the entry u"] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }

    #[test]
    fn of_several_lines_those_are_shown_that_differ() {
        let text = values(&difference("same\none", "same\ntwo", None)).join("\n");
        assert!(text.contains("C    one") && text.contains("Rust two") && !text.contains("same"), "{text}");
        assert_eq!(values(&difference("a\nb", "b\na", None)).len(), 1);
    }

    #[test]
    fn a_reason_is_shown_once() {
        let text = shown(vec![difference("1", "2", Some("because")), difference("1", "2", Some("because"))]);
        assert_eq!(text.matches("because").count(), 1, "{text}");
        assert!(text.contains("f, in 2: C 1, Rust 2"), "{text}");
    }
}
