// SPDX-License-Identifier: GPL-2.0

//! A queue between one who puts values into it and one who takes them out, without a lock.
//!
//! # Examples
//!
//! ```
//! use kernel::{
//!     prelude::*,
//!     sync::spsc, //
//! };
//!
//! let (mut producer, mut consumer) = spsc::queue(2, GFP_KERNEL)?;
//!
//! assert!(consumer.front().is_none());
//! assert!(producer.push(1).is_ok());
//! assert!(producer.push(2).is_ok());
//! // It is full, and the value comes back.
//! assert_eq!(producer.push(3), Err(3));
//! assert_eq!(consumer.front(), Some(&1));
//! assert_eq!(consumer.pop(), Some(1));
//! assert!(producer.push(3).is_ok());
//! assert_eq!(consumer.pop(), Some(2));
//! assert_eq!(consumer.pop(), Some(3));
//! assert_eq!(consumer.pop(), None);
//! # Ok::<(), Error>(())
//! ```

use super::{
    atomic::{
        Acquire,
        Atomic,
        Relaxed,
        Release, //
    },
    Arc, //
};
use crate::{
    alloc::Flags,
    prelude::*, //
};
use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    mem::{
        ManuallyDrop,
        MaybeUninit, //
    },
    ops::{
        Deref,
        DerefMut, //
    },
    ptr::NonNull, //
};

/// What both ends have.
///
/// Both counters only ever go up, and start over when they overflow.
///
/// # Invariants
///
/// - The number of places is a power of two.
/// - `put` is written by the [`Producer`] and `taken` by the [`Consumer`]. The first is ahead of
///   the second, by no more than there are places.
/// - The places from that of `taken` up to that of `put`, without it, hold values, which belong to
///   the consumer. The others belong to the producer.
struct Places<T> {
    places: KVVec<UnsafeCell<MaybeUninit<T>>>,
    put: Atomic<usize>,
    taken: Atomic<usize>,
}

// SAFETY: Each place belongs to one end at a time: values go from one to the other. Who shares the
// end that gives out references to them is up to `Consumer`.
unsafe impl<T: Send> Sync for Places<T> {}

// SAFETY: It owns values.
unsafe impl<T: Send> Send for Places<T> {}

impl<T> Places<T> {
    /// The place for a value of a counter.
    #[inline]
    fn place(&self, counter: usize) -> *mut MaybeUninit<T> {
        // By the type invariant, this is the rest of a division.
        let index = counter & self.places.len().wrapping_sub(1);

        // SAFETY: It is less than the number of places.
        UnsafeCell::raw_get(unsafe { self.places.as_ptr().add(index) })
    }
}

impl<T> Drop for Places<T> {
    fn drop(&mut self) {
        let put = self.put.load(Relaxed);
        let mut taken = self.taken.load(Relaxed);

        while taken != put {
            let place = self.place(taken);

            // SAFETY: By the type invariant it holds a value. Both ends are gone.
            unsafe { (*place).assume_init_drop() };
            taken = taken.wrapping_add(1);
        }
    }
}

/// The end of who puts values in.
///
/// # Invariants
///
/// There is no other one with the same places.
pub struct Producer<T>(Arc<Places<T>>);

/// The end of who takes values out.
///
/// A shared reference leads to values, so it can be on several threads only if they can.
///
/// # Invariants
///
/// There is no other one with the same places.
pub struct Consumer<T>(Arc<Places<T>>, PhantomData<T>);

/// Makes a queue for `count` values, or some more.
///
/// # Errors
///
/// - [`ENOMEM`] if there is no memory.
/// - [`EOVERFLOW`] if there never could be.
pub fn queue<T>(count: usize, flags: Flags) -> Result<(Producer<T>, Consumer<T>)> {
    let count = count.checked_next_power_of_two().ok_or(EOVERFLOW)?;
    let mut places = KVVec::with_capacity(count, flags)?;

    for _ in 0..count {
        places.push(UnsafeCell::new(MaybeUninit::uninit()), flags)?;
    }

    // INVARIANT: No place holds a value.
    let places = Arc::new(
        Places {
            places,
            put: Atomic::new(0),
            taken: Atomic::new(0),
        },
        flags,
    )?;

    // INVARIANT: These are the first ones.
    Ok((Producer(places.clone()), Consumer(places, PhantomData)))
}

impl<T> Producer<T> {
    /// Returns a free place, if there is one.
    #[inline]
    pub fn vacancy(&mut self) -> Option<Vacancy<'_, T>> {
        let places = &*self.0;
        let put = places.put.load(Relaxed);

        // Pairs with the release in `Front::free`: the place is free.
        if put.wrapping_sub(places.taken.load(Acquire)) >= places.places.len() {
            return None;
        }
        // INVARIANT: The place is free, and as the producer is borrowed exclusively, it stays so.
        Some(Vacancy { places, put })
    }

    /// Puts a value in.
    ///
    /// # Errors
    ///
    /// The value comes back if the queue is full.
    #[inline]
    pub fn push(&mut self, value: T) -> Result<(), T> {
        match self.vacancy() {
            Some(vacancy) => {
                vacancy.fill(value).publish();
                Ok(())
            }
            None => Err(value),
        }
    }
}

/// A free place.
///
/// # Invariants
///
/// `put` is the counter of the same name, its place belongs to the producer, which is borrowed
/// exclusively, and holds no value.
pub struct Vacancy<'a, T> {
    places: &'a Places<T>,
    put: usize,
}

