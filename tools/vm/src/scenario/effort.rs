// SPDX-License-Identifier: GPL-2.0

//! How much of everything the long scenarios do.

use std::env;

use anyhow::{Result, bail};

/// Fewer cycles than these, and some scenario has none of its own kind left.
const MIN_LOOPS: u64 = 50;

/// More would not end in a year.
const MAX: u64 = 1_000_000;

/// What `SOAK_LOOPS` and `SOAK_SECONDS` say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// Cycles of bind and load.
    pub loops: u64,
    /// Time that fio spends on each configuration of a disk.
    pub seconds: u64,
}

impl Default for Effort {
    fn default() -> Self {
        Self { loops: 1000, seconds: 60 }
    }
}

impl Effort {
    /// Reads the variables.
    ///
    /// # Errors
    ///
    /// One of them is not a number, or too small.
    pub fn from_environment() -> Result<Self> {
        let variable = |name: &str| env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        Self::read(variable)
    }

    fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let number = |name: &str, default: u64, minimum: u64| match variable(name) {
            // As in a makefile, an empty variable is one that is not given.
            None => Ok(default),
            Some(text) if text.is_empty() => Ok(default),
            Some(text) => match text.parse() {
                Ok(number) if (minimum..=MAX).contains(&number) => Ok(number),
                _ => bail!("{name}={text}: give a number from {minimum} to {MAX}"),
            },
        };
        let default = Self::default();
        Ok(Self {
            loops: number("SOAK_LOOPS", default.loops, MIN_LOOPS)?,
            seconds: number("SOAK_SECONDS", default.seconds, 1)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &'static str, value: &str) -> Result<Effort> {
        Effort::read(|asked| (asked == name).then(|| value.to_owned()))
    }

    #[test]
    fn variables_that_are_absent_or_empty_leave_the_default() {
        assert_eq!(Effort::read(|_| None).unwrap(), Effort::default());
        assert_eq!(read("SOAK_LOOPS", "").unwrap(), Effort::default());
    }

    #[test]
    fn variables_are_read() {
        assert_eq!(read("SOAK_LOOPS", "50").unwrap(), Effort { loops: 50, ..Effort::default() });
        assert_eq!(read("SOAK_SECONDS", "1").unwrap(), Effort { seconds: 1, ..Effort::default() });
    }

    #[test]
    fn what_is_no_number_or_leaves_nothing_to_do_is_refused_by_name() {
        for (name, value) in [
            ("SOAK_LOOPS", "many"),
            ("SOAK_LOOPS", "49"),
            ("SOAK_SECONDS", "0"),
            ("SOAK_SECONDS", "-1"),
            ("SOAK_SECONDS", "18446744073709551615"),
        ] {
            let error = read(name, value).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{name}={value}: ")), "{error}");
        }
    }
}
