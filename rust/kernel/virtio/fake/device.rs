// SPDX-License-Identifier: GPL-2.0

//! The device itself: what a test does from its side.

use super::{
    super::{
        config::ByteOrder,
        device_lock::DeviceLock,
        Device, //
    },
    chain::Chain,
    from_vdev,
    log::{
        Event,
        Log, //
    },
    map,
    options::{
        Knobs,
        Options, //
    },
    ring::Ring, //
};
use crate::{
    bindings,
    device::{
        DeviceContext,
        Normal, //
    },
    error::to_result,
    interrupt::local_interrupt_disable,
    prelude::*,
    sync::{
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
        Arc,
        ArcBorrow,
        Mutex,
        MutexGuard,
        SpinLockIrq, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
    types::Opaque, //
};

/// A queue, seen from the device.
pub(super) struct DeviceQueue {
    pub(super) vq: *mut bindings::virtqueue,
    /// None while the queue is stopped.
    pub(super) ring: Option<Ring>,
}

/// A software device.
///
/// # Invariants
///
/// `queues` holds the live rings of `vdev`.
#[pin_data]
pub(crate) struct FakeDevice {
    #[pin]
    pub(super) vdev: Opaque<bindings::virtio_device>,
    pub(super) ops: bindings::virtio_config_ops,
    pub(super) options: Options,
    /// What the device does wrong.
    pub(crate) knobs: Knobs,
    /// What happened to it.
    pub(crate) log: Arc<Log>,
    pub(super) status: Atomic<u32>,
    pub(super) generation: Atomic<u32>,
    pub(super) finalized: Atomic<u32>,
    /// How many are at what excludes each other.
    pub(super) visitors: Atomic<i32>,
    pub(super) config_reads: Atomic<u32>,
    pub(super) config_overruns: Atomic<u32>,
    pub(super) config_misfits: Atomic<u32>,
    pub(super) mappings: Atomic<i32>,
    /// The state of RCU when [`FakeDevice::await_grace`] was called, until the next reset.
    #[pin]
    pub(super) rcu_state: Mutex<Option<bindings::rcu_gp_seq>>,
    pub(super) grace_before_reset: Atomic<bool>,
    pub(super) bad_unmaps: Atomic<i32>,
    #[pin]
    pub(super) mapped: SpinLockIrq<KVec<map::Mapping>>,
    #[pin]
    pub(super) config: Mutex<KVec<u8>>,
    #[pin]
    pub(super) queues: Mutex<KVec<DeviceQueue>>,
}

// SAFETY: The device and its rings belong to no thread.
unsafe impl Send for FakeDevice {}

// SAFETY: All that changes is behind a lock or atomic.
unsafe impl Sync for FakeDevice {}

/// Somebody does what excludes others.
pub(super) struct Visit<'a>(&'a FakeDevice);

impl<'a> Visit<'a> {
    pub(super) fn new(device: &'a FakeDevice) -> Self {
        if device.visitors.fetch_add(1, Relaxed) > 0 {
            device.log.push(Event::Clash);
        }
        if device.knobs.slow.load(Relaxed) {
            fsleep(Delta::from_millis(2));
        }
        Self(device)
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        self.0.visitors.fetch_sub(1, Relaxed);
    }
}

/// A ring that nobody else plays the device of.
pub(crate) struct HeldRing<'a> {
    queues: MutexGuard<'a, KVec<DeviceQueue>>,
    queue: usize,
}

impl HeldRing<'_> {
    /// Whether the driver asks for no interrupts.
    pub(crate) fn no_interrupt(&self) -> bool {
        self.queues
            .get(self.queue)
            .and_then(|queue| queue.ring.as_ref())
            .is_some_and(|ring| ring.no_interrupt())
    }

    /// Returns a buffer, saying that `len` bytes were written.
    pub(crate) fn push(&mut self, chain: &Chain, len: u32) {
        if let Some(ring) = self
            .queues
            .get_mut(self.queue)
            .and_then(|queue| queue.ring.as_mut())
        {
            ring.push(chain.id, chain.descriptors, len);
        }
    }
}

impl FakeDevice {
    /// Returns the software device that a device on the bus is; [`None`] for other devices.
    pub(crate) fn of<Ctx: DeviceContext>(dev: &Device<Ctx>) -> Option<Arc<Self>> {
        // SAFETY: By the type invariant of `Device` it is valid.
        let this = unsafe { from_vdev(dev.as_raw()) }?;

        // SAFETY: Software devices are in an `Arc`, of which `release` has a reference.
        Some(unsafe { ArcBorrow::from_raw(core::ptr::from_ref(this)) }.into())
    }

    /// Returns the device without a context.
    pub(crate) fn normal(&self) -> &Device<Normal> {
        // SAFETY: The device is initialized before this can be called.
        unsafe { &*self.vdev.get().cast::<Device<Normal>>() }
    }

