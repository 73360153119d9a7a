// SPDX-License-Identifier: GPL-2.0

//! The operations of a driver as C calls them.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)

use super::{
    device::ETH_ALEN,
    is_valid_address,
    Address,
    Device,
    Features,
    Operations,
    Rtnl,
    RxMode,
    Statistics,
    VlanProtocol,
    Xmit, //
};
use crate::{
    error::from_result,
    net::{
        napi::Poll,
        skb::SkBuff, //
    },
    prelude::*, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// The features of whose changes C tells others, if the driver leaves it to C to take them over.
const VLAN_FILTERS: Features = Features::HW_VLAN_CTAG_FILTER;

/// `struct net_device_ops` for `T`.
///
/// C calls these functions for devices that [`NewDevice`](super::NewDevice) has made, and while
/// they are registered.
pub(super) struct NetDeviceOpsVTable<T: Operations>(PhantomData<T>);

impl<T: Operations> NetDeviceOpsVTable<T> {
    /// # Safety
    ///
    /// `dev` must be a device of `T` that is registered, and RTNL be held.
    unsafe extern "C" fn open_callback(dev: *mut bindings::net_device) -> c_int {
        // SAFETY: By the requirement of this function.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: By the requirement of this function.
        let rtnl = unsafe { Rtnl::assume_held() };

        from_result(|| {
            T::open(dev, rtnl).inspect_err(|_| dev.napi_disable(rtnl))?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// As for [`open_callback`](Self::open_callback).
    unsafe extern "C" fn stop_callback(dev: *mut bindings::net_device) -> c_int {
        // SAFETY: By the requirement of this function.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: By the requirement of this function.
        let rtnl = unsafe { Rtnl::assume_held() };

        T::stop(dev, rtnl);
        dev.napi_disable(rtnl);
        0
    }

    /// # Safety
    ///
    /// `dev` must be a device of `T` that is registered, `skb` a packet that passes to this
    /// function unless that returns `NETDEV_TX_BUSY`, and the lock of the transmit queue be held.
    unsafe extern "C" fn start_xmit_callback(
        skb: *mut bindings::sk_buff,
        dev: *mut bindings::net_device,
    ) -> bindings::netdev_tx_t {
        // SAFETY: By the requirement of this function, it is not null.
        let given = unsafe { NonNull::new_unchecked(skb) };
        // SAFETY: By the requirement of this function.
        let skb = unsafe { SkBuff::from_raw(given) };
        // SAFETY: By the requirement of this function.
        let xmit = unsafe { Xmit::new(dev) };
        // SAFETY: By the requirement of this function.
        let dev = unsafe { Device::<T>::from_raw(dev) };

        match T::start_xmit(dev, xmit, skb) {
            Ok(()) => bindings::netdev_tx::NETDEV_TX_OK,
            Err(busy) if busy.is(given) => {
                // It belongs to the stack again.
                let _ = busy.into_raw();
                bindings::netdev_tx::NETDEV_TX_BUSY
            }
            // Another packet: that which was given has an owner, and this one is dropped.
            Err(_) => bindings::netdev_tx::NETDEV_TX_OK,
        }
    }

    /// # Safety
    ///
    /// `napi` must be the NAPI of a device of `T` that is registered, and belong to the caller.
    pub(super) unsafe extern "C" fn poll_callback(
        napi: *mut bindings::napi_struct,
        budget: c_int,
    ) -> c_int {
        // SAFETY: By the requirement of this function.
        let dev = unsafe { (*napi).dev };
        // SAFETY: By the requirement of this function.
        let poll = unsafe { Poll::new(napi, u32::try_from(budget).unwrap_or(0)) };
        // SAFETY: By the requirement of this function; NAPI runs only while the device is up.
        let dev = unsafe { Device::<T>::from_raw(dev) };

        T::poll(dev, poll).into_raw()
    }

    /// # Safety
    ///
    /// `dev` must be a device of `T` that is registered, and the lock of its addresses be held.
    unsafe extern "C" fn set_rx_mode_callback(dev: *mut bindings::net_device) {
        // SAFETY: By the requirement of this function.
        let mode = unsafe { RxMode::new(dev) };
        // SAFETY: By the requirement of this function.
        let dev = unsafe { Device::<T>::from_raw(dev) };

        T::set_rx_mode(dev, &mode);
    }

    /// # Safety
    ///
    /// As for [`open_callback`](Self::open_callback). `address` must point to a `struct
    /// sockaddr_storage`.
    unsafe extern "C" fn set_mac_address_callback(
        dev: *mut bindings::net_device,
        address: *mut c_void,
    ) -> c_int {
        // SAFETY: By the requirement of this function.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: By the requirement of this function.
        let rtnl = unsafe { Rtnl::assume_held() };
        let mut new: Address = [0; ETH_ALEN];
        let offset = core::mem::offset_of!(bindings::sockaddr, sa_data);

        for (i, byte) in new.iter_mut().enumerate() {
            // SAFETY: By the requirement of this function; the data of a `struct sockaddr` is at
            // least as long as an address.
            *byte = unsafe { address.cast::<u8>().add(offset + i).read() };
        }

        from_result(|| {
            if !is_valid_address(&new) {
                return Err(EADDRNOTAVAIL);
            }
            T::set_mac_address(dev, rtnl, &new)?;
            // SAFETY: The device is valid, and RTNL is held.
            unsafe { bindings::eth_hw_addr_set(dev.as_raw(), new.as_ptr()) };
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// As for [`open_callback`](Self::open_callback).
    unsafe extern "C" fn change_mtu_callback(dev: *mut bindings::net_device, mtu: c_int) -> c_int {
        // SAFETY: By the requirement of this function.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: By the requirement of this function.
        let rtnl = unsafe { Rtnl::assume_held() };

        from_result(|| {
            let mtu = u32::try_from(mtu)?;

            T::change_mtu(dev, rtnl, mtu)?;
            // SAFETY: The device is valid. Only who holds RTNL writes here.
            unsafe { (&raw mut (*dev.as_raw()).mtu).write_volatile(mtu) };
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// As for [`open_callback`](Self::open_callback). `ifr` must point to a `struct ifreq` with
    /// the data of an MII request if `command` is one.
    unsafe extern "C" fn eth_ioctl_callback(
        dev: *mut bindings::net_device,
        ifr: *mut bindings::ifreq,
        command: c_int,
    ) -> c_int {
        // SAFETY: By the requirement of this function.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: By the requirement of this function.
        let rtnl = unsafe { Rtnl::assume_held() };
        // SAFETY: By the requirement of this function; C keeps it in place of the rest.
        let mii = unsafe { &raw mut (*ifr).ifr_ifru }.cast::<bindings::mii_ioctl_data>();

        from_result(|| {
            // CAST: A number of a command is not negative.
            match command as u32 {
                bindings::SIOCGMIIPHY => {
                    let phy = T::mii_phy(dev, rtnl)?;

                    // SAFETY: As above.
                    unsafe { (*mii).phy_id = phy };
                }
                bindings::SIOCGMIIREG => {
                    // SAFETY: As above.
                    let (phy, register) = unsafe { ((*mii).phy_id, (*mii).reg_num) };
                    let value = T::mii_read(dev, rtnl, phy, register)?;

                    // SAFETY: As above.
                    unsafe { (*mii).val_out = value };
                }
                bindings::SIOCSMIIREG => {
                    // SAFETY: As above.
                    let (phy, register) = unsafe { ((*mii).phy_id, (*mii).reg_num) };
                    // SAFETY: As above.
                    let value = unsafe { (*mii).val_in };

                    T::mii_write(dev, rtnl, phy, register, value)?;
                }
                _ => return Err(EOPNOTSUPP),
            }
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `dev` must be a device of `T` that is registered.
    unsafe extern "C" fn tx_timeout_callback(dev: *mut bindings::net_device, queue: c_uint) {
        // SAFETY: By the requirement of this function.
        T::tx_timeout(unsafe { Device::<T>::from_raw(dev) }, queue);
    }

    /// # Safety
    ///
    /// `dev` must be a device of `T` that is registered, and `storage` valid for writes.
    unsafe extern "C" fn get_stats64_callback(
        dev: *mut bindings::net_device,
        storage: *mut bindings::rtnl_link_stats64,
    ) {
        let mut statistics = Statistics::default();

        // SAFETY: By the requirement of this function.
        T::get_stats64(unsafe { Device::<T>::from_raw(dev) }, &mut statistics);

        let mut raw = bindings::rtnl_link_stats64::default();

        statistics.write_to(&mut raw);
        // Where unaligned accesses are cheap, C has it in the middle of a message, and does not
        // align it.
        //
        // SAFETY: By the requirement of this function, it is valid for writes.
        unsafe { storage.write_unaligned(raw) };
    }

    /// # Safety
    ///
    /// As for [`open_callback`](Self::open_callback).
    unsafe extern "C" fn vlan_rx_add_vid_callback(
        dev: *mut bindings::net_device,
        protocol: bindings::__be16,
        vid: u16,
    ) -> c_int {
        // SAFETY: By the requirement of this function.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: By the requirement of this function.
        let rtnl = unsafe { Rtnl::assume_held() };

        from_result(|| {
            T::vlan_rx_add_vid(dev, rtnl, VlanProtocol::from_be(protocol)?, vid)?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// As for [`open_callback`](Self::open_callback).
    unsafe extern "C" fn vlan_rx_kill_vid_callback(
        dev: *mut bindings::net_device,
        protocol: bindings::__be16,
        vid: u16,
    ) -> c_int {
        // SAFETY: By the requirement of this function.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: By the requirement of this function.
        let rtnl = unsafe { Rtnl::assume_held() };

        from_result(|| {
            T::vlan_rx_kill_vid(dev, rtnl, VlanProtocol::from_be(protocol)?, vid)?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// As for [`open_callback`](Self::open_callback), or the device is about to be registered.
    unsafe extern "C" fn fix_features_callback(
        dev: *mut bindings::net_device,
        features: bindings::netdev_features_t,
    ) -> bindings::netdev_features_t {
        // SAFETY: By the requirement of this function.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: By the requirement of this function.
        let rtnl = unsafe { Rtnl::assume_held() };
        let wanted = Features::from_raw(features);
        let allowed = wanted | Features::possible::<T>();

        (T::fix_features(dev, rtnl, wanted) & allowed).as_raw()
    }

    /// # Safety
    ///
    /// As for [`fix_features_callback`](Self::fix_features_callback).
    unsafe extern "C" fn set_features_callback(
        dev: *mut bindings::net_device,
        features: bindings::netdev_features_t,
    ) -> c_int {
        // SAFETY: By the requirement of this function.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: By the requirement of this function.
        let rtnl = unsafe { Rtnl::assume_held() };
        let before = dev.features();
        let features = Features::from_raw(features);

        from_result(|| {
            T::set_features(dev, rtnl, features)
                .inspect_err(|_| dev.write_features(rtnl, before))?;
            // C takes them over, and tells VLANs of their filter, where they still differ.
            if dev.features() == features && !(before ^ features).intersects(VLAN_FILTERS) {
                return Ok(1);
            }
            dev.write_features(rtnl, before);
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `dev` must be a device of `T` that is registered.
    #[cfg(CONFIG_NET_POLL_CONTROLLER)]
    unsafe extern "C" fn poll_controller_callback(dev: *mut bindings::net_device) {
        // SAFETY: By the requirement of this function.
        T::poll_controller(unsafe { Device::<T>::from_raw(dev) });
    }

    const VTABLE: bindings::net_device_ops = bindings::net_device_ops {
        ndo_open: Some(Self::open_callback),
        ndo_stop: Some(Self::stop_callback),
        ndo_start_xmit: Some(Self::start_xmit_callback),
        ndo_set_rx_mode: if T::HAS_SET_RX_MODE {
            Some(Self::set_rx_mode_callback)
        } else {
            None
        },
        ndo_set_mac_address: if T::HAS_SET_MAC_ADDRESS {
            Some(Self::set_mac_address_callback)
        } else {
            None
        },
        ndo_validate_addr: Some(bindings::eth_validate_addr),
        ndo_eth_ioctl: if T::HAS_MII_PHY {
            Some(Self::eth_ioctl_callback)
        } else {
            None
        },
        ndo_change_mtu: if T::HAS_CHANGE_MTU {
            Some(Self::change_mtu_callback)
        } else {
            None
        },
        ndo_tx_timeout: if T::HAS_TX_TIMEOUT {
            Some(Self::tx_timeout_callback)
        } else {
            None
        },
        ndo_get_stats64: if T::HAS_GET_STATS64 {
            Some(Self::get_stats64_callback)
        } else {
            None
        },
        ndo_vlan_rx_add_vid: if T::HAS_VLAN_RX_ADD_VID {
            Some(Self::vlan_rx_add_vid_callback)
        } else {
            None
        },
        ndo_vlan_rx_kill_vid: if T::HAS_VLAN_RX_KILL_VID {
            Some(Self::vlan_rx_kill_vid_callback)
        } else {
            None
        },
        ndo_fix_features: if T::HAS_FIX_FEATURES {
            Some(Self::fix_features_callback)
        } else {
            None
        },
        ndo_set_features: if T::HAS_SET_FEATURES {
            Some(Self::set_features_callback)
        } else {
            None
        },
        #[cfg(CONFIG_NET_POLL_CONTROLLER)]
        ndo_poll_controller: if T::HAS_POLL_CONTROLLER {
            Some(Self::poll_controller_callback)
        } else {
            None
        },
        ..pin_init::zeroed()
    };

    pub(super) const fn build() -> &'static bindings::net_device_ops {
        &Self::VTABLE
    }
}
