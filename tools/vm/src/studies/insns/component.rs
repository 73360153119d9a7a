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
    /// Scatterlists and DMA mappings.
    Dma,
    /// Spin locks.
    Locks,
    /// The allocator of small objects.
    Slab,
    /// The rest of the kernel.
    Rest,
    /// fio and the shell.
    User,
}

impl Component {
    /// All of them, in the order in which a request meets them.
    pub const ALL: [Self; 10] = [
        Self::Module,
        Self::Abstractions,
        Self::VirtioRing,
        Self::Transport,
        Self::Block,
        Self::Dma,
        Self::Locks,
        Self::Slab,
        Self::Rest,
        Self::User,
    ];

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
            Self::Rest => "rest of the kernel",
            Self::User => "user space",
        }
    }

    /// Whether it lies between the block layer and the device: what two drivers of one device are compared by.
    pub fn is_driver_path(self) -> bool {
        matches!(self, Self::Module | Self::Abstractions | Self::VirtioRing | Self::Transport)
    }

    /// Whether it is in the kernel.
    pub fn is_kernel(self) -> bool {
        self != Self::User
    }
}

/// Objects of the kernel build and the component of their functions: a file, or all files of a directory. The first
/// that fits counts.
pub const OBJECTS: [(&str, Component); 10] = [
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

    #[test]
    fn the_driver_path_is_part_of_the_kernel() {
        assert!(Component::ALL.into_iter().filter(|c| c.is_driver_path()).all(Component::is_kernel));
    }
}
