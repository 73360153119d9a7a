// SPDX-License-Identifier: GPL-2.0

//! A ring and what goes with it: all that needs exclusive access.

use super::{
    super::{
        described::{
            Describe,
            Described,
            Lists, //
        },
        parts::{
            Parts,
            MAX_LISTS, //
        },
        state::DeviceState,
        token::Token,
        Device, //
    },
    record::{
        InFlight,
        Record,
        Slot, //
    },
    AddError,
    Used, //
};
use crate::prelude::*;
use core::{
    marker::PhantomData,
    mem::MaybeUninit,
    ptr::NonNull, //
};

/// The entries that the indirect table of one buffer can have. C numbers them with 16 bits, and
/// the virtio specification wants no more than the largest ring has (2.7.5.3.1).
pub(in super::super) const MAX_INDIRECT: usize = 32768;

/// The entries of a buffer that can go without an indirect table.
const MAX_DIRECT: usize = 4;

/// What exclusive access is needed for.
///
/// # Direct and indirect buffers
///
/// C makes an indirect table for each buffer of more than one entry, if the device knows such. That
/// is an allocation for each block request. So a buffer of up to four entries takes descriptors of
/// the ring itself, one for each, as long as five eighths of the ring stay free after that. With a
/// table it takes one, so what is free is room for as many buffers.
///
/// When a ring has run full, no buffer goes without a table until three quarters of it are free
/// again. So a ring that is kept full has as many buffers as it has descriptors; only when it is
/// filled from empty can it be fewer, by less than a third.
///
/// # Invariants
///
/// - `home` and `away` point to a live `struct virtqueue`, of which nobody else calls operations
///   that need serialization, but for the restart of the latter. `vq` is the same as `home`, or
///   none.
/// - While there is a `home`, `record` has slots for its size, and says which buffers it has: every
///   token in it comes from `T::into_raw`, and the data of each buffer in C is a slot.
/// - All entries of `sgl` were initialized by `sg_init_table`.
pub(super) struct Ring<T: Token> {
    /// What operations work on; none while they must not.
    vq: Option<NonNull<bindings::virtqueue>>,
    home: Option<NonNull<bindings::virtqueue>>,
    /// The ring while it is restarted.
    away: Option<NonNull<bindings::virtqueue>>,
    record: Record,
    /// Whether C has taken all buffers out of the ring since it was last taken away for a restart.
    recycled: bool,
    /// The descriptors that are to be free while C does that.
    num_free: u32,
    /// The descriptors that the ring has.
    size: u32,
    /// The descriptors that one buffer can have at all.
    max_entries: usize,
    /// The descriptors that buffers without an indirect table must leave free. More than there are
    /// since the ring was full.
    reserve: u32,
    /// What [`Parts`] works with.
    sgl: KVVec<bindings::scatterlist>,
    lists: [*mut bindings::scatterlist; MAX_LISTS],
    _token: PhantomData<fn(T)>,
}

// SAFETY: Nothing in a `Ring` belongs to a thread; the tokens in it are `Send`.
unsafe impl<T: Token> Send for Ring<T> {}

impl<T: Token> Ring<T> {
    /// Makes what buffers of at most `max_parts` entries need, without a ring.
    pub(super) fn new(max_parts: usize) -> Result<Self> {
        let mut sgl = KVVec::from_elem(bindings::scatterlist::default(), max_parts, GFP_KERNEL)?;

        // SAFETY: `sgl` has `max_parts` entries that may be written.
        unsafe { bindings::sg_init_table(sgl.as_mut_ptr(), u32::try_from(max_parts)?) };

        // INVARIANT: There is no ring, and `sg_init_table` was called just above.
        Ok(Self {
            vq: None,
            home: None,
            away: None,
            record: Record::new(),
            recycled: false,
            num_free: 0,
            size: 0,
            max_entries: 0,
            reserve: 0,
            sgl,
            lists: [core::ptr::null_mut(); MAX_LISTS],
            _token: PhantomData,
        })
    }

    /// Whether there are slots for a ring of `size` descriptors.
    pub(super) fn has_room_for(&self, size: u32) -> bool {
        self.record.has_room_for(size)
    }

