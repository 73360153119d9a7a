// SPDX-License-Identifier: GPL-2.0

//! PCI drivers with a life cycle: power management, shutdown and error recovery.
//!
//! A [`pci::Driver`](super::Driver) is told when it gets a device, and when it loses it. A
//! [`Driver`] of this module is also told when the system suspends and resumes, when it shuts down,
//! and when the bus has lost the device and found it again. All that happens with the lock of the
//! device held, by which the core keeps probe and remove out. So no callback meets another one of
//! the same device, and the driver's data is there in all of them.
//!
//! The lock of a device comes before `rtnl_lock` and those of other subsystems.
//!
//! However a driver leaves its device, the steps are the same:
//!
//! 1. [`Driver::unbind`],
//! 2. the driver's data is dropped, field by field,
//! 3. the [`Scope`] is closed: interrupts and work that are still there end,
//! 4. device-managed resources are released.
//!
//! A failed probe enters at the third step.
//!
//! C header: [`include/linux/pci.h`](srctree/include/linux/pci.h)

use super::{
    Device,
    DeviceId,
    IdTable, //
};
use crate::{
    bindings,
    device::{
        late::LateData,
        scope::Scope,
        Core,
        CoreInternal, //
    },
    device_id::RawDeviceIdIndex,
    dma::DmaMask,
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

/// The state of the connection to a device (C: `pci_channel_state_t`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChannelState {
    /// It works; an error was seen that is not fatal (C: `pci_channel_io_normal`).
    Normal,
    /// Reads and writes are blocked (C: `pci_channel_io_frozen`).
    Frozen,
    /// The device is gone for good (C: `pci_channel_io_perm_failure`).
    PermFailure,
}

impl ChannelState {
    /// Converts from C; what is not known is for good.
    fn from_raw(raw: bindings::pci_channel_state_t) -> Self {
        match raw {
            bindings::pci_channel_io_normal => Self::Normal,
            bindings::pci_channel_io_frozen => Self::Frozen,
            _ => Self::PermFailure,
        }
    }
}

/// What a driver answers to an error of the bus (C: `pci_ers_result_t`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErsResult {
    /// The driver has nothing to say (C: `PCI_ERS_RESULT_NONE`).
    None,
    /// The device can go on without a reset (C: `PCI_ERS_RESULT_CAN_RECOVER`).
    CanRecover,
    /// The slot is to be reset (C: `PCI_ERS_RESULT_NEED_RESET`).
    NeedReset,
    /// The device is lost (C: `PCI_ERS_RESULT_DISCONNECT`).
    Disconnect,
    /// The device works again (C: `PCI_ERS_RESULT_RECOVERED`).
    Recovered,
}

impl ErsResult {
    fn into_raw(self) -> bindings::pci_ers_result_t {
        match self {
            Self::None => bindings::pci_ers_result_PCI_ERS_RESULT_NONE,
            Self::CanRecover => bindings::pci_ers_result_PCI_ERS_RESULT_CAN_RECOVER,
            Self::NeedReset => bindings::pci_ers_result_PCI_ERS_RESULT_NEED_RESET,
            Self::Disconnect => bindings::pci_ers_result_PCI_ERS_RESULT_DISCONNECT,
            Self::Recovered => bindings::pci_ers_result_PCI_ERS_RESULT_RECOVERED,
        }
    }
}

