// SPDX-License-Identifier: GPL-2.0

//! Work items that end with the binding of their device.
//!
//! Other than those that own a reference while they are queued, they can be cancelled and waited
//! for, and what they work on may borrow from the device. They are attached to its [`Scope`], which
//! waits for them before the driver has left.

use super::{
    item::Item,
    Queue, //
};
use crate::{
    bindings,
    container_of,
    device::scope::{
        Resource,
        Scope,
        Scoped, //
    },
    prelude::*,
    sync::{
        atomic::{
            ordering::{
                Acquire,
                Full, //
            },
            Atomic, //
        },
        Arc,
        ArcBorrow,
        LockClassKey, //
    },
    time::Msecs, //
};
use core::cell::UnsafeCell;

/// What a [`ScopedWork`] does.
///
/// A type with several work items implements this once for each, with different `ID`s.
pub trait ScopedWorkItem<const ID: u64 = 0>: Send + Sync {
    /// Does the work.
    ///
    /// # Context
    ///
    /// That of the workqueue, usually process context; no lock held. A work item does not run on
    /// two CPUs at once.
    fn run(this: ArcBorrow<'_, Self>);
}

/// A target that nobody has set.
const UNSET: u32 = 0;
/// A target that somebody is setting.
const SETTING: u32 = 1;
/// A target that is there.
const SET: u32 = 2;
/// A target that is not needed any more.
const ENDED: u32 = 3;

/// A work item and what it works on.
///
/// Not visible outside of this module, so that only the scope stops it.
///
/// # Invariants
///
/// - `target` is written by who has changed `state` from [`UNSET`] to [`SETTING`], until that one
///   changes it to [`SET`], and is read by others while it is [`SET`]. Who changes that to
///   [`ENDED`] owns it from then on.
/// - The item is disabled until `state` is [`SET`], and again once it was stopped.
#[pin_data]
struct Work<T, const ID: u64> {
    #[pin]
    item: Item,
    state: Atomic<u32>,
    target: UnsafeCell<Option<Arc<T>>>,
}

// SAFETY: Everything but `target` is, and that has an owner at all times: see the invariants. It is
// dropped, and lent, wherever the work runs or stops.
unsafe impl<T: Send + Sync, const ID: u64> Sync for Work<T, ID> {}

// SAFETY: As above.
unsafe impl<T: Send + Sync, const ID: u64> Send for Work<T, ID> {}

impl<T: ScopedWorkItem<ID>, const ID: u64> Resource for Work<T, ID> {
    fn start(&self) -> Result {
        // INVARIANT: There is no target yet.
        self.item.disable();
        Ok(())
    }

    fn stop(&self) {
        // INVARIANT: Nobody takes this back.
        self.item.stop();
    }

    fn release(&self) {
        if self.state.xchg(ENDED, Full) != SET {
            return;
        }
        // SAFETY: By the type invariants the target is ours, and those who read it have been waited
        // for by `stop`.
        drop(unsafe { (*self.target.get()).take() });
    }
}

impl<T: ScopedWorkItem<ID>, const ID: u64> Work<T, ID> {
    fn set(&self, target: Arc<T>) {
        if self.state.cmpxchg(UNSET, SETTING, Full).is_err() {
            return;
        }
        // SAFETY: By the type invariants the target is ours.
        unsafe { *self.target.get() = Some(target) };
        // INVARIANT: It is not written any more.
        if self.state.cmpxchg(SETTING, SET, Full).is_err() {
            // It has ended meanwhile.
            //
            // SAFETY: The target is still ours.
            drop(unsafe { (*self.target.get()).take() });
            return;
        }
        // INVARIANT: There is a target. If the item was stopped meanwhile, it stays disabled.
        self.item.enable();
    }
}

/// # Safety
///
/// `work` must be that of a [`Work`] that is not stopped.
unsafe extern "C" fn run_callback<T: ScopedWorkItem<ID>, const ID: u64>(
    work: *mut bindings::work_struct,
) {
    // SAFETY: By the requirement of this function.
    let item = unsafe { Item::from_raw(work) };
    // SAFETY: As above, the item is that of a `Work` of this type.
    let work = unsafe { &*container_of!(core::ptr::from_ref(item), Work<T, ID>, item) };

    if work.state.load(Acquire) != SET {
        return;
    }
    // SAFETY: By the type invariants nobody writes the target, and who drops it waits for this.
    if let Some(target) = unsafe { &*work.target.get() } {
        T::run(target.as_arc_borrow());
    }
}

/// A work item that can be given a delay, and that ends when this is dropped, or when the driver
/// leaves the device (C: `struct delayed_work`).
///
/// It works on an object that usually has the work item as a field. So it exists first, and is
/// given the object by [`start`](Self::start). From then on it owns a reference, until it ends.
///
/// # Context
///
/// To be dropped in process context, not from the work itself, and without a lock that the work
/// takes, since that is waited for.
///
/// # Deadlocks
///
/// [`cancel_sync`](Self::cancel_sync), [`flush`](Self::flush), [`disable_sync`](Self::disable_sync)
/// and dropping wait for the work. Who holds a lock that the work waits for must not call them;
/// lockdep sees it if somebody does. A work item that needs the lock of who cancels it, such as the
/// reset of a network device needs the one of its configuration, tries to take the lock, and
/// queues itself again if it cannot.
///
/// # Examples
///
/// ```
/// use kernel::{
///     device::scope::Scope,
///     new_scoped_work,
///     prelude::*,
///     sync::{
///         Arc,
///         ArcBorrow, //
///     },
///     workqueue::{
///         self,
///         ScopedWork,
///         ScopedWorkItem, //
///     }, //
/// };
///
/// struct Card<'bound> {
///     watchdog: ScopedWork<'bound, Self>,
/// }
///
/// impl ScopedWorkItem for Card<'_> {
///     fn run(this: ArcBorrow<'_, Self>) {
///         // Looks at the link, and comes back in two seconds.
///         this.watchdog.queue_after(2000);
///     }
/// }
///
/// fn probe<'bound>(scope: &'bound Scope<'bound>) -> Result<Arc<Card<'bound>>> {
///     let card = Arc::new(
///         Card {
///             watchdog: new_scoped_work!(scope, workqueue::system_percpu(), "card_watchdog")?,
///         },
///         GFP_KERNEL,
///     )?;
///
///     card.watchdog.start(card.clone());
///     card.watchdog.queue();
///     Ok(card)
/// }
/// # let _ = probe;
/// ```
pub struct ScopedWork<'a, T: ScopedWorkItem<ID>, const ID: u64 = 0>(Scoped<'a, Work<T, ID>>);

