// SPDX-License-Identifier: GPL-2.0

//! Operations on a ring, which need exclusive access.

use super::{
    super::{
        described::{
            Describe,
            Described, //
        },
        parts::Parts,
        token::Token, //
    },
    access::RingGuard,
    ring::Ring,
    Access,
    AddError,
    Handler,
    Locked,
    Used, //
};
use crate::prelude::*;
use core::ptr::NonNull;

/// Exclusive access to the ring of a [`Virtqueue`](super::Virtqueue).
///
/// From [`Virtqueue::lock`](super::Virtqueue::lock) it is a guard: interrupts are disabled while it
/// exists. A driver may have the locks of several queues, if it always takes them in the same
/// order; they can be released in any.
///
/// From [`ExclusiveVirtqueue::ring`](super::ExclusiveVirtqueue::ring) it is the access of the one
/// user of a queue without a lock.
pub struct LockedVirtqueue<'a, H: Handler<A>, A: Access = Locked> {
    ring: A::Guard<'a, Ring<H::Token>>,
}

impl<'a, H: Handler<A>, A: Access> LockedVirtqueue<'a, H, A> {
    #[inline(always)]
    pub(super) fn new(ring: A::Guard<'a, Ring<H::Token>>) -> Self {
        Self { ring }
    }

    /// The ring of C, if there is one.
    #[inline(always)]
    fn vq(&self) -> Option<NonNull<bindings::virtqueue>> {
        self.ring.get().and_then(Ring::vq)
    }

    /// Adds a buffer (C: `virtqueue_add_sgs`).
    ///
    /// `describe` names the parts of the buffer, which it borrows from the token. On success the
    /// token stays in the ring until [`pop`](Self::pop) returns it.
    ///
    /// # Errors
    ///
    /// The token comes back with the error of `describe`, or with:
    ///
    /// - [`ENOSPC`]: the ring is full; try again after buffers were used.
    /// - [`EMSGSIZE`]: the ring is smaller than the buffer, even when it is empty; or the buffer
    ///   has more parts than an indirect table can have, 32768.
    /// - [`ENOMEM`]: no memory for a bounce buffer, or for the indirect table of a buffer that the
    ///   ring has no room for; try again later.
    /// - [`EAGAIN`]: the queue is broken, but the device is about to be recovered; try again later.
    /// - [`EIO`]: the queue is broken for good.
    /// - [`ENODEV`]: the queue has no ring.
    #[inline]
    pub fn add<F>(&mut self, token: H::Token, describe: F) -> Result<(), AddError<H::Token>>
    where
        F: for<'t> FnOnce(<H::Token as Token>::View<'t>, &mut Parts<'t, '_>) -> Result,
    {
        match self.ring.get_mut() {
            Some(ring) => ring.add(token, describe),
            None => Err(AddError {
                token,
                error: ENODEV,
            }),
        }
    }

    /// Adds a buffer that was described before (C: `virtqueue_add_sgs`).
    ///
    /// # Errors
    ///
    /// The token comes back, as from [`add`](Self::add).
    #[inline]
    pub fn add_described(&mut self, buffer: Described<H::Token>) -> Result<(), AddError<H::Token>>
    where
        H::Token: Describe,
    {
        match self.ring.get_mut() {
            Some(ring) => ring.add_described(buffer),
            None => Err(AddError {
                token: buffer.into_token(),
                error: ENODEV,
            }),
        }
    }

    /// Takes a buffer that the device has used (C: `virtqueue_get_buf`).
    ///
    /// On a split ring, a buffer comes back as it was added, whatever the device has written into
    /// the descriptors. In order, one that does not come back whole is not one that the device has
    /// used: it breaks the queue, and comes back like all that are left, by [`Handler::detached`].
    #[inline]
    pub fn pop(&mut self) -> Option<Used<H::Token>> {
        self.ring.get_mut()?.pop()
    }

    /// Hands all used buffers to `f` and has interrupts enabled when it returns, so that none is
    /// missed: the loop of `virtqueue_disable_cb`, `virtqueue_get_buf` and `virtqueue_enable_cb`
    /// that every callback in C has.
    #[inline]
    pub fn drain(&mut self, mut f: impl FnMut(Used<H::Token>)) {
        loop {
            self.disable_cb();
            while let Some(used) = self.pop() {
                f(used);
                // Saves asking C. If a device claims the contrary, the next round finds out.
                if self.ring.get().is_none_or(Ring::is_empty) {
                    break;
                }
            }
            if self.enable_cb() {
                break;
            }
        }
    }

    /// Publishes the added buffers and returns whether the device wants to be notified (C:
    /// `virtqueue_kick_prepare`).
    #[inline]
    pub fn kick_prepare(&mut self) -> bool {
        self.vq().is_some_and(|vq| {
            // SAFETY: By the type invariant `vq` is live, and `&mut self` serializes the call.
            unsafe { bindings::virtqueue_kick_prepare(vq.as_ptr()) }
        })
    }

    /// Asks the device for no more callbacks; only a hint (C: `virtqueue_disable_cb`).
    #[inline]
    pub fn disable_cb(&mut self) {
        if let Some(vq) = self.vq() {
            // SAFETY: By the type invariant `vq` is live, and `&mut self` serializes the call.
            unsafe { bindings::virtqueue_disable_cb(vq.as_ptr()) };
        }
    }

    /// Asks for callbacks again; false if used buffers are waiting already (C:
    /// `virtqueue_enable_cb`).
    #[inline]
    pub fn enable_cb(&mut self) -> bool {
        self.vq().is_none_or(|vq| {
            // SAFETY: By the type invariant `vq` is live, and `&mut self` serializes the call.
            unsafe { bindings::virtqueue_enable_cb(vq.as_ptr()) }
        })
    }

    /// Asks for a callback when most buffers are used; false if many are waiting already (C:
    /// `virtqueue_enable_cb_delayed`).
    pub fn enable_cb_delayed(&mut self) -> bool {
        self.vq().is_none_or(|vq| {
            // SAFETY: By the type invariant `vq` is live, and `&mut self` serializes the call.
            unsafe { bindings::virtqueue_enable_cb_delayed(vq.as_ptr()) }
        })
    }

    /// The descriptors that are free (C: `virtqueue::num_free`).
    pub fn num_free(&self) -> u32 {
        self.vq().map_or(0, |vq| {
            // SAFETY: By the type invariant `vq` is live; `num_free` changes under the lock only.
            unsafe { (*vq.as_ptr()).num_free }
        })
    }

    /// The descriptors that the ring has (C: `virtqueue_get_vring_size`).
    pub fn vring_size(&self) -> u32 {
        self.vq().map_or(0, |vq| {
            // SAFETY: By the type invariant `vq` is live.
            unsafe { bindings::virtqueue_get_vring_size(vq.as_ptr()) }
        })
    }

    /// Whether device and driver have stopped talking through this queue (C:
    /// `virtqueue_is_broken`). A queue without a ring counts as broken.
    pub fn is_broken(&self) -> bool {
        self.vq().is_none_or(|vq| {
            // SAFETY: By the type invariant `vq` is live.
            unsafe { bindings::virtqueue_is_broken(vq.as_ptr()) }
        })
    }
}
