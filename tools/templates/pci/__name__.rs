// SPDX-License-Identifier: GPL-2.0

//! A PCI driver: it lets the device calculate.
//!
//! It is for the device that QEMU has for learners, `-device edu`, which is described in
//! `docs/specs/edu.rst` of QEMU.

#![deny(unsafe_code)]

use kernel::{
    device::{
        scope::Scope,
        Bound,
        Core, //
    },
    io::{
        register,
        Io, //
    },
    pci::{
        self,
        enable::{
            Enabled,
            Resources, //
        },
        lifecycle, //
    },
    prelude::*,
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

#[path = "logic/src/ident.rs"]
pub mod ident;

register! {
    /// What the device is.
    IDENT(u32) @ 0x00 {
        31:0 value;
    }

    /// Is written a number and read its factorial.
    FACTORIAL(u32) @ 0x08 {
        31:0 value;
    }

    STATUS(u32) @ 0x20 {
        /// The device calculates.
        0:0 computing => bool;
    }
}

/// How many bytes of registers the driver makes use of.
const REGISTERS: usize = 0x24;

/// What the driver has for a device that it is bound to. Fields are dropped in this order.
struct Data<'bound> {
    dev: &'bound pci::Device<Bound>,
    bar: pci::Bar<'bound, REGISTERS>,
    _enabled: Enabled<'bound>,
}

impl Data<'_> {
    /// Lets the device calculate a factorial, modulo 2^32.
    fn factorial(&self, number: u32) -> Result<u32> {
        self.bar.write_reg(FACTORIAL::from(number));
        // Whatever the device does, this ends.
        for _ in 0..100 {
            if !self.bar.read(STATUS).computing() {
                return Ok(self.bar.read(FACTORIAL).into_raw());
            }
            fsleep(Delta::from_millis(1));
        }
        Err(ETIMEDOUT)
    }
}

impl Drop for Data<'_> {
    fn drop(&mut self) {
        dev_info!(self.dev, "unbound\n");
    }
}

struct TheDriver;

kernel::pci_device_table!(
    PCI_TABLE,
    <TheDriver as lifecycle::Driver>::IdInfo,
    [(pci::DeviceId::from_numbers(0x1234, 0x11e8), ())]
);

impl TheDriver {
    fn bind<'bound>(dev: &'bound pci::Device<Core<'_>>) -> Result<Data<'bound>> {
        let enabled = dev.enable(Resources::Memory)?;
        let bar = dev.iomap_region_sized::<REGISTERS>(0, c"__name__")?;
        let version = ident::version(bar.read(IDENT).into_raw()).ok_or(ENODEV)?;
        let data = Data {
            dev,
            bar,
            _enabled: enabled,
        };

        dev_info!(dev, "version {}.{}\n", version.major, version.minor);
        dev_info!(dev, "the factorial of 12 is {}\n", data.factorial(12)?);
        Ok(data)
    }
}

#[vtable]
impl lifecycle::Driver for TheDriver {
    type IdInfo = ();
    type Data<'bound> = Data<'bound>;

    const ID_TABLE: pci::IdTable<Self::IdInfo> = &PCI_TABLE;

    fn probe<'bound>(
        dev: &'bound pci::Device<Core<'_>>,
        _info: Option<&'bound Self::IdInfo>,
        _scope: &'bound Scope<'bound>,
    ) -> impl PinInit<Data<'bound>, Error> + 'bound {
        Self::bind(dev)
    }
}

kernel::module_pci_lifecycle_driver! {
    type: TheDriver,
    name: "__name__",
    authors: ["The author of __name__"],
    description: "Lets QEMU's device for learners calculate",
    license: "GPL",
}
