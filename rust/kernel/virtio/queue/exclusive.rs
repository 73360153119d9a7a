// SPDX-License-Identifier: GPL-2.0

//! A queue that its one user needs no lock for.

use super::{
    super::Device,
    Exclusive,
    Handler,
    LockedVirtqueue,
    Virtqueue, //
};
use crate::{
    device::Core,
    prelude::*,
    sync::Arc, //
};
use core::ops::Deref;

/// The one handle of a queue without a lock.
///
/// For drivers that serialize the use of a queue anyway: those that have several queues under one
/// lock, or one thread that does all. The handle is put where that lock, or that thread, has it:
/// `&mut` is what stands for the exclusive use. What needs no such thing, like
/// [`notify`](Virtqueue::notify), is done with the [`queue`](Self::queue).
///
/// [`Handler::done`] gets the queue without the handle. It reaches the handle as the driver has
/// arranged, usually through its [`Context`](Handler::Context).
///
/// A context that keeps the handle keeps the queue, which keeps the context. Such a circle is to be
/// broken when the driver leaves, by taking the handle out of the context.
///
/// # Examples
///
/// ```
/// use kernel::{
///     prelude::*,
///     sync::SpinLockIrq,
///     virtio::{
///         Exclusive,
///         ExclusiveVirtqueue,
///         Handler,
///         RingBox,
///         Virtqueue, //
///     },
/// };
///
/// /// A queue that is looked at by the thread that has the handle.
/// struct Events;
///
/// impl Handler<Exclusive> for Events {
///     type Token = RingBox<[u8; 8]>;
///     type Context = ();
///
///     fn done(_queue: &Virtqueue<Self, Exclusive>) {
///         // Wakes that thread.
///     }
/// }
///
/// /// One lock for both queues of a driver.
/// struct Port {
///     state: SpinLockIrq<(ExclusiveVirtqueue<Events>, ExclusiveVirtqueue<Events>)>,
/// }
///
/// /// Gives each event back to the device, by the other queue.
/// fn echo(port: &Port) -> Result {
///     let mut state = port.state.lock();
///     let (events, answers) = &mut *state;
///     let mut notify = false;
///
///     while let Some(used) = events.ring().pop() {
///         let mut ring = answers.ring();
///
///         ring.add(used.token, |bytes, parts| parts.device_readable(bytes))
///             .map_err(|err| err.error)?;
///         notify |= ring.kick_prepare();
///     }
///
///     let queue = answers.queue().clone();
///
///     drop(state);
///     if notify {
///         queue.notify()?;
///     }
///     Ok(())
/// }
/// # let _ = echo;
/// ```
///
/// # Invariants
///
/// There is one handle of a queue.
pub struct ExclusiveVirtqueue<H: Handler<Exclusive>>(Arc<Virtqueue<H, Exclusive>>);

impl<H: Handler<Exclusive>> ExclusiveVirtqueue<H> {
    /// Makes the handle of a queue. Callers see to it that there is no other.
    pub(super) fn new(queue: Arc<Virtqueue<H, Exclusive>>) -> Self {
        // INVARIANT: This is the first and the last.
        Self(queue)
    }

    /// The queue, for what needs no exclusive use.
    #[inline]
    pub fn queue(&self) -> &Arc<Virtqueue<H, Exclusive>> {
        &self.0
    }

    /// Begins with operations on the ring.
    ///
    /// # Context
    ///
    /// Any. What is returned is an RCU section: it must not sleep, and the ring cannot be taken
    /// away, nor the device be removed, before it ends.
    #[inline]
    pub fn ring(&mut self) -> LockedVirtqueue<'_, H, Exclusive> {
        // SAFETY: By the type invariant there is no other handle, and this one is borrowed. The
        // adapter uses the ring after `raw` became null, and a grace period has passed.
        unsafe { self.0.begin() }
    }

    /// Gives the ring at most `num` descriptors. See [`Virtqueue::resize`].
    ///
    /// # Errors
    ///
    /// As for [`Virtqueue::resize`].
    ///
    /// # Context
    ///
    /// As for [`Virtqueue::resize`].
    pub fn resize(&mut self, dev: &Device<Core<'_>>, num: u32) -> Result {
        // SAFETY: By the type invariant there is no other handle, and this one is borrowed.
        unsafe { self.0.resize_exclusive(dev, num) }
    }

    /// Empties the ring. See [`Virtqueue::reset`].
    ///
    /// # Errors
    ///
    /// As for [`Virtqueue::reset`].
    ///
    /// # Context
    ///
    /// As for [`Virtqueue::reset`].
    pub fn reset(&mut self, dev: &Device<Core<'_>>) -> Result {
        // SAFETY: By the type invariant there is no other handle, and this one is borrowed.
        unsafe { self.0.reset_exclusive(dev) }
    }
}

impl<H: Handler<Exclusive>> Deref for ExclusiveVirtqueue<H> {
    type Target = Virtqueue<H, Exclusive>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}
