// SPDX-License-Identifier: GPL-2.0

//! What happened to a software device, and around it, in order.

use crate::{
    prelude::*,
    sync::{
        new_spinlock_irq,
        Arc,
        SpinLockIrq, //
    },
};

/// One thing that happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Event {
    /// The driver or the core wrote the device status.
    Status(u32),
    /// The device was reset.
    Reset,
    /// Rings were asked for.
    FindVqs {
        /// How many.
        count: u32,
        /// The vectors left out before and after, if the driver cares.
        affinity: Option<(u32, u32)>,
    },
    /// All rings were deleted.
    DelVqs,
    /// The configuration space was accessed, the device reset, or rings were found or deleted,
    /// while somebody else did one of these.
    Clash,
    /// The core waited for callbacks.
    Synchronize,
    /// The rings were deleted while a handler of the transport walked over them.
    DelVqsTooEarly,
    /// A device that is gone was reset, which a transport can wait for without end.
    ResetOfNothing,
    /// A queue was stopped.
    StopQueue(u32),
    /// It was started again.
    StartQueue(u32),
    /// The driver has rung the bell of a queue.
    Notify(u32),
    /// A step of the driver under test.
    Driver(&'static str),
    /// The driver was told about used buffers of a queue.
    Done(u32),
    /// The driver got a buffer back that the device has not used.
    Detached {
        /// The queue.
        queue: u32,
        /// The number that the driver gave to the buffer.
        id: u32,
    },
}

/// A list of events that interrupts can append to.
#[pin_data]
pub(crate) struct Log {
    #[pin]
    events: SpinLockIrq<KVec<Event>>,
}

impl Log {
    /// Room for events. More than any test produces; the surplus is lost.
    const CAPACITY: usize = 512;

    /// Creates an empty log.
    pub(crate) fn new() -> Result<Arc<Self>> {
        let events = KVec::with_capacity(Self::CAPACITY, GFP_KERNEL)?;

        Arc::pin_init(
            pin_init!(Self {
                events <- new_spinlock_irq!(events),
            }),
            GFP_KERNEL,
        )
    }

    /// Appends an event. Any context.
    pub(crate) fn push(&self, event: Event) {
        let _ = self.events.lock().push_within_capacity(event);
    }

    /// Appends a step of the driver under test. Any context.
    pub(crate) fn driver(&self, step: &'static str) {
        self.push(Event::Driver(step));
    }

    /// Takes all events out.
    pub(crate) fn take(&self) -> Result<KVec<Event>> {
        let mut taken = KVec::with_capacity(Self::CAPACITY, GFP_KERNEL)?;

        core::mem::swap(&mut taken, &mut *self.events.lock());
        Ok(taken)
    }

    /// Returns how often an event is in the log.
    pub(crate) fn count(&self, event: Event) -> usize {
        self.events.lock().iter().filter(|&&e| e == event).count()
    }
}
