// SPDX-License-Identifier: GPL-2.0

//! What exists at a time, and ways to find out.

use crate::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
    types::Opaque, //
};

/// Counts values that exist.
pub(super) struct Census {
    pub(super) set: Atomic<i32>,
    pub(super) queue: Atomic<i32>,
    pub(super) hw: Atomic<i32>,
    pub(super) request: Atomic<i32>,
    /// How often data of a hardware queue was found to be gone.
    pub(super) ghosts: Atomic<i32>,
    /// How often a [`Home`] was found elsewhere than where it was made.
    pub(super) astray: Atomic<i32>,
    /// How often [`Mode::Linger`](super::ram_data::Mode::Linger) has ended.
    pub(super) lingered: Atomic<i32>,
    /// Ends [`Mode::Linger`](super::ram_data::Mode::Linger).
    pub(super) go_on: Atomic<u32>,
    /// How many pieces of data can be made before it fails; negative for no limit.
    pub(super) hw_budget: Atomic<i32>,
    pub(super) request_budget: Atomic<i32>,
}

impl Census {
    pub(super) fn new() -> Result<Arc<Self>> {
        let census = Self {
            set: Atomic::new(0),
            queue: Atomic::new(0),
            hw: Atomic::new(0),
            request: Atomic::new(0),
            ghosts: Atomic::new(0),
            astray: Atomic::new(0),
            lingered: Atomic::new(0),
            go_on: Atomic::new(0),
            hw_budget: Atomic::new(-1),
            request_budget: Atomic::new(-1),
        };

        Ok(Arc::new(census, GFP_KERNEL)?)
    }

    /// The numbers of values for the set, queues, hardware queues and requests.
    pub(super) fn all(&self) -> [i32; 4] {
        [
            self.set.load(Relaxed),
            self.queue.load(Relaxed),
            self.hw.load(Relaxed),
            self.request.load(Relaxed),
        ]
    }

    /// Waits until nothing is left.
    ///
    /// The block layer looks for partitions on a disk that is added. As in any kernel thread, its
    /// reference to the disk goes a moment after that, when a worker has closed the file.
    pub(super) fn wait_until_gone(&self) -> Result {
        wait_until(|| self.all() == [0; 4])
    }
}

/// Takes one from a budget.
pub(super) fn spend(budget: &Atomic<i32>) -> Result {
    match budget.load(Relaxed) {
        // An error that C does not give.
        0 => Err(ENOSPC),
        left if left < 0 => Ok(()),
        left => {
            budget.store(left - 1, Relaxed);
            Ok(())
        }
    }
}

/// A value that is counted.
pub(super) struct Counted {
    pub(super) census: Arc<Census>,
    which: fn(&Census) -> &Atomic<i32>,
}

impl Counted {
    pub(super) fn new(census: &Arc<Census>, which: fn(&Census) -> &Atomic<i32>) -> Self {
        which(census).fetch_add(1, Relaxed);
        Self {
            census: census.clone(),
            which,
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.which)(&self.census).fetch_sub(1, Relaxed);
    }
}

/// The head of an empty list, which points to itself. So it is good only where it was made.
#[pin_data(PinnedDrop)]
pub(super) struct Home {
    #[pin]
    head: Opaque<bindings::list_head>,
    census: Arc<Census>,
}

// SAFETY: An empty list is on no other list, so it can be used in any thread.
unsafe impl Send for Home {}

impl Home {
    pub(super) fn new(census: &Arc<Census>) -> impl PinInit<Self> {
        let census = census.clone();

        pin_init!(Self {
            // SAFETY: `head` is valid for writes.
            head <- Opaque::ffi_init(|head| unsafe { bindings::INIT_LIST_HEAD(head) }),
            census,
        })
    }

    /// Counts if this is not where it was made.
    pub(super) fn check(&self) {
        let head = self.head.get();

        // SAFETY: The head is initialized, and nobody changes it.
        let next = unsafe { (*head).next };
        // SAFETY: As above.
        let prev = unsafe { (*head).prev };

        if next != head || prev != head {
            self.census.astray.fetch_add(1, Relaxed);
        }
    }
}

#[pinned_drop]
impl PinnedDrop for Home {
    fn drop(self: Pin<&mut Self>) {
        self.check();
    }
}

/// Waits for something that happens elsewhere; gives up after a while.
pub(super) fn wait_until(mut condition: impl FnMut() -> bool) -> Result {
    for _ in 0..2000 {
        if condition() {
            return Ok(());
        }
        fsleep(Delta::from_millis(1));
    }
    Err(ETIMEDOUT)
}

/// The same for what can take some seconds, such as a timeout, which the block layer rounds up.
pub(super) fn wait_longer(mut condition: impl FnMut() -> bool) -> Result {
    for _ in 0..10 {
        if wait_until(&mut condition).is_ok() {
            return Ok(());
        }
    }
    Err(ETIMEDOUT)
}
