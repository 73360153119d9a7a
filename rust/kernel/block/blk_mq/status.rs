// SPDX-License-Identifier: GPL-2.0

//! How a request ended.
//!
//! C header: [`include/linux/blk_types.h`](srctree/include/linux/blk_types.h)

use crate::{
    error::to_result,
    fmt,
    prelude::*, //
};

/// The outcome of a request.
///
/// Equivalent to C's `blk_status_t`.
///
/// # Examples
///
/// ```
/// use kernel::block::blk_mq::Status;
///
/// assert_eq!(Status::from(ENOSPC), Status::NOSPC);
/// assert_eq!(Status::MEDIUM.to_result(), Err(ENODATA));
/// assert!(Status::OK.is_ok());
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Status(bindings::blk_status_t);

macro_rules! statuses {
    ($($(#[doc = $doc:literal])+ $name:ident = $c:ident;)+) => {
        impl Status {
            $(
                $(#[doc = $doc])+
                pub const $name: Self = Self(bindings::$c as bindings::blk_status_t);
            )+
        }

        impl fmt::Debug for Status {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match *self {
                    $(Self::$name => f.write_str(stringify!($name)),)+
                    Self(other) => f.write_fmt(fmt!("Status({other})")),
                }
            }
        }
    };
}

statuses! {
    /// The request was served.
    OK = BLK_STS_OK;
    /// The device does not know the operation.
    NOTSUPP = BLK_STS_NOTSUPP;
    /// The device did not answer in time.
    TIMEOUT = BLK_STS_TIMEOUT;
    /// The device is full, as a thinly provisioned one can be.
    NOSPC = BLK_STS_NOSPC;
    /// The link to the device failed.
    TRANSPORT = BLK_STS_TRANSPORT;
    /// The device failed in a way that does not depend on the path to it.
    TARGET = BLK_STS_TARGET;
    /// A reservation forbids the access.
    RESV_CONFLICT = BLK_STS_RESV_CONFLICT;
    /// The medium is damaged.
    MEDIUM = BLK_STS_MEDIUM;
    /// The integrity data does not match.
    PROTECTION = BLK_STS_PROTECTION;
    /// The driver lacks a resource of the system, such as memory.
    ///
    /// The block layer tries again, at the latest after a short delay.
    RESOURCE = BLK_STS_RESOURCE;
    /// The request failed.
    IOERR = BLK_STS_IOERR;
    /// The request must not wait, and would have to.
    AGAIN = BLK_STS_AGAIN;
    /// The driver lacks a resource that a request in flight will give back.
    ///
    /// The block layer tries again when a request of the same hardware queue ends, though not if
    /// that ends in a [`CompletionBatch`](super::CompletionBatch). A driver that returns this
    /// while no other request of that queue is in flight makes the queue stall.
    DEV_RESOURCE = BLK_STS_DEV_RESOURCE;
    /// Too many zones are open.
    ZONE_OPEN_RESOURCE = BLK_STS_ZONE_OPEN_RESOURCE;
    /// Too many zones are active.
    ZONE_ACTIVE_RESOURCE = BLK_STS_ZONE_ACTIVE_RESOURCE;
    /// The device is out of service.
    OFFLINE = BLK_STS_OFFLINE;
    /// The device gave up because of the time limit of the command.
    DURATION_LIMIT = BLK_STS_DURATION_LIMIT;
    /// The request is malformed.
    INVAL = BLK_STS_INVAL;
}

impl Status {
    /// Wraps what C gives.
    pub(super) const fn from_raw(raw: bindings::blk_status_t) -> Self {
        Self(raw)
    }

    /// Returns the value for C.
    pub(super) const fn as_raw(self) -> bindings::blk_status_t {
        self.0
    }

    /// Whether the request was served.
    pub const fn is_ok(self) -> bool {
        self.0 == Self::OK.0
    }

    /// Whether the block layer keeps the request and issues it again.
    pub const fn is_retry(self) -> bool {
        self.0 == Self::RESOURCE.0 || self.0 == Self::DEV_RESOURCE.0
    }

    /// Returns the error number that user space gets to see.
    ///
    /// # Errors
    ///
    /// Every status but [`OK`](Self::OK).
    pub fn to_result(self) -> Result {
        // SAFETY: `blk_status_to_errno` checks its argument against the table it has.
        to_result(unsafe { bindings::blk_status_to_errno(self.0) })
    }
}

/// An error without a status of its own becomes [`IOERR`](Status::IOERR).
impl From<Error> for Status {
    fn from(error: Error) -> Self {
        Self(error.to_blk_status())
    }
}
