// SPDX-License-Identifier: GPL-2.0

//! What is measured of disks and of network cards, and how it is shown.

use super::component::{CARD_OBJECTS, Component, DISK_OBJECTS};
use crate::scenario::net;

/// Whether a function, by its name, is of some kind.
pub type Kind = fn(&str) -> bool;

/// The most that our driver may need at a workload, relative to the C driver.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// Of what counts as a driver's.
    pub path: f64,
    /// Of the whole kernel, where there is a limit.
    pub kernel: Option<f64>,
}

/// One measurement of two drivers.
pub struct Study {
    /// What it is called.
    pub title: &'static str,
    /// The drivers: first the one to compare with.
    pub drivers: [&'static str; 2],
    /// Whether only one of them is at work at a time.
    pub is_one_at_a_time: bool,
    /// The limits of workloads, by their names.
    pub limits: &'static [(&'static str, Limit)],
    /// The limit of the others.
    pub usual_limit: Limit,
    /// What the guest did few and many of.
    pub unit: &'static str,
    /// What two drivers of one device are compared by.
    pub path: &'static [Component],
    /// That, as a row.
    pub path_title: &'static str,
    /// That, in the words of the verdict.
    pub criterion: &'static str,
    /// Functions of the drivers that are a round of polling, if chance tells how many there are: then the drivers are
    /// compared as if it had been equally many.
    pub rounds: Option<Kind>,
    /// Another sum to be shown, beside it.
    pub aside: Option<(&'static str, &'static [Component])>,
    /// The other components, in the order in which a request meets them.
    pub others: &'static [Component],
    /// Objects of the kernel build and the component of their functions.
    pub objects: &'static [(&'static str, Component)],
    /// Functions whose calls tell how a driver works.
    pub events: &'static [(&'static str, Kind)],
}

impl Study {
    /// Whether a component counts as a driver's.
    pub fn is_on_path(&self, component: Component) -> bool {
        self.path.contains(&component)
    }

    /// The limit of a workload.
    pub fn limit(&self, workload: &str) -> Limit {
        let own = self.limits.iter().find(|(name, _)| *name == workload);
        own.map_or(self.usual_limit, |(_, limit)| *limit)
    }
}

fn allocates(name: &str) -> bool {
    ["__kmalloc", "kmem_cache_alloc", "kmalloc", "krealloc", "kvmalloc", "mempool_alloc"]
        .iter()
        .any(|start| name.starts_with(start))
}

/// Whether a function takes a spin lock.
pub fn takes_spin_lock(name: &str) -> bool {
    name.starts_with("_raw_spin_lock") || name.starts_with("_raw_spin_trylock")
}

/// Whether a function adds a buffer to a ring.
pub fn adds_buffer(name: &str) -> bool {
    matches!(name, "virtqueue_add_sgs" | "virtqueue_add_sgs_direct" | "virtqueue_add_sgs_indirect")
}

/// Whether a function tells a device of new buffers.
pub fn notifies(name: &str) -> bool {
    name.starts_with("vp_notify")
}

/// Whether a function of a driver of a network card is what NAPI calls.
fn polls(name: &str) -> bool {
    name == "e1000_clean" || name.ends_with("::poll_callback")
}

const fn limit(path: f64, kernel: f64) -> Limit {
    Limit { path, kernel: Some(kernel) }
}

/// Requests to a disk.
pub const DISKS: Study = Study {
    title: "insns",
    drivers: ["virtio_blk", "virtio_blk_rs"],
    is_one_at_a_time: true,
    limits: &[
        ("randread-4k-depth1", limit(0.70, 0.96)),
        ("randread-4k-depth32", limit(0.70, 0.89)),
        ("randread-4k-batch16", limit(0.65, 0.86)),
        ("randwrite-4k-depth32", limit(0.70, 0.90)),
        ("randread-128k-depth32", limit(0.85, 1.00)),
    ],
    usual_limit: Limit { path: 0.85, kernel: None },
    unit: "request",
    path: &[
        Component::Module,
        Component::Abstractions,
        Component::VirtioRing,
        Component::Transport,
        Component::Dma,
        Component::Slab,
    ],
    path_title: "= all that the driver makes of it",
    criterion: "module + Rust abstractions + virtio_ring + transport + DMA and scatterlists + slab",
    rounds: None,
    aside: None,
    others: &[Component::Block, Component::Locks, Component::Rest, Component::User],
    objects: &DISK_OBJECTS,
    events: &[
        ("calls to (re)allocate memory", allocates),
        ("spin locks taken", takes_spin_lock),
        ("buffers added to a ring", adds_buffer),
        ("rings published", |name| name == "virtqueue_kick_prepare"),
        ("notifications of the device", notifies),
        ("interrupts of a ring", |name| name == "vring_interrupt"),
    ],
};

/// Packets of a network card.
pub const CARDS: Study = Study {
    title: "insns-net",
    drivers: net::DRIVERS,
    is_one_at_a_time: false,
    limits: &[],
    usual_limit: Limit { path: 1.0, kernel: None },
    unit: "packet",
    path: &[Component::Module, Component::Abstractions],
    path_title: "= from the stack to the card",
    criterion: "module + Rust abstractions, at equal rounds of polling",
    rounds: Some(polls),
    aside: Some((
        "= with mappings, slab and pages",
        &[Component::Module, Component::Abstractions, Component::Dma, Component::Slab, Component::Pages],
    )),
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
        ("rounds of polling, both cards", |name| name == "napi_complete_done"),
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

    #[test]
    fn a_workload_without_a_limit_of_its_own_has_the_usual_one() {
        assert_eq!(DISKS.limit("randread-4k-batch16"), limit(0.65, 0.86));
        assert_eq!(DISKS.limit("packed-randread-4k-batch16"), Limit { path: 0.85, kernel: None });
        assert_eq!(CARDS.limit("send-60").path, 1.0);
    }
}
