// SPDX-License-Identifier: GPL-2.0

//! The record of the buffers that a ring has.
//!
//! C keeps the tokens too, but where it takes buffers out of a split ring at the end, or in order,
//! it finds the end of a buffer by flags that the device can write. So what C frees can be more or
//! less than what was added, and then nothing that C says about this ring is good any more. The
//! record is out of reach for the device. It tells whether a buffer came back whole, and which
//! buffers the ring has when C cannot.

use crate::prelude::*;
use core::ptr::NonNull;

/// What is known of one buffer. C has a pointer to this instead of the token.
pub(super) struct Slot {
    /// The token; or, in a free slot, the next free one.
    link: *mut c_void,
    /// The bytes that the device may write.
    capacity: u32,
    /// The descriptors of the ring that were taken. In a free slot, what they were, or zero.
    descriptors: u32,
}

/// The buffers of a ring.
///
/// # Invariants
///
/// - `free` is null if there are no `slots`; otherwise it points to one of them that is free.
///   The same holds for the `link` of free slots, but that of the last one is null.
/// - The `link` of a slot that is not free is what [`take`](Self::take) was called with.
pub(super) struct Record {
    slots: KVVec<Slot>,
    free: *mut Slot,
    is_whole: bool,
}

/// The slots that are not free, while nothing is added.
pub(super) struct InFlight {
    next: usize,
}

impl Record {
    /// Makes a record without slots.
    pub(super) const fn new() -> Self {
        // INVARIANT: There are no slots.
        Self {
            slots: KVVec::new(),
            free: core::ptr::null_mut(),
            is_whole: true,
        }
    }

    /// Allocates the slots for a ring of `size` descriptors.
    ///
    /// There is always one more than buffers that the ring can have: a buffer that C refuses has a
    /// slot, too.
    pub(super) fn slots(size: u32) -> Result<KVVec<Slot>> {
        let count = usize::try_from(size)?.checked_add(1).ok_or(EINVAL)?;
        let mut slots = KVVec::with_capacity(count, GFP_KERNEL)?;

        for _ in 0..count {
            let slot = Slot {
                link: core::ptr::null_mut(),
                capacity: 0,
                descriptors: 0,
            };

            slots.push(slot, GFP_KERNEL)?;
        }
        Ok(slots)
    }

    /// Whether there are slots for a ring of `size` descriptors.
    pub(super) fn has_room_for(&self, size: u32) -> bool {
        self.slots.len() > size as usize
    }

    /// Exchanges the slots. All of them must be free; the tokens of others are lost.
    pub(super) fn replace(&mut self, slots: KVVec<Slot>) -> KVVec<Slot> {
        // INVARIANT: `start` follows before anything is taken.
        self.free = core::ptr::null_mut();
        core::mem::replace(&mut self.slots, slots)
    }

    /// Begins with an empty ring. All slots must be free; the tokens of others are lost.
    pub(super) fn start(&mut self) {
        let mut next = core::ptr::null_mut();

        // INVARIANT: Each slot leads to the one behind it, the last one nowhere.
        for slot in self.slots.iter_mut().rev() {
            slot.link = next;
            next = core::ptr::from_mut(slot).cast();
        }
        self.free = next.cast();
        self.is_whole = true;
    }

    /// The slot that the next buffer will have.
    #[inline(always)]
    pub(super) fn next(&self) -> *mut c_void {
        self.free.cast()
    }

    /// Notes that a buffer was added under the [`next`](Self::next) slot, which took so many
    /// descriptors.
    ///
    /// # Safety
    ///
    /// The record must have slots for the size of its ring, which must have had room for the
    /// buffer.
    #[inline(always)]
    pub(super) unsafe fn take(&mut self, token: NonNull<c_void>, capacity: u32, descriptors: u32) {
        // SAFETY: By the type invariant, and the requirement of this function, the slot is valid.
        let slot = unsafe { &mut *self.free };

        // INVARIANT: There are more slots than buffers, so this is not the last one that is free.
        self.free = slot.link.cast();
        slot.link = token.as_ptr();
        slot.capacity = capacity;
        slot.descriptors = descriptors;
    }

    /// The descriptors that a buffer has taken.
    ///
    /// # Safety
    ///
    /// `slot` must be one that a buffer was added under, and that it still has.
    #[inline(always)]
    pub(super) unsafe fn descriptors(&self, slot: NonNull<Slot>) -> u32 {
        // SAFETY: `slot` is valid by the requirement of this function.
        unsafe { (*slot.as_ptr()).descriptors }
    }

    /// Takes a buffer out of the record. Returns the token, and what the device was allowed to
    /// write.
    ///
    /// # Safety
    ///
    /// As for [`descriptors`](Self::descriptors).
    #[inline(always)]
    pub(super) unsafe fn give_back(&mut self, slot: NonNull<Slot>) -> (NonNull<c_void>, u32) {
        // SAFETY: `slot` is valid by the requirement of this function.
        let fields = unsafe { &mut *slot.as_ptr() };
        let (link, capacity) = (fields.link, fields.capacity);

        // INVARIANT: The slot is free, and leads to the one that was the first until here.
        fields.link = self.free.cast();
        self.free = slot.as_ptr();
        // SAFETY: By the type invariant this is what `take` was called with.
        (unsafe { NonNull::new_unchecked(link) }, capacity)
    }

    /// Whether all that C has said about the ring was true.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Notes that something C has said about the ring is not true.
    pub(super) fn distrust(&mut self) {
        self.is_whole = false;
    }

    /// Looks which slots are not free. Nothing may be added as long as the answer is used.
    pub(super) fn in_flight(&mut self) -> InFlight {
        let mut slot = self.free;

        // SAFETY: By the type invariant these are null or slots, to which nobody else refers.
        while let Some(free) = unsafe { slot.as_mut() } {
            free.descriptors = 0;
            slot = free.link.cast();
        }
        InFlight { next: 0 }
    }

    /// Returns a slot that is not free, if there is one.
    pub(super) fn find(&mut self, in_flight: &mut InFlight) -> Option<NonNull<Slot>> {
        let rest = self.slots.get_mut(in_flight.next..)?;
        let offset = rest.iter().position(|slot| slot.descriptors != 0)?;

        in_flight.next += offset;
        self.slots.get_mut(in_flight.next).map(NonNull::from)
    }

    /// Takes a buffer out of the record that [`find`](Self::find) would find. Returns the token.
    ///
    /// # Safety
    ///
    /// As for [`descriptors`](Self::descriptors).
    pub(super) unsafe fn give_back_found(&mut self, slot: NonNull<Slot>) -> NonNull<c_void> {
        // SAFETY: As required of this function.
        let (token, _) = unsafe { self.give_back(slot) };

        // SAFETY: `slot` is valid by the requirement of this function.
        unsafe { (*slot.as_ptr()).descriptors = 0 };
        token
    }
}
