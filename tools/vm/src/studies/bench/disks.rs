// SPDX-License-Identifier: GPL-2.0

//! How fast our driver of disks is compared with the C driver: fio, first in virtual time, then in real time.

use std::thread;

use anyhow::{Context, Result, ensure};

use super::cells::{Backing, Cell};
use super::effort::Effort;
use super::pairs::{Comparison, Latency, Sample, compare};
use super::results::{Goal, Group, Part, Results, Row, overall};
use super::{cells, facts, goals, limit, samples, told};
use crate::guest::fio::measured::Measured;
use crate::machine::accel::{self, Accel};
use crate::machine::disk::{Backend, Disk};
use crate::machine::{Host, Kernel};
use crate::scenario::{Flavour, Group as When, Scenario};

/// The drivers: first the one to compare with.
const DRIVERS: [&str; 2] = ["virtio_blk", "virtio_blk_rs"];

/// Most virtual CPUs, queues and jobs.
const MAX_CPUS: usize = 4;

/// The disks of the two drivers that store nothing, and those that are files.
const NULL: [&str; 2] = ["main", "other"];
const FILES: [&str; 2] = ["file", "copy"];

/// The size of a file, in MiB.
const FILE: u64 = 256;

/// Milliseconds of a run in virtual time, in all of which the CPU works: many more on the host.
const VIRTUAL_RUN: u64 = 400;

/// What virtual time leaves out.
const NOT_VIRTUAL: &str = "caches, pipelines and whatever else makes one instruction slower than another, and real \
                           concurrency: there is one CPU, and what the device does takes no time.";

/// What real time leaves out.
const NOT_REAL: &str = "what the drivers do on a quiet machine of their own: the host's other work, its scheduler and, \
                        without KVM, the emulation are in every number.";

/// What no measurement here tells.
const CANNOT_TELL: [&str; 6] = [
    "What either driver does on another machine: absolute speeds are those of this host, and without KVM those of an \
     emulated CPU.",
    "Differences that are smaller than an interval. An interval that holds 1 shows no difference, which is not the \
     same as showing that there is none.",
    "What differs from boot to boot, such as which pages the buffers are in: all pairs are of one boot, and no \
     interval has it.",
    "That a single cell is an exception: with so many intervals of 95 %, one in twenty misses its true value.",
    "p99 and p99.9 beyond a step of fio's histogram, which is up to 1.6 % wide; in real time they are the host's \
     scheduler more than the driver, and p99.9 of a short run is the time of a few requests.",
    "How fast a disk is: one that stores nothing answers at once, and the file is in the host's page cache.",
];

/// Measures both drivers on `kernel` and shows the result.
///
/// # Errors
///
/// When nothing could be measured.
pub fn run(host: &Host, kernel: &Kernel, effort: &Effort) -> Result<()> {
    let accel = accel::probe(host, Some(kernel))?;
    let mut facts = facts::of(host, kernel)?;
    facts.push(facts::Fact::new("accelerator in real time", accel.to_string()));
    println!("accelerator: {accel}");

    let (virtual_time, _) = in_virtual_time(host, kernel, effort)?;
    let (real_time, data) = in_real_time(host, kernel, &accel, effort)?;
    facts.extend(facts::afterwards(&data));
    let results = Results {
        name: "bench",
        title: "virtio_blk in C and in Rust",
        drivers: DRIVERS,
        facts,
        parts: vec![virtual_time, real_time],
        cannot_tell: CANNOT_TELL.to_vec(),
    };
    super::show(host, &results)
}

fn in_virtual_time(host: &Host, kernel: &Kernel, effort: &Effort) -> Result<(Part, Vec<String>)> {
    let cells = cells::in_virtual_time(effort.extent);
    // Where a thread of its own serves a disk, the CPU can have fallen idle before a request ends, and its time goes on
    // to the next timer, which the request then has taken.
    let (pairs, milliseconds) = (effort.pairs(), VIRTUAL_RUN);
    let run = Run { cells: &cells, pairs, milliseconds, cpus: 1, ioeventfd: Some(false) };
    let mut scenario = scenario("bench-virtual", "fio with both drivers in turn, in virtual time", &run);
    // One CPU that has to wait for its turn on the host seems to have no timer.
    scenario.kernel_words = "no_timer_check";
    let data = told(host, &Accel::Counted, kernel, &scenario)?;
    let compared = compared(&cells, &data)?;
    let goals = goals::in_virtual_time(&compared);
    let method = format!(
        "The guest's clock is the number of its instructions: QEMU with -icount shift=1,sleep=off, 2 ns for each. The \
         host still decides how many requests are answered at a time. One CPU, {milliseconds} ms of fio for a run, \
         {pairs} pairs of runs of each cell, and disks that store nothing and take requests in the CPU's own thread \
         (ioeventfd=off)."
    );
    Ok((part("In virtual time", method, NOT_VIRTUAL, compared, goals, |cell| Some(goals::wanted(cell)))?, data))
}

