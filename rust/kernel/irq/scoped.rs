// SPDX-License-Identifier: GPL-2.0

//! Interrupt handlers that end with the binding of their device.
//!
//! The destructor of a [`Registration`](super::Registration) is what keeps its handler from
//! running when what the handler uses is gone, so creating one is `unsafe`: it must not be
//! forgotten. Here the handler is attached to the [`Scope`] of the bound device, which ends it if
//! nobody else does.

use super::{
    Flags,
    Handler,
    IrqRequest,
    IrqReturn, //
};
use crate::{
    bindings,
    device::scope::{
        Resource,
        Scope,
        Scoped, //
    },
    error::to_result,
    prelude::*,
    str::CString,
    sync::Arc, //
};
use core::marker::PhantomData;

impl<T: Handler + Send + ?Sized> Handler for Arc<T> {
    fn handle(&self) -> IrqReturn {
        T::handle(self)
    }
}

/// Something with a name that C may read at any time.
///
/// # Safety
///
/// [`name`](Self::name) must return a string in memory that stays at its place for as long as the
/// value lives, also when that is moved. Its characters may change; whoever reads it meanwhile must
/// find a NUL in that memory.
pub unsafe trait Named: Send + Sync {
    /// Returns the name.
    fn name(&self) -> *const c_char;
}

// SAFETY: The string is in memory of its own, and nobody changes it.
unsafe impl Named for CString {
    fn name(&self) -> *const c_char {
        self.as_char_ptr()
    }
}

/// A handler and the line that it is for.
///
/// Not visible outside of this module, so that only the scope starts and stops it.
#[pin_data]
struct Line<T, N> {
    irq: u32,
    flags: Flags,
    /// Who has the name in `/proc/interrupts`, which C refers to.
    named: N,
    #[pin]
    handler: T,
}

impl<T, N> Line<T, N> {
    /// What tells this handler from the others of the line.
    fn cookie(&self) -> *mut c_void {
        core::ptr::from_ref(self).cast_mut().cast()
    }
}

impl<T: Handler + Send, N: Named> Resource for Line<T, N> {
    fn start(&self) -> Result {
        // SAFETY:
        // - `handle_callback` expects the cookie of a `Line<T, N>`, which is initialized.
        // - The line stays in place, and so does the name, by the requirement of `Named`. The scope
        //   calls `stop` before they are freed, and before what the handler borrows ends.
        to_result(unsafe {
            bindings::request_irq(
                self.irq,
                Some(handle_callback::<T, N>),
                self.flags.into_inner(),
                self.named.name(),
                self.cookie(),
            )
        })
    }

    fn stop(&self) {
        // SAFETY: `start` has requested the line with this cookie, and this is called once.
        unsafe { bindings::free_irq(self.irq, self.cookie()) };
    }
}

/// # Safety
///
/// `cookie` must be that of a [`Line<T, N>`] that has started and is not yet stopped.
unsafe extern "C" fn handle_callback<T: Handler, N>(
    _irq: c_int,
    cookie: *mut c_void,
) -> bindings::irqreturn_t {
    // SAFETY: By the requirement of this function.
    let line = unsafe { &*cookie.cast_const().cast::<Line<T, N>>() };

    // CAST: The type is `repr(u32)`.
    bindings::irqreturn_t(line.handler.handle() as c_uint)
}

/// An interrupt handler that runs until this is dropped (C: `request_irq`, `free_irq`), or until
/// the driver leaves the device.
///
/// The handler is usually an [`Arc`] of what the driver has for its device. If that in turn keeps
/// the registration, in a lock, dropping it when the device is stopped breaks the circle; if nobody
/// does, the memory is not freed.
///
/// # Context
///
/// To be dropped in process context, without a lock that the handler takes: it waits until the
/// handler has returned.
///
/// # Examples
///
/// ```
/// use kernel::{
///     device::scope::Scope,
///     irq::{
///         Flags,
///         Handler,
///         IrqRequest,
///         IrqReturn,
///         ScopedRegistration, //
///     },
///     prelude::*,
///     sync::{
///         atomic::{
///             Atomic,
///             Relaxed, //
///         },
///         Arc, //
///     }, //
/// };
///
/// struct Card {
///     interrupts: Atomic<u32>,
/// }
///
/// impl Handler for Card {
///     fn handle(&self) -> IrqReturn {
///         self.interrupts.fetch_add(1, Relaxed);
///         IrqReturn::Handled
///     }
/// }
///
/// /// Called when the interface goes up.
/// fn open<'bound>(
///     scope: &'bound Scope<'bound>,
///     request: IrqRequest<'bound>,
///     card: &Arc<Card>,
/// ) -> Result<ScopedRegistration<'bound, Arc<Card>>> {
///     let handler = Ok::<_, Error>(card.clone());
///
///     ScopedRegistration::new(scope, request, Flags::SHARED, c"card", handler)
/// }
/// # let _ = open;
/// ```
pub struct ScopedRegistration<'a, T: Handler + Send, N: Named = CString>(Scoped<'a, Line<T, N>>);

