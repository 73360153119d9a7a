// SPDX-License-Identifier: GPL-2.0

//! The operations for `ethtool` as C calls them.
//!
//! C header: [`include/linux/ethtool.h`](srctree/include/linux/ethtool.h)

use super::{
    Coalesce,
    DriverInfo,
    LinkSettings,
    Operations,
    PauseParam,
    PhysId,
    RingParam,
    SelfTest,
    WolOptions, //
};
use crate::{
    error::from_result,
    net::netdev::{
        message::MessageLevel,
        Device,
        Rtnl, //
    },
    prelude::*, //
};
use core::marker::PhantomData;

/// The length of a name of a statistic or test, with the byte that ends it.
const ETH_GSTRING_LEN: usize = bindings::ETH_GSTRING_LEN as usize;

/// How often a card can be told to light up in a second.
const MAX_BLINKS: u32 = bindings::HZ / 2;

/// `struct ethtool_ops` for `T`.
///
/// C calls all of these functions with a device of `T` that is registered, or that unregistering
/// waits for, and with RTNL held; `ethtool` has opened no other way for devices that do not ask
/// for one.
pub(in crate::net) struct EthtoolOpsVTable<T: Operations>(PhantomData<T>);

/// A function of [`EthtoolOpsVTable`], if the driver implements what it calls.
macro_rules! optional {
    ($has:ident, $callback:ident) => {
        if T::$has {
            Some(Self::$callback)
        } else {
            None
        }
    };
}

/// The device and the lock that a function was called with.
///
/// # Safety
///
/// `dev` must be a device of `T` that is registered, or that unregistering waits for, and RTNL be
/// held, until the function has returned that calls this.
unsafe fn context<'a, 'bound, T: Operations>(
    dev: *mut bindings::net_device,
) -> (&'a Device<'bound, T>, &'a Rtnl) {
    // SAFETY: By the requirement of this function.
    let dev = unsafe { Device::from_raw(dev) };
    // SAFETY: By the requirement of this function.
    let rtnl = unsafe { Rtnl::assume_held() };

    (dev, rtnl)
}

/// So many numbers in a buffer of C, which may be null if there are none.
///
/// # Safety
///
/// `data` must be valid for so many initialized numbers, and not used by others, for `'a`.
unsafe fn numbers<'a>(data: *mut u64, count: usize) -> &'a mut [u64] {
    if count == 0 {
        return &mut [];
    }
    // SAFETY: By the requirement of this function.
    unsafe { core::slice::from_raw_parts_mut(data, count) }
}

/// The names of a string set.
fn names<T: Operations>(set: u32) -> Option<&'static [&'static str]> {
    match set {
        bindings::ethtool_stringset_ETH_SS_STATS => Some(T::STATISTICS),
        bindings::ethtool_stringset_ETH_SS_TEST => Some(T::TESTS),
        _ => None,
    }
}

impl<T: Operations> EthtoolOpsVTable<T> {
    /// # Safety
    ///
    /// As for [`context`]. `info` must be valid and not used by others.
    unsafe extern "C" fn get_drvinfo_callback(
        dev: *mut bindings::net_device,
        info: *mut bindings::ethtool_drvinfo,
    ) {
        // SAFETY: By the requirement of this function.
        let (dev, _) = unsafe { context::<T>(dev) };
        // SAFETY: By the requirement of this function.
        let info = unsafe { &mut *info };

        T::get_drvinfo(dev, &mut DriverInfo::new(info));
    }

    /// # Safety
    ///
    /// None.
    unsafe extern "C" fn get_regs_len_callback(_dev: *mut bindings::net_device) -> c_int {
        c_int::try_from(T::REGISTERS * size_of::<u32>()).unwrap_or(0)
    }

    /// # Safety
    ///
    /// As for [`context`]. `regs` must be valid and not used by others. `data` must have room for
    /// what [`get_regs_len_callback`](Self::get_regs_len_callback) says, and be zero.
    unsafe extern "C" fn get_regs_callback(
        dev: *mut bindings::net_device,
        regs: *mut bindings::ethtool_regs,
        data: *mut c_void,
    ) {
        // SAFETY: By the requirement of this function.
        let (dev, rtnl) = unsafe { context::<T>(dev) };
        // SAFETY: By the requirement of this function; the memory is aligned to a page.
        let registers = unsafe { core::slice::from_raw_parts_mut(data.cast(), T::REGISTERS) };
        let version = T::get_regs(dev, rtnl, registers);

        // SAFETY: By the requirement of this function.
        unsafe { (*regs).version = version };
    }

