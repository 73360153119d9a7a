// SPDX-License-Identifier: GPL-2.0

//! The two ways to have a ring for oneself: its lock, or a handle of which there is one.

use super::{
    exclusive::ExclusiveVirtqueue,
    Handler,
    Virtqueue, //
};
use crate::{
    prelude::*,
    sync::{
        atomic::{
            ordering::Acquire,
            Atomic, //
        },
        rcu,
        Arc,
        LockClassKey,
        SpinLockIrq,
        SpinLockIrqGuard, //
    }, //
};
use core::cell::UnsafeCell;

/// Who may use the ring of a queue.
///
/// Sealed: [`Locked`] and [`Exclusive`] are all there are.
pub trait Access: private::Sealed + Sized + 'static {
    /// What a driver gets of a queue that is ready.
    type Handle<H: Handler<Self>>;

    /// Where a ring is kept.
    #[doc(hidden)]
    type Cell<R: Send + Unpin>: RingCell<R>;

    /// What stands for the exclusive use of a ring.
    #[doc(hidden)]
    type Guard<'a, R: Send + Unpin + 'a>: RingGuard<R>;

    /// Begins with the exclusive use of a ring.
    ///
    /// # Safety
    ///
    /// For [`Exclusive`]: nobody but the caller must use the ring by this function as long as the
    /// guard exists. `raw` must be null from before the adapter uses the ring until after that,
    /// and an RCU grace period be in between at the start.
    #[doc(hidden)]
    unsafe fn guard<'a, R: Send + Unpin>(
        cell: &'a Self::Cell<R>,
        raw: &Atomic<*mut bindings::virtqueue>,
    ) -> Self::Guard<'a, R>;

    /// Makes what a driver gets.
    ///
    /// # Safety
    ///
    /// Must be called once for each queue.
    #[doc(hidden)]
    unsafe fn handle<H: Handler<Self>>(queue: Arc<Virtqueue<H, Self>>) -> Self::Handle<H>;

    /// Opens a ring, and tells users of it: under its lock, or else when this does not use it any
    /// more.
    ///
    /// # Safety
    ///
    /// As for [`RingCell::with`].
    #[doc(hidden)]
    unsafe fn open<R: Send + Unpin, T>(
        cell: &Self::Cell<R>,
        open: impl FnOnce(&mut R) -> T,
        tell: impl FnOnce(T),
    );

    /// Does something about a ring when it is closed, where that can be done at any time.
    #[doc(hidden)]
    fn close<R: Send + Unpin>(cell: &Self::Cell<R>, close: impl FnOnce(&mut R));
}

mod private {
    pub trait Sealed {}

    impl Sealed for super::Locked {}
    impl Sealed for super::Exclusive {}
}

/// Where a ring is kept.
#[doc(hidden)]
// Older compilers do not see that bounds of an associated type lead here.
#[allow(unreachable_pub)]
pub trait RingCell<R>: Send + Sync + Sized {
    /// Puts a ring into its place.
    fn new(ring: R, class: Pin<&'static LockClassKey>) -> impl PinInit<Self>;

    /// Uses the ring from the side of the adapter.
    ///
    /// # Safety
    ///
    /// For [`Exclusive`]: as [`Access::guard`] says. No two threads must do this at once.
    unsafe fn with<T>(&self, f: impl FnOnce(&mut R) -> T) -> T;
}

/// What stands for the exclusive use of a ring.
#[doc(hidden)]
// As above.
#[allow(unreachable_pub)]
pub trait RingGuard<R> {
    /// The ring, unless it is closed.
    fn get(&self) -> Option<&R>;

    /// The ring, unless it is closed.
    fn get_mut(&mut self) -> Option<&mut R>;
}

/// A queue has a lock that disables interrupts: [`Virtqueue::lock`].
pub struct Locked;

/// The name of the lock of all rings.
static RING_LOCK_NAME: &CStr = c"Virtqueue::ring";

/// Returns that name. In a generic function, each module would have a copy of it, and lockdep takes
/// one class of two names for a mistake.
#[inline(never)]
fn ring_lock_name() -> &'static CStr {
    RING_LOCK_NAME
}

impl Access for Locked {
    type Handle<H: Handler<Self>> = Arc<Virtqueue<H, Self>>;
    type Cell<R: Send + Unpin> = SpinLockIrq<R>;
    type Guard<'a, R: Send + Unpin + 'a> = SpinLockIrqGuard<'a, R>;

