// SPDX-License-Identifier: GPL-2.0

//! What is run when there is time: many cycles, and every disk configuration that QEMU offers.

use super::{Effort, Flavour, Group, Scenario, minutes};
use crate::disk::{Attach, Disk};
use crate::machine::Machine;

/// The scenarios of this file.
pub fn scenarios(effort: &Effort) -> Vec<Scenario> {
    let Effort { loops, seconds } = *effort;
    let cycles = |name, about, script| {
        let mut scenario = long(Scenario::debug(name, about, script), 30 + loops / 5);
        scenario.kernel = Flavour::Plain;
        scenario.var("loops", loops).var("busy_loops", loops / 20)
    };
    vec![
        cycles("rebind-long", "unbind and bind, many times", "rebind")
            .disk(Disk::scratch("main", 256))
            .disk(Disk::scratch("other", 64)),
        cycles("reload-long", "load and unload, many times", "reload").disk(Disk::scratch("main", 256)),
        matrix(seconds),
        bounce(seconds),
        mmio(seconds),
        hotplug(loops / 20),
        suspend(loops / 50),
    ]
}

fn long(mut scenario: Scenario, limit: u64) -> Scenario {
    scenario.group = Group::Soak;
    scenario.limit = minutes(limit);
    scenario.idle = minutes(15);
    scenario
}

fn matrix(seconds: u64) -> Scenario {
    let disk = |name: &str| Disk::scratch(name, 256);
    let mut scenario = Scenario::debug("matrix", "fio with verification on every kind of disk", "matrix")
        .var("seconds_each", seconds)
        .disk(disk("plain"))
        .disk(disk("queues1").with(|p| p.num_queues = Some(1)))
        .disk(disk("queues8").with(|p| p.num_queues = Some(8)))
        .disk(disk("ring16").with(|p| p.queue_size = Some(16)))
        .disk(disk("ring1024").with(|p| p.queue_size = Some(1024)))
        .disk(disk("packed").with(|p| p.packed = Some(true)))
        .disk(disk("packedring16").with(|p| {
            p.packed = Some(true);
            p.queue_size = Some(16);
        }))
        .disk(disk("noevent").with(|p| p.event_idx = Some(false)))
        .disk(disk("direct").with(|p| p.indirect_desc = Some(false)))
        .disk(disk("directpacked").with(|p| {
            p.indirect_desc = Some(false);
            p.packed = Some(true);
        }))
        .disk(disk("block4k").with(|p| {
            p.logical_block_size = Some(4096);
            p.physical_block_size = Some(4096);
        }))
        .disk(disk("writethrough").with(|p| {
            p.write_cache = Some(false);
            p.config_wce = Some(false);
        }))
        .disk(disk("legacy").with(|p| {
            p.disable_modern = Some(true);
            p.disable_legacy = Some(false);
        }))
        .disk(disk("modern").with(|p| p.disable_legacy = Some(true)));
    scenario.cpus = 4;
    long(scenario, 30 + seconds)
}

/// All device memory goes through bounce buffers.
fn bounce(seconds: u64) -> Scenario {
    let mut scenario = Scenario::debug("swiotlb", "DMA through bounce buffers only", "matrix")
        .var("seconds_each", seconds)
        .disk(Disk::scratch("split", 256).with(|p| {
            p.iommu_platform = Some(true);
            p.disable_legacy = Some(true);
        }))
        .disk(Disk::scratch("packed", 256).with(|p| {
            p.iommu_platform = Some(true);
            p.disable_legacy = Some(true);
            p.packed = Some(true);
        }));
    scenario.kernel_words = "swiotlb=force,track_hiwater";
    long(scenario, 30 + seconds)
}

fn mmio(seconds: u64) -> Scenario {
    let mut scenario = Scenario::debug("mmio", "a machine without PCI", "matrix")
        .var("seconds_each", seconds)
        .disk(Disk::scratch("mmio", 256));
    scenario.machine = Machine::Microvm;
    long(scenario, 30 + seconds)
}

fn hotplug(loops: u64) -> Scenario {
    let scenario = Scenario::debug("hotplug", "a disk that is plugged, grown and pulled out", "hotplug")
        .var("loops", loops)
        .disk(Disk::scratch("fixed", 64))
        .disk(Disk::scratch("spare", 64).attach(Attach::Spare));
    long(scenario, 30 + loops / 2)
}

fn suspend(loops: u64) -> Scenario {
    let scenario = Scenario::debug("suspend", "a machine that sleeps and wakes", "suspend")
        .var("loops", loops)
        .disk(Disk::scratch("main", 256));
    long(scenario, 30 + loops)
}