impl<'a, T> Vacancy<'a, T> {
    /// Puts a value into the place, where it can still be changed: it is not in the queue yet.
    #[inline]
    pub fn fill(self, value: T) -> Filled<'a, T> {
        let Self { places, put } = self;
        let place = places.place(put);

        // SAFETY: By the type invariant, the place is the producer's, which is borrowed
        // exclusively.
        let value = unsafe { (*place).write(value) };

        // INVARIANT: The value was written above.
        Filled {
            places,
            put,
            value: NonNull::from(value),
        }
    }
}

/// A place with a value that is not in the queue yet. If this is dropped, so is the value.
///
/// # Examples
///
/// ```
/// use kernel::{
///     prelude::*,
///     sync::spsc, //
/// };
///
/// let (mut producer, mut consumer) = spsc::queue(2, GFP_KERNEL)?;
/// let mut filled = producer.vacancy().ok_or(EINVAL)?.fill([0; 100]);
///
/// // Large values need not be moved.
/// filled[7] = 1;
/// assert!(consumer.front().is_none());
/// filled.publish();
///
/// let mut front = consumer.front_mut().ok_or(EINVAL)?;
///
/// front[7] += 1;
/// assert_eq!(front[7], 2);
/// front.remove();
/// assert!(consumer.front().is_none());
/// # Ok::<(), Error>(())
/// ```
///
/// # Invariants
///
/// `put` is the counter of the same name, its place belongs to the producer, which is borrowed
/// exclusively, and `value` points to the value that it holds.
pub struct Filled<'a, T> {
    places: &'a Places<T>,
    put: usize,
    value: NonNull<T>,
}

impl<T> Filled<'_, T> {
    /// Puts the value into the queue.
    #[inline]
    pub fn publish(self) {
        let this = ManuallyDrop::new(self);

        // INVARIANT: The place holds a value. Pairs with the acquire in `Consumer::next`.
        this.places.put.store(this.put.wrapping_add(1), Release);
    }
}

impl<T> Deref for Filled<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: By the type invariant, it points to a value, which only this has.
        unsafe { self.value.as_ref() }
    }
}

impl<T> DerefMut for Filled<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: By the type invariant, it points to a value, which only this has.
        unsafe { self.value.as_mut() }
    }
}

impl<T> Drop for Filled<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariant, it points to a value, which nobody uses after this: it is
        // not in the queue.
        unsafe { self.value.drop_in_place() };
    }
}

impl<T> Consumer<T> {
    /// The counter of the next value, if there is one.
    #[inline]
    fn next(&self) -> Option<usize> {
        let taken = self.0.taken.load(Relaxed);

        // Pairs with the release in `Filled::publish`: the place holds the value.
        (self.0.put.load(Acquire) != taken).then_some(taken)
    }

    /// The next value.
    #[inline]
    pub fn front(&self) -> Option<&T> {
        let place = self.0.place(self.next()?);

        // SAFETY: By the type invariants, the place holds a value, which is the consumer's. This is
        // the only one, which is borrowed, so the value is not taken out meanwhile.
        Some(unsafe { (*place).assume_init_ref() })
    }

    /// The next value, where it is. It stays in the queue until it is [removed](Front::remove).
    #[inline]
    pub fn front_mut(&mut self) -> Option<Front<'_, T>> {
        let taken = self.next()?;
        let places = &*self.0;
        let place = places.place(taken);

        // INVARIANT: By the type invariants, the place holds a value, which is the consumer's. This
        // is the only one, which is borrowed exclusively.
        Some(Front {
            places,
            taken,
            // SAFETY: It points to one of the places.
            value: unsafe { NonNull::new_unchecked(place.cast::<T>()) },
        })
    }

    /// Takes the next value out.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        self.front_mut().map(Front::take)
    }
}

/// The next value, in its place.
///
/// # Invariants
///
/// `taken` is the counter of the same name, its place belongs to the consumer, which is borrowed
/// exclusively, and `value` points to the value that it holds.
pub struct Front<'a, T> {
    places: &'a Places<T>,
    taken: usize,
    value: NonNull<T>,
}

impl<T> Front<'_, T> {
    /// Takes the value out.
    #[inline]
    pub fn take(self) -> T {
        // SAFETY: By the type invariant, it points to a value. That is not in the place after this.
        let value = unsafe { self.value.read() };

        self.free();
        value
    }

    /// Takes the value out and drops it.
    #[inline]
    pub fn remove(self) {
        // SAFETY: By the type invariant, it points to a value. That is not in the place after this.
        unsafe { self.value.drop_in_place() };
        self.free();
    }

    /// Gives the place, in which there is no value any more, to the producer.
    #[inline]
    fn free(self) {
        // INVARIANT: The place is the producer's again. Pairs with the acquire in `vacancy`.
        self.places.taken.store(self.taken.wrapping_add(1), Release);
    }
}

impl<T> Deref for Front<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: By the type invariant, it points to a value, which only this has.
        unsafe { self.value.as_ref() }
    }
}

impl<T> DerefMut for Front<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: By the type invariant, it points to a value, which only this has.
        unsafe { self.value.as_mut() }
    }
}

#[cfg(CONFIG_RUST_DRIVER_CORE_KUNIT_TEST)]
mod tests;
