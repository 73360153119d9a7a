// SPDX-License-Identifier: GPL-2.0

//! Recovery of a device that has died, or lies.
//!
//! Evidence starts it: a ring that makes no sense, a device that asks to be reset or has forgotten
//! its driver, a transport behind which there is nothing. Silence is none, since hypervisors have
//! good reasons to stall; a driver that has run out of patience can ask.
//!
//! Two work items see to it, as those that find evidence can be interrupts:
//!
//! - The *cure* takes the device down and brings it up again, under the lock of the device, as the
//!   two halves of a pause do. It does not wait for that lock: who holds it may wait for the cure,
//!   or for what the device has.
//! - The *watch* is for that case. While a callback of the driver runs, which it does under the
//!   lock of the device, it looks for evidence, and ends what the device has without the lock: the
//!   driver gets its buffers back, its requests fail, and the callback can end. What is left of the
//!   device is for the cure, or for the rest of the callback.
//!
//! A device that needs too many cures, or does not come back, is given up: it has no rings from
//! then on, until its driver is bound again.

use super::{
    state::DeviceState,
    work::{
        new_work,
        Queue,
        Work, //
    },
    Device, //
};
use crate::{
    bindings,
    container_of,
    device::Bound,
    fmt,
    prelude::*,
    static_lock_class,
    sync::{
        LockClassKey,
        MutexGuard,
        SpinLockIrq, //
    },
    time::{
        Instant,
        Monotonic, //
    }, //
};

mod attribute;
pub(super) mod budget;
mod cure;
mod watch;

pub(super) use self::attribute::set_attributes;
use self::{
    budget::Budget,
    cure::run_cure,
    watch::run_watch, //
};

/// How often the watch looks, in milliseconds.
const WATCH_PERIOD: u32 = 1000;

/// Why a device needs to be recovered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Evidence {
    /// A ring makes no sense, or the transport cannot reach the device.
    Broken,
    /// `VIRTIO_CONFIG_S_NEEDS_RESET` is set.
    NeedsReset,
    /// `VIRTIO_CONFIG_S_DRIVER_OK` is not set any more.
    Forgotten,
    /// There is nothing behind the transport.
    Gone,
    /// The driver has asked for it.
    Asked,
    /// The system goes down, and cannot wait.
    Shutdown,
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Broken => "a queue is broken",
            Self::NeedsReset => "it needs a reset",
            Self::Forgotten => "it has lost its state",
            Self::Gone => "it is gone",
            Self::Asked => "its driver asks for it",
            Self::Shutdown => "the system goes down",
        })
    }
}

/// How long a callback of the driver may take after evidence, before what the device has is ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Patience {
    /// The driver leaves, so nothing is to be saved.
    None,
    /// The cure may come soon.
    Some,
}

impl Patience {
    fn millis(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Some => 1000,
        }
    }
}

/// What is known.
struct Record {
    /// The first evidence since the device was last brought up, and when it was found.
    evidence: Option<(Evidence, Instant<Monotonic>)>,
    /// The patience with the callback of the driver that runs.
    callback: Option<Patience>,
    /// Whether the device was given up.
    is_dead: bool,
    /// How many cures there were.
    cures: u32,
    /// How many more there may be.
    budget: Budget,
}

/// The part of a [`DeviceState`] that is about recovery.
#[pin_data]
pub(super) struct Recovery {
    #[pin]
    record: SpinLockIrq<Record>,
    #[pin]
    cure: Work,
    #[pin]
    watch: Work,
}

/// The name of the lock of all records.
static RECORD_LOCK_NAME: &CStr = c"Recovery::record";

/// The class of the lock of all records.
#[inline(never)]
fn record_lock_class() -> Pin<&'static LockClassKey> {
    static_lock_class!()
}

impl Recovery {
    /// # Safety
    ///
    /// The result must be the `recovery` of a [`DeviceState`], and [`stop`](Self::stop) be called
    /// before that is freed or its driver is gone.
    pub(super) unsafe fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            record <- SpinLockIrq::new(
                Record {
                    evidence: None,
                    callback: None,
                    is_dead: false,
                    cures: 0,
                    budget: Budget::new(),
                },
                RECORD_LOCK_NAME,
                record_lock_class(),
            ),
            // SAFETY: By the requirement of this function.
            cure <- unsafe { new_work(run_cure, Queue::Recovery) },
            // SAFETY: As above.
            watch <- unsafe { new_work(run_watch, Queue::Recovery) },
        })
    }

    /// Ends all that is under way, and lets nothing else begin. Sleeps.
    pub(super) fn stop(&self) {
        self.watch.stop();
        self.cure.stop();
    }

    /// Forgets evidence, as the device was reset.
    pub(super) fn settle(&self) {
        self.record.lock().evidence = None;
    }

    /// Whether there is evidence.
    pub(super) fn is_due(&self) -> bool {
        self.record.lock().evidence.is_some()
    }

    /// Whether the device was given up.
    pub(super) fn is_dead(&self) -> bool {
        self.record.lock().is_dead
    }

    /// Gives the device up, or says that no cure is wanted any more.
    pub(super) fn set_dead(&self) {
        self.record.lock().is_dead = true;
    }

    /// How many cures there were.
    pub(super) fn cures(&self) -> u32 {
        self.record.lock().cures
    }

    /// Notes a cure that begins, unless there were too many.
    fn begin(&self) -> bool {
        self.record.lock().budget.spend(Instant::now())
    }

    /// What the watch is to know: the patience with the callback that runs, and evidence.
    fn pending(&self) -> (Option<Patience>, Option<(Evidence, Instant<Monotonic>)>) {
        let record = self.record.lock();

        (record.callback, record.evidence)
    }
}

