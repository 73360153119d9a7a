// SPDX-License-Identifier: GPL-2.0

//! The files that the plugin writes.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// What happened in one translation block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Virtual address of the first instruction.
    pub address: u64,
    /// Its length in instructions.
    pub instructions: u64,
    /// How often it was executed.
    pub executions: u64,
}

/// Stretches of instructions with interrupts off, of one length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// The length in instructions.
    pub instructions: u64,
    /// How many there were.
    pub count: u64,
}

/// What a file holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The blocks.
    pub blocks: Vec<Block>,
    /// Those stretches in which code of a module was executed.
    pub stretches: Vec<Stretch>,
}

/// Reads a file of counts.
///
/// # Errors
///
/// When there is none, or it holds something else.
pub fn read(path: &Path) -> Result<Counts> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut counts = Counts::default();
    for line in text.lines() {
        counts.add(line).with_context(|| format!("{}: `{line}`", path.display()))?;
    }
    Ok(counts)
}

impl Counts {
    fn add(&mut self, line: &str) -> Option<()> {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["off", instructions, count] => {
                self.stretches.push(Stretch { instructions: instructions.parse().ok()?, count: count.parse().ok()? });
            }
            [address, instructions, executions] => self.blocks.push(Block {
                address: u64::from_str_radix(address, 16).ok()?,
                instructions: instructions.parse().ok()?,
                executions: executions.parse().ok()?,
            }),
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_block_or_a_length_of_stretches() {
        let mut counts = Counts::default();
        counts.add("ffffffff81000010 7 30").unwrap();
        counts.add("off 512 3").unwrap();
        assert_eq!(counts.blocks, [Block { address: 0xffff_ffff_8100_0010, instructions: 7, executions: 30 }]);
        assert_eq!(counts.stretches, [Stretch { instructions: 512, count: 3 }]);
        for line in ["", "ffffffff81000010 7", "x 7 30", "10 7 30 1", "off 5", "off x 5"] {
            assert_eq!(counts.add(line), None, "{line}");
        }
    }
}
