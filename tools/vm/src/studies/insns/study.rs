// SPDX-License-Identifier: GPL-2.0

//! What is measured of disks and of network cards, and how it is shown.

use super::component::{CARD_OBJECTS, Component, DISK_OBJECTS};
use crate::scenario::net;

/// Whether a function, by its name, is of some kind.
type Kind = fn(&str) -> bool;

/// One measurement of two drivers.
pub struct Study {
    /// What it is called.
    pub title: &'static str,
    /// The drivers: first the one to compare with.
    pub drivers: [&'static str; 2],
    /// The most that our driver may need, relative to the C driver, on the path.
    pub limit: f64,
    /// What the guest did few and many of.
    pub unit: &'static str,
    /// What two drivers of one device are compared by: the components between the kernel's own layer and the device.
    pub path: &'static [Component],
    /// That path.
    pub path_title: &'static str,
    /// The path in the words of the verdict.
    pub criterion: &'static str,
    /// The path with what the C driver leaves to the kernel's libraries.
    pub with_dma_title: &'static str,
    /// The other components, in the order in which a request meets them.
    pub others: &'static [Component],
    /// Objects of the kernel build and the component of their functions.
    pub objects: &'static [(&'static str, Component)],
    /// Functions whose calls tell how a driver works.
    pub events: &'static [(&'static str, Kind)],
}

impl Study {
    /// Whether a component is on the path.
    pub fn is_on_path(&self, component: Component) -> bool {
        self.path.contains(&component)
    }
}

fn allocates(name: &str) -> bool {
    ["__kmalloc", "kmem_cache_alloc", "kmalloc", "krealloc", "kvmalloc", "mempool_alloc"]
        .iter()
        .any(|start| name.starts_with(start))
}

fn takes_spin_lock(name: &str) -> bool {
    name.starts_with("_raw_spin_lock") || name.starts_with("_raw_spin_trylock")
}

/// Requests to a disk.
pub const DISKS: Study = Study {
    title: "insns",
    drivers: ["virtio_blk", "virtio_blk_rs"],
    limit: 1.1,
    unit: "request",
    path: &[Component::Module, Component::Abstractions, Component::VirtioRing, Component::Transport],
    path_title: "= from the block layer to the device",
    criterion: "module + Rust abstractions + virtio_ring + transport",
    with_dma_title: "= with DMA and scatterlists",
    others: &[Component::Block, Component::Dma, Component::Locks, Component::Slab, Component::Rest, Component::User],
    objects: &DISK_OBJECTS,
    events: &[
        ("calls to (re)allocate memory", allocates),
        ("spin locks taken", takes_spin_lock),
        ("buffers added to a ring", |name| matches!(name, "virtqueue_add_sgs" | "virtqueue_add_sgs_direct")),
        ("rings published", |name| name == "virtqueue_kick_prepare"),
        ("notifications of the device", |name| name.starts_with("vp_notify")),
        ("interrupts of a ring", |name| name == "vring_interrupt"),
    ],
};

/// Packets of a network card.
pub const CARDS: Study = Study {
    title: "insns-net",
    drivers: net::DRIVERS,
    limit: 1.0,
    unit: "packet",
    path: &[Component::Module, Component::Abstractions],
    path_title: "= from the stack to the card",
    criterion: "module + Rust abstractions",
    with_dma_title: "= with DMA mappings",
    others: &[
        Component::Network,
        Component::Dma,
        Component::Locks,
        Component::Slab,
        Component::Pages,
        Component::Rest,
        Component::Peer,
        Component::User,
    ],
    objects: &CARD_OBJECTS,
    events: &[
        ("calls to (re)allocate memory", allocates),
        ("spin locks taken", takes_spin_lock),
        ("mappings for the device", |name| name.starts_with("dma_map_")),
        ("mappings undone", |name| name.starts_with("dma_unmap_")),
        ("packets handed to the stack", |name| matches!(name, "gro_receive_skb" | "napi_gro_receive")),
        ("rounds of polling", |name| name == "napi_complete_done"),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_component_is_shown_once() {
        for study in [&DISKS, &CARDS] {
            let mut shown: Vec<Component> = study.path.iter().chain(study.others).copied().collect();
            let count = shown.len();
            shown.sort();
            shown.dedup();
            assert_eq!(shown.len(), count, "{}", study.title);
            for (object, component) in study.objects {
                assert!(shown.contains(component), "{}: {object} is not shown", study.title);
            }
        }
    }

    #[test]
    fn the_path_is_in_the_kernel() {
        for study in [&DISKS, &CARDS] {
            assert!(study.path.iter().copied().all(Component::is_kernel), "{}", study.title);
        }
    }
}
