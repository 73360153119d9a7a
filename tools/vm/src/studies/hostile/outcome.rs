// SPDX-License-Identifier: GPL-2.0

//! What can come of a trial.

use serde::Deserialize;

/// What came of a trial, or should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Everything that was asked for was done, and all data was right.
    Serves,
    /// Some requests failed, the data of all others was right, and afterwards the disk served again by itself.
    Fails,
    /// The disk is dead: every request fails, until the driver is bound again.
    GivesUp,
    /// The device went away, and what waited for it failed.
    Gone,
    /// The device was not brought up, and works when it says what makes sense.
    Refuses,
    /// It was brought up as a disk of no size.
    Empty,
    /// Data was not what had been written.
    Wrong,
    /// Something did not end in time.
    Hangs,
    /// The kernel has crashed.
    Dies,
    /// The kernel has complained in its log.
    Complains,
    /// Not even binding again brought the disk back.
    Broken,
    /// The device has not done what the scenario is about.
    Untold,
}

impl Outcome {
    /// All of them.
    const ALL: [Self; 12] = [
        Self::Serves,
        Self::Fails,
        Self::GivesUp,
        Self::Gone,
        Self::Refuses,
        Self::Empty,
        Self::Wrong,
        Self::Hangs,
        Self::Dies,
        Self::Complains,
        Self::Broken,
        Self::Untold,
    ];

    /// As guest scripts, tables and people name it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Serves => "serves",
            Self::Fails => "fails",
            Self::GivesUp => "gives up",
            Self::Gone => "gone",
            Self::Refuses => "refuses",
            Self::Empty => "empty",
            Self::Wrong => "wrong data",
            Self::Hangs => "hangs",
            Self::Dies => "crashes",
            Self::Complains => "complains",
            Self::Broken => "stays broken",
            Self::Untold => "untold",
        }
    }

    /// The outcome with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.name() == name)
    }

    /// Whether it is one that no scenario may expect.
    pub fn is_harm(self) -> bool {
        self >= Self::Wrong
    }
}

/// A trial that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// The name of the scenario.
    pub scenario: String,
    /// What came of it.
    pub outcome: Outcome,
    /// What helps to find out why.
    pub details: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_is_found_by_its_name() {
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::from_name(outcome.name()), Some(outcome));
        }
        assert_eq!(Outcome::from_name("survives"), None);
    }

    #[test]
    fn harm_begins_with_wrong_data() {
        let harmless = Outcome::ALL.iter().filter(|outcome| !outcome.is_harm()).count();
        assert_eq!(harmless, 6);
        assert!(Outcome::Hangs.is_harm() && !Outcome::Empty.is_harm());
    }
}
