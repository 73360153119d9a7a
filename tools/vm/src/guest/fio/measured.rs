// SPDX-License-Identifier: GPL-2.0

//! What fio has measured of one direction of one job, read from its JSON output.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// What a run has measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// Requests per second.
    pub iops: f64,
    /// The time from submission to completion that half of the requests keep, in microseconds.
    pub p50: f64,
    /// That which 99 of 100 keep.
    pub p99: f64,
    /// That which 999 of 1000 keep.
    pub p999: f64,
}

/// As fio writes it.
#[derive(Deserialize)]
struct Direction {
    iops: f64,
    lat_ns: Latency,
}

#[derive(Deserialize)]
struct Latency {
    percentile: BTreeMap<String, f64>,
}

impl Measured {
    /// Reads the object of a direction, `read` or `write`. fio must have been told `--lat_percentiles=1`.
    ///
    /// # Errors
    ///
    /// Something is missing, or no request was made.
    pub fn parse(json: &str) -> Result<Self> {
        let Direction { iops, lat_ns } = serde_json::from_str(json).context("fio's JSON is not understood")?;
        let percentile = |name: &str| {
            let nanoseconds = lat_ns.percentile.get(name);
            nanoseconds.map(|value| value / 1000.0).with_context(|| format!("fio does not tell the percentile {name}"))
        };
        let [p50, p99, p999] = [percentile("50.000000")?, percentile("99.000000")?, percentile("99.900000")?];
        let is_real = |value: f64| value.is_finite() && value > 0.0;
        ensure!([iops, p50, p99, p999].into_iter().all(is_real), "fio has made no request");
        Ok(Self { iops, p50, p99, p999 })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An object as fio 3.33 writes it, without the blanks, and without what is not read.
    pub fn object(iops: f64, p50: u64, p99: u64, p999: u64) -> String {
        format!(
            "{{\"io_bytes\":4096,\"iops\":{iops:.6},\"runtime\":1000,\"slat_ns\":{{\"min\":0,\"max\":0}},\
             \"lat_ns\":{{\"min\":1,\"percentile\":{{\"50.000000\":{p50},\"99.000000\":{p99},\"99.900000\":{p999}}}}}}}"
        )
    }

    #[test]
    fn speed_and_latencies_are_read() {
        let measured = Measured::parse(&object(250.5, 1500, 40_000, 50_000)).unwrap();
        assert_eq!(measured, Measured { iops: 250.5, p50: 1.5, p99: 40.0, p999: 50.0 });
    }

    #[test]
    fn a_run_that_made_no_request_measured_nothing() {
        for text in [object(0.0, 0, 0, 0), object(5.0, 0, 7, 7), object(5.0, 7, 0, 7), object(5.0, 7, 7, 0)] {
            assert!(Measured::parse(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let whole = object(5.0, 7, 9, 9);
        let error = |text: &str| format!("{:#}", Measured::parse(text).unwrap_err());
        assert!(error(&whole.replace("50.000000", "5.000000")).contains("percentile 50.000000"));
        assert!(error(&whole.replace("\"iops\"", "\"ios\"")).contains("missing field `iops`"));
        assert!(error(&whole[1..]).contains("not understood"));
        assert!(error("").contains("not understood"));
    }
}
