// SPDX-License-Identifier: GPL-2.0

//! The scatterlist of a request.

use crate::{
    block::blk_mq::Payload,
    prelude::*, //
};

/// Checks that a scatterlist of the data, which must be for the device to read, holds what its
/// segments do.
pub(super) fn check(payload: &Payload<'_>) -> Result {
    let room = payload.max_segments();

    if room == 0 {
        return Ok(());
    }

    let mut sgl = KVec::from_elem(bindings::scatterlist::default(), room, GFP_ATOMIC)?;

    // SAFETY: `sgl` has `room` entries that may be written.
    unsafe { bindings::sg_init_table(sgl.as_mut_ptr(), u32::try_from(room)?) };
    // SAFETY: Just initialized.
    let (entries, len) = unsafe { payload.map(sgl.as_mut_ptr(), room) }?;
    let len = usize::try_from(len)?;
    let mut bytes = KVec::from_elem(0u8, len, GFP_ATOMIC)?;
    // SAFETY: `map` has filled so many entries, and `bytes` is valid for `len` bytes.
    let copied = unsafe {
        bindings::sg_copy_to_buffer(
            sgl.as_mut_ptr(),
            u32::try_from(entries)?,
            bytes.as_mut_ptr().cast(),
            len,
        )
    };
    let mut rest = bytes.get(..copied).ok_or(EIO)?;

    for mut segment in payload.segments() {
        let mut expected = KVec::from_elem(0u8, segment.len(), GFP_ATOMIC)?;

        segment.copy_to_slice(&mut expected)?;
        rest = rest.strip_prefix(&expected[..]).ok_or(EIO)?;
    }
    if rest.is_empty() {
        Ok(())
    } else {
        Err(EIO)
    }
}
