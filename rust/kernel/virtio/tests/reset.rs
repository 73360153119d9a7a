// SPDX-License-Identifier: GPL-2.0

//! One queue is restarted while its device goes on (laws 2, 5 and 8).

use super::{
    super::{
        fake::{
            Event,
            Options, //
        },
        Virtqueue, //
    },
    bench::{
        Plan,
        Session,
        MODERN, //
    },
    driver::{
        Echo,
        Minimal,
        TestDriver, //
    },
    queue::{
        add,
        pop,
        POLLED, //
    },
    recovery::{
        set_up,
        wait_for,
        wait_until_settled,
        DONE, //
    },
};
use crate::{
    bindings,
    prelude::*,
    sync::atomic::ordering::Relaxed, //
};

/// A device whose queues can be reset.
fn resettable() -> Options {
    MODERN.with_features(&[bindings::VIRTIO_F_RING_RESET])
}

/// Such devices, with all kinds of rings.
const RINGS: &[(&str, &[u32])] = &[
    ("split", &[]),
    ("indirect", &[bindings::VIRTIO_RING_F_INDIRECT_DESC]),
    ("event index", &[bindings::VIRTIO_RING_F_EVENT_IDX]),
    ("in order", &[bindings::VIRTIO_F_IN_ORDER]),
    ("platform", &[bindings::VIRTIO_F_ACCESS_PLATFORM]),
    ("packed", &[bindings::VIRTIO_F_RING_PACKED]),
    (
        "packed, indirect",
        &[
            bindings::VIRTIO_F_RING_PACKED,
            bindings::VIRTIO_RING_F_INDIRECT_DESC,
        ],
    ),
    (
        "packed, event index",
        &[
            bindings::VIRTIO_F_RING_PACKED,
            bindings::VIRTIO_RING_F_EVENT_IDX,
        ],
    ),
    (
        "packed, in order",
        &[bindings::VIRTIO_F_RING_PACKED, bindings::VIRTIO_F_IN_ORDER],
    ),
];

/// Those of them that can be reset, and not only resized.
fn rings_that_reset() -> impl Iterator<Item = &'static (&'static str, &'static [u32])> {
    let in_order = |bits: &[u32]| bits.contains(&bindings::VIRTIO_F_IN_ORDER);

    RINGS.iter().filter(move |(_, bits)| !in_order(bits))
}

/// Resizes a queue as a callback of the bus does.
fn resize(session: &Session, queue: &Virtqueue<Echo>, num: u32) -> Result {
    session.fake()?.with_core(|dev| queue.resize(dev, num))?
}

/// Resets a queue as a callback of the bus does.
fn reset(session: &Session, queue: &Virtqueue<Echo>) -> Result {
    session.fake()?.with_core(|dev| queue.reset(dev))?
}

/// Lets the device use the next buffer of the first queue.
fn serve(session: &Session) -> Result {
    let chain = session.device().pop(0)?.ok_or(ENOENT)?;
    let len = chain.write(&chain.read()?);

    session.device().push(0, &chain, len)
}

/// Checks that the first queue works, and that its ring is new and has `num` descriptors.
fn works(session: &Session, queue: &Virtqueue<Echo>, num: u32) -> Result {
    ensure_eq!(queue.lock().vring_size(), num);
    ensure_eq!(queue.lock().num_free(), num);
    // More than the ring has room for, so that it wraps.
    for id in 100..100 + 2 * num {
        add(session, queue, id)?;

        let kick = queue.lock().kick_prepare();

        // With event indices, the device asks for the first one only.
        ensure!(kick || id != 100);
        ensure_eq!(queue.notify(), Ok(()));
        serve(session)?;
        ensure_eq!(pop(queue), Some((id, 8, false)));
    }
    ensure_eq!(session.buffers(), 0);
    Ok(())
}

/// Leaves two buffers in the ring: a used one and one that the device has not looked at.
fn leave_two(session: &Session, queue: &Virtqueue<Echo>) -> Result {
    for id in [1, 2, 3] {
        add(session, queue, id)?;
    }
    serve(session)?;
    ensure_eq!(pop(queue), Some((1, 8, false)));
    serve(session)?;
    // A new ring has another one.
    session.device().set_avail_event(0, 100)?;
    session.events()?;
    Ok(())
}

