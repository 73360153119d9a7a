// SPDX-License-Identifier: GPL-2.0

//! Between the virtio bus in C and a [`Driver`]: registration, callbacks, and the order of
//! teardown.
//!
//! Whatever made a driver leave its device, the steps are the same:
//!
//! 1. [`Driver::unbind`],
//! 2. the driver's data is dropped: its disk or interface is gone, nothing is in flight,
//! 3. the device is reset, and interrupts are waited for,
//! 4. what it had not given back goes to [`Handler::detached`](super::Handler::detached),
//! 5. the rings are deleted,
//! 6. what interrupts can reach is freed.
//!
//! A failed probe enters at the third step, as does a freeze, which ends after the fifth.

use super::{
    config,
    config_work,
    feature::{
        FeatureSet,
        Negotiation, //
    },
    handle::DeviceHandle,
    no_io::NoIo,
    ops::{
        self,
        DriverOps, //
    },
    recovery::Patience,
    setup::VirtqueueSetup,
    state::DeviceState,
    transport,
    Device,
    Driver, //
};
use crate::{
    device::{
        self,
        late::LateData,
        CoreInternal, //
    },
    driver,
    error::{
        from_result,
        to_result, //
    },
    prelude::*,
    types::{
        Opaque,
        ScopeGuard, //
    },
    ThisModule, //
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
        ops::set_callbacks(fields);
        fields.shutdown = Some(Self::shutdown_callback);
        if T::HAS_VALIDATE {
            fields.validate = Some(Self::validate_callback);
        }
        if T::HAS_SCAN {
            fields.scan = Some(Self::scan_callback);
        }

        // SAFETY: `vdrv` is complete and stays in place until `unregister`.
        to_result(unsafe { bindings::__register_virtio_driver(vdrv, module.as_ptr()) })
    }

    unsafe fn unregister(vdrv: &Opaque<Self::DriverType>) {
        // SAFETY: `vdrv` was registered, by the requirement of this function.
        unsafe { bindings::unregister_virtio_driver(vdrv.get()) }
    }
}

/// What the adapter keeps for a bound device.
#[doc(hidden)]
#[pin_data]
pub struct PrivateData<'bound, T: Driver> {
    #[pin]
    state: DeviceState,
    #[pin]
    data: LateData<T::Data<'bound>>,
}

impl<'bound, T: Driver> PrivateData<'bound, T> {
    fn new(state: impl PinInit<DeviceState>) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            state <- state,
            // SAFETY: It is used by the callbacks of this adapter.
            data <- unsafe { LateData::new() },
        })
    }
}