/// A PCI driver with a life cycle (C: `struct pci_driver`).
///
/// # Context
///
/// All callbacks run in process context, with the lock of the device held. In guests of Xen, whose
/// PV front end does not take the lock, those for errors are not called.
///
/// # Examples
///
/// ```
/// use kernel::{
///     device::{
///         scope::Scope,
///         Core, //
///     },
///     dma::DmaMask,
///     new_mutex,
///     pci::{
///         self,
///         enable::{
///             Enabled,
///             Resources, //
///         },
///         lifecycle, //
///     },
///     prelude::*,
///     sync::Mutex, //
/// };
///
/// struct CardDriver;
///
/// #[pin_data]
/// struct Card<'bound> {
///     #[pin]
///     enabled: Mutex<Option<Enabled<'bound>>>,
/// }
///
/// kernel::pci_device_table!(
///     TABLE,
///     <CardDriver as lifecycle::Driver>::IdInfo,
///     [(pci::DeviceId::from_id(pci::Vendor::REDHAT, 0xffff), ())]
/// );
///
/// #[vtable]
/// impl lifecycle::Driver for CardDriver {
///     type IdInfo = ();
///     type Data<'bound> = Card<'bound>;
///     const ID_TABLE: pci::IdTable<Self::IdInfo> = &TABLE;
///     const DMA_MASKS: &'static [DmaMask] = &[DmaMask::new::<64>(), DmaMask::new::<32>()];
///
///     fn probe<'bound>(
///         dev: &'bound pci::Device<Core<'_>>,
///         _id_info: Option<&'bound Self::IdInfo>,
///         _scope: &'bound Scope<'bound>,
///     ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound {
///         pin_init::pin_init_scope(move || {
///             let enabled = dev.enable(Resources::Memory)?;
///
///             enabled.set_master();
///             Ok(try_pin_init!(Card {
///                 enabled <- new_mutex!(Some(enabled)),
///             }? Error))
///         })
///     }
///
///     fn suspend<'bound>(
///         _dev: &'bound pci::Device<Core<'_>>,
///         this: Pin<&Self::Data<'bound>>,
///     ) -> Result {
///         *this.enabled.lock() = None;
///         Ok(())
///     }
///
///     fn resume<'bound>(
///         dev: &'bound pci::Device<Core<'_>>,
///         this: Pin<&Self::Data<'bound>>,
///     ) -> Result {
///         let enabled = dev.enable(Resources::Memory)?;
///
///         enabled.set_master();
///         *this.enabled.lock() = Some(enabled);
///         Ok(())
///     }
/// }
/// ```
#[vtable]
pub trait Driver {
    /// What the driver knows about a device by its id.
    type IdInfo: 'static;

    /// The type of the driver's device private data.
    type Data<'bound>: Send + 'bound;

    /// The devices that the driver is for.
    const ID_TABLE: IdTable<Self::IdInfo>;

    /// The addresses that the device can reach by DMA, the best first (C:
    /// `dma_set_mask_and_coherent`). The first one that the system can do is set before
    /// [`probe`](Self::probe), when nothing is mapped yet. Probe fails if there is none, unless the
    /// list is empty.
    const DMA_MASKS: &'static [DmaMask] = &[];

    /// Binds the driver to a device (C: `pci_driver::probe`).
    ///
    /// `scope` is what interrupts and work are attached to.
    fn probe<'bound>(
        dev: &'bound Device<Core<'_>>,
        id_info: Option<&'bound Self::IdInfo>,
        scope: &'bound Scope<'bound>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound;

    /// Unbinds the driver (C: the start of `pci_driver::remove`).
    ///
    /// For what needs the device in this context. All that owns something belongs into the `Drop`
    /// of the data, which comes next. The device may be gone: reads give all ones.
    fn unbind<'bound>(dev: &'bound Device<Core<'_>>, this: Pin<&Self::Data<'bound>>) {
        let _ = (dev, this);
    }

    /// The system suspends or hibernates (C: `dev_pm_ops::suspend`, and what
    /// `DEFINE_SIMPLE_DEV_PM_OPS` makes the same).
    ///
    /// The core saves the configuration space and lowers the power afterwards.
    ///
    /// # Errors
    ///
    /// An error ends the suspend; the driver goes on as before.
    fn suspend<'bound>(dev: &'bound Device<Core<'_>>, this: Pin<&Self::Data<'bound>>) -> Result {
        let _ = (dev, this);
        Ok(())
    }

    /// The system is back (C: `dev_pm_ops::resume`). The core has powered the device up and
    /// restored its configuration space.
    ///
    /// # Errors
    ///
    /// An error is logged; the driver stays bound.
    fn resume<'bound>(dev: &'bound Device<Core<'_>>, this: Pin<&Self::Data<'bound>>) -> Result {
        let _ = (dev, this);
        Ok(())
    }

    /// The system shuts down or reboots (C: `pci_driver::shutdown`). The driver stays bound.
    fn shutdown<'bound>(dev: &'bound Device<Core<'_>>, this: Pin<&Self::Data<'bound>>) {
        let _ = (dev, this);
    }

    /// The bus has seen an error of the device (C: `pci_error_handlers::error_detected`). Unless
    /// the `state` is [`ChannelState::Normal`], the device cannot be accessed.
    ///
    /// A driver without it has no error handlers, and its devices are not recovered.
    fn error_detected<'bound>(
        dev: &'bound Device<Core<'_>>,
        this: Pin<&Self::Data<'bound>>,
        state: ChannelState,
    ) -> ErsResult {
        let _ = (dev, this, state);
        ErsResult::None
    }

    /// The slot was reset (C: `pci_error_handlers::slot_reset`). The device is as after power-on,
    /// with its configuration space restored.
    fn slot_reset<'bound>(
        dev: &'bound Device<Core<'_>>,
        this: Pin<&Self::Data<'bound>>,
    ) -> ErsResult {
        let _ = (dev, this);
        ErsResult::None
    }

    /// All is well again (C: `pci_error_handlers::resume`): the driver goes on.
    fn error_resume<'bound>(dev: &'bound Device<Core<'_>>, this: Pin<&Self::Data<'bound>>) {
        let _ = (dev, this);
    }
}

