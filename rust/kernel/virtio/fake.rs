// SPDX-License-Identifier: GPL-2.0

//! A virtio device made of software, for KUnit.
//!
//! A [`Fake`] is a device on the virtio bus with a transport of its own. Drivers bind to it as to
//! any other. Its rings are those of `drivers/virtio/virtio_ring.c`; the test plays the device:
//! it takes buffers with [`FakeDevice::pop`], returns them with [`FakeDevice::push`], and raises
//! [`FakeDevice::interrupt`]. With [`Knobs`] it misbehaves on command. What happens to the device
//! is in its [`Log`], into which drivers under test can write too, so that one list shows the order
//! of both.

use super::{
    config::ByteOrder,
    Device, //
};
use crate::{
    bindings,
    device::{
        Bound,
        Normal, //
    },
    error::to_result,
    faux,
    interrupt::local_interrupt_disable,
    prelude::*,
    sync::{
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
        new_mutex,
        Arc,
        Mutex,
        MutexGuard, //
    },
    types::Opaque, //
};
use core::ops::Deref;

mod chain;
mod log;
pub(crate) mod map;
mod ops;
mod ring;

pub(crate) use self::{
    chain::Chain,
    log::{
        Event,
        Log, //
    },
};

/// What a software device is.
#[derive(Clone, Copy)]
pub(crate) struct Options {
    /// The kind of device.
    pub(crate) device: u32,
    /// Its vendor.
    pub(crate) vendor: u32,
    /// The feature bits that it offers.
    pub(crate) features: [u64; 2],
    /// The sizes of its rings.
    pub(crate) queues: &'static [u32],
    /// The content of its configuration space.
    pub(crate) config: &'static [u8],
    /// The length of that, if the transport tells.
    pub(crate) config_len: Option<u32>,
    /// Whether the configuration space can be written.
    pub(crate) config_writable: bool,
    /// Whether changes of the configuration space are counted.
    pub(crate) has_generation: bool,
    /// Whether there is one more queue than the driver asks for.
    pub(crate) extra_queue: bool,
    /// What the driver finds in `device::platform_data`. It has to live as long as the device.
    pub(crate) platform_data: *const c_void,
}

impl Options {
    /// Sets the bits of features that the device offers.
    pub(crate) fn with_features(mut self, bits: &[u32]) -> Self {
        for bit in bits {
            self.features[(bit / 64) as usize] |= 1 << (bit % 64);
        }
        self
    }

    /// Whether the device offers a feature.
    fn has(&self, bit: u32) -> bool {
        self.features[(bit / 64) as usize] & (1 << (bit % 64)) != 0
    }
}

/// What a software device does wrong. Can be changed at any time.
pub(crate) struct Knobs {
    /// Interrupts all queues while they are found, while the device is reset, and while the
    /// queues are deleted, pretending that a buffer was used.
    pub(crate) storm: Atomic<bool>,
    /// Fails to find queues, with this error number.
    pub(crate) find_errno: Atomic<i32>,
    /// Fails to accept features, with this error number.
    pub(crate) finalize_errno: Atomic<i32>,
    /// Finds all queues but this one.
    pub(crate) null_queue: Atomic<u32>,
    /// Keeps the status over a reset.
    pub(crate) sticky_status: Atomic<bool>,
    /// Does not accept any choice of features.
    pub(crate) refuse_features: Atomic<bool>,
    /// Changes the configuration during so many of the next reads.
    pub(crate) config_changes: Atomic<u32>,
    /// Fails to be notified.
    pub(crate) notify_fails: Atomic<bool>,
    /// Fails to map memory.
    pub(crate) fail_maps: Atomic<bool>,
}

impl Knobs {
    fn new() -> Self {
        Self {
            storm: Atomic::new(false),
            find_errno: Atomic::new(0),
            finalize_errno: Atomic::new(0),
            null_queue: Atomic::new(u32::MAX),
            sticky_status: Atomic::new(false),
            refuse_features: Atomic::new(false),
            config_changes: Atomic::new(0),
            notify_fails: Atomic::new(false),
            fail_maps: Atomic::new(false),
        }
    }
}

/// A queue, seen from the device.
struct DeviceQueue {
    vq: *mut bindings::virtqueue,
    ring: ring::Ring,
}

