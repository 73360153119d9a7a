// SPDX-License-Identifier: GPL-2.0

//! The parts of a buffer, while it is described to the device.
//!
//! C header: [`include/linux/scatterlist.h`](srctree/include/linux/scatterlist.h)

use super::{
    described::Table,
    part::Part, //
};
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
/// Memory that the device may write must be meant to be written. Of the entries that it fills, the
/// last and no other must have an end mark afterwards; and it must not say another number of them.
pub unsafe trait Segments {
    /// The entries that [`map`](Self::map) needs at most.
    fn max_entries(&self) -> usize;

    /// Fills entries of the list `sgl` from its start and says what they describe.
    ///
    /// # Errors
    ///
    /// [`EMSGSIZE`]: the segments need more than `room` entries.
    ///
    /// # Safety
    ///
    /// `sgl` must point to a list of `room` entries, of which `sg_next` leads from each to the next
    /// if it has no end mark. They may have end marks.
    unsafe fn map(&self, sgl: *mut bindings::scatterlist, room: usize) -> Result<Mapped>;
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

impl Mapped {
    fn direction(&self) -> Direction {
        if self.device_writable {
            Direction::Writable
        } else {
            Direction::Readable
        }
    }
}

/// The scatterlists that one buffer can have.
pub(super) const MAX_LISTS: usize = 4;

/// The description of one buffer: first what the device reads, then what it may write (virtio
/// specification, 2.6.4.2).
///
/// Every part is borrowed from the token of the buffer for `'t`, a lifetime that nothing else has,
/// or is static. So it stays in place while the token is in the ring.
///
/// A buffer has at most four lists: each [`Part`] is one, and so is each row of other parts and
/// segments for one direction.
///
/// # Invariants
///
/// - All entries of `sgl` were initialized by `sg_init_table`, and none of them is a link.
/// - The first `out + input` of `lists` point to terminated lists, with `entries` entries in all,
///   of memory that is valid for `'t`. The first `out` of them are for the device to read and the
///   others to write. The latter hold `capacity` bytes.
/// - The first `used` entries of `sgl` are in lists. If `is_open`, the last of them ends the last
///   list.
/// - `table` is room for a list beside `sgl`, if there is some; it is allocated as soon as it is in
///   `lists`.
pub struct Parts<'t, 'q> {
    sgl: &'q mut [bindings::scatterlist],
    used: usize,
    lists: &'q mut [*mut bindings::scatterlist; MAX_LISTS],
    table: Option<&'q mut Table>,
    out: u32,
    input: u32,
    entries: usize,
    is_open: bool,
    capacity: u32,
    linear: Range<usize>,
    // Invariant in `'t`: a shorter lifetime would let in memory that does not live long enough.
    _borrowed: PhantomData<fn(&'t ()) -> &'t ()>,
}

impl<'t, 'q> Parts<'t, 'q> {
    /// Starts an empty description, which uses `sgl` and `lists`, and `table` for segments that do
    /// not fit into `sgl`.
    ///
    /// # Safety
    ///
    /// - The entries of `sgl` must have been initialized by `sg_init_table`, and none be a link.
    /// - The addresses in `linear` must be in the linear mapping.
    /// - Memory that can be borrowed for `'t` must be valid for as long as the description is used.
    #[inline]
    pub(super) unsafe fn new(
        sgl: &'q mut [bindings::scatterlist],
        lists: &'q mut [*mut bindings::scatterlist; MAX_LISTS],
        table: Option<&'q mut Table>,
        linear: Range<usize>,
    ) -> Self {
        // INVARIANT: Nothing is described yet.
        Self {
            sgl,
            used: 0,
            lists,
            table,
            out: 0,
            input: 0,
            entries: 0,
            is_open: false,
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
    /// - [`EMSGSIZE`]: the queue was set up for fewer parts, or the buffer has too many lists.
    #[inline]
    pub fn device_readable<T>(&mut self, part: &'t T) -> Result
    where
        T: IntoBytes + Immutable + ?Sized,
    {
        let start = core::ptr::from_ref(part).cast();

        self.push(start, size_of_val(part), Direction::Readable)
    }

    /// Adds memory that the device may write.
    ///
    /// # Errors
    ///
    /// - [`EINVAL`]: the part is empty, its memory cannot be given to a device, or the buffer gets
    ///   longer than a device can tell.
    /// - [`EMSGSIZE`]: the queue was set up for fewer parts, or the buffer has too many lists.
    #[inline]
    pub fn device_writable<T>(&mut self, part: &'t mut T) -> Result
    where
        T: FromBytes + ?Sized,
    {
        let len = size_of_val(part);
        let start = core::ptr::from_mut(part).cast_const().cast();

        self.push(start, len, Direction::Writable)
    }

    /// Adds a [`Part`] that the device reads. The borrow is exclusive because the description of
    /// the part is made here if there is none.
    ///
    /// # Errors
    ///
    /// As for [`device_readable`](Self::device_readable).
    #[inline]
    pub fn device_readable_part<T>(&mut self, part: &'t mut Part<T>) -> Result
    where
        T: IntoBytes + Immutable,
    {
        self.push_part(part, Direction::Readable)
    }

    /// Adds a [`Part`] that the device may write.
    ///
    /// # Errors
    ///
    /// As for [`device_writable`](Self::device_writable).
    #[inline]
    pub fn device_writable_part<T>(&mut self, part: &'t mut Part<T>) -> Result
    where
        T: FromBytes,
    {
        self.push_part(part, Direction::Writable)
    }

    /// Adds segments, for the device to read or to write as they say themselves; nothing if they
    /// are empty.
    ///
    /// # Errors
    ///
    /// - [`EINVAL`]: the device reads them, but a part for it to write was added before.
    /// - [`EMSGSIZE`]: the queue was set up for fewer parts, or the buffer has too many lists.
    /// - [`ENOMEM`]: there is no memory for a scatterlist, where the token has room for its
    ///   description.
    #[inline]
    pub fn segments<S>(&mut self, segments: &S) -> Result
    where
        S: Segments + 't,
    {
        let free = self.sgl.get_mut(self.used..).ok_or(EMSGSIZE)?;

        if segments.max_entries() > free.len() {
            // Not by `&mut self`, which would keep all of it in memory for buffers without a table.
            let (list, mapped) = map_into_table(self.table.as_deref_mut(), segments)?;

            if mapped.entries == 0 {
                return Ok(());
            }
            self.add_list(list, mapped.len, mapped.direction())?;
            // INVARIANT: The last list is not in `sgl`.
            self.is_open = false;
            self.entries += mapped.entries;
            return Ok(());
        }

        // SAFETY: By the type invariant.
        let mapped = unsafe { segments.map(free.as_mut_ptr(), free.len()) }?;

        if mapped.entries == 0 {
            return Ok(());
        }
        if mapped.entries > free.len() {
            return Err(EMSGSIZE);
        }
        // `map` has filled and terminated the entries, with memory that is valid for `'t` by the
        // contract of `Segments`.
        self.append(mapped.entries, mapped.len, mapped.direction())
    }

    /// Adds memory by an entry of `sgl`. Callers have borrowed it for `'t`.
    #[inline(always)]
    fn push(&mut self, start: *const u8, len: usize, direction: Direction) -> Result {
        let len_u32 = u32::try_from(len)?;

        self.check_memory(start as usize, len)?;

        let sg = self.sgl.get_mut(self.used).ok_or(EMSGSIZE)?;

        // SAFETY: `sg` is an initialized entry, and the memory is in the linear mapping.
        unsafe { bindings::sg_set_buf(sg, start.cast(), len_u32) };
        // SAFETY: `sg` is an initialized entry.
        unsafe { bindings::sg_mark_end(sg) };
        self.append(1, len_u32, direction)
    }

    /// Takes the next `entries` of `sgl`, a terminated list, to the last list if they continue it,
    /// or else as a list of their own.
    #[inline(always)]
    fn append(&mut self, entries: usize, len: u32, direction: Direction) -> Result {
        let first = self.sgl.as_mut_ptr().wrapping_add(self.used);

        if self.is_open && (direction == Direction::Readable || self.input > 0) {
            self.capacity = self.capacity_with(len, direction)?;
            // The last entry before is not the end any more.
            //
            // SAFETY: By the type invariant there is one, and it is initialized.
            unsafe { bindings::sg_unmark_end(first.wrapping_sub(1)) };
        } else {
            self.add_list(first, len, direction)?;
        }

        // INVARIANT: The entries are the end of the last list.
        self.used += entries;
        self.entries += entries;
        self.is_open = true;
        Ok(())
    }

    /// Adds a part by its own entry. Callers have borrowed it for `'t`.
    #[inline(always)]
    fn push_part<T>(&mut self, part: &'t mut Part<T>, direction: Direction) -> Result {
        let list = part.list()?;

        // CAST: `list` fails if the size is larger.
        self.add_list(list, size_of::<T>() as u32, direction)?;
        // INVARIANT: The last list is not in `sgl`.
        self.is_open = false;
        self.entries += 1;
        Ok(())
    }

    /// Adds a terminated list of memory that is valid for `'t`.
    #[inline(always)]
    fn add_list(
        &mut self,
        list: *mut bindings::scatterlist,
        len: u32,
        direction: Direction,
    ) -> Result {
        let capacity = self.capacity_with(len, direction)?;
        let count = (self.out + self.input) as usize;

        *self.lists.get_mut(count).ok_or(EMSGSIZE)? = list;
        // INVARIANT: `capacity_with` has checked that what the device reads comes first.
        self.capacity = capacity;
        match direction {
            Direction::Readable => self.out += 1,
            Direction::Writable => self.input += 1,
        }
        Ok(())
    }

    /// Returns the capacity with `len` more bytes of memory.
    ///
    /// # Errors
    ///
    /// [`EINVAL`]: it is for the device to read, but a part for it to write was added before; or
    /// the device could write more bytes than it can tell.
    #[inline(always)]
    fn capacity_with(&self, len: u32, direction: Direction) -> Result<u32> {
        match direction {
            Direction::Readable if self.input > 0 => Err(EINVAL),
            Direction::Readable => Ok(self.capacity),
            Direction::Writable => self.capacity.checked_add(len).ok_or(EINVAL),
        }
    }

    /// Checks that memory can be given to a device.
    #[inline]
    fn check_memory(&self, start: usize, len: usize) -> Result {
        // Where the part is a field of the token's memory, these are constants.
        let room = self.linear.end.wrapping_sub(self.linear.start);
        let offset = start.wrapping_sub(self.linear.start);

        if len > 0 && offset <= room && len <= room - offset {
            Ok(())
        } else {
            check_linear(start, len)
        }
    }

    /// The lists: first those that the device reads, then those that it writes. Returns them with
    /// their numbers.
    ///
    /// # Errors
    ///
    /// [`EINVAL`]: nothing was described.
    #[inline]
    pub(super) fn lists(&mut self) -> Result<(*mut *mut bindings::scatterlist, u32, u32)> {
        if self.entries == 0 {
            return Err(EINVAL);
        }
        Ok((self.lists.as_mut_ptr(), self.out, self.input))
    }

    /// The entries of all lists.
    #[inline]
    pub(super) fn entries(&self) -> usize {
        self.entries
    }

    /// The bytes that the device may write.
    #[inline]
    pub(super) fn capacity(&self) -> u32 {
        self.capacity
    }
}

/// Describes segments in a list of their own, which is terminated if there are any.
#[inline(never)]
fn map_into_table<S: Segments>(
    table: Option<&mut Table>,
    segments: &S,
) -> Result<(*mut bindings::scatterlist, Mapped)> {
    let room = segments.max_entries();
    let list = table.ok_or(EMSGSIZE)?.allocate(room)?;
    // SAFETY: The list was just allocated, with `room` entries.
    let mapped = unsafe { segments.map(list, room) }?;

    if mapped.entries > room {
        return Err(EMSGSIZE);
    }
    Ok((list, mapped))
}

/// What the device does with a part.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Readable,
    Writable,
}

/// Checks that memory has pages, as scatterlists need it: a safe reference can as well point into
/// `vmalloc` memory.
///
/// # Errors
///
/// [`EINVAL`]: it has none, or is empty.
#[inline(never)]
pub(super) fn check_linear(start: usize, len: usize) -> Result {
    let is_linear = |addr: usize| {
        // SAFETY: Any address may be asked about.
        unsafe { bindings::virt_addr_valid(addr as *const c_void) }
    };

    // A safe reference does not wrap around the address space.
    if len > 0 && is_linear(start) && is_linear(start.wrapping_add(len - 1)) {
        Ok(())
    } else {
        Err(EINVAL)
    }
}
