// SPDX-License-Identifier: GPL-2.0

//! Memory in parts, each of which has a lock of its own.

/// How many blocks a part has.
const PART: usize = 1024;

/// The part that a block is in, and where in that.
pub fn of(block: usize) -> (usize, usize) {
    (block / PART, block % PART)
}

/// The sizes of the parts of so many blocks.
pub fn sizes(blocks: usize) -> impl Iterator<Item = usize> {
    (0..blocks.div_ceil(PART)).map(move |part| (blocks - part * PART).min(PART))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_is_in_a_part_that_is_there() {
        for blocks in [0, 1, PART - 1, PART, PART + 1, 5 * PART] {
            assert_eq!(sizes(blocks).sum::<usize>(), blocks, "{blocks}");
            for block in 0..blocks {
                let (part, index) = of(block);

                assert!(
                    sizes(blocks).nth(part).is_some_and(|size| index < size),
                    "{block}"
                );
            }
        }
    }
}
