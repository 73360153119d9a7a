// SPDX-License-Identifier: GPL-2.0

//! Feature bits, declared once as types.
//!
//! A driver lists the bits that it understands with [`virtio_features!`]. The list becomes the
//! feature tables that the C core negotiates from, and the only names under which the driver can
//! ask what was negotiated: a bit that is not in the list has no name, so asking for it does not
//! compile. In C such a question is answered by `BUG()` in
//! `virtio_check_driver_offered_feature()`. A list that is not that of the bound driver can name
//! more; the core has not negotiated those bits, so they are never set.
//!
//! The bits of the transport and of the rings (28 to 41) are not for drivers to offer: the core
//! keeps those that it knows. They can be queried by any driver under the names in this module.
//!
//! C header: [`include/linux/virtio_features.h`](srctree/include/linux/virtio_features.h)
//!
//! [`virtio_features!`]: crate::virtio_features

use crate::bindings;
use core::marker::PhantomData;

/// Number of feature bits that a device and a driver can exchange (C: `VIRTIO_FEATURES_BITS`).
pub const FEATURES_BITS: u32 = 128;

/// Number of 64-bit words that hold them (C: `VIRTIO_FEATURES_U64S`).
pub(super) const FEATURES_U64S: usize = (FEATURES_BITS / u64::BITS) as usize;

/// The bits from here on belong to the transport and the rings (C: `VIRTIO_TRANSPORT_F_START`).
const TRANSPORT_F_START: u32 = bindings::VIRTIO_TRANSPORT_F_START;

/// The first bit after those of the transport and the rings (C: `VIRTIO_TRANSPORT_F_END`).
const TRANSPORT_F_END: u32 = bindings::VIRTIO_TRANSPORT_F_END;

/// A legacy device has this many feature bits.
const LEGACY_BITS: u32 = 32;

/// All feature bits that a driver offers to its devices.
///
/// To be implemented by [`virtio_features!`](crate::virtio_features).
pub trait FeatureSet: 'static {
    /// The bits offered to modern devices (C: `virtio_driver::feature_table`).
    const TABLE: &'static [u32];

    /// The bits offered to legacy devices (C: `virtio_driver::feature_table_legacy`).
    const LEGACY_TABLE: &'static [u32];
}

/// A feature bit that a driver with the feature set `S` may ask for.
pub trait Feature<S: FeatureSet> {
    /// The number of the bit.
    const BIT: u32;
}

/// A feature bit that a driver with the feature set `S` offers itself, and so can withdraw.
///
/// # Safety
///
/// To be implemented by [`virtio_features!`](crate::virtio_features), for what it declares. Bits of
/// the transport and of the rings are none of these: whether memory is mapped, and accesses are
/// ordered, depends on them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a feature that the driver offers: `{Self}: Declared<{S}>`"
)]
pub unsafe trait Declared<S: FeatureSet>: Feature<S> {}

/// The features that device and driver have agreed on.
///
/// The bits do not change while the driver is bound, so this is a copy of them.
///
/// # Examples
///
/// ```
/// use kernel::virtio::{self, feature::Negotiated};
///
/// kernel::virtio_features! {
///     /// What the driver understands.
///     pub struct Features {
///         /// The device has a size limit.
///         SizeMax = 1,
///         /// Zones exist on modern devices only.
///         Zoned = 17, modern;
///     }
/// }
///
/// fn limit(dev: &virtio::Device<kernel::device::Bound>) -> bool {
///     let features: Negotiated<Features> = dev.features();
///
///     features.has(SizeMax) && !features.has(virtio::feature::RingPacked)
/// }
///
/// assert_eq!(<Features as virtio::feature::FeatureSet>::TABLE, &[1, 17]);
/// assert_eq!(<Features as virtio::feature::FeatureSet>::LEGACY_TABLE, &[1]);
/// ```
pub struct Negotiated<S: FeatureSet> {
    bits: [u64; FEATURES_U64S],
    _set: PhantomData<fn() -> S>,
}

impl<S: FeatureSet> Clone for Negotiated<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: FeatureSet> Copy for Negotiated<S> {}