/// A callback of the driver runs, under the lock of the device.
pub(super) struct Calling<'a>(&'a DeviceState);

impl Drop for Calling<'_> {
    fn drop(&mut self) {
        let recovery = self.0.recovery();
        let is_due = {
            let mut record = recovery.record.lock();

            record.callback = None;
            record.evidence.is_some() && !record.is_dead
        };

        if is_due {
            recovery.cure.start_in(0);
        }
    }
}

impl DeviceState {
    /// Has the device watched while a callback of the driver runs.
    ///
    /// The callers hold the lock of the device, so there is one at a time.
    pub(super) fn calling(&self, patience: Patience) -> Calling<'_> {
        let recovery = self.recovery();
        let is_due = {
            let mut record = recovery.record.lock();

            record.callback = Some(patience);
            record.evidence.is_some()
        };

        recovery.watch.start_in(if is_due {
            patience.millis()
        } else {
            WATCH_PERIOD
        });
        Calling(self)
    }

    /// Notes evidence. Returns whether the device will be recovered: if not, it was given up, or is
    /// paused, or its driver leaves.
    ///
    /// # Context
    ///
    /// Any.
    pub(super) fn accuse(&self, evidence: Evidence) -> bool {
        if self.is_left_alone() {
            return false;
        }

        let recovery = self.recovery();
        let callback = {
            let mut record = recovery.record.lock();

            // Without rings the device is paused. When they go, evidence is settled under this lock
            // afterwards, so none is left behind.
            if record.is_dead || !self.has_rings() {
                return false;
            }
            if record.evidence.is_none() {
                record.evidence = Some((evidence, Instant::now()));
            }
            record.callback
        };

        match callback {
            None => recovery.cure.start_in(0),
            Some(Patience::Some) => recovery.watch.start_within(Patience::Some.millis()),
            Some(Patience::None) => {
                recovery.watch.start_in(0);
                return false;
            }
        };
        true
    }

    /// If the queue `vq` is broken, notes that, as [`accuse`](Self::accuse) does.
    ///
    /// # Safety
    ///
    /// `vq` must be live, and the `priv` of its device null or a pointer to a [`DeviceState`].
    #[inline]
    pub(super) unsafe fn accuse_if_broken(vq: *mut bindings::virtqueue) -> bool {
        // SAFETY: By the requirement of this function.
        if !unsafe { bindings::virtqueue_is_broken(vq) } {
            return false;
        }
        // SAFETY: As above.
        unsafe { Self::accuse_broken(vq) }
    }

    /// Notes that the queue `vq` is broken.
    ///
    /// # Safety
    ///
    /// As for [`accuse_if_broken`](Self::accuse_if_broken).
    #[cold]
    #[inline(never)]
    unsafe fn accuse_broken(vq: *mut bindings::virtqueue) -> bool {
        // SAFETY: `vq` is live by the requirement of this function.
        let vdev = unsafe { (*vq).vdev };

        // SAFETY: By the requirement of this function. While there are rings, so is the state.
        unsafe { Self::from_raw(vdev) }.is_some_and(|state| state.accuse(Evidence::Broken))
    }

    /// Whether a test wants a broken device to stay as it is.
    fn is_left_alone(&self) -> bool {
        #[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
        // SAFETY: The device of a state is valid.
        return unsafe { super::fake::is_left_alone(self.vdev()) };
        #[cfg(not(CONFIG_RUST_VIRTIO_KUNIT_TEST))]
        false
    }

    /// Looks at the device for evidence. Returns whether there is some, or the device was given up.
    ///
    /// While somebody else has the rings, nothing is looked at: that can be who has called the
    /// driver that asks.
    ///
    /// # Context
    ///
    /// Process context; sleeps.
    pub(super) fn look(&self) -> bool {
        if let Some(rings) = self.rings.try_lock() {
            self.note_evidence(&rings);
        }
        self.has_failed()
    }

    /// As [`look`](Self::look), but waits for its turn. Not for those that a driver calls.
    pub(super) fn look_in_turn(&self) -> bool {
        self.note_evidence(&self.rings.lock());
        self.has_failed()
    }

    /// Looks for evidence, and notes it before the device can have been brought up anew.
    fn note_evidence(&self, rings: &MutexGuard<'_, ()>) {
        if let Some(evidence) = self.find_evidence(rings) {
            self.accuse(evidence);
        }
    }

    /// Whether there is evidence, or the device was given up.
    fn has_failed(&self) -> bool {
        let recovery = self.recovery();

        recovery.is_due() || recovery.is_dead()
    }

    /// The device, to print messages about.
    fn device(&self) -> &Device<Bound> {
        // SAFETY: The device of a state is valid, and bound.
        unsafe { &*self.vdev().cast::<Device<Bound>>() }
    }
}

/// Returns the state that a [`Recovery`] is a part of.
///
/// # Safety
///
/// `this` must be the `recovery` of a [`DeviceState`] that is valid for `'a`.
unsafe fn state_of<'a>(this: *const Recovery) -> &'a DeviceState {
    // SAFETY: By the requirement of this function.
    unsafe { &*container_of!(this, DeviceState, recovery) }
}
