// SPDX-License-Identifier: GPL-2.0

//! Bits of bytes.

/// The number of ones and of zeroes in some bytes.
pub fn count<'a>(bytes: impl IntoIterator<Item = &'a u8>) -> (u32, u32) {
    bytes.into_iter().fold((0, 0), |(ones, zeroes), byte| {
        (ones + byte.count_ones(), zeroes + byte.count_zeros())
    })
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn every_bit_is_counted_once() {
        assert_eq!(count(&[0x00, 0xff, 0x81]), (10, 14));
    }

    #[test]
    fn nothing_has_no_bits() {
        assert_eq!(count(&[]), (0, 0));
    }
}
