// SPDX-License-Identifier: GPL-2.0

//! What the user sets, and what the driver tells.

use super::{
    card::Card,
    must,
    setup::{
        Slot,
        Test,
        ADDRESS, //
    }, //
};
use crate::{
    error::to_result,
    net::{
        napi::{
            Poll,
            Polled, //
        },
        netdev::{
            Device,
            Features,
            NewDevice,
            Operations,
            Rtnl,
            Xmit, //
        },
        skb::{
            Busy,
            SkBuff, //
        }, //
    },
    prelude::*,
    sync::atomic::Relaxed, //
};

/// A driver that switches on a feature for which it has no operations.
struct Braggart;

#[vtable]
impl Operations for Braggart {
    type Data<'bound> = ();

    fn open<'bound>(_dev: &Device<'bound, Self>, _rtnl: &Rtnl) -> Result {
        Ok(())
    }

    fn stop<'bound>(_dev: &Device<'bound, Self>, _rtnl: &Rtnl) {}

    fn start_xmit<'bound>(
        _dev: &Device<'bound, Self>,
        _xmit: Xmit<'_>,
        skb: SkBuff,
    ) -> Result<(), Busy> {
        skb.consume();
        Ok(())
    }

    fn poll<'bound>(_dev: &Device<'bound, Self>, poll: Poll<'_>) -> Polled {
        poll.complete(|| ())
    }

    fn fix_features<'bound>(
        _dev: &Device<'bound, Self>,
        _rtnl: &Rtnl,
        features: Features,
    ) -> Features {
        features | Features::RXALL | Features::HW_VLAN_CTAG_FILTER
    }

    fn set_features<'bound>(dev: &Device<'bound, Self>, rtnl: &Rtnl, features: Features) -> Result {
        dev.commit_features(rtnl, features | Features::HW_VLAN_CTAG_FILTER);
        must(dev.features().contains(Features::RXALL))?;
        must(!dev.features().intersects(Features::HW_VLAN_CTAG_FILTER))
    }
}

/// Sets the address, as the user does.
fn set_address(dev: &Device<'_, Card>, _rtnl: &Rtnl, address: &[u8; 6]) -> Result {
    let mut storage: bindings::__kernel_sockaddr_storage = pin_init::zeroed();
    let place: *mut bindings::__kernel_sockaddr_storage = &raw mut storage;
    let place = place.cast::<bindings::sockaddr>();

    // SAFETY: The device is valid.
    let type_ = unsafe { (*dev.as_raw()).type_ };

    // SAFETY: The storage is large enough.
    unsafe { (*place).sa_family = type_ };
    // SAFETY: As above.
    let data = unsafe { &mut (*place).sa_data };

    for (to, from) in data.iter_mut().zip(address) {
        // CAST: A character is a byte.
        *to = *from as c_char;
    }
    // SAFETY: The device is registered, and RTNL is held.
    to_result(unsafe {
        bindings::dev_set_mac_address(dev.as_raw(), &mut storage, core::ptr::null_mut())
    })
}

fn set_mtu(dev: &Device<'_, Card>, _rtnl: &Rtnl, mtu: i32) -> Result {
    // SAFETY: The device is registered, and RTNL is held.
    to_result(unsafe { bindings::dev_set_mtu(dev.as_raw(), mtu) })
}

/// Wants other features, as the user does.
fn want(dev: &Device<'_, Card>, rtnl: &Rtnl, features: Features) {
    // SAFETY: The device is registered, and RTNL is held.
    unsafe { (*dev.as_raw()).wanted_features = features.as_raw_for_tests() };
    dev.update_features(rtnl);
}

/// Makes an MII request, and returns what comes back.
fn mii(dev: &Device<'_, Card>, _rtnl: &Rtnl, command: u32, in_: [u16; 3]) -> Result<[u16; 2]> {
    let mut ifr: bindings::ifreq = pin_init::zeroed();
    let place: *mut _ = &raw mut ifr.ifr_ifru;
    let place = place.cast::<bindings::mii_ioctl_data>();

    // SAFETY: The request has room for it.
    unsafe {
        *place = bindings::mii_ioctl_data {
            phy_id: in_[0],
            reg_num: in_[1],
            val_in: in_[2],
            val_out: 0,
        }
    };
    // SAFETY: The device has operations.
    let ioctl = unsafe { (*(*dev.as_raw()).netdev_ops).ndo_eth_ioctl }.ok_or(EOPNOTSUPP)?;

    // CAST: It is small.
    //
    // SAFETY: The device is registered, RTNL is held, and the request is complete.
    to_result(unsafe { ioctl(dev.as_raw(), &mut ifr, command as c_int) })?;
    // SAFETY: As above.
    Ok(unsafe { [(*place).phy_id, (*place).val_out] })
}

