// SPDX-License-Identifier: GPL-2.0

//! The ranges that a discard is about.
//!
//! C header: [`include/linux/blk-mq.h`](srctree/include/linux/blk-mq.h)

use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// A range of sectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first sector, in units of 512 bytes.
    pub sector: u64,
    /// The length in sectors of 512 bytes.
    pub nr_sectors: u32,
}

/// An iterator over the ranges of a discard or secure erase.
///
/// # Invariants
///
/// `bio` is null or points to a bio of a request that is owned by the driver for `'a`.
pub struct Ranges<'a> {
    /// The only range, unless the queue takes several in one request.
    whole: Option<Range>,
    bio: *mut bindings::bio,
    _request: PhantomData<&'a ()>,
}

impl Ranges<'_> {
    /// # Safety
    ///
    /// `rq` must point to a request that is owned by the driver for the lifetime of the result.
    pub(super) unsafe fn new(rq: NonNull<bindings::request>) -> Self {
        let rq = rq.as_ptr();

        // SAFETY: By the requirement of this function, `rq` and so its queue are valid.
        let max = unsafe { (*(*rq).q).limits.max_discard_segments };

        // If a request cannot have several ranges, then the bios in it follow one another on the
        // disk, and are one range.
        if max <= 1 {
            // INVARIANT: There is no bio.
            return Self {
                whole: Some(Range {
                    // SAFETY: By the requirement of this function, `rq` is valid.
                    sector: unsafe { (*rq).__sector },
                    // SAFETY: As above.
                    nr_sectors: unsafe { (*rq).__data_len } >> bindings::SECTOR_SHIFT,
                }),
                bio: core::ptr::null_mut(),
                _request: PhantomData,
            };
        }

        // INVARIANT: It is a bio of the request, if it has any.
        Self {
            whole: None,
            // SAFETY: By the requirement of this function, `rq` is valid.
            bio: unsafe { (*rq).bio },
            _request: PhantomData,
        }
    }
}

impl Iterator for Ranges<'_> {
    type Item = Range;

    fn next(&mut self) -> Option<Range> {
        if let Some(whole) = self.whole.take() {
            return Some(whole);
        }

        // SAFETY: By the type invariant, `bio` is valid unless it is null.
        let bio = unsafe { self.bio.as_ref() }?;

        // INVARIANT: The next one belongs to the same request.
        self.bio = bio.bi_next;

        Some(Range {
            sector: bio.bi_iter.bi_sector,
            nr_sectors: bio.bi_iter.bi_size >> bindings::SECTOR_SHIFT,
        })
    }
}
