// SPDX-License-Identifier: GPL-2.0

//! A virtio driver with one queue: it asks the device for memory to be filled, once.
//!
//! It is for the entropy device, `-device virtio-rng-pci` of QEMU, which fills what it is given with
//! random bytes (virtio specification, section 5.4).

#![deny(unsafe_code)]

use kernel::{
    device::Core,
    prelude::*,
    sync::Arc,
    virtio::{
        self,
        Affinity,
        Callback,
        PendingQueue,
        RingBox,
        Virtqueue,
        VirtqueueSetup, //
    }, //
};

#[path = "logic/src/bits.rs"]
pub mod bits;

// The features that the driver understands: none. And the devices that it is for: section 5 of the
// specification has their numbers.
kernel::virtio_features! { struct Features {} }
kernel::virtio_device_table!(ID_TABLE, [virtio::DeviceId::new(4)]);

/// What the device is given: memory that it fills.
type Buffer = RingBox<[u8; 32]>;

/// The queue of the device.
struct Requests;

impl virtio::Handler for Requests {
    type Token = Buffer;
    type Context = ();

    fn done(queue: &Virtqueue<Self>) {
        queue.lock().drain(|used| {
            // The length is the device's word, but never more than the buffer has.
            let filled = used.token.iter().take(used.len() as usize);
            let (ones, zeroes) = bits::count(filled);

            pr_info!("the device has sent {ones} ones and {zeroes} zeroes\n");
        });
    }
}

/// Gives the device a buffer. It belongs to the ring until the device has used it.
fn ask(queue: &Virtqueue<Requests>) -> Result {
    let buffer = Buffer::new([0; 32], GFP_KERNEL)?;
    let mut locked = queue.lock();

    locked
        .add(buffer, |bytes, parts| parts.device_writable(bytes))
        .map_err(|failed| failed.error)?;

    let notify = locked.kick_prepare();

    drop(locked);
    if notify {
        queue.notify()?;
    }
    Ok(())
}

struct TheDriver;

/// What the driver has for a device that it is bound to.
struct Data {
    _queue: Arc<Virtqueue<Requests>>,
}

impl Data {
    fn new(mut setup: VirtqueueSetup<'_>) -> Result<Self> {
        // Name the queue, find it in the device, tell the device to start, use the queue.
        let class = kernel::static_lock_class!();
        let pending: PendingQueue<'_, Requests> =
            setup.add(c"requests", Callback::Interrupt, 1, (), class)?;
        let queue = pending.into_ready(&setup.find(Affinity::Default)?.ready());

        ask(&queue)?;
        Ok(Self { _queue: queue })
    }
}

#[vtable]
impl virtio::Driver for TheDriver {
    type Features = Features;
    type Config = virtio::config::NoConfig<Features>;
    type Data<'bound> = Data;

    const ID_TABLE: virtio::IdTable = &ID_TABLE;

    fn probe<'bound>(
        _dev: &'bound virtio::Device<Core<'_>>,
        setup: VirtqueueSetup<'bound>,
    ) -> impl PinInit<Data, Error> + 'bound {
        Data::new(setup)
    }
}

kernel::module_virtio_driver! {
    type: TheDriver,
    name: "__name__",
    authors: ["The author of __name__"],
    description: "Asks a virtio entropy device for random bytes",
    license: "GPL",
}
