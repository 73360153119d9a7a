// SPDX-License-Identifier: GPL-2.0

//! The result as people read it.

use std::fmt::Write as _;

use super::component::Component;
use super::cost::{Cost, Costs};
use super::measurement::Measurement;
use super::repeats::{Comparison, confidence};
use super::study::Study;
use super::symbols::Place;

/// How many of the most expensive functions of our driver are shown.
const TOP: usize = 12;

/// What is judged, where chance tells how often a driver is polled.
const AT_EQUAL_ROUNDS: &str = "= the same at equal rounds of polling";

/// Width of the first column.
pub const WIDTH: usize = 38;

/// Everything for the terminal. `with` says what it was measured with.
pub fn all(study: &Study, measurements: &[Measurement], with: &str) -> String {
    let boots = measurements.iter().map(|one| one.pairs.len()).min().unwrap_or_default();
    let mut text = format!(
        "\n{with}\nmedians of {boots} boots, and the range of their ratios, which has the true one with {:.0} %\n",
        confidence(boots)
    );
    if study.rounds.is_some() {
        text += "what is moved to equal rounds of polling is less certain, as all boots of a driver tell how far\n";
    }
    for measurement in measurements {
        text += &components(study, measurement);
    }
    let worst = measurements.iter().max_by(|a, b| path(study, a).ratio.total_cmp(&path(study, b).ratio));
    if let Some(worst) = worst {
        let _ = writeln!(text, "\nwhat {} spends most on, {}, per {}", study.drivers[1], worst.workload, study.unit);
        text +=
            &ranking(&worst.mean(1), TOP, |component| matches!(component, Component::Module | Component::Abstractions));
    }
    text
}

/// Every function that costs something, for the file.
pub fn functions(study: &Study, measurements: &[Measurement]) -> String {
    let mut text = String::new();
    for measurement in measurements {
        for (nth, driver) in study.drivers.iter().enumerate() {
            let _ = writeln!(text, "{}, {driver}, per {}", measurement.workload, study.unit);
            text += &ranking(&measurement.mean(nth), usize::MAX, |_| true);
            text.push('\n');
        }
    }
    text
}

/// Prints the judgement, and returns whether it is good.
pub fn verdict(study: &Study, measurements: &[Measurement]) -> bool {
    let Study { title, criterion, drivers, .. } = *study;
    println!("criterion: {criterion}, against {}", drivers[0]);
    let mut failed = 0;
    for measurement in measurements {
        let missed = missed(study, measurement);
        failed += usize::from(!missed.is_empty());
        missed.iter().for_each(|why| println!("  {}: {why}", measurement.workload));
    }
    let (word, count) = if failed == 0 { ("PASSED", measurements.len()) } else { ("FAILED", failed) };
    println!("{title}: {word}: {count} of {} workloads", measurements.len());
    failed == 0
}

/// The limits that a workload misses, by the median.
fn missed(study: &Study, measurement: &Measurement) -> Vec<String> {
    let limit = study.limit(&measurement.workload);
    let on_path = path(study, measurement);
    let kernel = measurement.instructions(Component::is_kernel);
    let mut missed = Vec::new();
    if on_path.ratio > limit.path {
        missed.push(format!("{:.3} x the C driver's, at most {:.2} x wanted", on_path.ratio, limit.path));
    }
    if let Some(most) = limit.kernel.filter(|most| kernel.ratio > *most) {
        missed.push(format!("the whole kernel {:.3} x as with C's, at most {most:.2} x wanted", kernel.ratio));
    }
    missed
}

/// What counts as a driver's, as it is judged.
fn path(study: &Study, measurement: &Measurement) -> Comparison {
    let belongs = |component| study.is_on_path(component);
    match study.rounds {
        Some(is_round) => measurement.at_equal_rounds(is_round, belongs),
        None => measurement.instructions(belongs),
    }
}

fn components(study: &Study, measurement: &Measurement) -> String {
    let limit = study.limit(&measurement.workload);
    let mut text = heading(&measurement.workload, &format!("instructions per {}", study.unit));
    for &component in study.path {
        text += &row(component.title(), measurement.instructions(|other| other == component), None);
    }
    if study.rounds.is_some() {
        let counted = measurement.instructions(|component| study.is_on_path(component));
        text += &row(study.path_title, counted, None);
        text += &row(AT_EQUAL_ROUNDS, path(study, measurement), Some(limit.path));
    } else {
        text += &row(study.path_title, path(study, measurement), Some(limit.path));
    }
    if let Some((title, sum)) = study.aside {
        text += &row(title, measurement.instructions(|component| sum.contains(&component)), None);
    }
    for &component in study.others {
        text += &row(component.title(), measurement.instructions(|other| other == component), None);
    }
    text += &row("= kernel", measurement.instructions(Component::is_kernel), limit.kernel);
    if study.is_one_at_a_time {
        text += &row("interrupts off, longest", measurement.compare(|sample| sample.longest_off), None);
        text += &row("interrupts off, median", measurement.compare(|sample| sample.usual_off), None);
    }
    let _ = writeln!(text, "  {:36} {:>9} {:>9}", format!("events per {}", study.unit), "C", "Rust");
    if let Some(is_round) = study.rounds {
        let [c, rust] = measurement.rounds(is_round);
        let _ = writeln!(text, "  {:36} {c:>9.2} {rust:>9.2}", "rounds of polling");
    }
    for (title, is_right) in study.events {
        let [c, rust] = measurement.calls(is_right);
        let _ = writeln!(text, "  {title:36} {c:>9.2} {rust:>9.2}");
    }
    text
}

