// SPDX-License-Identifier: GPL-2.0

//! Boots with network cards, which a hub joins inside of QEMU.

use super::{Effort, Flavour, Group, Scenario, minutes};
use crate::machine::nic::Card;

pub mod parity;

/// The C driver and the one under test, as modules of the guest.
pub const DRIVERS: [&str; 2] = ["e1000", "e1000_rs"];

/// Counts of socket buffers are exact when these caches keep none back.
const EXACT: &str = "slab_debug=F,skbuff_head_cache,skbuff_fclone_cache";

/// The same, and every mapping for a device is copied.
const BOUNCED: &str = "slab_debug=F,skbuff_head_cache,skbuff_fclone_cache swiotlb=force";

/// The other model of the family that both drivers know, an 82545EM.
const OTHER_MODEL: &str = "e1000-82545em";

/// Frames of one receive buffer, of several, the longest that the card takes, and short ones again.
const MTUS: &str = "3000,9000,16110,1280,1500";

/// What `make run-net` shows.
pub fn demo() -> Scenario {
    let mut scenario = shown("run-net", 16, 1);
    scenario.group = Group::RunNet;
    scenario.kernel = Flavour::Plain;
    scenario
}

/// Two cards at work, so many MiB that go in each direction, and every `step`-th size of packets.
fn shown(name: &'static str, mib: u64, step: u64) -> Scenario {
    let mut scenario = two_cards(name, "two network cards, each in a name space of its own", "run-net");
    scenario.limit = minutes(10);
    scenario.idle = minutes(2);
    scenario.var("mib", mib).var("step", step)
}

/// What must pass before a change lands.
pub fn short() -> Vec<Scenario> {
    let lifecycle = Cycles { binds: 2, rings: 5, downs: 2, ups: 2, cables: 1, sleeps: 1, commands: 4 };
    let traffic = Traffic {
        step: 736,
        short_step: 63,
        mib: 1,
        tiny_kib: 64,
        flood: 20,
        frames: 200,
        combinations: 3,
        members: 16,
        turns: 1,
        mtus: "9000,1500",
    };
    let mut lifecycle = cycles("net-lifecycle", &lifecycle);
    lifecycle.cards[1] = Card::new("right").model(OTHER_MODEL);
    let mut bounced = trade("net-bounced", DRIVERS[1], BOUNCED, &traffic);
    bounced.limit = minutes(30);
    vec![lifecycle, failslab("net-failslab", 4), bounced, shown("run-net-brief", 1, 97)]
}

/// What is run when there is time.
pub fn long(effort: &Effort) -> Vec<Scenario> {
    let Effort { loops, seconds } = *effort;
    let lifecycle = Cycles {
        binds: loops / 20,
        rings: loops / 20,
        downs: loops / 10,
        ups: loops / 10,
        cables: loops / 20,
        sleeps: loops / 50,
        commands: loops / 10,
    };
    // At a second for so much, on an emulated CPU with every checker.
    let mib = seconds * 1024 / 60;
    let whole = |mib| Traffic {
        step: 1,
        short_step: 1,
        mib,
        tiny_kib: 1024,
        flood: loops * 10,
        frames: loops * 100,
        combinations: 64,
        members: 200,
        turns: loops / 50,
        mtus: MTUS,
    };
    let few = Traffic { step: 31, mib: 4, flood: 40, frames: 1000, combinations: 8, members: 20, turns: 1, ..whole(1) };
    vec![
        patient(other(trade("net-traffic", DRIVERS[0], EXACT, &few)), 30),
        patient(cycles("net-lifecycle-long", &lifecycle), 30 + loops / 5),
        patient(trade("net-traffic-long", DRIVERS[1], EXACT, &whole(mib)), 60 + seconds * 2 + loops / 20),
        patient(trade("net-bounced-long", DRIVERS[0], BOUNCED, &whole(mib / 8)), 60 + seconds + loops / 20),
        soak(failslab("net-failslab-long", loops / 10)),
        patient(selftests(), 90),
        patient(ends("net-reboot", "reboot"), 15),
        patient(ends("net-poweroff", "poweroff"), 15),
        patient(ends("net-kexec", "kexec"), 15),
    ]
}

/// The same with a card of the other model on the left, where the driver under test is.
fn other(mut scenario: Scenario) -> Scenario {
    scenario.cards[0] = Card::new("left").model(OTHER_MODEL);
    scenario
}