/// A software device.
///
/// # Invariants
///
/// `queues` holds the live rings of `vdev`.
#[pin_data]
pub(crate) struct FakeDevice {
    #[pin]
    vdev: Opaque<bindings::virtio_device>,
    ops: bindings::virtio_config_ops,
    options: Options,
    /// What the device does wrong.
    pub(crate) knobs: Knobs,
    /// What happened to it.
    pub(crate) log: Arc<Log>,
    status: Atomic<u32>,
    generation: Atomic<u32>,
    finalized: Atomic<u32>,
    config_reads: Atomic<u32>,
    config_overruns: Atomic<u32>,
    mappings: Atomic<i32>,
    #[pin]
    config: Mutex<KVec<u8>>,
    #[pin]
    queues: Mutex<KVec<DeviceQueue>>,
}

// SAFETY: The device and its rings belong to no thread.
unsafe impl Send for FakeDevice {}

// SAFETY: All that changes is behind a lock or atomic.
unsafe impl Sync for FakeDevice {}

/// A ring that nobody else plays the device of.
pub(crate) struct HeldRing<'a> {
    queues: MutexGuard<'a, KVec<DeviceQueue>>,
    queue: usize,
}

impl HeldRing<'_> {
    /// Returns a buffer, saying that `len` bytes were written.
    pub(crate) fn push(&mut self, chain: &Chain, len: u32) {
        if let Some(queue) = self.queues.get_mut(self.queue) {
            queue.ring.push(chain.id, chain.descriptors, len);
        }
    }
}

/// The registration of a software device. It is unregistered when this is dropped.
pub(crate) struct Fake {
    device: Arc<FakeDevice>,
    _parent: faux::Registration,
}

impl Fake {
    /// Puts a device on the bus, where a driver may bind to it at once.
    pub(crate) fn new(options: Options, log: Arc<Log>) -> Result<Self> {
        let parent = faux::Registration::new(c"virtio_fake", None)?;
        let mut config = KVec::new();
        let mut ops = ops::OPS;

        config.extend_from_slice(options.config, GFP_KERNEL)?;
        if !options.config_writable {
            ops.set = None;
        }
        if !options.has_generation {
            ops.generation = None;
        }

        let device = Arc::pin_init(
            pin_init!(FakeDevice {
                vdev: Opaque::zeroed(),
                ops,
                options,
                knobs: Knobs::new(),
                log,
                status: Atomic::new(0),
                generation: Atomic::new(0),
                finalized: Atomic::new(0),
                config_reads: Atomic::new(0),
                config_overruns: Atomic::new(0),
                mappings: Atomic::new(0),
                config <- new_mutex!(config),
                queues <- new_mutex!(KVec::new()),
            }),
            GFP_KERNEL,
        )?;
        let vdev = device.vdev.get();

        // SAFETY: The device is not registered yet, so nobody else looks at it.
        let fields = unsafe { &mut *vdev };

        fields.dev.parent = parent.as_ref().as_ref().as_raw();
        fields.dev.release = Some(release);
        fields.dev.platform_data = options.platform_data.cast_mut();
        fields.id.device = options.device;
        fields.id.vendor = options.vendor;
        fields.config = &raw const device.ops;
        if options.has(bindings::VIRTIO_F_ACCESS_PLATFORM) {
            fields.map = &raw const map::OPS;
            fields.vmap.dma_dev = Arc::as_ptr(&device).cast_mut().cast();
        }

        // The reference that `release` drops.
        let _ = Arc::into_raw(device.clone());

        // SAFETY: The device is set up, and stays until `release`.
        let ret = unsafe { bindings::register_virtio_device(vdev) };

        if ret != 0 {
            // SAFETY: A device that could not be registered has one reference.
            unsafe { bindings::put_device(&raw mut (*vdev).dev) };
            to_result(ret)?;
        }

        Ok(Self {
            device,
            _parent: parent,
        })
    }

    /// Returns the device, to be looked at when it is not registered any more.
    pub(crate) fn device(&self) -> Arc<FakeDevice> {
        self.device.clone()
    }

    /// Returns what a bound driver sees.
    pub(crate) fn bound(&self) -> Result<&Device<Bound>> {
        if !self.is_bound() {
            return Err(ENODEV);
        }
        // SAFETY: The device is registered. It is bound, and only tests unbind it, for which they
        // need this registration.
        Ok(unsafe { &*self.vdev.get().cast::<Device<Bound>>() })
    }

    /// Unbinds the driver.
    pub(crate) fn unbind(&mut self) {
        // SAFETY: The device is registered.
        unsafe { bindings::device_release_driver(&raw mut (*self.vdev.get()).dev) };
    }

