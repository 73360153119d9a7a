// SPDX-License-Identifier: GPL-2.0

//! A buffer of two parts for the entropy device of virtio, and how much of each it has filled.

#![deny(unsafe_code)]

use kernel::{
    device::Core,
    prelude::*,
    sync::Arc,
    virtio::{
        self,
        config::NoConfig,
        Affinity,
        Callback,
        PendingQueue,
        RingBox,
        Virtqueue,
        VirtqueueSetup, //
    }, //
};

kernel::virtio_features! { struct Features {} }
kernel::virtio_device_table!(ID_TABLE, [virtio::DeviceId::new(4)]);

/// What the device fills: two parts of one buffer, in this order.
struct Pair {
    first: [u8; 8],
    second: [u8; 24],
}

struct Requests;

impl virtio::Handler for Requests {
    type Token = RingBox<Pair>;
    type Context = ();

    fn done(queue: &Virtqueue<Self>) {
        queue.lock().drain(|used| {
            // The length counts both, and the device fills one after the other.
            let filled = used.len() as usize;
            let first = filled.min(used.token.first.len());

            pr_info!(
                "{} bytes in the first part, {} in the second\n",
                first,
                filled - first
            );
        });
    }
}

/// Gives the device a buffer.
fn ask(queue: &Virtqueue<Requests>) -> Result {
    let pair = Pair {
        first: [0; 8],
        second: [0; 24],
    };
    let buffer = RingBox::new(pair, GFP_KERNEL)?;
    let mut locked = queue.lock();

    locked
        .add(buffer, |pair, parts| {
            parts.device_writable(&mut pair.first)?;
            parts.device_writable(&mut pair.second)
        })
        .map_err(|failed| failed.error)?;

    let notify = locked.kick_prepare();

    drop(locked);
    if notify {
        queue.notify()?;
    }
    Ok(())
}

/// Names the queue, with room for two parts in a buffer, finds it, and starts the device.
fn start(mut setup: VirtqueueSetup<'_>) -> Result<Arc<Virtqueue<Requests>>> {
    let class = kernel::static_lock_class!();
    let pending: PendingQueue<'_, Requests> =
        setup.add(c"requests", Callback::Interrupt, 2, (), class)?;
    let queue = pending.into_ready(&setup.find(Affinity::Default)?.ready());

    ask(&queue)?;
    Ok(queue)
}

struct TwoParts;

#[vtable]
impl virtio::Driver for TwoParts {
    type Features = Features;
    type Config = NoConfig<Features>;
    type Data<'bound> = Arc<Virtqueue<Requests>>;

    const ID_TABLE: virtio::IdTable = &ID_TABLE;

    fn probe<'bound>(
        _dev: &'bound virtio::Device<Core<'_>>,
        setup: VirtqueueSetup<'bound>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound {
        start(setup)
    }
}

kernel::module_virtio_driver! {
    type: TwoParts,
    name: "book_two_parts",
    authors: ["The linux-virtio-rs developers"],
    description: "A buffer of two parts, and how much of each was filled",
    license: "GPL",
}
