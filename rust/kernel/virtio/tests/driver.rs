// SPDX-License-Identifier: GPL-2.0

//! The drivers under test. They do what their [`Plan`](super::bench::Plan) says and write down what
//! happens to them.

use super::{
    super::{
        config::NoConfig,
        fake::{
            Event,
            FakeDevice, //
        },
        feature::Negotiation,
        Device,
        DeviceId,
        Driver,
        Handler,
        IdTable,
        Part as PartOf,
        Parts,
        RingBox,
        Virtqueue,
        VirtqueueSetup, //
    },
    bench::{
        Bench,
        Step,
        DEVICE,
        VENDOR, //
    },
};
use crate::{
    device::{
        Bound,
        Core, //
    },
    device_id::IdArray,
    prelude::*,
    static_lock_class,
    sync::{
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
        Arc, //
    },
};

/// A driver that a session can register.
pub(super) trait Testable: Driver + 'static {
    /// The name that it is registered under.
    const NAME: &'static CStr;
}

crate::virtio_features! {
    /// What the drivers under test understand.
    pub(super) struct Features {
        /// The lowest bit.
        First = 0,
        /// Makes a field of the configuration space exist.
        Optional = 5,
        /// Makes a field exist that can be written.
        Switch = 11,
        /// Modern devices only, although there would be room for it in a legacy one.
        Recent = 20, modern;
        /// In the upper half of the first word.
        High = 50, modern;
        /// In the second word.
        Higher = 100, modern;
    }
}

crate::virtio_config! {
    /// One field of each type.
    pub(super) struct Space: Features {
        BYTE: U8 @ 0;
        LE16: Le16 @ 2;
        LE32: Le32 @ 4;
        LE64: Le64 @ 8;
        VIRTIO16: Virtio16 @ 16 => rw;
        VIRTIO32: Virtio32 @ 20;
        VIRTIO64: Virtio64 @ 24 => rw;
        OPTIONAL: Le32 @ 32, if Optional;
        SWITCH: U8 @ 36, if Switch => rw;
    }
}

// A table with a module alias, as `virtio_device_table!` makes it, is for modules.
static IDS: IdArray<DeviceId, (), 1> = IdArray::new_without_index([DeviceId::new(DEVICE)]);

/// What travels through the queues.
pub(super) struct Buffer {
    /// What the device reads.
    pub(super) request: [u8; 8],
    /// What the device writes.
    pub(super) answer: [u8; 16],
    /// Another byte that the device writes, with a description of its own.
    pub(super) tail: PartOf<u8>,
    /// The number that the case gave to the buffer.
    pub(super) id: u32,
    alive: Arc<Atomic<i32>>,
}

impl Buffer {
    pub(super) fn new(id: u32, alive: Arc<Atomic<i32>>) -> Self {
        alive.fetch_add(1, Relaxed);
        Self {
            request: [id as u8; 8],
            answer: [0; 16],
            tail: PartOf::new(0),
            id,
            alive,
        }
    }

    /// The usual description: one part to read, one to write.
    pub(super) fn describe<'t>(&'t mut self, parts: &mut Parts<'t, '_>) -> Result {
        parts.device_readable(&self.request)?;
        parts.device_writable(&mut self.answer)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Relaxed);
    }
}

/// The handler of all queues.
pub(super) struct Echo;

/// What the queues keep.
pub(super) struct Context(pub(super) Arc<Bench>);

impl Drop for Context {
    fn drop(&mut self) {
        self.0.log.driver("queue freed");
    }
}

impl Handler for Echo {
    type Token = RingBox<Buffer>;
    type Context = Context;

    fn done(queue: &Virtqueue<Self>) {
        let bench = &queue.context().0;

        bench.log.push(Event::Done(queue.index()));
        if bench.plan.drain {
            queue.lock().drain(|used| bench.keep(used));
        }
    }

    fn detached(queue: &Virtqueue<Self>, token: Self::Token) {
        let bench = &queue.context().0;

        bench.log.push(Event::Detached {
            queue: queue.index(),
            id: token.id,
        });
        (bench.plan.in_detached)(bench);
        // Once will do: if it worked, the buffer would come back again.
        if bench.plan.retry && bench.note.fetch_add(1, Relaxed) == 0 {
            if queue.lock().add(token, Buffer::describe).is_ok() {
                bench.log.driver("added again");
            }
        }
    }
}

/// The driver of most cases: all callbacks, and the configuration space that suits.
pub(super) struct TestDriver;

