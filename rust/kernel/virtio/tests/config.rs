// SPDX-License-Identifier: GPL-2.0

//! The configuration space (law 4).

use super::{
    super::{
        config::{
            Always,
            ByteOrder,
            ConfigSpace,
            Field,
            FieldInfo,
            Le32,
            Le64,
            ReadWrite, //
        },
        fake::{
            Event,
            Options, //
        },
    },
    bench::{
        Plan,
        Session,
        LEGACY,
        MODERN, //
    },
    driver::{
        Features,
        Minimal,
        Optional,
        Space, //
    },
};
use crate::{
    bindings,
    prelude::*,
    sync::atomic::ordering::Relaxed, //
};

/// A space in which each byte tells its place.
const BYTES: [u8; 37] = {
    let mut bytes = [0; 37];
    let mut i = 0;

    while i < bytes.len() {
        bytes[i] = 0x40 + i as u8;
        i += 1;
    }
    bytes
};

/// Adds that space to a device.
fn with_space(options: Options) -> Options {
    Options {
        config: &BYTES,
        config_len: Some(BYTES.len() as u32),
        ..options
    }
}

/// Bits of the features that make fields exist.
const OPTIONAL: u32 = 5;
const SWITCH: u32 = 11;

#[kunit_tests(rust_virtio_config)]
mod cases {
    use super::*;

    #[test]
    fn a_modern_device_is_little_endian() -> Result {
        let session = Session::new(Plan::DEFAULT, with_space(MODERN))?;
        let config = session.fake()?.bound()?.config::<Space>();

        ensure_eq!(config.read(&Space::BYTE), Ok(0x40));
        ensure_eq!(config.read(&Space::LE16), Ok(0x4342));
        ensure_eq!(config.read(&Space::LE32), Ok(0x4746_4544));
        ensure_eq!(config.read(&Space::LE64), Ok(0x4f4e_4d4c_4b4a_4948));
        ensure_eq!(config.read(&Space::VIRTIO16), Ok(0x5150));
        ensure_eq!(config.read(&Space::VIRTIO32), Ok(0x5756_5554));
        ensure_eq!(config.read(&Space::VIRTIO64), Ok(0x5f5e_5d5c_5b5a_5958));
        ensure_eq!(session.device().config_overruns(), 0);
        Ok(())
    }

    #[test]
    fn a_legacy_device_is_native_where_the_type_says_so() -> Result {
        let session = Session::new(Plan::DEFAULT, with_space(LEGACY))?;
        let config = session.fake()?.bound()?.config::<Space>();

        ensure_eq!(config.read(&Space::LE32), Ok(0x4746_4544));
        ensure_eq!(
            config.read(&Space::VIRTIO16),
            Ok(u16::from_ne_bytes([0x50, 0x51]))
        );
        ensure_eq!(
            config.read(&Space::VIRTIO32),
            Ok(u32::from_ne_bytes([0x54, 0x55, 0x56, 0x57]))
        );
        Ok(())
    }

    #[test]
    fn byte_orders_convert_both_ways() -> Result {
        for order in [ByteOrder::Little, ByteOrder::Native] {
            ensure_eq!(order.from_bytes8(order.to_bytes8(0x12)), 0x12);
            ensure_eq!(order.from_bytes16(order.to_bytes16(0x1234)), 0x1234);
            ensure_eq!(
                order.from_bytes32(order.to_bytes32(0x1234_5678)),
                0x1234_5678
            );
            ensure_eq!(
                order.from_bytes64(order.to_bytes64(u64::MAX - 1)),
                u64::MAX - 1
            );
        }
        ensure_eq!(ByteOrder::Little.to_bytes16(0x1234), [0x34, 0x12]);
        ensure_eq!(
            ByteOrder::Native.to_bytes16(0x1234),
            0x1234_u16.to_ne_bytes()
        );
        ensure_eq!(ByteOrder::Little.to_bytes32(1), [1, 0, 0, 0]);
        ensure_eq!(ByteOrder::Little.to_bytes64(1), [1, 0, 0, 0, 0, 0, 0, 0]);
        Ok(())
    }

