// SPDX-License-Identifier: GPL-2.0

//! A driver for the entropy device of virtio that does nothing with it, and says when it is called.

#![deny(unsafe_code)]

use kernel::{
    device::Core,
    prelude::*,
    virtio::{
        self,
        config::NoConfig, //
    }, //
};

kernel::virtio_features! { struct Features {} }
kernel::virtio_device_table!(ID_TABLE, [virtio::DeviceId::new(4)]);

/// Says when it goes.
struct Part(&'static str);

impl Drop for Part {
    fn drop(&mut self) {
        pr_info!("{} is dropped\n", self.0);
    }
}

/// What the driver has for each device.
struct Data {
    _first: Part,
    _second: Part,
}

struct OrderOfEnd;

#[vtable]
impl virtio::Driver for OrderOfEnd {
    type Features = Features;
    type Config = NoConfig<Features>;
    type Data<'bound> = Data;

    const ID_TABLE: virtio::IdTable = &ID_TABLE;

    fn probe<'bound>(
        dev: &'bound virtio::Device<Core<'_>>,
        _setup: virtio::VirtqueueSetup<'bound>,
    ) -> impl PinInit<Data, Error> + 'bound {
        dev_info!(dev, "probe\n");
        Ok(Data {
            _first: Part("the first field"),
            _second: Part("the second field"),
        })
    }

    fn unbind<'bound>(dev: &'bound virtio::Device<Core<'_>>, _this: Pin<&Data>) {
        dev_info!(dev, "unbind\n");
    }
}

kernel::module_virtio_driver! {
    type: OrderOfEnd,
    name: "book_order_of_end",
    authors: ["The linux-virtio-rs developers"],
    description: "Says when a driver is called, and in which order its data goes",
    license: "GPL v2",
}