fn in_real_time(host: &Host, kernel: &Kernel, accel: &Accel, effort: &Effort) -> Result<(Part, Vec<String>)> {
    let cells = cells::in_real_time(effort.extent);
    let cpus = thread::available_parallelism().map_or(1, usize::from).clamp(2, MAX_CPUS);
    let (pairs, milliseconds) = (effort.pairs(), effort.milliseconds());
    let run = Run { cells: &cells, pairs, milliseconds, cpus, ioeventfd: None };
    let scenario = scenario("bench", "fio with both drivers in turn, in real time", &run);
    let data = told(host, accel, kernel, &scenario)?;
    let compared = compared(&cells, &data)?;
    let goals = goals::in_real_time(&compared, overall(compared.iter().map(|(_, comparison)| comparison))?);
    let method = format!(
        "Both drivers take turns in one boot, each on a disk of its own, and swap their disks after half of the runs; \
         {cpus} CPUs, {milliseconds} ms of fio for a run, {pairs} pairs of runs of each cell. A file has {FILE} MiB, \
         written before."
    );
    Ok((part("In real time", method, NOT_REAL, compared, goals, |_| None)?, data))
}

/// What a boot measures.
struct Run<'a> {
    cells: &'a [Cell],
    pairs: u64,
    milliseconds: u64,
    cpus: usize,
    /// Whether another thread serves the disks that store nothing.
    ioeventfd: Option<bool>,
}

fn scenario(name: &'static str, about: &'static str, run: &Run<'_>) -> Scenario {
    let Run { cells, pairs, milliseconds, cpus, ioeventfd } = *run;
    let names: Vec<String> = cells.iter().map(|cell| cell.name()).collect();
    let mut scenario = Scenario::debug(name, about, "bench")
        .var("oracle", DRIVERS[0])
        .var("driver", DRIVERS[1])
        .var("cells", names.join(","))
        .var("pairs", pairs)
        .var("runtime", milliseconds);
    let queues = u16::try_from(cpus).unwrap_or(1);
    for name in NULL {
        let disk = Disk::scratch(name, 64 << 10).backend(Backend::Null).with(|p| {
            p.num_queues = Some(queues);
            p.ioeventfd = ioeventfd;
        });
        scenario = scenario.disk(disk);
    }
    if cells.iter().any(|cell| cell.backing == Backing::File) {
        for name in FILES {
            scenario = scenario.disk(Disk::scratch(name, FILE).with(|p| p.num_queues = Some(queues)));
        }
    }
    scenario.group = When::Bench;
    scenario.kernel = Flavour::Plain;
    scenario.cpus = u32::from(queues);
    scenario.limit = limit(cells.len(), pairs, milliseconds as f64 / 1000.0);
    scenario
}

/// What the guest has measured of each of `cells`.
fn compared(cells: &[Cell], data: &[String]) -> Result<Vec<(Cell, Comparison)>> {
    let comparisons = compare(&samples(data, sample)?, DRIVERS)?;
    let found = |cell: &Cell| {
        let comparison = comparisons.iter().find(|comparison| comparison.workload == cell.name());
        Ok((*cell, comparison.cloned().with_context(|| format!("the guest has not measured {}", cell.name()))?))
    };
    let found = cells.iter().map(found).collect::<Result<Vec<_>>>()?;
    ensure!(found.len() == comparisons.len(), "the guest has measured what nobody asked for");
    Ok(found)
}

/// Reads what the guest says: cell, pair and driver, fio's JSON.
fn sample(text: &str) -> Option<Sample> {
    let mut words = text.splitn(3, ' ');
    let (cell, run, json) = (words.next()?, words.next()?, words.next()?);
    let (pair, driver) = run.split_once('.')?;
    let driver = DRIVERS.iter().position(|known| *known == driver)?;
    let Measured { iops, p50, p99, p999 } = Measured::parse(json).ok()?;
    let latency = Some(Latency { p50, p99, p999 });
    Some(Sample { workload: cell.to_owned(), pair: pair.parse().ok()?, driver, speed: iops, latency })
}

