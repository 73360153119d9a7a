// SPDX-License-Identifier: GPL-2.0

//! A ring of descriptors in memory that the card reads and writes.

use kernel::{
    device::{
        self,
        Bound, //
    },
    dma::Coherent,
    io::{
        io_project,
        Io,
        IoBase,
        SysMem, //
    },
    prelude::*,
    sync::barrier::{
        dma_mb,
        Read, //
    }, //
};

use super::{
    desc::{
        self,
        RxDone,
        Words,
        BYTES, //
    },
    mac::{
        is_within_64k,
        Mac, //
    },
    ring::Size, //
};

/// A descriptor in memory: its halves.
type Halves = [u64; 2];

const _: () = assert!(size_of::<Halves>() == BYTES);

/// The descriptors.
pub(crate) struct Descriptors {
    memory: Coherent<[Halves]>,
    size: Size,
}

impl Descriptors {
    /// Gets memory for a ring, all of it zero.
    ///
    /// # Errors
    ///
    /// - [`ENOMEM`]: there is none, or none that the card can use.
    pub(crate) fn new(dev: &device::Device<Bound>, mac: Mac, size: Size) -> Result<Self> {
        let memory = Coherent::<Halves>::zeroed_slice(dev, size.bytes() / BYTES, GFP_KERNEL)?;

        // Memory of this size is aligned to a power of two that is not less.
        if mac.has_64k_erratum() && !is_within_64k(memory.dma_address(), size.bytes()) {
            dev_err!(
                dev,
                "descriptors at {:#x} cross 64 KiB\n",
                memory.dma_address()
            );
            return Err(ENOMEM);
        }
        Ok(Self { memory, size })
    }

    /// How many there are.
    #[inline]
    pub(crate) fn size(&self) -> Size {
        self.size
    }

    /// Where the card finds them.
    pub(crate) fn dma_address(&self) -> u64 {
        self.memory.dma_address()
    }

    /// What the card is told of their length.
    pub(crate) fn register_bytes(&self) -> u32 {
        // At most 4096 times 16.
        u32::from(self.size.count()) * BYTES as u32
    }

    /// The memory, for the CPU.
    #[inline]
    fn cpu(&self) -> SysMem<'_, [Halves]> {
        (&self.memory).as_view().as_sys_mem()
    }

    /// Writes a descriptor. The card must not have it.
    #[inline]
    pub(crate) fn write(&self, index: u16, words: Words) -> Result {
        let [first, second, third, fourth] = words;
        let descriptor = io_project!(self.cpu(), [try: usize::from(index)]);

        io_project!(descriptor, [build: 0]).copy_write(desc::half(first, second));
        io_project!(descriptor, [build: 1]).copy_write(desc::half(third, fourth));
        Ok(())
    }

    /// Writes the second half of a descriptor. The card must not have it.
    #[inline]
    pub(crate) fn write_second_half(&self, index: u16, third: u32, fourth: u32) -> Result {
        io_project!(self.cpu(), [try: usize::from(index)][build: 1])
            .copy_write(desc::half(third, fourth));
        Ok(())
    }

    /// Reads the second half of a descriptor, as it is in memory: at once where a word has 64 bits.
    #[inline]
    fn read_half(&self, index: u16) -> Result<u64> {
        let half = io_project!(self.cpu(), [try: usize::from(index)][build: 1]);

        #[cfg(CONFIG_64BIT)]
        let half = half.read_val();
        #[cfg(not(CONFIG_64BIT))]
        let half = half.copy_read();

        Ok(half)
    }

    /// Reads the words of the second half of a descriptor.
    #[inline]
    pub(crate) fn read_second_half(&self, index: u16) -> Result<(u32, u32)> {
        Ok(desc::words_of_half(self.read_half(index)?))
    }

    /// Reads the second half of a receive descriptor, as a number. If the card is done with it,
    /// all of it is what the card has written: that says so last, or with all the rest.
    #[inline]
    pub(crate) fn read_received(&self, index: u16) -> Result<u64> {
        let half = u64::from_le(self.read_half(index)?);

        if cfg!(CONFIG_64BIT) || !RxDone::is_done(half) {
            return Ok(half);
        }
        // It took two reads, of which the first may be older than what says that the card is done.
        dma_mb(Read);
        Ok(u64::from_le(self.read_half(index)?))
    }
}