impl<T: Driver> Adapter<T> {
    /// # Safety
    ///
    /// `vdev` must be valid and about to be probed. Others may read its features, and change none.
    unsafe extern "C" fn validate_callback(vdev: *mut bindings::virtio_device) -> c_int {
        // SAFETY: By the requirement of this function.
        let place = unsafe { &raw mut (*vdev).__bindgen_anon_1.features_array };
        // SAFETY: As above.
        let mut features = unsafe { place.read() };

        from_result(|| {
            T::validate(&mut Negotiation::new(&mut features))?;
            // SAFETY: As above.
            unsafe { place.write(features) };
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
            // A driver in C can have left its own pointer behind, to what it has freed.
            //
            // SAFETY: `vdev` is valid, and `priv` is this driver's, who has not used it yet.
            unsafe { config_work::forget(vdev) };

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

            // SAFETY: `vdev` stays valid for longer than its driver data, and the operations are
            // those of this driver, which probes. The state is stopped below or by remove.
            let state = unsafe { DeviceState::new(vdev, config_len, handle, &Self::OPS) };

            dev.as_ref().set_drvdata(PrivateData::<T>::new(state))?;

            // SAFETY: `set_drvdata` stored this type just above.
            let private = unsafe { dev.as_ref().drvdata_borrow::<PrivateData<'_, T>>() };
            let state = &private.state;

            // The core can tell about changes early.
            state.config_work().disable();
            // SAFETY: `priv` is for the driver's use, and there are no queues that look at it. It
            // is nulled below, or by remove.
            unsafe { config_work::publish(vdev, core::ptr::from_ref(state)) };

            let unwind = ScopeGuard::new(|| {
                // Others can have it by now, and would look at what is freed below.
                state.close_handle();
                state.stop();
                // SAFETY: No other callback of the bus runs.
                unsafe { state.teardown() };
                // SAFETY: No callback of a queue looks at `priv` after the teardown.
                unsafe { config_work::forget(vdev) };
                // SAFETY: `set_drvdata` stored this type, and `private` is not used any more.
                drop(unsafe { dev.as_ref().drvdata_obtain::<PrivateData<'_, T>>() });
            });

            {
                let _calling = state.calling(Patience::Some);
                // SAFETY: `priv` points to the state of this device, which has no queues. It is
                // probed here, once.
                let setup = unsafe { VirtqueueSetup::new(dev, dev.state().ok_or(ENODEV)?) };

                // SAFETY: This is probe.
                unsafe { private.data.init(T::probe(dev, setup)) }?;
            }

            if !state.is_live() {
                // SAFETY: The rings were found, or there are none.
                unsafe { state.make_ready() };
            }
            state.config_work().enable();
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

        let _calling = private.state.calling(Patience::Some);

        if let Some(data) = private.data.get() {
            T::scan(dev, data);
        }
    }

    /// # Safety
    ///
    /// As for [`scan_callback`](Self::scan_callback); the lock of the device is held.
    unsafe extern "C" fn shutdown_callback(vdev: *mut bindings::virtio_device) {
        // SAFETY: As required of this function.
        let (dev, private) = unsafe { Self::from_raw(vdev) };

        let _calling = private.state.calling(Patience::None);

        if let Some(data) = private.data.get() {
            T::shutdown(dev, data);
        }
        private.state.shut_down();
    }

    /// # Safety
    ///
    /// As for [`scan_callback`](Self::scan_callback); the lock of the device is held.
    unsafe extern "C" fn remove_callback(vdev: *mut bindings::virtio_device) {
        // SAFETY: As required of this function.
        let (dev, private) = unsafe { Self::from_raw(vdev) };
        let state = &private.state;
        let calling = state.calling(Patience::None);

        // What does not answer is not waited for.
        if state.look() || state.is_broken() {
            Self::end_in_flight(dev, state);
        }
        state.config_work().stop();

        if let Some(data) = private.data.get() {
            T::unbind(dev, data);
        }
        // SAFETY: The reference above is gone. Other callbacks that use the data need the lock of
        // the device or were stopped by the core.
        unsafe { private.data.drop_data() };
        drop(calling);
        state.close_handle();
        state.stop();

        // SAFETY: No other callback of the bus runs.
        unsafe { state.teardown() };
        // SAFETY: No callback of a queue looks at `priv` after the teardown.
        unsafe { config_work::forget(vdev) };
    }

    /// Ends what a device does not answer, before its driver waits for it.
    fn end_in_flight(dev: &Device<CoreInternal<'_>>, state: &DeviceState) {
        if state.fail_in_flight() {
            dev_warn!(dev, "device is broken, ending what it has not answered\n");
        }
    }

    /// What those call that do not know the driver.
    const OPS: DriverOps = DriverOps {
        freeze: Self::freeze,
        restore: Self::restore,
        reset_prepare: Self::reset_prepare,
        reset_done: Self::reset_done,
        recovery_prepare: Self::recovery_prepare,
        recovery_done: Self::recovery_done,
        recovery_failed: Self::recovery_failed,
        config_changed: Self::config_changed,
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

    /// # Safety
    ///
    /// As for [`freeze`](Self::freeze).
    unsafe fn recovery_prepare(vdev: *mut bindings::virtio_device) {
        // SAFETY: As required of this function.
        let (dev, private) = unsafe { Self::from_raw(vdev) };

        if let Some(data) = private.data.get() {
            T::recovery_prepare(dev, data);
        }
    }

    /// # Safety
    ///
    /// As for [`freeze`](Self::freeze).
    unsafe fn recovery_done(vdev: *mut bindings::virtio_device) -> Result {
        // SAFETY: As required of this function.
        let (dev, private) = unsafe { Self::from_raw(vdev) };

        private
            .data
            .get()
            .map_or(Ok(()), |data| T::recovery_done(dev, data))
    }

    /// # Safety
    ///
    /// As for [`freeze`](Self::freeze).
    unsafe fn recovery_failed(vdev: *mut bindings::virtio_device) {
        // SAFETY: As required of this function.
        let (dev, private) = unsafe { Self::from_raw(vdev) };

        if let Some(data) = private.data.get() {
            T::recovery_failed(dev, data);
        }
    }

    /// # Safety
    ///
    /// As for [`scan_callback`](Self::scan_callback); the driver must be bound, and stay so.
    unsafe fn config_changed(vdev: *mut bindings::virtio_device) {
        // SAFETY: As required of this function.
        let (dev, private) = unsafe { Self::from_raw(vdev) };

        if let Some(data) = private.data.get() {
            T::config_changed(dev, data);
        }
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

        let state = &private.state;
        let calling = state.calling(Patience::Some);

        // The core does not tell again what came before the pause.
        state.config_work().pause();
        if state.look() || state.is_broken() {
            Self::end_in_flight(dev, state);
        }
        if let Some(data) = private.data.get() {
            quiesce(dev, data).inspect_err(|_| state.config_work().resume())?;
        }
        drop(calling);
        // SAFETY: The lock of the device is held.
        unsafe { state.teardown() };
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
        let state = &private.state;

        if state.recovery().is_dead() {
            return Err(ENODEV);
        }

        // The driver may be needed to write back memory.
        let _no_io = NoIo::new();
        let _calling = state.calling(Patience::Some);

        // If there are rings, the driver has refused to pause, or is another one: between the
        // core's reset of the device and the lock, a probe can have been faster.
        //
        // SAFETY: The lock of the device is held, and `priv` points to the state.
        let result = unsafe { state.start_over() }
            .inspect_err(|err| {
                dev_err!(dev, "cannot set up the virtqueues again: {:?}\n", err);
            })
            .and_then(|()| match private.data.get() {
                Some(data) => resume(dev, data),
                None => Ok(()),
            });

        match result {
            Ok(()) => state.config_work().resume(),
            // What has gathered during the pause is not to wait for ever.
            //
            // SAFETY: The driver is bound, and the lock of the device is held.
            Err(_) => unsafe { state.give_up() },
        }
        result
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