/// The first line of a table of both drivers.
pub fn heading(title: &str, unit: &str) -> String {
    format!("\n{title:WIDTH$} {:>9} {:>9} {:>7}  {:>15}  {unit}\n", "C", "Rust", "Rust/C", "range")
}

/// A line of it, with what is wanted at most.
pub fn row(title: &str, comparison: Comparison, limit: Option<f64>) -> String {
    let Comparison { medians: [c, rust], ratio, range: (low, high) } = comparison;
    let mut text = format!("  {title:36} {c:>9.1} {rust:>9.1}");
    if c >= 0.5 {
        let range = format!("{low:.3} .. {high:.3}");
        let _ = write!(text, " {ratio:>7.3}  {range:>15}");
    }
    if let Some(limit) = limit {
        let _ = write!(text, "  at most {limit:.2}");
    }
    text.push('\n');
    text
}

fn ranking(costs: &Costs, count: usize, belongs: impl Fn(Component) -> bool) -> String {
    let mut text = format!("  {:>9} {:>7}  function\n", "instr.", "calls");
    let ranking = costs.ranking();
    let right = |(place, _): &&(&Place, Cost)| belongs(place.component);
    for (place, cost) in ranking.iter().filter(right).take(count) {
        let (name, component) = (&place.name, place.component.title());
        let _ = writeln!(text, "  {:>9.1} {:>7.2}  {name}  [{component}]", cost.instructions, cost.calls);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::insns::measurement::tests::{measured, tables};
    use crate::studies::insns::study::{CARDS, DISKS, Limit};

    fn measurements(per_request: [u64; 2]) -> Vec<Measurement> {
        let (data, dir) = measured(per_request);
        Measurement::read_all(&DISKS, &data, dir.path(), &tables()).unwrap()
    }

    #[test]
    fn more_than_the_limit_is_too_much() {
        for (rust, is_good) in [(80, true), (85, true), (86, false)] {
            assert_eq!(verdict(&DISKS, &measurements([100, rust])), is_good, "{rust}");
        }
        assert!(verdict(&CARDS, &measurements([100, 100])));
        assert!(!verdict(&CARDS, &measurements([100, 101])));
    }

    #[test]
    fn what_was_missed_is_said_with_both_numbers() {
        // Both need 100 instructions of the block layer.
        let study = Study { usual_limit: Limit { path: 0.5, kernel: Some(0.8) }, ..DISKS };
        let missed = |rust| missed(&study, &measurements([100, rust])[0]);
        assert_eq!(missed(50), [""; 0]);
        assert_eq!(missed(55), ["0.550 x the C driver's, at most 0.50 x wanted"]);
        assert_eq!(missed(70)[1], "the whole kernel 0.850 x as with C's, at most 0.80 x wanted");
    }

    #[test]
    fn one_good_boot_does_not_hide_that_the_usual_one_is_over_the_limit() {
        let study = Study { usual_limit: Limit { path: 2.0, kernel: Some(0.8) }, ..DISKS };
        let missed = |boots: [u64; 3]| {
            let mut all = Vec::new();
            boots.into_iter().for_each(|rust| Measurement::add_boot(&mut all, measurements([100, rust])));
            missed(&study, &all[0])
        };
        assert_eq!(missed([50, 50, 90]), [""; 0]);
        assert_eq!(missed([50, 90, 90]), ["the whole kernel 0.950 x as with C's, at most 0.80 x wanted"]);
    }

    #[test]
    fn the_table_tells_costs_ratios_limits_and_how_it_was_measured() {
        let text = all(&DISKS, &measurements([50, 40]), "QEMU emulator version 1.2");
        let line = text.lines().find(|line| line.contains(DISKS.path_title)).unwrap();
        let words: Vec<_> = line.split_whitespace().rev().take(9).collect();
        assert_eq!(words, ["0.85", "most", "at", "0.800", "..", "0.800", "0.800", "40.0", "50.0"]);
        for part in ["QEMU emulator version 1.2", "2 boots", "50 %"] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }

    #[test]
    fn what_is_polled_is_judged_at_equal_rounds() {
        let study = Study { rounds: Some(|name| name == "module"), ..DISKS };
        let text = components(&study, &measurements([50, 40])[0]);
        let line = |title| text.lines().find(|line| line.contains(title)).unwrap();
        assert!(!line(DISKS.path_title).contains("at most"), "{text}");
        assert!(line(AT_EQUAL_ROUNDS).contains("at most 0.85"), "{text}");
        assert!(line("  rounds of polling").contains("1.00      1.00"), "{text}");
    }

    #[test]
    fn the_list_of_functions_holds_both_drivers() {
        let text = functions(&DISKS, &measurements([50, 40]));
        for part in ["virtio_blk, per request", "virtio_blk_rs, per request", "100.0    1.00  block"] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }
}
