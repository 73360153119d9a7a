// SPDX-License-Identifier: GPL-2.0

//! What the interrupts of a device can reach.
//!
//! The state exists from before the first queue is set up until after the last one is deleted, and
//! is found through `virtio_device::priv`. It knows the queues by their numbers. It does not know
//! the driver's data, so it does not matter to an interrupt whether that exists yet, or still.

use super::{
    config_work::ConfigWork,
    exclusion::Gate,
    feature::FEATURES_U64S,
    handle::DeviceHandle,
    ops::DriverOps,
    queue::AnyVirtqueue,
    recovery::{
        Patience,
        Recovery, //
    },
    setup::Affinity, //
};
use crate::{
    prelude::*,
    static_lock_class,
    sync::{
        atomic::{
            ordering::{
                Acquire,
                Release, //
            },
            Atomic, //
        },
        Arc,
        LockClassKey,
        Mutex,
        SetOnce, //
    }, //
};
use core::ptr::NonNull;

/// A pointer to the device of a state.
struct RawDevice(*mut bindings::virtio_device);

// SAFETY: A device may be used on any thread.
unsafe impl Sync for RawDevice {}

/// The name of the lock of the rings of all devices.
static RINGS_LOCK_NAME: &CStr = c"DeviceState::rings";

/// The class of that lock. Inlined into modules, it would have another name in each of them.
#[inline(never)]
fn rings_lock_class() -> Pin<&'static LockClassKey> {
    static_lock_class!()
}

/// The name of the gate of the configuration space of all devices.
static CONFIG_GATE_NAME: &CStr = c"DeviceState::config_gate";

/// The class of its lock.
#[inline(never)]
fn config_gate_class() -> Pin<&'static LockClassKey> {
    static_lock_class!()
}

/// The queues of a device and how they were asked for.
pub(super) struct QueueTable {
    pub(super) queues: KVec<Arc<dyn AnyVirtqueue>>,
    pub(super) affinity: Affinity,
}

/// The state of a device that a driver of this abstraction is bound to.
///
/// # Invariants
///
/// - `vdev` is a valid device, whose driver has `ops`.
/// - `found` and `failed` change only with the lock of `rings` held.
#[pin_data]
pub(super) struct DeviceState {
    vdev: RawDevice,

    /// What device and driver have agreed on.
    features: [u64; FEATURES_U64S],

    /// The queues, by number. Set once, before the transport learns about them.
    pub(super) table: SetOnce<QueueTable>,

    /// Serializes what is done to the rings as a whole. No driver is waited for under this lock.
    #[pin]
    pub(super) rings: Mutex<()>,

    /// Whether the transport has rings for the queues.
    pub(super) found: Atomic<bool>,

    /// Whether what was in the rings was taken back, and they are only left to be deleted.
    pub(super) failed: Atomic<bool>,

    /// Whether interrupts get through to the handlers.
    live: Atomic<bool>,

    /// How many bytes of the configuration space may be accessed.
    config_len: u32,

    /// What accesses to the configuration space go through.
    #[pin]
    config_gate: Gate<()>,

    /// The way to the device for those that can outlive its binding.
    handle: Arc<DeviceHandle>,

    /// The callbacks of the driver.
    ops: &'static DriverOps,

    #[pin]
    pub(super) config_work: ConfigWork,

    #[pin]
    pub(super) recovery: Recovery,
}

impl DeviceState {
    /// Creates the state of a device that is about to be probed.
    ///
    /// # Safety
    ///
    /// `vdev` must be valid for as long as the state exists, and `ops` be those of the driver that
    /// probes. [`stop`](Self::stop) must be called before the state is freed.
    pub(super) unsafe fn new(
        vdev: *mut bindings::virtio_device,
        config_len: u32,
        handle: Arc<DeviceHandle>,
        ops: &'static DriverOps,
    ) -> impl PinInit<Self> {
        // SAFETY: `vdev` is valid by the requirement of this function. It is about to be probed, so
        // its features do not change.
        let features = unsafe { (*vdev).__bindgen_anon_1.features_array };

        // INVARIANT: By the requirement of this function.
        pin_init!(Self {
            vdev: RawDevice(vdev),
            features,
            table: SetOnce::new(),
            rings <- Mutex::new((), RINGS_LOCK_NAME, rings_lock_class()),
            found: Atomic::new(false),
            failed: Atomic::new(false),
            live: Atomic::new(false),
            config_len,
            config_gate <- Gate::new((), CONFIG_GATE_NAME, config_gate_class()),
            handle,
            ops,
            // SAFETY: It is part of a state, for which `stop` is called.
            config_work <- unsafe { ConfigWork::new() },
            // SAFETY: As above.
            recovery <- unsafe { Recovery::new() },
        })
    }

    /// What device and driver have agreed on.
    pub(super) fn features(&self) -> [u64; FEATURES_U64S] {
        self.features
    }

    /// The device.
    pub(super) fn vdev(&self) -> *mut bindings::virtio_device {
        self.vdev.0
    }

