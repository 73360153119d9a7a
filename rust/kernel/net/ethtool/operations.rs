// SPDX-License-Identifier: GPL-2.0

//! What a driver implements for `ethtool`.
//!
//! C header: [`include/linux/ethtool.h`](srctree/include/linux/ethtool.h)

use super::{
    Coalesce,
    CoalesceParams,
    DriverInfo,
    LinkSettings,
    PauseParam,
    PhysId,
    RingParam,
    SelfTest,
    Wol,
    WolOptions, //
};
use crate::{
    error::VTABLE_DEFAULT_ERROR,
    net::netdev::{
        self,
        Device,
        Rtnl, //
    },
    prelude::*, //
};

/// A driver that `ethtool` can reach.
///
/// Equivalent to C's `struct ethtool_ops`. What a driver does not implement is absent there as
/// well. All functions are called in process context, under RTNL, and may sleep. How many
/// registers, statistics and tests there are is constant, so buffers for them have the right size.
#[vtable]
pub trait Operations: netdev::Operations {
    /// How many registers [`get_regs`](Self::get_regs) tells.
    const REGISTERS: usize = 0;

    /// The names of the statistics. What exceeds 31 characters is cut off.
    const STATISTICS: &'static [&'static str] = &[];

    /// The names of the tests. What exceeds 31 characters is cut off.
    const TESTS: &'static [&'static str] = &[];

    /// What of [`Coalesce`] the driver has.
    const COALESCE_PARAMS: CoalesceParams = CoalesceParams::NONE;

    /// Tells names and versions.
    fn get_drvinfo<'bound>(_dev: &Device<'bound, Self>, _info: &mut DriverInfo<'_>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Tells the registers, [`REGISTERS`](Self::REGISTERS) of them, which are zero to begin with,
    /// and returns the version of their layout.
    fn get_regs<'bound>(_dev: &Device<'bound, Self>, _rtnl: &Rtnl, _registers: &mut [u32]) -> u32 {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Tells what wakes up the machine.
    fn get_wol<'bound>(_dev: &Device<'bound, Self>, _rtnl: &Rtnl) -> Wol {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Sets what wakes up the machine.
    fn set_wol<'bound>(_dev: &Device<'bound, Self>, _rtnl: &Rtnl, _options: WolOptions) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Tells which messages are printed.
    fn get_msglevel<'bound>(_dev: &Device<'bound, Self>) -> netdev::message::MessageLevel {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Sets which messages are printed.
    fn set_msglevel<'bound>(_dev: &Device<'bound, Self>, _level: netdev::message::MessageLevel) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Lets both ends agree on a kind of link again.
    fn nway_reset<'bound>(_dev: &Device<'bound, Self>, _rtnl: &Rtnl) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Tells whether there is a link. Without this function, it is what the driver has last told
    /// the stack.
    fn get_link<'bound>(_dev: &Device<'bound, Self>, _rtnl: &Rtnl) -> bool {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Tells how many bytes the EEPROM has.
    fn get_eeprom_len<'bound>(_dev: &Device<'bound, Self>) -> u32 {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Reads the EEPROM from `offset` on, and returns the number that writing it takes.
    fn get_eeprom<'bound>(
        _dev: &Device<'bound, Self>,
        _rtnl: &Rtnl,
        _offset: u32,
        _data: &mut [u8],
    ) -> Result<u32> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Writes the EEPROM from `offset` on. `magic` is the number that
    /// [`get_eeprom`](Self::get_eeprom) has returned, if the user knows what he does.
    fn set_eeprom<'bound>(
        _dev: &Device<'bound, Self>,
        _rtnl: &Rtnl,
        _magic: u32,
        _offset: u32,
        _data: &[u8],
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Tells the sizes of the rings.
    fn get_ringparam<'bound>(_dev: &Device<'bound, Self>, _rtnl: &Rtnl) -> RingParam {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Sets the sizes of the rings.
    fn set_ringparam<'bound>(
        _dev: &Device<'bound, Self>,
        _rtnl: &Rtnl,
        _ring: &RingParam,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Tells whether pause frames are used.
    fn get_pauseparam<'bound>(_dev: &Device<'bound, Self>, _rtnl: &Rtnl) -> PauseParam {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Sets whether pause frames are used.
    fn set_pauseparam<'bound>(
        _dev: &Device<'bound, Self>,
        _rtnl: &Rtnl,
        _pause: &PauseParam,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Tests the card.
    fn self_test<'bound>(_dev: &Device<'bound, Self>, _rtnl: &Rtnl, _test: &mut SelfTest<'_>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Tells the statistics, one number for each of [`STATISTICS`](Self::STATISTICS), which is zero
    /// to begin with.
    fn get_ethtool_stats<'bound>(
        _dev: &Device<'bound, Self>,
        _rtnl: &Rtnl,
        _statistics: &mut [u64],
    ) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Lets the card blink. For [`PhysId::Active`] it returns how often in a second it wants to be
    /// called with [`PhysId::On`], and with [`PhysId::Off`]; or zero if the card blinks by itself.
    /// Otherwise, what it returns does not matter.
    ///
    /// The device can go down, and be unregistered, before the last call.
    fn set_phys_id<'bound>(_dev: &Device<'bound, Self>, _rtnl: &Rtnl, _id: PhysId) -> Result<u32> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Tells how long interrupts wait.
    fn get_coalesce<'bound>(_dev: &Device<'bound, Self>, _rtnl: &Rtnl) -> Result<Coalesce> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Sets how long interrupts wait.
    fn set_coalesce<'bound>(
        _dev: &Device<'bound, Self>,
        _rtnl: &Rtnl,
        _coalesce: &Coalesce,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Tells the link.
    fn get_link_ksettings<'bound>(
        _dev: &Device<'bound, Self>,
        _rtnl: &Rtnl,
    ) -> Result<LinkSettings> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Sets the link.
    fn set_link_ksettings<'bound>(
        _dev: &Device<'bound, Self>,
        _rtnl: &Rtnl,
        _settings: &LinkSettings,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}
