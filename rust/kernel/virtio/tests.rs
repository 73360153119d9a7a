// SPDX-License-Identifier: GPL-2.0

//! KUnit suites of the virtio bus, on the software device of [`fake`](super::fake).
//!
//! One suite is one subject. Cases return an error when they fail, rather than end the thread as
//! KUnit's own assertions do: so drivers and devices are unregistered, and one red case does not
//! make the next ones red.

/// Fails the case unless the condition holds.
macro_rules! ensure {
    ($condition:expr $(,)?) => {
        if !$condition {
            $crate::kunit::err($crate::prelude::fmt!(
                "    {}:{}: expected {}\n",
                file!(),
                line!(),
                stringify!($condition)
            ));
            return Err($crate::error::code::EINVAL);
        }
    };
}

/// Fails the case unless both values are equal.
macro_rules! ensure_eq {
    ($left:expr, $right:expr $(,)?) => {
        match (&$left, &$right) {
            (left, right) => {
                if !(*left == *right) {
                    $crate::kunit::err($crate::prelude::fmt!(
                        "    {}:{}: {} is {:?}, expected {:?}\n",
                        file!(),
                        line!(),
                        stringify!($left),
                        left,
                        right
                    ));
                    return Err($crate::error::code::EINVAL);
                }
            }
        }
    };
}

mod bench;
mod driver;

mod capacity;
mod config;
mod config_changed;
mod described;
mod direct;
mod exclusion;
mod feature;
mod flags;
mod handle;
mod interrupt;
mod notify;
mod parts;
mod pause;
#[cfg(CONFIG_VIRTIO_PCI)]
mod pci;
mod port;
mod probe;
mod queue;
mod recovery;
mod reset;
mod reset_failures;
mod setup;
mod watch;
