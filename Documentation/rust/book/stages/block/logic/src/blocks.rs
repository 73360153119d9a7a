// SPDX-License-Identifier: GPL-2.0

//! Disks that consist of blocks.

use core::ops::Range;

/// The size of a block in bytes.
pub const BLOCK_SIZE: usize = 4096;

/// The size of what the block layer counts in.
const SECTOR_SIZE: usize = 512;

const SECTORS: usize = BLOCK_SIZE / SECTOR_SIZE;

/// The blocks of a request that begins at `sector` and is `bytes` long, if they are whole.
pub fn of(sector: u64, bytes: u32) -> Option<Range<usize>> {
    let sector = usize::try_from(sector).ok()?;
    let bytes = usize::try_from(bytes).ok()?;

    if sector % SECTORS != 0 || bytes % BLOCK_SIZE != 0 {
        return None;
    }

    let first = sector / SECTORS;

    Some(first..first.checked_add(bytes / BLOCK_SIZE)?)
}

/// The sectors of so many blocks.
pub fn sectors(blocks: usize) -> u64 {
    (blocks * SECTORS) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_blocks_are_counted() {
        assert_eq!(of(0, 4096), Some(0..1));
        assert_eq!(of(24, 8192), Some(3..5));
        assert_eq!(of(8, 0), Some(1..1));
        assert_eq!(sectors(5), 40);
    }

    #[test]
    fn parts_of_blocks_are_none() {
        for (sector, bytes) in [(1, 4096), (7, 4096), (0, 512), (8, 4095)] {
            assert_eq!(of(sector, bytes), None, "{sector} {bytes}");
        }
    }
}