/// What happens when these two come back.
const TWO_CAME_BACK: [Event; 4] = [
    Event::StopQueue(0),
    Event::Detached { queue: 0, id: 2 },
    Event::Detached { queue: 0, id: 3 },
    Event::StartQueue(0),
];

/// Checks that a queue is broken, and that nothing but a reset of the device helps.
fn stays_broken(session: &Session, queue: &Virtqueue<Echo>) -> Result {
    ensure!(queue.lock().is_broken());
    ensure_eq!(add(session, queue, 9), Err(EIO));
    ensure_eq!(queue.notify(), Err(EIO));

    session.events()?;
    ensure_eq!(reset(session, queue), Err(EIO));
    ensure_eq!(resize(session, queue, 4), Err(EIO));
    ensure!(session.events()?.is_empty());

    session.device().knobs.stop_errno.store(0, Relaxed);
    session.device().knobs.start_errno.store(0, Relaxed);
    session.device().reset_prepare()?;
    session.device().reset_done()?;
    works(session, queue, 8)
}

/// Checks that a queue with a buffer in it goes on as if there had been no `calls`.
fn changes_nothing(
    options: Options,
    calls: impl FnOnce(&Session, &Virtqueue<Echo>) -> Result,
) -> Result {
    let session = Session::new(POLLED, options)?;
    let queue = session.queue(0)?;

    add(&session, &queue, 1)?;
    session.events()?;
    calls(&session, &queue)?;
    ensure!(session.events()?.is_empty());
    serve(&session)?;
    ensure_eq!(pop(&queue), Some((1, 8, false)));
    works(&session, &queue, 8)
}

#[kunit_tests(rust_virtio_reset)]
mod cases {
    use super::*;

    #[test]
    fn a_resized_ring_works() -> Result {
        for &(name, bits) in RINGS {
            let mut session = Session::new(POLLED, resettable().with_features(bits))?;
            let queue = session.queue(0)?;
            let sizes: &[u32] = if bits.contains(&bindings::VIRTIO_F_RING_PACKED) {
                &[5, 3, 8, 2]
            } else {
                &[4, 8, 2]
            };

            works(&session, &queue, 8)?;
            for &num in sizes {
                ensure_eq!((name, resize(&session, &queue, num)), (name, Ok(())));
                works(&session, &queue, num)?;
            }

            session.remove_device();
            ensure_eq!((name, session.device().mappings()), (name, 0));
        }
        Ok(())
    }

    #[test]
    fn what_was_not_popped_comes_back_from_a_resize() -> Result {
        for &(name, bits) in RINGS {
            let session = Session::new(POLLED, resettable().with_features(bits))?;
            let queue = session.queue(0)?;

            leave_two(&session, &queue)?;
            ensure_eq!((name, resize(&session, &queue, 4)), (name, Ok(())));
            ensure_eq!((name, &session.events()?[..]), (name, &TWO_CAME_BACK[..]));
            works(&session, &queue, 4)?;
        }
        Ok(())
    }

    #[test]
    fn what_was_not_popped_comes_back_from_a_reset() -> Result {
        for &(name, bits) in rings_that_reset() {
            let session = Session::new(POLLED, resettable().with_features(bits))?;
            let queue = session.queue(0)?;

            leave_two(&session, &queue)?;
            ensure_eq!((name, reset(&session, &queue)), (name, Ok(())));
            ensure_eq!((name, &session.events()?[..]), (name, &TWO_CAME_BACK[..]));
            works(&session, &queue, 8)?;
        }
        Ok(())
    }