    #[test]
    fn a_field_without_its_feature_is_not_touched() -> Result {
        let session = Session::new(Plan::DEFAULT, with_space(MODERN))?;
        let config = session.fake()?.bound()?.config::<Space>();
        let reads = session.device().config_reads();

        ensure_eq!(config.read_if(&Space::OPTIONAL), Ok(None));
        ensure_eq!(config.read_if(&Space::SWITCH), Ok(None));
        ensure_eq!(session.device().config_reads(), reads);

        ensure_eq!(config.write_if(&Space::SWITCH, 1), Err(EOPNOTSUPP));
        ensure_eq!(session.device().config()?[..], BYTES);
        Ok(())
    }

    #[test]
    fn a_field_with_its_feature_is_read_and_written() -> Result {
        let options = with_space(MODERN).with_features(&[OPTIONAL, SWITCH]);
        let session = Session::new(Plan::DEFAULT, options)?;
        let config = session.fake()?.bound()?.config::<Space>();

        ensure_eq!(config.read_if(&Space::OPTIONAL), Ok(Some(0x6362_6160)));
        ensure_eq!(config.read_if(&Space::SWITCH), Ok(Some(0x64)));
        ensure_eq!(config.write_if(&Space::SWITCH, 1), Ok(()));
        ensure_eq!(config.read_if(&Space::SWITCH), Ok(Some(1)));
        ensure_eq!(session.device().config()?[36], 1);
        Ok(())
    }

    #[test]
    fn a_write_reaches_the_bytes_of_the_field_and_no_others() -> Result {
        let session = Session::new(Plan::DEFAULT, with_space(MODERN))?;
        let config = session.fake()?.bound()?.config::<Space>();
        let mut expected = BYTES;

        ensure_eq!(config.write(&Space::VIRTIO16, 0x1122), Ok(()));
        expected[16..18].copy_from_slice(&[0x22, 0x11]);
        ensure_eq!(session.device().config()?[..], expected);

        ensure_eq!(
            config.write(&Space::VIRTIO64, 0x0102_0304_0506_0708),
            Ok(())
        );
        expected[24..32].copy_from_slice(&[8, 7, 6, 5, 4, 3, 2, 1]);
        ensure_eq!(session.device().config()?[..], expected);
        Ok(())
    }

    #[test]
    fn a_transport_that_cannot_write_says_so() -> Result {
        let options = Options {
            config_writable: false,
            ..with_space(MODERN)
        };
        let session = Session::new(Plan::DEFAULT, options)?;
        let config = session.fake()?.bound()?.config::<Space>();

        ensure_eq!(config.write(&Space::VIRTIO16, 1), Err(EOPNOTSUPP));
        ensure_eq!(session.device().config()?[..], BYTES);
        Ok(())
    }

    #[test]
    fn a_read_over_a_change_is_repeated_until_it_is_whole() -> Result {
        let session = Session::new(Plan::DEFAULT, with_space(MODERN))?;
        let config = session.fake()?.bound()?.config::<Space>();

        for changes in [1, 2, 10] {
            let reads = session.device().config_reads();

            session
                .device()
                .knobs
                .config_changes
                .store(changes, Relaxed);
            ensure_eq!(config.read(&Space::LE64), Ok(0x4f4e_4d4c_4b4a_4948));
            ensure_eq!(session.device().config_reads() - reads, changes + 1);
        }
        Ok(())
    }

    #[test]
    fn a_configuration_that_changes_for_ever_is_an_error() -> Result {
        let session = Session::new(Plan::DEFAULT, with_space(MODERN))?;
        let config = session.fake()?.bound()?.config::<Space>();

        session
            .device()
            .knobs
            .config_changes
            .store(u32::MAX, Relaxed);
        ensure_eq!(config.read(&Space::LE64), Err(EAGAIN));

        session.device().knobs.config_changes.store(0, Relaxed);
        ensure_eq!(config.read(&Space::LE64), Ok(0x4f4e_4d4c_4b4a_4948));
        Ok(())
    }

    #[test]
    fn a_transport_that_does_not_count_changes_is_read_once() -> Result {
        let options = Options {
            has_generation: false,
            ..with_space(MODERN)
        };
        let session = Session::new(Plan::DEFAULT, options)?;
        let config = session.fake()?.bound()?.config::<Space>();
        let reads = session.device().config_reads();

        ensure_eq!(config.read(&Space::LE64), Ok(0x4f4e_4d4c_4b4a_4948));
        ensure_eq!(session.device().config_reads() - reads, 1);
        Ok(())
    }

