// SPDX-License-Identifier: GPL-2.0

//! Buffers that packets are received into, and that become packets.
//!
//! C header: [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h)

use super::SkBuff;
use crate::prelude::*;
use core::{
    mem::ManuallyDrop,
    ptr::NonNull, //
};

/// The number of bytes in front of the data that each packet has for headers, and so that the IP
/// header is aligned.
pub const HEADROOM: usize = bindings::SKB_HEADROOM as usize;

/// Rounds up to what the parts of a buffer are aligned to, in C `SKB_DATA_ALIGN()`.
#[inline]
const fn data_align(length: usize) -> usize {
    // CAST: 32 bits fit.
    let mask = bindings::SMP_CACHE_BYTES as usize - 1;

    // Lengths are those of pages.
    length.wrapping_add(mask) & !mask
}

/// How many bytes of data a [`Fragment`] has.
///
/// # Invariants
///
/// A page has room for them, and for what is in front of them and behind them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FragmentSize(usize);

impl FragmentSize {
    /// The size of a fragment with `length` bytes of data; `None` if that is more than a page can
    /// hold.
    #[inline]
    pub const fn new(length: usize) -> Option<Self> {
        let page = crate::page::PAGE_SIZE;

        if length > page || memory_size(length) > page {
            return None;
        }
        // INVARIANT: As was checked above.
        Some(Self(length))
    }

    /// How much memory it takes.
    #[inline]
    fn memory(self) -> c_uint {
        // CAST: By the type invariant, it is no more than a page.
        memory_size(self.0) as c_uint
    }
}

/// How much memory it takes for so many bytes of data.
#[inline]
const fn memory_size(length: usize) -> usize {
    data_align(HEADROOM.wrapping_add(length))
        .wrapping_add(data_align(size_of::<bindings::skb_shared_info>()))
}

/// A piece of memory that can become the linear part of a packet, in C `netdev_alloc_frag()`.
///
/// In front of the data is [`HEADROOM`]; behind it is what packets need for themselves. It can be
/// mapped for a card to write the data, as `Mapping<'_, Fragment, FromDevice>`, and then
/// [made a packet](crate::net::napi::Poll::build_skb).
///
/// # Invariants
///
/// `memory` was allocated as a fragment of `size.memory()` bytes, and belongs to this.
pub struct Fragment {
    memory: NonNull<u8>,
    size: FragmentSize,
}

// SAFETY: It is memory that belongs to this.
unsafe impl Send for Fragment {}

// SAFETY: With a shared reference nothing can be done to it.
unsafe impl Sync for Fragment {}

impl Fragment {
    /// Makes a fragment, whose data is whatever was in that memory before.
    ///
    /// # Context
    ///
    /// Any. In NAPI, [`Poll::alloc_frag`](crate::net::napi::Poll::alloc_frag) is faster.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] if there is no memory.
    #[inline]
    pub fn new(size: FragmentSize) -> Result<Self> {
        // SAFETY: Any size can be asked for.
        let memory = unsafe { bindings::netdev_alloc_frag(size.memory()) };

        // INVARIANT: It was allocated above.
        Ok(Self {
            memory: NonNull::new(memory.cast()).ok_or(ENOMEM)?,
            size,
        })
    }

    /// The same, from what NAPI has set aside on this CPU.
    ///
    /// # Safety
    ///
    /// To be called in a run of NAPI that is not netpoll's, with bottom halves disabled.
    #[inline]
    pub(in crate::net) unsafe fn new_in_napi(size: FragmentSize) -> Result<Self> {
        // `napi_alloc_frag()` of C, without a wish for an alignment.
        //
        // SAFETY: By the requirement of this function.
        let memory = unsafe { bindings::__napi_alloc_frag_align(size.memory(), c_uint::MAX) };

        // INVARIANT: It was allocated above.
        Ok(Self {
            memory: NonNull::new(memory.cast()).ok_or(ENOMEM)?,
            size,
        })
    }

    /// The number of bytes of data.
    #[inline]
    pub fn len(&self) -> usize {
        self.size.0
    }

    /// Whether there is no room for data.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.size.0 == 0
    }

    /// Where the data is.
    #[inline]
    pub(in crate::net) fn data(&self) -> NonNull<u8> {
        // SAFETY: By the type invariant, it is part of the same memory.
        unsafe { self.memory.add(HEADROOM) }
    }

    /// Makes a packet of the first bytes of data, in one piece. To be called in NAPI.
    #[inline]
    pub(in crate::net) fn build_skb(self, length: usize) -> Result<SkBuff, Self> {
        let this = ManuallyDrop::new(self);
        // SAFETY: By the type invariant, the memory is a fragment of this size, and passes to the
        // packet if there is one.
        let skb =
            unsafe { bindings::napi_build_skb(this.memory.as_ptr().cast(), this.size.memory()) };
        let Some(skb) = NonNull::new(skb) else {
            return Err(ManuallyDrop::into_inner(this));
        };

        // CAST: It is no more than a page.
        //
        // SAFETY: The packet is new, and its memory has the room.
        unsafe { bindings::skb_reserve(skb.as_ptr(), HEADROOM as c_int) };
        // CAST: As above.
        //
        // SAFETY: The caller has checked that the fragment has so much room.
        unsafe { bindings::skb_put(skb.as_ptr(), length.min(this.size.0) as c_uint) };
        // SAFETY: The packet is new, and belongs to the caller.
        Ok(unsafe { SkBuff::from_raw(skb) })
    }
}

// SAFETY: The data is in the linear mapping, stays where it is, and belongs to this. Bytes can have
// any value.
unsafe impl crate::dma::streaming::Memory for Fragment {
    #[inline]
    fn bytes(&mut self) -> NonNull<[u8]> {
        NonNull::slice_from_raw_parts(self.data(), self.size.0)
    }
}

impl Drop for Fragment {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariant, it belongs to this.
        unsafe { bindings::skb_free_frag(self.memory.as_ptr().cast()) };
    }
}
