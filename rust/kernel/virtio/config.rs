// SPDX-License-Identifier: GPL-2.0

//! The configuration space of a device, by fields.
//!
//! A driver declares the fields with [`virtio_config!`](crate::virtio_config): offset, width, byte
//! order, and the feature that makes the field exist. A field without a feature is read with
//! [`Config::read`]; one with a feature only with [`Config::read_if`], which answers [`None`] where
//! the feature was not negotiated. Width, alignment and overlaps are checked at compile time, the
//! length of the space before probe and at each access. virtio-pci, virtio-mmio and vDPA know it;
//! with other transports it counts as 256 bytes.
//!
//! A field is a number or an array of bytes. No read mixes bytes from before and after a change of
//! the configuration; where several fields have to fit together, they are read with
//! [`Config::read_together`].
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

mod wire;

pub use self::wire::{
    ByteOrder,
    Bytes,
    Le16,
    Le32,
    Le64,
    Virtio16,
    Virtio32,
    Virtio64,
    Wire,
    U8, //
};

/// How often a read is tried again while the device changes its configuration.
///
/// C tries for ever. A device that changes its configuration without end gets an error instead.
const GENERATION_RETRIES: u32 = 1000;

/// The bytes that no configuration space has more of.
const SPACE_LEN: u32 = 4096;

/// The layout of a configuration space.
///
/// # Safety
///
/// To be implemented by [`virtio_config!`](crate::virtio_config), which has [`check`] look at the
/// fields: each is naturally aligned, and none is over another.
pub unsafe trait ConfigSpace: 'static {
    /// The features that make fields exist.
    type Features: FeatureSet;

    /// All fields.
    const FIELDS: &'static [FieldInfo];
}

/// The configuration space of devices that have none.
pub struct NoConfig<S: FeatureSet>(PhantomData<fn() -> S>);

