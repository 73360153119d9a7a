// SPDX-License-Identifier: GPL-2.0

//! What disks are asked to do. A cell is a kind of disk, an order of requests, a size and how they are issued.

/// What stores the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backing {
    /// Nothing: QEMU's null-co.
    Null,
    /// A file of the host.
    File,
}

/// What is done, and in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// Reads all over the disk.
    RandRead,
    /// Writes all over the disk.
    RandWrite,
    /// Reads one after the other.
    Read,
    /// Writes one after the other.
    Write,
    /// Reads all over the disk that have as many writes beside them. What is measured is the reads.
    Mixed,
}

/// How requests are issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// So many are outstanding.
    Depth(u32),
    /// 32 are outstanding, and so many are submitted together.
    Batch(u32),
    /// So many are outstanding, and the queue is polled.
    Polled(u32),
    /// So many jobs have 32 outstanding each.
    Jobs(u32),
}

/// One cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// The kind of disk.
    pub backing: Backing,
    /// The order of requests.
    pub pattern: Pattern,
    /// Their size in KiB.
    pub kib: u32,
    /// How they are issued.
    pub how: How,
}

/// The orders.
const PATTERNS: [Pattern; 4] = [Pattern::RandRead, Pattern::RandWrite, Pattern::Read, Pattern::Write];
/// The sizes, in KiB.
const SIZES: [u32; 2] = [4, 128];
/// How many requests are outstanding.
const DEPTHS: [u32; 3] = [1, 32, 128];

/// A load of both directions.
const MIXED: Cell = Cell { backing: Backing::Null, pattern: Pattern::Mixed, kib: 4, how: How::Depth(32) };

/// Requests of 4 KiB that come in batches, are polled for, or come from two jobs.
const BATCHES: How = How::Batch(16);
const POLLED: [How; 2] = [How::Polled(1), How::Polled(32)];
const JOBS: How = How::Jobs(2);

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Every cell.
    Whole,
    /// One of each kind, in a few minutes.
    Quick,
}

impl Pattern {
    /// As fio and the guest script call it.
    fn name(self) -> &'static str {
        match self {
            Self::RandRead => "randread",
            Self::RandWrite => "randwrite",
            Self::Read => "read",
            Self::Write => "write",
            Self::Mixed => "randrw",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::RandRead => "random read",
            Self::RandWrite => "random write",
            Self::Read => "sequential read",
            Self::Write => "sequential write",
            Self::Mixed => "random read beside writes",
        }
    }
}

impl Backing {
    fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::File => "file",
        }
    }

    /// For a list of cells.
    pub fn short(self) -> &'static str {
        match self {
            Self::Null => "null-co",
            Self::File => "file",
        }
    }

    /// For a heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Null => "A disk that stores nothing (null-co)",
            Self::File => "A file of the host",
        }
    }
}

impl Cell {
    fn new(backing: Backing, pattern: Pattern, kib: u32, how: How) -> Self {
        Self { backing, pattern, kib, how }
    }

    /// As the guest script takes it, which does what the name says.
    pub fn name(self) -> String {
        let how = match self.how {
            How::Depth(depth) => format!("depth{depth}"),
            How::Batch(requests) => format!("batch{requests}"),
            How::Polled(depth) => format!("polled{depth}"),
            How::Jobs(jobs) => format!("jobs{jobs}"),
        };
        format!("{}-{}-{}k-{how}", self.backing.name(), self.pattern.name(), self.kib)
    }

    /// For people; its kind of disk is in the heading.
    pub fn title(self) -> String {
        let how = match self.how {
            How::Depth(depth) => format!("depth {depth}"),
            How::Batch(requests) => format!("batches of {requests}"),
            How::Polled(depth) => format!("depth {depth}, polled"),
            How::Jobs(jobs) => format!("depth 32, {jobs} jobs"),
        };
        format!("{}, {} KiB, {how}", self.pattern.title(), self.kib)
    }
}

