// SPDX-License-Identifier: GPL-2.0

//! The results as a page: one file that needs no other, for wide screens and for narrow ones, light or dark.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::pairs::Quantity;
use super::ratio::Ratio;
use super::results::{Goal, Group, Part, Results, Row};

mod plot;

use plot::{Better, Entry};

/// How the page looks.
const STYLE: &str = include_str!("page/page.css");

/// Names of columns.
const P50: &str = "p50, µs: C · Rust";
const P99: &str = "p99, µs: C · Rust";
const P999: &str = "p99.9, µs: C · Rust";

/// What the drawings mean.
const LEGEND: &str = "Each line is a cell: the large dot is the geometric mean of the ratios of neighbouring runs, \
    the bar its interval of 95 % (Student's t of their logarithms), each small dot one pair of runs, at the edge if it \
    is beyond; a mark where there is a ratio to be reached. Green or red where the whole interval is on one side of \
    1.";

/// The page.
pub fn html(results: &Results) -> String {
    let [c, rust] = results.drivers;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (results.title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (results.title) }
                    p { "How fast " code { (rust) } " (Rust) is, compared with " code { (c) } " (C), on one machine." }
                }
                main {
                    (summary(results))
                    @for part in &results.parts { (measurement(part)) }
                    section {
                        h2 { "What this cannot tell" }
                        ul { @for text in &results.cannot_tell { li { (text) } } }
                    }
                    section {
                        h2 { "Machine and versions" }
                        dl {
                            @for fact in &results.facts {
                                div { dt { (fact.name) } dd { (fact.value) } }
                            }
                        }
                    }
                }
            }
        }
    };
    page.into_string()
}

/// The result in a few words.
fn summary(results: &Results) -> Markup {
    html! {
        div class="cards" {
            @for part in &results.parts {
                section class="card" {
                    h2 { (part.title) }
                    p class="overall" { strong { (format!("{:.3}", part.overall.mean)) } " × C" }
                    p class="quiet" {
                        "geometric mean of the speeds of " (part.cells().count()) " cells " (interval(&part.overall))
                    }
                    @if !part.goals.is_empty() {
                        ul class="goals" { @for one in &part.goals { (goal(one)) } }
                    }
                }
            }
        }
    }
}

fn goal(goal: &Goal) -> Markup {
    let (class, word) = if goal.met { ("met", "met") } else { ("missed", "missed") };
    html! {
        li class=(class) { b { (word) } " " (goal.text) span class="quiet" { " – " (goal.found) } }
    }
}

fn measurement(part: &Part) -> Markup {
    html! {
        section {
            h2 { (part.title) }
            p { (part.method) }
            p { b { "It leaves out: " } (part.leaves_out) }
            p class="quiet" { (LEGEND) }
            @for group in &part.groups { (cells(group)) }
        }
    }
}

fn cells(group: &Group) -> Markup {
    let latencies = group.cells.iter().map(|row| Some((row, row.found.p99.as_ref()?))).collect::<Option<Vec<_>>>();
    let speeds: Vec<Entry<'_>> = group
        .cells
        .iter()
        .map(|row| Entry { title: &row.title, quantity: &row.found.speed, wanted: row.wanted })
        .collect();
    html! {
        h3 { (group.title) }
        div class="plots" {
            figure {
                figcaption { "Speed, Rust / C: more is better" }
                (PreEscaped(plot::ratios("speed, Rust relative to C", &speeds, Better::More)))
            }
            @if let Some(latencies) = &latencies {
                @let entries: Vec<Entry<'_>> = latencies
                    .iter()
                    .map(|(row, quantity)| Entry { title: &row.title, quantity, wanted: None })
                    .collect();
                figure {
                    figcaption { "p99 of the latency, Rust / C: less is better" }
                    (PreEscaped(plot::ratios("p99 of the latency, Rust relative to C", &entries, Better::Less)))
                }
            }
        }
        table {
            thead {
                tr {
                    th { "Cell" } th { "C" } th { "Rust" } th { "Rust / C" }
                    @if latencies.is_some() { th { (P50) } th { (P99) } th { (P999) } }
                }
            }
            tbody { @for row in &group.cells { (line(row)) } }
        }
    }
}

