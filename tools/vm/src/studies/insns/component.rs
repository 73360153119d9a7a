// SPDX-License-Identifier: GPL-2.0

//! The parts of a guest that instructions are spent in.

/// A part of the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Component {
    /// The driver's module, with what the compiler has put into it from elsewhere.
    Module,
    /// Rust code of the kernel image and its helpers in C: the abstractions that are not in the module.
    Abstractions,
    /// The rings.
    VirtioRing,
    /// From the rings to the device and back.
    Transport,
    /// The block layer.
    Block,
    /// The network stack.
    Network,
    /// Scatterlists and DMA mappings.
    Dma,
    /// Spin locks.
    Locks,
    /// The allocator of small objects.
    Slab,
    /// The allocator of pages.
    Pages,
    /// The rest of the kernel.
    Rest,
    /// What serves the other end of a wire in the same guest: the other driver.
    Peer,
    /// fio and the shell.
    User,
}

impl Component {
    /// As people know it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Module => "the driver's module",
            Self::Abstractions => "Rust abstractions in the kernel",
            Self::VirtioRing => "virtio_ring",
            Self::Transport => "transport (virtio, virtio_pci, iomap)",
            Self::Block => "block layer (block/, sbitmap)",
            Self::Dma => "DMA and scatterlists",
            Self::Locks => "spin locks",
            Self::Slab => "slab allocator",
            Self::Network => "network stack (net/)",
            Self::Pages => "page allocator",
            Self::Peer => "the driver at the other end",
            Self::Rest => "rest of the kernel",
            Self::User => "user space",
        }
    }

    /// Whether it is in the kernel, and does what is measured.
    pub fn is_kernel(self) -> bool {
        !matches!(self, Self::User | Self::Peer)
    }
}

/// Objects of the kernel build and the component of their functions, for disks: a file, or all files of a directory.
/// The first that fits counts.
pub const DISK_OBJECTS: [(&str, Component); 10] = [
    ("drivers/virtio/virtio_ring.o", Component::VirtioRing),
    ("drivers/virtio", Component::Transport),
    ("lib/iomap.o", Component::Transport),
    ("block", Component::Block),
    ("lib/sbitmap.o", Component::Block),
    ("kernel/dma", Component::Dma),
    ("lib/scatterlist.o", Component::Dma),
    ("lib/sg_pool.o", Component::Dma),
    ("kernel/locking/spinlock.o", Component::Locks),
    ("mm/slub.o", Component::Slab),
];

/// The same for network cards.
pub const CARD_OBJECTS: [(&str, Component); 13] = [
    ("net/core", Component::Network),
    ("net/ipv4", Component::Network),
    ("net/ipv6", Component::Network),
    ("net/sched", Component::Network),
    ("net/ethernet", Component::Network),
    ("net/packet", Component::Network),
    ("net/socket.o", Component::Network),
    ("kernel/dma", Component::Dma),
    ("lib/scatterlist.o", Component::Dma),
    ("kernel/locking/spinlock.o", Component::Locks),
    ("mm/slub.o", Component::Slab),
    ("mm/page_alloc.o", Component::Pages),
    ("mm/page_frag_cache.o", Component::Pages),
];

/// The component of a function of the kernel image that is known by its name alone.
pub fn by_name(name: &str) -> Option<Component> {
    let is_rust = name.starts_with("_R") || name.starts_with("rust_helper_");
    is_rust.then_some(Component::Abstractions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_and_its_helpers_are_known_by_name() {
        for name in
            ["_RNvMNtNtCsl7L7n58I0Vr_6kernel6virtio5stateNtB2_11DeviceState9interrupt", "rust_helper_sg_mark_end"]
        {
            assert_eq!(by_name(name), Some(Component::Abstractions), "{name}");
        }
        assert_eq!(by_name("vring_interrupt"), None);
    }
}
