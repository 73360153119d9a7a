// SPDX-License-Identifier: GPL-2.0

//! Streaming DMA mappings.
//!
//! Memory that was written by the CPU, and is to be read by a device, or the other way around, is
//! *mapped* for one transfer or a few. Then it belongs to the device. A [`Mapping`] owns the memory
//! that it maps, so nobody can read, write or free it meanwhile: the way back to the CPU is to
//! unmap it, or to look through a [`CpuView`] at a part that was synced. That is what makes it work
//! when the device does not share the memory at all, but has a copy (`swiotlb=force`), and when its
//! accesses bypass the caches of the CPU.
//!
//! Forgetting a mapping leaks the memory and the mapping; the device can go on with it, and nobody
//! else gets it. That a device really has stopped when its memory is unmapped is what a driver is
//! for: as anywhere in C, nothing but an IOMMU keeps hardware from accesses that it was not asked
//! for.
//!
//! C header: [`include/linux/dma-mapping.h`](srctree/include/linux/dma-mapping.h)

use super::{
    DataDirection,
    DmaAddress, //
};
use crate::{
    bindings,
    device::{
        Bound,
        Device, //
    },
    page::Page,
    prelude::*,
    transmute::{
        AsBytes,
        FromBytes, //
    }, //
};
use core::{
    marker::PhantomData,
    mem::{
        ManuallyDrop,
        MaybeUninit, //
    },
    ptr::NonNull, //
};

mod private {
    pub trait Sealed {}

    impl Sealed for super::ToDevice {}
    impl Sealed for super::FromDevice {}
    impl Sealed for super::Bidirectional {}
}

/// The direction of a mapping, as a type (C: `enum dma_data_direction`).
pub trait Direction: private::Sealed {
    /// The direction, as a value.
    const DIRECTION: DataDirection;

    /// Whether the CPU can have written when a [`CpuView`] ends.
    #[doc(hidden)]
    const CPU_WRITES: bool;
}

/// A [`Direction`] in which the CPU writes, and the device reads.
pub trait DeviceReads: Direction {}

/// A [`Direction`] in which the device writes, and the CPU reads.
pub trait DeviceWrites: Direction {}

/// The device reads (C: `DMA_TO_DEVICE`).
pub struct ToDevice;

/// The device writes (C: `DMA_FROM_DEVICE`).
pub struct FromDevice;

/// The device reads and writes (C: `DMA_BIDIRECTIONAL`).
pub struct Bidirectional;

impl Direction for ToDevice {
    const DIRECTION: DataDirection = DataDirection::ToDevice;
    const CPU_WRITES: bool = true;
}

impl Direction for FromDevice {
    const DIRECTION: DataDirection = DataDirection::FromDevice;
    const CPU_WRITES: bool = false;
}

impl Direction for Bidirectional {
    const DIRECTION: DataDirection = DataDirection::Bidirectional;
    const CPU_WRITES: bool = true;
}

impl DeviceReads for ToDevice {}
impl DeviceReads for Bidirectional {}
impl DeviceWrites for FromDevice {}
impl DeviceWrites for Bidirectional {}

/// Memory that can be mapped for a device.
///
/// # Safety
///
/// - [`bytes`](Self::bytes) returns the same memory each time, also after the value was moved.
/// - It is in the linear mapping of the kernel, contiguous, and valid for reads and writes until
///   the value is dropped. If the value is forgotten, that is for ever.
/// - Nobody but the owner of the value can access it.
/// - It may have any content afterwards.
pub unsafe trait Memory {
    /// Returns the memory.
    fn bytes(&mut self) -> NonNull<[u8]>;
}

// SAFETY: The elements of a vector stay where they are until it is dropped, in memory of the slab,
// and are its own. Bytes can have any value.
unsafe impl Memory for KVec<u8> {
    fn bytes(&mut self) -> NonNull<[u8]> {
        NonNull::from(self.as_mut_slice())
    }
}