// SAFETY: There are no fields.
unsafe impl<S: FeatureSet> ConfigSpace for NoConfig<S> {
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
    /// What `offset` must be a multiple of.
    pub align: u32,
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
    ///
    /// # Safety
    ///
    /// `Gate` and `Access` must be those of the field of `C` at this offset.
    #[doc(hidden)]
    pub const unsafe fn new(offset: u32) -> Self {
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

    /// Reads a field that every device has (C: `virtio_cread`, `virtio_cread_le`,
    /// `virtio_cread_bytes`).
    ///
    /// # Errors
    ///
    /// - [`EINVAL`]: the device has no such bytes.
    /// - [`EAGAIN`]: the device kept changing its configuration.
    pub fn read<W: Wire, A>(&self, field: &Field<C, W, Always, A>) -> Result<W::Value> {
        self.read_together(|fields| fields.read(field))
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
        self.read_together(|fields| fields.read_if(field))
    }

    /// Reads several fields that fit together: `read` is called again if the device has changed its
    /// configuration meanwhile, as far as the transport counts changes.
    ///
    /// What `read` returns is that of the last call, an error too, of which the calls before can
    /// have had others.
    ///
    /// # Errors
    ///
    /// - [`EAGAIN`]: the device kept changing its configuration.
    /// - Those of `read`.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::{device::Bound, prelude::*, virtio};
    ///
    /// kernel::virtio_features! { pub struct Features {} }
    ///
    /// kernel::virtio_config! {
    ///     /// A network device.
    ///     pub struct Space: Features {
    ///         /// The address.
    ///         MAC: Bytes<6> @ 0;
    ///         /// 1: the link is up.
    ///         STATUS: Le16 @ 6;
    ///     }
    /// }
    ///
    /// fn link(dev: &virtio::Device<Bound>) -> Result<([u8; 6], bool)> {
    ///     dev.config::<Space>().read_together(|fields| {
    ///         Ok((fields.read(&Space::MAC)?, fields.read(&Space::STATUS)? & 1 != 0))
    ///     })
    /// }
    /// # let _ = link;
    /// ```
    pub fn read_together<R>(&self, mut read: impl FnMut(&Fields<'_, C>) -> Result<R>) -> Result<R> {
        let fields = Fields { config: self };

        for _ in 0..GENERATION_RETRIES {
            let before = self.dev.config_generation();
            let result = read(&fields);

            if self.dev.config_generation() == before {
                return result;
            }
        }

        dev_err!(
            self.dev,
            "configuration changed {} times while it was read\n",
            GENERATION_RETRIES
        );
        Err(EAGAIN)
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

    fn read_at<W: Wire>(&self, offset: u32) -> Result<W::Value> {
        self.check(offset, W::SIZE, W::ALIGN)?;

        let mut bytes = W::ZERO;
        let mut at = offset;

        for unit in bytes.as_mut().chunks_mut(W::UNIT as usize) {
            self.dev.config_get(at, unit)?;
            at = at.wrapping_add(W::UNIT);
        }
        Ok(W::decode(bytes, self.dev.byte_order()))
    }

    fn write_at<W: Wire>(&self, offset: u32, value: W::Value) -> Result {
        self.check(offset, W::SIZE, W::ALIGN)?;

        let bytes = W::encode(value, self.dev.byte_order());
        let mut at = offset;

        for unit in bytes.as_ref().chunks(W::UNIT as usize) {
            self.dev.config_set(at, unit)?;
            at = at.wrapping_add(W::UNIT);
        }
        Ok(())
    }

    /// Checks the end of a field against the length of the space, and its alignment.
    fn check(&self, offset: u32, size: u32, align: u32) -> Result {
        let len = self.dev.config_len();

        if offset.checked_add(size).is_some_and(|end| end <= len) && offset % align == 0 {
            return Ok(());
        }
        dev_err!(
            self.dev,
            "configuration space of {} bytes has no {} bytes at {}, a multiple of {}\n",
            len,
            size,
            offset,
            align
        );
        Err(EINVAL)
    }
}

/// The fields of a configuration space while several of them are read.
pub struct Fields<'a, C: ConfigSpace> {
    config: &'a Config<'a, C>,
}

impl<C: ConfigSpace> Fields<'_, C> {
    /// Reads a field that every device has.
    ///
    /// # Errors
    ///
    /// [`EINVAL`]: the device has no such bytes.
    pub fn read<W: Wire, A>(&self, field: &Field<C, W, Always, A>) -> Result<W::Value> {
        self.config.read_at::<W>(field.offset)
    }

    /// Reads a field that depends on a feature; [`None`] where the feature was not negotiated.
    ///
    /// # Errors
    ///
    /// As for [`read`](Self::read).
    pub fn read_if<W: Wire, F: Feature<C::Features>, A>(
        &self,
        field: &Field<C, W, If<F>, A>,
    ) -> Result<Option<W::Value>> {
        if !self.config.features.has_bit(F::BIT) {
            return Ok(None);
        }
        self.config.read_at::<W>(field.offset).map(Some)
    }
}

/// Checks a list of fields at compile time: naturally aligned, none over another.
#[doc(hidden)]
pub const fn check(fields: &[FieldInfo]) {
    let mut i = 0;
    while i < fields.len() {
        let field = &fields[i];
        assert!(field.size > 0, "configuration field is empty");
        assert!(
            field.offset % field.align == 0,
            "configuration field is not aligned"
        );
        assert!(
            field.end() <= SPACE_LEN,
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
/// types are those of [`kernel::virtio::config`](crate::virtio::config): `Virtio16`, `Le32`,
/// `Bytes<6>`.
///
/// See [`Config`](crate::virtio::config::Config) for an example.
#[macro_export]
macro_rules! virtio_config {
    (
        $(#[$doc:meta])*
        $vis:vis struct $space:ident: $features:ty {
            $(
                $(#[$field_doc:meta])*
                $field:ident: $wire:ident $(<$len:literal>)? @ $offset:literal
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
                    $crate::virtio::config::$wire $(<$len>)?,
                    $crate::virtio_config!(@gate $($feature)?),
                    $crate::virtio_config!(@access $($access)?),
                // SAFETY: The list of fields below is made from the same line.
                > = unsafe { $crate::virtio::config::Field::new($offset) };
            )*
        }

        // SAFETY: `check` looks at the fields below.
        unsafe impl $crate::virtio::config::ConfigSpace for $space {
            type Features = $features;

            const FIELDS: &'static [$crate::virtio::config::FieldInfo] = &[
                $($crate::virtio::config::FieldInfo {
                    offset: $offset,
                    size: <
                        $crate::virtio::config::$wire $(<$len>)? as $crate::virtio::config::Wire
                    >::SIZE,
                    align: <
                        $crate::virtio::config::$wire $(<$len>)? as $crate::virtio::config::Wire
                    >::ALIGN,
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
