// SPDX-License-Identifier: GPL-2.0

//! Counting cases: what was planned, what was seen, and what that amounts to.

use std::iter::Sum;
use std::ops::{Add, AddAssign};
use std::time::Duration;

/// Numbers of cases by verdict. A skipped case is not a passed one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Cases that held.
    pub passed: u32,
    /// Cases that did not hold, or were planned and never came.
    pub failed: u32,
    /// Cases that were not run.
    pub skipped: u32,
}

impl Tally {
    /// Whether nothing failed and something passed.
    pub fn success(&self) -> bool {
        self.failed == 0 && self.passed > 0
    }

    /// The same numbers where a case that was not run counts as one that failed.
    pub fn without_skips(self) -> Self {
        Self { failed: self.failed + self.skipped, skipped: 0, ..self }
    }
}

impl Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::default(), Add::add)
    }
}

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It held.
    Passed,
    /// It did not hold.
    Failed,
    /// It was not run, for this reason.
    Skipped(String),
}

/// A case that has ended.
#[derive(Debug, Clone)]
pub struct Case {
    /// Name, as the guest script gave it.
    pub name: String,
    /// Verdict.
    pub verdict: Verdict,
    /// Time from its begin to its end, as the host saw it.
    pub duration: Duration,
    /// Facts to show beside the verdict.
    pub notes: Vec<String>,
    /// What it had to say.
    pub diagnostics: Vec<String>,
}

/// The cases of one boot.
#[derive(Debug, Default)]
pub struct Cases {
    /// How many were announced; none before the plan has come.
    pub planned: Option<usize>,
    /// Those that have ended, in order.
    pub ended: Vec<Case>,
}

impl Cases {
    /// Why the number of cases is not what it should be, if it is not.
    pub fn missing(&self) -> Option<String> {
        let seen = self.ended.len();
        match self.planned {
            None => Some("the guest script never announced its cases".into()),
            Some(0) => Some("the guest script announced no case".into()),
            Some(planned) if seen != planned => Some(format!("{planned} cases were planned, {seen} ended")),
            Some(_) => None,
        }
    }

    /// Whether one that has ended has failed.
    pub fn has_failed(&self) -> bool {
        self.ended.iter().any(|case| case.verdict == Verdict::Failed)
    }

    /// The numbers. Cases that never came count as failed, and so does a script without any.
    pub fn tally(&self) -> Tally {
        let count = |wanted: fn(&Verdict) -> bool| self.ended.iter().filter(|c| wanted(&c.verdict)).count() as u32;
        let missing = match self.planned {
            None | Some(0) => 1,
            Some(planned) => planned.abs_diff(self.ended.len()) as u32,
        };
        Tally {
            passed: count(|v| *v == Verdict::Passed),
            failed: count(|v| *v == Verdict::Failed) + missing,
            skipped: count(|v| matches!(v, Verdict::Skipped(_))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cases(planned: Option<usize>, verdicts: &[Verdict]) -> Cases {
        let case = |verdict: &Verdict| Case {
            name: String::new(),
            verdict: verdict.clone(),
            duration: Duration::ZERO,
            notes: Vec::new(),
            diagnostics: Vec::new(),
        };
        Cases { planned, ended: verdicts.iter().map(case).collect() }
    }

    #[test]
    fn a_case_that_never_came_has_failed() {
        let cases = cases(Some(3), &[Verdict::Passed]);
        assert_eq!(cases.tally(), Tally { passed: 1, failed: 2, skipped: 0 });
        assert!(cases.missing().is_some());
    }

    #[test]
    fn a_skipped_case_has_not_passed() {
        let tally = cases(Some(1), &[Verdict::Skipped("no tool".into())]).tally();
        assert_eq!(tally, Tally { passed: 0, failed: 0, skipped: 1 });
        assert!(!tally.success());
        assert_eq!(tally.without_skips(), Tally { passed: 0, failed: 1, skipped: 0 });
    }

    #[test]
    fn a_script_without_cases_has_failed() {
        for planned in [None, Some(0)] {
            let cases = cases(planned, &[]);
            assert_eq!(cases.tally().failed, 1);
            assert!(cases.missing().is_some());
        }
    }

    #[test]
    fn all_planned_cases_passed_is_success() {
        let cases = cases(Some(2), &[Verdict::Passed, Verdict::Passed]);
        assert!(cases.tally().success() && cases.missing().is_none());
    }
}
