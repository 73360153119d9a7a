// SPDX-License-Identifier: GPL-2.0

//! Between the virtio bus in C and a [`Driver`]: registration, callbacks, and the order of
//! teardown.
//!
//! Whatever made a driver leave its device, the steps are the same:
//!
//! 1. [`Driver::unbind`],
//! 2. the driver's data is dropped: its disk or interface is gone, nothing is in flight,
//! 3. the device is reset,
//! 4. what it had not given back goes to [`Handler::detached`](super::Handler::detached),
//! 5. the rings are deleted, which waits for interrupts,
//! 6. what interrupts can reach is freed.
//!
//! A failed probe enters at the third step, as does a freeze, which ends after the fifth.

use super::{
    config,
    feature::{
        FeatureSet,
        Negotiation, //
    },
    handle::DeviceHandle,
    pause::{
        self,
        PauseOps, //
    },
    state::DeviceState,
    transport,
    Device,
    Driver, //
};
use crate::{
    container_of,
    device::{
        self,
        Bound,
        CoreInternal, //
    },
    driver,
    error::{
        from_result,
        to_result, //
    },
    prelude::*,
    static_lock_class,
    sync::LockClassKey,
    types::{
        Opaque,
        ScopeGuard, //
    },
    ThisModule, //
};
use core::{
    cell::UnsafeCell,
    mem::MaybeUninit, //
};

/// An adapter for the registration of virtio drivers.
pub struct Adapter<T: Driver>(T);

// SAFETY:
// - `bindings::virtio_driver` is a C type declared as `repr(C)`.
// - `PrivateData<'bound, T>` is the type of the driver's device private data.
// - `struct virtio_driver` embeds a `struct device_driver`.
// - `DEVICE_DRIVER_OFFSET` is the correct byte offset to the embedded `struct device_driver`.
unsafe impl<T: Driver> driver::DriverLayout for Adapter<T> {
    type DriverType = bindings::virtio_driver;
    type DriverData<'bound> = PrivateData<'bound, T>;
    const DEVICE_DRIVER_OFFSET: usize = core::mem::offset_of!(Self::DriverType, driver);
}

// SAFETY: A call to `unregister` for a given instance of `DriverType` is guaranteed to be valid if
// a preceding call to `register` has been successful.
unsafe impl<T: Driver> driver::RegistrationOps for Adapter<T> {
    unsafe fn register(
        vdrv: &Opaque<Self::DriverType>,
        name: &'static CStr,
        module: &'static ThisModule,
    ) -> Result {
        let table = T::Features::TABLE;
        let legacy = T::Features::LEGACY_TABLE;
        let vdrv = vdrv.get();

        // SAFETY: The driver is not registered yet, so nobody else looks at it.
        let fields = unsafe { &mut *vdrv };

        fields.driver.name = name.as_char_ptr();
        fields.id_table = T::ID_TABLE.as_ptr();
        fields.feature_table = table.as_ptr();
        fields.feature_table_size = u32::try_from(table.len())?;
        fields.feature_table_legacy = legacy.as_ptr();
        fields.feature_table_size_legacy = u32::try_from(legacy.len())?;
        fields.probe = Some(Self::probe_callback);
        fields.remove = Some(Self::remove_callback);
        pause::set_callbacks(fields);
        fields.shutdown = Some(Self::shutdown_callback);
        if T::HAS_VALIDATE {
            fields.validate = Some(Self::validate_callback);
        }
        if T::HAS_SCAN {
            fields.scan = Some(Self::scan_callback);
        }
        if T::HAS_CONFIG_CHANGED {
            fields.config_changed = Some(Self::config_changed_callback);
        }

        // SAFETY: `vdrv` is complete and stays in place until `unregister`.
        to_result(unsafe { bindings::__register_virtio_driver(vdrv, module.as_ptr()) })
    }

    unsafe fn unregister(vdrv: &Opaque<Self::DriverType>) {
        // SAFETY: `vdrv` was registered, by the requirement of this function.
        unsafe { bindings::unregister_virtio_driver(vdrv.get()) }
    }
}

/// The name of the work item of all devices.
static CONFIG_WORK_NAME: &CStr = c"virtio_config_changed";

/// The lock class of the work item of all devices; not in a generic function, of which each module
/// has a copy.
#[inline(never)]
fn config_work_class() -> Pin<&'static LockClassKey> {
    static_lock_class!()
}

/// What the adapter keeps for a bound device.
///
/// # Invariants
///
/// - `data` is initialized if and only if `initialized` is true.
/// - Both are accessed with the lock of the device held, or by a callback that the core only runs
///   between the end of probe and the start of remove.
#[doc(hidden)]
#[pin_data]
pub struct PrivateData<'bound, T: Driver> {
    dev: &'bound Device<Bound>,
    state: DeviceState,
    #[pin]
    data: UnsafeCell<MaybeUninit<T::Data<'bound>>>,
    initialized: UnsafeCell<bool>,
    #[pin]
    config_work: Opaque<bindings::work_struct>,
}

