// SPDX-License-Identifier: GPL-2.0
//@ error: E0080
//@ message: a legacy device has 32 feature bits
//! A legacy device has no such bit.

use kernel::{
    device::Core,
    prelude::*,
    virtio::{
        self,
        Affinity,
        Callback,
        DeviceId,
        Handler,
        IdTable,
        RingBox,
        Virtqueue, //
    }, //
};

kernel::virtio_features! {
    struct Features {
        /// Declared.
        BlkSize = 50,
    }
}

kernel::virtio_config! {
    struct Space: Features {
        /// Every device has it.
        CAPACITY: Virtio64 @ 0;
        /// Exists with a feature.
        BLK_SIZE: Virtio32 @ 20, if BlkSize;
    }
}

kernel::virtio_device_table!(ID_TABLE, [DeviceId::new(2)]);

struct Queue;

impl Handler for Queue {
    type Token = RingBox<[u8; 16]>;
    type Context = ();

    fn done(queue: &Virtqueue<Self>) {
        queue.lock().drain(drop);
    }
}

struct Driver;

#[vtable]
impl virtio::Driver for Driver {
    type Features = Features;
    type Config = Space;
    type Data<'bound> = ();

    const ID_TABLE: IdTable = &ID_TABLE;

    fn probe<'bound>(dev: &'bound virtio::Device<Core<'_>>) -> impl PinInit<(), Error> + 'bound {
        probe(dev)
    }
}

kernel::module_virtio_driver! {
    type: Driver,
    name: "case",
    authors: ["none"],
    description: "case",
    license: "GPL v2",
}

fn probe(dev: &virtio::Device<Core<'_>>) -> Result {
    let features = dev.features::<Features>();
    let config = dev.config::<Space>();
    let mut setup = dev.virtqueues()?;
    let pending = setup.add::<Queue>(c"queue", Callback::Interrupt, 1, ())?;
    let found = setup.find(Affinity::Default)?;
    let token = RingBox::new([0u8; 16], GFP_KERNEL)?;

    let _ = features.has(BlkSize);
    config.read(&Space::CAPACITY)?;
    config.read_if(&Space::BLK_SIZE)?;

    let queue = pending.into_ready(&found.ready());
    let mut locked = queue.lock();

    locked
        .add(token, |bytes, parts| parts.device_writable(bytes))
        .map_err(|err| err.error)?;
    let _ = locked.kick_prepare();
    drop(locked);
    queue.notify()
}
