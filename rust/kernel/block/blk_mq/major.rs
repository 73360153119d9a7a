// SPDX-License-Identifier: GPL-2.0

//! Major device numbers.
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)

use crate::{
    error::to_result,
    prelude::*, //
};

/// A major device number that is registered for block devices of one kind.
///
/// Disks keep a reference, so the number is not given to others while it is in use.
///
/// # Invariants
///
/// `number` is registered under `name`.
///
/// # Examples
///
/// ```
/// use kernel::{block::blk_mq::Major, prelude::*};
///
/// let major = Major::new(c"blk_mq_doc")?;
///
/// assert_ne!(major.number(), 0);
/// # Ok::<(), Error>(())
/// ```
pub struct Major {
    number: u32,
    name: &'static CStr,
}

impl Major {
    /// Registers a number that is free, for `name` in `/proc/devices`.
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// [`EBUSY`] if no number is free, [`ENOMEM`] if there is no memory.
    pub fn new(name: &'static CStr) -> Result<Self> {
        // SAFETY: `name` is a string that lives for ever.
        let number = unsafe { bindings::__register_blkdev(0, name.as_char_ptr(), None) };

        to_result(number.min(0))?;

        // INVARIANT: The number was registered just now. It is not negative.
        Ok(Self {
            number: number.unsigned_abs(),
            name,
        })
    }

    /// The number.
    pub fn number(&self) -> u32 {
        self.number
    }
}

impl Drop for Major {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, the number is registered under this name.
        unsafe { bindings::unregister_blkdev(self.number, self.name.as_char_ptr()) };
    }
}
