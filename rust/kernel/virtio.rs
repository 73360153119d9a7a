// SPDX-License-Identifier: GPL-2.0

//! Abstractions for the virtio bus.
//!
//! Virtio has three parts. The *bus* matches devices to drivers by a pair of numbers. The *device*
//! is what the hypervisor offers: feature bits to agree on, a configuration space to read, and
//! virtqueues to pass memory back and forth. The *driver* knows what a kind of device does with
//! them. Below the bus is a transport (PCI, MMIO, vDPA, user-mode Linux), which drivers do not see.
//!
//! # How to write a driver
//!
//! 1. Declare the features that the driver understands with [`virtio_features!`], and the
//!    configuration space with [`virtio_config!`].
//! 2. For each kind of queue, implement [`Handler`]: it names the [`Token`] that travels through
//!    the queue, and what happens when the device has used a buffer.
//! 3. Implement [`Driver`]. Its [`probe`](Driver::probe) reads features and configuration, adds
//!    queues to the [`VirtqueueSetup`] that it gets, finds them in the device, tells the device to
//!    start ([`Found::ready`]), and registers what the rest of the kernel uses.
//! 4. Name the devices with [`virtio_device_table!`] and the module with
//!    [`module_virtio_driver!`].
//!
//! # What the types see to
//!
//! - A token that was added belongs to the ring. The memory that was described to the device is
//!   part of it, so nobody can touch or free it until the device has used it.
//! - A queue that is not [`Ready`] cannot be used, and a [`Virtqueue`] without a ring, because its
//!   device is gone or frozen, answers with an error.
//! - Operations on a ring need its lock, or the one handle of a queue without a lock;
//!   [`Virtqueue::notify`] does not.
//! - When a driver leaves its device, for whatever reason, the device is reset, what it still had
//!   goes back to the [`Handler`], and only then are the rings deleted.
//! - A device that has failed is recovered, and one that cannot be recovered is given up; see
//!   [`Driver::recovery_prepare`]. Nobody waits for what will not come.
//! - What C says about a ring is compared with what the driver has added. Where they differ,
//!   because the device has changed descriptors, the queue is broken, and what was added comes back
//!   by the driver's own record.
//!
//! What they cannot see to is C's own trust in a device, and C's own races. The folder `patches/c`
//! of the project has patches for these; they are not applied.
//!
//! - C finds the end of a buffer in a split ring by flags that the device can write. Lines that the
//!   overlay inserts there keep it from following links that the device has made, in a circle and
//!   without end. A link that the device has taken away is found out afterwards; what was behind
//!   it stays mapped.
//!   (`0001-virtio_ring-don-t-let-the-device-say-where-a-buffer-`)
//! - The core looks at the driver without a lock before it calls back when it wakes up a device, or
//!   resets it, so the module can be unloaded just then.
//!   (`0002-virtio-hold-the-device-lock-over-freeze-restore-and-`; then the callbacks of this
//!   abstraction must not take that lock themselves)
//! - A ring with [`InOrder`](feature::InOrder) that is reset, and does not get new memory, keeps
//!   its place. [`Virtqueue::reset`] refuses to do it.
//!   (`0003-virtio_ring-start-in-order-rings-at-the-beginning-af`)
//! - An interrupt of a queue that is delivered late, or sent after the stop, makes C look at the
//!   ring that [`Virtqueue::resize`] has freed.
//!   (`0005-virtio_ring-ignore-interrupts-of-a-queue-that-was-st`)
//! - PCI waits without end for a device to stop a queue.
//!   (`0007-virtio_pci-do-not-wait-for-ever-for-a-device-to-stop`)
//! - PCI waits without end for a device to be reset that vanishes just then, or never says that it
//!   was: neither a recovery nor an unbind ends then. A device that is known to be gone is not
//!   reset, about which the core warns when its driver leaves it.
//! - The resets of remoteproc and of user-mode Linux do not reach the device: what it had comes
//!   back before it has stopped.
//!
//! Two others are made up for here: that packed rings call a lack of memory a broken queue
//! (`0004-virtio_ring-say-that-memory-is-short-when-a-packed-r`), and that indirect tables can be
//! longer than C can count (`0006-virtio_ring-limit-the-length-of-an-indirect-table`).
//!
//! # From C to Rust
//!
//! | C | Rust |
//! |---|---|
//! | `struct virtio_driver` | [`Driver`] |
//! | `register_virtio_driver`, `unregister_virtio_driver` | [`Registration`] of an [`Adapter`] |
//! | `virtio_driver::id_table` | [`Driver::ID_TABLE`] |
//! | `virtio_driver::feature_table`, `feature_table_legacy` | [`FeatureSet`] |
//! | `virtio_driver::validate` | [`Driver::validate`] |
//! | `virtio_driver::probe`, `scan` | [`Driver::probe`], [`Driver::scan`] |
//! | `virtio_driver::remove` | [`Driver::unbind`], then `Drop` |
//! | `virtio_driver::config_changed` | [`Driver::config_changed`], in process context |
//! | `virtio_driver::freeze`, `restore` | [`Driver::freeze`], [`Driver::restore`] |
//! | `virtio_driver::reset_prepare` | [`Driver::reset_prepare`] |
//! | `virtio_driver::reset_done` | [`Driver::reset_done`] |
//! | `virtio_driver::shutdown` | [`Driver::shutdown`] |
//! | `module_virtio_driver` | [`module_virtio_driver!`] |
//! | `struct virtio_device_id` | [`DeviceId`] |
//! | `MODULE_DEVICE_TABLE(virtio, ...)` | [`virtio_device_table!`] |
//! | `struct virtio_device` | [`Device`] |
//! | `virtio_device::id` | [`Device::device_id`], [`Device::vendor_id`] |
//! | `virtio_device::index` | [`Device::index`] |
//! | `VIRTIO_CONFIG_S_NEEDS_RESET` | [`Device::needs_reset`] |
//! | `virtio_device::priv` | [`Driver::Data`], [`Handler::Context`] |
//! | `virtio_has_feature`, `__virtio_test_bit` | [`Negotiated::has`] |
//! | `__virtio_clear_bit` | [`Negotiation::clear`](feature::Negotiation::clear) |
//! | `virtio_cread`, `virtio_cread_le` | [`Config::read`] |
//! | `virtio_cread_bytes` | [`Config::read`] of [`Bytes`](config::Bytes) |
//! | `virtio_cread_feature`, `virtio_cread_le_feature` | [`Config::read_if`] |
//! | `virtio_cwrite`, `virtio_cwrite_le` | [`Config::write`], [`Config::write_if`] |
//! | `virtio_is_little_endian` | [`Device::byte_order`] |
//! | `cpu_to_virtio16`, `cpu_to_virtio32`, `cpu_to_virtio64` | [`ByteOrder`] |
//! | `virtio16_to_cpu`, `virtio32_to_cpu`, `virtio64_to_cpu` | [`ByteOrder`] |
//! | `virtio_find_vqs`, `virtio_find_single_vq` | [`VirtqueueSetup::find`] |
//! | `struct virtqueue_info` | [`VirtqueueSetup::add`] |
//! | `struct irq_affinity` | [`Affinity`] |
//! | `virtio_config_ops::get_vq_affinity` | [`Ready::vq_affinity`] |
//! | `virtio_device_ready` | [`Found::ready`] |
//! | `virtio_reset_device`, `virtio_synchronize_cbs`, `del_vqs` | by [`Adapter`] |
//! | `virtio_break_device`, `virtio_device_shutdown` | by [`Adapter`] |
//! | `virtio_max_dma_size` | [`Device::max_dma_size`] |
//! | `struct virtqueue` | [`Virtqueue`] |
//! | `virtqueue_add_sgs` | [`LockedVirtqueue::add`], [`Parts`] |
//! | `virtqueue_add_inbuf`, `virtqueue_add_outbuf` | [`LockedVirtqueue::add`], with one part |
//! | `virtqueue_resize`, `virtqueue_reset` | [`Virtqueue::resize`], [`Virtqueue::reset`] |
//! | `sg_init_one` for a part of each buffer | [`Part`] |
//! | `virtqueue_kick_prepare` | [`LockedVirtqueue::kick_prepare`] |
//! | `virtqueue_notify` | [`Virtqueue::notify`] |
//! | `virtqueue_get_buf` | [`LockedVirtqueue::pop`] |
//! | a virtqueue under a lock of the driver | [`ExclusiveVirtqueue`] |
//! | `vq_callback_t` | [`Handler::done`] |
//! | `virtqueue_disable_cb`, `virtqueue_enable_cb` | [`LockedVirtqueue::drain`], or one by one |
//! | `virtqueue_enable_cb_delayed` | [`LockedVirtqueue::enable_cb_delayed`] |
//! | `virtqueue_detach_unused_buf` | [`Handler::detached`] |
//! | `virtqueue_is_broken`, `virtqueue_get_vring_size`, `num_free` | [`LockedVirtqueue`] |
//!
//! # What is not wrapped
//!
//! For drivers, but not here:
//!
//! - `virtqueue_kick`: notifies under the lock; use its two halves.
//! - `virtqueue_add_inbuf_ctx`, and the context of `virtqueue_get_buf_ctx`: an extra pointer for
//!   each buffer, which the token makes unnecessary.
//! - `virtqueue_add_inbuf_premapped`, `virtqueue_add_outbuf_premapped`, `virtqueue_map_*`,
//!   `virtqueue_unmap_*`, `virtqueue_dma_dev`: for drivers that map memory themselves; no such
//!   driver is here yet.
//! - `virtqueue_enable_cb_prepare`, `virtqueue_poll`: for drivers that enable callbacks and go on
//!   polling, as NAPI does; no such driver is here yet.
//! - `virtqueue_set_affinity`, `virtio_get_shm_region` and `struct virtio_shm_region`,
//!   `virtio_config_driver_disable`, `virtio_config_driver_enable`, `virtio_bus_name`,
//!   `virtqueue_add_inbuf_cache_clean`: without a user.
//! - `virtio_has_dma_quirk`: `virtio_ring` maps all buffers here, and looks at it itself.
//! - `virtio_cread8`, `virtio_cread16`, `virtio_cread32`, `virtio_cread64`,
//!   `virtio_cwrite8`, `virtio_cwrite16`, `virtio_cwrite32`, `virtio_cwrite64`: access at any
//!   offset; fields know theirs, and their type.
//! - `__virtio_cread_many`, `__virtio_native_type`, `virtio_to_cpu`, `cpu_to_virtio`,
//!   `virtio_le_to_cpu`, `virtio_cpu_to_le`, `__cpu_to_virtio*`, `__virtio16_to_cpu`,
//!   `__virtio32_to_cpu`, `__virtio64_to_cpu`: what C makes its accessors from.
//! - `virtio_check_driver_offered_feature`: asking for another feature does not compile.
//! - `virtio_device_for_each_vq`: a driver has its own queues, with their types.
//! - `is_virtio_device`: drivers meet no other device.
//!
//! Not for drivers:
//!
//! - Of the bus: `register_virtio_device`, `unregister_virtio_device`, `__register_virtio_driver`,
//!   `virtio_config_changed`, `virtio_device_freeze`, `virtio_device_restore`,
//!   `virtio_device_reset_prepare`, `virtio_device_reset_done`, `virtio_debug_*`,
//!   `virtio_get_features`, `virtio_features_*`, `__virtio_set_bit`, `virtio_add_status`,
//!   `dev_to_virtio`, `drv_to_virtio`, `virtio_legacy_is_little_endian`.
//! - Of transports: `struct virtio_config_ops`, `struct virtio_map_ops`, `union virtio_map`,
//!   `struct virtio_admin_cmd`, `__virtio_unbreak_device`, `__virtqueue_break`,
//!   `__virtqueue_unbreak`, `vring_*`, `virtqueue_get_vring`, `virtqueue_get_desc_addr`,
//!   `virtqueue_get_avail_addr`, `virtqueue_get_used_addr`.
//! - Of the rings: `virtio_mb`, `virtio_rmb`, `virtio_wmb`, `virtio_store_mb`.
//!
//! C headers: [`include/linux/virtio.h`](srctree/include/linux/virtio.h),
//! [`include/linux/virtio_config.h`](srctree/include/linux/virtio_config.h),
//! [`include/linux/virtio_ring.h`](srctree/include/linux/virtio_ring.h)
//!
//! [`Registration`]: crate::driver::Registration
//! [`virtio_features!`]: crate::virtio_features
//! [`virtio_config!`]: crate::virtio_config
//! [`virtio_device_table!`]: crate::virtio_device_table
//! [`module_virtio_driver!`]: crate::module_virtio_driver