fn line(row: &Row) -> Markup {
    let Quantity { medians: [c, rust], ratio, .. } = &row.found.speed;
    let speed = |value: f64| html! { (grouped(value)) " " span class="quiet" { (row.unit) } };
    let faster = html! { b { (format!("{:.3}", ratio.mean)) } " " span class="quiet" { (interval(ratio)) } };
    html! {
        tr {
            th scope="row" { (row.title) }
            (value("C", speed(*c)))
            (value("Rust", speed(*rust)))
            (value("Rust / C", faster))
            @for (label, latency) in [(P50, &row.found.p50), (P99, &row.found.p99), (P999, &row.found.p999)] {
                @if let Some(latency) = latency { (value(label, microseconds(latency))) }
            }
        }
    }
}

/// A value of a table; where that is narrow, `label` stands beside it.
fn value(label: &str, value: Markup) -> Markup {
    html! { td data-label=(label) { span { (value) } } }
}

fn interval(ratio: &Ratio) -> String {
    format!("({:.3} – {:.3})", ratio.low, ratio.high)
}

fn microseconds(quantity: &Quantity) -> Markup {
    let [c, rust] = quantity.medians;
    let number = |value: f64| if value < 100.0 { format!("{value:.1}") } else { grouped(value) };
    html! { (number(c)) " · " (number(rust)) }
}

/// A number without fraction, its digits in groups of three.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth) % 3 == 0 {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::bench::results::tests::results;

    /// The body: it has no element that HTML closes and XML does not.
    fn body(page: &str) -> roxmltree::Document<'_> {
        let (start, end) = (page.find("<body>").unwrap(), page.find("</body>").unwrap() + "</body>".len());
        roxmltree::Document::parse(&page[start..end]).unwrap()
    }

    fn texts(document: &roxmltree::Document<'_>, name: &str) -> Vec<String> {
        let nodes = document.descendants().filter(|node| node.has_tag_name(name));
        nodes
            .map(|node| node.descendants().filter_map(|node| node.text().filter(|_| node.is_text())).collect())
            .collect()
    }

    #[test]
    fn every_cell_is_in_a_table_and_in_a_drawing() {
        let (results, page) = (results(), html(&results()));
        let body = body(&page);
        let (headers, titles) = (texts(&body, "th"), texts(&body, "title"));
        for row in results.parts.iter().flat_map(Part::cells) {
            assert_eq!(headers.iter().filter(|text| **text == row.title).count(), 1, "{}", row.title);
            // Its speed and its latency.
            let of_row = |text: &&String| text.trim().starts_with(&format!("{}: ", row.title));
            assert_eq!(titles.iter().filter(of_row).count(), 2, "{}", row.title);
        }
        assert_eq!(texts(&body, "tr").len(), 2 + 3, "a heading for each table, and a line for each cell");
    }

    #[test]
    fn goals_facts_methods_and_what_it_cannot_tell_are_there() {
        let (results, page) = (results(), html(&results()));
        let body = body(&page);
        let text: String = texts(&body, "body").concat();
        for part in &results.parts {
            assert!(text.contains(&part.method) && text.contains(part.leaves_out) && text.contains(part.title));
            for goal in &part.goals {
                let word = if goal.met { "met" } else { "missed" };
                assert!(text.contains(&format!("{word} {} – {}", goal.text, goal.found)), "{goal:?}");
            }
        }
        assert!(text.contains("a & b") && text.contains("what a disk costs that is < 1 us away"));
    }

    #[test]
    fn there_is_no_number_that_is_none_and_nothing_from_elsewhere() {
        let page = html(&results());
        // The name space of drawings is a name only.
        let bare = page.replace(STYLE, "").replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
        for part in ["NaN", "inf", "http", "src=", "href=", "url(", "null"] {
            assert!(!bare.contains(part), "{part}");
        }
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import"), "the style needs another file");
    }

    #[test]
    fn without_latencies_there_is_neither_their_drawing_nor_their_column() {
        let mut results = results();
        for row in results.parts.iter_mut().flat_map(|part| &mut part.groups).flat_map(|group| &mut group.cells) {
            (row.found.p50, row.found.p99, row.found.p999) = (None, None, None);
        }
        let page = html(&results);
        assert_eq!(texts(&body(&page), "figure").len(), 2);
        assert!(!page.contains(P99));
    }

    #[test]
    fn digits_are_grouped_by_three() {
        for (value, text) in
            [(0.4, "0"), (999.6, "1\u{202f}000"), (32_258.0, "32\u{202f}258"), (1e6, "1\u{202f}000\u{202f}000")]
        {
            assert_eq!(grouped(value), text);
        }
    }
}
