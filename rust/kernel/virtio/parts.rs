// SPDX-License-Identifier: GPL-2.0

//! The parts of a buffer, while it is described to the device.
//!
//! C header: [`include/linux/scatterlist.h`](srctree/include/linux/scatterlist.h)

use crate::prelude::*;
use core::{
    marker::PhantomData,
    ops::Range, //
};
use zerocopy::Immutable;

/// Memory in several segments, for instance the data of a block request.
///
/// # Safety
///
/// [`map`](Self::map) must describe memory that stays valid, and is not accessed by the CPU if the
/// device may write it, for as long as the token that the segments are borrowed from is in a ring.
/// Memory that the device may write must be meant to be written. Of the entries that it fills, none
/// but the last may have an end mark afterwards.
pub unsafe trait Segments {
    /// Fills entries of `sgl` from its start and says what they describe.
    ///
    /// # Errors
    ///
    /// [`ENOSPC`]: the segments need more entries.
    ///
    /// # Safety
    ///
    /// The entries must have been initialized by `sg_init_table`, and none of them be a link to
    /// another table. They may have end marks.
    unsafe fn map(&self, sgl: &mut [bindings::scatterlist]) -> Result<Mapped>;
}

/// What [`Segments::map`] has described.
#[derive(Clone, Copy, Debug)]
pub struct Mapped {
    /// The entries that were filled; none if there are no segments.
    pub entries: usize,
    /// The length of all segments in bytes.
    pub len: u32,
    /// Whether the device writes the memory, or else reads it.
    pub device_writable: bool,
}

/// The description of one buffer: first what the device reads, then what it may write (virtio
/// specification, 2.6.4.2).
///
/// Every part is borrowed from the token of the buffer for `'t`, a lifetime that nothing else has,
/// or is static. So it stays in place while the token is in the ring.
///
/// # Invariants
///
/// All entries of `sgl` were initialized by `sg_init_table`, and none of them is a link. The first
/// `used` of them describe memory that is valid for `'t`. Of those, the first `readable` are for
/// the device to read and the others to write. The latter hold `capacity` bytes.
pub struct Parts<'t, 'q> {
    sgl: &'q mut [bindings::scatterlist],
    used: usize,
    readable: usize,
    capacity: u32,
    linear: Range<usize>,
    // Invariant in `'t`: a shorter lifetime would let in memory that does not live long enough.
    _borrowed: PhantomData<fn(&'t ()) -> &'t ()>,
}

/// The scatterlists of a finished description.
///
/// # Invariants
///
/// Of `lists`, the first `out` and the following `input` entries point to terminated lists.
pub(super) struct Lists {
    pub(super) lists: [*mut bindings::scatterlist; 2],
    pub(super) out: u32,
    pub(super) input: u32,
    /// The entries of all lists.
    pub(super) entries: usize,
    pub(super) capacity: u32,
}

impl<'t, 'q> Parts<'t, 'q> {
    /// Starts an empty description in `sgl`.
    ///
    /// # Safety
    ///
    /// - The entries of `sgl` must have been initialized by `sg_init_table`, and none be a link.
    /// - The addresses in `linear` must be in the linear mapping.
    /// - Memory that can be borrowed for `'t` must be valid for as long as the description is used.
    #[inline]
    pub(super) unsafe fn new(sgl: &'q mut [bindings::scatterlist], linear: Range<usize>) -> Self {
        // INVARIANT: Nothing is described yet.
        Self {
            sgl,
            used: 0,
            readable: 0,
            capacity: 0,
            linear,
            _borrowed: PhantomData,
        }
    }

