// SPDX-License-Identifier: GPL-2.0

//! A split ring as the memory that it is (virtio specification, 2.7), for a device that does not keep to the rules.

use std::io;
use std::sync::atomic::{AtomicU16, Ordering, fence};

use virtio_queue::{Queue, QueueT};
use vm_memory::bitmap::BS;
use vm_memory::{ByteValued, Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap, VolatileMemory, VolatileSlice};

/// The flags of a descriptor, in the driver's memory.
type FlagsSlice<'a> = VolatileSlice<'a, BS<'a, ()>>;

/// The flags of a descriptor.
pub const NEXT: u16 = 1;
/// Its memory holds more descriptors.
pub const INDIRECT: u16 = 4;

/// Bytes of a descriptor.
const DESCRIPTOR: u64 = 16;
/// Where the flags of a descriptor are in it.
const FLAGS: u64 = 12;
/// Where the number of the next one is.
const LINK: u64 = 14;
/// Bytes of flags and index at the beginning of both rings.
const HEADER: u64 = 4;
/// Bytes of an entry of the used ring.
const USED_ENTRY: u64 = 8;

/// A ring.
pub struct Ring<'a> {
    memory: &'a GuestMemoryMmap,
    queue: &'a mut Queue,
}

/// A descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptor {
    /// Where its memory is.
    pub addr: u64,
    /// Bytes of it.
    pub len: u32,
    /// [`NEXT`], [`INDIRECT`] and others.
    pub flags: u16,
    /// The number of the next one, if there is one.
    pub next: u16,
}

impl<'a> Ring<'a> {
    /// The ring of `queue` in the driver's `memory`.
    pub fn new(memory: &'a GuestMemoryMmap, queue: &'a mut Queue) -> Self {
        Self { memory, queue }
    }

    /// How many descriptors it has.
    pub fn size(&self) -> u16 {
        self.queue.size()
    }

    /// The index of the next entry of the used ring that will be written.
    pub fn next_used(&self) -> u16 {
        self.queue.next_used()
    }

    /// The number that the entry of the used ring at `index` names.
    ///
    /// # Errors
    ///
    /// The ring is not in the memory of the driver, here and below.
    pub fn used_id(&self, index: u16) -> io::Result<u32> {
        Ok(u32::from_le(self.read(self.entry(index))?))
    }

    /// Writes the next entry of the used ring, whatever it names, and tells of it.
    pub fn use_buffer(&mut self, id: u32, len: u32) -> io::Result<()> {
        self.put_entry(id, len)?;
        self.queue.set_next_used(self.next_used().wrapping_add(1));
        self.set_used_index(self.next_used())
    }

    /// Writes the next entry of the used ring without a word.
    pub fn put_entry(&mut self, id: u32, len: u32) -> io::Result<()> {
        let at = self.entry(self.next_used());
        self.write(at, id.to_le())?;
        self.write(at + 4, len.to_le())
    }

    /// What the driver reads as the index of the used ring.
    pub fn set_used_index(&self, index: u16) -> io::Result<()> {
        self.write(self.queue.used_ring() + 2, index.to_le())
    }

    /// What the driver reads as the flags of the used ring.
    pub fn set_used_flags(&self, flags: u16) -> io::Result<()> {
        self.write(self.queue.used_ring(), flags.to_le())
    }

    /// After which available buffer the driver is to tell, where event indices are used.
    pub fn set_avail_event(&self, index: u16) -> io::Result<()> {
        self.write(self.queue.used_ring() + HEADER + USED_ENTRY * u64::from(self.size()), index.to_le())
    }

    /// Writes what belongs to the driver: flags and index of the available ring. Returns what was there.
    pub fn swap_avail_header(&self, header: u32) -> io::Result<u32> {
        let old = self.read(self.queue.avail_ring())?;
        self.write(self.queue.avail_ring(), header)?;
        Ok(old)
    }

    /// The index of the next entry of the available ring that will be read.
    pub fn next_avail(&self) -> u16 {
        self.queue.next_avail()
    }

    /// A descriptor.
    pub fn descriptor(&self, index: u16) -> io::Result<Descriptor> {
        let at = self.descriptor_at(index);
        Ok(Descriptor {
            addr: u64::from_le(self.read(at)?),
            len: u32::from_le(self.read(at + 8)?),
            flags: u16::from_le(self.read(at + FLAGS)?),
            next: u16::from_le(self.read(at + LINK)?),
        })
    }

    /// Changes a descriptor, which belongs to the driver.
    pub fn set_descriptor(&self, index: u16, descriptor: Descriptor) -> io::Result<()> {
        let at = self.descriptor_at(index);
        self.write(at, descriptor.addr.to_le())?;
        self.write(at + 8, descriptor.len.to_le())?;
        self.write(at + FLAGS, descriptor.flags.to_le())?;
        self.write(at + LINK, descriptor.next.to_le())
    }

    /// Adds flags to a descriptor, in one step, as the driver may be writing them. Returns what was there.
    pub fn add_flags(&self, index: u16, flags: u16) -> io::Result<u16> {
        let slice = self.flags_slice(index)?;
        let word: &AtomicU16 = slice.get_atomic_ref(0).map_err(io::Error::other)?;
        Ok(u16::from_le(word.fetch_or(flags.to_le(), Ordering::SeqCst)))
    }