impl<'bound, T: Driver> PrivateData<'bound, T> {
    fn new(dev: &'bound Device<Bound>, state: DeviceState) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            dev,
            state,
            data: UnsafeCell::new(MaybeUninit::uninit()),
            // INVARIANT: `data` is not initialized.
            initialized: UnsafeCell::new(false),
            config_work <- Opaque::ffi_init(|work: *mut bindings::work_struct| {
                // SAFETY: `work` is valid for writes and stays in place.
                unsafe {
                    bindings::init_work_with_key(
                        work,
                        Some(Self::config_work_callback),
                        false,
                        CONFIG_WORK_NAME.as_char_ptr(),
                        config_work_class().as_ptr(),
                    )
                };
                // SAFETY: `work` was initialized just above.
                unsafe { bindings::disable_work(work) };
            }),
        })
    }

    /// The driver's data, from the end of probe to the start of remove.
    fn data(&self) -> Option<Pin<&T::Data<'bound>>> {
        // SAFETY: By the type invariant nobody writes the flag at the same time.
        if !unsafe { *self.initialized.get() } {
            return None;
        }
        // SAFETY: By the type invariant nobody has an exclusive reference.
        let data = unsafe { &*self.data.get() };
        // SAFETY: By the type invariant `data` is initialized.
        let data = unsafe { data.assume_init_ref() };

        // SAFETY: `data` is a pinned field.
        Some(unsafe { Pin::new_unchecked(data) })
    }

    /// Creates the driver's data.
    ///
    /// # Safety
    ///
    /// Must be called once, by probe.
    unsafe fn init(&self, init: impl PinInit<T::Data<'bound>, Error>) -> Result {
        // SAFETY: Nobody else accesses `data` before it is initialized.
        let slot = unsafe { (*self.data.get()).as_mut_ptr() };

        // SAFETY: `slot` is valid for writes, pinned, and not initialized.
        unsafe { pin_init::raw_try_init(slot, init) }?;
        // SAFETY: By the requirement of this function, only probe is there.
        // INVARIANT: `data` was initialized just above.
        unsafe { *self.initialized.get() = true };
        Ok(())
    }

    /// Drops the driver's data.
    ///
    /// # Safety
    ///
    /// There must be no reference to the data. Must be called by remove.
    unsafe fn drop_data(&self) {
        // SAFETY: By the requirement of this function, only remove is there.
        // INVARIANT: `data` counts as uninitialized from here on.
        if unsafe { self.initialized.get().replace(false) } {
            // SAFETY: `data` was initialized, and nobody has a reference to it.
            unsafe { (*self.data.get()).assume_init_drop() };
        }
    }

    /// Tells the driver about a change of the configuration, in process context.
    ///
    /// # Safety
    ///
    /// `work` must be the `config_work` of a `PrivateData` of this type, queued between the end of
    /// probe and the start of remove, which waits for it.
    unsafe extern "C" fn config_work_callback(work: *mut bindings::work_struct) {
        // SAFETY: `work` is a field of a `PrivateData` by the requirement of this function.
        let this = unsafe {
            &*container_of!(Opaque::cast_from(work), PrivateData<'bound, T>, config_work)
        };

        if let Some(data) = this.data() {
            T::config_changed(this.dev, data);
        }
    }

    /// Lets the work be queued, at the end of probe. The core can tell about changes earlier, and
    /// later than the start of remove, when a pause ends that has met an unbind.
    fn enable_config_work(&self) {
        // SAFETY: `config_work` is initialized.
        unsafe { bindings::enable_work(self.config_work.get()) };
    }

    /// Queues the work, if it is enabled and not queued already.
    fn queue_config_work(&self) {
        // SAFETY: The workqueue exists, and `config_work` is initialized. Remove disables it before
        // anything goes away.
        unsafe {
            bindings::queue_work_on(
                bindings::wq_misc_consts_WORK_CPU_UNBOUND as c_int,
                bindings::system_dfl_wq,
                self.config_work.get(),
            )
        };
    }

    /// Runs the work if it is queued, and waits for it. The core has stopped to queue it.
    fn flush_config_work(&self) {
        // SAFETY: `config_work` is initialized.
        unsafe { bindings::flush_work(self.config_work.get()) };
    }

    /// Takes the work out of the queue, waits for it, and lets it not be queued any more.
    fn disable_config_work(&self) {
        // SAFETY: `config_work` is initialized.
        unsafe { bindings::disable_work_sync(self.config_work.get()) };
    }
}

