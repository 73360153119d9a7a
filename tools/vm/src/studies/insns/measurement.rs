// SPDX-License-Identifier: GPL-2.0

//! What was measured: for each workload the costs of a request with both drivers.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::component::Component;
use super::cost::Costs;
use super::counts;
use super::study::Study;
use super::symbols::SymbolTable;

/// A workload and what it cost.
#[derive(Debug)]
pub struct Measurement {
    /// Its name in tests/guest/workloads.sh.
    pub workload: String,
    /// Repeats with each driver.
    pub repeats: [Vec<Costs>; 2],
    /// The means of them.
    pub mean: [Costs; 2],
}

/// One run of the guest: what it did, and where the counts are.
#[derive(Debug, PartialEq, Eq)]
struct Run<'a> {
    workload: &'a str,
    driver: &'a str,
    repeat: u32,
    requests: u64,
    file: &'a str,
}

impl<'a> Run<'a> {
    fn parse(text: &'a str) -> Result<Self> {
        let parsed = match text.split_whitespace().collect::<Vec<_>>()[..] {
            [workload, driver, repeat, requests, file] => repeat
                .parse()
                .ok()
                .zip(requests.parse().ok())
                .map(|(repeat, requests)| Self { workload, driver, repeat, requests, file }),
            _ => None,
        };
        parsed.with_context(|| format!("the guest does not say what was counted: `{text}`"))
    }
}

impl Measurement {
    /// Evaluates the counts in `dir` of which the guest said what they are.
    ///
    /// # Errors
    ///
    /// When something is missing.
    pub fn read_all(study: &Study, data: &[String], dir: &Path, symbols: &[SymbolTable; 2]) -> Result<Vec<Self>> {
        let runs = data.iter().filter_map(|line| line.strip_prefix("counts "));
        let runs: Vec<_> = runs.map(Run::parse).collect::<Result<_>>()?;
        let mut workloads: Vec<&str> = runs.iter().map(|run| run.workload).collect();
        workloads.dedup();
        ensure!(!workloads.is_empty(), "the guest has measured nothing");
        workloads.into_iter().map(|workload| Self::read(study, workload, &runs, dir, symbols)).collect()
    }

    fn read(study: &Study, workload: &str, runs: &[Run<'_>], dir: &Path, symbols: &[SymbolTable; 2]) -> Result<Self> {
        let read = |nth: usize| -> Result<Vec<Costs>> {
            let driver = study.drivers[nth];
            let of_driver = runs.iter().filter(|run| run.workload == workload && run.driver == driver);
            let repeats: BTreeMap<u32, Vec<&Run<'_>>> = of_driver.fold(BTreeMap::new(), |mut repeats, run| {
                repeats.entry(run.repeat).or_default().push(run);
                repeats
            });
            ensure!(!repeats.is_empty(), "{workload} was not measured with {driver}");
            repeats.into_values().map(|runs| per_request(&runs, dir, &symbols[nth])).collect()
        };
        let repeats = [read(0)?, read(1)?];
        let mean = [Costs::mean(&repeats[0]), Costs::mean(&repeats[1])];
        for (nth, costs) in mean.iter().enumerate() {
            // Every request passes through the module: nothing there means that something else was measured.
            let in_module = costs.instructions(&symbols[nth], |component| component == Component::Module);
            ensure!(in_module >= 1.0, "{workload}: no instruction was counted in the module {}", study.drivers[nth]);
        }
        Ok(Self { workload: workload.to_owned(), repeats, mean })
    }

    /// The instructions of a request in all components for which `belongs` holds, with each driver.
    pub fn instructions(&self, symbols: &[SymbolTable; 2], belongs: impl Fn(Component) -> bool) -> [f64; 2] {
        [0, 1].map(|nth| self.mean[nth].instructions(&symbols[nth], &belongs))
    }
}

