// SPDX-License-Identifier: GPL-2.0

//! The arithmetic of the rings: indices that wrap, and how many descriptors the card has.
//!
//! One descriptor always stays unused, as head and tail are equal only when the ring is empty.

/// Descriptors come in multiples of this, as the length of a ring is told in units of 128 bytes.
pub const MULTIPLE: u16 = 8;

/// The number of descriptors of a ring: a multiple of [`MULTIPLE`] from [`Size::MIN`] to
/// [`Size::MAX`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Size(u16);

impl Size {
    /// The smallest ring.
    pub const MIN: Self = Self(48);
    /// The largest ring.
    pub const MAX: Self = Self(4096);
    /// What a ring has unless told otherwise.
    pub const DEFAULT: Self = Self(256);

    /// The size next to what was asked for, from above (C: `e1000_set_ringparam`).
    pub const fn nearest(asked: u32) -> Self {
        if asked <= Self::MIN.0 as u32 {
            return Self::MIN;
        }
        if asked >= Self::MAX.0 as u32 {
            return Self::MAX;
        }
        // CAST: It is less than the maximum, of which this is a multiple.
        Self((asked as u16).next_multiple_of(MULTIPLE))
    }

    /// The number of descriptors.
    pub const fn count(self) -> u16 {
        self.0
    }

    /// The index after `index`.
    #[inline]
    pub const fn next(self, index: u16) -> u16 {
        let next = index.wrapping_add(1);

        // Not "equal": an index that is out of range comes back into it.
        if next >= self.0 {
            0
        } else {
            next
        }
    }

    /// The index before `index`.
    #[inline]
    pub const fn previous(self, index: u16) -> u16 {
        if index == 0 || index > self.0 {
            self.0 - 1
        } else {
            index - 1
        }
    }

    /// The bytes of a ring in memory: whole pages of 4 KiB.
    pub const fn bytes(self) -> usize {
        (self.0 as usize * super::desc::BYTES).next_multiple_of(4096)
    }
}

/// Transmission stops when fewer descriptors are free than this and `frags`: the next packet might
/// not fit. One descriptor for each fragment, and what workarounds and contexts take.
pub const fn stop_below(max_frags: u16) -> u16 {
    max_frags.saturating_add(7)
}

/// A queue that was stopped goes on when as many descriptors are free.
pub const WAKE_THRESHOLD: u16 = 32;

/// So many receive buffers are given back to the card at once.
pub const RX_BUFFER_WRITE: u16 = 16;
