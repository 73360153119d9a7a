// SPDX-License-Identifier: GPL-2.0

//! What was measured: for each workload the costs of a request with both drivers.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::component::Component;
use super::cost::Costs;
use super::counts::{self, Stretch};
use super::repeats::Comparison;
use super::rounds;
use super::study::{Kind, Study};
use super::symbols::{Place, SymbolTable};

/// A workload and what it cost.
#[derive(Debug)]
pub struct Measurement {
    /// Its name, as the guest calls it.
    pub workload: String,
    /// What was measured in turn, once with each driver, or the mean of a boot; at least one pair.
    pub pairs: Vec<[Sample; 2]>,
}

/// What was measured once.
#[derive(Debug)]
pub struct Sample {
    /// What a request costs.
    pub costs: Costs,
    /// The longest stretch of instructions with interrupts off in which the driver had a part; 0 without any.
    pub longest_off: f64,
    /// The median of these stretches.
    pub usual_off: f64,
}

impl Sample {
    /// The mean of several, and the longest stretch of all.
    fn mean<'a>(all: impl ExactSizeIterator<Item = &'a Self> + Clone) -> Self {
        let usual_off = all.clone().map(|one| one.usual_off).sum::<f64>() / all.len() as f64;
        let longest_off = all.clone().map(|one| one.longest_off).fold(0.0, f64::max);
        Self { costs: Costs::mean(all.map(|one| &one.costs)), longest_off, usual_off }
    }
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
    /// Evaluates the counts in `dir`, of one boot, of which the guest said what they are.
    ///
    /// # Errors
    ///
    /// When something is missing.
    pub fn read_all(study: &Study, data: &[String], dir: &Path, symbols: &[SymbolTable; 2]) -> Result<Vec<Self>> {
        let runs = data.iter().filter_map(|line| line.strip_prefix("counts "));
        let runs: Vec<_> = runs.map(Run::parse).collect::<Result<_>>()?;
        let mut workloads: Vec<&str> = Vec::new();
        for run in &runs {
            if !workloads.contains(&run.workload) {
                workloads.push(run.workload);
            }
        }
        ensure!(!workloads.is_empty(), "the guest has measured nothing");
        workloads.into_iter().map(|workload| Self::read(study, workload, &runs, dir, symbols)).collect()
    }

    fn read(study: &Study, workload: &str, runs: &[Run<'_>], dir: &Path, symbols: &[SymbolTable; 2]) -> Result<Self> {
        let read = |nth: usize| -> Result<BTreeMap<u32, Sample>> {
            let driver = study.drivers[nth];
            let of_driver = runs.iter().filter(|run| run.workload == workload && run.driver == driver);
            let repeats: BTreeMap<u32, Vec<&Run<'_>>> = of_driver.fold(BTreeMap::new(), |mut repeats, run| {
                repeats.entry(run.repeat).or_default().push(run);
                repeats
            });
            ensure!(!repeats.is_empty(), "{workload} was not measured with {driver}");
            let sample = |(repeat, runs): (u32, Vec<_>)| Ok((repeat, sample(&runs, dir, &symbols[nth])?));
            repeats.into_iter().map(sample).collect()
        };
        let (c, rust) = (read(0)?, read(1)?);
        ensure!(c.keys().eq(rust.keys()), "{workload} was not measured as often with one driver as with the other");
        let pairs: Vec<_> = c.into_values().zip(rust.into_values()).map(|(c, rust)| [c, rust]).collect();
        let measurement = Self { workload: workload.to_owned(), pairs };
        for (nth, driver) in study.drivers.iter().enumerate() {
            // Every request passes through the module: nothing there means that something else was measured.
            let in_module = measurement.mean(nth).instructions(|component| component == Component::Module);
            ensure!(in_module >= 1.0, "{workload}: no instruction was counted in the module {driver}");
            if let Some(is_round) = study.rounds {
                ensure!(measurement.rounds(is_round)[nth] > 0.0, "{workload}: {driver} was never polled");
            }
        }
        Ok(measurement)
    }

    /// Adds what was measured in another boot to those of the boots before, as one pair: what chance has decided in a
    /// boot is in all of its runs.
    pub fn add_boot(all: &mut Vec<Self>, boot: Vec<Self>) {
        for measured in boot {
            let pair = [0, 1].map(|nth| Sample::mean(measured.pairs.iter().map(|pair| &pair[nth])));
            let one = Self { pairs: vec![pair], ..measured };
            match all.iter_mut().find(|known| known.workload == one.workload) {
                Some(known) => known.pairs.extend(one.pairs),
                None => all.push(one),
            }
        }
    }

    /// The instructions of a request in all components for which `belongs` holds, with each driver.
    pub fn instructions(&self, belongs: impl Fn(Component) -> bool) -> Comparison {
        self.compare(|sample| sample.costs.instructions(&belongs))
    }

    /// Something about all samples.
    pub fn compare(&self, value: impl Fn(&Sample) -> f64) -> Comparison {
        let pairs: Vec<_> = self.pairs.iter().map(|pair| pair.each_ref().map(&value)).collect();
        Comparison::of(&pairs)
    }

    /// The calls of functions whose name is right, with each driver: the mean.
    pub fn calls(&self, is_right: impl Fn(&str) -> bool) -> [f64; 2] {
        [0, 1].map(|nth| self.mean(nth).calls(|place| is_right(&place.name)))
    }

    /// The rounds of polling that a request took, with each driver: the mean.
    pub fn rounds(&self, is_round: Kind) -> [f64; 2] {
        [0, 1].map(|nth| self.mean(nth).calls(|place| is_own(place, is_round)))
    }

    /// As [`instructions`](Self::instructions), as if there had been equally many rounds of polling with each driver.
    pub fn at_equal_rounds(&self, is_round: Kind, belongs: impl Fn(Component) -> bool) -> Comparison {
        let run = |sample: &Sample| rounds::Run {
            rounds: sample.costs.calls(|place| is_own(place, is_round)),
            instructions: sample.costs.instructions(&belongs),
        };
        let pairs: Vec<_> = self.pairs.iter().map(|pair| pair.each_ref().map(run)).collect();
        Comparison::of(&rounds::at_equal_rounds(&pairs))
    }

    /// The mean cost of a request with the `nth` driver.
    pub fn mean(&self, nth: usize) -> Costs {
        Costs::mean(self.pairs.iter().map(|pair| &pair[nth].costs))
    }
}

