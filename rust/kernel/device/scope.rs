// SPDX-License-Identifier: GPL-2.0

//! What has to end before a driver leaves its device.
//!
//! An interrupt handler or a work item runs on its own, and may use what only exists while the
//! device is bound: a register window, a mapping, the device itself. A destructor is not enough to
//! end it in time, since safe code may forget a value. So what runs on its own is *attached* to the
//! [`Scope`] of the bound device, which the bus closes when the driver leaves, or when its probe
//! has failed. Whoever attached something has a handle, [`Scoped`], and can end it earlier by
//! dropping that.
//!
//! The order in which a driver leaves is:
//!
//! 1. the `unbind` of the driver,
//! 2. the driver's data is dropped, and with it the handles that are part of it,
//! 3. the scope is closed: what is still attached ends, the last one first,
//! 4. device-managed resources are released.
//!
//! Drivers use this through [`irq::ScopedRegistration`](crate::irq::ScopedRegistration) and
//! [`workqueue::ScopedWork`](crate::workqueue::ScopedWork).

use crate::{
    prelude::*,
    sync::{
        atomic::{
            ordering::Full,
            Atomic, //
        },
        new_condvar,
        new_mutex,
        Arc,
        Completion,
        CondVar,
        Mutex, //
    }, //
};
use core::ops::Deref;

/// Something that can be attached to a [`Scope`].
pub trait Resource: Send + Sync {
    /// Begins to run. The resource stays in place from here on.
    ///
    /// # Errors
    ///
    /// An error means that nothing runs: [`stop`](Self::stop) is not called.
    fn start(&self) -> Result {
        Ok(())
    }

    /// Ends what runs and waits for it; nothing runs any more when this returns. Called once.
    ///
    /// # Context
    ///
    /// Process context.
    fn stop(&self);

    /// Lets go of what the resource holds, so that objects that own each other are freed. Called
    /// once, after [`stop`](Self::stop).
    ///
    /// # Context
    ///
    /// Process context.
    fn release(&self) {}
}

/// An attached resource, which ends once.
#[pin_data]
struct Node<T> {
    /// Whether somebody ends it, or has done so.
    claimed: Atomic<bool>,
    #[pin]
    stopped: Completion,
    #[pin]
    resource: T,
}

/// What a scope knows of what is attached to it.
trait End: Send + Sync {
    /// Ends the resource, or waits until it has ended.
    fn end(&self);
}

impl<T: Resource> End for Node<T> {
    fn end(&self) {
        if self.claimed.xchg(true, Full) {
            self.stopped.wait_for_completion();
            return;
        }
        self.resource.stop();
        self.stopped.complete_all();
        // This may drop the handle of the same resource, which does not wait any more.
        self.resource.release();
    }
}

/// What is attached.
///
/// # Invariants
///
/// `list` has room for `starting` more.
struct Attached<'a> {
    list: KVec<Arc<dyn End + 'a>>,
    /// How many resources are starting, and not yet in the list.
    starting: usize,
    closed: bool,
}

/// The time for which a device is bound to a driver, and what has to end before it is over.
///
/// # Invariants
///
/// What is attached has ended, and nothing else can be attached, before `'a` ends.
#[pin_data]
pub struct Scope<'a> {
    #[pin]
    attached: Mutex<Attached<'a>>,
    /// Notified when the last one of those that were starting has done so.
    #[pin]
    started: CondVar,
}

impl<'a> Scope<'a> {
    /// Creates a scope.
    ///
    /// # Safety
    ///
    /// [`close`](Self::close) must be called before `'a` ends.
    pub(crate) unsafe fn new() -> impl PinInit<Self> {
        // INVARIANT: By the requirement of this function, and as `close` does what it says. There
        // is room for none.
        pin_init!(Self {
            attached <- new_mutex!(Attached {
                list: KVec::new(),
                starting: 0,
                closed: false,
            }),
            started <- new_condvar!(),
        })
    }