    /// Exchanges the slots for others. There must be no ring.
    pub(super) fn replace_slots(&mut self, slots: KVVec<Slot>) -> KVVec<Slot> {
        self.record.replace(slots)
    }

    /// Takes a ring in.
    ///
    /// # Safety
    ///
    /// `vq` must be live until [`detach`](Self::detach), and empty, and operations on it be left to
    /// this. There must be [room](Self::has_room_for) for it.
    pub(super) unsafe fn attach(&mut self, vq: NonNull<bindings::virtqueue>) {
        self.record.start();
        // INVARIANT: By the requirement of this function.
        self.home = Some(vq);
    }

    /// Lets operations at the ring, which is returned.
    pub(super) fn open(&mut self) -> Option<NonNull<bindings::virtqueue>> {
        let vq = self.home?;
        // SAFETY: By the type invariant `vq` is live, and so is its device.
        let low = unsafe { (*(*vq.as_ptr()).vdev).__bindgen_anon_1.features_array[0] };
        let is_indirect = low & (1 << bindings::VIRTIO_RING_F_INDIRECT_DESC) != 0;

        // SAFETY: As above.
        self.size = unsafe { bindings::virtqueue_get_vring_size(vq.as_ptr()) };
        self.max_entries = if is_indirect {
            MAX_INDIRECT
        } else {
            self.size as usize
        };
        self.reserve = self.usual_reserve();
        // INVARIANT: The same.
        self.vq = Some(vq);
        self.vq
    }

    /// The descriptors that buffers without an indirect table leave free for others.
    fn usual_reserve(&self) -> u32 {
        self.size - self.size / 8 * 3
    }

    /// Whether a buffer of so many entries goes without an indirect table. `num_free` descriptors
    /// are free.
    #[inline(always)]
    fn is_direct(&mut self, entries: usize, num_free: u32) -> bool {
        // CAST: At most four.
        let is_direct = entries <= MAX_DIRECT
            && num_free
                .checked_sub(self.reserve)
                .is_some_and(|spare| spare >= entries as u32);

        if !is_direct && self.reserve > self.size {
            self.look_for_room(num_free);
        }
        is_direct
    }

    /// Lets buffers go without indirect tables again if the ring has run empty enough.
    #[cold]
    fn look_for_room(&mut self, num_free: u32) {
        if num_free >= self.size - self.size / 4 {
            self.reserve = self.usual_reserve();
        }
    }

    /// Keeps operations away from the ring.
    pub(super) fn close(&mut self) {
        // INVARIANT: None.
        self.vq = None;
    }

    /// Gives the ring up.
    pub(super) fn detach(&mut self) {
        // INVARIANT: None.
        self.vq = None;
        // INVARIANT: None.
        self.home = None;
    }

    /// The ring that operations work on.
    #[inline]
    pub(super) fn vq(&self) -> Option<NonNull<bindings::virtqueue>> {
        self.vq
    }

    /// The descriptors that the ring has.
    pub(super) fn size(&self) -> u32 {
        self.size
    }

