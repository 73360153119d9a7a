// SPDX-License-Identifier: GPL-2.0

//! The highest layer: what is found out with the machines.
//!
//! | module | subject |
//! |---|---|
//! | [`suite`] | the boots of `make run`, `make test` and `make soak` |
//! | [`parity`] | the driver compared with the C one |
//! | [`kunit`] | KUnit at boot, read by the kernel's own parser |
//! | [`insns`], [`bench`] | what a request costs and how fast it is, against the C driver |
//! | [`hostile`], [`powercut`] | devices that lie, and a disk whose power is cut, in user-mode Linux |
//! | [`boots`] | whether boots can be relied on at all |

use anyhow::Result;

use crate::runner::Evaluation;
use crate::scenario::Scenario;

pub mod bench;
pub mod boots;
pub mod hostile;
pub mod insns;
pub mod kunit;
pub mod parity;
pub mod powercut;
pub mod suite;

/// What comes of what the guest told in the boot of `scenario`, where a study evaluates that.
///
/// # Errors
///
/// What it told is not understood.
pub fn evaluate(scenario: &Scenario, told: &[String]) -> Result<Option<Evaluation>> {
    scenario.parity.as_ref().map(|parity| parity::evaluate(told, parity)).transpose()
}
