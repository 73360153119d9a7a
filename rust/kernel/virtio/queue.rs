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
//! C header: [`include/linux/virtio.h`](srctree/include/linux/virtio.h)

use super::{
    parts::MAX_LISTS,
    state::DeviceState,
    token::Token, //
};
use crate::{
    prelude::*,
    static_lock_class,
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
        LockClassKey,
        SpinLockIrq, //
    }, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

mod locked;
mod reset;

pub use self::locked::LockedVirtqueue;

/// What a driver does with a virtqueue.
pub trait Handler: Sized + 'static {
    /// The owner of the memory that a buffer describes.
    type Token: Token;

    /// What the driver keeps with the queue.
    type Context: Send + Sync + 'static;

    /// The device has used buffers (C: `vq_callback_t`).
    ///
    /// Not called before the device is told to start, by [`Found::ready`](super::Found::ready) or
    /// else after probe, nor after the driver's data is gone, and not at all for polled queues.
    ///
    /// # Context
    ///
    /// Hard interrupt; no lock held. The same queue is not called back on two CPUs at once by
    /// sane transports, but do not count on it: the lock of the queue is the guarantee.
    fn done(queue: &Virtqueue<Self>);

    /// A buffer that was not popped comes back, because the device was reset, or the queue.
    ///
    /// Called when the device is removed, frozen or recovered, and by [`Virtqueue::reset`] and
    /// [`Virtqueue::resize`]. Tokens that know how to fail on their own, like block requests, can
    /// just be dropped.
    ///
    /// # Context
    ///
    /// Process context; the lock of the queue is not held. That of the device is, but may be held
    /// by another thread, which waits for the token. Must not wait for the device.
    fn detached(queue: &Virtqueue<Self>, token: Self::Token) {
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
pub struct Virtqueue<H: Handler> {
    #[pin]
    ring: SpinLockIrq<Ring<H>>,
    raw: Atomic<*mut bindings::virtqueue>,
    name: CString,
    index: u32,
    callback: Callback,
    context: H::Context,
}

/// What the lock of a queue protects.
///
/// # Invariants
///
/// - `vq` points to a live `struct virtqueue`, of which nobody else calls operations that need
///   serialization.
/// - All entries of `sgl` were initialized by `sg_init_table`.
/// - Every token in the ring comes from `H::Token::into_raw`.
struct Ring<H: Handler> {
    vq: Option<NonNull<bindings::virtqueue>>,
    /// Whether buffers may be added. Cleared before teardown takes them out.
    open: bool,
    /// Whether C has taken all buffers out of the ring since it was last taken away for a restart.
    recycled: bool,
    /// The descriptors that the ring has.
    size: usize,
    /// The descriptors that one buffer can have at all.
    max_entries: usize,
    /// What [`Parts`](super::Parts) works with.
    sgl: KVVec<bindings::scatterlist>,
    lists: [*mut bindings::scatterlist; MAX_LISTS],
    _handler: PhantomData<fn(H::Token)>,
}

// SAFETY: Nothing in a `Ring` belongs to a thread; the tokens in it are `Send`.
unsafe impl<H: Handler> Send for Ring<H> {}

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

/// The name of the lock of all rings.
static RING_LOCK_NAME: &CStr = c"Virtqueue::ring";

/// The class of the lock of all rings.
///
/// In a generic function, each module would have a copy of the name, but all of them the same key,
/// which lockdep takes for a mistake.
#[inline(never)]
fn ring_lock_class() -> Pin<&'static LockClassKey> {
    static_lock_class!()
}