    /// # Safety
    ///
    /// As for [`context`]. `wol` must be valid and not used by others.
    unsafe extern "C" fn get_wol_callback(
        dev: *mut bindings::net_device,
        wol: *mut bindings::ethtool_wolinfo,
    ) {
        // SAFETY: By the requirement of this function.
        let (dev, rtnl) = unsafe { context::<T>(dev) };
        // SAFETY: By the requirement of this function.
        let raw = unsafe { &mut *wol };
        let wol = T::get_wol(dev, rtnl);

        raw.supported = wol.supported.as_raw();
        raw.wolopts = wol.options.as_raw();
    }

    /// # Safety
    ///
    /// As for [`context`]. `wol` must be valid.
    unsafe extern "C" fn set_wol_callback(
        dev: *mut bindings::net_device,
        wol: *mut bindings::ethtool_wolinfo,
    ) -> c_int {
        // SAFETY: By the requirement of this function.
        let (dev, rtnl) = unsafe { context::<T>(dev) };
        // SAFETY: By the requirement of this function.
        let options = unsafe { (*wol).wolopts };

        from_result(|| {
            T::set_wol(dev, rtnl, WolOptions::from_raw(options))?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// As for [`context`].
    unsafe extern "C" fn get_msglevel_callback(dev: *mut bindings::net_device) -> u32 {
        // SAFETY: By the requirement of this function.
        let (dev, _) = unsafe { context::<T>(dev) };

        T::get_msglevel(dev).bits()
    }

    /// # Safety
    ///
    /// As for [`context`].
    unsafe extern "C" fn set_msglevel_callback(dev: *mut bindings::net_device, level: u32) {
        // SAFETY: By the requirement of this function.
        let (dev, _) = unsafe { context::<T>(dev) };

        T::set_msglevel(dev, MessageLevel::from_bits(level));
    }

    /// # Safety
    ///
    /// As for [`context`].
    unsafe extern "C" fn nway_reset_callback(dev: *mut bindings::net_device) -> c_int {
        // SAFETY: By the requirement of this function.
        let (dev, rtnl) = unsafe { context::<T>(dev) };

        from_result(|| {
            T::nway_reset(dev, rtnl)?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// As for [`context`].
    unsafe extern "C" fn get_link_callback(dev: *mut bindings::net_device) -> u32 {
        // SAFETY: By the requirement of this function.
        let (dev, rtnl) = unsafe { context::<T>(dev) };

        u32::from(T::get_link(dev, rtnl))
    }

    /// # Safety
    ///
    /// As for [`context`].
    unsafe extern "C" fn get_eeprom_len_callback(dev: *mut bindings::net_device) -> c_int {
        // SAFETY: By the requirement of this function.
        let (dev, _) = unsafe { context::<T>(dev) };

        c_int::try_from(T::get_eeprom_len(dev)).unwrap_or(0)
    }

    /// # Safety
    ///
    /// As for [`context`]. `eeprom` must be valid and not used by others, and `data` have room for
    /// as many bytes as that says.
    unsafe extern "C" fn get_eeprom_callback(
        dev: *mut bindings::net_device,
        eeprom: *mut bindings::ethtool_eeprom,
        data: *mut u8,
    ) -> c_int {
        // SAFETY: By the requirement of this function.
        let (dev, rtnl) = unsafe { context::<T>(dev) };
        // SAFETY: By the requirement of this function.
        let (offset, length) = unsafe { ((*eeprom).offset, (*eeprom).len) };

        from_result(|| {
            // CAST: 32 bits fit.
            //
            // SAFETY: By the requirement of this function. The memory was zeroed.
            let data = unsafe { core::slice::from_raw_parts_mut(data, length as usize) };
            let magic = T::get_eeprom(dev, rtnl, offset, data)?;

            // SAFETY: By the requirement of this function.
            unsafe { (*eeprom).magic = magic };
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// As for [`context`]. `eeprom` must be valid, and `data` have as many bytes as that says.
    unsafe extern "C" fn set_eeprom_callback(
        dev: *mut bindings::net_device,
        eeprom: *mut bindings::ethtool_eeprom,
        data: *mut u8,
    ) -> c_int {
        // SAFETY: By the requirement of this function.
        let (dev, rtnl) = unsafe { context::<T>(dev) };
        // SAFETY: By the requirement of this function.
        let (offset, length) = unsafe { ((*eeprom).offset, (*eeprom).len) };
        // SAFETY: As above.
        let magic = unsafe { (*eeprom).magic };

        from_result(|| {
            // CAST: 32 bits fit.
            //
            // SAFETY: By the requirement of this function.
            let data = unsafe { core::slice::from_raw_parts(data, length as usize) };

            T::set_eeprom(dev, rtnl, magic, offset, data)?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// As for [`context`]. `ring` must be valid and not used by others.
    unsafe extern "C" fn get_ringparam_callback(
        dev: *mut bindings::net_device,
        ring: *mut bindings::ethtool_ringparam,
        _kernel_ring: *mut bindings::kernel_ethtool_ringparam,
        _extack: *mut bindings::netlink_ext_ack,
    ) {
        // SAFETY: By the requirement of this function.
        let (dev, rtnl) = unsafe { context::<T>(dev) };

        // SAFETY: By the requirement of this function.
        T::get_ringparam(dev, rtnl).write_to(unsafe { &mut *ring });
    }

    /// # Safety
    ///
    /// As for [`context`]. `ring` must be valid.
    unsafe extern "C" fn set_ringparam_callback(
        dev: *mut bindings::net_device,
        ring: *mut bindings::ethtool_ringparam,
        _kernel_ring: *mut bindings::kernel_ethtool_ringparam,
        _extack: *mut bindings::netlink_ext_ack,
    ) -> c_int {
        // SAFETY: By the requirement of this function.
        let (dev, rtnl) = unsafe { context::<T>(dev) };
        // SAFETY: By the requirement of this function.
        let ring = RingParam::read_from(unsafe { &*ring });

        from_result(|| {
            T::set_ringparam(dev, rtnl, &ring)?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// As for [`context`]. `pause` must be valid and not used by others.
    unsafe extern "C" fn get_pauseparam_callback(
        dev: *mut bindings::net_device,
        pause: *mut bindings::ethtool_pauseparam,
    ) {
        // SAFETY: By the requirement of this function.
        let (dev, rtnl) = unsafe { context::<T>(dev) };
        // SAFETY: By the requirement of this function.
        let raw = unsafe { &mut *pause };
        let pause = T::get_pauseparam(dev, rtnl);

        raw.autoneg = pause.autoneg.into();
        raw.rx_pause = pause.rx_pause.into();
        raw.tx_pause = pause.tx_pause.into();
    }

    /// # Safety
    ///
    /// As for [`context`]. `pause` must be valid.
    unsafe extern "C" fn set_pauseparam_callback(
        dev: *mut bindings::net_device,
        pause: *mut bindings::ethtool_pauseparam,
    ) -> c_int {
        // SAFETY: By the requirement of this function.
        let (dev, rtnl) = unsafe { context::<T>(dev) };
        // SAFETY: By the requirement of this function.
        let raw = unsafe { &*pause };
        let pause = PauseParam {
            autoneg: raw.autoneg != 0,
            rx_pause: raw.rx_pause != 0,
            tx_pause: raw.tx_pause != 0,
        };

        from_result(|| {
            T::set_pauseparam(dev, rtnl, &pause)?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// As for [`context`]. `test` must be valid and not used by others, and `data` have room for
    /// as many numbers as there are tests.
    unsafe extern "C" fn self_test_callback(
        dev: *mut bindings::net_device,
        test: *mut bindings::ethtool_test,
        data: *mut u64,
    ) {
        // SAFETY: By the requirement of this function.
        let (dev, rtnl) = unsafe { context::<T>(dev) };
        // SAFETY: By the requirement of this function.
        let flags = unsafe { &mut (*test).flags };
        // SAFETY: By the requirement of this function. The memory was zeroed.
        let results = unsafe { numbers(data, T::TESTS.len()) };

        T::self_test(dev, rtnl, &mut SelfTest::new(flags, results));
    }

    /// # Safety
    ///
    /// `data` must have room for the names of the set.
    unsafe extern "C" fn get_strings_callback(
        _dev: *mut bindings::net_device,
        set: u32,
        data: *mut u8,
    ) {
        let names = names::<T>(set).unwrap_or(&[]);

        for (i, name) in names.iter().enumerate() {
            // SAFETY: By the requirement of this function.
            let room = unsafe { data.add(i * ETH_GSTRING_LEN) };
            // SAFETY: As above. The memory was zeroed.
            let room = unsafe { core::slice::from_raw_parts_mut(room, ETH_GSTRING_LEN) };

            room.fill(0);
            for (to, from) in room.iter_mut().zip(name.bytes().take(ETH_GSTRING_LEN - 1)) {
                *to = from;
            }
        }
    }

    /// # Safety
    ///
    /// None.
    unsafe extern "C" fn get_sset_count_callback(
        _dev: *mut bindings::net_device,
        set: c_int,
    ) -> c_int {
        from_result(|| {
            let names = names::<T>(u32::try_from(set)?).ok_or(EOPNOTSUPP)?;

            Ok(c_int::try_from(names.len())?)
        })
    }

    /// # Safety
    ///
    /// As for [`context`]. `data` must have room for as many numbers as there are statistics.
    unsafe extern "C" fn get_ethtool_stats_callback(
        dev: *mut bindings::net_device,
        _stats: *mut bindings::ethtool_stats,
        data: *mut u64,
    ) {
        // SAFETY: By the requirement of this function.
        let (dev, rtnl) = unsafe { context::<T>(dev) };
        // SAFETY: By the requirement of this function. The memory was zeroed.
        let statistics = unsafe { numbers(data, T::STATISTICS.len()) };

        T::get_ethtool_stats(dev, rtnl, statistics);
    }

    /// # Safety
    ///
    /// As for [`context`].
    unsafe extern "C" fn set_phys_id_callback(
        dev: *mut bindings::net_device,
        state: bindings::ethtool_phys_id_state,
    ) -> c_int {
        // SAFETY: By the requirement of this function.
        let (dev, rtnl) = unsafe { context::<T>(dev) };

        from_result(|| {
            let id = match state {
                bindings::ethtool_phys_id_state::ETHTOOL_ID_ACTIVE => PhysId::Active,
                bindings::ethtool_phys_id_state::ETHTOOL_ID_ON => PhysId::On,
                bindings::ethtool_phys_id_state::ETHTOOL_ID_OFF => PhysId::Off,
                _ => PhysId::Inactive,
            };
            let blinks = T::set_phys_id(dev, rtnl, id)?;

            // C divides by it.
            match id {
                PhysId::Active => Ok(c_int::try_from(blinks.min(MAX_BLINKS))?),
                _ => Ok(0),
            }
        })
    }

    /// # Safety
    ///
    /// As for [`context`]. `coalesce` must be valid and not used by others.
    unsafe extern "C" fn get_coalesce_callback(
        dev: *mut bindings::net_device,
        coalesce: *mut bindings::ethtool_coalesce,
        _kernel_coalesce: *mut bindings::kernel_ethtool_coalesce,
        _extack: *mut bindings::netlink_ext_ack,
    ) -> c_int {
        // SAFETY: By the requirement of this function.
        let (dev, rtnl) = unsafe { context::<T>(dev) };
        // SAFETY: By the requirement of this function.
        let raw = unsafe { &mut *coalesce };

        from_result(|| {
            let coalesce = T::get_coalesce(dev, rtnl)?;

            raw.rx_coalesce_usecs = coalesce.rx_coalesce_usecs;
            raw.tx_coalesce_usecs = coalesce.tx_coalesce_usecs;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// As for [`context`]. `coalesce` must be valid.
    unsafe extern "C" fn set_coalesce_callback(
        dev: *mut bindings::net_device,
        coalesce: *mut bindings::ethtool_coalesce,
        _kernel_coalesce: *mut bindings::kernel_ethtool_coalesce,
        _extack: *mut bindings::netlink_ext_ack,
    ) -> c_int {
        // SAFETY: By the requirement of this function.
        let (dev, rtnl) = unsafe { context::<T>(dev) };
        // SAFETY: By the requirement of this function.
        let raw = unsafe { &*coalesce };
        let coalesce = Coalesce {
            rx_coalesce_usecs: raw.rx_coalesce_usecs,
            tx_coalesce_usecs: raw.tx_coalesce_usecs,
        };

        from_result(|| {
            T::set_coalesce(dev, rtnl, &coalesce)?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// As for [`context`]. `settings` must be valid and not used by others.
    unsafe extern "C" fn get_link_ksettings_callback(
        dev: *mut bindings::net_device,
        settings: *mut bindings::ethtool_link_ksettings,
    ) -> c_int {
        // SAFETY: By the requirement of this function.
        let (dev, rtnl) = unsafe { context::<T>(dev) };
        // SAFETY: By the requirement of this function.
        let raw = unsafe { &mut *settings };

        from_result(|| {
            T::get_link_ksettings(dev, rtnl)?.write_to(raw);
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// As for [`context`]. `settings` must be valid.
    unsafe extern "C" fn set_link_ksettings_callback(
        dev: *mut bindings::net_device,
        settings: *const bindings::ethtool_link_ksettings,
    ) -> c_int {
        // SAFETY: By the requirement of this function.
        let (dev, rtnl) = unsafe { context::<T>(dev) };
        // SAFETY: By the requirement of this function.
        let settings = LinkSettings::read_from(unsafe { &*settings });

        from_result(|| {
            T::set_link_ksettings(dev, rtnl, &settings)?;
            Ok(0)
        })
    }

    const VTABLE: bindings::ethtool_ops = bindings::ethtool_ops {
        supported_coalesce_params: T::COALESCE_PARAMS.as_raw(),
        get_drvinfo: optional!(HAS_GET_DRVINFO, get_drvinfo_callback),
        get_regs_len: optional!(HAS_GET_REGS, get_regs_len_callback),
        get_regs: optional!(HAS_GET_REGS, get_regs_callback),
        get_wol: optional!(HAS_GET_WOL, get_wol_callback),
        set_wol: optional!(HAS_SET_WOL, set_wol_callback),
        get_msglevel: optional!(HAS_GET_MSGLEVEL, get_msglevel_callback),
        set_msglevel: optional!(HAS_SET_MSGLEVEL, set_msglevel_callback),
        nway_reset: optional!(HAS_NWAY_RESET, nway_reset_callback),
        get_link: if T::HAS_GET_LINK {
            Some(Self::get_link_callback)
        } else {
            Some(bindings::ethtool_op_get_link)
        },
        get_eeprom_len: optional!(HAS_GET_EEPROM_LEN, get_eeprom_len_callback),
        get_eeprom: optional!(HAS_GET_EEPROM, get_eeprom_callback),
        set_eeprom: optional!(HAS_SET_EEPROM, set_eeprom_callback),
        get_ringparam: optional!(HAS_GET_RINGPARAM, get_ringparam_callback),
        set_ringparam: optional!(HAS_SET_RINGPARAM, set_ringparam_callback),
        get_pauseparam: optional!(HAS_GET_PAUSEPARAM, get_pauseparam_callback),
        set_pauseparam: optional!(HAS_SET_PAUSEPARAM, set_pauseparam_callback),
        self_test: optional!(HAS_SELF_TEST, self_test_callback),
        get_strings: Some(Self::get_strings_callback),
        set_phys_id: optional!(HAS_SET_PHYS_ID, set_phys_id_callback),
        get_ethtool_stats: optional!(HAS_GET_ETHTOOL_STATS, get_ethtool_stats_callback),
        get_sset_count: Some(Self::get_sset_count_callback),
        get_coalesce: optional!(HAS_GET_COALESCE, get_coalesce_callback),
        set_coalesce: optional!(HAS_SET_COALESCE, set_coalesce_callback),
        get_link_ksettings: optional!(HAS_GET_LINK_KSETTINGS, get_link_ksettings_callback),
        set_link_ksettings: optional!(HAS_SET_LINK_KSETTINGS, set_link_ksettings_callback),
        get_ts_info: Some(bindings::ethtool_op_get_ts_info),
        ..pin_init::zeroed()
    };

    pub(in crate::net) const fn build() -> &'static bindings::ethtool_ops {
        &Self::VTABLE
    }
}
