// SPDX-License-Identifier: GPL-2.0

//! Virtqueues in use: buffers go round, whatever the ring (laws 1, 5 and 8).

#[cfg(CONFIG_PROVE_LOCKING)]
use super::bench::count_warnings;
use super::{
    super::{
        fake::{
            Event,
            Options, //
        },
        Affinity,
        Callback,
        Device,
        Virtqueue,
        VirtqueueSetup, //
    },
    bench::{
        Bench,
        Plan,
        Session,
        LEGACY,
        MODERN, //
    },
    driver::{
        Buffer,
        Context,
        Echo, //
    }, //
};
use crate::{
    bindings,
    device::Core,
    prelude::*,
    static_lock_class,
    sync::Arc, //
};

/// A driver that looks for used buffers by itself.
pub(super) const POLLED: Plan = Plan {
    callback: Callback::Polled,
    ..Plan::DEFAULT
};

/// Adds a buffer without a notification.
pub(super) fn add(session: &Session, queue: &Virtqueue<Echo>, id: u32) -> Result {
    let buffer = session.buffer(id)?;
    let ret = queue.lock().add(buffer, Buffer::describe);

    ret.map_err(|err| err.error)
}

/// Takes a used buffer out and returns its number, length, and whether that was too much.
pub(super) fn pop(queue: &Virtqueue<Echo>) -> Option<(u32, u32, bool)> {
    let used = queue.lock().pop();

    used.map(|used| (used.token.id, used.len(), used.is_overrun()))
}

#[kunit_tests(rust_virtio_queue)]
mod cases {
    use super::*;

    #[test]
    fn a_buffer_goes_round_on_every_ring() -> Result {
        let table: &[(&str, Options, &[u32])] = &[
            ("legacy", LEGACY, &[]),
            ("modern", MODERN, &[]),
            ("indirect", MODERN, &[bindings::VIRTIO_RING_F_INDIRECT_DESC]),
            ("event index", MODERN, &[bindings::VIRTIO_RING_F_EVENT_IDX]),
            ("in order", MODERN, &[bindings::VIRTIO_F_IN_ORDER]),
            ("platform", MODERN, &[bindings::VIRTIO_F_ACCESS_PLATFORM]),
            ("packed", MODERN, &[bindings::VIRTIO_F_RING_PACKED]),
            (
                "packed, indirect",
                MODERN,
                &[
                    bindings::VIRTIO_F_RING_PACKED,
                    bindings::VIRTIO_RING_F_INDIRECT_DESC,
                ],
            ),
            (
                "packed, in order",
                MODERN,
                &[bindings::VIRTIO_F_RING_PACKED, bindings::VIRTIO_F_IN_ORDER],
            ),
            (
                "all",
                MODERN,
                &[
                    bindings::VIRTIO_RING_F_INDIRECT_DESC,
                    bindings::VIRTIO_RING_F_EVENT_IDX,
                    bindings::VIRTIO_F_ACCESS_PLATFORM,
                    bindings::VIRTIO_F_RING_PACKED,
                ],
            ),
        ];

        for &(name, options, bits) in table {
            let plan = Plan {
                drain: true,
                ..Plan::DEFAULT
            };
            let mut session = Session::new(plan, options.with_features(bits))?;

            // More than the ring has room for, so that it wraps.
            for id in 0..30 {
                session.add(0, id)?;
                ensure_eq!((name, session.buffers()), (name, 1));
                session.serve(0)?;

                let used = session.take_used().ok_or(ENOENT)?;

                ensure_eq!((name, used.token.id), (name, id));
                ensure_eq!((name, used.len(), used.capacity()), (name, 8, 16));
                ensure!(!used.is_overrun() && !used.is_empty());
                ensure_eq!(used.token.answer[..8], [id as u8; 8]);
                ensure_eq!(used.token.answer[8..], [0; 8]);
            }
            ensure!(session.take_used().is_none());

            session.remove_device();
            ensure_eq!((name, session.buffers()), (name, 0));
            ensure_eq!((name, session.device().mappings()), (name, 0));
        }
        Ok(())
    }

    #[test]
    fn several_buffers_come_back_in_the_order_of_the_device() -> Result {
        let session = Session::new(POLLED, MODERN)?;
        let queue = session.queue(0)?;

        for id in 0..3 {
            add(&session, &queue, id)?;
        }

        let mut chains = [
            session.device().pop(0)?.ok_or(ENOENT)?,
            session.device().pop(0)?.ok_or(ENOENT)?,
            session.device().pop(0)?.ok_or(ENOENT)?,
        ];
        chains.reverse();
        for chain in &chains {
            session.device().push(0, chain, 0)?;
        }

        ensure_eq!(pop(&queue), Some((2, 0, false)));
        ensure_eq!(pop(&queue), Some((1, 0, false)));
        ensure_eq!(pop(&queue), Some((0, 0, false)));
        ensure_eq!(pop(&queue), None);
        Ok(())
    }

