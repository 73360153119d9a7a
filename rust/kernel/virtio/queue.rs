// SPDX-License-Identifier: GPL-2.0

//! Virtqueues.
//!
//! A [`Virtqueue`] outlives the rings that the transport gives it: they come with
//! [`find`](super::VirtqueueSetup::find), go when the device is frozen, come back when it is
//! restored, and go for good after the driver's data. While a queue is restarted, by
//! [`Virtqueue::reset`] or [`Virtqueue::resize`], it has none either. Without a ring all operations
//! fail with [`ENODEV`]. So a reference to a queue, however it is kept, is never a danger.
//!
//! # Locks
//!
//! Operations on the ring are methods of [`LockedVirtqueue`], the guard of a lock that disables
//! interrupts. [`Virtqueue::notify`] needs no lock and belongs outside of it: it is an exit to the
//! hypervisor on most transports.
//!
//! A driver that serializes the use of its queues anyway does without that lock: it adds a queue
//! as [`Exclusive`], and gets an [`ExclusiveVirtqueue`], whose operations need `&mut`.
//!
//! C header: [`include/linux/virtio.h`](srctree/include/linux/virtio.h)

use super::{
    state::DeviceState,
    token::Token, //
};
use crate::{
    prelude::*,
    str::CString,
    sync::{
        atomic::{
            ordering::{
                Acquire,
                Release, //
            },
            Atomic, //
        },
        rcu,
        Arc,
        LockClassKey, //
    }, //
};
use core::ptr::NonNull;

mod access;
mod exclusive;
mod locked;
mod record;
mod reset;
mod ring;

pub(super) use self::ring::MAX_INDIRECT;
pub use self::{
    access::{
        Access,
        Exclusive,
        Locked, //
    },
    exclusive::ExclusiveVirtqueue,
    locked::LockedVirtqueue, //
};

use self::{
    access::RingCell,
    record::Record,
    ring::Ring, //
};

/// What a driver does with a virtqueue.
///
/// `A` says how the driver has the ring of the queue for itself: by the lock of the queue, or as
/// the only user of a queue without one.
pub trait Handler<A: Access = Locked>: Sized + 'static {
    /// The owner of the memory that a buffer describes.
    type Token: Token;

    /// What the driver keeps with the queue.
    type Context: Send + Sync + 'static;

    /// The device has used buffers (C: `vq_callback_t`).
    ///
    /// Not called before the device is told to start, by [`Found::ready`](super::Found::ready) or
    /// else after probe, and not at all for polled queues. It is called until the device was reset
    /// at the end, when the driver's data is gone already: what it needs is in the
    /// [`Context`](Self::Context).
    ///
    /// # Context
    ///
    /// Hard interrupt. Transports hold locks of their own where queues share an interrupt. The same
    /// queue is not called back on two CPUs at once by sane transports, but do not count on it: the
    /// lock of the queue is the guarantee.
    fn done(queue: &Virtqueue<Self, A>);

    /// A buffer that was not popped comes back, because the device was reset, or the queue.
    ///
    /// Called when probe fails, when the device is removed, frozen, recovered, given up or shut
    /// down, when its transport is reset, and by [`Virtqueue::reset`] and [`Virtqueue::resize`].
    /// Tokens that know how to fail on their own, like block requests, can just be dropped.
    ///
    /// # Context
    ///
    /// Process context; the lock of the queue is not held. That of the device may be held, by this
    /// thread or by another one, which waits for the token, or by nobody. Must not wait for the
    /// device, nor reset or resize a queue; where memory can be written back to the device, nor
    /// wait for that in an allocation (C: `GFP_NOIO`).
    fn detached(queue: &Virtqueue<Self, A>, token: Self::Token) {
        let _ = queue;
        drop(token);
    }
}

/// How the driver learns about used buffers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Callback {
    /// [`Handler::done`] is called in interrupt context.
    Interrupt,
    /// The driver looks by itself.
    Polled,
}

/// A virtqueue (C: `struct virtqueue`).
///
/// # Invariants
///
/// `raw` is null or points to a `struct virtqueue` that exists for at least one RCU grace period
/// after `raw` became null.
#[pin_data]
pub struct Virtqueue<H: Handler<A>, A: Access = Locked> {
    #[pin]
    ring: A::Cell<Ring<H::Token>>,
    raw: Atomic<*mut bindings::virtqueue>,
    name: CString,
    index: u32,
    callback: Callback,
    context: H::Context,
}

/// Why a buffer could not be added, with its token.
#[must_use]
pub struct AddError<T> {
    /// The token, owned by the caller again.
    pub token: T,
    /// The reason.
    pub error: Error,
}

/// A buffer that the device has used.
#[must_use]
pub struct Used<T> {
    /// The token, owned by the caller again.
    pub token: T,
    len: u32,
    capacity: u32,
}

impl<T> Used<T> {
    /// The bytes that the device says it has written, from the start of the writable parts. At
    /// most [`capacity`](Self::capacity).
    pub fn len(&self) -> u32 {
        self.len.min(self.capacity)
    }

