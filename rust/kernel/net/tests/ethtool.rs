// SPDX-License-Identifier: GPL-2.0

//! What `ethtool` gets, and what it can do.

use super::{
    card::Card,
    setup::Test, //
};
use crate::{
    net::{
        ethtool::{
            Coalesce,
            CoalesceParams,
            DriverInfo,
            Duplex,
            LinkModes,
            LinkSettings,
            Mdix,
            Operations,
            PauseParam,
            PhysId,
            Port,
            RingParam,
            SelfTest,
            Wol,
            WolOptions, //
        },
        netdev::{
            message::MessageLevel,
            Device,
            Rtnl, //
        }, //
    },
    prelude::*,
    sync::atomic::Relaxed, //
};

/// A name that is longer than C has room for.
const LONG: &str = "a name that is longer than the place for it";

#[vtable]
impl Operations for Card {
    const REGISTERS: usize = 3;
    const STATISTICS: &'static [&'static str] = &["first", LONG];
    const TESTS: &'static [&'static str] = &["the only test"];
    const COALESCE_PARAMS: CoalesceParams = CoalesceParams::RX_USECS;

    fn get_drvinfo<'bound>(_dev: &Device<'bound, Self>, info: &mut DriverInfo<'_>) {
        info.set_driver("card");
        info.set_version(LONG);
        info.set_firmware("");
    }

    fn get_regs<'bound>(_dev: &Device<'bound, Self>, _rtnl: &Rtnl, registers: &mut [u32]) -> u32 {
        registers.copy_from_slice(&[1, 2, 3]);
        7
    }

    fn get_wol<'bound>(_dev: &Device<'bound, Self>, _rtnl: &Rtnl) -> Wol {
        Wol {
            supported: WolOptions::MAGIC | WolOptions::UCAST,
            options: WolOptions::MAGIC,
        }
    }

    fn set_wol<'bound>(_dev: &Device<'bound, Self>, _rtnl: &Rtnl, options: WolOptions) -> Result {
        if options.intersects(WolOptions::ARP) {
            return Err(EOPNOTSUPP);
        }
        Ok(())
    }

    fn get_msglevel<'bound>(dev: &Device<'bound, Self>) -> MessageLevel {
        MessageLevel::from_bits(dev.data().message_level.load(Relaxed))
    }

    fn set_msglevel<'bound>(dev: &Device<'bound, Self>, level: MessageLevel) {
        dev.data().message_level.store(level.bits(), Relaxed);
    }

    fn get_eeprom_len<'bound>(_dev: &Device<'bound, Self>) -> u32 {
        8
    }

    fn get_eeprom<'bound>(
        _dev: &Device<'bound, Self>,
        _rtnl: &Rtnl,
        offset: u32,
        data: &mut [u8],
    ) -> Result<u32> {
        for (i, byte) in data.iter_mut().enumerate() {
            // CAST: There are eight.
            *byte = i as u8 + offset as u8;
        }
        Ok(0x1234)
    }

    fn set_eeprom<'bound>(
        _dev: &Device<'bound, Self>,
        _rtnl: &Rtnl,
        magic: u32,
        offset: u32,
        data: &[u8],
    ) -> Result {
        if magic != 0x1234 {
            return Err(EFAULT);
        }
        if offset != 2 || data != [5, 6] {
            return Err(EINVAL);
        }
        Ok(())
    }

    fn get_ringparam<'bound>(_dev: &Device<'bound, Self>, _rtnl: &Rtnl) -> RingParam {
        RingParam {
            rx_max_pending: 4096,
            tx_max_pending: 2048,
            rx_pending: 256,
            tx_pending: 128,
            ..Default::default()
        }
    }

    fn set_ringparam<'bound>(
        _dev: &Device<'bound, Self>,
        _rtnl: &Rtnl,
        ring: &RingParam,
    ) -> Result {
        if ring.rx_mini_pending != 0 || ring.rx_pending != 80 || ring.tx_pending != 96 {
            return Err(EINVAL);
        }
        Ok(())
    }

    fn get_pauseparam<'bound>(_dev: &Device<'bound, Self>, _rtnl: &Rtnl) -> PauseParam {
        PauseParam {
            autoneg: true,
            rx_pause: false,
            tx_pause: true,
        }
    }

    fn set_pauseparam<'bound>(
        _dev: &Device<'bound, Self>,
        _rtnl: &Rtnl,
        pause: &PauseParam,
    ) -> Result {
        if pause.rx_pause && !pause.tx_pause {
            return Ok(());
        }
        Err(EINVAL)
    }

    fn self_test<'bound>(_dev: &Device<'bound, Self>, _rtnl: &Rtnl, test: &mut SelfTest<'_>) {
        if test.is_offline() {
            test.results()[0] = 3;
            test.fail();
        }
    }

    fn get_ethtool_stats<'bound>(
        _dev: &Device<'bound, Self>,
        _rtnl: &Rtnl,
        statistics: &mut [u64],
    ) {
        statistics.copy_from_slice(&[1 << 40, 2]);
    }

    fn set_phys_id<'bound>(_dev: &Device<'bound, Self>, _rtnl: &Rtnl, id: PhysId) -> Result<u32> {
        match id {
            PhysId::Active => Ok(u32::MAX),
            PhysId::On => Ok(5),
            PhysId::Off => Err(EIO),
            PhysId::Inactive => Ok(0),
        }
    }

    fn get_coalesce<'bound>(_dev: &Device<'bound, Self>, _rtnl: &Rtnl) -> Result<Coalesce> {
        Ok(Coalesce {
            rx_coalesce_usecs: 3,
            tx_coalesce_usecs: 0,
        })
    }

    fn set_coalesce<'bound>(
        _dev: &Device<'bound, Self>,
        _rtnl: &Rtnl,
        coalesce: &Coalesce,
    ) -> Result {
        if coalesce.rx_coalesce_usecs == 2 {
            return Err(EINVAL);
        }
        Ok(())
    }

    fn get_link_ksettings<'bound>(
        _dev: &Device<'bound, Self>,
        _rtnl: &Rtnl,
    ) -> Result<LinkSettings> {
        Ok(LinkSettings {
            speed: Some(1000),
            duplex: Some(Duplex::Full),
            port: Port::TwistedPair,
            phy_address: 1,
            autoneg: true,
            mdix: Mdix::MdiX,
            mdix_ctrl: Mdix::Auto,
            supported: LinkModes::M1000BASET_FULL | LinkModes::TP | LinkModes::AUTONEG,
            advertising: LinkModes::M1000BASET_FULL | LinkModes::AUTONEG,
        })
    }

    fn set_link_ksettings<'bound>(
        dev: &Device<'bound, Self>,
        rtnl: &Rtnl,
        settings: &LinkSettings,
    ) -> Result {
        if *settings != Self::get_link_ksettings(dev, rtnl)? {
            return Err(EINVAL);
        }
        Ok(())
    }
}

