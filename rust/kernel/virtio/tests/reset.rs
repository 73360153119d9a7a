// SPDX-License-Identifier: GPL-2.0

//! One queue is restarted while its device goes on (laws 2 and 5).

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
    driver::Echo,
    queue::{
        add,
        pop,
        POLLED, //
    },
};
use crate::{
    bindings,
    prelude::*, //
};

/// A device whose queues can be reset.
pub(super) fn resettable() -> Options {
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
pub(super) fn resize(session: &Session, queue: &Virtqueue<Echo>, num: u32) -> Result {
    session.fake()?.with_core(|dev| queue.resize(dev, num))?
}

/// Resets a queue as a callback of the bus does.
pub(super) fn reset(session: &Session, queue: &Virtqueue<Echo>) -> Result {
    session.fake()?.with_core(|dev| queue.reset(dev))?
}

/// Lets the device use the next buffer of the first queue.
pub(super) fn serve(session: &Session) -> Result {
    let chain = session.device().pop(0)?.ok_or(ENOENT)?;
    let len = chain.write(&chain.read()?);

    session.device().push(0, &chain, len)
}

/// Checks that the first queue works, and that its ring is new and has `num` descriptors.
pub(super) fn works(session: &Session, queue: &Virtqueue<Echo>, num: u32) -> Result {
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
pub(super) fn leave_two(session: &Session, queue: &Virtqueue<Echo>) -> Result {
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
pub(super) const TWO_CAME_BACK: [Event; 4] = [
    Event::StopQueue(0),
    Event::Detached { queue: 0, id: 2 },
    Event::Detached { queue: 0, id: 3 },
    Event::StartQueue(0),
];

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