    /// Whether the device says it has written nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes that the device was allowed to write.
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    /// Whether the device says it has written more than it was given, which it cannot have.
    pub fn is_overrun(&self) -> bool {
        self.len > self.capacity
    }
}

/// How a queue is set up.
pub(super) struct Setup<'a> {
    pub(super) name: &'a CStr,
    pub(super) index: u32,
    pub(super) callback: Callback,
    /// The largest number of scatterlist entries in one buffer, without those that parts have
    /// themselves.
    pub(super) max_parts: usize,
    /// The class of the lock, if there is one.
    pub(super) class: Pin<&'static LockClassKey>,
}

impl<H: Handler<A>, A: Access> Virtqueue<H, A> {
    /// Creates a queue without a ring.
    pub(super) fn new(setup: Setup<'_>, context: H::Context) -> Result<Arc<Self>> {
        let name = CString::try_from(setup.name)?;
        let ring = Ring::<H::Token>::new(setup.max_parts)?;

        Arc::pin_init(
            pin_init!(Self {
                ring <- A::Cell::new(ring, setup.class),
                // INVARIANT: Null.
                raw: Atomic::new(core::ptr::null_mut()),
                name,
                index: setup.index,
                callback: setup.callback,
                context,
            }),
            GFP_KERNEL,
        )
    }

    /// What the driver keeps with the queue.
    #[inline]
    pub fn context(&self) -> &H::Context {
        &self.context
    }

    /// The number of the queue in the device (C: `virtqueue::index`).
    #[inline]
    pub fn index(&self) -> u32 {
        self.index
    }

    /// The name of the queue (C: `virtqueue::name`).
    pub fn name(&self) -> &CStr {
        &self.name
    }

    /// Begins with the exclusive use of the ring.
    ///
    /// # Safety
    ///
    /// If the ring has no lock, there must be no other user as long as this exists.
    #[inline(always)]
    pub(super) unsafe fn begin(&self) -> LockedVirtqueue<'_, H, A> {
        // SAFETY: As required of this function. By the type invariant the adapter waits for a grace
        // period between the end of `raw` and that of the ring, and uses the ring after it.
        LockedVirtqueue::new(unsafe { A::guard(&self.ring, &self.raw) })
    }

    /// Calls `f` with the ring of C, if there is one, which exists until `f` returns.
    #[inline]
    fn with_raw<T>(&self, f: impl FnOnce(*mut bindings::virtqueue) -> T) -> Option<T> {
        let _guard = rcu::read_lock();
        let vq = self.raw.load(Acquire);

        (!vq.is_null()).then(|| f(vq))
    }

    /// The descriptors that the ring has; 0 without a ring.
    pub(super) fn vring_size(&self) -> u32 {
        self.with_raw(|vq| {
            // SAFETY: `with_raw` passes a live ring.
            unsafe { bindings::virtqueue_get_vring_size(vq) }
        })
        .unwrap_or(0)
    }

    /// Tells the device that there are new buffers (C: `virtqueue_notify`).
    ///
    /// To be called when [`LockedVirtqueue::kick_prepare`] said so, after the lock was released.
    ///
    /// # Context
    ///
    /// Any.
    ///
    /// # Errors
    ///
    /// Whatever it is, buffers that were added stay where they are, and come back by
    /// [`Handler::detached`] if not otherwise.
    ///
    /// - [`ENODEV`]: the queue has no ring, or loses it just now.
    /// - [`EIO`]: the queue is broken. The device is recovered, if it can be.
    #[inline]
    pub fn notify(&self) -> Result {
        self.with_raw(|vq| {
            // SAFETY: `with_raw` passes a live ring.
            if unsafe { bindings::virtqueue_notify(vq) } {
                return Ok(());
            }
            // SAFETY: As above. While there is a ring, so is the state of the device.
            unsafe { DeviceState::accuse_if_broken(vq) };
            Err(EIO)
        })
        .unwrap_or(Err(ENODEV))
    }
}

impl<H: Handler> Virtqueue<H> {
    /// Takes the lock of the queue.
    ///
    /// # Context
    ///
    /// Any. Interrupts are off until the result is dropped, so nothing in between may sleep.
    #[inline]
    pub fn lock(&self) -> LockedVirtqueue<'_, H> {
        // SAFETY: The ring has a lock.
        unsafe { self.begin() }
    }
}

/// A queue, whatever its handler: what the adapter needs of it.
pub(super) trait AnyVirtqueue: Send + Sync {
    /// Runs the handler, in interrupt context.
    fn interrupt(&self);

    /// How the queue is to be set up.
    fn info(&self) -> (*const c_char, Callback);

    /// Gives the queue its ring, which operations do not reach yet.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`]: there is no memory. The queue has no ring then.
    ///
    /// # Safety
    ///
    /// `vq` must be live and empty, and operations on it must be left to this queue, until the
    /// rings of the device are deleted. Before that, [`close`](Self::close) must have been called,
    /// an RCU grace period have ended, and [`detach`](Self::detach) have returned. The same if the
    /// queue had another ring before.
    unsafe fn attach(&self, vq: NonNull<bindings::virtqueue>) -> Result;

