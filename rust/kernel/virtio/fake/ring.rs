// SPDX-License-Identifier: GPL-2.0

//! The device side of a ring, which does what the test says, be it allowed or not.
//!
//! Virtio specification, sections 2.7 "Split Virtqueues" and 2.8 "Packed Virtqueues".

use super::{
    super::config::ByteOrder, //
    chain::{
        virt,
        Chain, //
    },
};
use crate::{
    bindings,
    prelude::*,
    sync::barrier::{
        smp_mb,
        Full, //
    }, //
};

/// Bits of a descriptor's flags.
const NEXT: u16 = 1;
const WRITE: u16 = 2;
const INDIRECT: u16 = 4;
const PACKED_AVAIL: u16 = 1 << 7;
const PACKED_USED: u16 = 1 << 15;

/// Bytes of a descriptor.
const DESC: usize = 16;

/// Memory that both sides use: integers in the byte order of the device.
#[derive(Clone, Copy)]
struct Shared {
    base: *mut u8,
    order: ByteOrder,
}

impl Shared {
    fn read<const N: usize>(self, offset: usize) -> [u8; N] {
        // SAFETY: The ring is mapped while it exists, and offsets are inside of it.
        unsafe { self.base.add(offset).cast::<[u8; N]>().read_volatile() }
    }

    fn write<const N: usize>(self, offset: usize, bytes: [u8; N]) {
        // SAFETY: The ring is mapped while it exists, and offsets are inside of it.
        unsafe {
            self.base
                .add(offset)
                .cast::<[u8; N]>()
                .write_volatile(bytes)
        };
    }

    fn u16(self, offset: usize) -> u16 {
        self.order.from_bytes16(self.read(offset))
    }

    fn u32(self, offset: usize) -> u32 {
        self.order.from_bytes32(self.read(offset))
    }

    fn u64(self, offset: usize) -> u64 {
        self.order.from_bytes64(self.read(offset))
    }

    fn set_u16(self, offset: usize, value: u16) {
        self.write(offset, self.order.to_bytes16(value));
    }

    fn set_u32(self, offset: usize, value: u32) {
        self.write(offset, self.order.to_bytes32(value));
    }
}

/// A ring of either layout.
pub(super) enum Ring {
    Split(Split),
    Packed(Packed),
}

impl Ring {
    /// Opens the ring of a queue. `bus_offset` is what device addresses have in excess of physical
    /// ones.
    ///
    /// # Safety
    ///
    /// `vq` must be live for as long as the ring is used.
    pub(super) unsafe fn new(
        vq: *mut bindings::virtqueue,
        packed: bool,
        order: ByteOrder,
        bus_offset: u64,
    ) -> Self {
        // SAFETY: `vq` is live, and its ring was allocated by it.
        let size = unsafe { bindings::virtqueue_get_vring_size(vq) } as usize;
        // SAFETY: As above.
        let desc = unsafe { bindings::virtqueue_get_desc_addr(vq) };
        // SAFETY: As above.
        let driver = unsafe { bindings::virtqueue_get_avail_addr(vq) };
        // SAFETY: As above.
        let device = unsafe { bindings::virtqueue_get_used_addr(vq) };
        let shared = |addr: u64| Shared {
            base: virt(addr - bus_offset),
            order,
        };
        let areas = Areas {
            size,
            desc: shared(desc),
            driver: shared(driver),
            device: shared(device),
            bus_offset,
        };

        if packed {
            Self::Packed(Packed {
                areas,
                next: 0,
                avail_wrap: true,
                used: 0,
                used_wrap: true,
            })
        } else {
            Self::Split(Split {
                areas,
                last_avail: 0,
                used_idx: 0,
            })
        }
    }

    /// Takes the next buffer that the driver has made available.
    pub(super) fn pop(&mut self) -> Result<Option<Chain>> {
        match self {
            Self::Split(ring) => ring.pop(),
            Self::Packed(ring) => ring.pop(),
        }
    }

    /// Says that a buffer was used, whether there is such a buffer or not.
    pub(super) fn push(&mut self, id: u32, descriptors: u16, len: u32) {
        match self {
            Self::Split(ring) => ring.push(id, len),
            Self::Packed(ring) => ring.push(id, descriptors, len),
        }
    }

    /// Pretends that there is one more used buffer, or takes that back. Split rings only.
    pub(super) fn pretend_used(&mut self, pretend: bool) {
        if let Self::Split(ring) = self {
            let idx = ring.used_idx.wrapping_add(u16::from(pretend));

            ring.areas.device.set_u16(2, idx);
            smp_mb(Full);
        }
    }

    /// Writes into a descriptor, which the device must not, that there is a next one, or that there
    /// is none, whichever is wrong. Split rings only.
    pub(super) fn flip_next(&mut self, descriptor: usize) {
        if let Self::Split(ring) = self {
            let at = descriptor * DESC + Split::FLAGS;
            let flags = ring.areas.desc.u16(at);

            ring.areas.desc.set_u16(at, flags ^ NEXT);
        }
    }

    /// Asks the driver for no notifications, or for some. Split rings without event index only.
    pub(super) fn set_no_notify(&mut self, no_notify: bool) {
        if let Self::Split(ring) = self {
            ring.areas.device.set_u16(0, u16::from(no_notify));
        }
    }

    /// Whether the driver asks for no interrupts. Split rings without event index only.
    pub(super) fn no_interrupt(&self) -> bool {
        match self {
            Self::Split(ring) => ring.areas.driver.u16(0) & 1 != 0,
            Self::Packed(_) => false,
        }
    }

