// SPDX-License-Identifier: GPL-2.0

//! Buffers that are described before they are added, without the lock of a queue.
//!
//! [`LockedVirtqueue::add`] describes a buffer while the lock is held and interrupts are off, in
//! memory of the queue. Where that takes long, as for a block request with many segments, or where
//! several CPUs share a queue, the token can have room of its own for the description.
//!
//! C header: [`include/linux/scatterlist.h`](srctree/include/linux/scatterlist.h)
//!
//! [`LockedVirtqueue::add`]: super::LockedVirtqueue::add

use super::{
    parts::{
        Parts,
        MAX_LISTS, //
    },
    token::Token,
    AddError, //
};
use crate::prelude::*;
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ptr::NonNull, //
};

/// The scatterlist entries that a description has by itself, as many as in C's virtio-blk driver.
const INLINE_ENTRIES: usize = 2;

/// Room for the description of one buffer.
///
/// # Invariants
///
/// - The entries of `sgl` are as `sg_init_table` leaves them or were filled since; none is a link.
/// - While a [`Described`] or a ring has the token, the first `out + input` of `lists` point to
///   terminated lists, with `entries` entries in all, of memory that belongs to the token. The
///   first `out` of them are for the device to read and the others to write; the latter hold
///   `capacity` bytes. There is at least one.
/// - At other times, `table` is not allocated.
pub struct Description {
    lists: [*mut bindings::scatterlist; MAX_LISTS],
    out: u32,
    input: u32,
    entries: usize,
    capacity: u32,
    sgl: [bindings::scatterlist; INLINE_ENTRIES],
    table: Table,
}

// SAFETY: Nothing in it belongs to a thread: the lists describe memory of a token, which is `Send`.
unsafe impl Send for Description {}

// SAFETY: Nothing can be done with a shared reference.
unsafe impl Sync for Description {}

impl Description {
    /// Room in which nothing is described.
    #[inline]
    pub(crate) fn new() -> Self {
        // INVARIANT: `sg_init_table` leaves zeroes but for the end mark, which is set with the
        // first use. The table is not allocated.
        Self {
            lists: [core::ptr::null_mut(); MAX_LISTS],
            out: 0,
            input: 0,
            entries: 0,
            capacity: 0,
            sgl: pin_init::zeroed(),
            table: Table::new(),
        }
    }

    /// Gives back what was allocated, when the token has come back to its owner.
    #[inline]
    pub(crate) fn release(&mut self) {
        if self.table.is_allocated() {
            self.table.free();
        }
    }

    /// What is described, to be added to a ring.
    #[inline]
    pub(super) fn lists(&mut self) -> Lists {
        Lists {
            lists: self.lists.as_mut_ptr(),
            out: self.out,
            input: self.input,
            entries: self.entries,
            capacity: self.capacity,
        }
    }
}

/// The scatterlists of a buffer.
#[derive(Clone, Copy)]
pub(super) struct Lists {
    /// First those that the device reads, then those that it writes.
    pub(super) lists: *mut *mut bindings::scatterlist,
    /// The number of the former.
    pub(super) out: u32,
    /// The number of the latter.
    pub(super) input: u32,
    /// The number of their entries.
    pub(super) entries: usize,
    /// The bytes that the device may write.
    pub(super) capacity: u32,
}

/// A scatterlist of any length, from the pools that drivers in C use.
///
/// # Invariants
///
/// Unless `orig_nents` is zero, the table was made by `sg_alloc_table_chained` without a first
/// chunk.
pub(super) struct Table(bindings::sg_table);

impl Table {
    fn new() -> Self {
        // INVARIANT: Not allocated.
        Self(pin_init::zeroed())
    }

    #[inline]
    pub(super) fn is_allocated(&self) -> bool {
        self.0.orig_nents != 0
    }

    /// Allocates a list of `entries` entries. It has as many, and ends with the last of them.
    ///
    /// # Errors
    ///
    /// - [`EMSGSIZE`]: there is a list already, or no entry is asked for.
    /// - [`ENOMEM`]: there is no memory.
    #[inline(never)]
    pub(super) fn allocate(&mut self, entries: usize) -> Result<*mut bindings::scatterlist> {
        if self.is_allocated() || entries == 0 {
            return Err(EMSGSIZE);
        }

        let count = c_int::try_from(entries)?;
        // SAFETY: The table may be written, and there is at least one entry. Without a first chunk
        // there is nothing to be said about that.
        let ret = unsafe {
            bindings::sg_alloc_table_chained(&mut self.0, count, core::ptr::null_mut(), 0)
        };

        if ret != 0 {
            // INVARIANT: C has freed what it had got.
            self.0 = pin_init::zeroed();
            return Err(ENOMEM);
        }
        Ok(self.0.sgl)
    }

