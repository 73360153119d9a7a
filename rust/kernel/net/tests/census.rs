// SPDX-License-Identifier: GPL-2.0

//! What exists at a time, and what has happened.

use crate::{
    new_spinlock_irq,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        SpinLockIrq, //
    },
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

/// What a card and its packets have come to.
#[pin_data]
pub(super) struct Census {
    /// How many pieces of data of cards there are.
    pub(super) data: Atomic<i32>,
    /// How many packets of the tests there are.
    pub(super) packets: Atomic<i32>,
    /// What has happened to the card, in order.
    #[pin]
    events: SpinLockIrq<KVec<&'static str>>,
}

impl Census {
    pub(super) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            try_pin_init!(Self {
                data: Atomic::new(0),
                packets: Atomic::new(0),
                events <- new_spinlock_irq!(KVec::with_capacity(64, GFP_KERNEL)?),
            }),
            GFP_KERNEL,
        )
    }

    pub(super) fn note(&self, event: &'static str) {
        // One that does not fit fails the case.
        let _ = self.events.lock().push_within_capacity(event);
    }

    pub(super) fn has_seen(&self, expected: &[&str]) -> bool {
        let events = self.events.lock();
        let is_equal = events.as_slice() == expected;

        if !is_equal {
            pr_info!("events: {:?}\n", events.as_slice());
        }
        is_equal
    }

    pub(super) fn counts(&self) -> (i32, i32) {
        (self.data.load(Relaxed), self.packets.load(Relaxed))
    }
}

/// Waits until `is_so`, for some seconds.
pub(super) fn wait_until(is_so: impl Fn() -> bool) -> bool {
    for _ in 0..5000 {
        if is_so() {
            return true;
        }
        fsleep(Delta::from_millis(1));
    }
    is_so()
}
