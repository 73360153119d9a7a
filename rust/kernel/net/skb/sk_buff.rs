// SPDX-License-Identifier: GPL-2.0

//! A packet and its owner.
//!
//! C header: [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h)

use super::DropReason;
use crate::prelude::*;
use core::{
    mem::{
        replace,
        ManuallyDrop, //
    },
    ptr::NonNull, //
};

/// A packet.
///
/// Equivalent to a `struct sk_buff *` that has to be passed on or freed. What does either consumes
/// it. One that is dropped is freed as [`DropReason::NOT_SPECIFIED`];
/// [`drop_with`](Self::drop_with) says why. So none gets lost unless it is leaked.
///
/// # Examples
///
/// ```
/// use kernel::net::skb::{
///     DropReason,
///     SkBuff, //
/// };
///
/// fn send(skb: SkBuff, longest: usize) -> Result {
///     if skb.len() > longest {
///         skb.drop_with(DropReason::PKT_TOO_BIG);
///         return Err(EMSGSIZE);
///     }
///     skb.consume();
///     Ok(())
/// }
///
/// let mut skb = SkBuff::new(64, GFP_KERNEL)?;
///
/// skb.put_data(b"some bytes")?;
/// assert_eq!(skb.head(), b"some bytes");
/// assert_eq!(send(skb, 9), Err(EMSGSIZE));
/// # Ok::<(), Error>(())
/// ```
///
/// # Invariants
///
/// `skb` points to a valid `struct sk_buff`, and a reference to it belongs to this. It is not in
/// any list.
#[repr(transparent)]
pub struct SkBuff {
    skb: NonNull<bindings::sk_buff>,
}

// SAFETY: Packets are passed from one CPU to another.
unsafe impl Send for SkBuff {}

// SAFETY: With a shared reference a packet can only be read.
unsafe impl Sync for SkBuff {}

impl SkBuff {
    /// Takes ownership of a packet.
    ///
    /// # Safety
    ///
    /// The invariants of [`SkBuff`] must hold for `skb`, and the reference passes to the caller.
    #[inline]
    pub(crate) unsafe fn from_raw(skb: NonNull<bindings::sk_buff>) -> Self {
        // INVARIANT: By the requirements of this function.
        Self { skb }
    }

    /// Gives up ownership of the packet.
    #[inline]
    pub(crate) fn into_raw(self) -> NonNull<bindings::sk_buff> {
        ManuallyDrop::new(self).skb
    }

    #[inline]
    pub(crate) fn as_raw(&self) -> *mut bindings::sk_buff {
        self.skb.as_ptr()
    }

    /// Makes a packet with room for so many bytes, and some in front of them for headers.
    ///
    /// # Context
    ///
    /// As `flags` say.
    ///
    /// # Errors
    ///
    /// - [`ENOMEM`] if there is no memory.
    /// - [`EOVERFLOW`] if there never could be.
    pub fn new(length: usize, flags: crate::alloc::Flags) -> Result<Self> {
        let length = c_uint::try_from(length).map_err(|_| EOVERFLOW)?;

        // The room before and behind the data is added to this.
        if length > MAX_ALLOC {
            return Err(EOVERFLOW);
        }
        // SAFETY: There need not be a device.
        let skb =
            unsafe { bindings::__netdev_alloc_skb(core::ptr::null_mut(), length, flags.as_raw()) };

        NonNull::new(skb)
            // SAFETY: It is new, and belongs to the caller.
            .map(|skb| unsafe { Self::from_raw(skb) })
            .ok_or(ENOMEM)
    }

    /// Frees a packet that did not get where it should.
    ///
    /// # Context
    ///
    /// Any.
    #[inline]
    pub fn drop_with(self, reason: DropReason) {
        // SAFETY: The packet belongs to this function, and passes to C.
        unsafe { bindings::dev_kfree_skb_any_reason(self.into_raw().as_ptr(), reason.as_raw()) };
    }

    /// Frees a packet that got where it should.
    ///
    /// # Context
    ///
    /// Any. NAPI has [`Poll::consume`](crate::net::napi::Poll::consume), which is faster.
    #[inline]
    pub fn consume(self) {
        // SAFETY: The packet belongs to this function, and passes to C.
        unsafe {
            bindings::dev_kfree_skb_any_reason(
                self.into_raw().as_ptr(),
                bindings::skb_drop_reason_SKB_CONSUMED,
            )
        };
    }

    /// Hands the packet back to the stack, which sends it again when the queue goes on.
    ///
    /// This is how [`Operations::start_xmit`](crate::net::netdev::Operations::start_xmit) says that
    /// there is no room.
    #[inline]
    pub fn busy(self) -> Busy {
        Busy(self)
    }

    /// Whether somebody else has a reference too, so that the packet must not be changed.
    #[inline]
    pub(in crate::net) fn is_shared(&self) -> bool {
        // SAFETY: By the type invariant, the packet is valid.
        unsafe { bindings::skb_shared(self.as_raw()) }
    }

    /// Leaves a packet to the others who have a reference, and becomes another one with its bytes,
    /// which only it has.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] if there is no memory.
    #[cold]
    pub(in crate::net) fn unshare(&mut self) -> Result {
        // SAFETY: By the type invariant, the packet is valid.
        let clone = unsafe { bindings::skb_clone(self.as_raw(), GFP_ATOMIC.as_raw()) };
        let clone = NonNull::new(clone).ok_or(ENOMEM)?;

        // SAFETY: It is new, and belongs to the caller.
        replace(self, unsafe { Self::from_raw(clone) }).consume();
        Ok(())
    }
}

impl Drop for SkBuff {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariant, the packet belongs to this, and it passes to C.
        unsafe {
            bindings::dev_kfree_skb_any_reason(self.as_raw(), DropReason::NOT_SPECIFIED.as_raw())
        };
    }
}

/// The largest packet that is made at once; larger than any card has.
const MAX_ALLOC: c_uint = 1 << 20;

/// A packet that is handed back, since there is no room for it.
///
/// What is handed back must be the packet that came; any other one is dropped.
pub struct Busy(SkBuff);

impl Busy {
    /// Whether it is this packet that is handed back.
    #[inline]
    pub(in crate::net) fn is(&self, skb: NonNull<bindings::sk_buff>) -> bool {
        self.0.skb == skb
    }

    #[inline]
    pub(in crate::net) fn into_raw(self) -> NonNull<bindings::sk_buff> {
        self.0.into_raw()
    }
}