/// An adapter for the registration of PCI drivers with a life cycle.
pub struct Adapter<T: Driver>(T);

// SAFETY:
// - `bindings::pci_driver` is a C type declared as `repr(C)`.
// - `PrivateData<'bound, T>` is the type of the driver's device private data.
// - `struct pci_driver` embeds a `struct device_driver`.
// - `DEVICE_DRIVER_OFFSET` is the correct byte offset to the embedded `struct device_driver`.
unsafe impl<T: Driver> driver::DriverLayout for Adapter<T> {
    type DriverType = bindings::pci_driver;
    type DriverData<'bound> = PrivateData<'bound, T>;
    const DEVICE_DRIVER_OFFSET: usize = core::mem::offset_of!(Self::DriverType, driver);
}

// SAFETY: A call to `unregister` for a given instance of `DriverType` is guaranteed to be valid if
// a preceding call to `register` has been successful.
unsafe impl<T: Driver> driver::RegistrationOps for Adapter<T> {
    unsafe fn register(
        pdrv: &Opaque<Self::DriverType>,
        name: &'static CStr,
        module: &'static ThisModule,
    ) -> Result {
        let pdrv = pdrv.get();

        // SAFETY: The driver is not registered yet, so nobody else looks at it.
        let fields = unsafe { &mut *pdrv };

        fields.name = name.as_char_ptr();
        fields.id_table = T::ID_TABLE.as_ptr();
        fields.probe = Some(Self::probe_callback);
        fields.remove = Some(Self::remove_callback);
        if T::HAS_SHUTDOWN {
            fields.shutdown = Some(Self::shutdown_callback);
        }
        // SAFETY: Safe to call anywhere.
        let unlocked = unsafe { bindings::pci_error_handlers_run_unlocked() };

        if T::HAS_ERROR_DETECTED && !unlocked {
            fields.err_handler = &raw const *Self::ERROR_HANDLERS;
        }
        #[cfg(CONFIG_PM_SLEEP)]
        if T::HAS_SUSPEND || T::HAS_RESUME {
            fields.driver.pm = &raw const *Self::PM_OPS;
        }

        // SAFETY: `pdrv` is complete and stays in place until `unregister`.
        to_result(unsafe {
            bindings::__pci_register_driver(pdrv, module.as_ptr(), name.as_char_ptr())
        })
    }

    unsafe fn unregister(pdrv: &Opaque<Self::DriverType>) {
        // SAFETY: `pdrv` was registered, by the requirement of this function.
        unsafe { bindings::pci_unregister_driver(pdrv.get()) }
    }
}

/// What the adapter keeps for a bound device.
#[doc(hidden)]
#[pin_data]
pub struct PrivateData<'bound, T: Driver> {
    #[pin]
    data: LateData<T::Data<'bound>>,
    #[pin]
    scope: Scope<'bound>,
}

impl<'bound, T: Driver> PrivateData<'bound, T> {
    /// # Safety
    ///
    /// The scope must be closed before the device is unbound.
    unsafe fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            // SAFETY: It is used by the callbacks of this adapter.
            data <- unsafe { LateData::new() },
            // SAFETY: By the requirement of this function.
            scope <- unsafe { Scope::new() },
        })
    }
}