fn soak(mut scenario: Scenario) -> Scenario {
    scenario.group = Group::Soak;
    scenario
}

fn patient(scenario: Scenario, limit: u64) -> Scenario {
    Scenario { limit: minutes(limit), idle: minutes(30), ..soak(scenario) }
}

/// A machine with two cards, of the debug kernel.
pub fn two_cards(name: &'static str, about: &'static str, script: &'static str) -> Scenario {
    Scenario::debug(name, about, script)
        .var("oracle", DRIVERS[0])
        .var("driver", DRIVERS[1])
        .card(Card::new("left"))
        .card(Card::new("right"))
}

/// How much of everything [`trade`] does.
struct Traffic {
    /// Distance between two sizes of payloads.
    step: u64,
    /// The same for payloads of at most 64 bytes.
    short_step: u64,
    /// Mebibytes of a stream.
    mib: u64,
    /// Kibibytes of a stream that is cut into tiny segments.
    tiny_kib: u64,
    /// Pings of a flood.
    flood: u64,
    /// Frames of a flood.
    frames: u64,
    /// States of the offloads.
    combinations: u64,
    /// Groups that are joined.
    members: u64,
    /// Times that frames become long and short.
    turns: u64,
    /// How long, one after the other.
    mtus: &'static str,
}

/// What goes between two cards, of which the other one has the driver `peer`.
fn trade(name: &'static str, peer: &str, words: &'static str, traffic: &Traffic) -> Scenario {
    let mut scenario = two_cards(name, "sizes, offloads, tags, groups, long frames, floods", "net-traffic")
        .var("peer", peer)
        .var("step", traffic.step)
        .var("short_step", traffic.short_step)
        .var("mib", traffic.mib)
        .var("tiny_kib", traffic.tiny_kib)
        .var("flood", traffic.flood)
        .var("frames", traffic.frames)
        .var("combinations", traffic.combinations)
        .var("members", traffic.members)
        .var("turns", traffic.turns)
        .var("mtus", traffic.mtus);
    scenario.kernel_words = words;
    scenario
}

/// How often each thing of [`cycles`] happens.
struct Cycles {
    /// The driver leaves and comes back.
    binds: u64,
    /// Rings become larger or smaller.
    rings: u64,
    /// The interface goes down and up.
    downs: u64,
    /// The same while nothing but frames for it is on the wire.
    ups: u64,
    /// The cable is pulled.
    cables: u64,
    /// The machine sleeps.
    sleeps: u64,
    /// Each of some commands, all at once.
    commands: u64,
}

/// What happens to a card while it is in use.
fn cycles(name: &'static str, cycles: &Cycles) -> Scenario {
    let about = "unbind, rings, down and up, cable, sleep, ethtool, under traffic";
    let mut scenario = two_cards(name, about, "net-lifecycle")
        .var("peer", DRIVERS[1])
        .var("binds", cycles.binds)
        .var("rings", cycles.rings)
        .var("downs", cycles.downs)
        .var("ups", cycles.ups)
        .var("cables", cycles.cables)
        .var("sleeps", cycles.sleeps)
        .var("commands", cycles.commands);
    // What goes wrong while the machine falls asleep must not stay in its memory.
    scenario.kernel_words = "no_console_suspend slab_debug=F,skbuff_head_cache,skbuff_fclone_cache";
    scenario
}

/// The machine goes down by `way` while frames go in both directions.
fn ends(name: &'static str, way: &str) -> Scenario {
    two_cards(name, "goes down while cards are busy", "net-ends").var("way", way).var("within", 20)
}

/// The kernel's own tests of network drivers.
fn selftests() -> Scenario {
    let mut scenario = two_cards("net-selftests", "the kernel's tests, with C's driver and ours", "net-selftests");
    scenario.host_root = true;
    scenario
}

/// Probe, open and changes, while `cycles` allocations of each fail.
fn failslab(name: &'static str, cycles: u64) -> Scenario {
    let mut scenario = two_cards(name, "probe, open and changes, while allocations fail", "net-failslab")
        .var("peer", DRIVERS[0])
        .var("cycles", cycles);
    // Twenty seconds for each cycle of five kinds. A case says nothing before its last cycle.
    scenario.limit = minutes(20 + cycles * 5 / 3);
    scenario.idle = minutes(10 + cycles / 3);
    scenario
}
