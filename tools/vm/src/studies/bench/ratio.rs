// SPDX-License-Identifier: GPL-2.0

//! The mean of ratios, and how certain it is.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};
use statrs::statistics::{Data, Median};

/// The share of intervals that hold the true value.
const CONFIDENCE: f64 = 0.95;

/// A mean ratio with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ratio {
    /// The geometric mean.
    pub mean: f64,
    /// Lower end of the interval of 95 %.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// How many ratios it comes from.
    pub pairs: usize,
    /// The standard error of its logarithm.
    #[serde(skip)]
    error: f64,
    /// The degrees of freedom of that.
    #[serde(skip)]
    freedom: f64,
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
        Self::with(mean, (variance / count).sqrt(), count - 1.0, pairs)
    }

    /// Over ratios of different things: their geometric mean. Its error comes from the errors of each, and not from how
    /// far they are from each other; its degrees of freedom are those of Welch and Satterthwaite.
    ///
    /// `None` for none, or if the interval has no ends.
    pub fn over(ratios: &[Self]) -> Option<Self> {
        if ratios.is_empty() {
            return None;
        }
        let count = ratios.len() as f64;
        let mean = ratios.iter().map(|ratio| ratio.mean.ln()).sum::<f64>() / count;
        let variance = ratios.iter().map(|ratio| ratio.error.powi(2)).sum::<f64>();
        let freedom = variance.powi(2) / ratios.iter().map(|r| r.error.powi(4) / r.freedom).sum::<f64>();
        let freedom = if variance > 0.0 { freedom } else { 1.0 };
        let pairs = ratios.iter().map(|ratio| ratio.pairs).sum();
        Self::with(mean, variance.sqrt() / count, freedom, pairs)
    }

    /// From the mean of logarithms, the standard error of that, and its degrees of freedom.
    fn with(mean: f64, error: f64, freedom: f64, pairs: usize) -> Option<Self> {
        let quantile = StudentsT::new(0.0, 1.0, freedom).ok()?.inverse_cdf(0.5 + CONFIDENCE / 2.0);
        let half = quantile * error;
        let (low, high) = ((mean - half).exp(), (mean + half).exp());
        // Numbers that are far enough from each other have an interval that has none.
        (low > 0.0 && high.is_finite()).then_some(Self { mean: mean.exp(), low, high, pairs, error, freedom })
    }
}

/// The value in the middle. `None` for no values.
pub fn median(values: &[f64]) -> Option<f64> {
    let median = Data::new(values.to_vec()).median();
    median.is_finite().then_some(median)
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
    fn twelve_pairs_have_the_quantile_of_eleven_degrees_of_freedom() {
        // Half of the ratios are e^0.1, half e^-0.1: the variance is 0.01 * 12 / 11, and t(0.975, 11) = 2.200985.
        let ratios: Vec<f64> = (0..12).map(|n| if n % 2 == 0 { 0.1f64.exp() } else { (-0.1f64).exp() }).collect();
        let ratio = Ratio::of(&ratios).unwrap();
        let half = 2.200_985 * (0.01f64 * 12.0 / 11.0 / 12.0).sqrt();
        assert!((ratio.high.ln() - half).abs() < 1e-6 && (ratio.low.ln() + half).abs() < 1e-6, "{ratio:?}");
        assert_eq!(ratio.pairs, 12);
    }

    #[test]
    fn the_mean_is_the_geometric_one() {
        let ratio = Ratio::of(&[1.0, 1.0, 8.0]).unwrap();
        assert!((ratio.mean - 2.0).abs() < 1e-12, "{ratio:?}");
    }

    #[test]
    fn a_ratio_and_its_inverse_cancel() {
        let ratio = Ratio::of(&[2.0, 0.5]).unwrap();
        assert!((ratio.mean - 1.0).abs() < 1e-12);
        assert!((ratio.low * ratio.high - 1.0).abs() < 1e-9);
    }

    #[test]
    fn equal_ratios_are_certain() {
        let ratio = Ratio::of(&[1.05; 4]).unwrap();
        assert!([ratio.low, ratio.mean, ratio.high].iter().all(|value| (value - 1.05).abs() < 1e-12), "{ratio:?}");
    }

    #[test]
    fn one_ratio_or_an_impossible_one_gives_nothing() {
        for ratios in [&[][..], &[1.0], &[1.0, 0.0], &[1.0, -1.0], &[1.0, f64::NAN], &[1e300, 1e-300]] {
            assert_eq!(Ratio::of(ratios), None, "{ratios:?}");
        }
    }

    #[test]
    fn the_error_over_several_is_that_of_their_mean() {
        // Two with a standard error of 0.1/sqrt(3) and 2 degrees of freedom: half of sqrt(2) times that, and 4.
        let ratios = |factor: f64| [0.1, 0.2, 0.3].map(|logarithm: f64| factor * logarithm.exp());
        let both = [Ratio::of(&ratios(1.0)).unwrap(), Ratio::of(&ratios(10.0)).unwrap()];
        let over = Ratio::over(&both).unwrap();
        let half = 2.776_445 * 0.1 / 3f64.sqrt() / 2f64.sqrt();
        assert!((over.mean.ln() - 0.2 - 10f64.ln() / 2.0).abs() < 1e-12, "{over:?}");
        assert!(((over.high / over.mean).ln() - half).abs() < 1e-5, "{over:?}");
        assert!(((over.mean / over.low).ln() - half).abs() < 1e-5, "{over:?}");
        assert_eq!(over.pairs, 6);
    }

    #[test]
    fn the_less_certain_of_two_decides_how_certain_both_are() {
        // Standard errors of 0.1/sqrt(3) and 0.2/sqrt(3): 0.05^2 / ((0.01^2 + 0.04^2) / 2) = 2.941176 degrees.
        let ratio = |factor: f64| Ratio::of(&[0.1, 0.2, 0.3].map(|logarithm: f64| (factor * logarithm).exp())).unwrap();
        let over = Ratio::over(&[ratio(1.0), ratio(2.0)]).unwrap();
        let half = 3.218_759 * (0.05f64 / 3.0).sqrt() / 2.0;
        assert!(((over.high / over.mean).ln() - half).abs() < 1e-5, "{over:?}");
    }

    #[test]
    fn one_alone_is_as_certain_as_it_is() {
        let one = Ratio::of(&[1.0, 1.1, 1.3]).unwrap();
        let over = Ratio::over(&[one]).unwrap();
        assert!((over.low - one.low).abs() < 1e-9 && (over.high - one.high).abs() < 1e-9, "{one:?} {over:?}");
        assert_eq!(Ratio::over(&[]), None);
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 100.0]), Some(3.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }
}