    #[test]
    fn pop_finds_nothing_before_the_device_has_used_a_buffer() -> Result {
        let session = Session::new(POLLED, MODERN)?;
        let queue = session.queue(0)?;

        ensure_eq!(pop(&queue), None);
        add(&session, &queue, 1)?;
        ensure_eq!(pop(&queue), None);
        let chain = session.device().pop(0)?.ok_or(ENOENT)?;
        ensure_eq!(pop(&queue), None);
        session.device().push(0, &chain, 3)?;
        ensure_eq!(pop(&queue), Some((1, 3, false)));
        Ok(())
    }

    #[test]
    fn the_used_length_is_bounded_by_what_the_device_may_write() -> Result {
        let session = Session::new(POLLED, MODERN)?;
        let queue = session.queue(0)?;

        for (said, len, overrun) in [
            (0, 0, false),
            (1, 1, false),
            (16, 16, false),
            (17, 16, true),
            (u32::MAX, 16, true),
        ] {
            add(&session, &queue, 0)?;
            let chain = session.device().pop(0)?.ok_or(ENOENT)?;
            session.device().push(0, &chain, said)?;

            let used = queue.lock().pop().ok_or(ENOENT)?;

            ensure_eq!((used.len(), used.is_overrun()), (len, overrun));
            ensure_eq!(used.is_empty(), said == 0);
            ensure_eq!(used.capacity(), 16);
        }
        Ok(())
    }

    #[test]
    fn nothing_is_written_to_a_buffer_that_is_only_read() -> Result {
        let session = Session::new(POLLED, MODERN)?;
        let queue = session.queue(0)?;
        let buffer = session.buffer(0)?;
        let ret = queue.lock().add(buffer, |buffer, parts| {
            parts.device_readable(&buffer.request)
        });

        ret.map_err(|err| err.error)?;

        let chain = session.device().pop(0)?.ok_or(ENOENT)?;

        session.device().push(0, &chain, 5)?;

        let used = queue.lock().pop().ok_or(ENOENT)?;

        ensure_eq!((used.len(), used.capacity()), (0, 0));
        ensure!(used.is_empty() && used.is_overrun());
        Ok(())
    }

    #[test]
    fn a_buffer_that_was_never_added_does_not_come_back() -> Result {
        // Out of range, not in use, and the middle of a buffer.
        for id in [8, u32::MAX, 5, 1] {
            let mut session = Session::new(POLLED, MODERN)?;
            let queue = session.queue(0)?;

            add(&session, &queue, 9)?;
            session.device().push_bogus(0, id, 4)?;

            ensure_eq!((id, pop(&queue)), (id, None));
            ensure!(queue.lock().is_broken());
            // The device still has the buffer.
            ensure_eq!(session.buffers(), 1);
            session.events()?;
            session.remove_device();
            ensure_eq!(session.log.count(Event::Detached { queue: 0, id: 9 }), 1);
            ensure_eq!(session.buffers(), 0);
        }
        Ok(())
    }

    #[test]
    fn a_packed_ring_does_not_return_foreign_buffers_either() -> Result {
        let options = MODERN.with_features(&[bindings::VIRTIO_F_RING_PACKED]);

        for id in [8, u32::MAX, 5] {
            let mut session = Session::new(POLLED, options)?;
            let queue = session.queue(0)?;

            add(&session, &queue, 9)?;
            session.device().push_bogus(0, id, 4)?;

            ensure_eq!((id, pop(&queue)), (id, None));
            ensure!(queue.lock().is_broken());
            session.remove_device();
            ensure_eq!(session.log.count(Event::Detached { queue: 0, id: 9 }), 1);
            ensure_eq!(session.buffers(), 0);
        }
        Ok(())
    }

    #[test]
    fn a_buffer_that_is_returned_twice_comes_back_once() -> Result {
        let mut session = Session::new(POLLED, MODERN)?;
        let queue = session.queue(0)?;

        add(&session, &queue, 3)?;
        add(&session, &queue, 4)?;
        let chain = session.device().pop(0)?.ok_or(ENOENT)?;
        session.device().push(0, &chain, 0)?;
        session.device().push(0, &chain, 0)?;

        ensure_eq!(pop(&queue), Some((3, 0, false)));
        ensure_eq!(pop(&queue), None);
        ensure!(queue.lock().is_broken());
        ensure_eq!(session.buffers(), 1);
        session.remove_device();
        ensure_eq!(session.buffers(), 0);
        Ok(())
    }