    #[inline(never)]
    fn free(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::sg_free_table_chained(&mut self.0, 0) };
        // INVARIANT: Not allocated any more.
        self.0 = pin_init::zeroed();
    }
}

/// A [`Token`] with room for the description of its buffer.
///
/// # Safety
///
/// - The [`Description`] must be storage that only the ring uses, and stay where it is for as long
///   as the token exists, also if the value that is the token moves.
/// - [`split`](Self::split) and [`description`](Self::description) must return the same one.
/// - [`Token::from_raw`] must call `Description::release`.
pub unsafe trait Describe: Token {
    /// Borrows the memory that can be described to the device, and the room for that.
    fn split(&mut self) -> (Self::View<'_>, &mut Description);

    /// Returns the room of a token that was given up.
    ///
    /// # Safety
    ///
    /// `ptr` must come from [`Token::into_raw`], and [`Token::from_raw`] not have been called.
    unsafe fn description(ptr: NonNull<c_void>) -> NonNull<Description>;
}

/// A token whose buffer is described, to be added by
/// [`add_described`](super::LockedVirtqueue::add_described).
///
/// Nothing can get at the memory of the token meanwhile, so that the description stays true.
///
/// # Examples
///
/// ```
/// use kernel::{
///     prelude::*,
///     virtio::{
///         Described,
///         Handler,
///         RingBox,
///         Virtqueue, //
///     },
/// };
///
/// fn send<H>(queue: &Virtqueue<H>, buffer: RingBox<[u8; 64]>) -> Result
/// where
///     H: Handler<Token = RingBox<[u8; 64]>>,
/// {
///     let buffer = Described::new(buffer, |bytes, parts| parts.device_readable(bytes))
///         .map_err(|err| err.error)?;
///
///     // The lock is held for the ring alone.
///     queue.lock().add_described(buffer).map_err(|err| err.error)
/// }
/// ```
///
/// # Invariants
///
/// `raw` comes from `T::into_raw`, and is owned. The token's [`Description`] describes its buffer.
#[must_use]
pub struct Described<T: Describe> {
    raw: NonNull<c_void>,
    _token: PhantomData<T>,
}

// SAFETY: It owns a token, which is `Send`.
unsafe impl<T: Describe> Send for Described<T> {}

impl<T: Describe> Described<T> {
    /// Describes a buffer: `describe` names its parts, which it borrows from the token.
    ///
    /// # Errors
    ///
    /// The token comes back with the error of `describe`, or with [`EINVAL`]: nothing was
    /// described. [`ENOMEM`] is returned by [`Parts::segments`] if there is no memory for a
    /// scatterlist.
    #[inline]
    pub fn new<F>(mut token: T, describe: F) -> Result<Self, AddError<T>>
    where
        F: for<'t> FnOnce(T::View<'t>, &mut Parts<'t, '_>) -> Result,
    {
        let linear = token.linear_range();
        let (view, room) = token.split();
        // SAFETY:
        // - By the invariants of `Description`.
        // - By the contract of `Token` the range is in the linear mapping.
        // - `'t` is a lifetime that only the token's memory and static memory have. The former
        //   stays valid while the token is owned or in the ring.
        let mut parts = unsafe {
            Parts::new(
                &mut room.sgl,
                &mut room.lists,
                Some(&mut room.table),
                linear,
            )
        };
        let described = describe(view, &mut parts).and_then(|()| parts.lists());

        match described {
            Ok((_, out, input)) => {
                let (entries, capacity) = (parts.entries(), parts.capacity());

                // INVARIANT: By those of `parts`.
                room.out = out;
                room.input = input;
                room.entries = entries;
                room.capacity = capacity;
                // INVARIANT: Just described; nobody gets at the memory any more.
                Ok(Self {
                    raw: token.into_raw(),
                    _token: PhantomData,
                })
            }
            Err(error) => {
                room.release();
                Err(AddError { token, error })
            }
        }
    }

    /// Takes the token back. Its description is void.
    #[inline]
    pub fn into_token(self) -> T {
        let raw = self.into_raw();

        // SAFETY: By the type invariant, `raw` comes from `into_raw`, and it is used once.
        unsafe { T::from_raw(raw) }
    }

    /// Gives up ownership.
    #[inline]
    pub(crate) fn into_raw(self) -> NonNull<c_void> {
        ManuallyDrop::new(self).raw
    }

    /// Takes ownership again.
    ///
    /// # Safety
    ///
    /// `raw` must come from [`into_raw`](Self::into_raw) and be used once.
    #[inline]
    pub(crate) unsafe fn from_raw(raw: NonNull<c_void>) -> Self {
        // INVARIANT: By the requirement of this function.
        Self {
            raw,
            _token: PhantomData,
        }
    }
}

impl<T: Describe> Drop for Described<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, and `self` is about to go.
        drop(unsafe { T::from_raw(self.raw) });
    }
}
