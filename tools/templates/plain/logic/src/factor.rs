// SPDX-License-Identifier: GPL-2.0

//! Factors of numbers.

/// The smallest factor of a number that is neither 1 nor the number itself.
pub fn smallest(number: u32) -> Option<u32> {
    // The smaller one of two factors is at most the root, and the square of that fits.
    (2..=number.isqrt()).find(|factor| number % factor == 0)
}

#[cfg(test)]
mod tests {
    use super::smallest;

    #[test]
    fn primes_and_what_is_smaller_have_none() {
        for number in [0, 1, 2, 3, 97, u32::MAX - 4] {
            assert_eq!(smallest(number), None, "{number}");
        }
    }

    #[test]
    fn it_is_the_smallest_one() {
        for (number, factor) in [(4, 2), (9, 3), (91, 7), (u32::MAX, 3)] {
            assert_eq!(smallest(number), Some(factor), "{number}");
        }
    }
}