#[kunit_tests(rust_net_config)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_set_if_a_device_can_have_it() -> Result {
        let test = Test::new()?;

        test.with(|dev, rtnl| {
            assert_eq!(dev.address(), ADDRESS);
            assert_eq!(set_address(dev, rtnl, &[2, 0, 0, 0, 0, 5]), Ok(()));
            assert_eq!(dev.address(), [2, 0, 0, 0, 0, 5]);
            // A group, and zero.
            assert_eq!(
                set_address(dev, rtnl, &[3, 0, 0, 0, 0, 5]),
                Err(EADDRNOTAVAIL)
            );
            assert_eq!(set_address(dev, rtnl, &[0; 6]), Err(EADDRNOTAVAIL));
            // The card refuses.
            assert_eq!(set_address(dev, rtnl, &[2, 0, 0, 0, 0, 0xee]), Err(EIO));
            assert_eq!(dev.address(), [2, 0, 0, 0, 0, 5]);
        })?;
        assert!(test.census.has_seen(&["address"]));
        Ok(())
    }

    #[test]
    fn the_mtu_is_set_in_its_range() -> Result {
        let test = Test::new()?;

        test.with(|dev, rtnl| {
            assert_eq!(dev.mtu(), 1500);
            assert_eq!(set_mtu(dev, rtnl, 9000), Ok(()));
            assert_eq!(dev.mtu(), 9000);
            assert_eq!(set_mtu(dev, rtnl, 45), Err(EINVAL));
            assert_eq!(set_mtu(dev, rtnl, 16111), Err(EINVAL));
            assert_eq!(set_mtu(dev, rtnl, -1), Err(EINVAL));
            // The card refuses.
            assert_eq!(set_mtu(dev, rtnl, 1000), Err(EBUSY));
            assert_eq!(dev.mtu(), 9000);
            assert_eq!(set_mtu(dev, rtnl, 46), Ok(()));
            assert_eq!(set_mtu(dev, rtnl, 16110), Ok(()));
        })
    }

    #[test]
    fn features_are_fixed_and_set() -> Result {
        let test = Test::new()?;

        test.with(|dev, rtnl| {
            let data = dev.data();
            let all = Features::SG | Features::HW_CSUM | Features::RXCSUM | Features::RXFCS;

            want(dev, rtnl, all);
            assert!(dev.features().contains(all));
            // One without the other.
            want(dev, rtnl, all - Features::RXCSUM);
            assert!(!dev
                .features()
                .intersects(Features::RXCSUM | Features::RXFCS));
            // The card refuses, and has committed them already.
            data.refuse_features.store(true, Relaxed);
            want(dev, rtnl, all);
            assert!(!dev
                .features()
                .intersects(Features::RXCSUM | Features::RXFCS));
            data.commit_features.store(true, Relaxed);
            want(dev, rtnl, all);
            assert!(!dev
                .features()
                .intersects(Features::RXCSUM | Features::RXFCS));
            // It does not.
            data.refuse_features.store(false, Relaxed);
            want(dev, rtnl, all);
            assert!(dev.features().contains(all));
            assert!(!dev.features().contains(Features::HW_VLAN_CTAG_FILTER));
            want(dev, rtnl, all | Features::HW_VLAN_CTAG_FILTER);
            assert!(dev.features().contains(Features::HW_VLAN_CTAG_FILTER));
        })
    }

    #[test]
    fn no_feature_is_on_without_the_operations_for_it() -> Result {
        let slot = Slot::new()?;
        let mut new = NewDevice::<Braggart>::new(slot.parent(), |_handle| Ok::<_, Error>(()))?;

        new.set_address(&ADDRESS);

        let registration = new.register(slot.scope())?;
        let features = registration
            .handle()
            .with_rtnl(|dev, _| dev.features())
            .ok_or(ENODEV)?;

        // `set_features` was called.
        assert!(features.contains(Features::RXALL));
        assert!(!features.intersects(Features::HW_VLAN_CTAG_FILTER));
        Ok(())
    }

    #[test]
    fn what_is_to_be_received_reaches_the_driver() -> Result {
        let test = Test::new()?;

        test.up()?;
        test.with(|dev, _| {
            let data = dev.data();
            let before = data.multicast.load(Relaxed);
            let unicast = [2, 0, 0, 0, 0, 9];
            let multicast = [1, 0, 0x5e, 0, 0, 9];

            // SAFETY: The device is registered.
            let added = unsafe { bindings::dev_uc_add(dev.as_raw(), unicast.as_ptr()) };
            assert_eq!(added, 0);
            // SAFETY: As above.
            let added = unsafe { bindings::dev_mc_add(dev.as_raw(), multicast.as_ptr()) };
            assert_eq!(added, 0);
            assert_eq!(data.unicast.load(Relaxed), 1);
            assert_eq!(data.multicast.load(Relaxed), before + 1);
            assert_eq!(data.last_multicast.load(Relaxed), 9);
            assert!(!data.promisc.load(Relaxed));
            dev.with_rx_mode(|mode| {
                assert!(mode.unicast().eq([&unicast]));
                assert!(mode.multicast().any(|address| *address == multicast));
                assert_eq!(mode.unicast_count(), 1);
                assert!(!mode.is_allmulti());
            });

            // SAFETY: The device is registered, and RTNL is held.
            let set = unsafe { bindings::dev_set_promiscuity(dev.as_raw(), 1) };
            assert_eq!(set, 0);
            assert!(data.promisc.load(Relaxed));
            // SAFETY: As above.
            let set = unsafe { bindings::dev_set_promiscuity(dev.as_raw(), -1) };
            assert_eq!(set, 0);
            assert!(!data.promisc.load(Relaxed));
            // SAFETY: The device is registered.
            unsafe { bindings::dev_uc_del(dev.as_raw(), unicast.as_ptr()) };
            // SAFETY: As above.
            unsafe { bindings::dev_mc_del(dev.as_raw(), multicast.as_ptr()) };
            assert_eq!(data.unicast.load(Relaxed), 0);
            assert_eq!(data.multicast.load(Relaxed), before);
        })
    }

    #[test]
    fn statistics_are_those_of_the_driver() -> Result {
        let test = Test::new()?;
        let mut storage: bindings::rtnl_link_stats64 = pin_init::zeroed();

        test.data(|data| data.xmits.store(3, Relaxed))?;
        storage.rx_packets = 77;
        // SAFETY: The device is registered, and the storage valid.
        unsafe { bindings::dev_get_stats(test.dev(), &mut storage) };
        assert_eq!(storage.tx_packets, 3);
        assert_eq!(storage.rx_crc_errors, 1 << 40);
        assert_eq!(storage.rx_packets, 0);
        Ok(())
    }

    #[test]
    fn mii_requests_reach_the_driver() -> Result {
        let test = Test::new()?;

        test.with(|dev, rtnl| {
            assert_eq!(mii(dev, rtnl, bindings::SIOCGMIIPHY, [9, 0, 0]), Ok([1, 0]));
            assert_eq!(mii(dev, rtnl, bindings::SIOCGMIIREG, [1, 4, 0]), Ok([1, 5]));
            assert_eq!(mii(dev, rtnl, bindings::SIOCGMIIREG, [2, 4, 0]), Err(EIO));
            assert_eq!(mii(dev, rtnl, bindings::SIOCSMIIREG, [1, 4, 4]), Ok([1, 0]));
            assert_eq!(
                mii(dev, rtnl, bindings::SIOCSMIIREG, [1, 4, 5]),
                Err(EINVAL)
            );
            assert_eq!(
                mii(dev, rtnl, bindings::SIOCGHWTSTAMP, [0; 3]),
                Err(EOPNOTSUPP)
            );
        })?;
        assert!(test.census.has_seen(&["mii write"]));
        Ok(())
    }

    #[test]
    fn vlans_reach_the_filter_of_the_driver() -> Result {
        let test = Test::new()?;

        test.with(|dev, _| {
            // SAFETY: The device has operations.
            let ops = unsafe { &*(*dev.as_raw()).netdev_ops };
            let protocol = (bindings::ETH_P_8021Q as u16).to_be();
            let add = ops.ndo_vlan_rx_add_vid.ok_or(EINVAL)?;
            let kill = ops.ndo_vlan_rx_kill_vid.ok_or(EINVAL)?;

            // SAFETY: The device is registered, and RTNL is held.
            assert_eq!(unsafe { add(dev.as_raw(), protocol, 5) }, 0);
            assert_eq!(dev.data().vids.load(Relaxed), 1);
            // No protocol of VLANs.
            //
            // SAFETY: As above.
            let refused = unsafe { add(dev.as_raw(), 0x0800_u16.to_be(), 5) };

            assert_eq!(refused, EINVAL.to_errno());
            // SAFETY: As above.
            assert_eq!(unsafe { kill(dev.as_raw(), protocol, 5) }, 0);
            assert_eq!(dev.data().vids.load(Relaxed), 0);
            Ok(())
        })?
    }

    #[test]
    fn what_a_driver_does_not_implement_is_absent() -> Result {
        let test = Test::new()?;

        test.with(|dev, _| {
            // SAFETY: The device has operations.
            let ops = unsafe { &*(*dev.as_raw()).netdev_ops };

            assert!(ops.ndo_tx_timeout.is_none());
            assert!(ops.ndo_open.is_some());
            assert!(ops.ndo_validate_addr.is_some());
        })
    }
}