    /// Adds memory that the device reads.
    ///
    /// # Errors
    ///
    /// - [`EINVAL`]: a part for the device to write was added before, the part is empty, or its
    ///   memory cannot be given to a device (it was not allocated by `kmalloc` or as pages).
    /// - [`ENOSPC`]: the queue was set up for fewer parts.
    #[inline]
    pub fn device_readable<T>(&mut self, part: &'t T) -> Result
    where
        T: IntoBytes + Immutable + ?Sized,
    {
        if self.readable != self.used {
            return Err(EINVAL);
        }
        self.push(core::ptr::from_ref(part).cast(), size_of_val(part))?;
        // INVARIANT: The new entry is for the device to read, as are all before.
        self.readable = self.used;
        Ok(())
    }

    /// Adds memory that the device may write.
    ///
    /// # Errors
    ///
    /// As for [`device_readable`](Self::device_readable).
    #[inline]
    pub fn device_writable<T>(&mut self, part: &'t mut T) -> Result
    where
        T: FromBytes + ?Sized,
    {
        let len = size_of_val(part);
        let capacity = self.grown(u32::try_from(len)?)?;

        self.push(core::ptr::from_mut(part).cast_const().cast(), len)?;
        // INVARIANT: The new entry holds `len` more bytes.
        self.capacity = capacity;
        Ok(())
    }

    /// Adds segments, for the device to read or to write as they say themselves; nothing if they
    /// are empty.
    ///
    /// # Errors
    ///
    /// - [`EINVAL`]: the device reads them, but a part for it to write was added before.
    /// - [`ENOSPC`]: the queue was set up for fewer parts.
    #[inline]
    pub fn segments<S>(&mut self, segments: &S) -> Result
    where
        S: Segments + 't,
    {
        let free = self.sgl.get_mut(self.used..).ok_or(ENOSPC)?;
        // SAFETY: By the type invariant.
        let mapped = unsafe { segments.map(free) }?;
        let Some(last) = mapped.entries.checked_sub(1) else {
            return Ok(());
        };
        let last = free.get_mut(last).ok_or(ENOSPC)?;

        // Where the lists end is known when the description is finished.
        //
        // SAFETY: `last` is an initialized entry.
        unsafe { bindings::sg_unmark_end(last) };

        // INVARIANT: `map` has filled the entries, with memory that is valid for `'t` by the
        // contract of `Segments`. They come after those that are for the device to read, or they
        // are such themselves and follow no other.
        if mapped.device_writable {
            self.capacity = self.grown(mapped.len)?;
            self.used += mapped.entries;
        } else if self.readable == self.used {
            self.used += mapped.entries;
            self.readable = self.used;
        } else {
            return Err(EINVAL);
        }
        Ok(())
    }

    /// Adds one entry.
    #[inline]
    fn push(&mut self, start: *const u8, len: usize) -> Result {
        if len == 0 {
            return Err(EINVAL);
        }
        let len_u32 = u32::try_from(len)?;
        self.check_linear(start as usize, len)?;

        let sg = self.sgl.get_mut(self.used).ok_or(ENOSPC)?;

        // The entry may have ended a list before.
        //
        // SAFETY: `sg` is an initialized entry.
        unsafe { bindings::sg_unmark_end(sg) };
        // SAFETY: `sg` is an initialized entry, and the memory is in the linear mapping.
        unsafe { bindings::sg_set_buf(sg, start.cast(), len_u32) };

        // INVARIANT: The entry describes memory that callers have borrowed for `'t`.
        self.used += 1;
        Ok(())
    }

    /// Returns the capacity with `len` more bytes.
    fn grown(&self, len: u32) -> Result<u32> {
        self.capacity.checked_add(len).ok_or(EINVAL)
    }

    /// Checks that memory has pages, as scatterlists need it: a safe reference can as well point
    /// into `vmalloc` memory.
    #[inline]
    fn check_linear(&self, start: usize, len: usize) -> Result {
        // Where the part is a field of the token's memory, these are constants.
        let room = self.linear.end.wrapping_sub(self.linear.start);
        let offset = start.wrapping_sub(self.linear.start);

        if offset <= room && len <= room - offset {
            return Ok(());
        }
        // A safe reference does not wrap around the address space.
        if is_linear(start) && is_linear(start.wrapping_add(len - 1)) {
            Ok(())
        } else {
            Err(EINVAL)
        }
    }

    /// Terminates the lists.
    ///
    /// # Errors
    ///
    /// [`EINVAL`]: nothing was described.
    #[inline]
    pub(super) fn finish(self) -> Result<Lists> {
        let (readable, used) = (self.readable, self.used);

        if used == 0 {
            return Err(EINVAL);
        }
        for end in [readable, used] {
            if let Some(last) = self.sgl.get_mut(end.wrapping_sub(1)) {
                // SAFETY: `last` is an initialized entry.
                unsafe { bindings::sg_mark_end(last) };
            }
        }

        // Where nothing is readable, the first list is the one that is written.
        let first = self.sgl.as_mut_ptr();
        let lists = [first, first.wrapping_add(readable)];

        // INVARIANT: The last entries of what is read and of what is written are marked as ends.
        Ok(Lists {
            lists,
            out: u32::from(readable > 0),
            input: u32::from(used > readable),
            entries: used,
            capacity: self.capacity,
        })
    }
}

/// Whether an address is in the linear mapping, and has a page.
#[inline(never)]
fn is_linear(addr: usize) -> bool {
    // SAFETY: Any address may be asked about.
    unsafe { bindings::virt_addr_valid(addr as *const c_void) }
}
