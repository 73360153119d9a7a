// SPDX-License-Identifier: GPL-2.0

//! How both sides tell each other that there is something in a ring, or that they want no word.

use super::{
    super::fake::{
        Event,
        Options, //
    },
    bench::{
        Plan,
        Session,
        MODERN, //
    },
    queue::{
        add,
        pop,
        POLLED, //
    },
};
use crate::{
    bindings,
    prelude::*,
    sync::atomic::ordering::Relaxed, //
};

#[kunit_tests(rust_virtio_notify)]
mod cases {
    use super::*;

    #[test]
    fn kick_prepare_tells_whether_the_device_wants_to_know() -> Result {
        let session = Session::new(POLLED, MODERN)?;
        let queue = session.queue(0)?;

        add(&session, &queue, 0)?;
        ensure!(queue.lock().kick_prepare());

        session.device().set_no_notify(0, true)?;
        add(&session, &queue, 1)?;
        ensure!(!queue.lock().kick_prepare());

        session.device().set_no_notify(0, false)?;
        ensure!(queue.lock().kick_prepare());
        Ok(())
    }

    #[test]
    fn kick_prepare_follows_the_event_index() -> Result {
        let options = MODERN.with_features(&[bindings::VIRTIO_RING_F_EVENT_IDX]);
        let session = Session::new(POLLED, options)?;
        let queue = session.queue(0)?;

        // Not before the third buffer.
        session.device().set_avail_event(0, 2)?;
        for (id, wanted) in [(0, false), (1, false), (2, true), (3, false)] {
            add(&session, &queue, id)?;
            ensure_eq!((id, queue.lock().kick_prepare()), (id, wanted));
        }
        Ok(())
    }

    #[test]
    fn notify_reaches_the_device_by_the_number_of_the_queue() -> Result {
        let plan = Plan {
            queues: 3,
            ..POLLED
        };
        let session = Session::new(plan, MODERN)?;

        session.events()?;
        for index in [2, 0, 1] {
            ensure_eq!(session.queue(index)?.notify(), Ok(()));
        }
        ensure_eq!(
            session.events()?[..],
            [Event::Notify(2), Event::Notify(0), Event::Notify(1)]
        );
        Ok(())
    }

    #[test]
    fn a_notification_that_fails_breaks_the_queue() -> Result {
        let session = Session::new(POLLED, MODERN)?;
        let queue = session.queue(0)?;

        session.device().knobs.notify_fails.store(true, Relaxed);
        ensure_eq!(queue.notify(), Err(EIO));
        ensure!(queue.lock().is_broken());
        Ok(())
    }

    #[test]
    fn disable_cb_and_enable_cb_tell_the_device() -> Result {
        let session = Session::new(Plan::DEFAULT, MODERN)?;
        let queue = session.queue(0)?;

        ensure!(!session.device().no_interrupt(0)?);
        queue.lock().disable_cb();
        ensure!(session.device().no_interrupt(0)?);
        ensure!(queue.lock().enable_cb());
        ensure!(!session.device().no_interrupt(0)?);
        Ok(())
    }

    #[test]
    fn enable_cb_sees_a_buffer_that_is_waiting() -> Result {
        let session = Session::new(Plan::DEFAULT, MODERN)?;
        let queue = session.queue(0)?;

        queue.lock().disable_cb();
        add(&session, &queue, 0)?;
        let chain = session.device().pop(0)?.ok_or(ENOENT)?;
        session.device().push(0, &chain, 0)?;

        ensure!(!queue.lock().enable_cb());
        ensure!(pop(&queue).is_some());
        ensure!(queue.lock().enable_cb());
        Ok(())
    }

    #[test]
    fn enable_cb_delayed_asks_for_an_interrupt_after_most_buffers() -> Result {
        let options = Options {
            queues: &[16],
            ..MODERN.with_features(&[bindings::VIRTIO_RING_F_EVENT_IDX])
        };
        let session = Session::new(Plan::DEFAULT, options)?;
        let queue = session.queue(0)?;

        for id in 0..8 {
            add(&session, &queue, id)?;
        }
        queue.lock().disable_cb();
        ensure!(queue.lock().enable_cb_delayed());
        // Three quarters of them.
        ensure_eq!(session.device().used_event(0)?, Some(6));

        for _ in 0..7 {
            let chain = session.device().pop(0)?.ok_or(ENOENT)?;
            session.device().push(0, &chain, 0)?;
        }
        queue.lock().disable_cb();
        ensure!(!queue.lock().enable_cb_delayed());
        Ok(())
    }

    #[test]
    fn drain_takes_what_is_used_meanwhile_with_interrupts_off() -> Result {
        let session = Session::new(Plan::DEFAULT, MODERN)?;
        let queue = session.queue(0)?;

        for id in 0..4 {
            add(&session, &queue, id)?;
        }

        let chains = [
            session.device().pop(0)?.ok_or(ENOENT)?,
            session.device().pop(0)?.ok_or(ENOENT)?,
            session.device().pop(0)?.ok_or(ENOENT)?,
        ];
        let mut ring = session.device().hold(0)?;
        let mut next = chains.iter();
        let mut seen = [None; 4];
        let mut count = 0;

        // Each buffer that is taken makes the device use the next one.
        if let Some(chain) = next.next() {
            ring.push(chain, 0);
        }
        queue.lock().drain(|used| {
            seen[count] = Some((used.token.id, ring.no_interrupt()));
            count += 1;
            if let Some(chain) = next.next() {
                ring.push(chain, 0);
            }
        });

        let off = ring.no_interrupt();
        drop(ring);

        ensure_eq!(
            seen,
            [Some((0, true)), Some((1, true)), Some((2, true)), None]
        );
        // Interrupts are wanted again.
        ensure!(!off);
        Ok(())
    }

    /// What is used after the last look and before interrupts are on is not told. Here that is
    /// nothing that the driver has added, so the second look finds a device that is broken.
    #[test]
    fn drain_looks_again_when_interrupts_are_on() -> Result {
        let session = Session::new(Plan::DEFAULT, MODERN)?;
        let queue = session.queue(0)?;

        add(&session, &queue, 0)?;

        let chain = session.device().pop(0)?.ok_or(ENOENT)?;
        let mut ring = session.device().hold(0)?;
        let mut count = 0;

        ring.push(&chain, 0);
        queue.lock().drain(|_| {
            count += 1;
            ring.push(&chain, 0);
        });
        drop(ring);
        ensure_eq!(count, 1);
        ensure!(queue.lock().is_broken());
        Ok(())
    }

    #[test]
    fn drain_ends_on_a_broken_queue() -> Result {
        let session = Session::new(POLLED, MODERN)?;
        let queue = session.queue(0)?;

        add(&session, &queue, 0)?;
        session.device().push_bogus(0, 7, 0)?;

        let mut count = 0;
        queue.lock().drain(|_| count += 1);

        ensure_eq!(count, 0);
        ensure!(queue.lock().is_broken());
        Ok(())
    }
}
