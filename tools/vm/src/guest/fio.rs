// SPDX-License-Identifier: GPL-2.0

//! Results of fio: those for a table of speeds, read from its terse output (version 3), and [those of a
//! measurement](measured), which are more exact.

pub mod measured;

/// Position of a value in the terse line, for the read half; the write half follows [`HALF`] fields later.
const BANDWIDTH: usize = 6;
const IOPS: usize = 7;
const LATENCY: usize = 39;
const HALF: usize = 41;

/// The speed of one direction of one fio job.
#[derive(Debug, Clone, PartialEq)]
pub struct Speed {
    /// Name of the job.
    pub job: String,
    /// `read` or `write`.
    pub direction: &'static str,
    /// Requests per second.
    pub iops: f64,
    /// Megabytes (10^6 bytes) per second.
    pub mbps: f64,
    /// Mean time from submission to completion, in microseconds.
    pub latency: f64,
}

/// Reads a terse line. Directions without any request are left out; a line that is not one of fio's gives nothing.
pub fn parse(line: &str) -> Vec<Speed> {
    let fields: Vec<&str> = line.split(';').collect();
    if fields.first() != Some(&"3") {
        return Vec::new();
    }
    let speed = |direction, half: usize| {
        let number = |index: usize| fields.get(half + index)?.parse::<f64>().ok();
        let iops = number(IOPS).filter(|iops| *iops > 0.0)?;
        let mbps = number(BANDWIDTH)? * 1024.0 / 1e6;
        Some(Speed { job: (*fields.get(2)?).to_owned(), direction, iops, mbps, latency: number(LATENCY)? })
    };
    [speed("read", 0), speed("write", HALF)].into_iter().flatten().collect()
}

/// The table, one line per entry, heading first. Empty without entries.
pub fn table(speeds: &[Speed]) -> Vec<String> {
    if speeds.is_empty() {
        return Vec::new();
    }
    let width = speeds.iter().map(|s| s.job.len()).max().unwrap_or_default().max(8);
    let mut lines = vec![format!("{:width$}  {:>9}  {:>8}  {:>12}", "fio", "IOPS", "MB/s", "mean latency")];
    lines.extend(
        speeds.iter().map(|s| format!("{:width$}  {:>9.0}  {:>8.1}  {:>9.0} us", s.job, s.iops, s.mbps, s.latency)),
    );
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line as fio 3.33 prints it, with the values of interest at their places.
    fn line(read_iops: &str, write_iops: &str) -> String {
        let mut fields = vec!["0"; 131];
        fields[0] = "3";
        fields[2] = "randread";
        fields[BANDWIDTH] = "1000";
        fields[IOPS] = read_iops;
        fields[LATENCY] = "12.5";
        fields[HALF + IOPS] = write_iops;
        fields.join(";")
    }

    #[test]
    fn a_direction_without_requests_is_left_out() {
        let speeds = parse(&line("250", "0"));
        assert_eq!(speeds.len(), 1);
        assert_eq!((speeds[0].direction, speeds[0].iops, speeds[0].latency), ("read", 250.0, 12.5));
        assert!((speeds[0].mbps - 1.024).abs() < 1e-9);
        assert_eq!(parse(&line("1", "2")).len(), 2);
    }

    #[test]
    fn a_line_that_is_not_of_fio_gives_nothing() {
        for line in ["", "fio: error", "3", "3;fio-3.33;x"] {
            assert!(parse(line).is_empty(), "{line}");
        }
    }

    #[test]
    fn the_table_has_one_line_per_entry_and_a_heading() {
        assert_eq!(table(&parse(&line("1", "2"))).len(), 3);
        assert!(table(&[]).is_empty());
    }
}
