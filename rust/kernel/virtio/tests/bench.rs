// SPDX-License-Identifier: GPL-2.0

//! What a case sets up: a software device, a driver, and the place where both leave their traces.

use super::{
    super::{
        fake::{
            Event,
            Fake,
            FakeDevice,
            Log,
            Options, //
        },
        Adapter,
        Affinity,
        Callback,
        Device,
        DeviceHandle,
        Driver,
        RingBox,
        Used,
        Virtqueue,
        VirtqueueSetup, //
    },
    driver::{
        Buffer,
        Echo,
        TestDriver,
        Testable, //
    },
    parts::Scratch,
    port::Port, //
};
use crate::{
    bindings,
    device::{
        Bound,
        Core,
        DeviceContext, //
    },
    driver,
    module::this_module,
    prelude::*,
    sync::{
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
        new_mutex,
        new_spinlock_irq,
        Arc,
        Mutex,
        SetOnce,
        SpinLockIrq, //
    },
};
use core::ops::Deref;

/// A kind of device that no other driver is for.
pub(super) const DEVICE: u32 = 0xfa4e;

/// Its vendor.
pub(super) const VENDOR: u32 = 0x7e57;

/// A step of probe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// Before anything was done.
    Start,
    /// Queues were added but not found.
    Added,
    /// Queues were found and filled.
    Found,
    /// The device was told to start.
    Ready,
    /// The driver's data is half initialized.
    Data,
}

/// Sets up queues.
pub(super) type SetUp = fn(&Device<Core<'_>>, &Arc<Bench>, VirtqueueSetup<'_>) -> Result;

