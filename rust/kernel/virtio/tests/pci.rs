// SPDX-License-Identifier: GPL-2.0

//! Single queues are restarted on PCI: the entropy device of a virtual machine (virtio
//! specification, section 5.4) has a transport and interrupts that the software device has not.

use super::super::{
    config::NoConfig,
    feature,
    Adapter,
    Affinity,
    Callback,
    Device,
    DeviceId,
    Driver,
    Handler,
    IdTable,
    RingBox,
    Virtqueue,
    VirtqueueSetup, //
};
use crate::{
    device::Core,
    device_id::IdArray,
    driver,
    kunit::skip,
    module::this_module,
    prelude::*,
    static_lock_class,
    sync::atomic::{
        ordering::Relaxed,
        Atomic, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
};

crate::virtio_features! {
    /// An entropy device has none of its own.
    struct Features {}
}

static IDS: IdArray<DeviceId, (), 1> = IdArray::new_without_index([DeviceId::new(4)]);

/// What [`OUTCOME`] is when there was no device to work with.
const NO_DEVICE: i32 = 1;

/// What the driver has seen: the first error number, or 0 if all went well.
static OUTCOME: Atomic<i32> = Atomic::new(NO_DEVICE);

/// The queue of the device, which fills what it is given.
struct RequestQueue;

/// What came out of the queue.
struct Counts {
    filled: Atomic<u32>,
    detached: Atomic<u32>,
}

impl Handler for RequestQueue {
    type Token = RingBox<[u8; 16]>;
    type Context = Counts;

    fn done(queue: &Virtqueue<Self>) {
        queue.lock().drain(|used| {
            if !used.is_empty() && !used.is_overrun() {
                queue.context().filled.fetch_add(1, Relaxed);
            }
        });
    }

    fn detached(queue: &Virtqueue<Self>, _token: Self::Token) {
        queue.context().detached.fetch_add(1, Relaxed);
    }
}

/// Adds a buffer without a notification.
fn add(queue: &Virtqueue<RequestQueue>) -> Result {
    let token = RingBox::new([0; 16], GFP_KERNEL)?;
    let ret = queue
        .lock()
        .add(token, |bytes, parts| parts.device_writable(bytes));

    ret.map_err(|err| err.error)
}

/// Gives the device more buffers than the ring has descriptors, one after the other, and waits for
/// the interrupts.
fn works(queue: &Virtqueue<RequestQueue>, num: u32) -> Result {
    ensure_eq!(queue.lock().vring_size(), num);
    ensure_eq!(queue.lock().num_free(), num);

    for _ in 0..2 * num {
        let filled = queue.context().filled.load(Relaxed);

        add(queue)?;
        if queue.lock().kick_prepare() {
            queue.notify()?;
        }
        for _ in 0..10_000 {
            if queue.context().filled.load(Relaxed) != filled {
                break;
            }
            fsleep(Delta::from_millis(1));
        }
        ensure_eq!(queue.context().filled.load(Relaxed), filled + 1);
    }
    Ok(())
}

/// Leaves two buffers in the ring, and checks that each of them comes back once, filled or not: it
/// is up to the device whether it looks for them unasked.
fn none_is_lost(queue: &Virtqueue<RequestQueue>, restart: impl FnOnce() -> Result) -> Result {
    let counts = queue.context();
    let back = || counts.filled.load(Relaxed) + counts.detached.load(Relaxed);
    let before = back();

    add(queue)?;
    add(queue)?;
    restart()?;
    ensure_eq!(back(), before + 2);
    Ok(())
}

/// Uses the queue of a device while it is restarted.
fn exercise(dev: &Device<Core<'_>>, mut setup: VirtqueueSetup<'_>) -> Result {
    let counts = Counts {
        filled: Atomic::new(0),
        detached: Atomic::new(0),
    };
    let class = static_lock_class!();
    let queue = setup.add::<RequestQueue>(c"entropy", Callback::Interrupt, 1, counts, class)?;
    let queue = queue.into_ready(&setup.find(Affinity::Default)?.ready());
    let size = queue.lock().vring_size();

    works(&queue, size)?;
    none_is_lost(&queue, || queue.reset(dev))?;
    works(&queue, size)?;
    none_is_lost(&queue, || queue.resize(dev, size / 2))?;
    works(&queue, size / 2)?;
    ensure_eq!(queue.resize(dev, u32::MAX), Err(E2BIG));
    none_is_lost(&queue, || queue.resize(dev, size))?;
    works(&queue, size)
}

struct Entropy;

#[vtable]
impl Driver for Entropy {
    type Features = Features;
    type Config = NoConfig<Features>;
    type Data<'bound> = ();

    const ID_TABLE: IdTable = &IDS;

    fn probe<'bound>(
        dev: &'bound Device<Core<'_>>,
        setup: VirtqueueSetup<'bound>,
    ) -> impl PinInit<(), Error> + 'bound {
        let features = dev.features::<Features>();
        let result = if !features.has(feature::RingReset) || features.has(feature::InOrder) {
            Err(ENODEV)
        } else {
            exercise(dev, setup).inspect_err(|err| OUTCOME.store(err.to_errno(), Relaxed))
        };

        if result.is_ok() {
            let _ = OUTCOME.cmpxchg(NO_DEVICE, 0, Relaxed);
        }
        result
    }
}

#[kunit_tests(rust_virtio_pci)]
mod cases {
    use super::*;

    #[test]
    fn a_queue_of_a_pci_device_is_restarted() -> Result {
        OUTCOME.store(NO_DEVICE, Relaxed);

        let _driver = KBox::pin_init(
            driver::Registration::<Adapter<Entropy>>::new(
                c"rust_virtio_pci_test",
                this_module::<crate::LocalModule>(),
            ),
            GFP_KERNEL,
        )?;
        let outcome = OUTCOME.load(Relaxed);

        if outcome == NO_DEVICE {
            skip(c"no virtio entropy device that can reset its queue");
            return Ok(());
        }
        ensure_eq!(outcome, 0);
        Ok(())
    }
}
