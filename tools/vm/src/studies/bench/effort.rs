// SPDX-License-Identifier: GPL-2.0

//! How much is measured.

use std::env;

use anyhow::{Result, bail, ensure};

use super::cells::Extent;

/// Largest number of pairs, or of seconds, that makes sense.
const MOST: u64 = 10_000;

/// What `QUICK`, `BENCH_PAIRS` and `BENCH_SECONDS` say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// Which cells.
    pub extent: Extent,
    pairs: Option<u64>,
    seconds: Option<u64>,
}

impl Effort {
    /// Reads the variables.
    ///
    /// # Errors
    ///
    /// One of them is not a number, or none that makes sense.
    pub fn from_environment() -> Result<Self> {
        Self::read(|name| env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        // As in a makefile, an empty variable is one that is not given.
        let variable = |name: &str| variable(name).filter(|text| !text.is_empty());
        let number = |name: &str| match variable(name) {
            None => Ok(None),
            Some(text) => match text.parse() {
                Ok(number) if (1..=MOST).contains(&number) => Ok(Some(number)),
                _ => bail!("{name}={text}: give a number from 1 to {MOST}"),
            },
        };
        let extent = match variable("QUICK").as_deref() {
            None | Some("0") => Extent::Whole,
            Some("1") => Extent::Quick,
            Some(other) => bail!("QUICK={other}: there is 0 and 1"),
        };
        let (pairs, seconds) = (number("BENCH_PAIRS")?, number("BENCH_SECONDS")?);
        // One half of the pairs is measured with the drivers' devices swapped, and one ratio has no interval.
        if let Some(pairs) = pairs {
            ensure!(pairs % 2 == 0, "BENCH_PAIRS={pairs}: an even number, 2 or more");
        }
        Ok(Self { extent, pairs, seconds })
    }

    /// Pairs of runs of each cell.
    pub fn pairs(&self) -> u64 {
        self.pairs.unwrap_or(match self.extent {
            Extent::Whole => 12,
            Extent::Quick => 4,
        })
    }

    /// The length of a run of fio, in milliseconds.
    pub fn milliseconds(&self) -> u64 {
        self.seconds.map_or(if self.extent == Extent::Whole { 1000 } else { 250 }, |seconds| seconds * 1000)
    }

    /// The length of a run between network cards, in seconds.
    pub fn seconds(&self) -> u64 {
        self.seconds.unwrap_or(if self.extent == Extent::Whole { 2 } else { 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Effort> {
        let value = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, v)| (*v).to_owned());
        Effort::read(value)
    }

    #[test]
    fn a_whole_measurement_has_twelve_pairs_of_a_second_and_a_quick_one_less() {
        for whole in [read(&[]), read(&[("QUICK", "")]), read(&[("QUICK", "0")])] {
            let whole = whole.unwrap();
            assert_eq!((whole.extent, whole.pairs(), whole.milliseconds()), (Extent::Whole, 12, 1000));
        }
        let quick = read(&[("QUICK", "1")]).unwrap();
        assert_eq!(quick.extent, Extent::Quick);
        assert!(quick.pairs() < 12 && quick.milliseconds() < 1000 && quick.seconds() < 2);
    }

    #[test]
    fn what_a_person_asks_for_goes_first() {
        let effort = read(&[("QUICK", "1"), ("BENCH_PAIRS", "30"), ("BENCH_SECONDS", "5")]).unwrap();
        assert_eq!((effort.pairs(), effort.milliseconds(), effort.seconds()), (30, 5000, 5));
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (name, value) in [
            ("BENCH_PAIRS", "3"),
            ("BENCH_PAIRS", "0"),
            ("BENCH_PAIRS", "many"),
            ("BENCH_SECONDS", "0"),
            ("BENCH_SECONDS", "18446744073709551615"),
            ("QUICK", "yes"),
        ] {
            let error = read(&[(name, value)]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{name}={value}: ")), "{error}");
        }
    }
}
