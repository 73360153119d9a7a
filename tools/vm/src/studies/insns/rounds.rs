// SPDX-License-Identifier: GPL-2.0

//! What a packet would cost if both drivers had been polled equally often.
//!
//! How many packets a round of polling finds is up to the host, and differs from boot to boot more than the drivers
//! do. So the cost of a packet is taken as a line over the rounds that it took: the boots of each driver tell how steep
//! it is, and each boot is moved along it to the mean of all rounds. That is fair only where chance alone tells how
//! many there are, which is so if the usual boot of either driver is among those of the other one. Otherwise nothing
//! is moved.

use super::repeats::median;

/// What was counted in a boot, per packet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Run {
    /// Rounds of polling.
    pub rounds: f64,
    /// Instructions.
    pub instructions: f64,
}

/// The instructions of each run at the mean of all rounds; there is at least one pair.
pub fn at_equal_rounds(pairs: &[[Run; 2]]) -> Vec<[f64; 2]> {
    let all = || pairs.iter().flatten();
    let mean = all().map(|run| run.rounds).sum::<f64>() / all().count() as f64;
    let steepness = if are_alike(pairs) { steepness(pairs) } else { 0.0 };
    let moved = |run: &Run| run.instructions + steepness * (mean - run.rounds);
    pairs.iter().map(|pair| pair.each_ref().map(moved)).collect()
}

/// Whether the median of each driver's rounds is among those of the other one.
fn are_alike(pairs: &[[Run; 2]]) -> bool {
    let rounds = |nth: usize| pairs.iter().map(move |pair| pair[nth].rounds);
    let is_among = |one: usize, other: usize| {
        let usual = median(rounds(one).collect());
        rounds(other).any(|rounds| rounds <= usual) && rounds(other).any(|rounds| rounds >= usual)
    };
    is_among(0, 1) && is_among(1, 0)
}

/// What another round adds: the median over all two runs of one driver. It cannot be less than nothing, nor more than
/// all that a run has cost.
fn steepness(pairs: &[[Run; 2]]) -> f64 {
    let between = |nth: usize| {
        let two = pairs.iter().enumerate().flat_map(|(at, one)| pairs[at + 1..].iter().map(move |other| (one, other)));
        two.map(move |(one, other)| (one[nth], other[nth]))
    };
    let slopes = [0, 1].into_iter().flat_map(between).filter(|(one, other)| one.rounds != other.rounds);
    let slopes: Vec<f64> =
        slopes.map(|(one, other)| (one.instructions - other.instructions) / (one.rounds - other.rounds)).collect();
    if slopes.is_empty() {
        return 0.0;
    }
    // The few packets and the many of a run are polled differently, and their difference may have no rounds at all.
    let polled = pairs.iter().flatten().filter(|run| run.rounds > 0.0);
    let most = polled.map(|run| run.instructions / run.rounds).fold(f64::INFINITY, f64::min);
    median(slopes).min(most).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pairs of drivers that need so many instructions for a packet, and 300 for a round.
    fn pairs(packet: [f64; 2], rounds: &[[f64; 2]]) -> Vec<[Run; 2]> {
        let run = |nth: usize, rounds: f64| Run { rounds, instructions: packet[nth] + 300.0 * rounds };
        rounds.iter().map(|[c, rust]| [run(0, *c), run(1, *rust)]).collect()
    }

    fn is_about(one: f64, other: f64) -> bool {
        (one - other).abs() < 1e-9
    }

    #[test]
    fn a_driver_is_not_blamed_for_rounds_that_found_less() {
        for [c, rust] in at_equal_rounds(&pairs([200.0, 190.0], &[[0.1, 0.2], [0.4, 0.5]])) {
            assert!(is_about(c, 200.0 + 300.0 * 0.3), "{c}");
            assert!(is_about(rust, 190.0 + 300.0 * 0.3), "{rust}");
        }
    }

    #[test]
    fn a_driver_is_blamed_for_rounds_that_are_its_own() {
        let pairs = pairs([200.0, 190.0], &[[0.1, 0.4], [0.3, 0.6]]);
        assert_eq!(at_equal_rounds(&pairs), [[230.0, 310.0], [290.0, 370.0]]);
    }

    #[test]
    fn one_odd_run_does_not_make_rounds_alike() {
        let pairs = pairs([200.0, 190.0], &[[0.1, 0.5], [0.1, 0.5], [0.1, 0.5], [0.5, 0.5]]);
        assert_eq!(at_equal_rounds(&pairs)[0], [230.0, 340.0]);
    }

    #[test]
    fn a_run_without_rounds_is_no_trouble() {
        let run = |rounds, instructions| Run { rounds, instructions };
        let pairs = [[run(-0.1, 200.0), run(0.2, 240.0)], [run(0.2, 260.0), run(0.0, 190.0)]];
        assert!(at_equal_rounds(&pairs).iter().flatten().all(|instructions| (150.0..300.0).contains(instructions)));
    }

    #[test]
    fn what_a_driver_needs_more_stays() {
        for [c, rust] in at_equal_rounds(&pairs([200.0, 240.0], &[[0.5, 0.1], [0.1, 0.5], [0.3, 0.2]])) {
            assert!(is_about(rust - c, 40.0), "{c} {rust}");
        }
    }

    #[test]
    fn one_run_that_is_far_off_does_not_move_the_others() {
        let mut pairs = pairs([200.0, 190.0], &[[0.1, 0.2], [0.4, 0.5], [0.2, 0.3], [0.3, 0.4]]);
        pairs[3][0].instructions = 2000.0;
        let [c, rust] = at_equal_rounds(&pairs)[0];
        assert!(is_about(c - rust, 10.0), "{c} {rust}");
    }

    #[test]
    fn without_other_rounds_nothing_is_moved() {
        assert_eq!(at_equal_rounds(&pairs([200.0, 190.0], &[[1.0, 1.0]; 3])), [[500.0, 490.0]; 3]);
        assert_eq!(at_equal_rounds(&pairs([200.0, 190.0], &[[1.0, 2.0]])), [[500.0, 790.0]]);
    }

    #[test]
    fn noise_is_not_taken_for_a_line() {
        let run = |rounds, instructions| Run { rounds, instructions };
        // Falling, and steeper than all that there is.
        for second in [170.0, 290.0] {
            let pairs = [[run(0.1, 230.0), run(0.1, 230.0)], [run(0.101, second), run(0.101, second)]];
            for pair in at_equal_rounds(&pairs) {
                assert!(pair.iter().all(|instructions| *instructions > 160.0), "{pair:?}");
            }
        }
    }
}
