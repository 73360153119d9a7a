// SPDX-License-Identifier: GPL-2.0

//! What is run when there is time: many cycles, and every disk configuration that QEMU offers.

use super::subjects::{self, Cycles, Stalls};
use super::{Effort, Flavour, Group, Scenario, minutes};
use crate::machine::disk::{Backend, Disk};

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
        cycles("reload-long", "load and unload, many times", "reload")
            .disk(Disk::scratch("main", 256))
            .disk(Disk::scratch("other", 64)),
        matrix(seconds),
        long(subjects::transports("transports-long", seconds, 8), 30 + seconds),
        long(subjects::mmio("mmio-long", seconds, 8, (loops / 50).max(5)), 30 + seconds),
        long(subjects::failslab("failslab-long", loops), 30 + loops / 5),
        lifecycle(loops),
        peers(loops, seconds),
        long(subjects::stalls("stalls-long", &Stalls { pauses: 3, pause: 60, slow_requests: 300 }), 30),
        lvm(),
        long(subjects::ends("kexec", "kexec"), 15),
        long(subjects::ends("poweroff", "poweroff"), 15),
    ]
}

fn long(mut scenario: Scenario, limit: u64) -> Scenario {
    scenario.group = Group::Soak;
    scenario.limit = minutes(limit);
    scenario.idle = minutes(15);
    scenario
}

/// LVM of the host, with both drivers.
fn lvm() -> Scenario {
    let mut scenario = Scenario::debug("lvm", "what LVM takes and refuses, with the C driver and ours", "lvm")
        .var("oracle", "virtio_blk")
        .disk(Disk::scratch("main", 64));
    scenario.host_root = true;
    long(scenario, 15)
}

fn matrix(seconds: u64) -> Scenario {
    let disk = |name: &str| Disk::scratch(name, 256);
    let mut scenario = Scenario::debug("matrix", "fio with verification on every kind of disk", "matrix")
        .var("seconds_each", seconds)
        .var("region_mib", 8)
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

/// Every PCI device of QEMU that carries a disk, and processes that are away for longer than the block layer is
/// patient.
fn peers(loops: u64, seconds: u64) -> Scenario {
    let served = |name: &str, model| Disk::scratch(name, 64).backend(Backend::Served).model(model);
    let own = |name: &str, model| Disk::scratch(name, 64).model(model);
    let mut scenario = subjects::peers("peers-long", (loops / 50).max(5), 40, seconds)
        .disk(served("servedtrans", "-transitional"))
        .disk(served("servedmodern", "-non-transitional"))
        .disk(served("servedpacked", "").with(|p| p.packed = Some(true)))
        .disk(own("trans", "-transitional"))
        .disk(own("modern", "-non-transitional"))
        .var("vduse", 1);
    scenario.kernel = Flavour::Plain;
    long(scenario, 60 + loops / 10 + seconds)
}

fn lifecycle(loops: u64) -> Scenario {
    let cycles = Cycles { resets: loops / 50, plugs: loops / 20, sleeps: loops / 50, hibernations: loops / 50 };
    long(subjects::lifecycle("lifecycle-long", &cycles), 60 + loops / 5)
}
