// SPDX-License-Identifier: GPL-2.0

//! Messages about a device in the kernel log.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)

use super::{
    Device,
    Operations, //
};
use crate::{
    fmt,
    prelude::*, //
};
use core::ops::{
    BitOr,
    BitOrAssign, //
};

/// The kinds of messages that the user wants, in C `msg_enable`.
///
/// The names are those of C without `NETIF_MSG_`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageLevel(u32);

/// Defines the kinds of messages.
macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $value:ident;)*) => {
        impl MessageLevel {
            // CAST: They are bits of a word.
            $($(#[$doc])* pub const $name: Self = Self(1 << bindings::$value as u32);)*
        }
    };
}

kinds! {
    /// The driver as such.
    DRV = NETIF_MSG_DRV_BIT;
    /// Probing the card.
    PROBE = NETIF_MSG_PROBE_BIT;
    /// The link.
    LINK = NETIF_MSG_LINK_BIT;
    /// Timers that expired.
    TIMER = NETIF_MSG_TIMER_BIT;
    /// The device going down.
    IFDOWN = NETIF_MSG_IFDOWN_BIT;
    /// The device coming up.
    IFUP = NETIF_MSG_IFUP_BIT;
    /// Errors while receiving.
    RX_ERR = NETIF_MSG_RX_ERR_BIT;
    /// Errors while sending.
    TX_ERR = NETIF_MSG_TX_ERR_BIT;
    /// Packets being queued.
    TX_QUEUED = NETIF_MSG_TX_QUEUED_BIT;
    /// Interrupts.
    INTR = NETIF_MSG_INTR_BIT;
    /// Packets that were sent.
    TX_DONE = NETIF_MSG_TX_DONE_BIT;
    /// Packets that came.
    RX_STATUS = NETIF_MSG_RX_STATUS_BIT;
    /// Contents of packets.
    PKTDATA = NETIF_MSG_PKTDATA_BIT;
    /// Registers of the card.
    HW = NETIF_MSG_HW_BIT;
    /// Waking up.
    WOL = NETIF_MSG_WOL_BIT;
}

impl MessageLevel {
    /// From what `ethtool` has set.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// For `ethtool`.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// From the number of kinds that a module parameter asks for; `default` if that is negative or
    /// too large. In C `netif_msg_init()`.
    pub fn from_parameter(parameter: i32, default: Self) -> Self {
        match u32::try_from(parameter) {
            Ok(kinds @ 0..=31) => Self((1u32 << kinds) - 1),
            _ => default,
        }
    }

    /// Whether messages of one of the kinds in `kinds` are wanted.
    pub const fn intersects(self, kinds: Self) -> bool {
        self.0 & kinds.0 != 0
    }
}

impl BitOr for MessageLevel {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for MessageLevel {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// How urgent a message is.
#[derive(Clone, Copy)]
pub enum Urgency {
    /// An error.
    Error,
    /// A warning.
    Warning,
    /// Something to take note of.
    Notice,
    /// Something to know.
    Info,
}

/// Something that messages can be about.
pub trait Subject {
    /// Writes a message. The macros, such as [`netdev_info!`](crate::netdev_info), call this.
    fn print(&self, urgency: Urgency, message: fmt::Arguments<'_>);
}

/// # Safety
///
/// `dev` must be valid.
unsafe fn print(dev: *mut bindings::net_device, urgency: Urgency, message: fmt::Arguments<'_>) {
    let level = match urgency {
        Urgency::Error => bindings::KERN_ERR,
        Urgency::Warning => bindings::KERN_WARNING,
        Urgency::Notice => bindings::KERN_NOTICE,
        Urgency::Info => bindings::KERN_INFO,
    };

    // SAFETY: By the requirement of this function. The format takes a pointer to `Arguments`.
    #[cfg(CONFIG_PRINTK)]
    unsafe {
        bindings::netdev_printk(
            level.as_ptr().cast(),
            dev,
            c"%pA".as_char_ptr(),
            core::ptr::from_ref(&message).cast::<c_void>(),
        )
    };
    #[cfg(not(CONFIG_PRINTK))]
    let _ = (dev, level, message);
}

impl<T: Operations> Subject for Device<'_, T> {
    fn print(&self, urgency: Urgency, message: fmt::Arguments<'_>) {
        // SAFETY: The device is valid.
        unsafe { print(self.as_raw(), urgency, message) };
    }
}

impl<T: Operations> Subject for super::NewDevice<'_, T> {
    fn print(&self, urgency: Urgency, message: fmt::Arguments<'_>) {
        // SAFETY: The device is valid.
        unsafe { print(self.handle().as_raw().as_ptr(), urgency, message) };
    }
}

impl<S: Subject + ?Sized> Subject for &S {
    fn print(&self, urgency: Urgency, message: fmt::Arguments<'_>) {
        (**self).print(urgency, message);
    }
}

impl<T: Operations> Subject for super::Access<'_, '_, T> {
    fn print(&self, urgency: Urgency, message: fmt::Arguments<'_>) {
        (**self).print(urgency, message);
    }
}

impl<T: Operations> Subject for super::Handle<'_, T> {
    fn print(&self, urgency: Urgency, message: fmt::Arguments<'_>) {
        match self.access() {
            Some(dev) => dev.print(urgency, message),
            // Its memory is there, but not what it was a function of.
            None => pr_info!("{}", message),
        }
    }
}

/// Prints an error about a network device, in C `netdev_err()`.
#[macro_export]
macro_rules! netdev_err {
    ($dev:expr, $($arg:tt)*) => {
        $crate::net::netdev::message::Subject::print(
            &$dev,
            $crate::net::netdev::message::Urgency::Error,
            $crate::prelude::fmt!($($arg)*),
        )
    };
}

/// Prints a warning about a network device, in C `netdev_warn()`.
#[macro_export]
macro_rules! netdev_warn {
    ($dev:expr, $($arg:tt)*) => {
        $crate::net::netdev::message::Subject::print(
            &$dev,
            $crate::net::netdev::message::Urgency::Warning,
            $crate::prelude::fmt!($($arg)*),
        )
    };
}

/// Prints what is to be taken note of about a network device, in C `netdev_notice()`.
#[macro_export]
macro_rules! netdev_notice {
    ($dev:expr, $($arg:tt)*) => {
        $crate::net::netdev::message::Subject::print(
            &$dev,
            $crate::net::netdev::message::Urgency::Notice,
            $crate::prelude::fmt!($($arg)*),
        )
    };
}

/// Prints what is to be known about a network device, in C `netdev_info()`.
#[macro_export]
macro_rules! netdev_info {
    ($dev:expr, $($arg:tt)*) => {
        $crate::net::netdev::message::Subject::print(
            &$dev,
            $crate::net::netdev::message::Urgency::Info,
            $crate::prelude::fmt!($($arg)*),
        )
    };
}
