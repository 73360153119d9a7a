// SPDX-License-Identifier: GPL-2.0

//! The bytes of a packet.
//!
//! C header: [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h)

use super::SkBuff;
use crate::{
    error::to_result,
    prelude::*, //
};
use core::mem::MaybeUninit;

/// The length of an Ethernet header in bytes.
pub const ETH_HLEN: usize = bindings::ETH_HLEN as usize;

impl SkBuff {
    /// The number of bytes.
    #[inline]
    pub fn len(&self) -> usize {
        // SAFETY: By the type invariant, the packet is valid.
        //
        // CAST: 32 bits fit.
        unsafe { (*self.as_raw()).len as usize }
    }

    /// Whether there are no bytes.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of bytes in fragments.
    #[inline]
    pub fn data_len(&self) -> usize {
        // SAFETY: By the type invariant, the packet is valid.
        //
        // CAST: 32 bits fit.
        unsafe { (*self.as_raw()).data_len as usize }
    }

    /// The number of bytes in the linear part, which come first.
    #[inline]
    pub fn headlen(&self) -> usize {
        // SAFETY: By the type invariant, the packet is valid.
        let len = unsafe { (*self.as_raw()).len };
        // SAFETY: As above.
        let data_len = unsafe { (*self.as_raw()).data_len };

        // The fragments are part of the whole.
        //
        // CAST: 32 bits fit.
        len.wrapping_sub(data_len) as usize
    }

    /// Whether there are no fragments.
    #[inline]
    pub fn is_linear(&self) -> bool {
        self.data_len() == 0
    }

    #[inline]
    pub(super) fn data(&self) -> *mut u8 {
        // SAFETY: By the type invariant, the packet is valid.
        unsafe { (*self.as_raw()).data }
    }

    /// The linear part.
    #[inline]
    pub fn head(&self) -> &[u8] {
        // SAFETY: The linear part is as long as this, and nobody changes it: the owner of a packet
        // may, and others only before they passed it on.
        unsafe { core::slice::from_raw_parts(self.data(), self.headlen()) }
    }

    /// The number of bytes in front of the data.
    #[inline]
    pub fn headroom(&self) -> usize {
        // SAFETY: By the type invariant, the packet is valid.
        let head = unsafe { (*self.as_raw()).head };

        self.data().addr().wrapping_sub(head.addr())
    }

    /// The number of bytes behind the data; none if there are fragments.
    #[inline]
    pub fn tailroom(&self) -> usize {
        // SAFETY: By the type invariant, the packet is valid.
        let room = unsafe { bindings::skb_tailroom(self.as_raw()) };

        usize::try_from(room).unwrap_or(0)
    }

    /// Makes more room in front of the data, as long as there is no data.
    ///
    /// # Errors
    ///
    /// - [`EBUSY`] if the packet is shared with somebody.
    /// - [`EINVAL`] if there is data, or not so much room behind it.
    pub fn reserve(&mut self, length: usize) -> Result {
        if self.is_shared() {
            return Err(EBUSY);
        }
        if !self.is_empty() || length > self.tailroom() {
            return Err(EINVAL);
        }
        // SAFETY: By the type invariant, the packet is valid. It is not shared, and there is the
        // room.
        unsafe { bindings::skb_reserve(self.as_raw(), c_int::try_from(length)?) };
        Ok(())
    }

    /// Appends bytes.
    ///
    /// # Errors
    ///
    /// As for [`put_with`](Self::put_with).
    #[inline]
    pub fn put_data(&mut self, data: &[u8]) -> Result {
        self.put_with(data.len(), |room| {
            let to = room.as_mut_ptr().cast::<u8>();

            // SAFETY: The room is as long as the data, and nobody else has it.
            unsafe { core::ptr::copy_nonoverlapping(data.as_ptr(), to, data.len()) };
            // SAFETY: All of it was written above.
            Ok(unsafe { core::slice::from_raw_parts_mut(to, data.len()) })
        })
    }