use crate::{
    device::{
        self,
        Bound,
        Core, //
    },
    prelude::*,
    sync::{
        aref::AlwaysRefCounted,
        Arc,
        MutexGuard, //
    },
    types::Opaque, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

mod adapter;
mod affinity;
pub mod config;
mod config_work;
mod described;
mod device_lock;
mod driver;
mod exclusion;
#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
mod fake;
pub mod feature;
mod handle;
mod id;
mod no_io;
mod ops;
mod part;
mod parts;
mod pause;
mod queue;
mod recovery;
mod rings;
mod setup;
mod state;
#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
mod tests;
mod token;
mod transport;
mod work;

pub use self::{
    adapter::Adapter,
    described::{
        Describe,
        Described,
        Description, //
    },
    driver::Driver,
    handle::DeviceHandle,
    id::{
        DeviceId,
        IdTable, //
    },
    part::Part,
    parts::{
        Mapped,
        Parts,
        Segments, //
    },
    queue::{
        Access,
        AddError,
        Callback,
        Exclusive,
        ExclusiveVirtqueue,
        Handler,
        Locked,
        LockedVirtqueue,
        Used,
        Virtqueue, //
    },
    setup::{
        Affinity,
        Found,
        PendingQueue,
        Ready,
        VirtqueueSetup, //
    },
    token::{
        RingBox,
        Token, //
    },
};

use self::{
    config::{
        ByteOrder,
        Config,
        ConfigSpace, //
    },
    feature::{
        FeatureSet,
        Negotiated, //
    },
    recovery::Evidence,
    state::DeviceState, //
};

/// Declares a kernel module that exposes a single virtio driver.
///
/// # Examples
///
/// ```ignore
/// kernel::module_virtio_driver! {
///     type: MyDriver,
///     name: "my_driver",
///     authors: ["Author name"],
///     description: "Description",
///     license: "GPL v2",
/// }
/// ```
#[macro_export]
macro_rules! module_virtio_driver {
    ($($f:tt)*) => {
        $crate::module_driver!(<T>, $crate::virtio::Adapter<T>, { $($f)* });
    };
}

/// The virtio device representation (C: `struct virtio_device`).
///
/// # Invariants
///
/// A [`Device`] instance represents a valid `struct virtio_device` created by the C portion of the
/// kernel. While it is bound to a driver of this abstraction, its `priv` points to a
/// `DeviceState`.
#[repr(transparent)]
pub struct Device<Ctx: device::DeviceContext = device::Normal>(
    Opaque<bindings::virtio_device>,
    PhantomData<Ctx>,
);

impl<Ctx: device::DeviceContext> Device<Ctx> {
    #[inline]
    fn as_raw(&self) -> *mut bindings::virtio_device {
        self.0.get()
    }

    /// The kind of the device (C: `virtio_device_id::device`).
    pub fn device_id(&self) -> u32 {
        // SAFETY: By the type invariant the device is valid; its id does not change.
        unsafe { (*self.as_raw()).id.device }
    }

    /// The vendor of the device (C: `virtio_device_id::vendor`).
    pub fn vendor_id(&self) -> u32 {
        // SAFETY: By the type invariant the device is valid; its id does not change.
        unsafe { (*self.as_raw()).id.vendor }
    }

    /// The number of the device on the bus (C: `virtio_device::index`).
    pub fn index(&self) -> c_int {
        // SAFETY: By the type invariant the device is valid; its index does not change.
        unsafe { (*self.as_raw()).index }
    }
}

impl Device<Bound> {
    /// What device and driver have agreed on.
    pub fn features<S: FeatureSet>(&self) -> Negotiated<S> {
        Negotiated::new(self.feature_bits())
    }

    /// The words of `virtio_device::features`.
    fn feature_bits(&self) -> [u64; feature::FEATURES_U64S] {
        // A recovery negotiates anew, so those of the device are for the core and the transport.
        self.state().map_or_else(
            // SAFETY: By the type invariant the device is valid. Without a state it is about to be
            // probed, and nobody changes its features.
            || unsafe { (*self.as_raw()).__bindgen_anon_1.features_array },
            DeviceState::features,
        )
    }

    /// Whether device and driver have agreed on the feature with the given number.
    fn has_bit(&self, bit: u32) -> bool {
        feature::test_bit(&self.feature_bits(), bit)
    }

    /// The configuration space, laid out as `C`.
    pub fn config<C: ConfigSpace>(&self) -> Config<'_, C> {
        Config::new(self)
    }

    /// The largest piece of memory that the device can be given, in bytes (C:
    /// `virtio_max_dma_size`).
    pub fn max_dma_size(&self) -> usize {
        // SAFETY: By the type invariant the device is valid.
        unsafe { bindings::virtio_max_dma_size(self.as_raw()) }
    }

    /// The byte order of multi-byte fields that the driver and the device exchange.
    pub fn byte_order(&self) -> ByteOrder {
        if self.is_legacy() {
            ByteOrder::Native
        } else {
            ByteOrder::Little
        }
    }

    /// Whether the device is a legacy one: it has not offered
    /// [`Version1`](feature::Version1).
    pub fn is_legacy(&self) -> bool {
        !self.has_bit(bindings::VIRTIO_F_VERSION_1)
    }

    /// Whether the device has given up and waits to be reset
    /// (`VIRTIO_CONFIG_S_NEEDS_RESET`). May sleep.
    pub fn needs_reset(&self) -> bool {
        // SAFETY: By the type invariant the device is valid, and so are its operations.
        let get_status = unsafe { (*(*self.as_raw()).config).get_status };

        get_status.is_some_and(|get_status| {
            // SAFETY: As above.
            let status = unsafe { get_status(self.as_raw()) };

            u32::from(status) & bindings::VIRTIO_CONFIG_S_NEEDS_RESET != 0
        })
    }

    /// Asks for the device to be recovered, as [`Driver::recovery_prepare`] describes it.
    ///
    /// For drivers that do not want to wait any longer for what the device has.
    ///
    /// # Context
    ///
    /// Any.
    ///
    /// # Errors
    ///
    /// [`ENODEV`]: the device is paused, has no queues, was given up or shut down, or is about to
    /// lose its driver.
    pub fn recover(&self) -> Result {
        if self
            .state()
            .is_some_and(|state| state.accuse(Evidence::Asked))
        {
            Ok(())
        } else {
            Err(ENODEV)
        }
    }

    /// Has [`Driver::config_changed`] called soon, as if the device had told of a change.
    ///
    /// For a device that may have changed while it was stopped, and a driver that has to wait for
    /// something in order to take that over: callbacks that have the lock of the device should not
    /// wait, since the device is not recovered meanwhile.
    ///
    /// # Context
    ///
    /// Any.
    pub fn look_at_config(&self) {
        if let Some(state) = self.state() {
            state.config_work().start();
        }
    }

    /// Looks whether the device has failed, and if so has it recovered. Returns whether it has, or
    /// was given up.
    ///
    /// Most of what a device can do wrong is noticed without this. It is for drivers that have
    /// waited for an unusually long time.
    ///
    /// # Context
    ///
    /// Process context; sleeps.
    pub fn has_failed(&self) -> bool {
        self.state().is_some_and(DeviceState::look)
    }

    /// How often the device was recovered since its driver was bound. It is in the file
    /// `recoveries` of the device in sysfs, too.
    pub fn recoveries(&self) -> u32 {
        self.state().map_or(0, |state| state.recovery().cures())
    }

    /// How many bytes of the configuration space may be accessed.
    fn config_len(&self) -> u32 {
        self.state().map_or(0, DeviceState::config_len)
    }

    /// Waits until nobody else uses the configuration space, and the device is not being reset.
    fn config_turn(&self) -> Option<MutexGuard<'_, ()>> {
        self.state().map(|state| state.config_gate().enter())
    }

    /// Reads bytes of the configuration space.
    fn config_get(&self, offset: u32, bytes: &mut [u8]) -> Result {
        // SAFETY: By the type invariant the device is valid, and so are its operations.
        let get = unsafe { (*(*self.as_raw()).config).get }.ok_or(EINVAL)?;
        let len = u32::try_from(bytes.len())?;

        let _turn = self.config_turn();

        // SAFETY: `bytes` is valid for writes of `len` bytes. The callers have checked the end
        // against the length of the space.
        unsafe { get(self.as_raw(), offset, bytes.as_mut_ptr().cast(), len) };
        Ok(())
    }

    /// Writes bytes of the configuration space.
    fn config_set(&self, offset: u32, bytes: &[u8]) -> Result {
        // SAFETY: By the type invariant the device is valid, and so are its operations.
        let set = unsafe { (*(*self.as_raw()).config).set }.ok_or(EOPNOTSUPP)?;
        let len = u32::try_from(bytes.len())?;

        let _turn = self.config_turn();

        // SAFETY: `bytes` is valid for reads of `len` bytes. The callers have checked the end
        // against the length of the space.
        unsafe { set(self.as_raw(), offset, bytes.as_ptr().cast(), len) };
        Ok(())
    }

    /// The number of changes of the configuration space so far, as far as the transport counts
    /// them.
    fn config_generation(&self) -> u32 {
        // SAFETY: By the type invariant the device is valid, and so are its operations.
        let generation = unsafe { (*(*self.as_raw()).config).generation };

        let _turn = self.config_turn();

        // SAFETY: As above.
        generation.map_or(0, |generation| unsafe { generation(self.as_raw()) })
    }

    /// The state that the adapter keeps.
    fn state(&self) -> Option<&DeviceState> {
        // SAFETY: By the type invariant `priv` points to a state while the device is bound, or is
        // null just before and after.
        unsafe { DeviceState::from_raw(self.as_raw()) }
    }
}