    /// Lets buffers in, and notifications out.
    ///
    /// # Safety
    ///
    /// The queue must have a ring, and nobody else use that. Called by one thread at a time, as for
    /// [`attach`](Self::attach).
    unsafe fn open(&self);

    /// Lets no more buffers in, and no more notifications out after an RCU grace period.
    fn close(&self);

    /// Gives buffers that the device has not used to the handler, and returns how many there were.
    ///
    /// # Safety
    ///
    /// The device must have been reset, and before that [`close`](Self::close) have been called and
    /// an RCU grace period have ended. Called by one thread at a time, as for
    /// [`attach`](Self::attach) and [`detach`](Self::detach).
    unsafe fn reclaim(&self) -> usize;

    /// Gives a buffer that C has taken out of the ring to the handler.
    ///
    /// # Safety
    ///
    /// `data` must come from the ring of this queue, after that was reset, and be used once.
    unsafe fn recycle(&self, data: NonNull<c_void>);

    /// Notes that all buffers were taken out of the ring.
    ///
    /// # Safety
    ///
    /// As for [`recycle`](Self::recycle).
    unsafe fn recycle_done(&self);

    /// Takes the ring away.
    ///
    /// # Safety
    ///
    /// [`close`](Self::close) must have been called, and an RCU grace period have ended.
    unsafe fn detach(&self);

    /// Whether the queue is broken.
    fn is_broken(&self) -> bool;
}

impl<H: Handler<A>, A: Access> AnyVirtqueue for Virtqueue<H, A> {
    fn interrupt(&self) {
        H::done(self);
    }

    fn info(&self) -> (*const c_char, Callback) {
        (self.name.as_char_ptr(), self.callback)
    }

    unsafe fn attach(&self, vq: NonNull<bindings::virtqueue>) -> Result {
        // SAFETY: `vq` is live by the requirement of this function.
        let size = unsafe { bindings::virtqueue_get_vring_size(vq.as_ptr()) };
        // What the ring can grow to.
        //
        // SAFETY: As above.
        let size = size.max(unsafe { (*vq.as_ptr()).num_max });
        // SAFETY: By the requirement of this function, the queue has no ring, and the adapter calls
        // for one queue on one thread.
        let has_room = unsafe { self.ring.with(|ring| ring.has_room_for(size)) };

        if !has_room {
            let slots = Record::slots(size)?;

            // SAFETY: As above.
            drop(unsafe { self.ring.with(|ring| ring.replace_slots(slots)) });
        }
        // SAFETY: As above, and as required of this function.
        unsafe { self.ring.with(|ring| ring.attach(vq)) };
        Ok(())
    }

    unsafe fn open(&self) {
        let tell = |vq: Option<NonNull<bindings::virtqueue>>| {
            if let Some(vq) = vq {
                // INVARIANT: Until after `close` and a grace period, by the requirement of
                // `attach`.
                self.raw.store(vq.as_ptr(), Release);
            }
        };

        // SAFETY: By the requirement of this function, nobody else uses the ring.
        unsafe { A::open(&self.ring, Ring::open, tell) };
    }

    fn close(&self) {
        A::close(&self.ring, Ring::close);
        // INVARIANT: Null.
        self.raw.store(core::ptr::null_mut(), Release);
    }

    unsafe fn reclaim(&self) -> usize {
        // SAFETY: If the ring has no lock, its user is kept out since a grace period ago.
        let mut in_flight = unsafe { self.ring.with(Ring::start_reclaim) };
        let mut count = 0;

        loop {
            // SAFETY: As above. The device was reset, by the requirement of this function, and the
            // reclaim has begun just above.
            let token = unsafe { self.ring.with(|ring| ring.detach_unused(&mut in_flight)) };
            let Some(token) = token else {
                break;
            };

            H::detached(self, token);
            count += 1;
        }
        count
    }

    unsafe fn recycle(&self, data: NonNull<c_void>) {
        // SAFETY: By the requirement of this function. The ring was taken away for a restart, whose
        // caller is the only user of a ring without a lock.
        if let Some(token) = unsafe { self.ring.with(|ring| ring.recycle(data)) } {
            H::detached(self, token);
        }
    }

    unsafe fn recycle_done(&self) {
        // SAFETY: As in `recycle`.
        unsafe { self.ring.with(Ring::recycle_done) };
    }

    unsafe fn detach(&self) {
        // SAFETY: If the ring has no lock, its user is kept out since a grace period ago, by the
        // requirement of this function.
        unsafe { self.ring.with(Ring::detach) };
    }

    fn is_broken(&self) -> bool {
        self.with_raw(|vq| {
            // SAFETY: `with_raw` passes a live ring.
            unsafe { bindings::virtqueue_is_broken(vq) }
        })
        .unwrap_or(true)
    }
}
