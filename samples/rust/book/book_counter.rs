// SPDX-License-Identifier: GPL-2.0

//! What an interrupt and a process share: a timer counts, and the module reads what it has counted.

#![deny(unsafe_code)]

use kernel::{
    prelude::*,
    sync::{
        Arc,
        ArcBorrow,
        SpinLockIrq, //
    },
    time::{
        delay::fsleep,
        hrtimer::{
            ArcHrTimerHandle,
            HrTimer,
            HrTimerCallback,
            HrTimerCallbackContext,
            HrTimerPointer,
            HrTimerRestart,
            RelativeMode, //
        },
        Delta,
        Monotonic, //
    }, //
};

module! {
    type: Module,
    name: "book_counter",
    authors: ["The linux-virtio-rs developers"],
    description: "What an interrupt and a process share",
    license: "GPL",
}

const PERIOD: Delta = Delta::from_millis(10);

/// Two numbers that must fit together.
struct Count {
    ticks: u32,
    doubled: u32,
}

#[pin_data]
struct Counter {
    #[pin]
    timer: HrTimer<Self>,
    #[pin]
    count: SpinLockIrq<Count>,
}

impl HrTimerCallback for Counter {
    type Pointer<'a> = Arc<Self>;

    /// Runs in an interrupt: it must not sleep, and a mutex would.
    fn run(
        this: ArcBorrow<'_, Self>,
        mut context: HrTimerCallbackContext<'_, Self>,
    ) -> HrTimerRestart {
        let mut count = this.count.lock();

        count.ticks = count.ticks.wrapping_add(1);
        count.doubled = count.doubled.wrapping_add(2);
        context.forward_now(PERIOD);
        HrTimerRestart::Restart
    }
}

kernel::impl_has_hr_timer! {
    impl HasHrTimer<Self> for Counter {
        mode: RelativeMode<Monotonic>, field: self.timer
    }
}

struct Module {
    /// Dropping it stops the timer, and waits for a callback that runs. So it goes first.
    _handle: ArcHrTimerHandle<Counter>,
    counter: Arc<Counter>,
}

impl kernel::Module for Module {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let counter = Arc::pin_init(
            pin_init!(Counter {
                timer <- HrTimer::new(),
                count <- kernel::new_spinlock_irq!(Count { ticks: 0, doubled: 0 }),
            }),
            GFP_KERNEL,
        )?;
        let handle = counter.clone().start(PERIOD);

        // A process may sleep; without the lock, of course.
        fsleep(Delta::from_millis(100));
        let this = Self {
            _handle: handle,
            counter,
        };
        this.report();
        Ok(this)
    }
}

impl Module {
    fn report(&self) {
        // Without a tick between the two reads.
        let count = self.counter.count.lock();
        let (ticks, doubled) = (count.ticks, count.doubled);

        drop(count);
        if ticks > 0 && doubled == ticks.wrapping_mul(2) {
            pr_info!("ticks were counted, and the numbers fit together\n");
        } else {
            pr_err!("{} ticks, doubled {}\n", ticks, doubled);
        }
    }
}
