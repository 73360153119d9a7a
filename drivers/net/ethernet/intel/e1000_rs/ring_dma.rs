// SPDX-License-Identifier: GPL-2.0

//! A ring of descriptors in memory that the card reads and writes.

use kernel::{
    device::{
        self,
        Bound, //
    },
    dma::Coherent,
    io::{
        io_read,
        io_write, //
    },
    prelude::*, //
};

use super::{
    desc::{
        Words,
        BYTES, //
    },
    mac::{
        is_within_64k,
        Mac, //
    },
    ring::Size, //
};

/// The words of a descriptor.
const WORDS: usize = BYTES / size_of::<u32>();

/// The descriptors.
pub(crate) struct Descriptors {
    memory: Coherent<[u32]>,
    size: Size,
}

impl Descriptors {
    /// Gets memory for a ring, all of it zero.
    ///
    /// # Errors
    ///
    /// - [`ENOMEM`]: there is none, or none that the card can use.
    pub(crate) fn new(dev: &device::Device<Bound>, mac: Mac, size: Size) -> Result<Self> {
        let memory =
            Coherent::<u32>::zeroed_slice(dev, size.bytes() / size_of::<u32>(), GFP_KERNEL)?;

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

    /// Writes a descriptor. The card must not have it.
    #[inline]
    pub(crate) fn write(&self, index: u16, words: Words) -> Result {
        let start = usize::from(index) * WORDS;

        for (i, word) in words.into_iter().enumerate() {
            io_write!(&self.memory, [try: start + i], word);
        }
        Ok(())
    }

    /// Reads a word of a descriptor.
    #[inline]
    pub(crate) fn read(&self, index: u16, word: usize) -> Result<u32> {
        Ok(io_read!(&self.memory, [try: usize::from(index) * WORDS + word]))
    }
}
