// SPDX-License-Identifier: GPL-2.0

//! Cards that come and go.

use super::{
    card::{
        Card,
        CardData, //
    },
    census::Census,
    setup::{
        Slot,
        Test, //
    }, //
};
use crate::{
    net::netdev::{
        Handle,
        NewDevice, //
    },
    prelude::*,
    sync::atomic::Relaxed, //
};
use core::mem::ManuallyDrop;

#[kunit_tests(rust_net_device)]
mod tests {
    use super::*;

    #[test]
    fn a_device_goes_down_in_order() -> Result {
        let test = Test::new()?;
        let census = test.census.clone();

        assert_eq!(census.counts(), (1, 0));
        test.up()?;
        assert!(test.with(|dev, _| dev.is_running())?);
        drop(test.registration);
        assert!(census.has_seen(&["open", "stop", "data dropped"]));
        assert_eq!(census.counts(), (0, 0));
        Ok(())
    }

    #[test]
    fn a_device_that_is_down_is_not_stopped() -> Result {
        let test = Test::new()?;
        let census = test.census.clone();

        test.up()?;
        test.down();
        assert!(!test.with(|dev, _| dev.is_running())?);
        drop(test.registration);
        assert!(census.has_seen(&["open", "stop", "data dropped"]));
        Ok(())
    }

    #[test]
    fn a_registration_that_was_forgotten_ends_with_the_binding() -> Result {
        let test = Test::new()?;
        let census = test.census.clone();

        test.up()?;
        // As if it were forgotten, but for the memory.
        let registration = ManuallyDrop::new(test.registration);

        assert_eq!(census.counts(), (1, 0));
        test.slot.unbind();
        assert!(census.has_seen(&["open", "stop", "data dropped"]));
        assert_eq!(census.counts(), (0, 0));
        drop(ManuallyDrop::into_inner(registration));
        Ok(())
    }

    #[test]
    fn nothing_is_registered_after_the_binding() -> Result {
        let census = Census::new()?;
        let slot = Slot::new()?;
        let new = slot.new_card(&census)?;

        slot.unbind();
        assert_eq!(new.register(slot.scope()).err(), Some(ENODEV));
        assert!(census.has_seen(&["data dropped"]));
        Ok(())
    }

    #[test]
    fn a_handle_gives_access_while_the_device_is_registered() -> Result {
        let census = Census::new()?;
        let slot = Slot::new()?;
        let new = slot.new_card(&census)?;
        let handle: Handle<'static, Card> = new.handle().clone();

        assert!(handle.access().is_none());
        assert!(handle.with_rtnl(|_, _| ()).is_none());
        let registration = new.register(slot.scope())?;

        assert!(handle.access().is_some_and(|dev| !dev.is_running()));
        assert_eq!(
            handle.with_rtnl(|dev, _| dev.address()),
            Some(super::super::setup::ADDRESS)
        );
        drop(registration);
        assert!(handle.access().is_none());
        assert!(handle.with_rtnl(|_, _| ()).is_none());
        // The memory is still there.
        assert!(!handle.napi_schedule());
        assert!(!handle.clone().napi_schedule());
        Ok(())
    }

    #[test]
    fn a_device_that_was_never_registered_loses_its_data() -> Result {
        let census = Census::new()?;
        let slot = Slot::new()?;
        let new = slot.new_card(&census)?;

        assert_eq!(new.data().census.counts(), (1, 0));
        drop(new);
        assert_eq!(census.counts(), (0, 0));
        Ok(())
    }

    #[test]
    fn data_that_cannot_be_made_is_an_error() -> Result {
        let slot = Slot::new()?;
        let mut kept: Option<Handle<'static, Card>> = None;
        let new = NewDevice::<Card>::new(slot.parent(), |handle| -> Result<CardData<'static>> {
            kept = Some(handle);
            Err(EDOM)
        });

        assert_eq!(new.err(), Some(EDOM));
        assert!(kept.is_some_and(|handle| handle.access().is_none()));
        Ok(())
    }

    #[test]
    fn napi_is_disabled_when_stop_forgets_to() -> Result {
        let test = Test::new()?;

        test.data(|data| data.lazy_stop.store(true, Relaxed))?;
        test.up()?;
        assert!(test.interrupt());
        test.down();
        assert!(!test.interrupt());
        Ok(())
    }

    #[test]
    fn napi_is_disabled_when_open_fails() -> Result {
        let test = Test::new()?;

        test.data(|data| data.fail_open.store(true, Relaxed))?;
        assert_eq!(test.up(), Err(EIO));
        assert!(!test.interrupt());
        assert!(!test.with(|dev, _| dev.is_running())?);
        test.data(|data| data.fail_open.store(false, Relaxed))?;
        test.up()?;
        assert!(test.interrupt());
        Ok(())
    }

    #[test]
    fn napi_is_not_enabled_while_the_device_is_down() -> Result {
        let test = Test::new()?;
        let census = test.census.clone();

        test.with(|dev, rtnl| dev.napi_enable(rtnl))?;
        assert!(!test.interrupt());
        test.up()?;
        assert!(test.interrupt());
        test.down();
        test.with(|dev, rtnl| dev.napi_enable(rtnl))?;
        assert!(!test.interrupt());
        drop(test.registration);
        assert!(census.has_seen(&["open", "stop", "data dropped"]));
        Ok(())
    }

    #[test]
    fn napi_can_be_enabled_and_disabled_twice() -> Result {
        let test = Test::new()?;

        test.up()?;
        test.with(|dev, rtnl| {
            dev.napi_disable(rtnl);
            dev.napi_enable(rtnl);
            dev.napi_enable(rtnl);
            assert_eq!(dev.reset_queue(rtnl), Err(EBUSY));
            dev.napi_disable(rtnl);
            dev.napi_disable(rtnl);
            assert_eq!(dev.reset_queue(rtnl), Ok(()));
            dev.napi_enable(rtnl);
        })?;
        assert!(test.interrupt());
        Ok(())
    }

    #[test]
    fn carrier_and_presence_are_as_the_driver_says() -> Result {
        let test = Test::new()?;

        test.with(|dev, _| {
            assert!(!dev.carrier_ok());
            dev.carrier_on();
            assert!(dev.carrier_ok());
            dev.carrier_off();
            assert!(!dev.carrier_ok());
            assert!(dev.is_present());
            dev.detach();
            assert!(!dev.is_present());
            dev.attach();
            assert!(dev.is_present());
            assert!(dev.name().to_bytes().starts_with(b"eth"));
        })
    }
}
