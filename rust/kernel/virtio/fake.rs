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
    device_lock::DeviceLock,
    Device, //
};
use crate::{
    bindings,
    device::{
        Bound,
        Core, //
    },
    error::to_result,
    faux,
    prelude::*,
    str::CString,
    sync::{
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
        new_mutex,
        new_spinlock_irq,
        Arc, //
    },
    types::Opaque, //
};
use core::ops::Deref;

mod chain;
mod device;
mod log;
pub(crate) mod map;
mod ops;
mod options;
mod ring;

pub(crate) use self::{
    chain::Chain,
    device::FakeDevice,
    log::{
        Event,
        Log, //
    },
    options::{
        Knobs,
        Options, //
    },
};

/// The registration of a software device. It is unregistered when this is dropped.
pub(crate) struct Fake {
    device: Arc<FakeDevice>,
    _parent: faux::Registration,
}

impl Fake {
    /// Puts a device on the bus, where a driver may bind to it at once.
    pub(crate) fn new(options: Options, log: Arc<Log>) -> Result<Self> {
        static COUNT: Atomic<u32> = Atomic::new(0);

        let name = CString::try_from_fmt(fmt!("virtio_fake.{}", COUNT.fetch_add(1, Relaxed)))?;
        let parent = faux::Registration::new(&name, None)?;
        let mut config = KVec::new();
        let mut ops = ops::OPS;

        config.extend_from_slice(options.config, GFP_KERNEL)?;
        if !options.config_writable {
            ops.set = None;
        }
        if options.config_len.is_none() {
            ops.config_len = None;
        }
        if !options.has_generation {
            ops.generation = None;
        }
        if !options.resets_queues {
            ops.disable_vq_and_reset = None;
            ops.enable_vq_after_reset = None;
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
                visitors: Atomic::new(0),
                config_reads: Atomic::new(0),
                config_overruns: Atomic::new(0),
                config_misfits: Atomic::new(0),
                mappings: Atomic::new(0),
                rcu_state <- new_mutex!(None),
                grace_before_reset: Atomic::new(false),
                bad_unmaps: Atomic::new(0),
                mapped <- new_spinlock_irq!(KVec::new()),
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

    /// Calls `f` with what callbacks of the bus see, under the lock of the device as there.
    pub(crate) fn with_core<R>(&self, f: impl FnOnce(&Device<Core<'_>>) -> R) -> Result<R> {
        // SAFETY: The device is registered.
        let _lock = unsafe { DeviceLock::new(self.vdev.get()) };

        if !self.is_bound() {
            return Err(ENODEV);
        }
        // SAFETY: The device is bound, and its lock is held, as in callbacks of the bus.
        Ok(f(unsafe { &*self.vdev.get().cast::<Device<Core<'_>>>() }))
    }

    /// Unbinds the driver.
    pub(crate) fn unbind(&mut self) {
        self.device.unbind();
    }

    /// Looks for a driver again. Returns whether one has bound.
    pub(crate) fn attach(&mut self) -> bool {
        self.device.attach()
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
///
/// # Safety
///
/// `dev` must belong to a [`FakeDevice`] that nobody refers to any more.
unsafe extern "C" fn release(dev: *mut bindings::device) {
    // SAFETY: `release` is set for devices that are part of a `struct virtio_device`.
    let vdev = unsafe { crate::container_of!(dev, bindings::virtio_device, dev) };
    // SAFETY: The device is part of a `FakeDevice`.
    let this = unsafe { ops::from_vdev(vdev) };

    // SAFETY: `new` has leaked one reference for this.
    drop(unsafe { Arc::from_raw(core::ptr::from_ref(this)) });
}

/// Returns the software device that a virtio device is part of; [`None`] for other devices.
///
/// # Safety
///
/// `vdev` must be valid for `'a`.
unsafe fn from_vdev<'a>(vdev: *mut bindings::virtio_device) -> Option<&'a FakeDevice> {
    // SAFETY: `vdev` is valid by the requirement of this function.
    let other = unsafe { (*vdev).dev.release }?;
    let this: unsafe extern "C" fn(*mut bindings::device) = release;

    if !core::ptr::fn_addr_eq(other, this) {
        return None;
    }
    // SAFETY: `release` tells software devices from others.
    Some(unsafe { ops::from_vdev(vdev) })
}

/// Whether a device is a software device whose users are waited for longer than others.
///
/// # Safety
///
/// `vdev` must be valid.
pub(super) unsafe fn is_patient(vdev: *mut bindings::virtio_device) -> bool {
    // SAFETY: `vdev` is valid by the requirement of this function.
    unsafe { from_vdev(vdev) }.is_some_and(|this| this.knobs.patient.load(Relaxed))
}

/// Whether a device is a software device that is not to be recovered.
///
/// # Safety
///
/// `vdev` must be valid.
pub(super) unsafe fn is_left_alone(vdev: *mut bindings::virtio_device) -> bool {
    // SAFETY: `vdev` is valid by the requirement of this function.
    unsafe { from_vdev(vdev) }.is_some_and(|this| !this.knobs.recovers.load(Relaxed))
}
