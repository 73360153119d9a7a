// SPDX-License-Identifier: GPL-2.0

//! The mean of ratios, and how certain it is.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// The share of intervals that hold the true value.
const CONFIDENCE: f64 = 0.95;

/// A mean ratio with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio {
    /// The geometric mean.
    pub mean: f64,
    /// Lower end of the interval of 95 %.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// How many ratios it comes from.
    pub pairs: usize,
}

impl Ratio {
    /// From the ratios of pairs: a t interval of their logarithms, as a ratio is as likely to be half as double.
    ///
    /// `None` for fewer than two of them, or if one is not a positive number.
    pub fn of(ratios: &[f64]) -> Option<Self> {
        let pairs = ratios.len();
        if pairs < 2 || ratios.iter().any(|ratio| !ratio.is_finite() || *ratio <= 0.0) {
            return None;
        }
        let count = pairs as f64;
        let logarithms: Vec<f64> = ratios.iter().map(|ratio| ratio.ln()).collect();
        let mean = logarithms.iter().sum::<f64>() / count;
        let variance = logarithms.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
        let quantile = StudentsT::new(0.0, 1.0, count - 1.0).ok()?.inverse_cdf(0.5 + CONFIDENCE / 2.0);
        let half = quantile * (variance / count).sqrt();
        Some(Self { mean: mean.exp(), low: (mean - half).exp(), high: (mean + half).exp(), pairs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_student() {
        // Logarithms 0.1, 0.2, 0.3: mean 0.2, standard error 0.1/sqrt(3), and t(0.975, 2) = 4.302653.
        let ratio = Ratio::of(&[0.1f64.exp(), 0.2f64.exp(), 0.3f64.exp()]).unwrap();
        let half = 4.302_653 * 0.1 / 3f64.sqrt();
        for (value, expected) in [(ratio.mean, 0.2), (ratio.low, 0.2 - half), (ratio.high, 0.2 + half)] {
            assert!((value.ln() - expected).abs() < 1e-5, "{ratio:?}");
        }
    }

    #[test]
    fn a_ratio_and_its_inverse_cancel() {
        let ratio = Ratio::of(&[2.0, 0.5]).unwrap();
        assert!((ratio.mean - 1.0).abs() < 1e-12);
        assert!((ratio.low * ratio.high - 1.0).abs() < 1e-9);
    }

    #[test]
    fn one_ratio_or_an_impossible_one_gives_nothing() {
        for ratios in [&[][..], &[1.0], &[1.0, 0.0], &[1.0, f64::NAN]] {
            assert_eq!(Ratio::of(ratios), None, "{ratios:?}");
        }
    }
}
