// SPDX-License-Identifier: GPL-2.0

//! Sizes for people.
//!
//! C header: [`include/linux/string_helpers.h`](srctree/include/linux/string_helpers.h)

use crate::{
    fmt,
    prelude::*, //
};

/// The size of a disk, which is displayed in decimal and binary units, as C drivers log it
/// (C: `string_get_size`).
///
/// # Examples
///
/// ```
/// use kernel::{block::blk_mq::Size, prelude::*, str::CString};
///
/// let text = CString::try_from_fmt(fmt!("{}", Size::new(2_097_152, 512)))?;
///
/// assert_eq!(text.to_bytes(), b"1.07 GB/1.00 GiB");
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    blocks: u64,
    block_size: u32,
}

impl Size {
    /// The size of so many blocks of `block_size` bytes.
    pub fn new(blocks: u64, block_size: u32) -> Self {
        Self { blocks, block_size }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [
            ("", bindings::string_size_units_STRING_UNITS_10),
            ("/", bindings::string_size_units_STRING_UNITS_2),
        ];

        for (separator, unit) in units {
            // The longest is like "1023 GiB".
            let mut text = [0u8; 16];

            // SAFETY: `text` is valid for writes of its length. C terminates what it writes.
            unsafe {
                bindings::string_get_size(
                    self.blocks,
                    self.block_size.into(),
                    unit,
                    text.as_mut_ptr(),
                    text.len() as c_int,
                )
            };

            let text = CStr::from_bytes_until_nul(&text).map_err(|_| fmt::Error)?;
            f.write_str(separator)?;
            f.write_str(text.to_str().map_err(|_| fmt::Error)?)?;
        }
        Ok(())
    }
}
