// SPDX-License-Identifier: GPL-2.0

//! Ratios with their intervals as a drawing, one line for each cell. Its colours are those of the page, by classes.

use svg::node::element::{Circle, Group, Line, Text, Title};
use svg::{Document, Node};

use crate::studies::bench::pairs::Quantity;

/// What is drawn in a line.
pub struct Entry<'a> {
    /// What was done.
    pub title: &'a str,
    /// What was found.
    pub quantity: &'a Quantity,
    /// The ratio to be reached, if there is one.
    pub wanted: Option<f64>,
}

/// Which ratios are good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// Those above 1.
    More,
    /// Those below 1.
    Less,
}

/// The width of a drawing, in its own units: few enough for a telephone.
const WIDTH: f64 = 400.0;
const LEFT: f64 = 10.0;
const RIGHT: f64 = WIDTH - 10.0;
/// The heights of the scale, and of a line.
const SCALE: f64 = 26.0;
const LINE: f64 = 38.0;
/// Where things are in a line.
const TEXT: f64 = 13.0;
const TRACK: f64 = 25.0;
/// How far marks of the scale are from each other.
const APART: f64 = 36.0;

/// The smallest part of the scale, and the largest, as a factor of 1.
const NARROWEST: f64 = 1.03;
const WIDEST: f64 = 4.0;

/// Marks of the scale, the most wanted first.
const MARKS: [f64; 21] =
    [1.0, 0.5, 2.0, 0.8, 1.25, 0.9, 1.1, 0.95, 1.05, 0.98, 1.02, 0.99, 1.01, 0.25, 4.0, 0.7, 1.5, 3.0, 0.33, 0.6, 1.75];

/// A logarithmic scale.
struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    /// One that has room for all of `entries`.
    fn of(entries: &[Entry<'_>]) -> Self {
        let ratios = entries.iter().map(|entry| entry.quantity.ratio);
        let shown = ratios.flat_map(|ratio| [ratio.low, ratio.high]);
        let shown = shown.chain(entries.iter().filter_map(|entry| entry.wanted));
        let [mut low, mut high] = [1.0 / NARROWEST, NARROWEST];
        for value in shown {
            low = low.min(value / 1.005);
            high = high.max(value * 1.005);
        }
        Self { low: low.max(1.0 / WIDEST), high: high.min(WIDEST) }
    }

    /// Where a value is; one that is beyond the scale is at its end.
    fn at(&self, value: f64) -> f64 {
        let share = (value / self.low).ln() / (self.high / self.low).ln();
        let x = LEFT + share.clamp(0.0, 1.0) * (RIGHT - LEFT);
        // Short numbers in the file.
        (x * 100.0).round() / 100.0
    }

    /// Values that are marked, without crowding.
    fn marks(&self) -> Vec<f64> {
        let mut marks: Vec<f64> = Vec::new();
        for mark in MARKS {
            let is_inside = (self.low..=self.high).contains(&mark);
            if is_inside && marks.iter().all(|other| (self.at(*other) - self.at(mark)).abs() >= APART) {
                marks.push(mark);
            }
        }
        marks
    }
}

/// Draws `entries`; `label` says what of.
pub fn ratios(label: &str, entries: &[Entry<'_>], better: Better) -> String {
    let scale = Scale::of(entries);
    let bottom = SCALE + LINE * entries.len() as f64;
    let mut document = Document::new()
        .set("viewBox", (0, 0, WIDTH, bottom + SCALE))
        .set("class", "plot")
        .set("role", "img")
        .set("aria-label", label);
    for mark in scale.marks() {
        document.append(marked(&scale, mark, bottom));
    }
    for (nth, entry) in entries.iter().enumerate() {
        document.append(line(&scale, entry, better, SCALE + LINE * nth as f64));
    }
    document.to_string()
}

/// A mark of the scale, through all lines.
fn marked(scale: &Scale, mark: f64, bottom: f64) -> Group {
    let x = scale.at(mark);
    let class = if mark == 1.0 { "mark even" } else { "mark" };
    let number = |y| text(&mark.to_string(), "number", "middle", x, y);
    vertical(class, x, SCALE, bottom).add(number(SCALE - 9.0)).add(number(bottom + 17.0))
}

fn line(scale: &Scale, entry: &Entry<'_>, better: Better, top: f64) -> Group {
    let Entry { title, quantity, wanted } = entry;
    let ratio = quantity.ratio;
    let y = top + TRACK;
    let interval = format!("{:.3} .. {:.3}", ratio.low, ratio.high);
    let mut group = Group::new()
        .set("class", class(quantity, better))
        .add(Title::new(format!("{title}: {:.3}, 95 % interval {interval}, {} pairs", ratio.mean, ratio.pairs)))
        .add(text(title, "label", "start", LEFT, top + TEXT))
        .add(text(&format!("{:.3}", ratio.mean), "value", "end", RIGHT, top + TEXT));
    if let Some(wanted) = wanted {
        group.append(vertical("wanted", scale.at(*wanted), y - 7.0, y + 7.0));
    }
    let [low, high] = [scale.at(ratio.low), scale.at(ratio.high)];
    group.append(straight("interval", [low, y], [high, y]));
    group.append(dot("mean", scale.at(ratio.mean), y, 4.5));
    for [c, rust] in &quantity.pairs {
        group.append(dot("pair", scale.at(rust / c), y, 1.5));
    }
    group
}

/// Whether the interval is on one side of 1.
fn class(quantity: &Quantity, better: Better) -> &'static str {
    let ratio = quantity.ratio;
    match (ratio.low > 1.0, ratio.high < 1.0, better) {
        (true, _, Better::More) | (_, true, Better::Less) => "good",
        (true, _, Better::Less) | (_, true, Better::More) => "bad",
        _ => "open",
    }
}

