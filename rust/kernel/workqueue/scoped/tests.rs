// SPDX-License-Identifier: GPL-2.0

//! Work items are cancelled, waited for, kept from running, and end with their scope.

use super::{
    ScopedWork,
    ScopedWorkItem, //
};
use crate::{
    device::scope::{
        tests::with_scope,
        Scope, //
    },
    prelude::*,
    sync::{
        atomic::{
            ordering::{
                Acquire,
                Relaxed,
                Release, //
            },
            Atomic, //
        },
        Arc,
        ArcBorrow, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
    workqueue, //
};

/// A time in which no case comes to an end, in milliseconds.
const FOR_EVER: u32 = 3_600_000;

/// What the second work item of a card is.
const SLOW: u64 = 1;

struct Card<'a> {
    fast: ScopedWork<'a, Self>,
    slow: ScopedWork<'a, Self, SLOW>,
    runs: Atomic<u32>,
    begun: Atomic<u32>,
    done: Atomic<u32>,
    repeats: Atomic<bool>,
    freed: Arc<Atomic<u32>>,
}

impl Drop for Card<'_> {
    fn drop(&mut self) {
        self.freed.fetch_add(1, Relaxed);
    }
}

impl ScopedWorkItem for Card<'_> {
    fn run(this: ArcBorrow<'_, Self>) {
        this.runs.fetch_add(1, Release);
        if this.repeats.load(Relaxed) {
            this.fast.queue();
        }
    }
}

impl ScopedWorkItem<SLOW> for Card<'_> {
    fn run(this: ArcBorrow<'_, Self>) {
        this.begun.fetch_add(1, Release);
        fsleep(Delta::from_millis(30));
        this.done.fetch_add(1, Release);
    }
}

impl<'a> Card<'a> {
    fn new(scope: &'a Scope<'a>, freed: &Arc<Atomic<u32>>) -> Result<Arc<Self>> {
        let card = Arc::new(
            Self {
                fast: new_scoped_work!(scope, workqueue::system_percpu(), "fast")?,
                slow: new_scoped_work!(scope, workqueue::system_percpu(), "slow")?,
                runs: Atomic::new(0),
                begun: Atomic::new(0),
                done: Atomic::new(0),
                repeats: Atomic::new(false),
                freed: freed.clone(),
            },
            GFP_KERNEL,
        )?;

        Ok(card)
    }

    /// A card whose work items know it.
    fn started(scope: &'a Scope<'a>, freed: &Arc<Atomic<u32>>) -> Result<Arc<Self>> {
        let card = Self::new(scope, freed)?;

        card.fast.start(card.clone());
        card.slow.start(card.clone());
        Ok(card)
    }
}

/// Runs a case with a card, and checks that it is freed when the scope is closed.
fn with_card(case: impl FnOnce(&Card<'static>) -> Result) -> Result {
    let freed = Arc::new(Atomic::new(0), GFP_KERNEL)?;

    with_scope(|scope| {
        let card = Card::started(scope, &freed)?;
        let result = case(&card);

        drop(card);
        if freed.load(Relaxed) != 0 {
            return Err(EBADFD);
        }
        result
    })?;
    if freed.load(Relaxed) != 1 {
        return Err(EBUSY);
    }
    Ok(())
}

/// Waits until a counter is no longer zero.
fn wait_for(counter: &Atomic<u32>) {
    while counter.load(Acquire) == 0 {
        fsleep(Delta::from_millis(1));
    }
}

#[macros::kunit_tests(rust_workqueue_scoped)]
mod cases {
    use super::*;

    #[test]
    fn work_without_a_target_does_not_run() -> Result {
        let freed = Arc::new(Atomic::new(0), GFP_KERNEL)?;

        with_scope(|scope| {
            let card = Card::new(scope, &freed)?;

            assert!(!card.fast.queue());
            card.fast.flush();
            assert_eq!(card.runs.load(Acquire), 0);
            Ok(())
        })
    }

    #[test]
    fn queued_work_runs_once() -> Result {
        with_card(|card| {
            assert!(card.fast.queue());
            card.fast.flush();
            assert_eq!(card.runs.load(Acquire), 1);
            Ok(())
        })
    }

    #[test]
    fn cancelled_work_does_not_run() -> Result {
        with_card(|card| {
            assert!(card.fast.queue_after(FOR_EVER));
            assert!(!card.fast.queue_after(0));
            assert!(card.fast.cancel());
            assert!(!card.fast.cancel());
            assert!(card.fast.queue_after(FOR_EVER));
            assert!(card.fast.cancel_sync());
            assert_eq!(card.runs.load(Acquire), 0);
            Ok(())
        })
    }

    #[test]
    fn modified_work_runs_at_the_new_time() -> Result {
        with_card(|card| {
            assert!(card.fast.queue_after(FOR_EVER));
            assert!(card.fast.modify(1));
            wait_for(&card.runs);
            Ok(())
        })
    }

    #[test]
    fn flushed_work_has_run() -> Result {
        with_card(|card| {
            assert!(card.slow.queue_after(FOR_EVER));
            assert!(card.slow.flush());
            assert_eq!(card.done.load(Acquire), 1);
            assert!(!card.slow.flush());
            Ok(())
        })
    }

    #[test]
    fn cancelling_waits_for_work_that_runs() -> Result {
        with_card(|card| {
            card.slow.queue();
            wait_for(&card.begun);
            card.slow.cancel_sync();
            assert_eq!(card.done.load(Acquire), card.begun.load(Acquire));
            Ok(())
        })
    }

    #[test]
    fn work_that_queues_itself_is_cancelled() -> Result {
        with_card(|card| {
            card.repeats.store(true, Relaxed);
            card.fast.queue();
            wait_for(&card.runs);
            card.fast.cancel_sync();

            let runs = card.runs.load(Acquire);

            fsleep(Delta::from_millis(20));
            assert_eq!(card.runs.load(Acquire), runs);
            Ok(())
        })
    }

    #[test]
    fn disabled_work_cannot_be_queued() -> Result {
        with_card(|card| {
            let disabled = card.fast.disable_sync();

            assert!(!card.fast.queue());
            drop(disabled);
            assert!(card.fast.queue());
            card.fast.flush();
            assert_eq!(card.runs.load(Acquire), 1);
            Ok(())
        })
    }

    #[test]
    fn work_ends_with_the_scope() -> Result {
        with_card(|card| {
            card.repeats.store(true, Relaxed);
            card.fast.queue();
            card.slow.queue();
            wait_for(&card.runs);
            wait_for(&card.begun);
            Ok(())
        })
    }

    #[test]
    fn work_that_ended_cannot_be_started_again() -> Result {
        let freed = Arc::new(Atomic::new(0), GFP_KERNEL)?;

        with_scope(|scope| {
            let card = Card::new(scope, &freed)?;
            let early = card.fast.disable_sync();

            scope.close();
            // These are too late.
            card.fast.start(card.clone());
            drop(early);
            assert!(!card.fast.queue());
            assert_eq!(card.runs.load(Acquire), 0);
            Ok(())
        })?;
        assert_eq!(freed.load(Relaxed), 1);
        Ok(())
    }
}
