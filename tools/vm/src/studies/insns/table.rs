// SPDX-License-Identifier: GPL-2.0

//! The result as people read it.

use std::fmt::Write as _;

use super::component::Component;
use super::cost::{Cost, Costs};
use super::measurement::Measurement;
use super::symbols::{Place, SymbolTable};
use super::{DRIVERS, LIMIT};

/// How many of the most expensive functions of our driver are shown.
const TOP: usize = 12;

/// Width of the first column.
const WIDTH: usize = 38;

/// Whether a function, by its name, is of some kind.
type Kind = fn(&str) -> bool;

/// Functions whose calls tell how a driver works.
const EVENTS: [(&str, Kind); 6] = [
    ("calls to (re)allocate memory", |name| {
        ["__kmalloc", "kmem_cache_alloc", "kmalloc", "krealloc", "kvmalloc", "mempool_alloc"]
            .iter()
            .any(|start| name.starts_with(start))
    }),
    ("spin locks taken", |name| name.starts_with("_raw_spin_lock") || name.starts_with("_raw_spin_trylock")),
    ("buffers added to a ring", |name| matches!(name, "virtqueue_add_sgs" | "virtqueue_add_sgs_direct")),
    ("rings published", |name| name == "virtqueue_kick_prepare"),
    ("notifications of the device", |name| name.starts_with("vp_notify")),
    ("interrupts of a ring", |name| name == "vring_interrupt"),
];

/// Everything for the terminal.
pub fn all(measurements: &[Measurement], symbols: &SymbolTable) -> String {
    let mut text = String::new();
    for measurement in measurements {
        text += &components(measurement, symbols);
    }
    if let Some(worst) = measurements.iter().max_by(|a, b| ratio(a, symbols).total_cmp(&ratio(b, symbols))) {
        let _ = writeln!(text, "\nwhat {} spends most on, {}, per request", DRIVERS[1], worst.workload);
        text += &ranking(&worst.mean[1], symbols, TOP, |component| {
            matches!(component, Component::Module | Component::Abstractions)
        });
    }
    text
}

/// Every function that costs something, for the file.
pub fn functions(measurements: &[Measurement], symbols: &SymbolTable) -> String {
    let mut text = String::new();
    for measurement in measurements {
        for (driver, costs) in DRIVERS.iter().zip(&measurement.mean) {
            let _ = writeln!(text, "{}, {driver}, per request", measurement.workload);
            text += &ranking(costs, symbols, usize::MAX, |_| true);
            text.push('\n');
        }
    }
    text
}

/// Prints the judgement, and returns whether it is good.
pub fn verdict(measurements: &[Measurement], symbols: &SymbolTable) -> bool {
    let worse: Vec<_> = measurements.iter().filter(|one| ratio(one, symbols) > LIMIT).collect();
    println!("criterion: module + Rust abstractions + virtio_ring + transport, at most {LIMIT} x the C driver's");
    for one in &worse {
        println!("  {}: {:.3} x", one.workload, ratio(one, symbols));
    }
    let (word, count) = if worse.is_empty() { ("PASSED", measurements.len()) } else { ("FAILED", worse.len()) };
    println!("insns: {word}: {count} of {} workloads", measurements.len());
    worse.is_empty()
}

/// What our driver costs relative to the C driver, between block layer and device.
fn ratio(measurement: &Measurement, symbols: &SymbolTable) -> f64 {
    let [c, rust] = measurement.instructions(symbols, Component::is_driver_path);
    rust / c
}

fn components(measurement: &Measurement, symbols: &SymbolTable) -> String {
    let mut text = format!(
        "\n{:WIDTH$} {:>9} {:>9} {:>7}   instructions per request\n",
        measurement.workload, "C", "Rust", "Rust/C"
    );
    let mut row = |title: &str, [c, rust]: [f64; 2]| {
        let ratio = if c >= 0.5 { format!("{:.3}", rust / c) } else { "-".into() };
        let _ = writeln!(text, "  {title:36} {c:>9.1} {rust:>9.1} {ratio:>7}");
    };
    for component in Component::ALL.into_iter().filter(|component| component.is_driver_path()) {
        row(component.title(), measurement.instructions(symbols, |other| other == component));
    }
    row("= from the block layer to the device", measurement.instructions(symbols, Component::is_driver_path));
    // The C driver leaves to the kernel's library what ours does in its own code.
    let with_scatterlists = |component: Component| component.is_driver_path() || component == Component::Dma;
    row("= with DMA and scatterlists", measurement.instructions(symbols, with_scatterlists));
    for component in Component::ALL.into_iter().filter(|component| !component.is_driver_path()) {
        row(component.title(), measurement.instructions(symbols, |other| other == component));
    }
    row("= kernel", measurement.instructions(symbols, Component::is_kernel));
    let _ = writeln!(text, "  {}", spread(measurement, symbols));
    let _ = writeln!(text, "  {:36} {:>9} {:>9}", "events per request", "C", "Rust");
    for (title, is_right) in EVENTS {
        let [c, rust] = measurement.mean.each_ref().map(|costs| costs.calls(symbols, is_right));
        let _ = writeln!(text, "  {title:36} {c:>9.2} {rust:>9.2}");
    }
    text
}

/// How far repeats are from each other.
fn spread(measurement: &Measurement, symbols: &SymbolTable) -> String {
    let one = |repeats: &[Costs], belongs: fn(Component) -> bool| {
        let values: Vec<f64> = repeats.iter().map(|costs| costs.instructions(symbols, belongs)).collect();
        let (low, high) = values.iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
        100.0 * (high - low) / low
    };
    let [c, rust] = &measurement.repeats;
    format!(
        "spread of {} repeats: to the device C {:.1} %, Rust {:.1} %; kernel C {:.1} %, Rust {:.1} %",
        c.len(),
        one(c, Component::is_driver_path),
        one(rust, Component::is_driver_path),
        one(c, Component::is_kernel),
        one(rust, Component::is_kernel)
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
    use crate::studies::insns::measurement::tests::measured;
    use crate::studies::insns::symbols::tests::table;

    fn measurements(per_request: [u64; 2]) -> Vec<Measurement> {
        let (data, dir) = measured(per_request);
        Measurement::read_all(&data, dir.path(), &table()).unwrap()
    }

    #[test]
    fn the_limit_is_a_tenth_more_than_the_c_driver() {
        for (rust, is_good) in [(80, true), (110, true), (111, false)] {
            assert_eq!(verdict(&measurements([100, rust]), &table()), is_good, "{rust}");
        }
    }

    #[test]
    fn the_table_tells_costs_and_ratios() {
        let text = all(&measurements([50, 40]), &table());
        let line = text.lines().find(|line| line.contains("= from the block layer")).unwrap();
        assert_eq!(line.split_whitespace().rev().take(3).collect::<Vec<_>>(), ["0.800", "40.0", "50.0"]);
        assert!(text.contains("C 0.0 %, Rust 0.0 %"), "{text}");
    }

    #[test]
    fn the_list_of_functions_holds_both_drivers() {
        let text = functions(&measurements([50, 40]), &table());
        for part in ["virtio_blk, per request", "virtio_blk_rs, per request", "100.0    1.00  block"] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }
}