impl<S: FeatureSet> Negotiated<S> {
    /// Wraps the bits of a device that a driver is bound to.
    pub(super) fn new(bits: [u64; FEATURES_U64S]) -> Self {
        Self {
            bits,
            _set: PhantomData,
        }
    }

    /// Returns whether the feature was negotiated (C: `virtio_has_feature`).
    #[inline]
    pub fn has<F: Feature<S>>(&self, _feature: F) -> bool {
        self.has_bit(F::BIT)
    }

    /// Returns whether the feature with the given number was negotiated.
    #[inline]
    pub(super) fn has_bit(&self, bit: u32) -> bool {
        test_bit(&self.bits, bit)
    }
}

/// The offer of a driver while it is still open, handed to
/// [`Driver::validate`](super::Driver::validate).
///
/// # Invariants
///
/// The bits belong to a device whose features are being negotiated on this thread.
pub struct Negotiation<'a, S: FeatureSet> {
    bits: &'a mut [u64; FEATURES_U64S],
    _set: PhantomData<fn() -> S>,
}

impl<'a, S: FeatureSet> Negotiation<'a, S> {
    /// Wraps the bits of a device.
    pub(super) fn new(bits: &'a mut [u64; FEATURES_U64S]) -> Self {
        // INVARIANT: The exclusive reference comes from the `validate` callback of the core.
        Self {
            bits,
            _set: PhantomData,
        }
    }

    /// Returns whether both sides offer the feature.
    pub fn has<F: Feature<S>>(&self, _feature: F) -> bool {
        test_bit(self.bits, F::BIT)
    }

    /// Withdraws the offer of a feature (C: `__virtio_clear_bit`). Only what the driver has
    /// declared is its own to withdraw.
    pub fn clear<F: Declared<S>>(&mut self, _feature: F) {
        if let Some(word) = self.bits.get_mut((F::BIT / u64::BITS) as usize) {
            *word &= !(1 << (F::BIT % u64::BITS));
        }
    }
}

/// Returns whether `bit` is set; bits that do not exist are not.
pub(super) fn test_bit(bits: &[u64; FEATURES_U64S], bit: u32) -> bool {
    bits.get((bit / u64::BITS) as usize)
        .is_some_and(|word| word & (1 << (bit % u64::BITS)) != 0)
}