impl<'core> Device<Core<'core>> {
    /// A way to the device for data that can outlive its binding.
    ///
    /// # Errors
    ///
    /// [`ENODEV`]: the device is not being bound by a driver of this abstraction.
    pub fn handle(&self) -> Result<Arc<DeviceHandle>> {
        Ok(self.state().ok_or(ENODEV)?.handle().clone())
    }
}

// SAFETY: `Device` is a transparent wrapper of a type that doesn't depend on its generic argument.
kernel::impl_device_context_deref!(unsafe { Device });
kernel::impl_device_context_into_aref!(Device);

// SAFETY: Instances of `Device` are always reference-counted.
unsafe impl AlwaysRefCounted for Device {
    fn inc_ref(&self) {
        // SAFETY: The existence of a shared reference guarantees that the refcount is non-zero.
        unsafe { bindings::get_device(self.as_ref().as_raw()) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        let vdev = obj.cast::<bindings::virtio_device>().as_ptr();
        // SAFETY: The safety requirements guarantee that the refcount is non-zero: it is valid.
        let dev = unsafe { &raw mut (*vdev).dev };

        // SAFETY: As above.
        unsafe { bindings::put_device(dev) }
    }
}

impl<Ctx: device::DeviceContext> AsRef<device::Device<Ctx>> for Device<Ctx> {
    fn as_ref(&self) -> &device::Device<Ctx> {
        // SAFETY: By the type invariant `self` is a valid `struct virtio_device`.
        let dev = unsafe { &raw mut (*self.as_raw()).dev };

        // SAFETY: `dev` points to a valid `struct device`.
        unsafe { device::Device::from_raw(dev) }
    }
}

// SAFETY: A `Device` is always reference-counted and can be released from any thread.
unsafe impl Send for Device {}

// SAFETY: `Device` can be shared among threads because all methods of `Device` are thread safe.
unsafe impl Sync for Device {}

// SAFETY: As for `Device`. Accesses to the configuration space take turns at the gate of the state.
unsafe impl Sync for Device<Bound> {}