/// Random and sequential, reads and writes, small and large, one at a time and deep.
fn core(backing: Backing) -> impl Iterator<Item = Cell> {
    let of_pattern = move |pattern| SIZES.into_iter().map(move |kib| (pattern, kib));
    let sizes = PATTERNS.into_iter().flat_map(of_pattern);
    sizes.flat_map(move |(pattern, kib)| DEPTHS.map(|depth| Cell::new(backing, pattern, kib, How::Depth(depth))))
}

fn is_quick(cell: &Cell) -> bool {
    let is_random = matches!(cell.pattern, Pattern::RandRead | Pattern::RandWrite);
    match cell.how {
        How::Depth(1) => cell.pattern == Pattern::RandRead && cell.kib == 4,
        How::Depth(32) => is_random || cell.backing == Backing::Null,
        How::Depth(_) => false,
        How::Batch(_) | How::Jobs(_) => true,
        How::Polled(depth) => depth == 1,
    }
}

fn cells(extent: Extent, all: impl Iterator<Item = Cell>) -> Vec<Cell> {
    all.filter(|cell| extent == Extent::Whole || is_quick(cell)).collect()
}

/// What is measured where the guest's time is that of its instructions: what one CPU does by itself.
pub fn in_virtual_time(extent: Extent) -> Vec<Cell> {
    let batches = Cell::new(Backing::Null, Pattern::RandRead, 4, BATCHES);
    cells(extent, core(Backing::Null).chain([batches, MIXED]))
}

/// What is measured in real time.
pub fn in_real_time(extent: Extent) -> Vec<Cell> {
    let small = |pattern, how| Cell::new(Backing::Null, pattern, 4, how);
    let reads = [BATCHES, JOBS, POLLED[0], POLLED[1]].map(|how| small(Pattern::RandRead, how));
    let others = reads.into_iter().chain([small(Pattern::RandWrite, JOBS)]);
    cells(extent, core(Backing::Null).chain(others).chain([MIXED]).chain(core(Backing::File)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn there_are_24_core_cells_of_each_kind_of_disk_and_some_besides() {
        let cells = in_real_time(Extent::Whole);
        for backing in [Backing::Null, Backing::File] {
            let core = |cell: &&Cell| {
                cell.backing == backing && matches!(cell.how, How::Depth(_)) && cell.pattern != Pattern::Mixed
            };
            assert_eq!(cells.iter().filter(core).count(), 24);
        }
        for how in [How::Batch(16), How::Jobs(2), How::Polled(1), How::Polled(32)] {
            assert!(cells.iter().any(|cell| cell.how == how), "{how:?}");
        }
        assert_eq!(in_virtual_time(Extent::Whole).len(), 26);
        assert_eq!(cells.len(), 54);
    }

    #[test]
    fn what_needs_a_second_cpu_or_the_host_is_not_in_virtual_time() {
        for cell in in_virtual_time(Extent::Whole) {
            let alone = matches!(cell.how, How::Depth(_) | How::Batch(_));
            assert!(alone && cell.backing == Backing::Null, "{}", cell.name());
        }
    }

    #[test]
    fn names_and_titles_are_unique_for_a_kind_of_disk() {
        let cells = in_real_time(Extent::Whole);
        let names: BTreeSet<String> = cells.iter().map(|cell| cell.name()).collect();
        assert_eq!(names.len(), cells.len());
        let titles: BTreeSet<_> = cells.iter().map(|cell| (cell.backing.name(), cell.title())).collect();
        assert_eq!(titles.len(), cells.len());
    }

    #[test]
    fn the_quick_ones_are_few_of_the_others_and_of_every_kind() {
        for (all, quick) in [
            (in_real_time(Extent::Whole), in_real_time(Extent::Quick)),
            (in_virtual_time(Extent::Whole), in_virtual_time(Extent::Quick)),
        ] {
            assert!(quick.iter().all(|cell| all.contains(cell)));
            assert!(quick.len() * 2 <= all.len(), "{} of {}", quick.len(), all.len());
            let kinds = |cells: &[Cell]| {
                cells.iter().map(|cell| (cell.backing.name(), std::mem::discriminant(&cell.how))).collect::<Vec<_>>()
            };
            assert!(kinds(&all).iter().all(|kind| kinds(&quick).contains(kind)));
        }
    }
}
