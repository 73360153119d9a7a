// SPDX-License-Identifier: GPL-2.0

//! How often the drivers of disks go to and fro: interrupts, notifications, wake-ups and locks, by the depth of the
//! queue, the number of queues and the time that the device takes.
//!
//! Counted like the instructions, as calls of functions, so nothing in the guest has to be changed for it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::measurement::Measurement;
use super::study::{self, Kind, notifies, takes_spin_lock};
use super::{Boot, FUNCTIONS, counted, profiler, table};
use crate::machine::disk::{Backend, Disk};
use crate::machine::plugin::Profiler;
use crate::machine::{Host, Kernel, plugin, qemu};
use crate::scenario::Scenario;

/// The disks, by what the guest calls them, with the time that each request takes.
const DISKS: [(&str, &str, Backend); 3] = [
    ("instant", "no latency", Backend::Null),
    ("quick", "50 us of latency", Backend::Delayed { nanoseconds: 50_000 }),
    ("slow", "1 ms of latency", Backend::Delayed { nanoseconds: 1_000_000 }),
];

/// How many requests each job keeps in flight.
const DEPTHS: [u32; 4] = [1, 4, 32, 128];

/// The boots, by the number of queues, which is that of CPUs and of jobs, too.
const QUEUES: [u16; 2] = [1, 2];

/// What is counted.
const EVENTS: [(&str, Kind); 8] = [
    ("interrupts of the ring", |name| name == "vring_interrupt"),
    ("notifications of the device", notifies),
    ("rings published", |name| name == "virtqueue_kick_prepare"),
    ("wake-ups of tasks", |name| name == "try_to_wake_up"),
    ("calls from CPU to CPU", |name| name == "__smp_call_single_queue"),
    ("runs of a hardware queue", |name| name == "blk_mq_run_hw_queue"),
    ("spin locks taken", takes_spin_lock),
    ("- with interrupts off", |name| takes_spin_lock(name) && name.contains("_irq")),
];

/// Ours is not said to be more often unless it is by so much, of 1000, and by a twentieth.
const NOTABLE: f64 = 20.0;

/// Counts with both drivers on `kernel` and prints the result. `plugin` is the built tools/tcgprofile.
///
/// # Errors
///
/// When nothing could be counted.
pub fn run(host: &Host, kernel: &Kernel, plugin: &Path) -> Result<()> {
    let profiler = profiler(kernel, plugin)?;
    let with = format!("{}, {} kernel, {}", qemu::version(&host.qemu)?, kernel.name, kernel.options());
    let mut text = format!("\n{with}\nper 1000 requests, the mean of two runs\n");
    let mut more = Vec::new();
    for queues in QUEUES {
        let boot = Boot::make(host, kernel, &study::DISKS, &scenario(queues, profiler.clone()))?;
        let counts = plugin::counts_dir(&boot.dir);
        let measured = Measurement::read_all(&study::DISKS, &boot.data, &counts, &boot.symbols)?;
        let functions = boot.dir.join(FUNCTIONS);
        fs::write(&functions, table::functions(&study::DISKS, &measured))
            .with_context(|| format!("cannot write {}", functions.display()))?;
        for (disk, about, _) in DISKS {
            let title = format!("{queues} queue{}, {about}", if queues == 1 { "" } else { "s" });
            let trips = Trips::of(disk, &measured)?;
            text += &trips.table(&title);
            more.extend(trips.more().into_iter().map(|what| format!("{title}, {what}")));
        }
        let _ = writeln!(text, "\nby function: {}", functions.display());
    }
    print!("{text}");
    println!(
        "\nmore often than with C's: {} of {}",
        more.len(),
        QUEUES.len() * DISKS.len() * DEPTHS.len() * EVENTS.len()
    );
    more.iter().for_each(|what| println!("  {what}"));
    Ok(())
}