    /// Attaches a resource and starts it.
    ///
    /// It is stopped when the handle is dropped, or else when the scope is closed.
    ///
    /// # Context
    ///
    /// Process context. No lock of the scope is held while the resource starts.
    ///
    /// # Errors
    ///
    /// - [`ENODEV`] if the driver is about to leave the device.
    /// - [`ENOMEM`] if there is no memory.
    /// - What the initializer or [`Resource::start`] has returned.
    pub fn attach<T: Resource + 'a, E>(
        &'a self,
        resource: impl PinInit<T, E>,
    ) -> Result<Scoped<'a, T>>
    where
        Error: From<E>,
    {
        self.begin()?;
        let result = Self::start(resource);
        self.finish(result.as_ref().ok());

        // INVARIANT: `finish` has put the node into the list.
        result.map(|node| Scoped { scope: self, node })
    }

    /// Lets one more resource start.
    fn begin(&self) -> Result {
        let mut attached = self.attached.lock();

        if attached.closed {
            return Err(ENODEV);
        }

        // Those that start need room, and have to find it when it is too late to fail.
        let room = attached.starting.checked_add(1).ok_or(ENOMEM)?;

        attached.list.reserve(room, GFP_KERNEL)?;
        // INVARIANT: There is room for `room` more.
        attached.starting = room;
        Ok(())
    }

    fn start<T: Resource + 'a, E>(resource: impl PinInit<T, E>) -> Result<Arc<Node<T>>>
    where
        Error: From<E>,
    {
        let node = Arc::pin_init::<Error>(
            try_pin_init!(Node {
                claimed: Atomic::new(false),
                stopped <- Completion::new(),
                resource <- resource,
            }? Error),
            GFP_KERNEL,
        )?;

        node.resource.start()?;
        Ok(node)
    }

    /// Ends what [`begin`](Self::begin) has begun.
    fn finish<T: Resource + 'a>(&self, node: Option<&Arc<Node<T>>>) {
        let mut attached = self.attached.lock();

        // INVARIANT: One place less is needed if the list becomes longer by one.
        attached.starting -= 1;
        if let Some(node) = node {
            // By the type invariant there is room.
            let _ = attached.list.push_within_capacity(node.clone());
        }
        if attached.starting == 0 {
            self.started.notify_all();
        }
    }

    /// Ends what is attached, the last one first. Nothing can be attached any more.
    ///
    /// # Context
    ///
    /// Process context.
    pub(crate) fn close(&self) {
        self.attached.lock().closed = true;

        while let Some(node) = self.last() {
            node.end();
        }
    }

    /// Takes the last one that was attached, if need be after it was started.
    fn last(&self) -> Option<Arc<dyn End + 'a>> {
        let mut attached = self.attached.lock();

        loop {
            if let Some(node) = attached.list.pop() {
                return Some(node);
            }
            if attached.starting == 0 {
                return None;
            }
            self.started.wait(&mut attached);
        }
    }

    /// Forgets a resource that has ended.
    fn detach(&self, node: *const ()) {
        let mut attached = self.attached.lock();
        let found = attached
            .list
            .iter()
            .position(|other| Arc::as_ptr(other).cast::<()>() == node);
        let node = found.and_then(|at| attached.list.remove(at).ok());

        // What is dropped may need the lock.
        drop(attached);
        drop(node);
    }
}

/// A resource that is attached to a [`Scope`], as a handle that ends it when it is dropped.
///
/// Forgetting the handle is harmless: the resource ends with the scope.
///
/// # Context
///
/// To be dropped in process context, without a lock that what it ends takes, since it waits for
/// that.
///
/// # Invariants
///
/// `node` is in the list of `scope`, or has been taken out of it to be ended.
pub struct Scoped<'a, T: Resource> {
    scope: &'a Scope<'a>,
    node: Arc<Node<T>>,
}

impl<T: Resource> Deref for Scoped<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.node.resource
    }
}

impl<T: Resource> Drop for Scoped<'_, T> {
    fn drop(&mut self) {
        self.node.end();
        self.scope.detach(Arc::as_ptr(&self.node).cast());
    }
}

#[cfg(CONFIG_RUST_DRIVER_CORE_KUNIT_TEST)]
pub(crate) mod tests;
