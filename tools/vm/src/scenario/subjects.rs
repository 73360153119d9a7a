// SPDX-License-Identifier: GPL-2.0

//! Scenarios of which there is a short and a long version.

use super::{Scenario, minutes};
use crate::machine::Machine;
use crate::machine::disk::{Attach, Backend, Disk};

/// How often each thing of [`lifecycle`] happens.
pub struct Cycles {
    /// Resets of a PCI function.
    pub resets: u64,
    /// Times that a disk is plugged in and pulled out.
    pub plugs: u64,
    /// Times that the machine sleeps, in each of two ways.
    pub sleeps: u64,
    /// Times that the machine is saved to disk and restored.
    pub hibernations: u64,
}

/// Probe in `cycles` cycles of failing allocations.
pub fn failslab(name: &'static str, cycles: u64) -> Scenario {
    let mut scenario = Scenario::debug(name, "probe, while allocations fail", "failslab")
        .var("cycles", cycles)
        .disk(Disk::scratch("main", 256));
    // A case says nothing before its last cycle.
    scenario.limit = minutes(25);
    scenario.idle = minutes(10);
    scenario
}

/// What happens to disks while they are in use.
pub fn lifecycle(name: &'static str, cycles: &Cycles) -> Scenario {
    let mut scenario = Scenario::debug(name, "reset, growth, hot-plug, sleep and hibernation under fio", "lifecycle")
        .var("resets", cycles.resets)
        .var("plugs", cycles.plugs)
        .var("sleeps", cycles.sleeps)
        .var("hibernations", cycles.hibernations)
        .disk(Disk::scratch("main", 64))
        .disk(Disk::scratch("swap", 2048))
        .disk(Disk::scratch("spare", 64).attach(Attach::Spare));
    // What goes wrong while the machine falls asleep must not stay in its memory.
    scenario.kernel_words = "no_console_suspend";
    scenario.limit = minutes(20);
    scenario
}

/// Devices that fail while they are in use; bus mastering is switched off and on in `toggles` cycles.
pub fn recovery(name: &'static str, toggles: u64) -> Scenario {
    let mut scenario = Scenario::debug(name, "bus mastering, resets, slow disks, lost power", "recovery")
        .var("toggles", toggles)
        .disk(Disk::scratch("main", 64))
        .disk(Disk::scratch("spare", 64).attach(Attach::Spare));
    scenario.limit = minutes(20);
    scenario
}

/// Every kind of PCI function. Bounce buffers are forced, but only devices with `iommu_platform` use what is forced.
///
/// fio spends `seconds` on each disk, in regions of `mib` mebibytes.
pub fn transports(name: &'static str, seconds: u64, mib: u64) -> Scenario {
    let mut scenario = Scenario::debug(name, "modern, transitional, legacy, bounce buffers", "transports")
        .var("seconds_each", seconds)
        .var("region_mib", mib)
        .disk(Disk::scratch("modern", 64).with(|p| p.disable_legacy = Some(true)))
        .disk(Disk::scratch("transitional", 64).with(|p| {
            p.disable_modern = Some(false);
            p.disable_legacy = Some(false);
        }))
        .disk(Disk::scratch("legacy", 64).with(|p| {
            p.disable_modern = Some(true);
            p.disable_legacy = Some(false);
        }))
        .disk(Disk::scratch("bounced", 64).with(|p| {
            p.iommu_platform = Some(true);
            p.disable_legacy = Some(true);
        }))
        .disk(Disk::scratch("bouncedpacked", 64).with(|p| {
            p.iommu_platform = Some(true);
            p.disable_legacy = Some(true);
            p.packed = Some(true);
        }));
    scenario.kernel_words = "swiotlb=force,track_hiwater";
    scenario
}

/// A machine without PCI, whose devices sleep `sleeps` times; the rest as in [`transports`].
pub fn mmio(name: &'static str, seconds: u64, mib: u64, sleeps: u64) -> Scenario {
    let mut scenario = Scenario::debug(name, "a machine without PCI", "transports")
        .var("seconds_each", seconds)
        .var("region_mib", mib)
        .var("sleeps", sleeps)
        .disk(Disk::scratch("mmio", 64));
    scenario.machine = Machine::Microvm;
    scenario
}

/// How much of everything [`stalls`] does.
pub struct Stalls {
    /// Times that the machine is paused.
    pub pauses: u64,
    /// Seconds of each.
    pub pause: u64,
    /// Requests to a disk that does five in a second.
    pub slow_requests: u64,
}

/// What takes long, and an interrupt that is lost.
pub fn stalls(name: &'static str, stalls: &Stalls) -> Scenario {
    let mut scenario = Scenario::debug(name, "pauses, a slow disk, a lost interrupt", "stalls")
        .var("pauses", stalls.pauses)
        .var("pause", stalls.pause)
        .var("slow_requests", stalls.slow_requests)
        .disk(Disk::scratch("main", 64));
    scenario.limit = minutes(20);
    scenario
}

/// Devices of other makers than QEMU: in processes beside it, and behind vDPA. Processes are stopped and killed
/// `deaths` times, for `away` seconds.
pub fn peers(name: &'static str, deaths: u64, away: u64, seconds: u64) -> Scenario {
    let served = Disk::scratch("served", 64).backend(Backend::Served).with(|p| p.num_queues = Some(2));
    let mut scenario = Scenario::debug(name, "vhost-user and vDPA, with processes that die", "peers")
        .var("deaths", deaths)
        .var("away", away)
        .var("seconds_each", seconds)
        .var("region_mib", 2)
        .disk(served);
    // The disks of vDPA are in the guest's memory.
    scenario.memory = 1536;
    scenario.limit = minutes(20);
    scenario
}

/// The machine goes down by `way` while requests wait that never end.
pub fn ends(name: &'static str, way: &str) -> Scenario {
    Scenario::debug(name, "goes down while requests wait for ever", "ends")
        .var("way", way)
        .var("within", 20)
        .disk(Disk::scratch("main", 64))
        .disk(Disk::scratch("other", 64))
}