    #[test]
    fn a_batch_in_order_ends_with_its_ring() -> Result {
        for bits in [&[][..], &[bindings::VIRTIO_F_RING_PACKED]] {
            let options = resettable()
                .with_features(&[bindings::VIRTIO_F_IN_ORDER])
                .with_features(bits);
            let session = Session::new(POLLED, options)?;
            let queue = session.queue(0)?;

            // The device uses three buffers, but names the last one only.
            for id in [1, 2, 3] {
                add(&session, &queue, id)?;
            }
            for _ in [1, 2] {
                session.device().pop(0)?.ok_or(ENOENT)?;
            }
            serve(&session)?;
            ensure_eq!(pop(&queue).map(|(id, ..)| id), Some(1));

            session.events()?;
            ensure_eq!(reset(&session, &queue), Err(EOPNOTSUPP));
            ensure!(session.events()?.is_empty());
            ensure_eq!(resize(&session, &queue, 4), Ok(()));
            ensure_eq!(session.events()?[..], TWO_CAME_BACK);

            add(&session, &queue, 4)?;
            ensure_eq!(pop(&queue), None);
            serve(&session)?;
            ensure_eq!(pop(&queue), Some((4, 8, false)));
            works(&session, &queue, 4)?;
        }
        Ok(())
    }

    #[test]
    fn without_memory_a_ring_in_order_is_broken() -> Result {
        let options = resettable().with_features(&[
            bindings::VIRTIO_F_ACCESS_PLATFORM,
            bindings::VIRTIO_F_IN_ORDER,
        ]);
        let session = Session::new(POLLED, options)?;
        let queue = session.queue(0)?;

        leave_two(&session, &queue)?;
        session.device().knobs.fail_maps.store(true, Relaxed);
        ensure_eq!(resize(&session, &queue, 4), Err(ENOMEM));
        session.device().knobs.fail_maps.store(false, Relaxed);
        ensure_eq!(session.events()?[..], TWO_CAME_BACK);
        stays_broken(&session, &queue)
    }

    #[test]
    fn without_memory_a_ring_keeps_its_size() -> Result {
        for bits in [&[][..], &[bindings::VIRTIO_F_RING_PACKED]] {
            let options = resettable()
                .with_features(&[bindings::VIRTIO_F_ACCESS_PLATFORM])
                .with_features(bits);
            let mut session = Session::new(POLLED, options)?;
            let queue = session.queue(0)?;

            leave_two(&session, &queue)?;
            session.device().knobs.fail_maps.store(true, Relaxed);
            ensure_eq!(resize(&session, &queue, 4), Err(ENOMEM));
            session.device().knobs.fail_maps.store(false, Relaxed);
            ensure_eq!(session.events()?[..], TWO_CAME_BACK);
            works(&session, &queue, 8)?;

            session.remove_device();
            ensure_eq!(session.device().mappings(), 0);
        }
        Ok(())
    }

