// SPDX-License-Identifier: GPL-2.0

//! The data of a request in memory.
//!
//! C header: [`include/linux/bvec.h`](srctree/include/linux/bvec.h)

use super::op;
use crate::{
    page::PAGE_SIZE,
    prelude::*, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// The data that a request reads or writes.
///
/// # Invariants
///
/// `rq` points to a request that is owned by the driver for `'a` and has not ended.
#[derive(Clone, Copy)]
pub struct Payload<'a> {
    rq: NonNull<bindings::request>,
    _request: PhantomData<&'a ()>,
}

impl<'a> Payload<'a> {
    /// # Safety
    ///
    /// `rq` must point to a request that is owned by the driver for `'a`.
    #[inline]
    pub(super) unsafe fn new(rq: NonNull<bindings::request>) -> Self {
        // INVARIANT: By the requirement of this function.
        Self {
            rq,
            _request: PhantomData,
        }
    }

    #[inline]
    fn cmd_flags(&self) -> bindings::blk_opf_t {
        // SAFETY: By the type invariant, `rq` is valid and nobody changes it.
        unsafe { (*self.rq.as_ptr()).cmd_flags }
    }

    /// The first bio, unless there is no data.
    #[inline]
    fn first_bio(&self) -> *mut bindings::bio {
        if op::has_payload(self.cmd_flags()) && self.data_len() > 0 {
            // SAFETY: By the type invariant, `rq` is valid and nobody changes it.
            unsafe { (*self.rq.as_ptr()).bio }
        } else {
            core::ptr::null_mut()
        }
    }

    #[inline]
    fn data_len(&self) -> u32 {
        // SAFETY: By the type invariant, `rq` is valid and nobody changes it.
        unsafe { (*self.rq.as_ptr()).__data_len }
    }

    /// Whether the data goes to the device.
    #[inline]
    pub fn is_write(&self) -> bool {
        op::is_write(self.cmd_flags())
    }

    /// The length of the data in bytes; zero if the operation has none.
    #[inline]
    pub fn len(&self) -> u32 {
        if self.first_bio().is_null() {
            0
        } else {
            self.data_len()
        }
    }

    /// Whether there is no data.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.first_bio().is_null()
    }

    /// The greatest number of entries that a scatterlist of the data needs.
    #[inline]
    pub fn max_segments(&self) -> usize {
        if self.is_empty() {
            return 0;
        }

        // SAFETY: By the type invariant, `rq` is valid and nobody changes it.
        unsafe { (*self.rq.as_ptr()).nr_phys_segments }.into()
    }

    /// Describes the data in entries of the list `sgl`, from its start. Returns how many, and the
    /// length of the data in bytes.
    ///
    /// The last entry that is used gets the end mark. The description is good until the request
    /// ends.
    ///
    /// # Errors
    ///
    /// [`EMSGSIZE`]: `room` is less than [`max_segments`](Self::max_segments).
    ///
    /// # Safety
    ///
    /// `sgl` must point to a list of `room` entries, of which `sg_next` leads from each to the next
    /// if it has no end mark. They may have end marks.
    #[inline]
    pub(crate) unsafe fn map(
        &self,
        sgl: *mut bindings::scatterlist,
        room: usize,
    ) -> Result<(usize, u32)> {
        let max_segments = self.max_segments();

        if max_segments == 0 {
            return Ok((0, 0));
        }
        if max_segments > room {
            return Err(EMSGSIZE);
        }

        if let Some(bvec) = self.single_bvec(max_segments) {
            // SAFETY: There is room for one entry.
            let sg = unsafe { &mut *sgl };

            // SAFETY: `sg` is an initialized entry, and `bvec` is memory of the request.
            unsafe { bindings::sg_set_page(sg, bvec.bv_page, bvec.bv_len, bvec.bv_offset) };
            // SAFETY: `sg` is an initialized entry.
            unsafe { bindings::sg_mark_end(sg) };
            return Ok((1, bvec.bv_len));
        }

        let mut last = core::ptr::null_mut();

        // SAFETY: By the type invariant, `rq` is valid, and it has data, which fits into
        // `nr_phys_segments` entries. By the requirement of this function, these follow each other.
        let count = unsafe { bindings::__blk_rq_map_sg(self.rq.as_ptr(), sgl, &mut last) };

        Ok((usize::try_from(count)?, self.data_len()))
    }

    /// The data, if that is one piece of memory, as most requests are (C: `req_bvec`).
    #[inline]
    fn single_bvec(&self, max_segments: usize) -> Option<bindings::bio_vec> {
        if max_segments != 1 {
            return None;
        }

        // SAFETY: By the type invariant, `rq` is valid and nobody changes it.
        let flags = unsafe { (*self.rq.as_ptr()).rq_flags };

        // Then the data is not in the bio.
        if flags & (1 << bindings::rqf_flags___RQF_SPECIAL_PAYLOAD) != 0 {
            return None;
        }

        let bio = self.first_bio();
        // SAFETY: By the type invariant, `rq` has a valid bio if it has data.
        let iter = unsafe { (*bio).bi_iter };
        // SAFETY: As above.
        let vec = unsafe { (*bio).bi_io_vec };
        // SAFETY: `iter` is a position in the vector of `bio`, and not at its end.
        let bvec = unsafe { *vec.add(iter.bi_idx as usize) };
        let len = self.data_len();
        let left = bvec.bv_len.checked_sub(iter.bi_offset)?;
        let offset = bvec.bv_offset.checked_add(iter.bi_offset)?;

        // What is left of the bvec must hold all data, and begin in its first page.
        if iter.bi_size != len || left < len || offset as usize >= PAGE_SIZE {
            return None;
        }
        Some(bindings::bio_vec {
            bv_page: bvec.bv_page,
            bv_len: len,
            bv_offset: offset,
        })
    }

    /// The segments of the data, each within one page, for drivers that move the data by CPU.
    pub fn segments(&self) -> Segments<'a> {
        let bio = self.first_bio();

        // INVARIANT: `bio` is the first of the request, at its start, if it has data.
        Segments {
            bio,
            iter: if bio.is_null() {
                pin_init::zeroed()
            } else {
                // SAFETY: By the type invariant, the bios of the request are valid.
                unsafe { (*bio).bi_iter }
            },
            is_write: self.is_write(),
            _request: PhantomData,
        }
    }
}

