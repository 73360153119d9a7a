// SPDX-License-Identifier: GPL-2.0

//! Why packets are dropped.
//!
//! C header: [`include/net/dropreason-core.h`](srctree/include/net/dropreason-core.h)

/// Why a packet is dropped, for those who watch.
///
/// Equivalent to C's `enum skb_drop_reason`; the names are those of C without `SKB_DROP_REASON_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct DropReason(bindings::skb_drop_reason);

impl DropReason {
    /// Nobody has said why.
    pub const NOT_SPECIFIED: Self = Self(bindings::skb_drop_reason_SKB_DROP_REASON_NOT_SPECIFIED);
    /// It is too short.
    pub const PKT_TOO_SMALL: Self = Self(bindings::skb_drop_reason_SKB_DROP_REASON_PKT_TOO_SMALL);
    /// It is too long.
    pub const PKT_TOO_BIG: Self = Self(bindings::skb_drop_reason_SKB_DROP_REASON_PKT_TOO_BIG);
    /// The header of the device is wrong.
    pub const DEV_HDR: Self = Self(bindings::skb_drop_reason_SKB_DROP_REASON_DEV_HDR);
    /// The device is not ready.
    pub const DEV_READY: Self = Self(bindings::skb_drop_reason_SKB_DROP_REASON_DEV_READY);
    /// The ring is full.
    pub const FULL_RING: Self = Self(bindings::skb_drop_reason_SKB_DROP_REASON_FULL_RING);
    /// There is no memory.
    pub const NOMEM: Self = Self(bindings::skb_drop_reason_SKB_DROP_REASON_NOMEM);
    /// Its checksum is wrong.
    pub const SKB_CSUM: Self = Self(bindings::skb_drop_reason_SKB_DROP_REASON_SKB_CSUM);
    /// It cannot be segmented.
    pub const SKB_BAD_GSO: Self = Self(bindings::skb_drop_reason_SKB_DROP_REASON_SKB_BAD_GSO);
    /// The queue that it was in was emptied.
    pub const QUEUE_PURGE: Self = Self(bindings::skb_drop_reason_SKB_DROP_REASON_QUEUE_PURGE);

    pub(super) const fn as_raw(self) -> bindings::skb_drop_reason {
        self.0
    }
}
