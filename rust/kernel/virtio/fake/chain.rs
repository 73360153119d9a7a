// SPDX-License-Identifier: GPL-2.0

//! A buffer as the device sees it.

use crate::{
    bindings,
    prelude::*, //
};

/// A piece of memory that the driver has described.
pub(crate) struct Piece {
    addr: *mut u8,
    len: u32,
    device_writable: bool,
}

/// A buffer that the device has taken from a ring.
pub(crate) struct Chain {
    /// The name of the buffer in the ring.
    pub(crate) id: u32,
    /// The descriptors of the ring that the buffer takes.
    pub(crate) descriptors: u16,
    /// Whether the pieces are in a table of their own.
    pub(crate) indirect: bool,
    pieces: KVec<Piece>,
}

impl Chain {
    pub(super) fn new() -> Self {
        Self {
            id: 0,
            descriptors: 0,
            indirect: false,
            pieces: KVec::new(),
        }
    }

    /// Adds a piece, given its address in physical memory.
    pub(super) fn push(&mut self, addr: u64, len: u32, device_writable: bool) -> Result {
        let addr = virt(addr);

        self.pieces.push(
            Piece {
                addr,
                len,
                device_writable,
            },
            GFP_KERNEL,
        )?;
        Ok(())
    }

    /// The lengths of the pieces that the device reads, or of those that it writes.
    pub(crate) fn lens(&self, device_writable: bool) -> impl Iterator<Item = u32> + '_ {
        self.pieces
            .iter()
            .filter(move |piece| piece.device_writable == device_writable)
            .map(|piece| piece.len)
    }

    /// The bytes that the device may write.
    pub(crate) fn capacity(&self) -> u32 {
        self.lens(true).sum()
    }

    /// Reads all that the device is to read.
    pub(crate) fn read(&self) -> Result<KVec<u8>> {
        let mut bytes = KVec::new();

        for piece in self.pieces.iter().filter(|piece| !piece.device_writable) {
            for i in 0..piece.len as usize {
                // SAFETY: The driver has described `len` bytes from `addr` for the device to read.
                let byte = unsafe { piece.addr.add(i).read_volatile() };

                bytes.push(byte, GFP_KERNEL)?;
            }
        }
        Ok(bytes)
    }

    /// Writes `bytes` into what the device may write, and returns how many fit.
    pub(crate) fn write(&self, bytes: &[u8]) -> u32 {
        let mut left = bytes.iter();
        let mut written = 0;

        for piece in self.pieces.iter().filter(|piece| piece.device_writable) {
            for (i, byte) in (0..piece.len as usize).zip(&mut left) {
                // SAFETY: The driver has described `len` bytes from `addr` for the device to
                // write.
                unsafe { piece.addr.add(i).write_volatile(*byte) };
                written += 1;
            }
        }
        written
    }
}

/// Converts a physical address as a ring has it.
pub(super) fn virt(addr: u64) -> *mut u8 {
    // SAFETY: Only a conversion: nothing is accessed.
    unsafe { bindings::phys_to_virt(addr) }.cast()
}
