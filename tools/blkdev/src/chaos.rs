// SPDX-License-Identifier: GPL-2.0

//! Misbehaviour at random, the same for the same seed and the same requests.

use clap::ValueEnum;
use fastrand::Rng;

use crate::fault::FaultKind;
use crate::lie::LieKind;

/// The faults of any request.
pub const FAULTS: [FaultKind; 5] =
    [FaultKind::NoStatus, FaultKind::UnknownStatus, FaultKind::IoError, FaultKind::UsedShort, FaultKind::UsedLong];

/// What is done wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// While it is carried out.
    Fault(FaultKind),
    /// When it is told of.
    Lie(LieKind),
}

/// A source of misbehaviour.
#[derive(Debug, Clone)]
pub struct Chaos {
    rng: Rng,
    per_mille: u32,
}

impl Chaos {
    /// Does `per_mille` of all requests wrong.
    pub fn new(seed: u64, per_mille: u32) -> Self {
        Self { rng: Rng::with_seed(seed), per_mille }
    }

    /// What to do wrong with the next request.
    pub fn choose(&mut self) -> Option<Wrong> {
        if self.rng.u32(0..1000) >= self.per_mille {
            return None;
        }
        // A buffer that is forgotten is silence, which nothing ends.
        let lies: Vec<_> = LieKind::value_variants().iter().filter(|kind| **kind != LieKind::IndexStuck).collect();
        let choice = self.rng.usize(0..FAULTS.len() + lies.len());
        let fault = FAULTS.get(choice).map(|kind| Wrong::Fault(*kind));
        fault.or_else(|| lies.get(choice - FAULTS.len()).map(|kind| Wrong::Lie(**kind)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choices(seed: u64, per_mille: u32) -> Vec<Option<Wrong>> {
        let mut chaos = Chaos::new(seed, per_mille);
        (0..200).map(|_| chaos.choose()).collect()
    }

    #[test]
    fn the_same_seed_makes_the_same_choices() {
        assert_eq!(choices(1, 500), choices(1, 500));
        assert_ne!(choices(1, 500), choices(2, 500));
    }

    #[test]
    fn the_rate_is_kept_and_both_kinds_occur() {
        assert!(choices(3, 0).iter().all(Option::is_none));
        let all = choices(3, 1000);
        assert!(all.iter().all(Option::is_some));
        assert!(all.iter().any(|wrong| matches!(wrong, Some(Wrong::Fault(_)))));
        assert!(all.iter().any(|wrong| matches!(wrong, Some(Wrong::Lie(_)))));
        let some = choices(3, 500).iter().flatten().count();
        assert!((60..140).contains(&some), "{some}");
    }
}