    /// Whether the ring has no buffer, as far as C knows.
    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.vq.is_none_or(|vq| {
            // SAFETY: By the type invariant `vq` is live, and nobody else changes the number.
            unsafe { (*vq.as_ptr()).num_free == self.size }
        })
    }

    /// Takes the ring away for a restart.
    pub(super) fn take_for_restart(&mut self) {
        if let Some(vq) = self.vq.take() {
            // SAFETY: By the type invariant `vq` is live, and nobody else changes the number.
            self.num_free = unsafe { (*vq.as_ptr()).num_free };
        }
        // INVARIANT: The restart has it.
        self.away = self.home.take();
        // The buffers are looked at one by one, as C takes them out.
        self.record.in_flight();
        self.recycled = false;
    }

    /// Notes that C has taken all buffers out of the ring for a restart.
    pub(super) fn recycle_done(&mut self) {
        self.recycled = true;
    }

    /// Ends a restart for the record. Returns whether C has taken all buffers out of the ring, and
    /// those that were added.
    pub(super) fn settle(&mut self) -> bool {
        // INVARIANT: The restart is over.
        self.home = self.away.take();

        let mut in_flight = self.record.in_flight();
        let is_empty = self.record.find(&mut in_flight).is_none();
        let is_over = self.recycled && self.record.is_whole() && is_empty;

        if is_over {
            self.record.start();
        }
        is_over
    }

    /// Begins to take buffers out that the device has not used. Operations have no ring any more.
    pub(super) fn start_reclaim(&mut self) -> InFlight {
        self.close();
        self.record.in_flight()
    }

    /// Adds a buffer.
    #[inline(always)]
    pub(super) fn add<F>(&mut self, mut token: T, describe: F) -> Result<(), AddError<T>>
    where
        F: for<'t> FnOnce(T::View<'t>, &mut Parts<'t, '_>) -> Result,
    {
        let Some(vq) = self.vq else {
            return Err(AddError {
                token,
                error: ENODEV,
            });
        };

        let linear = token.linear_range();
        // SAFETY:
        // - By the type invariant `sgl` was initialized.
        // - By the contract of `Token` the range is in the linear mapping.
        // - `'t` is a lifetime that only the token's memory and static memory have. The former
        //   stays valid while the token is owned or in the ring.
        let mut parts = unsafe { Parts::new(&mut self.sgl, &mut self.lists, None, linear) };
        let described = describe(token.view(), &mut parts).and_then(|()| parts.lists());
        let lists = match described {
            Ok((lists, out, input)) => Lists {
                lists,
                out,
                input,
                entries: parts.entries(),
                capacity: parts.capacity(),
            },
            Err(error) => return Err(AddError { token, error }),
        };

        // C warns about it, or counts wrong.
        if lists.entries > self.max_entries {
            return Err(AddError {
                token,
                error: EMSGSIZE,
            });
        }

        let data = token.into_raw();

        // SAFETY:
        // - By the type invariant of `parts`, `lists` holds `out + input` terminated lists, and at
        //   least one of them.
        // - The lists describe memory that was borrowed from the token. By the contract of `Token`
        //   it stays valid and untouched until `from_raw`.
        let result = unsafe { self.insert(vq, lists, data) };

        result.map_err(|ret| AddError {
            // SAFETY: The ring has not taken `data`, which comes from `into_raw` above.
            token: unsafe { T::from_raw(data) },
            error: self.add_error(vq, ret, lists.entries),
        })
    }

    /// Adds a buffer that was described before.
    #[inline(always)]
    pub(super) fn add_described(&mut self, buffer: Described<T>) -> Result<(), AddError<T>>
    where
        T: Describe,
    {
        let Some(vq) = self.vq else {
            return Err(AddError {
                token: buffer.into_token(),
                error: ENODEV,
            });
        };

        let data = buffer.into_raw();
        // SAFETY: `data` comes from `into_raw`.
        let mut description = unsafe { T::description(data) };
        // SAFETY: By the contract of `Describe` only the ring uses it, which `&mut self` is the
        // access to.
        let lists = unsafe { description.as_mut() }.lists();

        // C warns about it, or counts wrong.
        if lists.entries > self.max_entries {
            return Err(AddError {
                // SAFETY: `data` comes from `into_raw` above.
                token: unsafe { T::from_raw(data) },
                error: EMSGSIZE,
            });
        }

        // SAFETY:
        // - By the invariants of `Description`, which hold for a buffer that is `Described`.
        // - By the contract of `Token` the memory stays valid and untouched until `from_raw`.
        let result = unsafe { self.insert(vq, lists, data) };

        result.map_err(|ret| AddError {
            // SAFETY: The ring has not taken `data`, which comes from `into_raw` above.
            token: unsafe { T::from_raw(data) },
            error: self.add_error(vq, ret, lists.entries),
        })
    }

    /// Adds a buffer to the ring and the record, or returns what C says.
    ///
    /// # Safety
    ///
    /// - `vq` must be the ring that operations work on.
    /// - The lists must be terminated, not be null, have `entries` entries, and be as many as
    ///   `lists` says, at least one.
    /// - They must describe memory that stays valid and untouched until `data` comes out of the
    ///   ring, or this function has failed.
    #[inline(always)]
    unsafe fn insert(
        &mut self,
        vq: NonNull<bindings::virtqueue>,
        lists: Lists,
        data: NonNull<c_void>,
    ) -> Result<(), c_int> {
        // SAFETY: By the type invariant `vq` is live, and nobody else changes the number.
        let before = unsafe { (*vq.as_ptr()).num_free };
        let is_direct = self.is_direct(lists.entries, before);

        // CAST: At most `MAX_INDIRECT`, or the size of the ring.
        let entries = lists.entries as u32;
        let slot = self.record.next();

        let ret = if is_direct {
            // SAFETY: By the requirements of this function. By the type invariant `vq` is live, and
            // `&mut self` serializes the call. There is a slot, so that it is not null.
            unsafe {
                bindings::virtqueue_add_sgs_direct(
                    vq.as_ptr(),
                    lists.lists,
                    entries,
                    lists.out,
                    lists.input,
                    slot,
                )
            }
        } else {
            // SAFETY: As above.
            unsafe {
                bindings::virtqueue_add_sgs_indirect(
                    vq.as_ptr(),
                    lists.lists,
                    entries,
                    lists.out,
                    lists.input,
                    slot,
                    bindings::GFP_ATOMIC,
                )
            }
        };

        if ret != 0 {
            return Err(ret);
        }

        // SAFETY: As above.
        let descriptors = before.wrapping_sub(unsafe { (*vq.as_ptr()).num_free });

        // SAFETY: The buffer was added to the ring that the record is for.
        unsafe { self.record.take(data, lists.capacity, descriptors) };
        Ok(())
    }

    /// Says why a buffer of so many entries was not added, and takes note of a full ring.
    #[cold]
    fn add_error(&mut self, vq: NonNull<bindings::virtqueue>, ret: c_int, entries: usize) -> Error {
        let error = Error::from_errno(ret);

        // Without memory for an indirect table C looks for room in the ring. There is none for this
        // buffer, however many others are used.
        if error == ENOSPC && entries > self.size as usize {
            return ENOMEM;
        }
        if error == ENOSPC {
            self.reserve = u32::MAX;
        }
        if error != EIO {
            return error;
        }
        // Packed rings say this where memory could not be mapped, as well as when they are broken.
        //
        // SAFETY: By the type invariant `vq` is live.
        if !unsafe { bindings::virtqueue_is_broken(vq.as_ptr()) } {
            return ENOMEM;
        }
        // SAFETY: As above. While there is a ring, so is the state of the device.
        if unsafe { DeviceState::accuse_if_broken(vq.as_ptr()) } {
            EAGAIN
        } else {
            EIO
        }
    }

    /// Takes a buffer that the device has used.
    #[inline(always)]
    pub(super) fn pop(&mut self) -> Option<Used<T>> {
        let vq = self.vq?;
        let mut len = MaybeUninit::uninit();
        // SAFETY: By the type invariant `vq` is live, and nobody else changes the number.
        let before = unsafe { (*vq.as_ptr()).num_free };

        // SAFETY: By the type invariant `vq` is live, and `&mut self` serializes the call. No
        // buffer was added with a context.
        let data = unsafe { bindings::virtqueue_get_buf_direct(vq.as_ptr(), len.as_mut_ptr()) };
        let Some(data) = NonNull::new(data) else {
            // SAFETY: As above. While there is a ring, so is the state of the device.
            unsafe { DeviceState::accuse_if_broken(vq.as_ptr()) };
            return None;
        };
        let slot = data.cast();
        // SAFETY: As above.
        let freed = unsafe { (*vq.as_ptr()).num_free }.wrapping_sub(before);

        // SAFETY: By the type invariant the data of a buffer is its slot.
        if freed != unsafe { self.record.descriptors(slot) } {
            self.break_off(vq, freed);
            return None;
        }

        // SAFETY: As above. C hands out each buffer that was added once, whatever the device writes
        // into the used ring.
        let (token, capacity) = unsafe { self.record.give_back(slot) };

        Some(Used {
            // SAFETY: By the type invariant the token comes from `into_raw`. The record has
            // forgotten it.
            token: unsafe { T::from_raw(token) },
            // SAFETY: C has written it along with the buffer.
            len: unsafe { len.assume_init() },
            capacity,
        })
    }

    /// Breaks the queue, because C has freed `freed` descriptors, not those of a buffer.
    #[cold]
    fn break_off(&mut self, vq: NonNull<bindings::virtqueue>, freed: u32) {
        self.distrust(vq, freed);
        // SAFETY: By the type invariant `vq` is live.
        unsafe { bindings::__virtqueue_break(vq.as_ptr()) };
        // SAFETY: As above. While there is a ring, so is the state of the device.
        unsafe { DeviceState::accuse_if_broken(vq.as_ptr()) };
    }

    /// Notes, and says, that C has freed `freed` descriptors, not those of a buffer.
    #[cold]
    fn distrust(&mut self, vq: NonNull<bindings::virtqueue>, freed: u32) {
        // SAFETY: By the type invariant `vq` is live, and so is its device.
        let dev = unsafe { &*(*vq.as_ptr()).vdev.cast::<Device>() };
        // SAFETY: As above.
        let index = unsafe { (*vq.as_ptr()).index };

        if self.record.is_whole() {
            dev_err!(
                dev,
                "queue {}: a buffer came back with {} descriptors, not as many as it had: the \
                 device has changed them\n",
                index,
                freed
            );
        }
        self.record.distrust();
    }

    /// Takes a buffer out of the ring that the device has not used.
    ///
    /// # Safety
    ///
    /// The device must have been reset. `in_flight` must come from the last
    /// [`start_reclaim`](Self::start_reclaim).
    pub(super) unsafe fn detach_unused(&mut self, in_flight: &mut InFlight) -> Option<T> {
        let vq = self.home?;
        // Most rings have a `BUG_ON()` for the call that finds nothing.
        let found = self.record.find(in_flight)?;
        let mut slot = found;

        // Otherwise, what C has mapped for this buffer stays mapped, and a table stays where it is.
        // Whatever else C did would be done to parts of other buffers, or twice. It does not come
        // to that on split rings that do not go in order.
        if self.record.is_whole() {
            // SAFETY: By the type invariant `vq` is live, and nobody else changes the number.
            let before = unsafe { (*vq.as_ptr()).num_free };
            // SAFETY: As above, and `&mut self` serializes the call. The queue is not active by the
            // requirement of this function.
            let data = unsafe { bindings::virtqueue_detach_unused_buf_direct(vq.as_ptr()) };
            // SAFETY: As above.
            let freed = unsafe { (*vq.as_ptr()).num_free }.wrapping_sub(before);

            slot = NonNull::new(data).map_or(found, NonNull::cast);
            // SAFETY: By the type invariant the data of a buffer is its slot, and so is `found`.
            if data.is_null() || freed != unsafe { self.record.descriptors(slot) } {
                self.distrust(vq, freed);
            }
        }

        // SAFETY: As above; C clears its own record of the buffer.
        let token = unsafe { self.record.give_back_found(slot) };

        // SAFETY: By the type invariant the token comes from `into_raw`. The record has forgotten
        // it.
        Some(unsafe { T::from_raw(token) })
    }

    /// Takes a buffer back that C has taken out of the ring, which must have been reset.
    ///
    /// # Safety
    ///
    /// `slot` must be the data of a buffer of this ring, which C has forgotten.
    pub(super) unsafe fn recycle(&mut self, slot: NonNull<c_void>) -> Option<T> {
        let vq = self.away?;
        let slot = slot.cast();
        let before = self.num_free;
        // SAFETY: By the type invariant `vq` is live, and nobody else changes the number.
        let num_free = unsafe { &mut (*vq.as_ptr()).num_free };
        let freed = num_free.wrapping_sub(before);

        // SAFETY: By the requirement of this function.
        self.num_free = before.wrapping_add(unsafe { self.record.descriptors(slot) });
        if *num_free != self.num_free {
            // C goes on until nothing is left, and has a `BUG_ON()` for another number then.
            *num_free = self.num_free;
            self.distrust(vq, freed);
        }

        // SAFETY: By the requirement of this function.
        let token = unsafe { self.record.give_back_found(slot) };

        // SAFETY: By the type invariant the token comes from `into_raw`. The record has forgotten
        // it.
        Some(unsafe { T::from_raw(token) })
    }
}