    #[test]
    fn a_space_that_is_too_short_ends_the_probe() -> Result {
        // Without features, the last field ends at 32.
        for (len, bits, bound) in [
            (0, &[][..], false),
            (31, &[], false),
            (32, &[], true),
            (32, &[OPTIONAL], false),
            (36, &[OPTIONAL], true),
            (36, &[OPTIONAL, SWITCH], false),
            (36, &[SWITCH], false),
            (37, &[OPTIONAL, SWITCH], true),
            (u32::MAX, &[OPTIONAL, SWITCH], true),
        ] {
            let options = Options {
                config_len: Some(len),
                ..with_space(MODERN).with_features(bits)
            };
            let session = Session::new(Plan::DEFAULT, options)?;

            ensure_eq!((len, session.device().is_bound()), (len, bound));
            ensure_eq!(
                session.log.count(Event::Driver("probe")),
                usize::from(bound)
            );
            ensure_eq!(
                session.device().status() & bindings::VIRTIO_CONFIG_S_FAILED != 0,
                !bound
            );
            ensure_eq!(session.device().config_overruns(), 0);
        }
        Ok(())
    }

    #[test]
    fn a_driver_without_fields_takes_a_device_without_space() -> Result {
        let options = Options {
            config_len: Some(0),
            ..MODERN
        };
        let session = Session::<Minimal>::with_driver(Plan::DEFAULT, options)?;

        ensure!(session.device().is_bound());
        Ok(())
    }

    #[test]
    fn a_foreign_layout_cannot_reach_beyond_the_space() -> Result {
        // The driver has declared no fields, so its probe has checked none.
        let options = Options {
            config_len: Some(10),
            ..with_space(MODERN)
        };
        let session = Session::<Minimal>::with_driver(Plan::DEFAULT, options)?;
        let config = session.fake()?.bound()?.config::<Space>();
        let reads = session.device().config_reads();

        ensure_eq!(config.read(&Space::LE32), Ok(0x4746_4544));
        ensure_eq!(config.read(&Space::LE64), Err(EINVAL));
        ensure_eq!(config.write(&Space::VIRTIO16, 0), Err(EINVAL));
        ensure_eq!(session.device().config_reads(), reads + 1);
        ensure_eq!(session.device().config()?[..], BYTES);
        Ok(())
    }

    #[test]
    fn a_space_of_unknown_length_counts_as_256_bytes() -> Result {
        kernel::virtio_config! {
            struct Long: Features {
                LAST: U8 @ 255;
                BEYOND: U8 @ 256;
            }
        }

        let options = Options {
            config_len: None,
            ..with_space(MODERN)
        };
        let session = Session::new(Plan::DEFAULT, options)?;
        let bound = session.fake()?.bound()?;

        ensure_eq!(bound.config::<Space>().read(&Space::BYTE), Ok(0x40));
        ensure!(bound.config::<Long>().read(&Long::LAST).is_ok());
        ensure_eq!(bound.config::<Long>().read(&Long::BEYOND), Err(EINVAL));
        Ok(())
    }

    #[test]
    fn an_array_of_bytes_is_read_and_written_byte_by_byte() -> Result {
        kernel::virtio_config! {
            struct Arrays: Features {
                MAC: Bytes<6> @ 1 => rw;
                NAME: Bytes<20> @ 7;
                OPTIONAL: Bytes<3> @ 33, if Optional;
            }
        }

        for (bits, optional) in [(&[][..], None), (&[OPTIONAL], Some([0x61, 0x62, 0x63]))] {
            let options = with_space(MODERN).with_features(bits);
            let session = Session::new(Plan::DEFAULT, options)?;
            let device = session.device();
            let config = session.fake()?.bound()?.config::<Arrays>();
            let mut expected = BYTES;

            ensure_eq!(config.read(&Arrays::MAC)?[..], BYTES[1..7]);
            ensure_eq!(config.read(&Arrays::NAME)?[..], BYTES[7..27]);
            ensure_eq!(config.read_if(&Arrays::OPTIONAL), Ok(optional));

            expected[1..7].copy_from_slice(b"abcdef");
            ensure_eq!(config.write(&Arrays::MAC, *b"abcdef"), Ok(()));
            ensure_eq!(device.config()?[..], expected);

            // A change while the last byte is read.
            let reads = device.config_reads();

            device.knobs.config_changes.store(1, Relaxed);
            ensure_eq!(config.read(&Arrays::MAC), Ok(*b"abcdef"));
            ensure_eq!(device.config_reads() - reads, 12);
            ensure_eq!((device.config_overruns(), device.config_misfits()), (0, 0));
        }
        Ok(())
    }

