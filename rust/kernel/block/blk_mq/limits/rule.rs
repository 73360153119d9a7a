// SPDX-License-Identifier: GPL-2.0

//! What a limit must be, and the message if it is not.

use crate::{
    fmt,
    prelude::*, //
};

/// A limit that was refused.
///
/// Its [`Display`](fmt::Display) form is a clear message for the log. As an [`Error`] it is
/// [`EINVAL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitError {
    /// The limit.
    pub field: &'static str,
    /// The value that was refused.
    pub value: u64,
    /// The rule that it breaks.
    pub rule: Rule,
}

/// What a limit must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// From the first to the second value.
    Range(u64, u64),
    /// A power of two from the first to the second value.
    PowerOfTwo(u64, u64),
    /// A multiple of the value.
    MultipleOf(u64),
    /// One less than a power of two, from the first to the second value.
    Mask(u64, u64),
    /// Zero, as the kernel is built without support for it.
    Unsupported,
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, value, rule } = *self;

        match rule {
            Rule::Range(min, max) => {
                f.write_fmt(fmt!("{field}: {value} is not from {min} to {max}"))
            }
            Rule::PowerOfTwo(min, max) => f.write_fmt(fmt!(
                "{field}: {value} is not a power of two from {min} to {max}"
            )),
            Rule::MultipleOf(unit) => {
                f.write_fmt(fmt!("{field}: {value} is not a multiple of {unit}"))
            }
            Rule::Mask(min, max) => f.write_fmt(fmt!(
                "{field}: {value} is not one less than a power of two, from {min} to {max}"
            )),
            Rule::Unsupported => {
                f.write_fmt(fmt!("{field}: {value} needs support that is not built in"))
            }
        }
    }
}

impl From<LimitError> for Error {
    fn from(_: LimitError) -> Self {
        EINVAL
    }
}

impl Rule {
    pub(super) fn check(self, field: &'static str, value: u64) -> Result<(), LimitError> {
        let holds = match self {
            Self::Range(min, max) => (min..=max).contains(&value),
            Self::PowerOfTwo(min, max) => value.is_power_of_two() && (min..=max).contains(&value),
            Self::MultipleOf(unit) => unit != 0 && value % unit == 0,
            Self::Mask(min, max) => {
                value.checked_add(1).is_some_and(u64::is_power_of_two)
                    && (min..=max).contains(&value)
            }
            Self::Unsupported => value == 0,
        };

        if holds {
            Ok(())
        } else {
            Err(LimitError {
                field,
                value,
                rule: self,
            })
        }
    }
}
