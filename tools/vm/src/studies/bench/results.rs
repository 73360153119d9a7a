// SPDX-License-Identifier: GPL-2.0

//! What a measurement has found, as the terminal, the page and the JSON file show it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;

use super::facts::Fact;
use super::pairs::Comparison;
use super::ratio::Ratio;
use super::{page, table};

/// Everything.
#[derive(Debug, Serialize)]
pub struct Results {
    /// What was measured; also the start of the names of files.
    pub name: &'static str,
    /// The same for people.
    pub title: &'static str,
    /// The drivers: first the one to compare with.
    pub drivers: [&'static str; 2],
    /// Where and with what.
    pub facts: Vec<Fact>,
    /// The measurements.
    pub parts: Vec<Part>,
    /// What none of them can tell.
    pub cannot_tell: Vec<&'static str>,
}

/// One measurement.
#[derive(Debug, Serialize)]
pub struct Part {
    /// What it is called.
    pub title: &'static str,
    /// How it was made.
    pub method: String,
    /// What it does not see.
    pub leaves_out: &'static str,
    /// The cells of each kind of device.
    pub groups: Vec<Group>,
    /// The speed over all cells, relative to the driver to compare with.
    pub overall: Ratio,
    /// What was to be reached, and was or was not.
    pub goals: Vec<Goal>,
}

/// Cells of one kind of device.
#[derive(Debug, Serialize)]
pub struct Group {
    /// The kind of device.
    pub title: &'static str,
    /// What was done with it.
    pub cells: Vec<Row>,
}

/// One cell.
#[derive(Debug, Serialize)]
pub struct Row {
    /// What was done.
    pub title: String,
    /// What its speed is counted in.
    pub unit: &'static str,
    /// The ratio of speeds that is to be reached, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wanted: Option<f64>,
    /// What was found.
    #[serde(flatten)]
    pub found: Comparison,
}

/// A goal.
#[derive(Debug, PartialEq, Serialize)]
pub struct Goal {
    /// What is to be reached.
    pub text: &'static str,
    /// Whether it was.
    pub met: bool,
    /// What was found instead, or how far it was met.
    pub found: String,
}

impl Part {
    /// Every cell.
    pub fn cells(&self) -> impl Iterator<Item = &Row> {
        self.groups.iter().flat_map(|group| &group.cells)
    }
}

/// The ratio over all of `comparisons`.
///
/// # Errors
///
/// Nothing was measured: `comparisons` is empty.
pub fn overall<'a>(comparisons: impl IntoIterator<Item = &'a Comparison>) -> Result<Ratio> {
    let ratios: Vec<Ratio> = comparisons.into_iter().map(|comparison| comparison.speed.ratio).collect();
    Ratio::over(&ratios).context("nothing was measured")
}

impl Results {
    /// Shows everything on the terminal, and writes the page and the JSON file to `dir`.
    ///
    /// # Errors
    ///
    /// A file cannot be written.
    pub fn show(&self, dir: &Path) -> Result<()> {
        let write = |end: &str, text: String| {
            let path = dir.join(format!("{}.{end}", self.name));
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            Ok::<PathBuf, anyhow::Error>(path)
        };
        let json = write("json", serde_json::to_string_pretty(self)? + "\n")?;
        let page = write("html", page::html(self))?;
        print!("{}", table::text(self));
        println!("\nevery run: {}\npage: {}", json.display(), page.display());
        Ok(())
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::studies::bench::pairs::tests::comparison;

    /// A row whose second driver is `factor` times as fast.
    pub fn row(title: &str, factor: f64) -> Row {
        let found = comparison(&title.replace([' ', ','], "-"), factor);
        Row { title: title.into(), unit: "IOPS", wanted: Some(1.05), found }
    }

    /// Two measurements of three cells, with text that needs care on a page.
    pub fn results() -> Results {
        let part = |title, names: &[(&str, f64)]| {
            let cells: Vec<Row> = names.iter().map(|(name, factor)| row(name, *factor)).collect();
            let overall = overall(cells.iter().map(|row| &row.found)).unwrap();
            let goals = vec![
                Goal { text: "at least 1.05 x C's", met: false, found: "1 of 2 <cells>".into() },
                Goal { text: "p99 not above C's", met: true, found: "all".into() },
            ];
            let groups = vec![Group { title: "a disk & nothing", cells }];
            let method = "in turn, \"paired\" <b>".to_owned();
            Part { title, method, leaves_out: "caches", groups, overall, goals }
        };
        Results {
            name: "bench",
            title: "virtio_blk_rs and virtio_blk",
            drivers: ["virtio_blk", "virtio_blk_rs"],
            facts: vec![Fact::new("processor", "a & b")],
            parts: vec![
                part("In virtual time", &[("random read, depth 1", 1.08), ("random write, depth 32", 0.97)]),
                part("In real time", &[("sequential read", 1.01)]),
            ],
            cannot_tell: vec!["what a disk costs that is < 1 us away"],
        }
    }

    #[test]
    fn the_overall_ratio_is_the_geometric_mean_of_all_cells() {
        let cells = [row("a", 2.0), row("b", 0.5)];
        let ratio = overall(cells.iter().map(|row| &row.found)).unwrap();
        assert!((ratio.mean - 1.0).abs() < 1e-12, "{ratio:?}");
        assert_eq!(ratio.pairs, 6);
        // That cells differ from each other says nothing about how certain each of them is.
        assert!((ratio.low - 1.0).abs() < 1e-9 && (ratio.high - 1.0).abs() < 1e-9, "{ratio:?}");
        assert!(overall([]).is_err());
    }

    #[test]
    fn the_json_file_has_every_pair_of_every_cell() {
        let dir = tempfile::tempdir().unwrap();
        let results = results();
        results.show(dir.path()).unwrap();
        let text = fs::read_to_string(dir.path().join("bench.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let cells = json["parts"][0]["groups"][0]["cells"].as_array().unwrap();
        assert_eq!(cells.len(), 2);
        for (cell, row) in cells.iter().zip(results.parts[0].cells()) {
            assert_eq!(
                (&cell["title"], &cell["workload"]),
                (&row.title.clone().into(), &row.found.workload.clone().into())
            );
            for name in ["speed", "p50", "p99", "p999"] {
                assert_eq!(cell[name]["pairs"].as_array().unwrap().len(), 3, "{name}");
                assert!(cell[name]["ratio"]["low"].is_f64() && cell[name]["medians"][1].is_f64(), "{name}");
            }
        }
        assert_eq!(json["facts"][0]["value"], "a & b");
        assert_eq!(json["parts"][1]["goals"][0]["met"], false);
        // What is no number would be null.
        assert!(!text.contains("null"), "{text}");
    }

    #[test]
    fn a_cell_without_latencies_has_none_in_the_file() {
        let mut row = row("a", 1.0);
        (row.found.p50, row.found.p99, row.found.p999, row.wanted) = (None, None, None, None);
        let json = serde_json::to_value(&row).unwrap();
        for name in ["p50", "p99", "p999", "wanted"] {
            assert!(json.get(name).is_none(), "{name}");
        }
    }
}