    #[test]
    #[cfg(CONFIG_PROVE_LOCKING)]
    fn interrupts_are_disabled_while_a_queue_is_locked() -> Result {
        let session = Session::new(POLLED, MODERN)?;
        let queue = session.queue(0)?;
        let (_, warnings) = count_warnings(|| {
            let _locked = queue.lock();

            // SAFETY: Safe to call anywhere.
            unsafe { bindings::lockdep_assert_irqs_disabled() };
        });

        ensure_eq!(warnings, 0);
        Ok(())
    }

    #[test]
    fn the_locks_of_two_kinds_of_queues_are_held_at_once() -> Result {
        fn set_up(
            _dev: &Device<Core<'_>>,
            bench: &Arc<Bench>,
            mut setup: VirtqueueSetup<'_>,
        ) -> Result {
            let context = || Context(bench.clone());
            let first =
                setup.add::<Echo>(c"rx", Callback::Polled, 4, context(), static_lock_class!())?;
            let second =
                setup.add::<Echo>(c"tx", Callback::Polled, 4, context(), static_lock_class!())?;
            let ready = setup.find(Affinity::Default)?.ready();
            let mut queues = KVec::new();

            queues.push(first.into_ready(&ready), GFP_KERNEL)?;
            queues.push(second.into_ready(&ready), GFP_KERNEL)?;
            bench.publish(queues);
            Ok(())
        }

        let plan = Plan {
            set_up: Some(set_up),
            ..POLLED
        };
        let session = Session::new(plan, MODERN)?;
        let (first, second) = (session.queue(0)?, session.queue(1)?);
        let buffer = session.buffer(1)?;
        let mut held = first.lock();
        let mut inner = second.lock();
        let ret = held.add(buffer, Buffer::describe);
        let is_empty = inner.pop().is_none();

        // Not in the order of a stack.
        drop(held);

        let num_free = inner.num_free();

        drop(inner);
        ret.map_err(|err| err.error)?;
        ensure!(is_empty && num_free == 8);
        // Sleeps, which it must not with interrupts disabled.
        add(&session, &second, 2)?;
        ensure_eq!(session.buffers(), 2);
        // Lockdep turns itself off when it finds something.
        #[cfg(CONFIG_PROVE_LOCKING)]
        {
            // SAFETY: A number that is only looked at.
            let debug_locks = unsafe { bindings::debug_locks };

            ensure_eq!(debug_locks, 1);
        }
        Ok(())
    }

    #[test]
    fn a_queue_without_its_ring_refuses_all_operations() -> Result {
        let mut session = Session::new(Plan::DEFAULT, MODERN)?;
        let queue = session.queue(0)?;

        session.remove_device();

        let buffer = session.buffer(6)?;
        let err = queue
            .lock()
            .add(buffer, Buffer::describe)
            .err()
            .ok_or(EINVAL)?;

        ensure_eq!((err.error, err.token.id), (ENODEV, 6));
        ensure_eq!(queue.notify(), Err(ENODEV));

        let mut locked = queue.lock();
        let none = (
            locked.pop().is_none(),
            locked.kick_prepare(),
            locked.num_free(),
            locked.vring_size(),
            locked.is_broken(),
        );
        locked.disable_cb();
        let enabled = (locked.enable_cb(), locked.enable_cb_delayed());
        let mut drained = false;
        locked.drain(|_| drained = true);
        drop(locked);

        ensure_eq!(none, (true, false, 0, 0, true));
        // There is nothing to wait for.
        ensure_eq!(enabled, (true, true));
        ensure!(!drained);
        // What does not need a ring goes on.
        ensure_eq!(queue.index(), 0);
        ensure_eq!(queue.name().to_bytes(), b"first");
        ensure_eq!(queue.context().0.plan.queues, 1);
        Ok(())
    }

    #[test]
    fn a_device_that_never_answers_gives_all_buffers_back_at_the_end() -> Result {
        let mut session = Session::new(Plan::DEFAULT, MODERN)?;

        for id in 0..4 {
            session.add(0, id)?;
        }
        ensure_eq!(session.buffers(), 4);
        session.remove_device();
        ensure_eq!(session.buffers(), 0);
        for id in 0..4 {
            ensure_eq!(session.log.count(Event::Detached { queue: 0, id }), 1);
        }
        Ok(())
    }
}