/// The cost of a request, from a run with few of them and one with many.
fn per_request(runs: &[&Run<'_>], dir: &Path, symbols: &SymbolTable) -> Result<Costs> {
    let few = runs.iter().min_by_key(|run| run.requests);
    let many = runs.iter().max_by_key(|run| run.requests);
    let (Some(few), Some(many)) = (few, many) else { unreachable!("a repeat has at least one run") };
    ensure!(many.requests > few.requests, "{} was measured once only with {}", few.workload, few.driver);
    let costs = |run: &Run<'_>| Ok::<_, anyhow::Error>(Costs::of(&counts::read(&dir.join(run.file))?, symbols));
    Ok(costs(many)?.per_request(&costs(few)?, many.requests - few.requests))
}

#[cfg(test)]
pub mod tests {
    use std::fs;

    use super::*;
    use crate::studies::insns::study::DISKS;
    use crate::studies::insns::symbols::tests::{BLOCK, MODULE, table};

    /// What a guest says that has measured one workload, and the directory with the counts: each request costs the
    /// module `per_request` instructions with either driver, and each run costs 1000 more.
    pub fn measured(per_request: [u64; 2]) -> (Vec<String>, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let mut data = Vec::new();
        for (driver, cost) in DISKS.drivers.into_iter().zip(per_request) {
            for (repeat, requests) in [(1, 10), (1, 110), (2, 10), (2, 110)] {
                let file = format!("{driver}.{repeat}.{requests}");
                let text = format!("{MODULE:x} {cost} {requests}\n{BLOCK:x} 100 {requests}\n{MODULE:x} 1000 1\n");
                fs::write(dir.path().join(&file), text).unwrap();
                data.push(format!("counts read {driver} {repeat} {requests} {file}"));
            }
        }
        (data, dir)
    }

    /// The same functions for both drivers.
    pub fn tables() -> [SymbolTable; 2] {
        [table(), table()]
    }

    #[test]
    fn what_a_run_costs_beside_its_requests_does_not_count() {
        let (data, dir) = measured([50, 40]);
        let measurements = Measurement::read_all(&DISKS, &data, dir.path(), &tables()).unwrap();
        let [one] = &measurements[..] else { panic!("one workload was measured") };
        let [c, rust] = one.instructions(&tables(), |component| DISKS.is_on_path(component));
        assert!((c - 50.0).abs() < 1e-9 && (rust - 40.0).abs() < 1e-9, "{c} {rust}");
        let kernel = one.instructions(&tables(), Component::is_kernel);
        assert!((kernel[0] - 150.0).abs() < 1e-9, "{kernel:?}");
        assert_eq!(one.repeats.each_ref().map(Vec::len), [2, 2]);
        assert!((one.mean[0].calls(&table(), |name| name == "block") - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_run_without_its_counterpart_is_an_error() {
        let (data, dir) = measured([50, 40]);
        for (kept, problem) in [(0..0, "nothing"), (0..4, "not measured with"), (0..5, "once only")] {
            let error = Measurement::read_all(&DISKS, &data[kept], dir.path(), &tables()).unwrap_err();
            assert!(error.to_string().contains(problem), "{error}");
        }
        fs::remove_file(dir.path().join("virtio_blk.2.10")).unwrap();
        assert!(Measurement::read_all(&DISKS, &data, dir.path(), &tables()).is_err());
    }

    #[test]
    fn a_module_that_did_nothing_was_not_measured() {
        let (data, dir) = measured([50, 0]);
        let error = Measurement::read_all(&DISKS, &data, dir.path(), &tables()).unwrap_err();
        assert!(error.to_string().contains("module virtio_blk_rs"), "{error}");
    }

    #[test]
    fn what_the_guest_says_is_checked() {
        assert!(Run::parse("read virtio_blk 1 100 file").is_ok());
        for text in ["", "read virtio_blk 1 100", "read virtio_blk one 100 file", "read virtio_blk 1 -5 file"] {
            assert!(Run::parse(text).is_err(), "{text}");
        }
    }
}
