// SPDX-License-Identifier: GPL-2.0

//! The fragments of a packet.
//!
//! C header: [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h)

use super::SkBuff;
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// The largest number of fragments that a packet can have.
pub const MAX_SKB_FRAGS: usize = bindings::MAX_SKB_FRAGS as usize;

/// A fragment of a packet: some bytes of a page.
///
/// # Invariants
///
/// `frag` points to a fragment that a packet has for `'a`.
#[derive(Clone, Copy)]
pub struct Frag<'a> {
    frag: NonNull<bindings::skb_frag_t>,
    _p: PhantomData<&'a SkBuff>,
}

impl Frag<'_> {
    #[inline]
    pub(super) fn as_raw(&self) -> *mut bindings::skb_frag_t {
        self.frag.as_ptr()
    }

    /// The number of bytes.
    #[inline]
    pub fn len(&self) -> usize {
        // CAST: 32 bits fit.
        //
        // SAFETY: By the type invariant, the fragment is valid.
        unsafe { bindings::skb_frag_size(self.frag.as_ptr()) as usize }
    }

    /// Whether there are no bytes.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where in its page it begins.
    #[inline]
    pub fn offset(&self) -> usize {
        // CAST: 32 bits fit.
        //
        // SAFETY: By the type invariant, the fragment is valid.
        unsafe { bindings::skb_frag_off(self.frag.as_ptr()) as usize }
    }
}

/// The fragments of a packet, in their order. They come after the linear part.
pub struct Frags<'a> {
    skb: &'a SkBuff,
    next: usize,
    count: usize,
}

impl<'a> Iterator for Frags<'a> {
    type Item = Frag<'a>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.count {
            return None;
        }
        // SAFETY: By the type invariant of `SkBuff`, the packet is valid, and has this fragment.
        let frag = unsafe { (&raw mut (*self.skb.shinfo()).frags).cast::<bindings::skb_frag_t>() };
        // SAFETY: As above.
        let frag = unsafe { frag.add(self.next) };

        self.next += 1;
        // INVARIANT: The packet does not change while it is borrowed.
        Some(Frag {
            // SAFETY: It is part of an allocation.
            frag: unsafe { NonNull::new_unchecked(frag) },
            _p: PhantomData,
        })
    }

    #[inline]
    fn nth(&mut self, n: usize) -> Option<Self::Item> {
        self.next = self.next.saturating_add(n);
        self.next()
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.count.saturating_sub(self.next);

        (left, Some(left))
    }
}

impl ExactSizeIterator for Frags<'_> {}

impl SkBuff {
    #[inline]
    pub(in crate::net) fn shinfo(&self) -> *mut bindings::skb_shared_info {
        // SAFETY: By the type invariant, the packet is valid.
        unsafe { bindings::skb_shinfo(self.as_raw()) }
    }

    /// The number of fragments.
    #[inline]
    pub fn nr_frags(&self) -> usize {
        // SAFETY: By the type invariant, the packet is valid, so there are no more than
        // `MAX_SKB_FRAGS`.
        usize::from(unsafe { (*self.shinfo()).nr_frags })
    }

    /// The fragments.
    #[inline]
    pub fn frags(&self) -> Frags<'_> {
        Frags {
            skb: self,
            next: 0,
            count: self.nr_frags(),
        }
    }
}