fn scenario(queues: u16, profiler: Profiler) -> Scenario {
    let (name, about) = if queues == 1 {
        ("trips", "interrupts, notifications, wake-ups, locks")
    } else {
        ("trips-queues", "the same with a queue for each CPU")
    };
    let mut scenario = Scenario::debug(name, about, "trips")
        .var("jobs", queues)
        .var("depths", DEPTHS.map(|depth| depth.to_string()).join(","));
    for (disk, _, backend) in DISKS {
        let disk = Disk::scratch(disk, 64 << 10).backend(backend).with(|p| p.num_queues = Some(queues));
        scenario.disks.push(disk);
    }
    let mut scenario = counted(scenario, &study::DISKS, profiler);
    scenario.cpus = queues.into();
    scenario
}

/// What was counted on a disk: for each event and depth how often with each driver, of 1000 requests.
#[derive(Debug)]
struct Trips([[[f64; 2]; DEPTHS.len()]; EVENTS.len()]);

impl Trips {
    fn of(disk: &str, measured: &[Measurement]) -> Result<Self> {
        let mut trips = [[[0.0; 2]; DEPTHS.len()]; EVENTS.len()];
        for (nth, depth) in DEPTHS.iter().enumerate() {
            let name = format!("{disk}-{depth}");
            let one = measured.iter().find(|one| one.workload == name);
            let one = one.with_context(|| format!("{name} was not measured"))?;
            for ((_, is_right), row) in EVENTS.iter().zip(&mut trips) {
                row[nth] = one.calls(is_right).map(|calls| 1000.0 * calls);
            }
            ensure!(trips[0][nth].iter().all(|count| *count > 0.0), "{name}: there was no interrupt");
        }
        Ok(Self(trips))
    }

    fn table(&self, title: &str) -> String {
        let mut text = format!("\n{title:30}");
        DEPTHS.iter().for_each(|depth| text += &format!("  {:>14}", format!("depth {depth}")));
        let _ = write!(text, "\n{:30}", "");
        DEPTHS.iter().for_each(|_| text += &format!("  {:>7}{:>7}", "C", "Rust"));
        text.push('\n');
        for ((event, _), row) in EVENTS.iter().zip(&self.0) {
            let _ = write!(text, "  {event:28}");
            row.iter().for_each(|[c, rust]| text += &format!("  {c:>7.0}{rust:>7.0}"));
            text.push('\n');
        }
        text
    }

    /// Where ours is more often.
    fn more(&self) -> Vec<String> {
        let mut more = Vec::new();
        for ((event, _), row) in EVENTS.iter().zip(&self.0) {
            for (depth, [c, rust]) in DEPTHS.iter().zip(row) {
                if *rust > c * 1.05 && rust - c >= NOTABLE {
                    more.push(format!("depth {depth}: {event}: {c:.0}, ours {rust:.0}"));
                }
            }
        }
        more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trips() -> Trips {
        let mut trips = Trips([[[1000.0, 1000.0]; DEPTHS.len()]; EVENTS.len()]);
        trips.0[1][0] = [1000.0, 1200.0];
        trips.0[1][1] = [1000.0, 1040.0];
        trips.0[3][2] = [1.0, 19.0];
        trips
    }

    #[test]
    fn what_is_a_little_more_often_is_chance() {
        assert_eq!(trips().more(), ["depth 1: notifications of the device: 1000, ours 1200"]);
    }

    #[test]
    fn the_table_has_a_line_for_each_event() {
        let table = trips().table("1 queue, no latency");
        assert_eq!(table.lines().count(), 3 + EVENTS.len());
        let line = table.lines().find(|line| line.contains("notifications")).unwrap();
        let words: Vec<_> = line.split_whitespace().skip(4).collect();
        assert_eq!(words, ["1000", "1200", "1000", "1040", "1000", "1000", "1000", "1000"], "{table}");
    }

    #[test]
    fn each_boot_has_all_disks_with_as_many_queues_as_cpus() {
        for queues in QUEUES {
            let scenario = scenario(queues, Profiler { file: "/p".into(), interrupt: 0 });
            assert_eq!(scenario.cpus, u32::from(queues));
            let names: Vec<_> = scenario.disks.iter().map(|disk| disk.name.as_str()).collect();
            assert_eq!(names, DISKS.map(|(name, ..)| name));
            assert!(scenario.disks.iter().all(|disk| disk.properties.num_queues == Some(queues)));
        }
    }
}
