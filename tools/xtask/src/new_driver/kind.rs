// SPDX-License-Identifier: GPL-2.0
//! The kinds of drivers that there are templates of.

use anyhow::{Result, bail};

/// A kind of driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A module that drives nothing.
    Plain,
    /// A driver of a virtio device.
    Virtio,
    /// A driver of a disk, in memory.
    Block,
    /// A driver of a PCI device.
    Pci,
    /// A driver of a network device, without hardware.
    Net,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Plain, Self::Virtio, Self::Block, Self::Pci, Self::Net];

    /// The kind that is called so.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn parse(name: &str) -> Result<Self> {
        match Self::ALL.into_iter().find(|kind| kind.name() == name) {
            Some(kind) => Ok(kind),
            None => bail!("KIND={name}: there is {}", Self::list()),
        }
    }

    /// The names of all of them, for a message.
    pub fn list() -> String {
        let [first @ .., last] = Self::ALL.map(Self::name);
        format!("{} and {last}", first.join(", "))
    }

    /// As users name it; also the name of its folder of templates.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Virtio => "virtio",
            Self::Block => "block",
            Self::Pci => "pci",
            Self::Net => "net",
        }
    }

    /// What the driver is, in a sentence.
    pub fn about(self) -> &'static str {
        match self {
            Self::Plain => "A module with a parameter, written in Rust.",
            Self::Virtio => "A driver in Rust of QEMU's `virtio-rng`, the entropy device of virtio.",
            Self::Block => "A driver in Rust of a disk in memory.",
            Self::Pci => "A driver in Rust of QEMU's `edu`, a PCI device for learners.",
            Self::Net => "A driver in Rust of a network device that answers whatever is sent.",
        }
    }

    /// The devices that a machine needs besides those that each one has, as for QEMU's `-device`.
    pub fn devices(self) -> &'static str {
        match self {
            // Every machine has an entropy device.
            Self::Plain | Self::Virtio | Self::Block | Self::Net => "",
            Self::Pci => "edu",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_and_others_are_refused_with_all_of_them() {
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.name()).unwrap(), kind);
        }
        for name in ["", "Plain", "usb", "plain "] {
            let error = Kind::parse(name).unwrap_err().to_string();
            assert_eq!(error, format!("KIND={name}: there is plain, virtio, block, pci and net"));
        }
    }
}