impl<'a, T: ScopedWorkItem<ID> + 'a, const ID: u64> ScopedWork<'a, T, ID> {
    /// Makes a work item that runs on `queue`. Use [`new_scoped_work!`](crate::new_scoped_work!).
    ///
    /// # Context
    ///
    /// Process context.
    ///
    /// # Errors
    ///
    /// - [`ENODEV`] if the driver is about to leave the device.
    /// - [`ENOMEM`] if there is no memory.
    pub fn new(
        scope: &'a Scope<'a>,
        queue: &'static Queue,
        name: &'static CStr,
        key: Pin<&'static LockClassKey>,
    ) -> Result<Self> {
        let work = try_pin_init!(Work {
            // SAFETY: `run_callback` is for the item of a `Work`. The scope stops it before the
            // memory goes away, and before what its target borrows ends.
            item <- unsafe { Item::new(run_callback::<T, ID>, queue, name, key) },
            state: Atomic::new(UNSET),
            target: UnsafeCell::new(None),
        }? Error);

        // INVARIANT: The item is disabled by `start`, before anybody else has it.
        Ok(Self(scope.attach(work)?))
    }
}

impl<T: ScopedWorkItem<ID>, const ID: u64> ScopedWork<'_, T, ID> {
    /// Says what the work is about. Before that it does not run, and queueing it does nothing.
    ///
    /// There is one target; to give it another one does nothing.
    pub fn start(&self, target: Arc<T>) {
        self.0.set(target);
    }

    /// Queues the work (C: `queue_work`), and returns whether it was not queued yet.
    ///
    /// # Context
    ///
    /// Any context.
    pub fn queue(&self) -> bool {
        self.0.item.start_within(0)
    }

    /// Queues the work for `ms` milliseconds from now (C: `queue_delayed_work`), and returns
    /// whether it was not queued yet. If it was, the time does not change.
    ///
    /// # Context
    ///
    /// Any context.
    pub fn queue_after(&self, ms: Msecs) -> bool {
        self.0.item.start_within(ms)
    }

    /// Queues the work for `ms` milliseconds from now, whether it was queued or not (C:
    /// `mod_delayed_work`), and returns whether it was.
    ///
    /// # Context
    ///
    /// Any context.
    pub fn modify(&self, ms: Msecs) -> bool {
        self.0.item.start_in(ms)
    }

    /// Takes the work back if it does not run yet (C: `cancel_delayed_work`), and returns whether
    /// it was queued.
    ///
    /// # Context
    ///
    /// Any context.
    pub fn cancel(&self) -> bool {
        self.0.item.cancel()
    }

    /// Takes the work back, and waits for it if it runs (C: `cancel_delayed_work_sync`); returns
    /// whether it was queued. If the work queues itself, that is in vain.
    ///
    /// # Context
    ///
    /// Process context; see the deadlocks of the [type](Self).
    pub fn cancel_sync(&self) -> bool {
        self.0.item.cancel_sync()
    }

    /// Runs the work at once if it is queued, and waits for it (C: `flush_delayed_work`); returns
    /// whether there was something to wait for.
    ///
    /// # Context
    ///
    /// Process context; see the deadlocks of the [type](Self).
    pub fn flush(&self) -> bool {
        self.0.item.flush()
    }

    /// As [`cancel_sync`](Self::cancel_sync), and the work cannot be queued until the value is
    /// dropped (C: `disable_delayed_work_sync`, `enable_delayed_work`).
    ///
    /// # Context
    ///
    /// Process context; see the deadlocks of the [type](Self).
    pub fn disable_sync(&self) -> WorkDisabled<'_> {
        self.0.item.stop();
        // INVARIANT: Disabled just above.
        WorkDisabled(&self.0.item)
    }
}

/// A work item that cannot be queued until this is dropped.
///
/// # Invariants
///
/// The item was disabled once for this value.
#[must_use = "the work can be queued again when this is dropped"]
pub struct WorkDisabled<'a>(&'a Item);

impl Drop for WorkDisabled<'_> {
    fn drop(&mut self) {
        // By the type invariant there is a disable that this belongs to.
        self.0.enable();
    }
}

/// Makes a [`ScopedWork`] with a lockdep class of its own: a scope, a queue, and a name.
#[macro_export]
macro_rules! new_scoped_work {
    ($scope:expr, $queue:expr, $name:literal $(,)?) => {
        $crate::workqueue::ScopedWork::new(
            $scope,
            $queue,
            $crate::c_str!($name),
            $crate::static_lock_class!(),
        )
    };
}

#[cfg(CONFIG_RUST_DRIVER_CORE_KUNIT_TEST)]
mod tests;
