// SPDX-License-Identifier: GPL-2.0

//! A device writes into descriptors, which C believes when it takes buffers back (laws 5, 6, 8 and
//! 9).

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

/// Rings whose descriptors C believes, with the first descriptors of two buffers, and one to write
/// into.
const LIES: &[(&str, &[u32], usize)] = &[
    ("loses its tail", &[], 0),
    ("takes the next one along", &[], 1),
    ("event index", &[bindings::VIRTIO_RING_F_EVENT_IDX], 1),
    (
        "indirect, takes the next one along",
        &[bindings::VIRTIO_RING_F_INDIRECT_DESC],
        0,
    ),
    (
        "in order, loses its tail",
        &[bindings::VIRTIO_F_IN_ORDER],
        0,
    ),
    (
        "in order, takes the next one along",
        &[bindings::VIRTIO_F_IN_ORDER],
        1,
    ),
    (
        "mapped, loses its tail",
        &[bindings::VIRTIO_F_ACCESS_PLATFORM],
        0,
    ),
    (
        "mapped, takes the next one along",
        &[bindings::VIRTIO_F_ACCESS_PLATFORM],
        1,
    ),
];

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
        for &(name, bits, descriptor) in LIES {
            let (mut session, queue) = with_two(MODERN.with_features(bits))?;
            let chain = session.device().pop(0)?.ok_or(ENOENT)?;

            session.device().flip_next(0, descriptor)?;
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
    fn what_comes_back_at_the_end_is_what_the_driver_has_added() -> Result {
        for &(name, bits, descriptor) in LIES {
            let (mut session, _queue) = with_two(MODERN.with_features(bits))?;

            session.device().flip_next(0, descriptor)?;
            session.remove_device();
            both_came_back(name, &session)?;
        }
        Ok(())
    }

    #[test]
    fn a_restart_gives_all_back_and_breaks_the_queue() -> Result {
        for &(name, bits, descriptor) in LIES {
            // What C takes back in a restart it unmaps as the descriptors say.
            if bits.contains(&bindings::VIRTIO_F_ACCESS_PLATFORM) {
                continue;
            }
            let options = MODERN
                .with_features(&[bindings::VIRTIO_F_RING_RESET])
                .with_features(bits);
            let (session, queue) = with_two(options)?;

            session.device().flip_next(0, descriptor)?;
            let ret = session.fake()?.with_core(|dev| queue.resize(dev, 4))?;

            ensure_eq!((name, ret), (name, Err(EIO)));
            both_came_back(name, &session)?;
            ensure!(queue.lock().is_broken());

            session.device().reset_prepare()?;
            session.device().reset_done()?;
            add(&session, &queue, 3)?;
            let chain = session.device().pop(0)?.ok_or(ENOENT)?;
            session.device().push(0, &chain, 8)?;
            ensure_eq!((name, pop(&queue)), (name, Some((3, 8, false))));
        }
        Ok(())
    }
}
