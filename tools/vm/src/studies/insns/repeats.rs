// SPDX-License-Identifier: GPL-2.0

//! Medians of repeats, and how far these are from each other.

/// Two drivers, by what was measured of them in pairs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// The median of each driver.
    pub medians: [f64; 2],
    /// The median of the ratios of the pairs.
    pub ratio: f64,
    /// The lowest and the highest of these ratios.
    pub range: (f64, f64),
}

impl Comparison {
    /// Compares values of pairs; there is at least one.
    pub fn of(pairs: &[[f64; 2]]) -> Self {
        let ratios: Vec<f64> = pairs.iter().map(|[c, rust]| rust / c).collect();
        let (low, high) = ratios.iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
        let of = |nth: usize| median(pairs.iter().map(|pair| pair[nth]).collect());
        Self { medians: [of(0), of(1)], ratio: median(ratios), range: (low, high) }
    }
}

/// How likely it is, in percent, that the true median is within the range of `count` values: each of them lies above
/// and below it alike, and all of them are on one side in two of 2^count cases.
pub fn confidence(count: usize) -> f64 {
    100.0 * (1.0 - 2.0 * 0.5f64.powi(i32::try_from(count).unwrap_or(i32::MAX)))
}

/// The median of at least one value; the mean of those in the middle if there are two.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let upper = values.len() / 2;
    let lower = values.len().saturating_sub(1) / 2;
    (values[lower] + values[upper]) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pair_that_is_far_off_does_not_move_the_median() {
        let pairs = [[100.0, 90.0], [100.0, 91.0], [100.0, 300.0]];
        let Comparison { medians, ratio, range } = Comparison::of(&pairs);
        assert_eq!((medians, ratio, range), ([100.0, 91.0], 0.91, (0.9, 3.0)));
        assert_eq!(Comparison::of(&pairs[..2]).ratio, 0.905);
    }

    #[test]
    fn what_both_members_of_a_pair_share_cancels() {
        let Comparison { ratio, range, .. } = Comparison::of(&[[100.0, 80.0], [200.0, 160.0], [400.0, 320.0]]);
        assert_eq!((ratio, range), (0.8, (0.8, 0.8)));
    }

    #[test]
    fn more_pairs_are_more_certain() {
        assert_eq!(confidence(1), 0.0);
        assert_eq!(confidence(6), 96.875);
    }
}