    #[inline(always)]
    unsafe fn guard<'a, R: Send + Unpin>(
        cell: &'a SpinLockIrq<R>,
        _raw: &Atomic<*mut bindings::virtqueue>,
    ) -> SpinLockIrqGuard<'a, R> {
        cell.lock()
    }

    unsafe fn handle<H: Handler<Self>>(queue: Arc<Virtqueue<H, Self>>) -> Arc<Virtqueue<H, Self>> {
        queue
    }

    unsafe fn open<R: Send + Unpin, T>(
        cell: &SpinLockIrq<R>,
        open: impl FnOnce(&mut R) -> T,
        tell: impl FnOnce(T),
    ) {
        let mut ring = cell.lock();

        // Whoever adds a buffer can notify.
        tell(open(&mut ring));
    }

    fn close<R: Send + Unpin>(cell: &SpinLockIrq<R>, close: impl FnOnce(&mut R)) {
        close(&mut cell.lock());
    }
}

impl<R: Send + Unpin> RingCell<R> for SpinLockIrq<R> {
    fn new(ring: R, class: Pin<&'static LockClassKey>) -> impl PinInit<Self> {
        SpinLockIrq::new(ring, ring_lock_name(), class)
    }

    #[inline(always)]
    unsafe fn with<T>(&self, f: impl FnOnce(&mut R) -> T) -> T {
        f(&mut self.lock())
    }
}

impl<R: Unpin> RingGuard<R> for SpinLockIrqGuard<'_, R> {
    #[inline(always)]
    fn get(&self) -> Option<&R> {
        Some(self)
    }

    #[inline(always)]
    fn get_mut(&mut self) -> Option<&mut R> {
        Some(self)
    }
}

/// A queue has one user, [`ExclusiveVirtqueue`], and no lock.
pub struct Exclusive;

/// The place of a ring without a lock.
#[doc(hidden)]
pub struct ExclusiveCell<R>(UnsafeCell<R>);

// SAFETY: The ring is used by one thread at a time, by the requirements of `RingCell::with` and
// `Access::guard`.
unsafe impl<R: Send> Sync for ExclusiveCell<R> {}

/// The use of a ring without a lock, in an RCU section.
///
/// # Invariants
///
/// Nobody else uses `ring` as long as the RCU section goes on.
#[doc(hidden)]
pub struct ExclusiveGuard<'a, R> {
    ring: Option<&'a mut R>,
    _section: rcu::Guard,
}

impl Access for Exclusive {
    type Handle<H: Handler<Self>> = ExclusiveVirtqueue<H>;
    type Cell<R: Send + Unpin> = ExclusiveCell<R>;
    type Guard<'a, R: Send + Unpin + 'a> = ExclusiveGuard<'a, R>;

    #[inline(always)]
    unsafe fn guard<'a, R: Send + Unpin>(
        cell: &'a ExclusiveCell<R>,
        raw: &Atomic<*mut bindings::virtqueue>,
    ) -> ExclusiveGuard<'a, R> {
        let section = rcu::read_lock();
        let is_closed = raw.load(Acquire).is_null();

        // INVARIANT: By the requirement of this function the caller is the only user, and the
        // adapter waits for the end of this section before it becomes one.
        ExclusiveGuard {
            ring: if is_closed {
                None
            } else {
                // SAFETY: As above, so there is no other reference.
                Some(unsafe { &mut *cell.0.get() })
            },
            _section: section,
        }
    }

    unsafe fn handle<H: Handler<Self>>(queue: Arc<Virtqueue<H, Self>>) -> ExclusiveVirtqueue<H> {
        // By the requirement of this function it is the only handle.
        ExclusiveVirtqueue::new(queue)
    }

    unsafe fn open<R: Send + Unpin, T>(
        cell: &ExclusiveCell<R>,
        open: impl FnOnce(&mut R) -> T,
        tell: impl FnOnce(T),
    ) {
        // SAFETY: As required of this function.
        let opened = unsafe { cell.with(open) };

        // The ring has a user from here on.
        tell(opened);
    }

    fn close<R: Send + Unpin>(_cell: &ExclusiveCell<R>, _close: impl FnOnce(&mut R)) {
        // There may be a user, who finds out by `raw`.
    }
}

impl<R: Send + Unpin> RingCell<R> for ExclusiveCell<R> {
    fn new(ring: R, _class: Pin<&'static LockClassKey>) -> impl PinInit<Self> {
        Self(UnsafeCell::new(ring))
    }

    #[inline(always)]
    unsafe fn with<T>(&self, f: impl FnOnce(&mut R) -> T) -> T {
        // SAFETY: By the requirement of this function there is no other reference.
        f(unsafe { &mut *self.0.get() })
    }
}

impl<R> RingGuard<R> for ExclusiveGuard<'_, R> {
    #[inline(always)]
    fn get(&self) -> Option<&R> {
        self.ring.as_deref()
    }

    #[inline(always)]
    fn get_mut(&mut self) -> Option<&mut R> {
        self.ring.as_deref_mut()
    }
}
