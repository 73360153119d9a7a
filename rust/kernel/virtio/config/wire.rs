// SPDX-License-Identifier: GPL-2.0

//! The types that fields of a configuration space have on the wire.

use super::SPACE_LEN;

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
    type Bytes: AsRef<[u8]> + AsMut<[u8]> + Copy;

    /// Bytes that are all zero.
    const ZERO: Self::Bytes;

    /// The width in bytes.
    const SIZE: u32;

    /// The bytes that a transport is asked for at once: 1, 2, 4 or 8. `SIZE` is a multiple.
    const UNIT: u32;

    /// What the offset of a field must be a multiple of.
    const ALIGN: u32 = if Self::UNIT > 4 { 4 } else { Self::UNIT };

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
                const ZERO: Self::Bytes = [0; size_of::<$value>()];
                const SIZE: u32 = size_of::<$value>() as u32;
                const UNIT: u32 = Self::SIZE;

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

/// An array of `N` bytes: an address, a name, a UUID.
pub struct Bytes<const N: usize>;

impl<const N: usize> private::Sealed for Bytes<N> {}

impl<const N: usize> Wire for Bytes<N> {
    type Value = [u8; N];
    type Bytes = [u8; N];
    const ZERO: Self::Bytes = [0; N];
    const SIZE: u32 = {
        assert!(
            N <= SPACE_LEN as usize,
            "configuration field beyond the largest space"
        );
        N as u32
    };
    const UNIT: u32 = 1;

    fn decode(bytes: [u8; N], _order: ByteOrder) -> [u8; N] {
        bytes
    }

    fn encode(value: [u8; N], _order: ByteOrder) -> [u8; N] {
        value
    }
}