/// What the driver under test does.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    /// The number of queues.
    pub(super) queues: usize,
    /// How they are told about used buffers.
    pub(super) callback: Callback,
    /// Whether callbacks take the used buffers out of the ring.
    pub(super) drain: bool,
    /// Whether the driver puts a buffer that comes back unused into the ring again.
    pub(super) retry: bool,
    /// The parts of one buffer.
    pub(super) max_parts: usize,
    /// How the interrupts are spread.
    pub(super) affinity: Affinity,
    /// How many buffers each queue is filled with before the device is ready.
    pub(super) fill: u32,
    /// Whether probe makes the device ready, or leaves that to the core.
    pub(super) ready: bool,
    /// The step at which probe fails.
    pub(super) fail_at: Option<Step>,
    /// Code that runs at the start of probe.
    pub(super) in_probe: fn(&Device<Core<'_>>, &Arc<Bench>) -> Result,
    /// Code that runs at the end of probe, when probe has told the device to start.
    pub(super) at_end_of_probe: fn(&Device<Core<'_>>, &Bench),
    /// Code that runs after probe.
    pub(super) in_scan: fn(&Device<Core<'_>>, &Bench),
    /// Code that sets up queues in place of the driver's own.
    pub(super) set_up: Option<SetUp>,
    /// Code that runs when the configuration has changed.
    pub(super) in_config_changed: fn(&Device<Bound>, &Bench),
    /// Code that runs in freeze, restore, unbind, and when the device was recovered.
    pub(super) in_callback: fn(&Device<Core<'_>>, &Bench),
    /// Code that runs when the device is about to be recovered.
    pub(super) in_prepare: fn(&Bench),
    /// Code that runs when a buffer comes back unused.
    pub(super) in_detached: fn(&Bench),
    /// Code that runs when the driver's data is dropped.
    pub(super) in_drop: fn(&Bench),
}

impl Plan {
    /// A driver that works, with one queue.
    pub(super) const DEFAULT: Self = Self {
        queues: 1,
        callback: Callback::Interrupt,
        drain: false,
        retry: false,
        max_parts: 4,
        affinity: Affinity::Default,
        fill: 0,
        ready: true,
        fail_at: None,
        in_probe: |_, _| Ok(()),
        at_end_of_probe: |_, _| (),
        in_scan: |_, _| (),
        set_up: None,
        in_config_changed: |_, _| (),
        in_callback: |_, _| (),
        in_prepare: |_| (),
        in_detached: |_| (),
        in_drop: |_| (),
    };
}

/// A modern device with queues of eight descriptors.
pub(super) const MODERN: Options = Options {
    device: DEVICE,
    vendor: VENDOR,
    features: [1 << bindings::VIRTIO_F_VERSION_1, 0],
    queues: &[8, 8, 8],
    config: &[],
    config_len: None,
    config_writable: true,
    has_generation: true,
    resets_queues: true,
    extra_queue: false,
    platform_data: core::ptr::null(),
};

/// A legacy device with such queues.
pub(super) const LEGACY: Options = Options {
    features: [0, 0],
    ..MODERN
};

/// What the driver under test does and did.
#[pin_data]
pub(super) struct Bench {
    /// What it does.
    pub(super) plan: Plan,
    /// What it and the device did.
    pub(super) log: Arc<Log>,
    /// Buffers that exist.
    pub(super) buffers: Arc<Atomic<i32>>,
    /// The device, when it was probed once.
    pub(super) device: SetOnce<Arc<FakeDevice>>,
    /// Fails [`Driver::freeze`].
    pub(super) freeze_fails: Atomic<bool>,
    /// Fails [`Driver::restore`].
    pub(super) restore_fails: Atomic<bool>,
    /// Fails [`Driver::recovery_done`].
    pub(super) recovery_fails: Atomic<bool>,
    /// For use by `plan.in_probe` and others.
    pub(super) note: Atomic<u64>,
    #[pin]
    queues: Mutex<KVec<Arc<Virtqueue<Echo>>>>,
    /// The handle of the cases about handles.
    #[pin]
    pub(super) handle: Mutex<Option<Arc<DeviceHandle>>>,
    /// The queue of the cases about parts.
    #[pin]
    pub(super) scratch: Mutex<Option<Arc<Virtqueue<Scratch>>>>,
    /// What the cases about queues without locks use.
    #[pin]
    pub(super) port: Mutex<Option<Arc<Port>>>,
    #[pin]
    used: SpinLockIrq<KVec<Used<RingBox<Buffer>>>>,
}

impl Bench {
    fn new(plan: Plan) -> Result<Arc<Self>> {
        let log = Log::new()?;
        let buffers = Arc::new(Atomic::new(0), GFP_KERNEL)?;

        Arc::pin_init(
            pin_init!(Self {
                plan,
                log,
                buffers,
                device: SetOnce::new(),
                freeze_fails: Atomic::new(false),
                restore_fails: Atomic::new(false),
                recovery_fails: Atomic::new(false),
                note: Atomic::new(0),
                queues <- new_mutex!(KVec::new()),
                handle <- new_mutex!(None),
                scratch <- new_mutex!(None),
                port <- new_mutex!(None),
                used <- new_spinlock_irq!(KVec::new()),
            }),
            GFP_KERNEL,
        )
    }

    /// Returns the bench that a device under test was set up with.
    pub(super) fn of<Ctx: DeviceContext>(dev: &Device<Ctx>) -> Arc<Self> {
        // SAFETY: The device is valid; `platform_data` is set before it is registered.
        let data = unsafe { (*dev.as_raw()).dev.platform_data };

        // SAFETY: `Session` sets it to an `Arc<Bench>` that it keeps until the device is gone.
        // Drivers under test bind to no other devices.
        unsafe { crate::sync::ArcBorrow::from_raw(data.cast::<Self>()) }.into()
    }

    /// Makes a trace if the lock of the device is free, which it is not in callbacks of the bus.
    pub(super) fn check_lock(&self, dev: &Device<Core<'_>>) {
        // SAFETY: The lock of a registered device is initialized.
        let lock = unsafe { &raw mut (*dev.as_raw()).dev.mutex };

        // SAFETY: As above.
        if unsafe { bindings::mutex_trylock(lock) } != 0 {
            // SAFETY: The lock was taken just above.
            unsafe { bindings::mutex_unlock(lock) };
            self.log.driver("without the lock");
        }
    }

    /// Gives the queues of the driver to the case.
    pub(super) fn publish(&self, queues: KVec<Arc<Virtqueue<Echo>>>) {
        *self.queues.lock() = queues;
    }

    /// Takes them back.
    pub(super) fn withdraw(&self) {
        let queues = core::mem::take(&mut *self.queues.lock());

        drop(queues);
    }

    /// Returns a queue of the driver.
    pub(super) fn queue(&self, index: usize) -> Result<Arc<Virtqueue<Echo>>> {
        self.queues.lock().get(index).cloned().ok_or(ENODEV)
    }

    /// Makes a buffer.
    pub(super) fn buffer(&self, id: u32) -> Result<RingBox<Buffer>> {
        RingBox::new(Buffer::new(id, self.buffers.clone()), GFP_KERNEL)
    }

    /// Keeps what a callback has taken out of a ring.
    pub(super) fn keep(&self, used: Used<RingBox<Buffer>>) {
        let _ = self.used.lock().push(used, GFP_ATOMIC);
    }

    /// Returns what callbacks have taken out of the rings, the last one first.
    pub(super) fn take_used(&self) -> Option<Used<RingBox<Buffer>>> {
        self.used.lock().pop()
    }

    /// The number of buffers that exist.
    pub(super) fn buffers(&self) -> i32 {
        self.buffers.load(Relaxed)
    }
}

/// A driver and a device that it may bind to.
///
/// Without the driver, the device is left; without the device, the driver.
pub(super) struct Session<T: Driver + 'static = TestDriver> {
    // The order of the fields is that in which they are dropped.
    fake: Option<Fake>,
    driver: Option<Pin<KBox<driver::Registration<Adapter<T>>>>>,
    device: Arc<FakeDevice>,
    bench: Arc<Bench>,
}

impl Session {
    /// Sets up the default driver on the given device.
    pub(super) fn new(plan: Plan, options: Options) -> Result<Self> {
        Self::with_driver(plan, options)
    }
}

impl<T: Testable> Session<T> {
    /// Sets up a driver on the given device.
    pub(super) fn with_driver(plan: Plan, mut options: Options) -> Result<Self> {
        let bench = Bench::new(plan)?;

        options.platform_data = Arc::as_ptr(&bench).cast();

        let driver = KBox::pin_init(
            driver::Registration::new(T::NAME, this_module::<crate::LocalModule>()),
            GFP_KERNEL,
        )?;
        let fake = Fake::new(options, bench.log.clone())?;

        Ok(Self {
            device: fake.device(),
            fake: Some(fake),
            driver: Some(driver),
            bench,
        })
    }
}

impl<T: Driver> Session<T> {
    /// Returns the registered device.
    pub(super) fn fake(&self) -> Result<&Fake> {
        self.fake.as_ref().ok_or(ENODEV)
    }

    /// Returns the registered device, to unbind it.
    pub(super) fn fake_mut(&mut self) -> Result<&mut Fake> {
        self.fake.as_mut().ok_or(ENODEV)
    }

    /// Returns what driver and case have in common, for other threads.
    pub(super) fn bench(&self) -> Arc<Bench> {
        self.bench.clone()
    }

    /// Returns the device, to be looked at when it is not registered any more.
    pub(super) fn device(&self) -> &FakeDevice {
        &self.device
    }

    /// Unregisters the device.
    pub(super) fn remove_device(&mut self) {
        self.fake = None;
    }

    /// Unregisters the driver.
    pub(super) fn remove_driver(&mut self) {
        self.driver = None;
    }

    /// Puts a buffer into a queue, as a driver does, and notifies the device if it wants that.
    pub(super) fn add(&self, queue: usize, id: u32) -> Result {
        let queue = self.queue(queue)?;
        let buffer = self.buffer(id)?;
        let mut locked = queue.lock();
        let ret = locked.add(buffer, Buffer::describe);
        let notify = locked.kick_prepare();

        drop(locked);
        ret.map_err(|err| err.error)?;
        if notify {
            queue.notify()?;
        }
        Ok(())
    }

    /// Lets the device serve the next buffer: it writes the bytes that it reads, and interrupts.
    pub(super) fn serve(&self, queue: usize) -> Result {
        let chain = self.device.pop(queue)?.ok_or(ENOENT)?;
        let len = chain.write(&chain.read()?);

        self.device.push(queue, &chain, len)?;
        self.device.interrupt(queue);
        Ok(())
    }

    /// Takes all events out of the log.
    pub(super) fn events(&self) -> Result<KVec<Event>> {
        self.log.take()
    }
}

impl<T: Driver> Deref for Session<T> {
    type Target = Bench;

    fn deref(&self) -> &Bench {
        &self.bench
    }
}

/// Runs `f` with the warnings of the kernel held back, and returns how many there were.
pub(super) fn count_warnings<R>(f: impl FnOnce() -> R) -> (R, i32) {
    // SAFETY: Safe to call anywhere.
    let test = unsafe { bindings::kunit_get_current_test() };
    // SAFETY: `test` is the current test: cases call this on their own thread.
    let handle = unsafe { bindings::kunit_start_suppress_warning(test) };
    let ret = f();
    // SAFETY: `handle` comes from the call above.
    let count = unsafe { bindings::kunit_suppressed_warning_count(handle) };

    // SAFETY: As above.
    unsafe { bindings::kunit_end_suppress_warning(test, handle) };
    (ret, count)
}