fn vertical(class: &str, x: f64, top: f64, bottom: f64) -> Group {
    Group::new().add(straight(class, [x, top], [x, bottom]))
}

fn straight(class: &str, [x1, y1]: [f64; 2], [x2, y2]: [f64; 2]) -> Line {
    Line::new().set("class", class).set("x1", x1).set("y1", y1).set("x2", x2).set("y2", y2)
}

fn dot(class: &str, x: f64, y: f64, radius: f64) -> Circle {
    Circle::new().set("class", class).set("cx", x).set("cy", y).set("r", radius)
}

fn text(text: &str, class: &str, anchor: &str, x: f64, y: f64) -> Text {
    Text::new(text).set("class", class).set("text-anchor", anchor).set("x", x).set("y", y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::bench::pairs::tests::comparison;

    fn draw(factors: &[f64], better: Better) -> String {
        let quantities: Vec<Quantity> = factors.iter().map(|factor| comparison("read", *factor).speed).collect();
        let entry = |quantity| Entry { title: "read & <write>", quantity, wanted: Some(1.05) };
        ratios("a \"label\"", &quantities.iter().map(entry).collect::<Vec<_>>(), better)
    }

    #[test]
    fn a_drawing_is_well_formed_and_has_a_line_for_each_entry() {
        let text = draw(&[1.1, 0.9, 1.0], Better::More);
        let svg = roxmltree::Document::parse(&text).unwrap();
        let lines: Vec<_> = svg
            .descendants()
            .filter(|node| node.has_tag_name("title") || node.attribute("class") == Some("label"))
            .collect();
        assert_eq!(lines.len(), 6);
        assert_eq!(lines[1].text().map(str::trim), Some("read & <write>"));
        assert_eq!(svg.root_element().attribute("aria-label"), Some("a \"label\""));
        for class in ["good", "bad", "open"] {
            assert_eq!(text.matches(&format!("class=\"{class}\"")).count(), 1, "{class}");
        }
    }

    #[test]
    fn less_can_be_better() {
        let text = draw(&[0.9], Better::Less);
        assert!(text.contains("class=\"good\"") && !text.contains("class=\"bad\""), "{text}");
    }

    #[test]
    fn everything_is_inside_of_the_drawing() {
        for factors in [&[1.0][..], &[0.01, 100.0], &[0.999, 1.001]] {
            let text = draw(factors, Better::More);
            let svg = roxmltree::Document::parse(&text).unwrap();
            for name in ["x", "x1", "x2", "cx"] {
                for value in svg.descendants().filter_map(|node| node.attribute(name)) {
                    let x: f64 = value.parse().unwrap();
                    assert!((LEFT..=RIGHT).contains(&x), "{name}={x}");
                }
            }
        }
    }

    #[test]
    fn marks_are_inside_of_the_scale_and_apart() {
        for (low, high) in [(0.97, 1.03), (0.8, 1.3), (0.25, 4.0), (0.99, 2.0)] {
            let scale = Scale { low, high };
            let mut places: Vec<f64> = scale.marks().into_iter().map(|mark| scale.at(mark)).collect();
            assert!(places.len() >= 3, "{low} {high}: {places:?}");
            assert!(scale.marks().contains(&1.0));
            places.sort_by(f64::total_cmp);
            assert!(places.windows(2).all(|pair| pair[1] - pair[0] >= APART), "{places:?}");
        }
    }

    #[test]
    fn an_interval_without_end_does_not_widen_the_scale_without_end() {
        let mut quantity = comparison("read", 1.0).speed;
        (quantity.ratio.low, quantity.ratio.high) = (1e-9, 1e9);
        let scale = Scale::of(&[Entry { title: "", quantity: &quantity, wanted: None }]);
        assert_eq!((scale.low, scale.high), (1.0 / WIDEST, WIDEST));
    }
}
