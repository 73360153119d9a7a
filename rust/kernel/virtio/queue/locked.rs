// SPDX-License-Identifier: GPL-2.0

//! Operations on a ring, which need its lock.

use super::{
    super::{
        parts::Parts,
        state::DeviceState,
        token::Token, //
    },
    AddError,
    Handler,
    Ring,
    Used, //
};
use crate::{
    prelude::*,
    sync::lock::spinlock::SpinLockIrqGuard, //
};
use core::ptr::NonNull;

/// Exclusive access to the ring of a [`Virtqueue`](super::Virtqueue). Interrupts are disabled while
/// it exists.
pub struct LockedVirtqueue<'a, H: Handler> {
    pub(super) ring: SpinLockIrqGuard<'a, Ring<H>>,
}

impl<H: Handler> LockedVirtqueue<'_, H> {
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
    /// - [`EMSGSIZE`]: the ring is smaller than the buffer, even when it is empty.
    /// - [`ENOMEM`]: no memory for a bounce buffer, or for the indirect table of a buffer that the
    ///   ring has no room for; try again later.
    /// - [`EAGAIN`]: the queue is broken, but the device is about to be recovered; try again later.
    /// - [`EIO`]: the queue is broken for good.
    /// - [`ENODEV`]: the queue has no ring.
    #[inline]
    pub fn add<F>(&mut self, mut token: H::Token, describe: F) -> Result<(), AddError<H::Token>>
    where
        F: for<'t> FnOnce(<H::Token as Token>::View<'t>, &mut Parts<'t, '_>) -> Result,
    {
        let ring = &mut *self.ring;
        let Some(vq) = ring.vq.filter(|_| ring.open) else {
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
        let mut parts = unsafe { Parts::new(&mut ring.sgl, &mut ring.lists, linear) };
        let described = describe(token.view(), &mut parts).and_then(|()| parts.lists());
        let (lists, out, input) = match described {
            Ok(lists) => lists,
            Err(error) => return Err(AddError { token, error }),
        };
        let entries = parts.entries();

        // C warns about it.
        if entries > ring.max_entries {
            return Err(AddError {
                token,
                error: EMSGSIZE,
            });
        }

        *token.capacity() = parts.capacity();
        let data = token.into_raw();

        // SAFETY:
        // - By the type invariant `vq` is live, and `&mut self` serializes the call.
        // - By the type invariant of `parts`, `lists` holds `out + input` terminated lists, and at
        //   least one of them.
        // - The lists describe memory that was borrowed from the token. By the contract of `Token`
        //   it stays valid and untouched until `from_raw`.
        // - `data` is not null.
        let ret = unsafe {
            bindings::virtqueue_add_sgs(
                vq.as_ptr(),
                lists,
                out,
                input,
                data.as_ptr(),
                bindings::GFP_ATOMIC,
            )
        };

        if ret == 0 {
            return Ok(());
        }
        let recovers = ret == EIO.to_errno() && {
            // SAFETY: By the type invariant `vq` is live. While there is a ring, so is the state
            // of the device.
            unsafe { DeviceState::accuse_if_broken(vq.as_ptr()) }
        };

        Err(AddError {
            // SAFETY: The ring has not taken `data`, which comes from `into_raw` above.
            token: unsafe { H::Token::from_raw(data) },
            // Without memory for an indirect table C looks for room in the ring. There is none
            // for this buffer, however many others are used.
            error: if ret == ENOSPC.to_errno() && entries > ring.size {
                ENOMEM
            } else if recovers {
                EAGAIN
            } else {
                Error::from_errno(ret)
            },
        })
    }

    /// Takes a buffer that the device has used (C: `virtqueue_get_buf`).
    #[inline]
    pub fn pop(&mut self) -> Option<Used<H::Token>> {
        let vq = self.ring.vq?;
        let mut len = 0;

        // SAFETY: By the type invariant `vq` is live, and `&mut self` serializes the call.
        let data = unsafe { bindings::virtqueue_get_buf(vq.as_ptr(), &mut len) };
        let Some(data) = NonNull::new(data) else {
            // SAFETY: As above. While there is a ring, so is the state of the device.
            unsafe { DeviceState::accuse_if_broken(vq.as_ptr()) };
            return None;
        };

        // SAFETY: By the type invariant `data` comes from `into_raw`. The C ring hands out each
        // buffer that was added once, whatever the device writes into the used ring.
        let mut token = unsafe { H::Token::from_raw(data) };
        let capacity = *token.capacity();

        Some(Used {
            token,
            len,
            capacity,
        })
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
        self.ring.vq.is_some_and(|vq| {
            // SAFETY: By the type invariant `vq` is live, and `&mut self` serializes the call.
            unsafe { bindings::virtqueue_kick_prepare(vq.as_ptr()) }
        })
    }

    /// Asks the device for no more callbacks; only a hint (C: `virtqueue_disable_cb`).
    #[inline]
    pub fn disable_cb(&mut self) {
        if let Some(vq) = self.ring.vq {
            // SAFETY: By the type invariant `vq` is live, and `&mut self` serializes the call.
            unsafe { bindings::virtqueue_disable_cb(vq.as_ptr()) };
        }
    }

    /// Asks for callbacks again; false if used buffers are waiting already (C:
    /// `virtqueue_enable_cb`).
    #[inline]
    pub fn enable_cb(&mut self) -> bool {
        self.ring.vq.is_none_or(|vq| {
            // SAFETY: By the type invariant `vq` is live, and `&mut self` serializes the call.
            unsafe { bindings::virtqueue_enable_cb(vq.as_ptr()) }
        })
    }

    /// Asks for a callback when most buffers are used; false if many are waiting already (C:
    /// `virtqueue_enable_cb_delayed`).
    pub fn enable_cb_delayed(&mut self) -> bool {
        self.ring.vq.is_none_or(|vq| {
            // SAFETY: By the type invariant `vq` is live, and `&mut self` serializes the call.
            unsafe { bindings::virtqueue_enable_cb_delayed(vq.as_ptr()) }
        })
    }

    /// The descriptors that are free (C: `virtqueue::num_free`).
    pub fn num_free(&self) -> u32 {
        self.ring.vq.map_or(0, |vq| {
            // SAFETY: By the type invariant `vq` is live; `num_free` changes under the lock only.
            unsafe { (*vq.as_ptr()).num_free }
        })
    }

    /// The descriptors that the ring has (C: `virtqueue_get_vring_size`).
    pub fn vring_size(&self) -> u32 {
        self.ring.vq.map_or(0, |vq| {
            // SAFETY: By the type invariant `vq` is live.
            unsafe { bindings::virtqueue_get_vring_size(vq.as_ptr()) }
        })
    }

    /// Whether device and driver have stopped talking through this queue (C:
    /// `virtqueue_is_broken`). A queue without a ring counts as broken.
    pub fn is_broken(&self) -> bool {
        self.ring.vq.is_none_or(|vq| {
            // SAFETY: By the type invariant `vq` is live.
            unsafe { bindings::virtqueue_is_broken(vq.as_ptr()) }
        })
    }
}
