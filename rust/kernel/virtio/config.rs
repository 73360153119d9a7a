// SPDX-License-Identifier: GPL-2.0

//! The configuration space of a device, by fields.
//!
//! A driver declares the fields with [`virtio_config!`](crate::virtio_config): offset, width, byte
//! order, and the feature that makes the field exist. A field without a feature is read with
//! [`Config::read`]; one with a feature only with [`Config::read_if`], which answers [`None`] where
//! the feature was not negotiated. Width, alignment and overlaps are checked at compile time, the
//! length of the space before probe and at each access. virtio-pci and virtio-mmio know it; with
//! other transports it counts as 256 bytes.
//!
//! All accesses may sleep.
//!
//! C header: [`include/linux/virtio_config.h`](srctree/include/linux/virtio_config.h)

use super::{
    feature::{
        Feature,
        FeatureSet,
        Negotiated, //
    },
    Device, //
};
use crate::{
    device::Bound,
    prelude::*, //
};
use core::marker::PhantomData;

/// How often a multi-byte read is tried again while the device changes its configuration.
///
/// C tries for ever. A device that changes its configuration without end gets an error instead.
const GENERATION_RETRIES: u32 = 1000;

/// The layout of a configuration space.
///
/// To be implemented by [`virtio_config!`](crate::virtio_config).
pub trait ConfigSpace: 'static {
    /// The features that make fields exist.
    type Features: FeatureSet;

    /// All fields.
    const FIELDS: &'static [FieldInfo];
}

/// The configuration space of devices that have none.
pub struct NoConfig<S: FeatureSet>(PhantomData<fn() -> S>);

impl<S: FeatureSet> ConfigSpace for NoConfig<S> {
    type Features = S;
    const FIELDS: &'static [FieldInfo] = &[];
}

/// Place and condition of a field.
#[derive(Clone, Copy)]
pub struct FieldInfo {
    /// Bytes from the start of the space.
    pub offset: u32,
    /// Width in bytes.
    pub size: u32,
    /// The feature bit without which the field does not exist.
    pub feature: Option<u32>,
}

impl FieldInfo {
    /// The first byte after the field.
    pub const fn end(&self) -> u32 {
        self.offset.saturating_add(self.size)
    }
}

/// Returns the bytes that a space must have, given the negotiated features.
pub(super) fn required_len<C: ConfigSpace>(features: Negotiated<C::Features>) -> u32 {
    C::FIELDS
        .iter()
        .filter(|field| field.feature.is_none_or(|bit| features.has_bit(bit)))
        .map(FieldInfo::end)
        .max()
        .unwrap_or(0)
}

/// The byte order of multi-byte fields that is only known when the device is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ByteOrder {
    /// Modern devices.
    Little,
    /// Legacy devices: the order of the guest.
    Native,
}

macro_rules! byte_order {
    ($($to:ident, $from:ident: $int:ty;)*) => {
        impl ByteOrder {
            $(
                /// Converts to the order of the device (C: `cpu_to_virtio16` and so on).
                #[inline]
                pub const fn $to(self, value: $int) -> [u8; size_of::<$int>()] {
                    match self {
                        Self::Little => value.to_le_bytes(),
                        Self::Native => value.to_ne_bytes(),
                    }
                }

                /// Converts from the order of the device (C: `virtio16_to_cpu` and so on).
                #[inline]
                pub const fn $from(self, bytes: [u8; size_of::<$int>()]) -> $int {
                    match self {
                        Self::Little => <$int>::from_le_bytes(bytes),
                        Self::Native => <$int>::from_ne_bytes(bytes),
                    }
                }
            )*
        }
    };
}

byte_order! {
    to_bytes8, from_bytes8: u8;
    to_bytes16, from_bytes16: u16;
    to_bytes32, from_bytes32: u32;
    to_bytes64, from_bytes64: u64;
}

