// SPDX-License-Identifier: GPL-2.0

//! Features: what is offered, agreed on, and asked for (law 3).

use super::{
    super::{
        config::ByteOrder,
        fake::Event,
        feature::{
            self,
            FeatureSet,
            Negotiated, //
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
        First,
        High,
        Higher,
        Optional,
        Picky,
        Recent,
        Switch,
        TestDriver, //
    },
};
use crate::{
    bindings,
    prelude::*,
    sync::atomic::ordering::Relaxed, //
};

/// What was agreed on about each declared feature, in the order of their bits.
fn declared(features: Negotiated<Features>) -> [bool; 6] {
    [
        features.has(First),
        features.has(Optional),
        features.has(Switch),
        features.has(Recent),
        features.has(High),
        features.has(Higher),
    ]
}

#[kunit_tests(rust_virtio_feature)]
mod cases {
    use super::*;

    #[test]
    fn tables_hold_what_was_declared() -> Result {
        ensure_eq!(Features::TABLE, &[0, 5, 11, 20, 50, 100]);
        ensure_eq!(Features::LEGACY_TABLE, &[0, 5, 11]);
        Ok(())
    }

    #[test]
    fn agreed_is_what_both_sides_offer() -> Result {
        let (yes, no) = (true, false);
        let table: &[(&[u32], [bool; 6])] = &[
            (&[], [no, no, no, no, no, no]),
            (&[0], [yes, no, no, no, no, no]),
            (&[5, 50], [no, yes, no, no, yes, no]),
            (&[100], [no, no, no, no, no, yes]),
            (&[0, 5, 11, 20, 50, 100], [yes, yes, yes, yes, yes, yes]),
        ];

        for &(offered, agreed) in table {
            let session = Session::new(Plan::DEFAULT, MODERN.with_features(offered))?;

            ensure_eq!(declared(session.fake()?.bound()?.features()), agreed);
        }
        Ok(())
    }

    #[test]
    fn a_legacy_device_gets_legacy_features_only() -> Result {
        let options = LEGACY.with_features(&[0, 5, 20, 50]);
        let session = Session::new(Plan::DEFAULT, options)?;
        let features = session.fake()?.bound()?.features();

        ensure_eq!(declared(features), [true, true, false, false, false, false]);
        Ok(())
    }

    #[test]
    fn bits_that_were_not_declared_are_not_accepted() -> Result {
        let mut options = MODERN;

        // All bits but the layouts of rings, and the DMA API.
        options.features = [u64::MAX, u64::MAX];
        for bit in [
            bindings::VIRTIO_F_RING_PACKED,
            bindings::VIRTIO_F_ACCESS_PLATFORM,
        ] {
            options.features[0] &= !(1 << bit);
        }

        let session = Session::new(Plan::DEFAULT, options)?;
        let features: Negotiated<Features> = session.fake()?.bound()?.features();

        for bit in 0..feature::FEATURES_BITS {
            let transport = (bindings::VIRTIO_TRANSPORT_F_START..bindings::VIRTIO_TRANSPORT_F_END)
                .contains(&bit);

            if !transport {
                ensure_eq!(
                    (bit, features.has_bit(bit)),
                    (bit, Features::TABLE.contains(&bit))
                );
            }
        }
        // Bits that do not exist are not set either.
        ensure!(!features.has_bit(feature::FEATURES_BITS));
        ensure!(!features.has_bit(u32::MAX));
        Ok(())
    }

    #[test]
    fn ring_and_transport_features_can_be_asked_by_any_driver() -> Result {
        let offered = [
            bindings::VIRTIO_RING_F_INDIRECT_DESC,
            bindings::VIRTIO_RING_F_EVENT_IDX,
            bindings::VIRTIO_F_IN_ORDER,
            bindings::VIRTIO_F_ORDER_PLATFORM,
            bindings::VIRTIO_F_NOTIFICATION_DATA,
            bindings::VIRTIO_F_RING_RESET,
            // The transport does not know this one and takes it back.
            bindings::VIRTIO_F_SR_IOV,
        ];
        let asked = |session: &Session| -> Result<[bool; 9]> {
            let features: Negotiated<Features> = session.fake()?.bound()?.features();

            Ok([
                features.has(feature::RingIndirectDesc),
                features.has(feature::RingEventIdx),
                features.has(feature::InOrder),
                features.has(feature::OrderPlatform),
                features.has(feature::NotificationData),
                features.has(feature::RingReset),
                features.has(feature::Version1),
                features.has(feature::AccessPlatform),
                features.has(feature::RingPacked),
            ])
        };

        let session = Session::new(Plan::DEFAULT, MODERN.with_features(&offered))?;
        ensure_eq!(
            asked(&session)?,
            [true, true, true, true, true, true, true, false, false]
        );
        let features: Negotiated<Features> = session.fake()?.bound()?.features();
        ensure!(!features.has_bit(bindings::VIRTIO_F_SR_IOV));
        drop(session);

        let other = [
            bindings::VIRTIO_F_ACCESS_PLATFORM,
            bindings::VIRTIO_F_RING_PACKED,
        ];
        let session = Session::new(Plan::DEFAULT, MODERN.with_features(&other))?;
        ensure_eq!(
            asked(&session)?,
            [false, false, false, false, false, false, true, true, true]
        );
        Ok(())
    }

    #[test]
    fn validate_can_withdraw_features() -> Result {
        let options = MODERN.with_features(&[0, 5, 11, 100]);
        let session = Session::<Picky>::with_driver(Plan::DEFAULT, options)?;

        ensure_eq!(
            declared(session.fake()?.bound()?.features()),
            [true, false, true, false, false, false]
        );
        // The device was told about the second choice.
        ensure_eq!(session.device().finalized(), 2);
        Ok(())
    }

    #[test]
    fn validate_that_withdraws_nothing_is_not_told_twice() -> Result {
        let options = MODERN.with_features(&[0, 11]);
        let session = Session::<Picky>::with_driver(Plan::DEFAULT, options)?;

        ensure!(session.device().is_bound());
        ensure_eq!(session.device().finalized(), 1);
        Ok(())
    }

    #[test]
    fn validate_can_refuse_a_device() -> Result {
        let session = Session::<Picky>::with_driver(Plan::DEFAULT, MODERN.with_features(&[5]))?;

        ensure!(!session.device().is_bound());
        ensure_eq!(session.log.count(Event::Driver("probe")), 0);
        ensure!(session.device().status() & bindings::VIRTIO_CONFIG_S_FAILED != 0);
        Ok(())
    }

    #[test]
    fn a_device_that_refuses_all_features_is_not_probed() -> Result {
        let mut session = Session::new(Plan::DEFAULT, MODERN)?;

        session.fake_mut()?.unbind();
        session.events()?;
        session.device().knobs.refuse_features.store(true, Relaxed);

        ensure!(!session.fake_mut()?.attach());
        ensure_eq!(session.log.count(Event::Driver("probe")), 0);

        session.device().knobs.refuse_features.store(false, Relaxed);
        ensure!(session.fake_mut()?.attach());
        Ok(())
    }

    #[test]
    fn the_byte_order_follows_the_version() -> Result {
        let session = Session::new(Plan::DEFAULT, MODERN)?;

        ensure!(!session.fake()?.bound()?.is_legacy());
        ensure!(session.fake()?.bound()?.byte_order() == ByteOrder::Little);
        drop(session);

        let session = Session::<TestDriver>::new(Plan::DEFAULT, LEGACY)?;

        ensure!(session.fake()?.bound()?.is_legacy());
        ensure!(session.fake()?.bound()?.byte_order() == ByteOrder::Native);
        Ok(())
    }
}