    /// The device status.
    pub(crate) fn status(&self) -> u32 {
        self.status.load(Relaxed)
    }

    /// Sets bits of the device status from the side of the device.
    pub(crate) fn add_status(&self, bits: u32) {
        self.status.store(self.status() | bits, Relaxed);
    }

    /// Waits as long as whoever has told the device to start is held up, but not for ever.
    pub(super) fn hold_start(&self) {
        for _ in 0..10_000 {
            if !self.knobs.holds_start.load(Relaxed) {
                return;
            }
            fsleep(Delta::from_millis(1));
        }
    }

    /// Puts the device to sleep, as far as the system knows, or wakes it up.
    pub(crate) fn set_asleep(&self, asleep: bool) {
        // SAFETY: The device is registered, and has a parent, which is there for it alone.
        let power = unsafe { &raw mut (*(*self.vdev.get()).dev.parent).power };

        // SAFETY: Nothing else is done to the parent.
        unsafe { (*power).set_is_suspended(asleep) };
    }

    /// Forgets the device status, as a device does that was reset behind the driver's back.
    pub(crate) fn forget_status(&self) {
        self.status.store(0, Relaxed);
    }

    /// Starts to look for a grace period of RCU before the next reset.
    pub(crate) fn await_grace(&self) {
        let mut state = pin_init::zeroed();

        // SAFETY: `state` is valid. One that knows of expedited grace periods, too.
        unsafe { bindings::get_state_synchronize_rcu_full(&mut state) };
        *self.rcu_state.lock() = Some(state);
        self.grace_before_reset.store(false, Relaxed);
    }

    /// Whether there was one.
    pub(crate) fn had_grace(&self) -> bool {
        self.grace_before_reset.load(Relaxed)
    }

    /// The device is being reset. Only the first time counts.
    pub(super) fn note_grace(&self) {
        if let Some(mut state) = self.rcu_state.lock().take() {
            // SAFETY: `state` is valid.
            let is_over = unsafe { bindings::poll_state_synchronize_rcu_full(&mut state) };

            self.grace_before_reset.store(is_over, Relaxed);
        }
    }

    /// Whether the driver has chosen one of the features in a mask of the first word.
    pub(super) fn has_chosen(&self, mask: u64) -> bool {
        // SAFETY: The device is initialized, and features change only before a driver is probed.
        let features = unsafe { (*self.vdev.get()).__bindgen_anon_1.features_array };

        features[0] & mask != 0
    }

    /// Lets the core tell the driver about changes, as it does at the end of a pause, whether a
    /// driver is bound or not.
    pub(crate) fn enable_config_changes(&self) {
        // SAFETY: The device is registered.
        unsafe { (*self.vdev.get()).config_core_enabled = true };
    }

    /// Whether callbacks of the core find something of a driver.
    pub(crate) fn has_driver_state(&self) -> bool {
        // SAFETY: The device is initialized before this can be called.
        !unsafe { (*self.vdev.get()).priv_ }.is_null()
    }

    /// Whether a driver is bound.
    pub(crate) fn is_bound(&self) -> bool {
        // SAFETY: The device is initialized before this can be called.
        !unsafe { (*self.vdev.get()).dev.driver }.is_null()
    }

    /// Unbinds the driver.
    pub(super) fn unbind(&self) {
        // SAFETY: The device is registered.
        unsafe { bindings::device_release_driver(&raw mut (*self.vdev.get()).dev) };
    }

    /// Looks for a driver again. Returns whether one has bound.
    pub(super) fn attach(&self) -> bool {
        // SAFETY: The device is registered.
        let ret = unsafe { bindings::device_attach(&raw mut (*self.vdev.get()).dev) };

        ret == 1 && self.is_bound()
    }

    /// How often the driver's features were handed over.
    pub(crate) fn finalized(&self) -> u32 {
        self.finalized.load(Relaxed)
    }

    /// How often the configuration space was read.
    pub(crate) fn config_reads(&self) -> u32 {
        self.config_reads.load(Relaxed)
    }

    /// How many bytes outside of the configuration space were accessed.
    pub(crate) fn config_overruns(&self) -> u32 {
        self.config_overruns.load(Relaxed)
    }

    /// How many accesses to the configuration space were not of 1, 2, 4 or 8 bytes, or not aligned.
    pub(crate) fn config_misfits(&self) -> u32 {
        self.config_misfits.load(Relaxed)
    }

    /// Copies the configuration space.
    pub(crate) fn config(&self) -> Result<KVec<u8>> {
        let mut copy = KVec::new();

        copy.extend_from_slice(&self.config.lock(), GFP_KERNEL)?;
        Ok(copy)
    }

