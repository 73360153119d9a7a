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

/// Reads a file of counts.
///
/// # Errors
///
/// When there is none, or it holds something else.
pub fn read(path: &Path) -> Result<Vec<Block>> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    text.lines().map(|line| parse(line).with_context(|| format!("{}: `{line}`", path.display()))).collect()
}

fn parse(line: &str) -> Option<Block> {
    let mut words = line.split(' ');
    let address = u64::from_str_radix(words.next()?, 16).ok()?;
    let instructions = words.next()?.parse().ok()?;
    let executions = words.next()?.parse().ok()?;
    words.next().is_none().then_some(Block { address, instructions, executions })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_block() {
        let block = Block { address: 0xffff_ffff_8100_0010, instructions: 7, executions: 30 };
        assert_eq!(parse("ffffffff81000010 7 30"), Some(block));
        for line in ["", "ffffffff81000010 7", "x 7 30", "10 7 30 1"] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