// SAFETY: The content of a box stays where it is until it is dropped, in memory of the slab, and is
// its own. Its bytes are initialized, and can have any value.
unsafe impl<T: AsBytes + FromBytes> Memory for KBox<T> {
    fn bytes(&mut self) -> NonNull<[u8]> {
        let place = NonNull::from(&mut **self);

        NonNull::slice_from_raw_parts(place.cast(), core::mem::size_of::<T>())
    }
}

#[cfg(not(CONFIG_HIGHMEM))]
// SAFETY: A page is where it is until it is freed, and without high memory all are in the linear
// mapping. Its owner has the only safe access.
unsafe impl Memory for Page {
    #[inline]
    fn bytes(&mut self) -> NonNull<[u8]> {
        // SAFETY: The page is valid.
        let place = unsafe { bindings::page_address(self.as_ptr()) };
        // SAFETY: Without high memory each page has an address.
        let place = unsafe { NonNull::new_unchecked(place.cast::<u8>()) };

        NonNull::slice_from_raw_parts(place, crate::page::PAGE_SIZE)
    }
}

/// Memory that is mapped for a device.
///
/// When this is dropped, the memory is unmapped, then freed.
///
/// # Invariants
///
/// `address` is where the bytes of `memory` are mapped for `dev`, in the direction `D`. There are
/// some.
///
/// # Examples
///
/// A device reads from a buffer:
///
/// ```
/// use kernel::{
///     device::{
///         Bound,
///         Device, //
///     },
///     dma::streaming::{
///         Mapping,
///         ToDevice, //
///     },
///     prelude::*, //
/// };
///
/// fn send<'a>(dev: &'a Device<Bound>, data: KVec<u8>) -> Result<Mapping<'a, KVec<u8>, ToDevice>> {
///     let mapping = Mapping::new(dev, data, ToDevice)?;
///
///     // The device is told `mapping.dma_address()`. The mapping is kept until it has read.
///     Ok(mapping)
/// }
/// # let _ = send;
/// ```
///
/// A device writes to a buffer. What is short is copied, so that the buffer can be used again;
/// what is long is taken:
///
/// ```
/// use kernel::{
///     dma::streaming::{
///         FromDevice,
///         Mapping, //
///     },
///     page::Page,
///     prelude::*, //
/// };
///
/// fn copy(mapping: &mut Mapping<'_, Page, FromDevice>, received: usize) -> Result<KVec<u8>> {
///     let mut copy = KVec::from_elem(0, received, GFP_ATOMIC)?;
///
///     mapping.sync_for_cpu(received)?.copy_to_slice(0, &mut copy)?;
///     Ok(copy)
/// }
///
/// fn take(mapping: Mapping<'_, Page, FromDevice>) -> Page {
///     mapping.unmap()
/// }
/// # let _ = (copy, take);
/// ```
pub struct Mapping<'a, M: Memory, D: Direction> {
    dev: &'a Device<Bound>,
    address: DmaAddress,
    // Dropped when it is not mapped any more.
    memory: M,
    _direction: PhantomData<D>,
}

/// A mapping that could not be made, with the memory.
pub struct MapError<M> {
    /// Why there is no mapping.
    pub error: Error,
    /// The memory, as it was.
    pub memory: M,
}

impl<M> From<MapError<M>> for Error {
    fn from(error: MapError<M>) -> Self {
        error.error
    }
}