/// Whether a function of the driver that is measured is of some kind.
fn is_own(place: &Place, is_right: Kind) -> bool {
    place.component == Component::Module && is_right(&place.name)
}

/// The cost of a request, from a run with few of them and one with many; and the stretches of the latter.
fn sample(runs: &[&Run<'_>], dir: &Path, symbols: &SymbolTable) -> Result<Sample> {
    let few = runs.iter().min_by_key(|run| run.requests);
    let many = runs.iter().max_by_key(|run| run.requests);
    let (Some(few), Some(many)) = (few, many) else { unreachable!("a repeat has at least one run") };
    ensure!(many.requests > few.requests, "{} was measured once only with {}", few.workload, few.driver);
    let requests = many.requests - few.requests;
    let (few, many) = (counts::read(&dir.join(few.file))?, counts::read(&dir.join(many.file))?);
    let costs = Costs::of(&many.blocks, symbols).per_request(&Costs::of(&few.blocks, symbols), requests);
    let longest = many.stretches.iter().map(|stretch| stretch.instructions).max();
    let longest_off = longest.unwrap_or_default() as f64;
    Ok(Sample { costs, longest_off, usual_off: usual(many.stretches) as f64 })
}

/// The median length.
fn usual(mut stretches: Vec<Stretch>) -> u64 {
    stretches.sort_by_key(|stretch| stretch.instructions);
    let half = stretches.iter().map(|stretch| stretch.count).sum::<u64>().div_ceil(2);
    let mut below = 0;
    let median = stretches.iter().find(|stretch| {
        below += stretch.count;
        below >= half
    });
    median.map_or(0, |stretch| stretch.instructions)
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
        let [c, rust] = one.instructions(|component| DISKS.is_on_path(component)).medians;
        assert!((c - 50.0).abs() < 1e-9 && (rust - 40.0).abs() < 1e-9, "{c} {rust}");
        let kernel = one.instructions(Component::is_kernel).medians;
        assert!((kernel[0] - 150.0).abs() < 1e-9, "{kernel:?}");
        assert_eq!(one.pairs.len(), 2);
        assert!((one.calls(|name| name == "block")[0] - 1.0).abs() < 1e-9);
    }

    #[test]
    fn the_usual_stretch_is_that_of_the_most() {
        let stretch = |instructions, count| Stretch { instructions, count };
        assert_eq!(usual(vec![stretch(900, 1), stretch(100, 5), stretch(200, 7)]), 200);
        assert_eq!(usual(vec![stretch(900, 1), stretch(100, 1)]), 100);
        assert_eq!(usual(Vec::new()), 0);
    }

    #[test]
    fn a_boot_is_one_pair_the_mean_of_its_runs() {
        let (data, dir) = measured([50, 40]);
        // Of the second run of ours, each request costs 60.
        let file = dir.path().join("virtio_blk_rs.2.110");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replace(" 40 110\n", " 40 160\n")).unwrap();
        let mut all = Vec::new();
        for _ in 0..3 {
            let boot = Measurement::read_all(&DISKS, &data, dir.path(), &tables()).unwrap();
            assert_eq!(boot[0].pairs.len(), 2);
            Measurement::add_boot(&mut all, boot);
        }
        assert_eq!((all.len(), all[0].pairs.len()), (1, 3));
        let Comparison { medians, range, .. } = all[0].instructions(|component| component == Component::Module);
        assert!((medians[0] - 50.0).abs() < 1e-9 && (medians[1] - 50.0).abs() < 1e-9, "{medians:?}");
        assert!((range.0 - 1.0).abs() < 1e-9 && (range.1 - 1.0).abs() < 1e-9, "{range:?}");
    }

    #[test]
    fn the_longest_stretch_of_a_boot_is_that_of_all_its_runs() {
        let sample = |longest_off, usual_off| Sample { costs: Costs::default(), longest_off, usual_off };
        let mean = Sample::mean([sample(900.0, 10.0), sample(100.0, 20.0)].iter());
        assert_eq!((mean.longest_off, mean.usual_off), (900.0, 15.0));
    }

    #[test]
    fn a_run_without_its_counterpart_is_an_error() {
        let (data, dir) = measured([50, 40]);
        for (kept, problem) in [(0..0, "nothing"), (0..4, "not measured with"), (0..5, "once only"), (0..6, "as often")]
        {
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
    fn a_driver_that_was_never_polled_was_not_measured() {
        let (data, dir) = measured([50, 40]);
        let read = |rounds: Kind| {
            let study = Study { rounds: Some(rounds), ..DISKS };
            Measurement::read_all(&study, &data, dir.path(), &tables())
        };
        let measured = read(|name| name == "module").unwrap();
        assert!((measured[0].rounds(|name| name == "module")[1] - 1.0).abs() < 1e-9);
        // It is a function, but none of the driver's.
        for other in [read(|name| name == "block"), read(|_| false)] {
            assert!(other.unwrap_err().to_string().contains("virtio_blk was never polled"));
        }
    }

    #[test]
    fn what_the_guest_says_is_checked() {
        assert!(Run::parse("read virtio_blk 1 100 file").is_ok());
        for text in ["", "read virtio_blk 1 100", "read virtio_blk one 100 file", "read virtio_blk 1 -5 file"] {
            assert!(Run::parse(text).is_err(), "{text}");
        }
    }
}
