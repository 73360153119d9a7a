// SPDX-License-Identifier: GPL-2.0

//! Drivers without a bus, of devices that are made of software.
//!
//! A bus gives its drivers devices. A driver of something that no bus has, such as a network device
//! without hardware, makes a device of its own, which is there as long as its module is loaded. To
//! the driver that is the time for which the device is bound: it has a [`Scope`], as the drivers of
//! `pci::lifecycle` have.
//!
//! When the module goes, the steps are:
//!
//! 1. the driver's data is dropped, field by field,
//! 2. the [`Scope`] is closed: what is still attached ends,
//! 3. the device is gone.
//!
//! A failed probe enters at the second step.
//!
//! C header: [`include/linux/device/faux.h`](srctree/include/linux/device/faux.h)

use crate::{
    device::{
        scope::Scope,
        Bound,
        Device, //
    },
    faux,
    prelude::*, //
};

/// A driver of a device that its module makes.
///
/// # Examples
///
/// ```
/// use kernel::{
///     device::{
///         scope::Scope,
///         Bound,
///         Device, //
///     },
///     faux::lifecycle,
///     prelude::*, //
/// };
///
/// struct MyDriver;
///
/// struct Data<'bound> {
///     _dev: &'bound Device<Bound>,
/// }
///
/// impl lifecycle::Driver for MyDriver {
///     type Data<'bound> = Data<'bound>;
///
///     fn probe<'bound>(
///         dev: &'bound Device<Bound>,
///         _scope: &'bound Scope<'bound>,
///     ) -> impl PinInit<Data<'bound>, Error> + 'bound {
///         dev_info!(dev, "bound\n");
///         Ok(Data { _dev: dev })
///     }
/// }
/// ```
pub trait Driver {
    /// The data of the driver. It can borrow what is there as long as the device is bound.
    type Data<'bound>: Send + 'bound;

    /// Binds the driver to its device.
    ///
    /// `scope` is what has to end before the device is gone is attached to.
    ///
    /// # Context
    ///
    /// Process context, while the module is loaded. May sleep.
    ///
    /// # Errors
    ///
    /// The module is not loaded.
    fn probe<'bound>(
        dev: &'bound Device<Bound>,
        scope: &'bound Scope<'bound>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound;
}

/// A device and what its driver has for it.
///
/// Made by [`module_faux_driver!`](crate::module_faux_driver).
///
/// # Invariants
///
/// What `data` and `scope` borrow is the device of `dev`, and `scope`.
pub struct Registration<T: Driver> {
    data: Option<Pin<KBox<T::Data<'static>>>>,
    scope: Pin<KBox<Scope<'static>>>,
    // Dropped last.
    dev: faux::Registration,
}

// SAFETY: A shared reference gives access to nothing.
unsafe impl<T: Driver> Sync for Registration<T> {}

impl<T: Driver> Registration<T> {
    /// Makes the device called `name`, and binds the driver to it.
    ///
    /// # Safety
    ///
    /// The result must be dropped before the code of `T` is gone.
    ///
    /// # Context
    ///
    /// Process context. May sleep.
    ///
    /// # Errors
    ///
    /// - [`ENODEV`] if the device cannot be made, as when there is one of that name.
    /// - [`ENOMEM`] if there is no memory.
    /// - What [`Driver::probe`] has returned.
    #[doc(hidden)]
    pub unsafe fn new(name: &CStr) -> Result<Self> {
        let dev = faux::Registration::new(name, None)?;
        // SAFETY: It is closed by `drop`, at the latest when the code of `T` goes.
        let scope = KBox::pin_init(unsafe { Scope::new() }, GFP_KERNEL)?;
        // INVARIANT: There is no data, and nothing is attached to the scope.
        let mut this = Self {
            data: None,
            scope,
            dev,
        };

        let dev: &faux::Device<Bound> = this.dev.as_ref();
        let dev: *const Device<Bound> = dev.as_ref();
        // SAFETY: C has the device until `this.dev` is dropped, which is last.
        let dev = unsafe { &*dev };
        let scope: *const Scope<'static> = &raw const *this.scope;
        // SAFETY: The scope stays in its box until `drop` is done with the data and has closed it.
        let scope = unsafe { &*scope };

        // INVARIANT: It is all that the driver got to borrow from.
        this.data = Some(KBox::pin_init(T::probe(dev, scope), GFP_KERNEL)?);
        Ok(this)
    }
}

impl<T: Driver> Drop for Registration<T> {
    fn drop(&mut self) {
        self.data = None;
        self.scope.close();
    }
}

/// Declares a module with a [driver](crate::faux::lifecycle::Driver) of a device that it makes,
/// which has the name of the module.
///
/// # Examples
///
/// ```ignore
/// kernel::module_faux_driver! {
///     type: MyDriver,
///     name: "my_driver",
///     authors: ["Author name"],
///     description: "Description",
///     license: "GPL v2",
/// }
/// ```
#[macro_export]
macro_rules! module_faux_driver {
    (type: $type:ty, $($f:tt)*) => {
        struct DriverModule {
            _driver: $crate::faux::lifecycle::Registration<$type>,
        }

        impl $crate::Module for DriverModule {
            fn init(_module: &'static $crate::ThisModule) -> $crate::error::Result<Self> {
                let name = <Self as $crate::ModuleMetadata>::NAME;
                // SAFETY: The module is dropped before its code is gone.
                let driver = unsafe { $crate::faux::lifecycle::Registration::new(name) }?;

                Ok(Self { _driver: driver })
            }
        }

        $crate::prelude::module! {
            type: DriverModule,
            $($f)*
        }
    };
}

#[cfg(CONFIG_RUST_DRIVER_CORE_KUNIT_TEST)]
mod tests;