impl<'a, M: Memory, D: Direction> Mapping<'a, M, D> {
    /// Maps memory for a device (C: `dma_map_single`, `dma_mapping_error`).
    ///
    /// # Context
    ///
    /// Any context.
    ///
    /// # Errors
    ///
    /// The memory comes back, with
    ///
    /// - [`ENOMEM`] if the device cannot be given an address for it.
    /// - [`EINVAL`] if it has no bytes.
    #[inline]
    pub fn new(
        dev: &'a Device<Bound>,
        mut memory: M,
        _direction: D,
    ) -> core::result::Result<Self, MapError<M>> {
        let bytes = memory.bytes();

        if bytes.is_empty() {
            return Err(MapError {
                error: EINVAL,
                memory,
            });
        }

        // SAFETY: The device is bound. By the requirements of `Memory` it is in the linear mapping,
        // and stays valid until `memory` is dropped, which is after it was unmapped, or for ever.
        // Until then it is accessed through this value only, which does so where the direction and
        // the syncs allow it.
        let address = unsafe {
            bindings::dma_map_linear(
                dev.as_raw(),
                bytes.cast().as_ptr(),
                bytes.len(),
                D::DIRECTION.into(),
            )
        };

        // SAFETY: That was mapped just above.
        unsafe { Self::at(dev, address, memory) }
    }

    /// # Safety
    ///
    /// `address` must be what mapping the bytes of `memory` for `dev` has returned.
    #[inline]
    unsafe fn at(
        dev: &'a Device<Bound>,
        address: DmaAddress,
        memory: M,
    ) -> core::result::Result<Self, MapError<M>> {
        // SAFETY: The device is bound, and the address as required of this function.
        if unsafe { bindings::dma_mapping_error(dev.as_raw(), address) } != 0 {
            return Err(MapError {
                error: ENOMEM,
                memory,
            });
        }
        // INVARIANT: They were mapped, by the requirement of this function.
        Ok(Self {
            dev,
            address,
            memory,
            _direction: PhantomData,
        })
    }

    /// Returns the address by which the device knows the memory.
    #[inline]
    pub fn dma_address(&self) -> DmaAddress {
        self.address
    }

    /// Takes the memory from the device (C: `dma_unmap_single`). The device must have been told to
    /// leave it alone, or have said that it is done.
    ///
    /// # Context
    ///
    /// Any context.
    #[inline]
    pub fn unmap(self) -> M {
        let mut this = ManuallyDrop::new(self);

        // SAFETY: The mapping is not used or dropped after this.
        unsafe { this.end() };

        let memory = &raw const this.memory;

        // SAFETY: As above.
        unsafe { memory.read() }
    }

    /// Unmaps the memory.
    ///
    /// # Safety
    ///
    /// The mapping must not be used after this.
    #[inline]
    unsafe fn end(&mut self) {
        let len = self.memory.bytes().len();

        // SAFETY: By the type invariant it is mapped, and the device is bound. Nobody uses the
        // address any more.
        unsafe {
            bindings::dma_unmap_page_attrs(
                self.dev.as_raw(),
                self.address,
                len,
                D::DIRECTION.into(),
                0,
            )
        };
    }

    /// Gives the first `len` bytes to the CPU for a while (C: `dma_sync_single_for_cpu`).
    ///
    /// The device must have been told to leave them alone, or have said that it is done. When the
    /// view is dropped they belong to the device again, with what the CPU has written.
    ///
    /// # Context
    ///
    /// Any context.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if the mapping has fewer bytes.
    #[inline]
    pub fn sync_for_cpu(&mut self, len: usize) -> Result<CpuView<'_, D>> {
        let bytes = self.memory.bytes();

        if len > bytes.len() {
            return Err(EINVAL);
        }
        // SAFETY: By the type invariant so many bytes are mapped there, and the device is bound.
        unsafe {
            bindings::dma_sync_single_for_cpu(
                self.dev.as_raw(),
                self.address,
                len,
                D::DIRECTION.into(),
            )
        };
        // INVARIANT: They are the first bytes of the mapped memory, synced just above. The mapping
        // is borrowed exclusively.
        Ok(CpuView {
            dev: self.dev,
            address: self.address,
            place: bytes.cast(),
            len,
            _mapping: PhantomData,
        })
    }
}

impl<M: Memory, D: Direction> Drop for Mapping<'_, M, D> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: This is the end of it.
        unsafe { self.end() };
    }
}