    /// Appends bytes that `fill` writes; it returns what it was given when it has done so.
    ///
    /// # Errors
    ///
    /// - [`ENOSPC`] if there is not so much room.
    /// - [`EBUSY`] if the packet, or its linear part, is shared with somebody.
    /// - [`EINVAL`] if `fill` returns anything else than what it was given.
    /// - What `fill` returns.
    #[inline]
    pub fn put_with(
        &mut self,
        length: usize,
        fill: impl FnOnce(&mut [MaybeUninit<u8>]) -> Result<&mut [u8]>,
    ) -> Result {
        // SAFETY: By the type invariant, the packet is valid.
        if self.is_shared() || unsafe { bindings::skb_cloned(self.as_raw()) } != 0 {
            return Err(EBUSY);
        }
        if length > self.tailroom() {
            return Err(ENOSPC);
        }
        // SAFETY: As there is room, this is a linear packet, whose data ends here.
        let tail = unsafe { self.data().add(self.headlen()) }.cast::<MaybeUninit<u8>>();
        // SAFETY: There is so much room, which belongs to this packet alone.
        let room = unsafe { core::slice::from_raw_parts_mut(tail, length) };

        let filled = fill(room)?;

        if !core::ptr::eq(filled.as_ptr().cast(), tail) || filled.len() != length {
            return Err(EINVAL);
        }
        // CAST: It is no more than the room, which fits.
        //
        // SAFETY: By the type invariant, the packet is valid, and there is the room.
        unsafe { bindings::skb_put(self.as_raw(), length as c_uint) };
        Ok(())
    }

    /// Takes bytes from the end, until there are `length`.
    ///
    /// # Errors
    ///
    /// - [`EBUSY`] if the packet is shared with somebody.
    /// - [`ENOMEM`] if there is no memory, which it takes if there are fragments.
    #[inline]
    pub fn trim(&mut self, length: usize) -> Result {
        if length >= self.len() {
            return Ok(());
        }
        if self.is_shared() {
            return Err(EBUSY);
        }
        // CAST: It is less than the length, which fits.
        //
        // SAFETY: By the type invariant, the packet is valid. It is not shared.
        to_result(unsafe { bindings::pskb_trim(self.as_raw(), length as c_uint) })
    }

    /// Sees to it that the linear part has so many bytes.
    ///
    /// # Errors
    ///
    /// - [`EINVAL`] if the packet does not.
    /// - [`EBUSY`] if the packet is shared with somebody.
    /// - [`ENOMEM`] if there is no memory.
    #[inline]
    pub fn pull_header(&mut self, length: usize) -> Result {
        let headlen = self.headlen();

        if length <= headlen {
            return Ok(());
        }
        if length > self.len() {
            return Err(EINVAL);
        }
        if self.is_shared() {
            return Err(EBUSY);
        }
        let delta = c_int::try_from(length - headlen)?;

        // SAFETY: By the type invariant, the packet is valid. It has so many bytes in fragments,
        // and is not shared.
        if unsafe { bindings::__pskb_pull_tail(self.as_raw(), delta) }.is_null() {
            return Err(ENOMEM);
        }
        Ok(())
    }

    /// Makes the packet as long as the shortest one on an Ethernet, without the check sequence:
    /// 60 bytes. What is added is zero.
    ///
    /// A packet that is shared with somebody, as those of pktgen are, is left to them as it is, and
    /// this becomes another one with the same bytes (C: `skb_share_check()`, `eth_skb_pad()`).
    /// Returns whether it has: that one cannot be handed back as [busy](Self::busy).
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] if there is no memory.
    #[inline]
    pub fn pad(&mut self) -> Result<bool> {
        const ETH_ZLEN: u32 = bindings::ETH_ZLEN;

        // CAST: 32 bits fit.
        if self.len() >= ETH_ZLEN as usize {
            return Ok(false);
        }

        let is_shared = self.is_shared();

        if is_shared {
            self.unshare()?;
        }
        // SAFETY: By the type invariant, the packet is valid. It is not shared. It is not freed on
        // an error.
        to_result(unsafe { bindings::__skb_put_padto(self.as_raw(), ETH_ZLEN, false) })?;
        Ok(is_shared)
    }

    /// Moves all data into the linear part.
    ///
    /// # Errors
    ///
    /// - [`EBUSY`] if the packet is shared with somebody.
    /// - [`ENOMEM`] if there is no memory.
    pub fn linearize(&mut self) -> Result {
        if self.is_linear() {
            return Ok(());
        }
        if self.is_shared() {
            return Err(EBUSY);
        }
        // SAFETY: By the type invariant, the packet is valid. It is not shared.
        to_result(unsafe { bindings::skb_linearize(self.as_raw()) })
    }

    /// Copies bytes out of the packet, from `offset` on, wherever they are.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if it does not have so many.
    pub fn copy_bits(&self, offset: usize, to: &mut [u8]) -> Result {
        let offset = c_int::try_from(offset)?;
        let length = c_int::try_from(to.len())?;

        // SAFETY: By the type invariant, the packet is valid. `to` is valid for so many bytes. C
        // checks what the packet has.
        let result = unsafe {
            bindings::skb_copy_bits(self.as_raw(), offset, to.as_mut_ptr().cast(), length)
        };

        to_result(result).map_err(|_| EINVAL)
    }
}
