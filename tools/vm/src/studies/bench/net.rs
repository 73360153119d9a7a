// SPDX-License-Identifier: GPL-2.0

//! How fast our driver of network cards is compared with the C driver: two cards, one of each, take turns with a third
//! one at the other end of the wire.

use anyhow::Result;

use super::effort::Effort;
use super::pairs::{Comparison, Sample, compare};
use super::results::{Group, Part, Results, Row, overall};
use super::{Fact, facts, limit, samples, told};
use crate::machine::nic::Card;
use crate::machine::{Host, Kernel, accel};
use crate::scenario::net::DRIVERS;
use crate::scenario::{Flavour, Group as When, Scenario};

/// A workload of the guest script: its name, what it is for people, and what it is counted in.
struct Workload {
    name: &'static str,
    title: &'static str,
    unit: &'static str,
}

const WORKLOADS: [Workload; 5] = [
    Workload { name: "tcp-send-mbits", title: "TCP from the card", unit: "Mbit/s" },
    Workload { name: "tcp-receive-mbits", title: "TCP to the card", unit: "Mbit/s" },
    Workload { name: "send-60-byte-frames", title: "frames of 60 bytes from the card", unit: "a second" },
    Workload { name: "receive-60-byte-frames", title: "frames of 60 bytes to the card", unit: "a second" },
    Workload { name: "pings", title: "pings, one after the other", unit: "a second" },
];

/// What real time leaves out.
const LEFT_OUT: &str = "what the drivers do on a quiet machine of their own: the host's other work, its scheduler and, \
                        without KVM, the emulation are in every number.";

/// What the measurement does not tell.
const CANNOT_TELL: [&str; 4] = [
    "What differs from boot to boot, such as which pages the buffers are in: all pairs are of one boot, and no \
     interval has it.",
    "What either driver does with a real card: the wire is a hub inside of QEMU, and both ends are in one guest.",
    "Differences that are smaller than an interval. An interval that holds 1 shows no difference, which is not the \
     same as showing that there is none.",
    "What a request waits for: latencies are not measured but for the time that pings take in all.",
];

/// Measures both drivers on `kernel` and shows the result.
///
/// # Errors
///
/// When nothing could be measured.
pub fn run(host: &Host, kernel: &Kernel, effort: &Effort) -> Result<()> {
    let accel = accel::probe(host, Some(kernel))?;
    let mut facts = facts::of(host, kernel)?;
    facts.push(Fact::new("accelerator", accel.to_string()));
    println!("accelerator: {accel}");

    let (pairs, seconds) = (effort.pairs(), effort.seconds());
    let data = told(host, &accel, kernel, &scenario(pairs, seconds))?;
    facts.extend(facts::afterwards(&data));
    let compared = compare(&samples(&data, sample)?, DRIVERS)?;
    let method = format!(
        "Two cards take turns with a third one, with iperf3, pktgen and ping; the drivers swap their cards after half \
         of the runs; {seconds} s for a run of iperf3, {pairs} pairs of runs of each workload."
    );
    let part = Part {
        title: "In real time",
        method,
        leaves_out: LEFT_OUT,
        overall: overall(&compared)?,
        groups: vec![Group { title: "82540EM in QEMU", cells: compared.into_iter().map(row).collect() }],
        goals: Vec::new(),
    };
    let results = Results {
        name: "bench-net",
        title: "e1000 in C and in Rust",
        drivers: DRIVERS,
        facts,
        parts: vec![part],
        cannot_tell: CANNOT_TELL.to_vec(),
    };
    super::show(host, &results)
}

fn scenario(pairs: u64, seconds: u64) -> Scenario {
    let mut scenario = Scenario::debug("bench-net", "iperf3, pktgen and ping with both drivers in turn", "net-bench")
        .var("oracle", DRIVERS[0])
        .var("driver", DRIVERS[1])
        .var("pairs", pairs)
        .var("seconds_each", seconds)
        .card(Card::new("one"))
        .card(Card::new("two"))
        .card(Card::new("far"));
    scenario.group = When::Bench;
    scenario.kernel = Flavour::Plain;
    scenario.limit = limit(WORKLOADS.len(), pairs, seconds as f64 + 4.0);
    scenario
}

/// Reads what the guest says: workload, pair, driver and speed.
fn sample(text: &str) -> Option<Sample> {
    let words: Vec<&str> = text.split(' ').collect();
    let [workload, pair, driver, speed] = words[..] else { return None };
    WORKLOADS.iter().find(|known| known.name == workload)?;
    let driver = DRIVERS.iter().position(|known| *known == driver)?;
    let speed = speed.parse().ok().filter(|speed: &f64| speed.is_finite() && *speed > 0.0)?;
    Some(Sample { workload: workload.to_owned(), pair: pair.parse().ok()?, driver, speed, latency: None })
}

fn row(found: Comparison) -> Row {
    let known = WORKLOADS.iter().find(|workload| workload.name == found.workload);
    let (title, unit) = known.map_or(("", ""), |workload| (workload.title, workload.unit));
    Row { title: title.to_owned(), unit, wanted: None, found }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_guest_says_is_checked() {
        let sample_of = sample("tcp-send-mbits 3 e1000_rs 431.5").unwrap();
        assert_eq!((sample_of.pair, sample_of.driver, sample_of.speed), (3, 1, 431.5));
        assert_eq!(sample_of.latency, None);
        for text in ["", "pings 3 e1000_rs", "pings 3 e1000e 5", "pings x e1000 5", "pings 3 e1000 0", "udp 3 e1000 5"]
        {
            assert_eq!(sample(text), None, "{text}");
        }
        assert_eq!(sample("pings 3 e1000 5 Mbit/s"), None);
    }

    #[test]
    fn each_workload_of_the_script_has_a_title() {
        let script = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/guest/net-bench.sh"));
        let script = script.unwrap();
        let compared = |name: &str| script.lines().any(|line| line.trim() == format!("compare {name}"));
        assert!(WORKLOADS.iter().all(|workload| compared(workload.name)));
        assert_eq!(script.matches("\tcompare ").count(), WORKLOADS.len());
    }
}