impl<'a, T: Handler + Send + 'a> ScopedRegistration<'a, T> {
    /// Requests the line. The handler can run before this returns.
    ///
    /// `name` is what `/proc/interrupts` shows; it is copied.
    ///
    /// # Context
    ///
    /// Process context.
    ///
    /// # Errors
    ///
    /// - [`ENODEV`] if the driver is about to leave the device.
    /// - [`ENOMEM`] if there is no memory.
    /// - [`EBUSY`] if the line is in use, and not shared with the same flags.
    /// - Others that the interrupt controller has.
    pub fn new<E>(
        scope: &'a Scope<'a>,
        request: IrqRequest<'a>,
        flags: Flags,
        name: &CStr,
        handler: impl PinInit<T, E>,
    ) -> Result<Self>
    where
        Error: From<E>,
    {
        Self::named_after(scope, request, flags, CString::try_from(name)?, handler)
    }
}

impl<'a, T: Handler + Send + 'a, N: Named + 'a> ScopedRegistration<'a, T, N> {
    /// Does what [`new`](ScopedRegistration::new) does, but `/proc/interrupts` shows the name that
    /// `named` has at that time, as of a network device that may be renamed.
    ///
    /// # Context
    ///
    /// As for [`new`](ScopedRegistration::new).
    ///
    /// # Errors
    ///
    /// As for [`new`](ScopedRegistration::new).
    pub fn named_after<E>(
        scope: &'a Scope<'a>,
        request: IrqRequest<'a>,
        flags: Flags,
        named: N,
        handler: impl PinInit<T, E>,
    ) -> Result<Self>
    where
        Error: From<E>,
    {
        let irq = request.irq();
        let line = try_pin_init!(Line {
            irq,
            flags,
            named,
            handler <- handler,
        }? Error);

        Ok(Self(scope.attach::<_, Error>(line)?))
    }
}

impl<T: Handler + Send, N: Named> ScopedRegistration<'_, T, N> {
    /// Returns the handler.
    pub fn handler(&self) -> &T {
        &self.0.handler
    }

    /// Returns the number of the line.
    pub fn irq(&self) -> u32 {
        self.0.irq
    }

    /// Waits for handlers of the line that run on other CPUs (C: `synchronize_irq`).
    ///
    /// # Context
    ///
    /// Process context; without a lock that a handler takes.
    pub fn synchronize(&self) {
        // SAFETY: The line is requested.
        unsafe { bindings::synchronize_irq(self.0.irq) };
    }

    /// Disables the line, for all who share it, and waits for its handlers (C: `disable_irq`).
    ///
    /// # Context
    ///
    /// As for [`synchronize`](Self::synchronize).
    pub fn disable(&self) -> IrqDisabled<'_> {
        // SAFETY: The line is requested.
        unsafe { bindings::disable_irq(self.0.irq) };
        // INVARIANT: Disabled just above.
        IrqDisabled::new(self.0.irq)
    }

    /// Disables the line, for all who share it, and does not wait (C: `disable_irq_nosync`).
    ///
    /// # Context
    ///
    /// Any context.
    pub fn disable_nosync(&self) -> IrqDisabled<'_> {
        // SAFETY: The line is requested.
        unsafe { bindings::disable_irq_nosync(self.0.irq) };
        // INVARIANT: Disabled just above.
        IrqDisabled::new(self.0.irq)
    }

    /// Disables the line, for all who share it, waits for its handlers, but not for their threads,
    /// and tells whether none of those runs (C: `disable_hardirq`). For polling without interrupts.
    ///
    /// # Context
    ///
    /// Any context but that of a handler of the line, without a lock that one takes.
    pub fn disable_hardirq(&self) -> (IrqDisabled<'_>, bool) {
        // SAFETY: The line is requested.
        let is_idle = unsafe { bindings::disable_hardirq(self.0.irq) };

        // INVARIANT: Disabled just above.
        (IrqDisabled::new(self.0.irq), is_idle)
    }
}

/// A line that is disabled until this is dropped (C: `enable_irq`).
///
/// # Invariants
///
/// `irq` is requested, and was disabled once for this value.
#[must_use = "the line is enabled again when this is dropped"]
pub struct IrqDisabled<'a> {
    irq: u32,
    _registration: PhantomData<&'a ()>,
}

impl IrqDisabled<'_> {
    fn new(irq: u32) -> Self {
        Self {
            irq,
            _registration: PhantomData,
        }
    }
}

impl Drop for IrqDisabled<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant there is a disable that this belongs to.
        unsafe { bindings::enable_irq(self.irq) };
    }
}

#[cfg(CONFIG_RUST_DRIVER_CORE_KUNIT_TEST)]
mod tests;