    /// The event index up to which the driver does not want interrupts. Split rings only.
    pub(super) fn used_event(&self) -> Option<u16> {
        match self {
            Self::Split(ring) => Some(ring.areas.driver.u16(4 + 2 * ring.areas.size)),
            Self::Packed(_) => None,
        }
    }

    /// Asks for a notification when the driver passes this index. Split rings only.
    pub(super) fn set_avail_event(&mut self, idx: u16) {
        if let Self::Split(ring) = self {
            ring.areas.device.set_u16(4 + 8 * ring.areas.size, idx);
        }
    }
}

/// The three areas of a ring.
struct Areas {
    size: usize,
    desc: Shared,
    driver: Shared,
    device: Shared,
    bus_offset: u64,
}

impl Areas {
    /// Reads address, length and flags of the descriptor at `index` of `table`; the last is where
    /// `flags_at` says.
    fn desc(table: Shared, index: usize, flags_at: usize) -> (u64, u32, u16) {
        let at = index * DESC;

        (table.u64(at), table.u32(at + 8), table.u16(at + flags_at))
    }

    /// Returns the table behind an indirect descriptor, and its entries.
    fn table(&self, addr: u64, len: u32) -> (Shared, usize) {
        let table = Shared {
            base: virt(addr - self.bus_offset),
            order: self.desc.order,
        };

        (table, len as usize / DESC)
    }
}

/// A split ring.
pub(super) struct Split {
    areas: Areas,
    last_avail: u16,
    used_idx: u16,
}

impl Split {
    const FLAGS: usize = 12;
    const CHAIN: usize = 14;

    fn pop(&mut self) -> Result<Option<Chain>> {
        let areas = &self.areas;

        if areas.driver.u16(2) == self.last_avail {
            return Ok(None);
        }
        smp_mb(Full);

        let slot = usize::from(self.last_avail) % areas.size;
        let head = areas.driver.u16(4 + 2 * slot);
        let mut chain = Chain::new();

        chain.id = u32::from(head);
        self.last_avail = self.last_avail.wrapping_add(1);

        let (addr, len, flags) = Areas::desc(areas.desc, head.into(), Self::FLAGS);
        let (table, first, limit) = if flags & INDIRECT != 0 {
            let (table, entries) = areas.table(addr, len);

            chain.indirect = true;
            (table, 0, entries)
        } else {
            (areas.desc, usize::from(head), areas.size)
        };

        let mut index = first;
        for count in 1..=limit {
            let (addr, len, flags) = Areas::desc(table, index, Self::FLAGS);

            chain.push(addr - areas.bus_offset, len, flags & WRITE != 0)?;
            chain.descriptors = if chain.indirect {
                1
            } else {
                u16::try_from(count)?
            };
            if flags & NEXT == 0 {
                return Ok(Some(chain));
            }
            index = table.u16(index * DESC + Self::CHAIN).into();
        }
        // The driver has made a loop.
        Err(EINVAL)
    }

    fn push(&mut self, id: u32, len: u32) {
        let areas = &self.areas;
        let at = 4 + 8 * (usize::from(self.used_idx) % areas.size);

        areas.device.set_u32(at, id);
        areas.device.set_u32(at + 4, len);
        smp_mb(Full);
        self.used_idx = self.used_idx.wrapping_add(1);
        areas.device.set_u16(2, self.used_idx);
        smp_mb(Full);
    }
}

/// A packed ring.
pub(super) struct Packed {
    areas: Areas,
    next: usize,
    avail_wrap: bool,
    used: usize,
    used_wrap: bool,
}

impl Packed {
    const ID: usize = 12;
    const FLAGS: usize = 14;

    fn pop(&mut self) -> Result<Option<Chain>> {
        let areas = &self.areas;
        let (_, _, flags) = Areas::desc(areas.desc, self.next, Self::FLAGS);
        let available = (flags & PACKED_AVAIL != 0) == self.avail_wrap
            && (flags & PACKED_USED != 0) != self.avail_wrap;

        if !available {
            return Ok(None);
        }
        smp_mb(Full);

        let mut chain = Chain::new();

        for _ in 0..areas.size {
            let (addr, len, flags) = Areas::desc(areas.desc, self.next, Self::FLAGS);

            chain.descriptors += 1;
            if flags & INDIRECT != 0 {
                let (table, entries) = areas.table(addr, len);

                chain.indirect = true;
                for index in 0..entries {
                    let (addr, len, flags) = Areas::desc(table, index, Self::FLAGS);

                    chain.push(addr - areas.bus_offset, len, flags & WRITE != 0)?;
                }
            } else {
                chain.push(addr - areas.bus_offset, len, flags & WRITE != 0)?;
            }
            chain.id = areas.desc.u16(self.next * DESC + Self::ID).into();
            self.next += 1;
            if self.next == areas.size {
                self.next = 0;
                self.avail_wrap = !self.avail_wrap;
            }
            if flags & NEXT == 0 {
                return Ok(Some(chain));
            }
        }
        // The driver has made a loop.
        Err(EINVAL)
    }

    fn push(&mut self, id: u32, descriptors: u16, len: u32) {
        let areas = &self.areas;
        let at = self.used * DESC;
        let wrap = if self.used_wrap {
            PACKED_AVAIL | PACKED_USED
        } else {
            0
        };

        areas.desc.set_u32(at + 8, len);
        areas.desc.set_u16(at + Self::ID, id as u16);
        smp_mb(Full);
        areas
            .desc
            .set_u16(at + Self::FLAGS, wrap | if len > 0 { WRITE } else { 0 });
        smp_mb(Full);

        self.used += usize::from(descriptors);
        if self.used >= areas.size {
            self.used -= areas.size;
            self.used_wrap = !self.used_wrap;
        }
    }
}