    /// Looks for a driver again. Returns whether one has bound.
    pub(crate) fn attach(&mut self) -> bool {
        // SAFETY: The device is registered.
        let ret = unsafe { bindings::device_attach(&raw mut (*self.vdev.get()).dev) };

        ret == 1 && self.is_bound()
    }
}

impl Deref for Fake {
    type Target = FakeDevice;

    fn deref(&self) -> &FakeDevice {
        &self.device
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        // SAFETY: The device was registered by `new`.
        unsafe { bindings::unregister_virtio_device(self.device.vdev.get()) };
    }
}

/// Drops the reference of the driver core.
unsafe extern "C" fn release(dev: *mut bindings::device) {
    // SAFETY: `release` is set for devices that are part of a `struct virtio_device`.
    let vdev = unsafe { crate::container_of!(dev, bindings::virtio_device, dev) };
    // SAFETY: The device is part of a `FakeDevice`.
    let this = unsafe { ops::from_vdev(vdev) };

    // SAFETY: `new` has leaked one reference for this.
    drop(unsafe { Arc::from_raw(core::ptr::from_ref(this)) });
}

/// Returns the length of the configuration space of a software device; [`None`] for other devices.
///
/// # Safety
///
/// `vdev` must be valid.
pub(super) unsafe fn config_len(vdev: *mut bindings::virtio_device) -> Option<u32> {
    // SAFETY: `vdev` is valid by the requirement of this function.
    let other = unsafe { (*vdev).dev.release }?;
    let this: unsafe extern "C" fn(*mut bindings::device) = release;

    if !core::ptr::fn_addr_eq(other, this) {
        return None;
    }
    // SAFETY: `release` tells software devices from others.
    unsafe { ops::from_vdev(vdev) }.options.config_len
}

impl FakeDevice {
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

    /// Whether a driver is bound.
    pub(crate) fn is_bound(&self) -> bool {
        // SAFETY: The device is initialized before this can be called.
        !unsafe { (*self.vdev.get()).dev.driver }.is_null()
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

    /// How many rings exist.
    pub(crate) fn rings(&self) -> usize {
        self.queues.lock().len()
    }

    /// Whether both sides agreed on a feature.
    fn negotiated(&self, bit: u32) -> bool {
        // SAFETY: The device is initialized, and features change only before a driver is probed.
        let features = unsafe { (*self.vdev.get()).__bindgen_anon_1.features_array };

        features[(bit / 64) as usize] & (1 << (bit % 64)) != 0
    }

    fn is_packed(&self) -> bool {
        self.negotiated(bindings::VIRTIO_F_RING_PACKED)
    }

    fn order(&self) -> ByteOrder {
        if self.negotiated(bindings::VIRTIO_F_VERSION_1) {
            ByteOrder::Little
        } else {
            ByteOrder::Native
        }
    }

    fn bus_offset(&self) -> u64 {
        if self.negotiated(bindings::VIRTIO_F_ACCESS_PLATFORM) {
            map::BUS_OFFSET
        } else {
            0
        }
    }

    /// Calls `f` with the ring of a queue.
    fn with_ring<R>(&self, queue: usize, f: impl FnOnce(&mut ring::Ring) -> R) -> Result<R> {
        let mut queues = self.queues.lock();
        let queue = queues.get_mut(queue).ok_or(ENODEV)?;

        Ok(f(&mut queue.ring))
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

        if queue >= queues.len() {
            return Err(ENODEV);
        }
        Ok(HeldRing { queues, queue })
    }

    /// Returns a buffer that may not exist.
    pub(crate) fn push_bogus(&self, queue: usize, id: u32, len: u32) -> Result {
        self.with_ring(queue, |ring| ring.push(id, 1, len))
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
    fn storm(&self) {
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

    /// The system shuts down (C: `device_shutdown`).
    pub(crate) fn shutdown(&self) {
        // SAFETY: The device is initialized before this can be called.
        let dev = unsafe { &raw mut (*self.vdev.get()).dev };
        // SAFETY: A registered device is on a bus.
        let shutdown = unsafe { (*(*dev).bus).shutdown };

        // SAFETY: The lock of a registered device is initialized.
        unsafe { bindings::mutex_lock(&raw mut (*dev).mutex) };
        if let Some(shutdown) = shutdown {
            // SAFETY: The device is registered, and its lock is held.
            unsafe { shutdown(dev) };
        }
        // SAFETY: The lock was taken above.
        unsafe { bindings::mutex_unlock(&raw mut (*dev).mutex) };
    }
}