    #[test]
    fn an_impossible_size_changes_nothing() -> Result {
        let split: &[(u32, Result)] = &[
            (0, Err(EINVAL)),
            (3, Err(EINVAL)),
            (8, Ok(())),
            (9, Err(E2BIG)),
            (u32::MAX, Err(E2BIG)),
        ];
        let packed: &[(u32, Result)] = &[(0, Err(EINVAL)), (8, Ok(())), (9, Err(E2BIG))];

        for (bits, sizes) in [
            (&[][..], split),
            (&[bindings::VIRTIO_F_RING_PACKED], packed),
        ] {
            changes_nothing(resettable().with_features(bits), |session, queue| {
                for &(num, result) in sizes {
                    ensure_eq!((num, resize(session, queue, num)), (num, result));
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    #[test]
    fn without_the_feature_or_the_means_a_queue_stays_as_it_is() -> Result {
        let without_means = Options {
            resets_queues: false,
            ..resettable()
        };

        for options in [MODERN, without_means] {
            changes_nothing(options, |session, queue| {
                ensure_eq!(resize(session, queue, 4), Err(ENOENT));
                ensure_eq!(reset(session, queue), Err(ENOENT));
                Ok(())
            })?;
        }
        Ok(())
    }

    #[test]
    fn a_queue_that_does_not_stop_is_broken() -> Result {
        // What else these mean does not matter.
        for error in [EIO, ENOMEM, ENODEV] {
            let session = Session::new(POLLED, resettable())?;
            let queue = session.queue(0)?;
            let stop_errno = &session.device().knobs.stop_errno;

            leave_two(&session, &queue)?;
            stop_errno.store(error.to_errno(), Relaxed);
            ensure_eq!(reset(&session, &queue), Err(EIO));
            ensure_eq!(session.events()?[..], [Event::StopQueue(0)]);
            // The device may still write to them.
            ensure_eq!(session.buffers(), 2);
            stays_broken(&session, &queue)?;

            stop_errno.store(error.to_errno(), Relaxed);
            ensure_eq!(resize(&session, &queue, 4), Err(EIO));
            stays_broken(&session, &queue)?;
        }
        Ok(())
    }

    #[test]
    fn a_queue_that_does_not_start_again_is_broken() -> Result {
        let session = Session::new(POLLED, resettable())?;
        let queue = session.queue(0)?;

        leave_two(&session, &queue)?;
        session
            .device()
            .knobs
            .start_errno
            .store(EIO.to_errno(), Relaxed);
        ensure_eq!(resize(&session, &queue, 4), Err(EBUSY));
        ensure_eq!(session.events()?[..], TWO_CAME_BACK);
        ensure_eq!(session.buffers(), 0);
        stays_broken(&session, &queue)
    }

    #[test]
    fn a_restart_that_breaks_its_queue_is_evidence() -> Result {
        let session = set_up::<TestDriver>(POLLED, resettable())?;
        let queue = session.queue(0)?;

        session
            .device()
            .knobs
            .start_errno
            .store(EIO.to_errno(), Relaxed);
        ensure_eq!(resize(&session, &queue, 4), Err(EBUSY));
        wait_for(&session, DONE, 1)?;
        wait_until_settled(&session)?;
        session.device().knobs.start_errno.store(0, Relaxed);
        works(&session, &queue, 8)
    }

    #[test]
    fn a_broken_queue_is_left_alone() -> Result {
        let session = Session::new(POLLED, resettable())?;
        let queue = session.queue(0)?;

        session.device().break_queue(0);
        stays_broken(&session, &queue)
    }

    #[test]
    fn a_queue_without_a_ring_is_left_alone() -> Result {
        let mut session = Session::new(POLLED, resettable())?;
        let queue = session.queue(0)?;

        session.device().reset_prepare()?;
        session.events()?;
        ensure_eq!(
            session.fake()?.with_core(|dev| queue.reset(dev)),
            Ok(Err(ENODEV))
        );
        ensure_eq!(
            session.fake()?.with_core(|dev| queue.resize(dev, 4)),
            Ok(Err(ENODEV))
        );
        ensure!(session.events()?.is_empty());
        session.device().reset_done()?;
        works(&session, &queue, 8)?;

        // One of the binding before.
        session.fake_mut()?.unbind();
        ensure!(session.fake_mut()?.attach());
        ensure_eq!(
            session.fake()?.with_core(|dev| queue.reset(dev)),
            Ok(Err(ENODEV))
        );
        Ok(())
    }

    #[test]
    fn a_queue_of_another_device_is_refused() -> Result {
        let session = Session::new(POLLED, resettable())?;
        // Its device goes to the driver that was there first.
        let other = Session::<Minimal>::with_driver(POLLED, resettable())?;
        let queue = other.queue(0)?;

        session.events()?;
        other.events()?;
        ensure_eq!(resize(&session, &queue, 4), Err(EINVAL));
        ensure_eq!(reset(&session, &queue), Err(EINVAL));
        ensure!(session.events()?.is_empty() && other.events()?.is_empty());
        ensure_eq!(
            other.fake()?.with_core(|dev| queue.resize(dev, 4)),
            Ok(Ok(()))
        );
        ensure_eq!(queue.lock().vring_size(), 4);
        Ok(())
    }

    #[test]
    fn a_queue_has_no_ring_while_it_is_reset() -> Result {
        let plan = Plan {
            drain: true,
            retry: true,
            in_detached: |bench| {
                let Some(device) = bench.device.as_ref() else {
                    return;
                };
                let nothing = bench.queue(0).is_ok_and(|queue| {
                    queue.notify() == Err(ENODEV)
                        && queue.lock().pop().is_none()
                        && !queue.lock().kick_prepare()
                        && queue.lock().enable_cb()
                        && queue.lock().vring_size() == 0
                        && queue.lock().num_free() == 0
                        && queue.lock().is_broken()
                });

                if nothing {
                    bench.log.driver("no ring");
                }
                device.interrupt(0);
            },
            ..Plan::DEFAULT
        };
        let session = Session::new(plan, resettable())?;
        let queue = session.queue(0)?;

        leave_two(&session, &queue)?;
        reset(&session, &queue)?;
        ensure_eq!(
            session.events()?[..],
            [
                Event::StopQueue(0),
                Event::Detached { queue: 0, id: 2 },
                Event::Driver("no ring"),
                Event::Done(0),
                Event::Detached { queue: 0, id: 3 },
                Event::Driver("no ring"),
                Event::Done(0),
                Event::StartQueue(0),
            ]
        );
        ensure!(session.take_used().is_none());
        works(&session, &queue, 8)
    }

    #[test]
    fn queues_can_be_reset_in_all_callbacks() -> Result {
        let plan = Plan {
            in_callback: |dev, bench| {
                if bench.queue(0).is_ok_and(|queue| queue.reset(dev).is_ok()) {
                    bench.log.driver("reset");
                }
            },
            ..POLLED
        };
        let mut session = Session::new(plan, resettable())?;
        let queue = session.queue(0)?;
        let came_back = Event::Detached { queue: 0, id: 1 };

        for step in ["freeze", "restore", "unbind"] {
            // When it is restored, the ring is empty.
            if step != "restore" {
                add(&session, &queue, 1)?;
            }
            match step {
                "freeze" => session.device().reset_prepare()?,
                "restore" => session.device().reset_done()?,
                _ => session.fake_mut()?.unbind(),
            }

            let events = session.events()?;
            let mut steps = events
                .iter()
                .skip_while(|&&event| event != Event::Driver(step))
                .filter(|&&event| !matches!(event, Event::Synchronize));

            ensure_eq!(steps.next(), Some(&Event::Driver(step)));
            ensure_eq!(steps.next(), Some(&Event::StopQueue(0)));
            if step != "restore" {
                ensure_eq!(steps.next(), Some(&came_back));
            }
            ensure_eq!(steps.next(), Some(&Event::StartQueue(0)));
            ensure_eq!(steps.next(), Some(&Event::Driver("reset")));
            ensure_eq!(steps.filter(|&&event| event == came_back).count(), 0);
            if step == "restore" {
                works(&session, &queue, 8)?;
            }
        }
        ensure_eq!(session.buffers(), 0);
        Ok(())
    }

    #[test]
    fn interrupts_come_after_a_reset_even_if_they_were_disabled() -> Result {
        for &(name, bits) in rings_that_reset() {
            let plan = Plan {
                drain: true,
                ..Plan::DEFAULT
            };
            let session = Session::new(plan, resettable().with_features(bits))?;
            let queue = session.queue(0)?;

            session.add(0, 1)?;
            queue.lock().disable_cb();
            // Other rings say it in another way.
            if name == "split" {
                ensure!(session.device().no_interrupt(0)?);
            }
            reset(&session, &queue)?;
            ensure!(!session.device().no_interrupt(0)?);

            for id in [2, 3] {
                session.add(0, id)?;
                session.serve(0)?;
                ensure_eq!(session.take_used().map(|used| used.token.id), Some(id));
            }
        }
        Ok(())
    }

    #[test]
    fn other_queues_go_on() -> Result {
        let plan = Plan {
            queues: 2,
            ..POLLED
        };
        let session = Session::new(plan, resettable())?;
        let (first, second) = (session.queue(0)?, session.queue(1)?);

        add(&session, &first, 1)?;
        add(&session, &second, 2)?;
        session.events()?;
        resize(&session, &second, 4)?;
        ensure_eq!(
            session.events()?[..],
            [
                Event::StopQueue(1),
                Event::Detached { queue: 1, id: 2 },
                Event::StartQueue(1),
            ]
        );
        ensure_eq!(second.lock().vring_size(), 4);
        serve(&session)?;
        ensure_eq!(pop(&first), Some((1, 8, false)));
        works(&session, &first, 8)
    }
}