impl<H: Handler> Virtqueue<H> {
    /// Creates a queue without a ring.
    ///
    /// `max_parts` is the largest number of scatterlist entries in one buffer, without those that
    /// parts have themselves.
    pub(super) fn new(
        name: &CStr,
        index: u32,
        callback: Callback,
        max_parts: usize,
        context: H::Context,
    ) -> Result<Arc<Self>> {
        let name = CString::try_from(name)?;
        let mut sgl = KVVec::from_elem(bindings::scatterlist::default(), max_parts, GFP_KERNEL)?;

        // SAFETY: `sgl` has `max_parts` entries that may be written.
        unsafe { bindings::sg_init_table(sgl.as_mut_ptr(), u32::try_from(max_parts)?) };

        Arc::pin_init(
            pin_init!(Self {
                // INVARIANT: There is no ring, and `sg_init_table` was called just above.
                ring <- SpinLockIrq::new(
                    Ring {
                        vq: None,
                        open: false,
                        recycled: false,
                        size: 0,
                        max_entries: 0,
                        sgl,
                        lists: [core::ptr::null_mut(); MAX_LISTS],
                        _handler: PhantomData,
                    },
                    RING_LOCK_NAME,
                    ring_lock_class(),
                ),
                // INVARIANT: Null.
                raw: Atomic::new(core::ptr::null_mut()),
                name,
                index,
                callback,
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

    /// Takes the lock of the queue.
    #[inline]
    pub fn lock(&self) -> LockedVirtqueue<'_, H> {
        LockedVirtqueue {
            ring: self.ring.lock(),
        }
    }

    /// Tells the device that there are new buffers (C: `virtqueue_notify`).
    ///
    /// To be called when [`LockedVirtqueue::kick_prepare`] said so, after the lock was released.
    ///
    /// # Errors
    ///
    /// - [`ENODEV`]: the queue has no ring.
    /// - [`EIO`]: the queue is broken.
    #[inline]
    pub fn notify(&self) -> Result {
        let _guard = rcu::read_lock();
        let vq = self.raw.load(Acquire);

        if vq.is_null() {
            return Err(ENODEV);
        }
        // SAFETY: By the type invariant `vq` exists until the end of this RCU section.
        if unsafe { bindings::virtqueue_notify(vq) } {
            Ok(())
        } else {
            // SAFETY: As above, and so does the state of the device.
            unsafe { DeviceState::accuse_if_broken(vq) };
            Err(EIO)
        }
    }
}

/// A queue, whatever its handler: what the adapter needs of it.
pub(super) trait AnyVirtqueue: Send + Sync {
    /// Runs the handler, in interrupt context.
    fn interrupt(&self);

    /// How the queue is to be set up.
    fn info(&self) -> (*const c_char, Callback);

    /// Gives the queue its ring.
    ///
    /// # Safety
    ///
    /// `vq` must be live, and operations on it must be left to this queue, until the rings of the
    /// device are deleted. Before that, [`close`](Self::close) must have been called, an RCU grace
    /// period have ended, and [`detach`](Self::detach) have returned.
    unsafe fn attach(&self, vq: NonNull<bindings::virtqueue>);

    /// Lets no more buffers in, and no more notifications out after an RCU grace period.
    fn close(&self);

    /// Gives buffers that the device has not used to the handler, and returns how many there were.
    ///
    /// # Safety
    ///
    /// The device must have been reset.
    unsafe fn reclaim(&self) -> usize;

    /// Gives a buffer that was taken out of the ring to the handler.
    ///
    /// # Safety
    ///
    /// `data` must come from the ring of this queue, after that was reset, and be used once.
    unsafe fn recycle(&self, data: NonNull<c_void>);

    /// Notes that all buffers were taken out of the ring.
    fn recycle_done(&self);

    /// Takes the ring away.
    fn detach(&self);

    /// Whether the queue is broken.
    fn is_broken(&self) -> bool;
}

impl<H: Handler> Virtqueue<H> {
    /// Takes a buffer out of the ring that the device has not used (C:
    /// `virtqueue_detach_unused_buf`).
    ///
    /// # Safety
    ///
    /// The device must have been reset.
    unsafe fn detach_unused(&self) -> Option<H::Token> {
        let ring = self.ring.lock();
        let vq = ring.vq?;

        // SAFETY: By the type invariant `vq` is live, and the lock serializes the call. The queue
        // is not active by the requirement of this function.
        let data = unsafe { bindings::virtqueue_detach_unused_buf(vq.as_ptr()) };

        // SAFETY: By the type invariant the pointer comes from `into_raw`; C clears its slot.
        NonNull::new(data).map(|data| unsafe { H::Token::from_raw(data) })
    }
}

impl<H: Handler> AnyVirtqueue for Virtqueue<H> {
    fn interrupt(&self) {
        H::done(self);
    }

    fn info(&self) -> (*const c_char, Callback) {
        (self.name.as_char_ptr(), self.callback)
    }

    unsafe fn attach(&self, vq: NonNull<bindings::virtqueue>) {
        // SAFETY: `vq` is live by the requirement of this function, and so is its device.
        let low = unsafe { (*(*vq.as_ptr()).vdev).__bindgen_anon_1.features_array[0] };
        let indirect = low & (1 << bindings::VIRTIO_RING_F_INDIRECT_DESC) != 0;
        let mut ring = self.ring.lock();

        // INVARIANT: `vq` is live by the requirement of this function.
        ring.vq = Some(vq);
        ring.open = true;
        // SAFETY: As above.
        ring.size = unsafe { bindings::virtqueue_get_vring_size(vq.as_ptr()) } as usize;
        ring.max_entries = if indirect { usize::MAX } else { ring.size };
        // INVARIANT: As above, until after `close` and a grace period.
        self.raw.store(vq.as_ptr(), Release);
    }

    fn close(&self) {
        self.ring.lock().open = false;
        // INVARIANT: Null.
        self.raw.store(core::ptr::null_mut(), Release);
    }

    unsafe fn reclaim(&self) -> usize {
        let mut count = 0;

        // SAFETY: The device was reset, by the requirement of this function.
        while let Some(token) = unsafe { self.detach_unused() } {
            H::detached(self, token);
            count += 1;
        }
        count
    }

    unsafe fn recycle(&self, data: NonNull<c_void>) {
        // SAFETY: By the type invariant the pointer comes from `into_raw`, and by the requirement
        // of this function it is used once.
        H::detached(self, unsafe { H::Token::from_raw(data) });
    }

    fn recycle_done(&self) {
        self.ring.lock().recycled = true;
    }

    fn detach(&self) {
        // INVARIANT: None.
        self.ring.lock().vq = None;
    }

    fn is_broken(&self) -> bool {
        self.lock().is_broken()
    }
}
