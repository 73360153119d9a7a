// SPDX-License-Identifier: GPL-2.0

//! What a request asks for.
//!
//! C header: [`include/linux/blk_types.h`](srctree/include/linux/blk_types.h)

/// The operation of a request.
///
/// Equivalent to C's `enum req_op`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Read sectors.
    Read,
    /// Write sectors.
    Write,
    /// Write back the volatile cache.
    Flush,
    /// Say that the contents of sectors is not needed any more.
    Discard,
    /// Erase sectors so that nobody can restore them.
    SecureErase,
    /// Write at the write pointer of a zone.
    ZoneAppend,
    /// Write zeroes, which are not part of the request.
    WriteZeroes,
    /// Open a zone.
    ZoneOpen,
    /// Close a zone.
    ZoneClose,
    /// Move the write pointer of a zone to its end.
    ZoneFinish,
    /// Move the write pointer of a zone to its start.
    ZoneReset,
    /// Move the write pointers of all zones to their starts.
    ZoneResetAll,
    /// A command of the driver that may read data; see
    /// [`GenDisk::execute`](super::GenDisk::execute).
    DrvIn,
    /// A command of the driver that may write data; see
    /// [`GenDisk::execute`](super::GenDisk::execute).
    DrvOut,
    /// An operation that these abstractions do not know.
    Unknown(u8),
}

impl Op {
    #[inline]
    pub(super) fn from_cmd_flags(cmd_flags: bindings::blk_opf_t) -> Self {
        match code(cmd_flags) {
            bindings::req_op_REQ_OP_READ => Self::Read,
            bindings::req_op_REQ_OP_WRITE => Self::Write,
            bindings::req_op_REQ_OP_FLUSH => Self::Flush,
            bindings::req_op_REQ_OP_DISCARD => Self::Discard,
            bindings::req_op_REQ_OP_SECURE_ERASE => Self::SecureErase,
            bindings::req_op_REQ_OP_ZONE_APPEND => Self::ZoneAppend,
            bindings::req_op_REQ_OP_WRITE_ZEROES => Self::WriteZeroes,
            bindings::req_op_REQ_OP_ZONE_OPEN => Self::ZoneOpen,
            bindings::req_op_REQ_OP_ZONE_CLOSE => Self::ZoneClose,
            bindings::req_op_REQ_OP_ZONE_FINISH => Self::ZoneFinish,
            bindings::req_op_REQ_OP_ZONE_RESET => Self::ZoneReset,
            bindings::req_op_REQ_OP_ZONE_RESET_ALL => Self::ZoneResetAll,
            bindings::req_op_REQ_OP_DRV_IN => Self::DrvIn,
            bindings::req_op_REQ_OP_DRV_OUT => Self::DrvOut,
            // CAST: The mask leaves `REQ_OP_BITS` bits, which are eight.
            other => Self::Unknown(other as u8),
        }
    }

    #[inline]
    fn code(self) -> bindings::req_op {
        match self {
            Self::Read => bindings::req_op_REQ_OP_READ,
            Self::Write => bindings::req_op_REQ_OP_WRITE,
            Self::Flush => bindings::req_op_REQ_OP_FLUSH,
            Self::Discard => bindings::req_op_REQ_OP_DISCARD,
            Self::SecureErase => bindings::req_op_REQ_OP_SECURE_ERASE,
            Self::ZoneAppend => bindings::req_op_REQ_OP_ZONE_APPEND,
            Self::WriteZeroes => bindings::req_op_REQ_OP_WRITE_ZEROES,
            Self::ZoneOpen => bindings::req_op_REQ_OP_ZONE_OPEN,
            Self::ZoneClose => bindings::req_op_REQ_OP_ZONE_CLOSE,
            Self::ZoneFinish => bindings::req_op_REQ_OP_ZONE_FINISH,
            Self::ZoneReset => bindings::req_op_REQ_OP_ZONE_RESET,
            Self::ZoneResetAll => bindings::req_op_REQ_OP_ZONE_RESET_ALL,
            Self::DrvIn => bindings::req_op_REQ_OP_DRV_IN,
            Self::DrvOut => bindings::req_op_REQ_OP_DRV_OUT,
            Self::Unknown(code) => code.into(),
        }
    }

    /// Whether data goes to the device.
    #[inline]
    pub fn is_write(self) -> bool {
        is_write(self.code())
    }
}

/// Returns the code of the operation alone.
#[inline]
fn code(cmd_flags: bindings::blk_opf_t) -> bindings::blk_opf_t {
    cmd_flags & ((1 << bindings::REQ_OP_BITS) - 1)
}

/// Whether a request has data in memory, according to its operation and flags.
#[inline]
pub(super) fn has_payload(cmd_flags: bindings::blk_opf_t) -> bool {
    !matches!(
        code(cmd_flags),
        bindings::req_op_REQ_OP_DISCARD
            | bindings::req_op_REQ_OP_SECURE_ERASE
            | bindings::req_op_REQ_OP_WRITE_ZEROES
    )
}

/// Whether data goes to the device, according to a request's operation and flags.
#[inline]
pub(super) fn is_write(cmd_flags: bindings::blk_opf_t) -> bool {
    // This is what the block layer numbers its operations by.
    cmd_flags & 1 != 0
}

/// Flags of a request.
///
/// Equivalent to C's `REQ_*` flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags(bindings::blk_opf_t);

impl Flags {
    /// Somebody waits for the request.
    pub const SYNC: Self = Self::bit(bindings::req_flag_bits___REQ_SYNC);
    /// The data is that of a file system itself.
    pub const META: Self = Self::bit(bindings::req_flag_bits___REQ_META);
    /// The data must be on the medium when the request ends.
    pub const FUA: Self = Self::bit(bindings::req_flag_bits___REQ_FUA);
    /// Whoever waits for the request polls for its completion.
    pub const POLLED: Self = Self::bit(bindings::req_flag_bits___REQ_POLLED);
    /// Writing zeroes must not free the space.
    pub const NOUNMAP: Self = Self::bit(bindings::req_flag_bits___REQ_NOUNMAP);

    const fn bit(number: bindings::req_flag_bits) -> Self {
        Self(1 << number)
    }

    #[inline]
    pub(super) fn from_cmd_flags(cmd_flags: bindings::blk_opf_t) -> Self {
        Self(cmd_flags & !((1 << bindings::REQ_OP_BITS) - 1))
    }

    /// Whether all of `flags` are set.
    #[inline]
    pub fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }
}

impl core::ops::BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