macro_rules! core_features {
    ($($(#[$doc:meta])* $name:ident = $bit:ident,)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy)]
            pub struct $name;

            impl<S: FeatureSet> Feature<S> for $name {
                const BIT: u32 = bindings::$bit;
            }
        )*
    };
}

core_features! {
    /// Descriptors can live in tables outside of the ring (`VIRTIO_RING_F_INDIRECT_DESC`).
    RingIndirectDesc = VIRTIO_RING_F_INDIRECT_DESC,
    /// Each side tells the other when it wants to be notified (`VIRTIO_RING_F_EVENT_IDX`).
    RingEventIdx = VIRTIO_RING_F_EVENT_IDX,
    /// The device follows version 1 of the specification: it is not a legacy one.
    Version1 = VIRTIO_F_VERSION_1,
    /// The device reaches memory through the DMA API of the platform.
    AccessPlatform = VIRTIO_F_ACCESS_PLATFORM,
    /// The rings have the packed layout.
    RingPacked = VIRTIO_F_RING_PACKED,
    /// Buffers are used in the order in which they were made available.
    InOrder = VIRTIO_F_IN_ORDER,
    /// Memory accesses are ordered as the platform orders them for real devices.
    OrderPlatform = VIRTIO_F_ORDER_PLATFORM,
    /// Notifications of the driver carry more than the number of the queue.
    NotificationData = VIRTIO_F_NOTIFICATION_DATA,
    /// Single queues can be reset.
    RingReset = VIRTIO_F_RING_RESET,
}

/// Checks a list of bits at compile time: in range, no transport bit, legacy ones below 32, none
/// twice.
#[doc(hidden)]
pub const fn check(list: &[(u32, bool)]) {
    let mut i = 0;
    while i < list.len() {
        let (bit, legacy) = list[i];
        assert!(bit < FEATURES_BITS, "feature bit out of range");
        assert!(
            bit < TRANSPORT_F_START || bit >= TRANSPORT_F_END,
            "transport features are not for drivers to offer"
        );
        assert!(
            !legacy || bit < LEGACY_BITS,
            "a legacy device has 32 feature bits: mark the feature `modern`"
        );
        let mut j = 0;
        while j < i {
            assert!(list[j].0 != bit, "feature bit declared twice");
            j += 1;
        }
        i += 1;
    }
}

/// Counts the entries that a legacy device can have, or all.
#[doc(hidden)]
pub const fn count(list: &[(u32, bool)], only_legacy: bool) -> usize {
    let (mut i, mut n) = (0, 0);
    while i < list.len() {
        if list[i].1 || !only_legacy {
            n += 1;
        }
        i += 1;
    }
    n
}

/// Collects the bits of the entries that [`count`] counts.
#[doc(hidden)]
pub const fn collect<const N: usize>(list: &[(u32, bool)], only_legacy: bool) -> [u32; N] {
    let mut table = [0; N];
    let (mut i, mut n) = (0, 0);
    while i < list.len() {
        if list[i].1 || !only_legacy {
            table[n] = list[i].0;
            n += 1;
        }
        i += 1;
    }
    table
}

/// Declares the features that a driver understands.
///
/// Each feature becomes a type that implements [`Feature`] for the set. A feature ends with a
/// comma where legacy devices can have it, and with `, modern;` where only modern ones can.
///
/// See [`Negotiated`] for an example.
///
/// [`Feature`]: crate::virtio::feature::Feature
/// [`Negotiated`]: crate::virtio::feature::Negotiated
#[macro_export]
macro_rules! virtio_features {
    (
        $(#[$set_doc:meta])*
        $vis:vis struct $set:ident { $($body:tt)* }
    ) => {
        $(#[$set_doc])*
        $vis struct $set;

        $crate::virtio_features!(@parse $vis $set [] $($body)*);
    };

    (@parse $vis:vis $set:ident [$($done:tt)*]) => {
        $crate::virtio_features!(@emit $vis $set $($done)*);
    };
    (@parse $vis:vis $set:ident [$($done:tt)*]
        $(#[$doc:meta])* $name:ident = $bit:expr, modern; $($rest:tt)*
    ) => {
        $crate::virtio_features!(
            @parse $vis $set [$($done)* { $(#[$doc])* $name, $bit, false }] $($rest)*
        );
    };
    (@parse $vis:vis $set:ident [$($done:tt)*]
        $(#[$doc:meta])* $name:ident = $bit:expr, $($rest:tt)*
    ) => {
        $crate::virtio_features!(
            @parse $vis $set [$($done)* { $(#[$doc])* $name, $bit, true }] $($rest)*
        );
    };

    (@emit $vis:vis $set:ident
        $({ $(#[$doc:meta])* $name:ident, $bit:expr, $legacy:literal })*
    ) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy)]
            $vis struct $name;

            impl $crate::virtio::feature::Feature<$set> for $name {
                const BIT: u32 = $bit;
            }

            // SAFETY: It is declared here; `check` refuses bits of the transport.
            unsafe impl $crate::virtio::feature::Declared<$set> for $name {}
        )*

        const _: () = $crate::virtio::feature::check(&[$(($bit, $legacy)),*]);

        impl $crate::virtio::feature::FeatureSet for $set {
            const TABLE: &'static [u32] = {
                const LIST: &[(u32, bool)] = &[$(($bit, $legacy)),*];
                const N: usize = $crate::virtio::feature::count(LIST, false);
                const TABLE: [u32; N] = $crate::virtio::feature::collect(LIST, false);
                &TABLE
            };

            const LEGACY_TABLE: &'static [u32] = {
                const LIST: &[(u32, bool)] = &[$(($bit, $legacy)),*];
                const N: usize = $crate::virtio::feature::count(LIST, true);
                const TABLE: [u32; N] = $crate::virtio::feature::collect(LIST, true);
                &TABLE
            };
        }
    };
}