/// Its data.
#[pin_data(PinnedDrop)]
pub(super) struct Data {
    bench: Arc<Bench>,
    _part: Part,
}

/// A part of the data that is initialized before the rest.
struct Part(Arc<Bench>);

impl Drop for Part {
    fn drop(&mut self) {
        self.0.log.driver("part dropped");
    }
}

#[pinned_drop]
impl PinnedDrop for Data {
    fn drop(self: Pin<&mut Self>) {
        self.bench.log.driver("data dropped");
        (self.bench.plan.in_drop)(&self.bench);
        self.bench.withdraw();
    }
}

impl Data {
    fn new(dev: &Device<Core<'_>>, queues: VirtqueueSetup<'_>) -> impl PinInit<Self, Error> {
        let bench = Bench::of(dev);
        let setup = Self::set_up(dev, &bench, queues);

        pin_init::pin_init_scope(move || {
            setup?;
            let part = Part(bench.clone());
            let plan = bench.plan;

            Ok(try_pin_init!(Self {
                _part: part,
                bench: if plan.fail_at == Some(Step::Data) {
                    bench.withdraw();
                    return Err(EIO);
                } else {
                    bench
                },
            }? Error))
        })
    }

    /// Goes through the steps of probe, up to the one at which it is to fail.
    fn set_up(dev: &Device<Core<'_>>, bench: &Arc<Bench>, mut setup: VirtqueueSetup<'_>) -> Result {
        let plan = &bench.plan;
        let reach = |step| {
            if plan.fail_at == Some(step) {
                Err(EIO)
            } else {
                Ok(())
            }
        };

        bench.check_lock(dev);
        bench.log.driver("probe");
        if let Some(device) = FakeDevice::of(dev) {
            bench.device.populate(device);
        }
        (plan.in_probe)(dev, bench)?;
        reach(Step::Start)?;
        if let Some(set_up) = plan.set_up {
            return set_up(dev, bench, setup);
        }
        if plan.queues == 0 {
            return Ok(());
        }

        let mut pending = KVec::new();

        for i in 0..plan.queues {
            let names = [c"first", c"second", c"third", c"more"];
            let queue = setup.add::<Echo>(
                names[i.min(names.len() - 1)],
                plan.callback,
                plan.max_parts,
                Context(bench.clone()),
                static_lock_class!(),
            )?;

            pending.push(queue, GFP_KERNEL)?;
        }
        reach(Step::Added)?;

        let found = setup.find(plan.affinity)?;

        for queue in &mut pending {
            for id in 0..plan.fill {
                queue
                    .fill(&found, bench.buffer(id)?, Buffer::describe)
                    .map_err(|err| err.error)?;
            }
        }
        reach(Step::Found)?;

        if plan.ready {
            let ready = found.ready();
            let mut queues = KVec::new();

            for queue in pending {
                queues.push(queue.into_ready(&ready), GFP_KERNEL)?;
            }
            bench.publish(queues);
            (plan.at_end_of_probe)(dev, bench);
        }
        reach(Step::Ready).inspect_err(|_| bench.withdraw())
    }
}

#[vtable]
impl Driver for TestDriver {
    type Features = Features;
    type Config = Space;
    type Data<'bound> = Data;

    const ID_TABLE: IdTable = &IDS;

