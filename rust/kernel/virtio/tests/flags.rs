// SPDX-License-Identifier: GPL-2.0

//! A device writes into descriptors, which C believes when it takes buffers back in order, or at
//! the end (laws 5, 6, 8 and 9).

use super::{
    super::{
        fake::{
            Event,
            Options, //
        },
        Virtqueue, //
    },
    bench::{
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

/// Rings that are split, by their features.
const RINGS: &[(&str, &[u32])] = &[
    ("plain", &[]),
    ("event index", &[bindings::VIRTIO_RING_F_EVENT_IDX]),
    ("indirect", &[bindings::VIRTIO_RING_F_INDIRECT_DESC]),
    ("in order", &[bindings::VIRTIO_F_IN_ORDER]),
    ("mapped", &[bindings::VIRTIO_F_ACCESS_PLATFORM]),
];

/// The descriptor that leads to the rest of the first buffer.
const HEAD: usize = 0;

/// Those that lead nowhere: the tails of both buffers, which have two descriptors each or, if the
/// second has a table, one, and all that are free.
fn ends(bits: &[u32]) -> &'static [usize] {
    if bits.contains(&bindings::VIRTIO_RING_F_INDIRECT_DESC) {
        &[1, 2, 3, 4, 5, 6, 7]
    } else {
        &[1, 3, 4, 5, 6, 7]
    }
}

/// Whether buffers are used in order.
fn goes_in_order(bits: &[u32]) -> bool {
    bits.contains(&bindings::VIRTIO_F_IN_ORDER)
}

/// Puts buffers 1 and 2 into the first queue.
fn with_two(options: Options) -> Result<(Session, crate::sync::Arc<Virtqueue<Echo>>)> {
    let session = Session::new(POLLED, options)?;
    let queue = session.queue(0)?;

    add(&session, &queue, 1)?;
    add(&session, &queue, 2)?;
    session.events()?;
    Ok((session, queue))
}

/// Checks that both came back unused, once, and that nothing was unmapped that was not mapped.
fn both_came_back(name: &str, session: &Session) -> Result {
    for id in [1, 2] {
        ensure_eq!(
            (name, session.log.count(Event::Detached { queue: 0, id })),
            (name, 1)
        );
    }
    ensure_eq!((name, session.buffers()), (name, 0));
    ensure_eq!((name, session.device().bad_unmaps()), (name, 0));
    Ok(())
}

#[kunit_tests(rust_virtio_flags)]
mod cases {
    use super::*;

    #[test]
    fn a_buffer_that_does_not_come_back_whole_breaks_the_queue() -> Result {
        for &(name, bits) in RINGS {
            if !goes_in_order(bits) {
                continue;
            }

            let (mut session, queue) = with_two(MODERN.with_features(bits))?;
            let chain = session.device().pop(0)?.ok_or(ENOENT)?;

            session.device().flip_next(0, HEAD)?;
            session.device().push(0, &chain, 0)?;

            ensure_eq!((name, pop(&queue)), (name, None));
            ensure!(queue.lock().is_broken());
            ensure_eq!((name, add(&session, &queue, 3)), (name, Err(EIO)));
            ensure_eq!((name, session.buffers()), (name, 2));
            ensure_eq!((name, pop(&queue)), (name, None));

            session.remove_device();
            both_came_back(name, &session)?;
        }
        Ok(())
    }

    #[test]
    fn a_buffer_ends_where_the_driver_has_said() -> Result {
        for &(name, bits) in RINGS {
            if goes_in_order(bits) {
                continue;
            }
            // One, or all of them: those of the driver are cut, and others lead round.
            for flips in [&[HEAD][..], &[0, 1, 2, 3, 4, 5, 6, 7]] {
                let (mut session, queue) = with_two(MODERN.with_features(bits))?;
                let first = session.device().pop(0)?.ok_or(ENOENT)?;
                let second = session.device().pop(0)?.ok_or(ENOENT)?;

                for &descriptor in flips {
                    session.device().flip_next(0, descriptor)?;
                }
                session.device().push(0, &second, 0)?;
                session.device().push(0, &first, 0)?;
                ensure_eq!((name, pop(&queue)), (name, Some((2, 0, false))));
                ensure_eq!((name, pop(&queue)), (name, Some((1, 0, false))));
                ensure_eq!((name, queue.lock().num_free()), (name, 8));
                ensure_eq!((name, pop(&queue)), (name, None));
                ensure!(!queue.lock().is_broken());

                // What was changed is written again before the device sees it.
                for id in 3..7 {
                    ensure_eq!((name, add(&session, &queue, id)), (name, Ok(())));
                }
                for id in 3..7 {
                    let chain = session.device().pop(0)?.ok_or(ENOENT)?;

                    session.device().push(0, &chain, 1)?;
                    ensure_eq!((name, pop(&queue)), (name, Some((id, 1, false))));
                }
                ensure_eq!((name, queue.lock().num_free()), (name, 8));

                session.remove_device();
                ensure_eq!((name, session.buffers()), (name, 0));
                ensure_eq!((name, session.device().mappings()), (name, 0));
                ensure_eq!((name, session.device().bad_unmaps()), (name, 0));
            }
        }
        Ok(())
    }

    #[test]
    fn links_that_a_device_has_made_are_not_followed() -> Result {
        for &(name, bits) in RINGS {
            // One, or all of them: a circle.
            for links in [&[1], ends(bits)] {
                let (mut session, queue) = with_two(MODERN.with_features(bits))?;
                let first = session.device().pop(0)?.ok_or(ENOENT)?;
                let second = session.device().pop(0)?.ok_or(ENOENT)?;

                for &descriptor in links {
                    session.device().flip_next(0, descriptor)?;
                }
                session.device().push(0, &first, 0)?;
                session.device().push(0, &second, 0)?;
                ensure_eq!((name, pop(&queue)), (name, Some((1, 0, false))));
                ensure_eq!((name, pop(&queue)), (name, Some((2, 0, false))));
                ensure_eq!((name, queue.lock().num_free()), (name, 8));
                ensure_eq!((name, add(&session, &queue, 3)), (name, Ok(())));

                session.remove_device();
                ensure_eq!((name, session.buffers()), (name, 0));
                ensure_eq!((name, session.device().mappings()), (name, 0));
                ensure_eq!((name, session.device().bad_unmaps()), (name, 0));
            }
        }
        Ok(())
    }

    #[test]
    fn what_comes_back_at_the_end_is_what_the_driver_has_added() -> Result {
        for &(name, bits) in RINGS {
            for flips in [&[HEAD], ends(bits)] {
                let (mut session, _queue) = with_two(MODERN.with_features(bits))?;

                for &descriptor in flips {
                    session.device().flip_next(0, descriptor)?;
                }
                session.remove_device();
                both_came_back(name, &session)?;
            }
        }
        Ok(())
    }

    #[test]
    fn a_restart_gives_all_back_and_breaks_the_queue() -> Result {
        for &(name, bits) in RINGS {
            // What C takes back in a restart it unmaps as the descriptors say.
            if bits.contains(&bindings::VIRTIO_F_ACCESS_PLATFORM) {
                continue;
            }
            let options = MODERN
                .with_features(&[bindings::VIRTIO_F_RING_RESET])
                .with_features(bits);

            for (flips, broken) in [(&[HEAD][..], true), (ends(bits), false)] {
                let (session, queue) = with_two(options)?;

                for &descriptor in flips {
                    session.device().flip_next(0, descriptor)?;
                }
                let ret = session.fake()?.with_core(|dev| queue.resize(dev, 4))?;
                let expected = if broken { Err(EIO) } else { Ok(()) };

                ensure_eq!((name, ret), (name, expected));
                both_came_back(name, &session)?;
                ensure_eq!((name, queue.lock().is_broken()), (name, broken));

                session.device().reset_prepare()?;
                session.device().reset_done()?;
                add(&session, &queue, 3)?;
                let chain = session.device().pop(0)?.ok_or(ENOENT)?;
                session.device().push(0, &chain, 8)?;
                ensure_eq!((name, pop(&queue)), (name, Some((3, 8, false))));
            }
        }
        Ok(())
    }
}
