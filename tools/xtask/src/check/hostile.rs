// SPDX-License-Identifier: GPL-2.0
//! The table of what comes of devices that lie: it must have the whole corpus, and nothing that does not hold.

use anyhow::Result;
use vm::uml::hostile::table;

use super::Findings;
use crate::kernel::Workshop;

/// Compares the table with the corpus.
///
/// # Errors
///
/// A file cannot be read.
pub fn check(workshop: &Workshop) -> Result<Findings> {
    table::check(&workshop.project.repo)
}