    /// How many mappings exist.
    pub(crate) fn mappings(&self) -> i32 {
        self.mappings.load(Relaxed)
    }

    /// How many mappings were taken away that did not exist.
    pub(crate) fn bad_unmaps(&self) -> i32 {
        self.bad_unmaps.load(Relaxed)
    }

    /// How many rings exist.
    pub(crate) fn rings(&self) -> usize {
        self.queues.lock().len()
    }

    /// Whether both sides agreed on a feature.
    pub(super) fn negotiated(&self, bit: u32) -> bool {
        // SAFETY: The device is initialized, and features change only before a driver is probed.
        let features = unsafe { (*self.vdev.get()).__bindgen_anon_1.features_array };

        features[(bit / 64) as usize] & (1 << (bit % 64)) != 0
    }

    pub(super) fn is_packed(&self) -> bool {
        self.negotiated(bindings::VIRTIO_F_RING_PACKED)
    }

    pub(super) fn order(&self) -> ByteOrder {
        if self.negotiated(bindings::VIRTIO_F_VERSION_1) {
            ByteOrder::Little
        } else {
            ByteOrder::Native
        }
    }

    pub(super) fn bus_offset(&self) -> u64 {
        if self.negotiated(bindings::VIRTIO_F_ACCESS_PLATFORM) {
            map::BUS_OFFSET
        } else {
            0
        }
    }

    /// Calls `f` with the ring of a queue.
    fn with_ring<R>(&self, queue: usize, f: impl FnOnce(&mut Ring) -> R) -> Result<R> {
        let mut queues = self.queues.lock();
        let ring = queues
            .get_mut(queue)
            .and_then(|queue| queue.ring.as_mut())
            .ok_or(ENODEV)?;

        Ok(f(ring))
    }

    /// Takes the next buffer that the driver has made available.
    pub(crate) fn pop(&self, queue: usize) -> Result<Option<Chain>> {
        self.with_ring(queue, |ring| ring.pop())?
    }

    /// Returns a buffer, saying that `len` bytes were written.
    pub(crate) fn push(&self, queue: usize, chain: &Chain, len: u32) -> Result {
        self.with_ring(queue, |ring| ring.push(chain.id, chain.descriptors, len))
    }

    /// Holds on to a ring, to return buffers from where there is no sleeping.
    pub(crate) fn hold(&self, queue: usize) -> Result<HeldRing<'_>> {
        let queues = self.queues.lock();