/// A part of a mapping that belongs to the CPU for a while.
///
/// There is no reference to the bytes to be had: they are still mapped, and a reference to what a
/// device can change is undefined behaviour. They are copied; what is to be looked at in place is
/// unmapped.
///
/// # Invariants
///
/// The `len` bytes at `place` are mapped for `dev`, at `address`, in the direction `D`, and were
/// synced for the CPU. Nobody else in the kernel accesses them.
pub struct CpuView<'a, D: Direction> {
    dev: &'a Device<Bound>,
    address: DmaAddress,
    place: NonNull<u8>,
    len: usize,
    _mapping: PhantomData<&'a mut D>,
}

impl<D: Direction> CpuView<'_, D> {
    /// Returns the number of bytes.
    #[inline]
    #[expect(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns the place of `len` bytes from `offset`.
    #[inline]
    fn at(&self, offset: usize, len: usize) -> Result<*mut u8> {
        if offset > self.len || len > self.len - offset {
            return Err(EINVAL);
        }
        // SAFETY: That is within the bytes, or at their end.
        Ok(unsafe { self.place.as_ptr().add(offset) })
    }
}

impl<D: DeviceWrites> CpuView<'_, D> {
    /// Copies bytes, from `offset` on, to `to`.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if there are not that many.
    #[inline]
    pub fn copy_to_slice(&self, offset: usize, to: &mut [u8]) -> Result {
        let from = self.at(offset, to.len())?;

        // `memcpy` of C, as the device can write at the same time if it breaks the rules.
        //
        // SAFETY: `at` has checked `from`, and the two do not overlap by the type invariant.
        unsafe { bindings::memcpy(to.as_mut_ptr().cast(), from.cast(), to.len()) };
        Ok(())
    }

    /// Copies bytes, from `offset` on, to memory that has no content yet, and returns that.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if there are not that many.
    #[inline]
    pub fn copy_to_uninit<'t>(
        &self,
        offset: usize,
        to: &'t mut [MaybeUninit<u8>],
    ) -> Result<&'t mut [u8]> {
        let from = self.at(offset, to.len())?;
        let place = to.as_mut_ptr().cast::<u8>();

        // SAFETY: As in `copy_to_slice`.
        unsafe { bindings::memcpy(place.cast(), from.cast(), to.len()) };
        // SAFETY: All its bytes were written just above.
        Ok(unsafe { core::slice::from_raw_parts_mut(place, to.len()) })
    }
}

impl<D: DeviceReads> CpuView<'_, D> {
    /// Copies `from` to the bytes from `offset` on.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if there are not that many.
    #[inline]
    pub fn copy_from_slice(&mut self, offset: usize, from: &[u8]) -> Result {
        let to = self.at(offset, from.len())?;

        // SAFETY: `at` has checked `to`, and the two do not overlap by the type invariant.
        unsafe { bindings::memcpy(to.cast(), from.as_ptr().cast(), from.len()) };
        Ok(())
    }
}

impl<D: Direction> Drop for CpuView<'_, D> {
    #[inline]
    fn drop(&mut self) {
        // What the CPU has only read is still the device's.
        if D::CPU_WRITES {
            // SAFETY: By the type invariant they are mapped there, and the device is bound.
            unsafe {
                bindings::dma_sync_single_for_device(
                    self.dev.as_raw(),
                    self.address,
                    self.len,
                    D::DIRECTION.into(),
                )
            };
        }
    }
}

#[cfg(all(
    CONFIG_HAS_DMA,
    any(
        CONFIG_RUST_DRIVER_CORE_KUNIT_TEST,
        all(CONFIG_RUST_NETDEV_KUNIT_TEST, not(CONFIG_HIGHMEM))
    )
))]
pub(crate) mod soft;

#[cfg(all(CONFIG_HAS_DMA, CONFIG_RUST_DRIVER_CORE_KUNIT_TEST))]
mod tests;