    #[test]
    fn fields_that_are_read_together_are_of_one_generation() -> Result {
        let options = with_space(MODERN).with_features(&[OPTIONAL]);
        let session = Session::new(Plan::DEFAULT, options)?;
        let device = session.device();
        let config = session.fake()?.bound()?.config::<Space>();
        let mut calls = 0;

        // The device changes both fields between the two reads, twice.
        let both = config.read_together(|fields| {
            let first = fields.read(&Space::LE16)?;

            calls += 1;
            if calls <= 2 {
                device.set_config(2, &[calls, 0]);
                device.set_config(32, &[calls, 0, 0, 0]);
            }
            Ok((first, fields.read_if(&Space::OPTIONAL)?))
        });

        ensure_eq!(both, Ok((2, Some(2))));
        ensure_eq!(calls, 3);

        // What is wrong with a mixture is not the last word.
        let mut calls = 0;
        let ret = config.read_together(|fields| {
            calls += 1;
            if calls == 1 {
                device.set_config(2, &[9, 0]);
                return Err(EDOM);
            }
            fields.read(&Space::LE16)
        });

        ensure_eq!((ret, calls), (Ok(9), 2));
        // But it is if nothing has changed.
        ensure_eq!(config.read_together(|_| Err::<(), _>(EDOM)), Err(EDOM));

        device.knobs.config_changes.store(u32::MAX, Relaxed);
        let ret = config.read_together(|fields| fields.read_if(&Space::SWITCH));

        // That field does not exist, so nothing was read that could have changed.
        ensure_eq!(ret, Ok(None));
        let ret = config.read_together(|fields| fields.read(&Space::BYTE));

        ensure_eq!(ret, Err(EAGAIN));
        Ok(())
    }

    #[test]
    fn a_field_that_is_not_aligned_is_not_touched() -> Result {
        struct Crooked;

        // SAFETY: None. This is what the check at run time is for.
        unsafe impl ConfigSpace for Crooked {
            type Features = Features;
            const FIELDS: &'static [FieldInfo] = &[
                FieldInfo {
                    offset: 1,
                    size: 4,
                    align: 4,
                    feature: None,
                },
                FieldInfo {
                    offset: 5,
                    size: 8,
                    align: 4,
                    feature: None,
                },
            ];
        }

        // SAFETY: As above.
        const LE32: Field<Crooked, Le32, Always, ReadWrite> = unsafe { Field::new(1) };
        // SAFETY: As above.
        const LE64: Field<Crooked, Le64> = unsafe { Field::new(5) };

        let session = Session::new(Plan::DEFAULT, with_space(MODERN))?;
        let config = session.fake()?.bound()?.config::<Crooked>();
        let reads = session.device().config_reads();

        ensure_eq!(config.read(&LE32), Err(EINVAL));
        ensure_eq!(config.write(&LE32, 0), Err(EINVAL));
        ensure_eq!(config.read(&LE64), Err(EINVAL));
        ensure_eq!(session.device().config_reads(), reads);
        ensure_eq!(session.device().config()?[..], BYTES);
        ensure_eq!(session.device().config_misfits(), 0);
        Ok(())
    }

    #[test]
    fn what_the_device_changes_is_seen() -> Result {
        let session = Session::new(Plan::DEFAULT, with_space(MODERN))?;
        let config = session.fake()?.bound()?.config::<Space>();

        ensure_eq!(config.read(&Space::LE16), Ok(0x4342));
        session.device().set_config(2, &[0xcd, 0xab]);
        ensure_eq!(config.read(&Space::LE16), Ok(0xabcd));
        Ok(())
    }
}