/// The type of a field on the wire.
///
/// Sealed: the types of this module are all there are.
pub trait Wire: private::Sealed {
    /// What the driver sees.
    type Value: Copy;

    /// The bytes of the field.
    type Bytes: AsRef<[u8]> + AsMut<[u8]> + Default + Copy;

    /// The width in bytes: 1, 2, 4 or 8.
    const SIZE: u32;

    /// Converts from the wire.
    fn decode(bytes: Self::Bytes, order: ByteOrder) -> Self::Value;

    /// Converts to the wire.
    fn encode(value: Self::Value, order: ByteOrder) -> Self::Bytes;
}

mod private {
    pub trait Sealed {}
}

macro_rules! wire {
    ($($(#[$doc:meta])* $name:ident: $value:ty, $to:ident, $from:ident $(, $order:ident)?;)*) => {
        $(
            $(#[$doc])*
            pub struct $name;

            impl private::Sealed for $name {}

            impl Wire for $name {
                type Value = $value;
                type Bytes = [u8; size_of::<$value>()];
                const SIZE: u32 = size_of::<$value>() as u32;

                fn decode(bytes: Self::Bytes, order: ByteOrder) -> $value {
                    wire!(@order order $($order)?).$from(bytes)
                }

                fn encode(value: $value, order: ByteOrder) -> Self::Bytes {
                    wire!(@order order $($order)?).$to(value)
                }
            }
        )*
    };
    (@order $given:ident) => { $given };
    (@order $given:ident $fixed:ident) => {{
        let _ = $given;
        ByteOrder::$fixed
    }};
}

wire! {
    /// One byte.
    U8: u8, to_bytes8, from_bytes8, Little;
    /// `__le16`: little-endian on every device.
    Le16: u16, to_bytes16, from_bytes16, Little;
    /// `__le32`: little-endian on every device.
    Le32: u32, to_bytes32, from_bytes32, Little;
    /// `__le64`: little-endian on every device.
    Le64: u64, to_bytes64, from_bytes64, Little;
    /// `__virtio16`: little-endian on modern devices, native on legacy ones.
    Virtio16: u16, to_bytes16, from_bytes16;
    /// `__virtio32`: little-endian on modern devices, native on legacy ones.
    Virtio32: u32, to_bytes32, from_bytes32;
    /// `__virtio64`: little-endian on modern devices, native on legacy ones.
    Virtio64: u64, to_bytes64, from_bytes64;
}

/// A field that every device has.
pub struct Always;

/// A field that exists where the feature `F` was negotiated.
pub struct If<F>(PhantomData<fn() -> F>);

/// A field that the driver only reads.
pub struct ReadOnly;

/// A field that the driver may write.
pub struct ReadWrite;

/// A field of the configuration space `C`.
pub struct Field<C, W, Gate = Always, Access = ReadOnly> {
    offset: u32,
    _space: PhantomData<fn() -> (C, W)>,
    _access: PhantomData<fn() -> (Gate, Access)>,
}

impl<C: ConfigSpace, W: Wire, Gate, Access> Field<C, W, Gate, Access> {
    /// Used by [`virtio_config!`](crate::virtio_config).
    ///
    /// # Panics
    ///
    /// At compile time, where the macro calls it: the space has no such field.
    #[doc(hidden)]
    pub const fn new(offset: u32) -> Self {
        let fields = C::FIELDS;
        let mut i = 0;

        while fields[i].offset != offset || fields[i].size != W::SIZE {
            i += 1;
        }
        Self {
            offset,
            _space: PhantomData,
            _access: PhantomData,
        }
    }
}

/// Access to the configuration space of a bound device, laid out as `C`.
///
/// # Examples
///
/// ```
/// use kernel::{device::Bound, prelude::*, virtio};
///
/// kernel::virtio_features! {
///     /// What the driver understands.
///     pub struct Features {
///         /// The device tells its block size.
///         BlkSize = 6,
///         /// The driver may switch the write cache.
///         ConfigWce = 11,
///     }
/// }
///
/// kernel::virtio_config! {
///     /// The start of a block device's space.
///     pub struct Space: Features {
///         /// Capacity in sectors of 512 bytes.
///         CAPACITY: Virtio64 @ 0;
///         /// Block size in bytes.
///         BLK_SIZE: Virtio32 @ 20, if BlkSize;
///         /// 1: write back, 0: write through.
///         WCE: U8 @ 32, if ConfigWce => rw;
///     }
/// }
///
/// fn read(dev: &virtio::Device<Bound>) -> Result<(u64, u32)> {
///     let config = dev.config::<Space>();
///     let capacity = config.read(&Space::CAPACITY)?;
///     let block_size = config.read_if(&Space::BLK_SIZE)?.unwrap_or(512);
///
///     config.write_if(&Space::WCE, 1)?;
///     Ok((capacity, block_size))
/// }
/// ```
pub struct Config<'a, C: ConfigSpace> {
    dev: &'a Device<Bound>,
    features: Negotiated<C::Features>,
}

impl<'a, C: ConfigSpace> Config<'a, C> {
    /// Opens the space of a bound device.
    pub(super) fn new(dev: &'a Device<Bound>) -> Self {
        Self {
            dev,
            features: dev.features(),
        }
    }

    /// Reads a field that every device has (C: `virtio_cread`, `virtio_cread_le`).
    ///
    /// # Errors
    ///
    /// - [`EINVAL`]: the device has no such bytes.
    /// - [`EAGAIN`]: the device kept changing its configuration.
    pub fn read<W: Wire, A>(&self, field: &Field<C, W, Always, A>) -> Result<W::Value> {
        self.read_at::<W>(field.offset)
    }

    /// Reads a field that depends on a feature; [`None`] where the feature was not negotiated
    /// (C: `virtio_cread_feature`, `virtio_cread_le_feature`).
    ///
    /// # Errors
    ///
    /// As for [`read`](Self::read).
    pub fn read_if<W: Wire, F: Feature<C::Features>, A>(
        &self,
        field: &Field<C, W, If<F>, A>,
    ) -> Result<Option<W::Value>> {
        if !self.features.has_bit(F::BIT) {
            return Ok(None);
        }

        self.read_at::<W>(field.offset).map(Some)
    }

    /// Writes a field that every device has (C: `virtio_cwrite`, `virtio_cwrite_le`).
    ///
    /// # Errors
    ///
    /// - [`EINVAL`]: the device has no such bytes.
    /// - [`EOPNOTSUPP`]: its transport cannot write the space.
    pub fn write<W: Wire>(
        &self,
        field: &Field<C, W, Always, ReadWrite>,
        value: W::Value,
    ) -> Result {
        self.write_at::<W>(field.offset, value)
    }

    /// Writes a field that depends on a feature.
    ///
    /// # Errors
    ///
    /// As for [`write`](Self::write), and [`EOPNOTSUPP`] where the feature was not negotiated.
    pub fn write_if<W: Wire, F: Feature<C::Features>>(
        &self,
        field: &Field<C, W, If<F>, ReadWrite>,
        value: W::Value,
    ) -> Result {
        if !self.features.has_bit(F::BIT) {
            return Err(EOPNOTSUPP);
        }

        self.write_at::<W>(field.offset, value)
    }

    /// Reads a field in one piece where the transport can, and otherwise between two reads of the
    /// same generation.
    fn read_at<W: Wire>(&self, offset: u32) -> Result<W::Value> {
        self.check(offset, W::SIZE)?;

        for _ in 0..GENERATION_RETRIES {
            let mut bytes = W::Bytes::default();
            let before = self.dev.config_generation();

            self.dev.config_get(offset, bytes.as_mut())?;
            if self.dev.config_generation() == before {
                return Ok(W::decode(bytes, self.dev.byte_order()));
            }
        }

        dev_err!(
            self.dev,
            "configuration changed {} times while {} bytes at {} were read\n",
            GENERATION_RETRIES,
            W::SIZE,
            offset
        );
        Err(EAGAIN)
    }

    fn write_at<W: Wire>(&self, offset: u32, value: W::Value) -> Result {
        self.check(offset, W::SIZE)?;
        self.dev
            .config_set(offset, W::encode(value, self.dev.byte_order()).as_ref())
    }

    /// Checks the end of a field against the length of the space.
    fn check(&self, offset: u32, size: u32) -> Result {
        let len = self.dev.config_len();

        if offset.checked_add(size).is_some_and(|end| end <= len) {
            return Ok(());
        }
        dev_err!(
            self.dev,
            "configuration space of {} bytes has no {} bytes at {}\n",
            len,
            size,
            offset
        );
        Err(EINVAL)
    }
}

/// Checks a list of fields at compile time: naturally aligned, none over another.
#[doc(hidden)]
pub const fn check(fields: &[FieldInfo]) {
    let mut i = 0;
    while i < fields.len() {
        let field = &fields[i];
        let align = if field.size > 4 { 4 } else { field.size };
        assert!(
            field.offset & (align - 1) == 0,
            "configuration field is not aligned"
        );
        assert!(
            field.end() <= 4096,
            "configuration field beyond the largest space"
        );
        let mut j = 0;
        while j < i {
            assert!(
                field.end() <= fields[j].offset || fields[j].end() <= field.offset,
                "configuration fields overlap"
            );
            j += 1;
        }
        i += 1;
    }
}

/// Declares the configuration space of a device.
///
/// `NAME: Wire @ offset;` is a field that every device has, `NAME: Wire @ offset, if Feature;` one
/// that exists with a feature, and `=> rw` before the semicolon makes a field writable. The wire
/// types are those of [`kernel::virtio::config`](crate::virtio::config).
///
/// See [`Config`](crate::virtio::config::Config) for an example.
#[macro_export]
macro_rules! virtio_config {
    (
        $(#[$doc:meta])*
        $vis:vis struct $space:ident: $features:ty {
            $(
                $(#[$field_doc:meta])*
                $field:ident: $wire:ident @ $offset:literal
                $(, if $feature:ident)?
                $(=> $access:ident)?;
            )*
        }
    ) => {
        $(#[$doc])*
        $vis struct $space;

        impl $space {
            $(
                $(#[$field_doc])*
                $vis const $field: $crate::virtio::config::Field<
                    Self,
                    $crate::virtio::config::$wire,
                    $crate::virtio_config!(@gate $($feature)?),
                    $crate::virtio_config!(@access $($access)?),
                > = $crate::virtio::config::Field::new($offset);
            )*
        }

        impl $crate::virtio::config::ConfigSpace for $space {
            type Features = $features;

            const FIELDS: &'static [$crate::virtio::config::FieldInfo] = &[
                $($crate::virtio::config::FieldInfo {
                    offset: $offset,
                    size: <$crate::virtio::config::$wire as $crate::virtio::config::Wire>::SIZE,
                    feature: $crate::virtio_config!(@bit $features $(, $feature)?),
                }),*
            ];
        }

        const _: () = $crate::virtio::config::check(
            <$space as $crate::virtio::config::ConfigSpace>::FIELDS
        );
    };

    (@gate) => { $crate::virtio::config::Always };
    (@gate $feature:ident) => { $crate::virtio::config::If<$feature> };
    (@access) => { $crate::virtio::config::ReadOnly };
    (@access rw) => { $crate::virtio::config::ReadWrite };
    (@bit $features:ty) => { ::core::option::Option::None };
    (@bit $features:ty, $feature:ident) => {
        ::core::option::Option::Some(
            <$feature as $crate::virtio::feature::Feature<$features>>::BIT
        )
    };
}