/// An iterator over the segments of a request.
///
/// # Invariants
///
/// `bio` is null or points to a bio with data of a request that is owned by the driver for `'a`,
/// and `iter` is a position in it.
pub struct Segments<'a> {
    bio: *mut bindings::bio,
    iter: bindings::bvec_iter,
    is_write: bool,
    _request: PhantomData<&'a ()>,
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        while !self.bio.is_null() && self.iter.bi_size == 0 {
            // SAFETY: By the type invariant, `bio` is valid.
            let next = unsafe { (*self.bio).bi_next };

            // INVARIANT: All bios of a request have data if the first one has.
            self.bio = next;
            if !next.is_null() {
                // SAFETY: `next` is a bio of the same request.
                self.iter = unsafe { (*next).bi_iter };
            }
        }

        if self.bio.is_null() {
            return None;
        }

        // SAFETY: By the type invariant, `iter` is a position in `bio`, and not at its end.
        let bvec = unsafe { bindings::bio_iter_iovec(self.bio, self.iter) };

        // SAFETY: As above, and the segment that starts there has `bv_len` bytes.
        unsafe { bindings::bio_advance_iter_single(self.bio, &mut self.iter, bvec.bv_len) };

        // INVARIANT: `bvec` is a piece of the data of the request.
        Some(Segment {
            bvec,
            is_write: self.is_write,
            _request: PhantomData,
        })
    }
}

/// A piece of the data of a request that lies in one page.
///
/// User space may see and change the memory at the same time, so it is only copied.
///
/// # Invariants
///
/// `bvec` describes memory in one page that belongs to a request for `'a`. It may be written
/// unless `is_write`.
pub struct Segment<'a> {
    bvec: bindings::bio_vec,
    is_write: bool,
    _request: PhantomData<&'a ()>,
}

impl Segment<'_> {
    /// The length in bytes.
    pub fn len(&self) -> usize {
        // CAST: `usize` has at least 32 bits.
        self.bvec.bv_len as usize
    }

    /// Whether the segment has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies what is written to the device into `to`.
    ///
    /// # Errors
    ///
    /// [`EINVAL`]: the length is not that of the segment, or the request is not a write.
    pub fn copy_to_slice(&mut self, to: &mut [u8]) -> Result {
        if to.len() != self.len() || !self.is_write {
            return Err(EINVAL);
        }

        // SAFETY: By the type invariant, `bvec` is valid, and `to` is as long.
        unsafe { bindings::memcpy_from_bvec(to.as_mut_ptr(), &mut self.bvec) };
        Ok(())
    }

    /// Copies `from` to where the data that is read from the device goes.
    ///
    /// # Errors
    ///
    /// [`EINVAL`]: the length is not that of the segment, or the request is not a read.
    pub fn copy_from_slice(&mut self, from: &[u8]) -> Result {
        if from.len() != self.len() || self.is_write {
            return Err(EINVAL);
        }

        // SAFETY: By the type invariant, `bvec` is valid and may be written, and `from` is as
        // long.
        unsafe { bindings::memcpy_to_bvec(&mut self.bvec, from.as_ptr()) };
        Ok(())
    }

    /// Fills with zeroes what is read from the device.
    ///
    /// # Errors
    ///
    /// [`EINVAL`]: the request is not a read.
    pub fn fill_zero(&mut self) -> Result {
        if self.is_write {
            return Err(EINVAL);
        }

        // SAFETY: By the type invariant, `bvec` is valid and may be written.
        unsafe { bindings::memzero_bvec(&mut self.bvec) };
        Ok(())
    }
}