        if queues.get(queue).is_none_or(|queue| queue.ring.is_none()) {
            return Err(ENODEV);
        }
        Ok(HeldRing { queues, queue })
    }

    /// Returns a buffer that may not exist.
    pub(crate) fn push_bogus(&self, queue: usize, id: u32, len: u32) -> Result {
        self.with_ring(queue, |ring| ring.push(id, 1, len))
    }

    /// Claims that a descriptor has a next one, or that it has not, whichever is wrong. Split rings
    /// only.
    pub(crate) fn flip_next(&self, queue: usize, descriptor: usize) -> Result {
        self.with_ring(queue, |ring| ring.flip_next(descriptor))
    }

    /// Asks for no notifications, or for some.
    pub(crate) fn set_no_notify(&self, queue: usize, no_notify: bool) -> Result {
        self.with_ring(queue, |ring| ring.set_no_notify(no_notify))
    }

    /// Whether the driver asks for no interrupts.
    pub(crate) fn no_interrupt(&self, queue: usize) -> Result<bool> {
        self.with_ring(queue, |ring| ring.no_interrupt())
    }

    /// The index of the used buffer at which the driver wants an interrupt.
    pub(crate) fn used_event(&self, queue: usize) -> Result<Option<u16>> {
        self.with_ring(queue, |ring| ring.used_event())
    }

    /// Asks for a notification when the driver makes this buffer available.
    pub(crate) fn set_avail_event(&self, queue: usize, idx: u16) -> Result {
        self.with_ring(queue, |ring| ring.set_avail_event(idx))
    }

    /// The C queue.
    fn vq(&self, queue: usize) -> Option<*mut bindings::virtqueue> {
        self.queues.lock().get(queue).map(|queue| queue.vq)
    }

    /// The number and name that the transport knows a queue by.
    pub(crate) fn queue_name(&self, queue: usize) -> Option<(u32, &CStr)> {
        let vq = self.vq(queue)?;

        // SAFETY: By the type invariant `vq` is live.
        let (index, name) = unsafe { ((*vq).index, (*vq).name) };

        // SAFETY: The driver has passed a string that lives as long as its queues.
        Some((index, unsafe { CStr::from_char_ptr(name) }))
    }

    /// Interrupts the driver for a queue, if there is one, with interrupts disabled. Returns
    /// whether the ring had work.
    pub(crate) fn interrupt(&self, queue: usize) -> bool {
        let Some(vq) = self.vq(queue) else {
            return false;
        };
        let _disabled = local_interrupt_disable();

        // SAFETY: By the type invariant `vq` is live.
        let ret = unsafe { bindings::vring_interrupt(0, vq.cast()) };

        ret == bindings::irqreturn::IRQ_HANDLED
    }

    /// Interrupts the driver for a queue that has nothing, pretending that it has.
    pub(crate) fn spurious_interrupt(&self, queue: usize) -> Result {
        self.with_ring(queue, |ring| ring.pretend_used(true))?;
        self.interrupt(queue);
        self.with_ring(queue, |ring| ring.pretend_used(false))
    }

    /// Interrupts the driver for all queues, if that is what the device does.
    pub(super) fn storm(&self) {
        if self.knobs.storm.load(Relaxed) {
            for queue in 0..self.rings() {
                let _ = self.spurious_interrupt(queue);
            }
        }
    }

    /// Tells the driver that the configuration has changed, with interrupts disabled.
    pub(crate) fn config_changed(&self) {
        let _disabled = local_interrupt_disable();

        // SAFETY: The device is registered.
        unsafe { bindings::virtio_config_changed(self.vdev.get()) };
    }

    /// Replaces the configuration space from the side of the device.
    pub(crate) fn set_config(&self, offset: usize, bytes: &[u8]) {
        let mut config = self.config.lock();

        for (slot, byte) in config.iter_mut().skip(offset).zip(bytes) {
            *slot = *byte;
        }
        self.generation.fetch_add(1, Relaxed);
    }

    /// Breaks one queue.
    pub(crate) fn break_queue(&self, queue: usize) {
        if let Some(vq) = self.vq(queue) {
            // SAFETY: By the type invariant `vq` is live.
            unsafe { bindings::__virtqueue_break(vq) };
        }
    }

    /// Breaks all queues, as transports do when the device was pulled out.
    pub(crate) fn break_device(&self) {
        // SAFETY: The device is registered.
        unsafe { bindings::virtio_break_device(self.vdev.get()) };
    }

    /// The transport is about to be reset (C: `virtio_device_reset_prepare`).
    pub(crate) fn reset_prepare(&self) -> Result {
        // SAFETY: The device is registered.
        to_result(unsafe { bindings::virtio_device_reset_prepare(self.vdev.get()) })
    }

    /// The transport was reset (C: `virtio_device_reset_done`).
    pub(crate) fn reset_done(&self) -> Result {
        // SAFETY: The device is registered.
        to_result(unsafe { bindings::virtio_device_reset_done(self.vdev.get()) })
    }

    /// The system suspends (C: `virtio_device_freeze`).
    #[cfg(CONFIG_PM_SLEEP)]
    pub(crate) fn freeze(&self) -> Result {
        // SAFETY: The device is registered.
        to_result(unsafe { bindings::virtio_device_freeze(self.vdev.get()) })
    }

    /// The system resumes (C: `virtio_device_restore`).
    #[cfg(CONFIG_PM_SLEEP)]
    pub(crate) fn restore(&self) -> Result {
        // SAFETY: The device is registered.
        to_result(unsafe { bindings::virtio_device_restore(self.vdev.get()) })
    }

    /// The system has resumed (C: `device_complete`).
    #[cfg(CONFIG_PM_SLEEP)]
    pub(crate) fn complete(&self) {
        // SAFETY: The device is initialized before this can be called.
        let dev = unsafe { &raw mut (*self.vdev.get()).dev };
        // SAFETY: The device is registered.
        let _lock = unsafe { DeviceLock::new(self.vdev.get()) };
        // SAFETY: As above. Its driver does not change while the lock is held.
        let driver = unsafe { (*dev).driver.as_ref() };
        // SAFETY: The operations of a driver are null or valid.
        let pm = driver.and_then(|driver| unsafe { driver.pm.as_ref() });

        if let Some(complete) = pm.and_then(|pm| pm.complete) {
            // SAFETY: The device is registered, and its lock is held.
            unsafe { complete(dev) };
        }
    }

    /// The system shuts down (C: `device_shutdown`).
    pub(crate) fn shutdown(&self) {
        // SAFETY: The device is initialized before this can be called.
        let dev = unsafe { &raw mut (*self.vdev.get()).dev };
        // SAFETY: A registered device is on a bus.
        let shutdown = unsafe { (*(*dev).bus).shutdown };

        // SAFETY: The device is registered.
        let _lock = unsafe { DeviceLock::new(self.vdev.get()) };

        if let Some(shutdown) = shutdown {
            // SAFETY: The device is registered, and its lock is held.
            unsafe { shutdown(dev) };
        }
    }
}
