// SPDX-License-Identifier: GPL-2.0

//! The results as the terminal shows them.

use std::fmt::Write as _;

use super::pairs::Quantity;
use super::ratio::Ratio;
use super::results::{Part, Results, Row};

/// How long a line of text is.
const COLUMNS: usize = 110;

/// Every part, with its goals.
pub fn text(results: &Results) -> String {
    results.parts.iter().map(part).collect()
}

fn part(part: &Part) -> String {
    let mut text = format!("\n{}\n\n", part.title);
    text += &wrapped(&part.method);
    text += &wrapped(&format!("It leaves out: {}", part.leaves_out));
    let width = part.cells().map(|row| row.title.len()).max().unwrap_or_default();
    for group in &part.groups {
        let _ = writeln!(
            text,
            "\n  {}\n  {:width$}  {:>9}  {:>9}  {:>6}  {:>15}  {:>15}  {:>17}  {:>17}",
            group.title,
            "",
            "C",
            "Rust",
            "Rust/C",
            "95 % interval",
            "p50 C, Rust, us",
            "p99 C, Rust, us",
            "p99.9 C, Rust, us"
        );
        for row in &group.cells {
            let _ = writeln!(text, "  {}", line(row, width));
        }
    }
    let Ratio { mean, low, high, pairs, .. } = part.overall;
    let _ = writeln!(text, "\n  all cells: {mean:.3} x C ({low:.3} .. {high:.3}), {pairs} pairs");
    for goal in &part.goals {
        let _ = writeln!(text, "  {}  {}: {}", if goal.met { "met   " } else { "missed" }, goal.text, goal.found);
    }
    text
}

/// `text` in lines of words that are not too long.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() < COLUMNS => *line = format!("{line} {word}"),
            _ => lines.push(format!(" {word}")),
        }
    }
    lines.iter().map(|line| format!(" {line}\n")).collect()
}

fn line(row: &Row, width: usize) -> String {
    let Quantity { medians: [c, rust], ratio: Ratio { mean, low, high, .. }, .. } = &row.found.speed;
    let interval = format!("{low:.3} .. {high:.3}");
    let latency = |quantity: &Option<Quantity>| {
        quantity.as_ref().map_or(String::new(), |q| format!("{:.1}, {:.1}", q.medians[0], q.medians[1]))
    };
    let [p50, p99, p999] = [&row.found.p50, &row.found.p99, &row.found.p999].map(latency);
    let line = format!(
        "{:width$}  {c:>9.0}  {rust:>9.0}  {mean:>6.3}  {interval:>15}  {p50:>15}  {p99:>17}  {p999:>17}  {}",
        row.title, row.unit
    );
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::bench::results::tests::results;

    #[test]
    fn every_cell_and_every_goal_is_shown() {
        let results = results();
        let text = text(&results);
        for part in &results.parts {
            assert!(text.contains(&part.method) && text.contains(part.leaves_out));
            for row in part.cells() {
                assert!(text.lines().any(|line| line.trim_start().starts_with(&row.title)), "{}", row.title);
            }
        }
        assert_eq!(text.matches("  missed  ").count(), 2, "{text}");
        assert_eq!(text.matches("  met     ").count(), 2, "{text}");
        assert!(!text.contains("NaN"), "{text}");
    }

    #[test]
    fn long_texts_are_wrapped() {
        let text = wrapped(&"word ".repeat(100));
        assert_eq!(text.split_whitespace().count(), 100);
        assert!(text.lines().all(|line| line.len() <= COLUMNS + 1 && line.starts_with("  word")), "{text}");
    }

    #[test]
    fn ratios_have_their_interval_and_latencies_both_drivers() {
        let text = text(&results());
        let line = text.lines().find(|line| line.contains("random read, depth 1")).unwrap();
        for part in ["1.080 .. 1.080", "500000.0, 462963.0", "1000000.0, 925925.9", "2000000.0, 1851851.9", "IOPS"] {
            assert!(line.contains(part), "{part} is not in {line}");
        }
    }
}
