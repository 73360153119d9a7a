// SPDX-License-Identifier: GPL-2.0

//! What must pass before a change lands. A debug kernel boots slowly under emulation, so each boot serves many cases.

use super::{
    Scenario,
    subjects::{self, Cycles, Stalls},
};
use crate::machine::disk::Disk;

/// The scenarios of this file.
pub fn scenarios() -> Vec<Scenario> {
    // Long ones first: where several run side by side, none of them is left for the end.
    vec![
        rebind(),
        reload(),
        disks(),
        failslab(),
        lifecycle(),
        recovery(),
        peers(),
        stalls(),
        transports(),
        handover(),
        features(),
        mmio(),
        reboot(),
    ]
}

/// Disks of every kind side by side.
fn disks() -> Scenario {
    let mut scenario = Scenario::debug("disks", "several kinds of disks at once", "disks")
        // Two disks use the DMA API, where DMA_API_DEBUG sees what is mapped; the others bypass it.
        .disk(Disk::scratch("four", 256).with(|p| {
            p.num_queues = Some(4);
            p.iommu_platform = Some(true);
            p.disable_legacy = Some(true);
        }))
        .disk(Disk::scratch("one", 256).with(|p| p.num_queues = Some(1)))
        .disk(Disk::scratch("packed", 256).with(|p| {
            p.packed = Some(true);
            p.iommu_platform = Some(true);
            p.disable_legacy = Some(true);
        }))
        .disk(Disk::scratch("legacy", 256).with(|p| {
            p.disable_modern = Some(true);
            p.disable_legacy = Some(false);
        }))
        .disk(Disk::scratch("readonly", 64).readonly());
    // As many as the disk with most queues has, so that each queue gets requests.
    scenario.cpus = 4;
    scenario
}

/// A module that comes and goes, with two disks.
fn reload() -> Scenario {
    Scenario::debug("reload", "load and unload, with two disks", "reload")
        .var("loops", 15)
        .disk(Disk::scratch("main", 256).with(|p| p.num_queues = Some(4)))
        .disk(Disk::scratch("other", 64).with(|p| p.num_queues = Some(1)))
}

/// A disk with every option that the device has, and an entropy device beside it.
fn features() -> Scenario {
    Scenario::debug("features", "attributes, discards, poll queues, limits", "features").disk(
        Disk::scratch("main", 256).with(|p| {
            p.num_queues = Some(2);
            p.serial = Some("RS-0042".into());
            p.config_wce = Some(true);
            p.write_cache = Some(true);
            p.logical_block_size = Some(4096);
            p.physical_block_size = Some(8192);
            p.min_io_size = Some(16384);
            p.opt_io_size = Some(65536);
            p.discard = Some(true);
            p.write_zeroes = Some(true);
        }),
    )
}

/// One disk that is unbound and bound, idle and busy, while a second one must not notice.
fn rebind() -> Scenario {
    Scenario::debug("rebind", "unbind and bind, between and during fio", "rebind")
        .var("loops", 15)
        .var("busy_loops", 3)
        .disk(Disk::scratch("main", 256))
        .disk(Disk::scratch("other", 64))
}

/// Memory runs out during probe.
fn failslab() -> Scenario {
    subjects::failslab("failslab", 20)
}

/// Resets, hot-plug and sleep, a few times each.
fn lifecycle() -> Scenario {
    subjects::lifecycle("lifecycle", &Cycles { resets: 3, plugs: 2, sleeps: 1, hibernations: 0 })
}

/// Failures on PCI, a few times each.
fn recovery() -> Scenario {
    subjects::recovery("recovery", 3)
}

/// vhost-user and vDPA.
fn peers() -> Scenario {
    subjects::peers("peers", 2, 2, 1)
}

/// Pauses that are long enough for the block layer to look after its requests.
fn stalls() -> Scenario {
    subjects::stalls("stalls", &Stalls { pauses: 1, pause: 10, slow_requests: 40 })
}

/// One way of going down; all of them begin with the same steps.
fn reboot() -> Scenario {
    subjects::ends("reboot", "reboot")
}

/// virtio-pci in all its kinds, in one boot.
fn transports() -> Scenario {
    subjects::transports("transports", 1, 2)
}

/// virtio-mmio.
fn mmio() -> Scenario {
    subjects::mmio("mmio", 1, 2, 1)
}

/// The C driver and the driver under test take turns on one disk.
fn handover() -> Scenario {
    Scenario::debug("handover", "upstream's drivers: what one wrote, the other reads back", "handover")
        .disk(Disk::scratch("main", 256))
        .disk(Disk::scratch("second", 64))
        .disk(Disk::scratch("third", 64))
}
