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
    mem::MaybeUninit, //
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
    /// Puts a value in.
    ///
    /// # Errors
    ///
    /// The value comes back if the queue is full.
    #[inline]
    pub fn push(&mut self, value: T) -> Result<(), T> {
        let places = &*self.0;
        let put = places.put.load(Relaxed);

        // Pairs with the release in `pop`: the place is free.
        if put.wrapping_sub(places.taken.load(Acquire)) >= places.places.len() {
            return Err(value);
        }

        let place = places.place(put);

        // SAFETY: By the type invariants, the place is the producer's, and this is the only one,
        // which is borrowed exclusively.
        unsafe { (*place).write(value) };
        // INVARIANT: The place holds a value. Pairs with the acquire in `front`.
        places.put.store(put.wrapping_add(1), Release);
        Ok(())
    }
}

impl<T> Consumer<T> {
    /// The counter of the next value, if there is one.
    #[inline]
    fn next(&self) -> Option<usize> {
        let taken = self.0.taken.load(Relaxed);

        // Pairs with the release in `push`: the place holds the value.
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

    /// Takes the next value out.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        let taken = self.next()?;
        let place = self.0.place(taken);
        // SAFETY: By the type invariants, the place holds a value, which is the consumer's. This is
        // the only one, which is borrowed exclusively. The value is not in the place after this.
        let value = unsafe { (*place).assume_init_read() };

        // INVARIANT: The place is the producer's again. Pairs with the acquire in `push`.
        self.0.taken.store(taken.wrapping_add(1), Release);
        Some(value)
    }
}

#[cfg(CONFIG_RUST_DRIVER_CORE_KUNIT_TEST)]
mod tests;