/// A bound device and what the adapter keeps for it.
type BoundParts<'b, T> = (&'b Device<CoreInternal<'b>>, Pin<&'b PrivateData<'b, T>>);

impl<T: Driver> Adapter<T> {
    /// # Safety
    ///
    /// `pdev` and `id` must be valid and stay so for the whole call. The lock of the device is
    /// held, and it has no driver data.
    unsafe extern "C" fn probe_callback(
        pdev: *mut bindings::pci_dev,
        id: *const bindings::pci_device_id,
    ) -> c_int {
        // SAFETY: `pdev` is valid by the requirement of this function.
        let dev = unsafe { &*pdev.cast::<Device<CoreInternal<'_>>>() };
        // SAFETY: `id` is valid, and `DeviceId` is a transparent wrapper.
        let id = unsafe { &*id.cast::<DeviceId>() };
        // SAFETY: `id` is from `T::ID_TABLE`, or a dynamic one, which has the data of an entry of
        // that table or none.
        let info = unsafe { id.info_unchecked_opt::<T::IdInfo>() };

        from_result(|| {
            Self::set_dma_mask(dev)?;

            // SAFETY: The scope is closed below if probe fails, and by remove otherwise.
            let private = unsafe { PrivateData::<T>::new() };

            dev.as_ref().set_drvdata(private)?;

            // SAFETY: `set_drvdata` stored this type just above.
            let (dev, private) = unsafe { Self::from_raw(pdev) };
            let unwind = ScopeGuard::new(|| {
                private.scope.close();
                // SAFETY: `set_drvdata` stored this type, and `private` is not used any more.
                drop(unsafe { dev.as_ref().drvdata_obtain::<PrivateData<'_, T>>() });
            });

            // SAFETY: This is probe.
            unsafe {
                private
                    .data
                    .init(T::probe(dev, info, &private.get_ref().scope))
            }?;
            unwind.dismiss();
            Ok(0)
        })
    }

    /// Sets the first DMA mask that works.
    fn set_dma_mask(dev: &Device<CoreInternal<'_>>) -> Result {
        let mut result = Ok(());

        for mask in T::DMA_MASKS {
            // SAFETY: The device is valid, and not bound yet, so nothing is mapped meanwhile.
            result = to_result(unsafe {
                bindings::dma_set_mask_and_coherent(dev.as_ref().as_raw(), mask.value())
            });
            if result.is_ok() {
                break;
            }
        }
        result.inspect_err(|err| dev_err!(dev, "no usable DMA mask: {:?}\n", err))
    }

    /// # Safety
    ///
    /// `pdev` must be valid, with its lock held, and its driver data be that of this adapter.
    unsafe extern "C" fn remove_callback(pdev: *mut bindings::pci_dev) {
        // SAFETY: As required of this function.
        let (dev, private) = unsafe { Self::from_raw(pdev) };

        if let Some(data) = private.data.get() {
            T::unbind(dev, data);
        }
        // SAFETY: The reference above is gone. Other callbacks that use the data need the lock of
        // the device.
        unsafe { private.data.drop_data() };
        private.scope.close();
    }

    /// # Safety
    ///
    /// As for [`remove_callback`](Self::remove_callback).
    unsafe extern "C" fn shutdown_callback(pdev: *mut bindings::pci_dev) {
        // SAFETY: As required of this function.
        let (dev, private) = unsafe { Self::from_raw(pdev) };

        if let Some(data) = private.data.get() {
            T::shutdown(dev, data);
        }
    }

    /// Returns the device and the data of the adapter.
    ///
    /// # Safety
    ///
    /// `pdev` must be valid, and its driver data be that of this adapter, for `'b`.
    unsafe fn from_raw<'b>(pdev: *mut bindings::pci_dev) -> BoundParts<'b, T> {
        // SAFETY: `pdev` is valid by the requirement of this function.
        let dev = unsafe { &*pdev.cast::<Device<CoreInternal<'b>>>() };
        // SAFETY: The data is of this type by the requirement of this function.
        let private = unsafe { dev.as_ref().drvdata_borrow::<PrivateData<'b, T>>() };

        (dev, private)
    }
}

/// Power management.
#[cfg(CONFIG_PM_SLEEP)]
impl<T: Driver> Adapter<T> {
    /// What `DEFINE_SIMPLE_DEV_PM_OPS` makes in C.
    const PM_OPS: &'static bindings::dev_pm_ops = &bindings::dev_pm_ops {
        suspend: Some(Self::suspend_callback),
        resume: Some(Self::resume_callback),
        freeze: Some(Self::suspend_callback),
        thaw: Some(Self::resume_callback),
        poweroff: Some(Self::suspend_callback),
        restore: Some(Self::resume_callback),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// `dev` must be the device of a `struct pci_dev`, for which
    /// [`remove_callback`](Self::remove_callback) could be called.
    unsafe extern "C" fn suspend_callback(dev: *mut bindings::device) -> c_int {
        // SAFETY: As required of this function.
        let (dev, private) = unsafe { Self::from_raw_device(dev) };

        from_result(|| {
            private
                .data
                .get()
                .map_or(Ok(()), |data| T::suspend(dev, data))
                .map(|()| 0)
        })
    }

    /// # Safety
    ///
    /// As for [`suspend_callback`](Self::suspend_callback).
    unsafe extern "C" fn resume_callback(dev: *mut bindings::device) -> c_int {
        // SAFETY: As required of this function.
        let (dev, private) = unsafe { Self::from_raw_device(dev) };

        from_result(|| {
            private
                .data
                .get()
                .map_or(Ok(()), |data| T::resume(dev, data))
                .map(|()| 0)
        })
    }

    /// # Safety
    ///
    /// As for [`suspend_callback`](Self::suspend_callback), for `'b`.
    unsafe fn from_raw_device<'b>(dev: *mut bindings::device) -> BoundParts<'b, T> {
        // SAFETY: By the requirement of this function.
        let pdev = unsafe { crate::container_of!(dev, bindings::pci_dev, dev) };

        // SAFETY: As required of this function.
        unsafe { Self::from_raw(pdev) }
    }
}

/// Error recovery.
impl<T: Driver> Adapter<T> {
    const ERROR_HANDLERS: &'static bindings::pci_error_handlers = &bindings::pci_error_handlers {
        error_detected: Some(Self::error_detected_callback),
        slot_reset: Some(Self::slot_reset_callback),
        resume: Some(Self::error_resume_callback),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// As for [`remove_callback`](Self::remove_callback).
    unsafe extern "C" fn error_detected_callback(
        pdev: *mut bindings::pci_dev,
        state: bindings::pci_channel_state_t,
    ) -> bindings::pci_ers_result_t {
        // SAFETY: As required of this function.
        let (dev, private) = unsafe { Self::from_raw(pdev) };
        let state = ChannelState::from_raw(state);

        private
            .data
            .get()
            .map_or(ErsResult::None, |data| T::error_detected(dev, data, state))
            .into_raw()
    }

    /// # Safety
    ///
    /// As for [`remove_callback`](Self::remove_callback).
    unsafe extern "C" fn slot_reset_callback(
        pdev: *mut bindings::pci_dev,
    ) -> bindings::pci_ers_result_t {
        // SAFETY: As required of this function.
        let (dev, private) = unsafe { Self::from_raw(pdev) };

        private
            .data
            .get()
            .map_or(ErsResult::None, |data| T::slot_reset(dev, data))
            .into_raw()
    }

    /// # Safety
    ///
    /// As for [`remove_callback`](Self::remove_callback).
    unsafe extern "C" fn error_resume_callback(pdev: *mut bindings::pci_dev) {
        // SAFETY: As required of this function.
        let (dev, private) = unsafe { Self::from_raw(pdev) };

        if let Some(data) = private.data.get() {
            T::error_resume(dev, data);
        }
    }
}

/// Declares a module with a single PCI driver that has a [life cycle](Driver).
///
/// # Examples
///
///```ignore
/// kernel::module_pci_lifecycle_driver! {
///     type: MyDriver,
///     name: "Module name",
///     authors: ["Author name"],
///     description: "Description",
///     license: "GPL v2",
/// }
///```
#[macro_export]
macro_rules! module_pci_lifecycle_driver {
    ($($f:tt)*) => {
        $crate::module_driver!(<T>, $crate::pci::lifecycle::Adapter<T>, { $($f)* });
    };
}

#[cfg(CONFIG_RUST_DRIVER_CORE_KUNIT_TEST)]
mod tests;