impl<T: Driver> Adapter<T> {
    /// # Safety
    ///
    /// `vdev` must be valid and about to be probed; nothing else uses its features.
    unsafe extern "C" fn validate_callback(vdev: *mut bindings::virtio_device) -> c_int {
        // SAFETY: By the requirement of this function.
        let features = unsafe { &mut (*vdev).__bindgen_anon_1.features_array };

        from_result(|| {
            T::validate(&mut Negotiation::new(features))?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `vdev` must be valid and stay so for the whole call. The lock of the device is held, and it
    /// has no driver data.
    unsafe extern "C" fn probe_callback(vdev: *mut bindings::virtio_device) -> c_int {
        // SAFETY: `vdev` is valid by the requirement of this function.
        let dev = unsafe { &*vdev.cast::<Device<CoreInternal<'_>>>() };

        from_result(|| {
            // SAFETY: `vdev` is valid.
            let config_len = unsafe { transport::config_len(vdev) };
            let required = config::required_len::<T::Config>(dev.features());

            if config_len < required {
                dev_err!(
                    dev,
                    "configuration space has {} bytes, the negotiated features need {}\n",
                    config_len,
                    required
                );
                return Err(EINVAL);
            }

            // SAFETY: The handle is closed below if probe fails, and by remove otherwise.
            let handle = unsafe { DeviceHandle::new(dev) }?;
            let close = ScopeGuard::new_with_data(handle.clone(), |handle| handle.close());

            // SAFETY: The operations are those of this driver, which probes.
            let state = unsafe { DeviceState::new(config_len, handle, &Self::PAUSE_OPS) };

            dev.as_ref()
                .set_drvdata(PrivateData::<T>::new(dev, state))?;

            // SAFETY: `set_drvdata` stored this type just above.
            let private = unsafe { dev.as_ref().drvdata_borrow::<PrivateData<'_, T>>() };
            let state = core::ptr::from_ref(&private.state).cast_mut();

            // SAFETY: `priv` is for the driver's use, and there are no queues that look at it.
            unsafe { (*vdev).priv_ = state.cast() };

            let unwind = ScopeGuard::new(|| {
                // Others can have it by now, and would look at what is freed below.
                private.state.handle().close();
                // SAFETY: `vdev` is the device of this state.
                unsafe { private.state.teardown(vdev) };
                // SAFETY: No callback looks at `priv` after the teardown.
                unsafe { (*vdev).priv_ = core::ptr::null_mut() };
                // SAFETY: `set_drvdata` stored this type, and `private` is not used any more.
                drop(unsafe { dev.as_ref().drvdata_obtain::<PrivateData<'_, T>>() });
            });

            // SAFETY: This is probe.
            unsafe { private.init(T::probe(dev)) }?;

            if !private.state.is_live() {
                // SAFETY: The rings were found, or there are none.
                unsafe { dev.make_ready(&private.state) };
            }
            private.enable_config_work();
            unwind.dismiss();
            close.dismiss();
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `vdev` must be valid, and its driver data be that of this adapter.
    unsafe extern "C" fn scan_callback(vdev: *mut bindings::virtio_device) {
        // SAFETY: As required of this function.
        let (dev, private) = unsafe { Self::from_raw(vdev) };

        if let Some(data) = private.data() {
            T::scan(dev, data);
        }
    }

    /// # Safety
    ///
    /// As for [`scan_callback`](Self::scan_callback).
    unsafe extern "C" fn config_changed_callback(vdev: *mut bindings::virtio_device) {
        // SAFETY: As required of this function.
        let (_, private) = unsafe { Self::from_raw(vdev) };

        private.queue_config_work();
    }

    /// # Safety
    ///
    /// As for [`scan_callback`](Self::scan_callback); the lock of the device is held.
    unsafe extern "C" fn shutdown_callback(vdev: *mut bindings::virtio_device) {
        // SAFETY: As required of this function.
        let (dev, private) = unsafe { Self::from_raw(vdev) };

        if let Some(data) = private.data() {
            T::shutdown(dev, data);
        }
        // SAFETY: `vdev` is valid by the requirement of this function.
        unsafe { bindings::virtio_device_shutdown(vdev) };
    }

    /// # Safety
    ///
    /// As for [`scan_callback`](Self::scan_callback); the lock of the device is held.
    unsafe extern "C" fn remove_callback(vdev: *mut bindings::virtio_device) {
        // SAFETY: As required of this function.
        let (dev, private) = unsafe { Self::from_raw(vdev) };

        private.disable_config_work();

        if private.state.is_broken() {
            dev_warn!(dev, "device is broken, ending what it has not answered\n");
            // SAFETY: `vdev` is the device of this state.
            unsafe { private.state.abort(vdev) };
        }

        if let Some(data) = private.data() {
            T::unbind(dev, data);
        }
        // SAFETY: The reference above is gone. Other callbacks that use the data need the lock of
        // the device or were stopped by the core.
        unsafe { private.drop_data() };
        private.state.handle().close();

        // SAFETY: `vdev` is the device of this state.
        unsafe { private.state.teardown(vdev) };
        // SAFETY: No callback looks at `priv` after the teardown.
        unsafe { (*vdev).priv_ = core::ptr::null_mut() };
    }

    /// What is done about pauses.
    const PAUSE_OPS: PauseOps = PauseOps {
        freeze: Self::freeze,
        restore: Self::restore,
        reset_prepare: Self::reset_prepare,
        reset_done: Self::reset_done,
    };

    /// # Safety
    ///
    /// As for [`scan_callback`](Self::scan_callback), and the lock of the device is held; so for
    /// all that follow.
    unsafe fn freeze(vdev: *mut bindings::virtio_device) -> Result {
        // SAFETY: As required of this function.
        unsafe { Self::stop(vdev, T::freeze) }
    }

    /// # Safety
    ///
    /// As for [`freeze`](Self::freeze).
    unsafe fn reset_prepare(vdev: *mut bindings::virtio_device) -> Result {
        // SAFETY: As required of this function.
        unsafe { Self::stop(vdev, T::reset_prepare) }
    }

    /// # Safety
    ///
    /// As for [`freeze`](Self::freeze).
    unsafe fn restore(vdev: *mut bindings::virtio_device) -> Result {
        // SAFETY: As required of this function.
        unsafe { Self::start(vdev, T::restore) }
    }

    /// # Safety
    ///
    /// As for [`freeze`](Self::freeze).
    unsafe fn reset_done(vdev: *mut bindings::virtio_device) -> Result {
        // SAFETY: As required of this function.
        unsafe { Self::start(vdev, T::reset_done) }
    }

    /// Asks the driver to be quiet, then takes the queues down.
    ///
    /// # Safety
    ///
    /// As for [`freeze`](Self::freeze).
    unsafe fn stop(
        vdev: *mut bindings::virtio_device,
        quiesce: for<'b> fn(&'b Device<device::Core<'_>>, Pin<&T::Data<'b>>) -> Result,
    ) -> Result {
        // SAFETY: As required of this function.
        let (dev, private) = unsafe { Self::from_raw(vdev) };

        // The core does not tell again what came before the pause.
        private.flush_config_work();
        if private.state.is_broken() {
            dev_warn!(dev, "device is broken, ending what it has not answered\n");
            // SAFETY: `vdev` is the device of this state.
            unsafe { private.state.abort(vdev) };
        }
        if let Some(data) = private.data() {
            quiesce(dev, data)?;
        }
        // SAFETY: `vdev` is the device of this state.
        unsafe { private.state.teardown(vdev) };
        Ok(())
    }

    /// Brings the queues up again, then lets the driver go on.
    ///
    /// # Safety
    ///
    /// As for [`freeze`](Self::freeze).
    unsafe fn start(
        vdev: *mut bindings::virtio_device,
        resume: for<'b> fn(&'b Device<device::Core<'_>>, Pin<&T::Data<'b>>) -> Result,
    ) -> Result {
        // SAFETY: As required of this function.
        let (dev, private) = unsafe { Self::from_raw(vdev) };

        // If there are rings, the driver has refused to pause, or is another one: between the
        // core's reset of the device and the lock, a probe can have been faster.
        //
        // SAFETY: `vdev` is the device of this state.
        unsafe { private.state.start_over(vdev) }?;
        if !private.state.queues().is_empty() {
            // SAFETY: `vdev` is the device of this state, to which `priv` points.
            unsafe { private.state.find(vdev) }.inspect_err(|err| {
                dev_err!(dev, "cannot set up the virtqueues again: {:?}\n", err);
            })?;
        }
        // SAFETY: The rings were found just above.
        unsafe { dev.make_ready(&private.state) };
        if let Some(data) = private.data() {
            resume(dev, data)?;
        }
        Ok(())
    }

    /// Returns the device and the data of the adapter.
    ///
    /// # Safety
    ///
    /// `vdev` must be valid, and its driver data be that of this adapter, for `'b`.
    unsafe fn from_raw<'b>(vdev: *mut bindings::virtio_device) -> BoundParts<'b, T> {
        // SAFETY: `vdev` is valid by the requirement of this function.
        let dev = unsafe { &*vdev.cast::<Device<CoreInternal<'b>>>() };
        // SAFETY: The data is of this type by the requirement of this function.
        let private = unsafe { dev.as_ref().drvdata_borrow::<PrivateData<'b, T>>() };

        (dev, private)
    }
}

/// A bound device and what the adapter keeps for it.
type BoundParts<'b, T> = (&'b Device<CoreInternal<'b>>, Pin<&'b PrivateData<'b, T>>);
