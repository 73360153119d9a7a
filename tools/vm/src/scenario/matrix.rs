// SPDX-License-Identifier: GPL-2.0

//! The disks on which the drivers are compared: every property of QEMU's device that a driver can see.
//!
//! Only properties that QEMU 7.2 and 10 both have.

use crate::machine::disk::{Disk, MIB, Properties};

/// Module parameters that some disks are compared with; both modules are loaded anew for them.
const PARAMETERS: [(&str, &str); 4] = [
    ("polled", "poll_queues=2"),
    ("allpolled", "poll_queues=64"),
    ("depth16", "queue_depth=16"),
    ("limited", "num_request_queues=2+poll_queues=1+queue_depth=1000"),
];

/// The module parameters as the guest script takes them: `DISK:NAME=VALUE+NAME=VALUE,…`.
pub fn parameters() -> String {
    PARAMETERS.map(|(disk, parameters)| format!("{disk}:{parameters}")).join(",")
}

/// Every disk.
pub fn disks() -> Vec<Disk> {
    [queues(), blocks(), ranges(), caches(), identity(), transports(), sizes(), parameterised()].concat()
}

fn disk(name: &str, edit: impl FnOnce(&mut Properties)) -> Disk {
    Disk::scratch(name, 64).with(edit)
}

/// Numbers and sizes of queues, and what is negotiated for them.
fn queues() -> Vec<Disk> {
    vec![
        disk("plain", |_| {}),
        disk("queues1", |p| p.num_queues = Some(1)),
        disk("queues2", |p| p.num_queues = Some(2)),
        disk("queues3", |p| p.num_queues = Some(3)),
        disk("queues8", |p| p.num_queues = Some(8)),
        disk("ring4", |p| p.queue_size = Some(4)),
        disk("ring16", |p| p.queue_size = Some(16)),
        disk("ring1024", |p| p.queue_size = Some(1024)),
        disk("packed", |p| p.packed = Some(true)),
        disk("packed16", |p| {
            p.packed = Some(true);
            p.queue_size = Some(16);
        }),
        disk("noevent", |p| p.event_idx = Some(false)),
        disk("noeventpacked", |p| {
            p.event_idx = Some(false);
            p.packed = Some(true);
        }),
        disk("direct", |p| p.indirect_desc = Some(false)),
        disk("direct16", |p| {
            p.indirect_desc = Some(false);
            p.queue_size = Some(16);
        }),
        disk("directpacked", |p| {
            p.indirect_desc = Some(false);
            p.packed = Some(true);
        }),
        disk("noadjust", |p| {
            p.seg_max_adjust = Some(false);
            p.queue_size = Some(16);
        }),
        disk("noadjustdirect", |p| {
            p.seg_max_adjust = Some(false);
            p.queue_size = Some(16);
            p.indirect_desc = Some(false);
        }),
    ]
}

/// Block sizes and topology.
fn blocks() -> Vec<Disk> {
    let sizes = |name, logical, physical| {
        disk(name, |p| {
            p.logical_block_size = Some(logical);
            p.physical_block_size = Some(physical);
        })
    };
    vec![
        sizes("block4k", 4096, 4096),
        sizes("physical4k", 512, 4096),
        sizes("physical64k", 4096, 65536),
        sizes("block8k", 8192, 8192),
        sizes("block64k", 65536, 65536),
        sizes("block128k", 131_072, 131_072),
        disk("miniosize", |p| p.min_io_size = Some(16384)),
        disk("optiosize", |p| p.opt_io_size = Some(65536)),
        disk("topology", |p| {
            p.logical_block_size = Some(4096);
            p.physical_block_size = Some(8192);
            p.min_io_size = Some(16384);
            p.opt_io_size = Some(1 << 20);
        }),
    ]
}

/// Discard and write zeroes.
fn ranges() -> Vec<Disk> {
    vec![
        disk("nodiscard", |p| p.discard = Some(false)),
        disk("discard64", |p| p.max_discard_sectors = Some(64)),
        disk("discard8", |p| p.max_discard_sectors = Some(8)),
        disk("granularity", |p| p.discard_granularity = Some(1 << 20)),
        disk("nozeroes", |p| p.write_zeroes = Some(false)),
        disk("zeroes64", |p| p.max_write_zeroes_sectors = Some(64)),
        disk("noranges", |p| {
            p.discard = Some(false);
            p.write_zeroes = Some(false);
        }),
        disk("ranges4k", |p| {
            p.logical_block_size = Some(4096);
            p.physical_block_size = Some(4096);
            p.max_discard_sectors = Some(100);
            p.max_write_zeroes_sectors = Some(100);
        }),
    ]
}

/// The write cache, and who may switch it.
fn caches() -> Vec<Disk> {
    let cache = |name, config_wce, write_cache| {
        disk(name, |p| {
            p.config_wce = Some(config_wce);
            p.write_cache = Some(write_cache);
        })
    };
    vec![
        cache("writeback", true, true),
        cache("writethrough", true, false),
        cache("fixedback", false, true),
        cache("fixedthrough", false, false),
        disk("readonly", |_| {}).readonly(),
    ]
}

/// What a disk says of itself.
fn identity() -> Vec<Disk> {
    let serial = |name, serial: &str| disk(name, |p| p.serial = Some(serial.into()));
    vec![
        serial("serial", "RS-0042"),
        serial("longserial", "ABCDEFGHIJKLMNOPQRST"),
        disk("geometry", |p| {
            p.cyls = Some(1000);
            p.heads = Some(16);
            p.secs = Some(63);
        }),
    ]
}

/// Revisions of the PCI transport, and how memory is reached.
fn transports() -> Vec<Disk> {
    let legacy = |p: &mut Properties| {
        p.disable_modern = Some(true);
        p.disable_legacy = Some(false);
    };
    vec![
        disk("legacy", legacy),
        disk("legacydirect", |p| {
            legacy(p);
            p.indirect_desc = Some(false);
            p.event_idx = Some(false);
            p.num_queues = Some(1);
        }),
        disk("legacy4k", |p| {
            legacy(p);
            p.logical_block_size = Some(4096);
            p.physical_block_size = Some(4096);
            p.config_wce = Some(false);
        }),
        disk("transitional", |p| p.disable_legacy = Some(false)),
        disk("modern", |p| p.disable_legacy = Some(true)),
        disk("iommu", |p| p.iommu_platform = Some(true)),
        disk("iommupacked", |p| {
            p.iommu_platform = Some(true);
            p.packed = Some(true);
        }),
    ]
}

/// Capacities: one with a remainder in every unit, and one whose number of cylinders is wider than its field.
fn sizes() -> Vec<Disk> {
    let size = |name, size| Disk { size, ..Disk::scratch(name, 64) };
    vec![size("oddsize", 64 * MIB + 3 * 512), size("large", 3 << 40)]
}

fn parameterised() -> Vec<Disk> {
    PARAMETERS.map(|(name, _)| disk(name, |_| {})).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_configurations_as_promised() {
        assert!(disks().len() >= 40, "{}", disks().len());
    }
}
