// SPDX-License-Identifier: GPL-2.0

//! BARs that are I/O ports.

use super::Device;
use crate::{
    bindings,
    device::Bound,
    error::to_result,
    prelude::*, //
};

/// What a BAR gives access to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BarKind {
    /// Memory, for [`Device::iomap_region`].
    Memory,
    /// I/O ports, for [`Device::io_ports`].
    IoPorts,
}

impl Device<Bound> {
    /// Returns what a BAR gives access to (C: `pci_resource_flags`), or [`None`] if it is not used.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if there is no BAR with that number.
    pub fn bar_kind(&self, bar: u32) -> Result<Option<BarKind>> {
        if self.resource_len(bar)? == 0 {
            return Ok(None);
        }
        // SAFETY: The device is valid, and has this resource.
        let flags = unsafe { bindings::pci_resource_flags(self.as_raw(), bar.try_into()?) };

        // CAST: A word has 32 bits or more.
        Ok(if flags & bindings::IORESOURCE_IO as c_ulong != 0 {
            Some(BarKind::IoPorts)
        } else if flags & bindings::IORESOURCE_MEM as c_ulong != 0 {
            Some(BarKind::Memory)
        } else {
            None
        })
    }

    /// Requests a BAR of I/O ports (C: `pci_request_region`), to be used under `name`.
    ///
    /// # Errors
    ///
    /// - [`EINVAL`] if there is no BAR with that number.
    /// - [`ENODEV`] if it is none of I/O ports.
    /// - [`EBUSY`] if somebody else uses it.
    ///
    /// # Context
    ///
    /// Process context.
    pub fn io_ports<'a>(&'a self, bar: u32, name: &'static CStr) -> Result<IoPorts<'a>> {
        if self.bar_kind(bar)? != Some(BarKind::IoPorts) {
            return Err(ENODEV);
        }

        let start = c_ulong::try_from(self.resource_start(bar)?)?;
        let len = usize::try_from(self.resource_len(bar)?)?;
        let bar = c_int::try_from(bar)?;

        // SAFETY: The device is valid, and has this resource. The name is valid for ever.
        to_result(unsafe { bindings::pci_request_region(self.as_raw(), bar, name.as_char_ptr()) })?;
        // INVARIANT: Requested just above.
        Ok(IoPorts {
            dev: self,
            bar,
            start,
            len,
        })
    }
}

/// The I/O ports of a BAR, which nobody else uses until this is dropped.
///
/// # Invariants
///
/// `bar` of `dev` is requested by this value, and consists of the `len` ports from `start` on.
pub struct IoPorts<'a> {
    dev: &'a Device<Bound>,
    bar: c_int,
    start: c_ulong,
    len: usize,
}

/// Implements an access to a port of a width.
macro_rules! accessors {
    ($type:ty, $read:ident, $read_fn:ident, $write:ident, $write_fn:ident, $width:literal) => {
        #[doc = concat!("Reads ", $width, " bits (C: `", stringify!($read_fn), "`).")]
        ///
        /// # Errors
        ///
        /// [`EINVAL`] if `offset` is not aligned, or beyond the BAR.
        pub fn $read(&self, offset: usize) -> Result<$type> {
            let port = self.port::<$type>(offset)?;

            // SAFETY: By the type invariant it is a port of the device, which is ours.
            Ok(unsafe { bindings::$read_fn(port) })
        }

        #[doc = concat!("Writes ", $width, " bits (C: `", stringify!($write_fn), "`).")]
        ///
        /// # Errors
        ///
        /// [`EINVAL`] if `offset` is not aligned, or beyond the BAR.
        pub fn $write(&self, value: $type, offset: usize) -> Result {
            let port = self.port::<$type>(offset)?;

            // SAFETY: By the type invariant it is a port of the device, which is ours.
            unsafe { bindings::$write_fn(value, port) };
            Ok(())
        }
    };
}

impl IoPorts<'_> {
    /// Returns the number of ports, each of 8 bits.
    #[expect(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns the number of the port at `offset`, if a `T` can be accessed there.
    fn port<T>(&self, offset: usize) -> Result<c_ulong> {
        let size = core::mem::size_of::<T>();
        let end = offset.checked_add(size).ok_or(EINVAL)?;

        if end > self.len || !offset.is_multiple_of(size) {
            return Err(EINVAL);
        }
        // CAST: Both have the width of a pointer.
        self.start.checked_add(offset as c_ulong).ok_or(EINVAL)
    }

    accessors!(u8, try_read8, inb, try_write8, outb, "8");
    accessors!(u16, try_read16, inw, try_write16, outw, "16");
    accessors!(u32, try_read32, inl, try_write32, outl, "32");
}

impl Drop for IoPorts<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant it was requested, and nobody else releases it.
        unsafe { bindings::pci_release_region(self.dev.as_raw(), self.bar) };
    }
}
