// SPDX-License-Identifier: GPL-2.0

//! Where in memory a request is.

use core::ops::Range;

/// The size of what the block layer counts in.
const SECTOR_SIZE: u64 = 512;

/// The bytes of a request that begins at `sector` and is `bytes` long, if the `size` bytes of the
/// disk have them all.
pub fn of(sector: u64, bytes: u32, size: usize) -> Option<Range<usize>> {
    let start = usize::try_from(sector.checked_mul(SECTOR_SIZE)?).ok()?;
    let end = start.checked_add(usize::try_from(bytes).ok()?)?;

    (end <= size).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn a_request_is_where_its_sector_begins() {
        assert_eq!(of(0, 4096, 8192), Some(0..4096));
        assert_eq!(of(8, 4096, 8192), Some(4096..8192));
        assert_eq!(of(16, 0, 8192), Some(8192..8192));
    }

    #[test]
    fn what_is_not_all_on_the_disk_is_nowhere() {
        for (sector, bytes) in [
            (8, 4097),
            (16, 1),
            (17, 0),
            (u64::MAX, 1),
            (u64::MAX / 512, 512),
        ] {
            assert_eq!(of(sector, bytes, 8192), None, "{sector} {bytes}");
        }
    }
}