fn part(
    title: &'static str,
    method: String,
    leaves_out: &'static str,
    compared: Vec<(Cell, Comparison)>,
    goals: Vec<Goal>,
    wanted: impl Fn(Cell) -> Option<f64>,
) -> Result<Part> {
    let overall = overall(compared.iter().map(|(_, comparison)| comparison))?;
    let row = |(cell, found): &(Cell, Comparison)| Row {
        title: cell.title(),
        unit: "IOPS",
        wanted: wanted(*cell),
        found: found.clone(),
    };
    let group = |backing: Backing| {
        let cells = compared.iter().filter(|(cell, _)| cell.backing == backing).map(row).collect();
        Group { title: backing.title(), cells }
    };
    let mut groups: Vec<Group> = [Backing::Null, Backing::File].map(group).into();
    groups.retain(|group| !group.cells.is_empty());
    Ok(Part { title, method, leaves_out, groups, overall, goals })
}

#[cfg(test)]
mod tests {
    use super::super::cells::Extent;
    use super::*;
    use crate::guest::fio::measured::tests::object;

    fn told_of(cells: &[Cell]) -> Vec<String> {
        let runs = [(1, 0, 100.0), (1, 1, 110.0), (2, 1, 220.0), (2, 0, 200.0)];
        let line = |cell: &Cell| {
            let name = cell.name();
            runs.map(|(pair, driver, iops)| {
                format!("run {name} {pair}.{} {}", DRIVERS[driver], object(iops, 1000, 2000, 3000))
            })
        };
        cells.iter().flat_map(line).chain(["version fio-3".to_owned()]).collect()
    }

    #[test]
    fn what_the_guest_says_is_checked() {
        let json = object(250.0, 4000, 9000, 10_000);
        let read = sample(&format!("null-read-4k-depth1 3.virtio_blk_rs {json}")).unwrap();
        assert_eq!((&*read.workload, read.pair, read.driver, read.speed), ("null-read-4k-depth1", 3, 1, 250.0));
        assert_eq!(read.latency, Some(Latency { p50: 4.0, p99: 9.0, p999: 10.0 }));
        for text in ["", "read 3.virtio_blk", &format!("read 3.nvme {json}"), &format!("read virtio_blk {json}")] {
            assert_eq!(sample(text), None, "{text}");
        }
        assert_eq!(sample("read 3.virtio_blk fio: error"), None);
    }

    #[test]
    fn every_cell_that_was_asked_for_is_in_the_result() {
        let cells = cells::in_real_time(Extent::Whole);
        let found = compared(&cells, &told_of(&cells)).unwrap();
        let part = part("t", "m".into(), "l", found, Vec::new(), |_| None).unwrap();
        let titles: Vec<String> = part.cells().map(|row| row.title.clone()).collect();
        assert_eq!(titles, cells.iter().map(|cell| cell.title()).collect::<Vec<_>>());
        assert_eq!(part.groups.len(), 2);
        assert!((part.overall.mean - 1.1).abs() < 1e-9, "{:?}", part.overall);
    }

    #[test]
    fn a_cell_that_was_not_measured_is_an_error() {
        let cells = cells::in_virtual_time(Extent::Quick);
        let error = compared(&cells, &told_of(&cells[1..])).unwrap_err().to_string();
        assert!(error.contains(&cells[0].name()), "{error}");
        assert!(compared(&cells[1..], &told_of(&cells)).is_err(), "one that nobody asked for");
    }

    #[test]
    fn the_kernel_can_be_told_of_every_cell() {
        // Linux cuts off what is longer (COMMAND_LINE_SIZE on x86), and the machine has words of its own.
        let cells = cells::in_real_time(Extent::Whole);
        let run = Run { cells: &cells, pairs: 12, milliseconds: 1000, cpus: 4, ioeventfd: None };
        let scenario = scenario("bench", "", &run);
        assert_eq!(scenario.disks.len(), 4);
        let length = scenario.cmdline(&[], &Default::default()).len();
        assert!(length < 1700, "{length}");
    }

    #[test]
    fn only_a_measurement_of_files_has_them() {
        let cells = cells::in_virtual_time(Extent::Whole);
        let run = Run { cells: &cells, pairs: 4, milliseconds: 400, cpus: 1, ioeventfd: Some(false) };
        assert_eq!(scenario("bench-virtual", "", &run).disks.len(), 2);
    }
}