/// Calls `f` with a device and its operations, under RTNL.
fn with<R>(f: impl FnOnce(*mut bindings::net_device, &bindings::ethtool_ops) -> R) -> Result<R> {
    let test = Test::new()?;

    test.with(|dev, _| {
        // SAFETY: The device has operations.
        f(dev.as_raw(), unsafe { &*(*dev.as_raw()).ethtool_ops })
    })
}

/// The text in a field of C.
fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or(&[])
}

/// Calls one of the operations.
macro_rules! call {
    ($ops:ident.$name:ident($($argument:expr),* $(,)?)) => {{
        let function = $ops.$name.ok_or(EOPNOTSUPP)?;

        // SAFETY: The device is registered, RTNL is held, and what is passed is complete.
        unsafe { function($($argument),*) }
    }};
}

#[kunit_tests(rust_net_ethtool)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_where_their_place_ends() -> Result {
        with(|dev, ops| -> Result {
            const SIZE: usize = bindings::ETH_GSTRING_LEN as usize;

            let stats = bindings::ethtool_stringset_ETH_SS_STATS;
            let mut names = [0xff_u8; 2 * SIZE + 1];

            assert_eq!(call!(ops.get_sset_count(dev, stats as c_int)), 2);
            call!(ops.get_strings(dev, stats, names.as_mut_ptr()));
            assert_eq!(text(&names[..SIZE]), b"first");
            assert_eq!(text(&names[SIZE..2 * SIZE]), &LONG.as_bytes()[..SIZE - 1]);
            assert_eq!(names[2 * SIZE], 0xff);
            assert_eq!(
                call!(ops.get_sset_count(dev, bindings::ethtool_stringset_ETH_SS_TEST as c_int)),
                1
            );
            assert_eq!(
                call!(
                    ops.get_sset_count(dev, bindings::ethtool_stringset_ETH_SS_PRIV_FLAGS as c_int)
                ),
                EOPNOTSUPP.to_errno()
            );
            assert_eq!(call!(ops.get_sset_count(dev, -1)), EINVAL.to_errno());
            Ok(())
        })?
    }

    #[test]
    fn the_driver_says_who_it_is() -> Result {
        with(|dev, ops| -> Result {
            let mut info: bindings::ethtool_drvinfo = pin_init::zeroed();

            call!(ops.get_drvinfo(dev, &mut info));

            assert_eq!(text(&info.driver), b"card");
            assert_eq!(text(&info.version), &LONG.as_bytes()[..31]);
            assert_eq!(info.bus_info[0], 0);
            Ok(())
        })?
    }

    #[test]
    fn registers_and_statistics_fill_their_buffers() -> Result {
        with(|dev, ops| -> Result {
            let mut regs: bindings::ethtool_regs = Default::default();
            let mut registers = [9_u32; 4];
            let mut stats: bindings::ethtool_stats = Default::default();
            let mut numbers = [9_u64; 3];

            assert_eq!(call!(ops.get_regs_len(dev)), 12);
            call!(ops.get_regs(dev, &mut regs, registers.as_mut_ptr().cast()));
            assert_eq!(registers, [1, 2, 3, 9]);
            assert_eq!(regs.version, 7);
            call!(ops.get_ethtool_stats(dev, &mut stats, numbers.as_mut_ptr()));
            assert_eq!(numbers, [1 << 40, 2, 9]);
            Ok(())
        })?
    }

    #[test]
    fn the_eeprom_is_read_and_written_in_parts() -> Result {
        with(|dev, ops| -> Result {
            let mut eeprom: bindings::ethtool_eeprom = Default::default();
            let mut data = [0_u8; 4];

            assert_eq!(call!(ops.get_eeprom_len(dev)), 8);
            eeprom.offset = 3;
            eeprom.len = 2;
            assert_eq!(
                call!(ops.get_eeprom(dev, &mut eeprom, data.as_mut_ptr())),
                0
            );
            assert_eq!((data, eeprom.magic), ([3, 4, 0, 0], 0x1234));
            data = [5, 6, 7, 8];
            eeprom.offset = 2;
            assert_eq!(
                call!(ops.set_eeprom(dev, &mut eeprom, data.as_mut_ptr())),
                0
            );
            eeprom.magic = 0;
            assert_eq!(
                call!(ops.set_eeprom(dev, &mut eeprom, data.as_mut_ptr())),
                EFAULT.to_errno()
            );
            Ok(())
        })?
    }

    #[test]
    fn numbers_go_both_ways() -> Result {
        with(|dev, ops| -> Result {
            let none = core::ptr::null_mut();
            let mut ring: bindings::ethtool_ringparam = pin_init::zeroed();
            let mut pause: bindings::ethtool_pauseparam = pin_init::zeroed();
            let mut coalesce: bindings::ethtool_coalesce = pin_init::zeroed();
            let mut wol: bindings::ethtool_wolinfo = pin_init::zeroed();

            call!(ops.get_ringparam(dev, &mut ring, core::ptr::null_mut(), none));
            assert_eq!((ring.rx_max_pending, ring.tx_max_pending), (4096, 2048));
            assert_eq!((ring.rx_pending, ring.tx_pending), (256, 128));
            ring.rx_pending = 80;
            ring.tx_pending = 96;
            assert_eq!(
                call!(ops.set_ringparam(dev, &mut ring, core::ptr::null_mut(), none)),
                0
            );
            ring.rx_mini_pending = 1;
            assert_eq!(
                call!(ops.set_ringparam(dev, &mut ring, core::ptr::null_mut(), none)),
                EINVAL.to_errno()
            );

            call!(ops.get_pauseparam(dev, &mut pause));
            assert_eq!((pause.autoneg, pause.rx_pause, pause.tx_pause), (1, 0, 1));
            assert_eq!(
                call!(ops.set_pauseparam(dev, &mut pause)),
                EINVAL.to_errno()
            );
            (pause.rx_pause, pause.tx_pause) = (7, 0);
            assert_eq!(call!(ops.set_pauseparam(dev, &mut pause)), 0);

            assert_eq!(
                call!(ops.get_coalesce(dev, &mut coalesce, core::ptr::null_mut(), none)),
                0
            );
            assert_eq!(coalesce.rx_coalesce_usecs, 3);
            coalesce.rx_coalesce_usecs = 2;
            assert_eq!(
                call!(ops.set_coalesce(dev, &mut coalesce, core::ptr::null_mut(), none)),
                EINVAL.to_errno()
            );
            assert_eq!(
                ops.supported_coalesce_params,
                bindings::ETHTOOL_COALESCE_RX_USECS
            );

            call!(ops.get_wol(dev, &mut wol));
            assert_eq!(wol.supported, bindings::WAKE_MAGIC | bindings::WAKE_UCAST);
            assert_eq!(wol.wolopts, bindings::WAKE_MAGIC);
            wol.wolopts = bindings::WAKE_ARP;
            assert_eq!(call!(ops.set_wol(dev, &mut wol)), EOPNOTSUPP.to_errno());

            call!(ops.set_msglevel(dev, 5));
            assert_eq!(call!(ops.get_msglevel(dev)), 5);
            Ok(())
        })?
    }

    #[test]
    fn a_test_can_fail() -> Result {
        with(|dev, ops| -> Result {
            let mut test: bindings::ethtool_test = Default::default();
            let mut results = [0_u64; 2];

            call!(ops.self_test(dev, &mut test, results.as_mut_ptr()));
            assert_eq!((test.flags, results), (0, [0, 0]));
            test.flags = bindings::ethtool_test_flags_ETH_TEST_FL_OFFLINE;
            call!(ops.self_test(dev, &mut test, results.as_mut_ptr()));
            assert!(test.flags & bindings::ethtool_test_flags_ETH_TEST_FL_FAILED != 0);
            assert_eq!(results, [3, 0]);
            Ok(())
        })?
    }

    #[test]
    fn no_card_blinks_faster_than_c_can_count() -> Result {
        use bindings::ethtool_phys_id_state as State;

        with(|dev, ops| -> Result {
            let blinks = call!(ops.set_phys_id(dev, State::ETHTOOL_ID_ACTIVE));

            // C divides the frequency of its clock by twice this.
            assert!(blinks > 0 && bindings::HZ as c_int / (2 * blinks) > 0);
            assert_eq!(call!(ops.set_phys_id(dev, State::ETHTOOL_ID_ON)), 0);
            assert_eq!(
                call!(ops.set_phys_id(dev, State::ETHTOOL_ID_OFF)),
                EIO.to_errno()
            );
            assert_eq!(call!(ops.set_phys_id(dev, State::ETHTOOL_ID_INACTIVE)), 0);
            Ok(())
        })?
    }

    #[test]
    fn the_link_goes_both_ways() -> Result {
        with(|dev, ops| -> Result {
            let mut link: bindings::ethtool_link_ksettings = pin_init::zeroed();

            assert_eq!(call!(ops.get_link_ksettings(dev, &mut link)), 0);
            assert_eq!(link.base.speed, 1000);
            assert_eq!(u32::from(link.base.duplex), bindings::DUPLEX_FULL);
            assert_eq!(u32::from(link.base.eth_tp_mdix), bindings::ETH_TP_MDI_X);
            assert_eq!(
                u32::from(link.base.eth_tp_mdix_ctrl),
                bindings::ETH_TP_MDI_AUTO
            );
            assert_eq!(link.link_modes.supported[0], (1 << 5) | (1 << 6) | (1 << 7));
            assert_eq!(call!(ops.set_link_ksettings(dev, &link)), 0);
            // What C does not know, the driver does not see as something else.
            link.base.duplex = 77;
            assert_eq!(call!(ops.set_link_ksettings(dev, &link)), EINVAL.to_errno());
            Ok(())
        })?
    }

    #[test]
    fn what_a_driver_does_not_implement_is_absent() -> Result {
        with(|dev, ops| -> Result {
            assert!(ops.nway_reset.is_none());
            // Then it is what the stack knows.
            assert_eq!(call!(ops.get_link(dev)), 0);
            assert!(ops.get_ts_info.is_some());
            Ok(())
        })?
    }
}
