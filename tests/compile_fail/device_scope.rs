// SPDX-License-Identifier: GPL-2.0
//! Interrupts and work of a driver, and ways to let them run for too long.

use kernel::{
    device::scope::Scope,
    irq::{
        Flags,
        Handler,
        IrqRequest,
        IrqReturn,
        ScopedRegistration, //
    },
    new_scoped_work,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        ArcBorrow, //
    },
    workqueue::{
        self,
        ScopedWork,
        ScopedWorkItem, //
    }, //
};

/// What an interrupt handler borrows.
pub struct Counter<'a>(&'a Atomic<u32>);

impl Handler for Counter<'_> {
    fn handle(&self) -> IrqReturn {
        self.0.fetch_add(1, Relaxed);
        IrqReturn::Handled
    }
}

/// A driver's object with work.
pub struct Card<'bound> {
    work: ScopedWork<'bound, Self>,
}

impl ScopedWorkItem for Card<'_> {
    fn run(this: ArcBorrow<'_, Self>) {
        this.work.queue_after(1000);
    }
}

/// What is borrowed for as long as the device is bound can be used by a handler.
pub fn open<'bound>(
    scope: &'bound Scope<'bound>,
    request: IrqRequest<'bound>,
    count: &'bound Atomic<u32>,
) -> Result<ScopedRegistration<'bound, Counter<'bound>>> {
    ScopedRegistration::new(scope, request, Flags::SHARED, c"card", Counter(count))
}

// What is on the stack is gone before the device is: the registration may be forgotten.
//@ case: handler_borrows_from_the_stack
//@ error: E0597
//@ message: `count` does not live long enough
#[cfg(case = "handler_borrows_from_the_stack")]
pub fn open_and_close<'bound>(scope: &'bound Scope<'bound>, request: IrqRequest<'bound>) -> Result {
    let count = Atomic::new(0);
    let registration =
        ScopedRegistration::new(scope, request, Flags::SHARED, c"card", Counter(&count))?;

    registration.synchronize();
    drop(registration);
    Ok(())
}

// A registration is not kept when the driver has left.
//@ case: registration_outlives_the_binding
//@ error: none
//@ message: lifetime may not live long enough
#[cfg(case = "registration_outlives_the_binding")]
pub fn keep<'bound>(
    scope: &'bound Scope<'bound>,
    request: IrqRequest<'bound>,
    counter: Arc<Counter<'static>>,
) -> Result<ScopedRegistration<'static, Arc<Counter<'static>>>> {
    ScopedRegistration::new(scope, request, Flags::SHARED, c"card", counter)
}

/// Work is there before what it is about.
pub fn probe<'bound>(scope: &'bound Scope<'bound>) -> Result<Arc<Card<'bound>>> {
    let card = Arc::new(
        Card {
            work: new_scoped_work!(scope, workqueue::system_percpu(), "card")?,
        },
        GFP_KERNEL,
    )?;

    card.work.start(card.clone());
    Ok(card)
}

// Who is bound, and for how long, is for the bus to say.
//@ case: scope_of_ones_own
//@ error: E0624
//@ message: associated function `new` is private
#[cfg(case = "scope_of_ones_own")]
pub fn scope() -> impl PinInit<Scope<'static>> {
    // SAFETY: It is refused.
    unsafe { Scope::new() }
}

// Nor when it is over.
//@ case: scope_that_is_closed_early
//@ error: E0624
//@ message: method `close` is private
#[cfg(case = "scope_that_is_closed_early")]
pub fn close<'bound>(scope: &'bound Scope<'bound>) {
    scope.close();
}

// A shorter time is not that of the binding.
//@ case: scope_for_a_shorter_time
//@ error: none
//@ message: lifetime may not live long enough
#[cfg(case = "scope_for_a_shorter_time")]
pub fn shorten<'short, 'bound: 'short>(scope: &'short Scope<'bound>) -> &'short Scope<'short> {
    scope
}
