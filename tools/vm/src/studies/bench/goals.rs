// SPDX-License-Identifier: GPL-2.0

//! What the driver of disks is to reach. Goals are shown, met or missed; they are no tests, as times depend on the
//! host.

use super::cells::{Cell, How};
use super::pairs::Comparison;
use super::ratio::Ratio;
use super::results::Goal;

/// Kinds of cells that have a goal of their own in virtual time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Small requests, many outstanding.
    Deep,
    /// Small requests, one at a time.
    Single,
    /// All others.
    Other,
}

const CLASSES: [Class; 3] = [Class::Deep, Class::Single, Class::Other];

/// The geometric mean that is to be reached over all cells in real time.
const OVERALL: f64 = 1.03;

/// No cell may be slower than this for certain.
const WORST: f64 = 0.98;

impl Class {
    fn of(cell: Cell) -> Self {
        match (cell.kib, cell.how) {
            (4, How::Depth(1)) => Self::Single,
            (4, _) => Self::Deep,
            _ => Self::Other,
        }
    }

    fn wanted(self) -> f64 {
        match self {
            Self::Deep => 1.05,
            Self::Single => 1.02,
            Self::Other => 1.00,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Deep => "4 KiB, deep and in batches: IOPS at least 1.05 x C's",
            Self::Single => "4 KiB, one at a time: IOPS at least 1.02 x C's",
            Self::Other => "elsewhere: IOPS at least C's",
        }
    }
}

/// The ratio of IOPS that `cell` is to reach in virtual time.
pub fn wanted(cell: Cell) -> f64 {
    Class::of(cell).wanted()
}

/// The goals in virtual time.
pub fn in_virtual_time(cells: &[(Cell, Comparison)]) -> Vec<Goal> {
    let of_class = |class| {
        let of_class: Vec<_> = cells.iter().filter(|(cell, _)| Class::of(*cell) == class).collect();
        let ratios = of_class.iter().map(|(cell, comparison)| (*cell, comparison.speed.ratio.mean));
        let lowest = ratios.min_by(|(_, a), (_, b)| a.total_cmp(b));
        lowest.map(|(cell, lowest)| {
            let met = of_class.iter().filter(|(_, c)| c.speed.ratio.mean >= class.wanted()).count();
            let found = format!("{met} of {} cells; lowest {lowest:.3}, {}", of_class.len(), cell.title());
            Goal { text: class.text(), met: met == of_class.len(), found }
        })
    };
    let speeds = CLASSES.into_iter().filter_map(of_class);
    speeds.chain([latencies(cells)]).collect()
}

fn latencies(cells: &[(Cell, Comparison)]) -> Goal {
    let medians = cells.iter().filter_map(|(cell, comparison)| Some((*cell, comparison.p99.as_ref()?.medians)));
    let above: Vec<_> = medians.filter(|(_, [c, rust])| rust > c).collect();
    let worst = above.iter().max_by(|(_, [c, rust]), (_, [other_c, other])| (rust / c).total_cmp(&(other / other_c)));
    let found = worst.map_or("above in none".into(), |(cell, [c, rust])| {
        format!("{} of {} cells above; farthest {:.3} x, {}", above.len(), cells.len(), rust / c, cell.title())
    });
    Goal { text: "p99 not above C's in any cell", met: above.is_empty(), found }
}

/// The goals in real time; `overall` is the ratio over all cells.
pub fn in_real_time(cells: &[(Cell, Comparison)], overall: Ratio) -> Vec<Goal> {
    let Ratio { mean, low, high, .. } = overall;
    let below: Vec<_> = cells.iter().filter(|(_, comparison)| comparison.speed.ratio.high < WORST).collect();
    let names: Vec<String> =
        below.iter().map(|(cell, _)| format!("{} ({})", cell.title(), cell.backing.short())).collect();
    let found = if names.is_empty() { "none".into() } else { names.join("; ") };
    vec![
        Goal {
            text: "geometric mean of IOPS over all cells at least 1.03 x C's",
            met: mean >= OVERALL,
            found: format!("{mean:.3} ({low:.3} .. {high:.3})"),
        },
        Goal { text: "no cell whose interval lies wholly below 0.98", met: below.is_empty(), found },
    ]
}

#[cfg(test)]
mod tests {
    use super::super::cells::{self, Extent};
    use super::super::pairs::tests::comparison;
    use super::*;

    /// Every cell in virtual time, with the same ratio but for those that have another one.
    fn measured(usual: f64, others: &[(&str, f64)]) -> Vec<(Cell, Comparison)> {
        let factor = |cell: Cell| others.iter().find(|(name, _)| cell.name() == *name).map_or(usual, |(_, f)| *f);
        let cells = cells::in_virtual_time(Extent::Whole);
        cells.into_iter().map(|cell| (cell, comparison(&cell.name(), factor(cell)))).collect()
    }

    fn met(goals: &[Goal]) -> Vec<bool> {
        goals.iter().map(|goal| goal.met).collect()
    }

    #[test]
    fn each_kind_of_cell_has_its_goal() {
        assert_eq!(met(&in_virtual_time(&measured(1.051, &[]))), [true, true, true, true]);
        assert_eq!(met(&in_virtual_time(&measured(1.03, &[]))), [false, true, true, true]);
        assert_eq!(met(&in_virtual_time(&measured(1.01, &[]))), [false, false, true, true]);
        assert_eq!(met(&in_virtual_time(&measured(0.99, &[]))), [false, false, false, false]);
    }

    #[test]
    fn one_cell_is_enough_to_miss_a_goal_and_is_named() {
        for (name, missed) in
            [("null-randread-4k-batch16", 0), ("null-write-4k-depth1", 1), ("null-read-128k-depth1", 2)]
        {
            let goals = in_virtual_time(&measured(1.1, &[(name, 0.9)]));
            let expected: Vec<bool> = (0..4).map(|goal| goal != missed && goal != 3).collect();
            assert_eq!(met(&goals), expected, "{name}");
            let cells = cells::in_virtual_time(Extent::Whole);
            let title = cells.iter().find(|cell| cell.name() == name).unwrap().title();
            for goal in [&goals[missed], &goals[3]] {
                assert!(goal.found.ends_with(&title), "{goal:?}");
            }
            assert!(goals[missed].found.contains("lowest 0.900"), "{goals:?}");
        }
    }

    #[test]
    fn a_kind_of_cell_that_was_not_measured_has_no_goal() {
        let single = measured(1.0, &[]).into_iter().filter(|(cell, _)| cell.how == How::Depth(1) && cell.kib == 4);
        assert_eq!(in_virtual_time(&single.collect::<Vec<_>>()).len(), 2);
    }

    #[test]
    fn real_time_is_judged_by_the_mean_and_by_what_is_slower_for_certain() {
        let ratio = |mean: f64| Ratio::of(&[mean * 1.1, mean / 1.1, mean * 1.000_001]).unwrap();
        assert_eq!(met(&in_real_time(&measured(1.0, &[]), ratio(1.03))), [true, true]);
        assert_eq!(met(&in_real_time(&measured(0.985, &[]), ratio(1.02))), [false, true]);
        let goals = in_real_time(&measured(1.0, &[("null-read-4k-depth1", 0.97)]), ratio(1.03));
        assert_eq!(met(&goals), [true, false]);
        assert!(goals[1].found.starts_with("sequential read, 4 KiB, depth 1"), "{goals:?}");
    }
}
