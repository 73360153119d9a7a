// SPDX-License-Identifier: GPL-2.0

//! Rates that iperf3 has measured, as guest scripts tell them, and shown as a table.

/// How fast something went over the network.
#[derive(Debug, Clone, PartialEq)]
pub struct Rate {
    /// What was measured.
    pub name: String,
    /// Megabits per second, of what arrived.
    pub mbits: f64,
}

impl Rate {
    /// Reads `MBITS NAME`. `None` for anything else, and for a rate that is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (mbits, name) = text.split_once(' ')?;
        let mbits = mbits.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate > 0.0)?;
        (!name.is_empty()).then(|| Self { name: name.to_owned(), mbits })
    }
}

/// The rates as lines of a table; none if there are none.
pub fn table(rates: &[Rate]) -> Vec<String> {
    let Some(width) = rates.iter().map(|rate| rate.name.len().max(6)).max() else { return Vec::new() };
    let mut lines = vec![format!("{:width$} {:>10}", "iperf3", "Mbit/s")];
    lines.extend(rates.iter().map(|Rate { name, mbits }| format!("{name:width$} {mbits:>10.0}")));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_has_a_number_and_a_name() {
        let rate = Rate::parse("431.5 TCP, a to b").unwrap();
        assert_eq!((&*rate.name, rate.mbits), ("TCP, a to b", 431.5));
        for text in ["", "431", "431 ", "fast TCP", "0 TCP", "-1 TCP", "inf TCP", "NaN TCP"] {
            assert_eq!(Rate::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_table_is_as_wide_as_its_longest_name() {
        let rates =
            [Rate { name: "TCP, here to there".into(), mbits: 9.6 }, Rate { name: "UDP".into(), mbits: 1000.4 }];
        let lines = table(&rates);
        assert_eq!(lines[1], "TCP, here to there         10");
        assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{lines:?}");
        assert!(table(&[]).is_empty());
    }
}
