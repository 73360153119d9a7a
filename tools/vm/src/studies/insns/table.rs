// SPDX-License-Identifier: GPL-2.0

//! The result as people read it.

use std::fmt::Write as _;

use super::component::Component;
use super::cost::{Cost, Costs};
use super::measurement::Measurement;
use super::study::Study;
use super::symbols::{Place, SymbolTable};

/// How many of the most expensive functions of our driver are shown.
const TOP: usize = 12;

/// Width of the first column.
const WIDTH: usize = 38;

/// Everything for the terminal.
pub fn all(study: &Study, measurements: &[Measurement], symbols: &[SymbolTable; 2]) -> String {
    let mut text = String::new();
    for measurement in measurements {
        text += &components(study, measurement, symbols);
    }
    if let Some(worst) =
        measurements.iter().max_by(|a, b| ratio(study, a, symbols).total_cmp(&ratio(study, b, symbols)))
    {
        let _ = writeln!(text, "\nwhat {} spends most on, {}, per {}", study.drivers[1], worst.workload, study.unit);
        text += &ranking(&worst.mean[1], &symbols[1], TOP, |component| {
            matches!(component, Component::Module | Component::Abstractions)
        });
    }
    text
}

/// Every function that costs something, for the file.
pub fn functions(study: &Study, measurements: &[Measurement], symbols: &[SymbolTable; 2]) -> String {
    let mut text = String::new();
    for measurement in measurements {
        for (nth, costs) in measurement.mean.iter().enumerate() {
            let _ = writeln!(text, "{}, {}, per {}", measurement.workload, study.drivers[nth], study.unit);
            text += &ranking(costs, &symbols[nth], usize::MAX, |_| true);
            text.push('\n');
        }
    }
    text
}

/// Prints the judgement, and returns whether it is good.
pub fn verdict(study: &Study, measurements: &[Measurement], symbols: &[SymbolTable; 2]) -> bool {
    let Study { title, limit, criterion, .. } = *study;
    let worse: Vec<_> = measurements.iter().filter(|one| ratio(study, one, symbols) > limit).collect();
    println!("criterion: {criterion}, at most {limit} x the C driver's");
    for one in &worse {
        println!("  {}: {:.3} x", one.workload, ratio(study, one, symbols));
    }
    let (word, count) = if worse.is_empty() { ("PASSED", measurements.len()) } else { ("FAILED", worse.len()) };
    println!("{title}: {word}: {count} of {} workloads", measurements.len());
    worse.is_empty()
}

/// What our driver costs relative to the C driver, on the path.
fn ratio(study: &Study, measurement: &Measurement, symbols: &[SymbolTable; 2]) -> f64 {
    let [c, rust] = measurement.instructions(symbols, |component| study.is_on_path(component));
    rust / c
}

fn components(study: &Study, measurement: &Measurement, symbols: &[SymbolTable; 2]) -> String {
    let mut text = format!(
        "\n{:WIDTH$} {:>9} {:>9} {:>7}   instructions per {}\n",
        measurement.workload, "C", "Rust", "Rust/C", study.unit
    );
    let mut row = |title: &str, [c, rust]: [f64; 2]| {
        let ratio = if c >= 0.5 { format!("{:.3}", rust / c) } else { "-".into() };
        let _ = writeln!(text, "  {title:36} {c:>9.1} {rust:>9.1} {ratio:>7}");
    };
    for &component in study.path {
        row(component.title(), measurement.instructions(symbols, |other| other == component));
    }
    row(study.path_title, measurement.instructions(symbols, |component| study.is_on_path(component)));
    // The C driver leaves to the kernel's library what ours does in its own code.
    let with_dma = |component: Component| study.is_on_path(component) || component == Component::Dma;
    row(study.with_dma_title, measurement.instructions(symbols, with_dma));
    for &component in study.others {
        row(component.title(), measurement.instructions(symbols, |other| other == component));
    }
    row("= kernel", measurement.instructions(symbols, Component::is_kernel));
    let _ = writeln!(text, "  {}", spread(study, measurement, symbols));
    let _ = writeln!(text, "  {:36} {:>9} {:>9}", format!("events per {}", study.unit), "C", "Rust");
    for (title, is_right) in study.events {
        let [c, rust] = [0, 1].map(|nth| measurement.mean[nth].calls(&symbols[nth], is_right));
        let _ = writeln!(text, "  {title:36} {c:>9.2} {rust:>9.2}");
    }
    text
}

/// How far repeats are from each other.
fn spread(study: &Study, measurement: &Measurement, symbols: &[SymbolTable; 2]) -> String {
    let on_path = |component| study.is_on_path(component);
    let one = |nth: usize, belongs: &dyn Fn(Component) -> bool| {
        let costs = measurement.repeats[nth].iter();
        let values: Vec<f64> = costs.map(|costs| costs.instructions(&symbols[nth], belongs)).collect();
        let (low, high) = values.iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
        100.0 * (high - low) / low
    };
    format!(
        "spread of {} repeats: to the device C {:.1} %, Rust {:.1} %; kernel C {:.1} %, Rust {:.1} %",
        measurement.repeats[0].len(),
        one(0, &on_path),
        one(1, &on_path),
        one(0, &Component::is_kernel),
        one(1, &Component::is_kernel)
    )
}

fn ranking(costs: &Costs, symbols: &SymbolTable, count: usize, belongs: impl Fn(Component) -> bool) -> String {
    let mut text = format!("  {:>9} {:>7}  function\n", "instr.", "calls");
    let ranking = costs.ranking();
    let right = |(place, _): &&(Place, Cost)| belongs(symbols.component(*place));
    for (place, cost) in ranking.iter().filter(right).take(count) {
        let (name, component) = (symbols.name(*place), symbols.component(*place).title());
        let _ = writeln!(text, "  {:>9.1} {:>7.2}  {name}  [{component}]", cost.instructions, cost.calls);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::insns::measurement::tests::{measured, tables};
    use crate::studies::insns::study::DISKS;

    fn measurements(per_request: [u64; 2]) -> Vec<Measurement> {
        let (data, dir) = measured(per_request);
        Measurement::read_all(&DISKS, &data, dir.path(), &tables()).unwrap()
    }

    #[test]
    fn the_limit_is_a_tenth_more_than_the_c_driver() {
        for (rust, is_good) in [(80, true), (110, true), (111, false)] {
            assert_eq!(verdict(&DISKS, &measurements([100, rust]), &tables()), is_good, "{rust}");
        }
    }

    #[test]
    fn the_table_tells_costs_and_ratios() {
        let text = all(&DISKS, &measurements([50, 40]), &tables());
        let line = text.lines().find(|line| line.contains("= from the block layer")).unwrap();
        assert_eq!(line.split_whitespace().rev().take(3).collect::<Vec<_>>(), ["0.800", "40.0", "50.0"]);
        assert!(text.contains("C 0.0 %, Rust 0.0 %"), "{text}");
    }

    #[test]
    fn the_list_of_functions_holds_both_drivers() {
        let text = functions(&DISKS, &measurements([50, 40]), &tables());
        for part in ["virtio_blk, per request", "virtio_blk_rs, per request", "100.0    1.00  block"] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }
}