    fn probe<'bound>(
        dev: &'bound Device<Core<'_>>,
        setup: VirtqueueSetup<'bound>,
    ) -> impl PinInit<Data, Error> + 'bound {
        Data::new(dev, setup)
    }

    fn scan<'bound>(dev: &'bound Device<Core<'_>>, this: Pin<&Data>) {
        this.bench.check_lock(dev);
        this.bench.log.driver("scan");
        (this.bench.plan.in_scan)(dev, &this.bench);
    }

    fn config_changed<'bound>(dev: &'bound Device<Bound>, this: Pin<&Data>) {
        this.bench.log.driver("config changed");
        (this.bench.plan.in_config_changed)(dev, &this.bench);
    }

    fn freeze<'bound>(dev: &'bound Device<Core<'_>>, this: Pin<&Data>) -> Result {
        this.bench.check_lock(dev);
        this.bench.log.driver("freeze");
        (this.bench.plan.in_callback)(dev, &this.bench);
        if this.bench.freeze_fails.load(Relaxed) {
            return Err(EBUSY);
        }
        Ok(())
    }

    fn restore<'bound>(dev: &'bound Device<Core<'_>>, this: Pin<&Data>) -> Result {
        this.bench.check_lock(dev);
        this.bench.log.driver("restore");
        (this.bench.plan.in_callback)(dev, &this.bench);
        if this.bench.restore_fails.load(Relaxed) {
            return Err(EIO);
        }
        Ok(())
    }

    fn recovery_prepare<'bound>(dev: &'bound Device<Core<'_>>, this: Pin<&Data>) {
        this.bench.check_lock(dev);
        this.bench.log.driver("recovery prepare");
        (this.bench.plan.in_prepare)(&this.bench);
    }

    fn recovery_done<'bound>(dev: &'bound Device<Core<'_>>, this: Pin<&Data>) -> Result {
        this.bench.check_lock(dev);
        this.bench.log.driver("recovery done");
        (this.bench.plan.in_callback)(dev, &this.bench);
        if this.bench.recovery_fails.load(Relaxed) {
            return Err(EINVAL);
        }
        Ok(())
    }

    fn recovery_failed<'bound>(dev: &'bound Device<Core<'_>>, this: Pin<&Data>) {
        this.bench.check_lock(dev);
        this.bench.log.driver("recovery failed");
    }

    fn shutdown<'bound>(dev: &'bound Device<Core<'_>>, this: Pin<&Data>) {
        this.bench.check_lock(dev);
        this.bench.log.driver("shutdown");
    }

    fn unbind<'bound>(dev: &'bound Device<Core<'_>>, this: Pin<&Data>) {
        this.bench.check_lock(dev);
        this.bench.log.driver("unbind");
        (this.bench.plan.in_callback)(dev, &this.bench);
    }
}

impl Testable for TestDriver {
    const NAME: &'static CStr = c"rust_virtio_test";
}

/// A driver without a configuration space that has only what it must have.
pub(super) struct Minimal;

#[vtable]
impl Driver for Minimal {
    type Features = Features;
    type Config = NoConfig<Features>;
    type Data<'bound> = Data;

    const ID_TABLE: IdTable = &IDS;

    fn probe<'bound>(
        dev: &'bound Device<Core<'_>>,
        setup: VirtqueueSetup<'bound>,
    ) -> impl PinInit<Data, Error> + 'bound {
        Data::new(dev, setup)
    }
}

impl Testable for Minimal {
    const NAME: &'static CStr = c"rust_virtio_minimal";
}

/// A driver that changes its mind about features, and tells transport resets from suspends.
pub(super) struct Picky;

#[vtable]
impl Driver for Picky {
    type Features = Features;
    type Config = NoConfig<Features>;
    type Data<'bound> = Data;

    const ID_TABLE: IdTable = &IDS;

    /// Does not take `Optional` and `Higher`, and no device without `First`.
    fn validate(negotiation: &mut Negotiation<'_, Features>) -> Result {
        if !negotiation.has(First) {
            return Err(ENODEV);
        }
        negotiation.clear(Optional);
        negotiation.clear(Higher);
        Ok(())
    }

    fn probe<'bound>(
        dev: &'bound Device<Core<'_>>,
        setup: VirtqueueSetup<'bound>,
    ) -> impl PinInit<Data, Error> + 'bound {
        Data::new(dev, setup)
    }

    fn reset_prepare<'bound>(dev: &'bound Device<Core<'_>>, this: Pin<&Data>) -> Result {
        this.bench.check_lock(dev);
        this.bench.log.driver("reset prepare");
        Ok(())
    }

    fn reset_done<'bound>(dev: &'bound Device<Core<'_>>, this: Pin<&Data>) -> Result {
        this.bench.check_lock(dev);
        this.bench.log.driver("reset done");
        Ok(())
    }
}

impl Testable for Picky {
    const NAME: &'static CStr = c"rust_virtio_picky";
}

static FOREIGN_IDS: IdArray<DeviceId, (), 1> =
    IdArray::new_without_index([DeviceId::with_vendor(DEVICE, VENDOR + 1)]);

/// A driver for devices of another vendor.
pub(super) struct Foreign;

#[vtable]
impl Driver for Foreign {
    type Features = Features;
    type Config = NoConfig<Features>;
    type Data<'bound> = Data;

    const ID_TABLE: IdTable = &FOREIGN_IDS;

    fn probe<'bound>(
        dev: &'bound Device<Core<'_>>,
        setup: VirtqueueSetup<'bound>,
    ) -> impl PinInit<Data, Error> + 'bound {
        Data::new(dev, setup)
    }
}

impl Testable for Foreign {
    const NAME: &'static CStr = c"rust_virtio_foreign";
}
