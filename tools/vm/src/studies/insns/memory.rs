// SPDX-License-Identifier: GPL-2.0

//! What drivers need of memory: their code, and what goes with each request and each queue.
//!
//! The guest counts the free pages before and after a driver takes a disk. The difference between two disks that differ
//! in one thing is what that thing needs, whoever has asked for it: the block layer and the ring as well as the driver.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context, Result};

use super::component::Component;
use super::repeats::median;
use super::study::Study;
use super::symbols::SymbolTable;
use super::table::WIDTH;
use crate::machine::disk::{Backend, Disk};

/// Bytes of a page.
const PAGE: f64 = 4096.0;

/// The lengths of queues.
const SHORT: u16 = 256;
const LONG: u16 = 1024;

/// The disks with their numbers and lengths of queues: one with a short queue, one with a long one, one with two of
/// these. Long ones stand out from what else takes or frees a page meanwhile.
const DISKS: [(&str, u16, u16); 3] = [("short", 1, SHORT), ("long", 1, LONG), ("two", 2, LONG)];

/// The disks that have to be in the machine. It needs two CPUs, or nobody would use two queues.
pub fn disks() -> impl Iterator<Item = Disk> {
    DISKS.into_iter().map(|(name, queues, length)| {
        Disk::scratch(name, 64 << 10).backend(Backend::Null).with(|properties| {
            properties.num_queues = Some(queues);
            properties.queue_size = Some(length);
        })
    })
}

/// Bytes that each driver needs.
#[derive(Debug, PartialEq)]
pub struct Memory {
    /// For the code of its module.
    module: [f64; 2],
    /// For the code of the abstractions, which all drivers in Rust have in common.
    abstractions: [f64; 2],
    /// For one request more.
    request: [f64; 2],
    /// For one queue more, with its requests.
    queue: [f64; 2],
}

impl Memory {
    /// Evaluates what the guest said, in all boots.
    ///
    /// # Errors
    ///
    /// It did not say everything.
    pub fn read(study: &Study, data: &[String], symbols: &[SymbolTable; 2]) -> Result<Self> {
        let pages = data.iter().filter_map(|line| line.strip_prefix("pages "));
        let pages = pages.map(parse).collect::<Result<Vec<_>>>()?;
        let mut of: BTreeMap<_, Vec<f64>> = BTreeMap::new();
        for (disk, driver, count) in pages {
            of.entry((disk, driver)).or_default().push(count);
        }
        let bytes = |disk, driver| {
            let counts = of.get(&(disk, driver)).cloned();
            let counts = counts.with_context(|| format!("{driver}: the memory for the disk {disk} is not known"))?;
            Ok::<_, anyhow::Error>(PAGE * median(counts))
        };
        let [c, rust] = study.drivers.map(|driver| {
            let [short, long, two] = DISKS.map(|(disk, ..)| bytes(disk, driver));
            let (short, long, two) = (short?, long?, two?);
            Ok::<_, anyhow::Error>([(long - short) / f64::from(LONG - SHORT), two - long])
        });
        let ([c_request, c_queue], [rust_request, rust_queue]) = (c?, rust?);
        let code = |component, belongs: fn(&str) -> bool| {
            symbols.each_ref().map(|symbols| symbols.text(component, belongs) as f64)
        };
        Ok(Self {
            module: code(Component::Module, |_| true),
            abstractions: code(Component::Abstractions, is_ours),
            request: [c_request, rust_request],
            queue: [c_queue, rust_queue],
        })
    }

    /// The rows for the terminal.
    pub fn table(&self) -> String {
        let mut text = format!("\n{:WIDTH$} {:>9} {:>9} {:>7}   bytes\n", "memory", "C", "Rust", "Rust/C");
        let queue = format!("one queue more, with {LONG} requests");
        for (title, [c, rust]) in [
            ("code of the module", self.module),
            ("code of the abstractions, for all", self.abstractions),
            ("one request more, in all", self.request),
            (&queue, self.queue),
        ] {
            let ratio = if c > 0.0 { format!("{:.2}", rust / c) } else { "-".into() };
            let _ = writeln!(text, "  {title:36} {c:>9.0} {rust:>9.0} {ratio:>7}");
        }
        text
    }
}

/// Whether a function of the kernel image is one of the abstractions that a disk needs, and no test of them.
fn is_ours(name: &str) -> bool {
    let is_part = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    is_part(&["kernel::virtio", "kernel::block"]) && !is_part(&["tests", "::fake", "doctest"])
}

/// Reads what the guest says: disk, driver, pages. They are fewer than none where somebody else freed more meanwhile,
/// which the median over all boots levels out.
fn parse(text: &str) -> Result<(&str, &str, f64)> {
    let parsed = match text.split(' ').collect::<Vec<_>>()[..] {
        [disk, driver, count] => count.parse::<i32>().ok().map(|count| (disk, driver, f64::from(count))),
        _ => None,
    };
    parsed.with_context(|| format!("the guest does not say how many pages there are: `{text}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::insns::measurement::tests::tables;
    use crate::studies::insns::study;

    fn told(pages: &[(&str, [u32; 2])]) -> Vec<String> {
        let drivers = study::DISKS.drivers;
        let lines = pages.iter().flat_map(|(disk, counts)| {
            drivers.iter().zip(counts).map(move |(driver, count)| format!("pages {disk} {driver} {count}"))
        });
        lines.collect()
    }

    #[test]
    fn a_request_and_a_queue_need_what_makes_the_difference() {
        let data = told(&[("short", [100, 110]), ("long", [196, 302]), ("two", [236, 362])]);
        let memory = Memory::read(&study::DISKS, &data, &tables()).unwrap();
        assert_eq!((memory.request, memory.queue), ([512.0, 1024.0], [163_840.0, 245_760.0]));
        assert_eq!((memory.module, memory.abstractions), ([16.0, 16.0], [0.0, 0.0]));
        assert!(memory.table().contains("512      1024    2.00"), "{}", memory.table());
    }

    #[test]
    fn pages_that_others_have_freed_are_told_too() {
        assert_eq!(parse("short virtio_blk -6").unwrap(), ("short", "virtio_blk", -6.0));
    }

    #[test]
    fn a_disk_that_was_not_measured_is_an_error() {
        let data = told(&[("short", [100, 110]), ("long", [196, 302])]);
        let error = Memory::read(&study::DISKS, &data, &tables()).unwrap_err();
        assert!(error.to_string().contains("disk two is not known"), "{error}");
        assert!(Memory::read(&study::DISKS, &["pages short virtio_blk one".into()], &tables()).is_err());
    }

    #[test]
    fn the_disks_differ_in_what_is_measured() {
        let properties: Vec<_> = disks().map(|disk| (disk.properties.num_queues, disk.properties.queue_size)).collect();
        assert_eq!(properties[0].0, properties[1].0);
        assert_eq!(properties[1].1, properties[2].1);
    }

    #[test]
    fn the_abstractions_of_other_devices_do_not_count() {
        assert!(is_ours("<kernel::virtio::state::DeviceState>::interrupt"));
        assert!(!is_ours("kernel::net::netdev::register"));
        assert!(!is_ours("kernel::virtio::tests::queue::one"));
    }
}