    /// Changes the flags of a descriptor, in one step, if they are `from`.
    pub fn replace_flags(&self, index: u16, from: u16, to: u16) -> io::Result<()> {
        let slice = self.flags_slice(index)?;
        let word: &AtomicU16 = slice.get_atomic_ref(0).map_err(io::Error::other)?;
        let _ = word.compare_exchange(from.to_le(), to.to_le(), Ordering::SeqCst, Ordering::SeqCst);
        Ok(())
    }

    fn flags_slice(&self, index: u16) -> io::Result<FlagsSlice<'_>> {
        self.memory.get_slice(GuestAddress(self.descriptor_at(index) + FLAGS), 2).map_err(io::Error::other)
    }

    /// The numbers of the descriptors of a buffer.
    pub fn chain(&self, head: u16) -> io::Result<Vec<u16>> {
        let mut chain = vec![head];
        let mut descriptor = self.descriptor(head)?;
        while descriptor.flags & NEXT != 0 && chain.len() < usize::from(self.size()) {
            chain.push(descriptor.next);
            descriptor = self.descriptor(descriptor.next)?;
        }
        Ok(chain)
    }

    /// Fills the table that an indirect descriptor names; false if it is no indirect one.
    pub fn fill_indirect_table(&self, head: u16, byte: u8) -> io::Result<bool> {
        let descriptor = self.descriptor(head)?;
        if descriptor.flags & INDIRECT == 0 {
            return Ok(false);
        }
        let garbage = vec![byte; descriptor.len as usize];
        self.memory.write_slice(&garbage, GuestAddress(descriptor.addr)).map_err(io::Error::other)?;
        Ok(true)
    }

    fn descriptor_at(&self, index: u16) -> u64 {
        self.queue.desc_table() + DESCRIPTOR * u64::from(index % self.size())
    }

    fn entry(&self, index: u16) -> u64 {
        self.queue.used_ring() + HEADER + USED_ENTRY * u64::from(index % self.size())
    }

    fn read<T: ByteValued>(&self, at: u64) -> io::Result<T> {
        self.memory.read_obj(GuestAddress(at)).map_err(io::Error::other)
    }

    fn write<T: ByteValued>(&self, at: u64, value: T) -> io::Result<()> {
        // What the driver looks at first must be written last.
        fence(Ordering::SeqCst);
        self.memory.write_obj(value, GuestAddress(at)).map_err(io::Error::other)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const SIZE: u16 = 8;
    const DESCRIPTORS: u64 = 0x1000;
    const AVAIL: u64 = 0x2000;
    const USED: u64 = 0x3000;

    /// Memory and a queue in it, with a buffer of the descriptors 2, 3 and 4, and an indirect one at 6.
    pub(crate) fn memory_and_queue() -> (GuestMemoryMmap, Queue) {
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), 0x10000)]).unwrap();
        let mut queue = Queue::new(SIZE).unwrap();
        queue.set_size(SIZE);
        queue.try_set_desc_table_address(GuestAddress(DESCRIPTORS)).unwrap();
        queue.try_set_avail_ring_address(GuestAddress(AVAIL)).unwrap();
        queue.try_set_used_ring_address(GuestAddress(USED)).unwrap();
        let ring = Ring::new(&memory, &mut queue);
        for (index, flags, next) in [(2, NEXT, 3), (3, NEXT, 4), (4, 0, 0), (6, INDIRECT, 0)] {
            ring.set_descriptor(index, Descriptor { addr: 0x8000, len: 64, flags, next }).unwrap();
        }
        (memory, queue)
    }

    #[test]
    fn a_used_buffer_is_where_the_driver_looks() {
        let (memory, mut queue) = memory_and_queue();
        let mut ring = Ring::new(&memory, &mut queue);
        ring.use_buffer(0xffff_ffff, 7).unwrap();
        ring.use_buffer(2, 9).unwrap();
        assert_eq!(memory.read_obj::<[u32; 5]>(GuestAddress(USED)).unwrap(), [2 << 16, u32::MAX, 7, 2, 9]);
        assert_eq!(queue.next_used(), 2);
    }

    #[test]
    fn a_chain_is_followed_to_its_end_even_if_it_has_none() {
        let (memory, mut queue) = memory_and_queue();
        let ring = Ring::new(&memory, &mut queue);
        assert_eq!(ring.chain(2).unwrap(), [2, 3, 4]);
        ring.set_descriptor(4, Descriptor { addr: 0, len: 0, flags: NEXT, next: 2 }).unwrap();
        assert_eq!(ring.chain(2).unwrap().len(), usize::from(SIZE));
    }

    #[test]
    fn only_an_indirect_descriptor_has_a_table() {
        let (memory, mut queue) = memory_and_queue();
        let ring = Ring::new(&memory, &mut queue);
        assert!(!ring.fill_indirect_table(2, 0xff).unwrap());
        assert!(ring.fill_indirect_table(6, 0xff).unwrap());
        assert_eq!(memory.read_obj::<[u8; 2]>(GuestAddress(0x803f)).unwrap(), [0xff, 0]);
    }

    #[test]
    fn event_and_flags_are_around_the_used_ring() {
        let (memory, mut queue) = memory_and_queue();
        let ring = Ring::new(&memory, &mut queue);
        ring.set_used_flags(0x1234).unwrap();
        ring.set_avail_event(0x5678).unwrap();
        assert_eq!(memory.read_obj::<u16>(GuestAddress(USED)).unwrap(), 0x1234);
        assert_eq!(memory.read_obj::<u16>(GuestAddress(USED + 4 + 8 * 8)).unwrap(), 0x5678);
        assert_eq!(ring.swap_avail_header(5).unwrap(), 0);
        assert_eq!(ring.swap_avail_header(0).unwrap(), 5);
    }
}