    /// The callbacks of the driver.
    pub(super) fn ops(&self) -> &'static DriverOps {
        self.ops
    }

    /// What tells the driver about changes of the configuration.
    pub(super) fn config_work(&self) -> &ConfigWork {
        &self.config_work
    }

    /// What is done about a device that dies.
    pub(super) fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Ends all work that refers to the state. Sleeps.
    pub(super) fn stop(&self) {
        self.config_work.stop();
        self.recovery.stop();
    }

    /// The way to the device for those that can outlive its binding.
    pub(super) fn handle(&self) -> &Arc<DeviceHandle> {
        &self.handle
    }

    /// Ends the access of those that can outlive the binding, and waits for them. They may wait for
    /// what the device has, so it is watched meanwhile.
    pub(super) fn close_handle(&self) {
        let _calling = self.calling(Patience::None);

        self.handle.close();
    }

    /// What accesses to the configuration space go through.
    pub(super) fn config_gate(&self) -> &Gate<()> {
        &self.config_gate
    }

    /// How many bytes of the configuration space may be accessed.
    pub(super) fn config_len(&self) -> u32 {
        self.config_len
    }

    /// Returns the state of a device.
    ///
    /// # Safety
    ///
    /// `vdev` must be valid, and its `priv` either null or a pointer to a [`DeviceState`] that
    /// exists for `'a`.
    pub(super) unsafe fn from_raw<'a>(vdev: *mut bindings::virtio_device) -> Option<&'a Self> {
        // SAFETY: `vdev` is valid by the requirement of this function.
        let state = unsafe { (*vdev).priv_ };

        // SAFETY: `state` is null or valid for `'a` by the requirement of this function.
        unsafe { state.cast::<Self>().as_ref() }
    }

    /// The callback of all queues (C: `vq_callback_t`).
    ///
    /// # Safety
    ///
    /// `vq` must be a live virtqueue of a device whose `priv` is null or points to a
    /// [`DeviceState`] that exists until the rings are deleted.
    pub(super) unsafe extern "C" fn interrupt(vq: *mut bindings::virtqueue) {
        // SAFETY: `vq` is live by the requirement of this function.
        let (vdev, index) = unsafe { ((*vq).vdev, (*vq).index) };

        // SAFETY: By the requirement of this function, the state exists at least until this
        // callback has returned, which is waited for before the rings are deleted.
        let Some(state) = (unsafe { Self::from_raw(vdev) }) else {
            return;
        };

        // Pairs with the release in `set_live`: the handlers see all that was set up before.
        if !state.is_live() {
            return;
        }

        let index = index as usize;
        if let Some(queue) = state.queues().get(index) {
            queue.interrupt();
        }
    }

    /// Returns the queue that has the ring `vq`.
    ///
    /// # Safety
    ///
    /// `vq` must be live, and the `priv` of its device point to a [`DeviceState`] that exists for
    /// `'a`.
    unsafe fn queue<'a>(vq: *mut bindings::virtqueue) -> Option<&'a dyn AnyVirtqueue> {
        // SAFETY: `vq` is live by the requirement of this function.
        let (vdev, index) = unsafe { ((*vq).vdev, (*vq).index) };
        // SAFETY: By the requirement of this function.
        let state = unsafe { Self::from_raw(vdev) }?;

        Some(&**state.queues().get(index as usize)?)
    }

    /// Takes back a buffer of a queue that is restarted (C: `recycle` of `virtqueue_resize`).
    ///
    /// # Safety
    ///
    /// `vq` must be the ring of a queue of the [`DeviceState`] that the `priv` of its device points
    /// to. It must have been reset, and `data` have been taken out of it, once.
    pub(super) unsafe extern "C" fn recycle(vq: *mut bindings::virtqueue, data: *mut c_void) {
        // SAFETY: By the requirement of this function, which also says that there is a queue.
        let queue = unsafe { Self::queue(vq) };

        if let (Some(queue), Some(data)) = (queue, NonNull::new(data)) {
            // SAFETY: By the requirement of this function.
            unsafe { queue.recycle(data) };
        }
    }

    /// Notes that all buffers of such a queue were taken back (C: `recycle_done`).
    ///
    /// # Safety
    ///
    /// As for [`recycle`](Self::recycle).
    pub(super) unsafe extern "C" fn recycle_done(vq: *mut bindings::virtqueue) {
        // SAFETY: By the requirement of this function.
        if let Some(queue) = unsafe { Self::queue(vq) } {
            // SAFETY: As above.
            unsafe { queue.recycle_done() };
        }
    }

    /// All queues, by number.
    pub(super) fn queues(&self) -> &[Arc<dyn AnyVirtqueue>] {
        self.table
            .as_ref()
            .map_or(&[], |table| table.queues.as_slice())
    }

    /// Lets interrupts through to the handlers, or not.
    pub(super) fn set_live(&self, live: bool) {
        self.live.store(live, Release);
    }

    /// Whether interrupts get through to the handlers.
    pub(super) fn is_live(&self) -> bool {
        self.live.load(Acquire)
    }

    /// Whether the transport has rings for the queues.
    pub(super) fn has_rings(&self) -> bool {
        self.found.load(Acquire)
    }

    /// Whether one of the queues is broken.
    pub(super) fn is_broken(&self) -> bool {
        self.has_rings() && self.queues().iter().any(|queue| queue.is_broken())
    }
}
