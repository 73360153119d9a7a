// SPDX-License-Identifier: GPL-2.0

//! What a ring can take, and what becomes of a token that it cannot take (laws 1 and 5).

use super::{
    super::fake::{
        map,
        Options, //
    },
    bench::{
        count_warnings,
        Plan,
        Session,
        MODERN, //
    },
    driver::Buffer,
    queue::{
        add,
        pop,
        POLLED, //
    }, //
};
use crate::{
    bindings,
    prelude::*,
    sync::atomic::ordering::Relaxed, //
};

#[kunit_tests(rust_virtio_capacity)]
mod cases {
    use super::*;

    #[test]
    fn a_full_ring_gives_the_token_back() -> Result {
        let session = Session::new(POLLED, MODERN)?;
        let queue = session.queue(0)?;

        ensure_eq!(queue.lock().vring_size(), 8);
        for id in 0..4 {
            ensure_eq!(queue.lock().num_free(), 8 - 2 * id);
            add(&session, &queue, id)?;
        }
        ensure_eq!(queue.lock().num_free(), 0);

        let buffer = session.buffer(4)?;
        let err = queue
            .lock()
            .add(buffer, Buffer::describe)
            .err()
            .ok_or(EINVAL)?;

        ensure_eq!((err.error, err.token.id), (ENOSPC, 4));
        drop(err);
        ensure_eq!(session.buffers(), 4);

        session.serve(0)?;
        ensure!(pop(&queue).is_some());
        ensure_eq!(queue.lock().num_free(), 2);
        ensure_eq!(add(&session, &queue, 5), Ok(()));
        Ok(())
    }

    #[test]
    fn a_buffer_that_never_fits_is_refused_without_a_warning() -> Result {
        // The device, not the driver, chooses the size of the ring.
        for bits in [&[][..], &[bindings::VIRTIO_F_RING_PACKED]] {
            let options = Options {
                queues: &[1],
                ..MODERN.with_features(bits)
            };
            let session = Session::new(POLLED, options)?;
            let queue = session.queue(0)?;
            let (ret, warnings) = count_warnings(|| add(&session, &queue, 0));

            ensure_eq!(ret, Err(EMSGSIZE));
            ensure_eq!(warnings, 0);
            ensure_eq!(session.buffers(), 0);
        }
        Ok(())
    }

    #[test]
    fn an_indirect_buffer_has_no_more_entries_than_c_counts() -> Result {
        let options = MODERN.with_features(&[
            bindings::VIRTIO_RING_F_INDIRECT_DESC,
            bindings::VIRTIO_F_ACCESS_PLATFORM,
        ]);

        for (max_parts, bound) in [(32768, true), (32769, false), (65_600, false)] {
            let plan = Plan {
                max_parts,
                ..POLLED
            };
            let mut session = Session::new(plan, options)?;

            ensure_eq!((max_parts, session.device().is_bound()), (max_parts, bound));
            if !bound {
                continue;
            }

            let queue = session.queue(0)?;
            let fill = |entries: usize, with_part: bool| {
                let buffer = session.buffer(0)?;
                let ret = queue.lock().add(buffer, |buffer, parts| {
                    let Buffer { request, tail, .. } = buffer;

                    for _ in 0..entries {
                        parts.device_readable(&request[0])?;
                    }
                    if with_part {
                        parts.device_writable_part(tail)?;
                    }
                    Ok(())
                });

                ret.map_err(|err| err.error)
            };

            ensure_eq!(fill(32769, false), Err(EMSGSIZE));
            ensure_eq!(fill(32768, true), Err(EMSGSIZE));

            ensure_eq!(fill(1000, true), Ok(()));

            let chain = session.device().pop(0)?.ok_or(ENOENT)?;

            ensure_eq!((chain.lens(false).count(), chain.capacity()), (1000, 1));
            session.device().push(0, &chain, 1)?;
            ensure_eq!(pop(&queue), Some((0, 1, false)));
            session.remove_device();
            ensure_eq!(session.device().mappings(), 0);
            ensure_eq!(session.device().bad_unmaps(), 0);
        }
        Ok(())
    }

    #[test]
    fn a_broken_queue_gives_the_token_back() -> Result {
        let session = Session::new(POLLED, MODERN)?;
        let queue = session.queue(0)?;

        ensure!(!queue.lock().is_broken());
        session.device().break_queue(0);
        ensure!(queue.lock().is_broken());

        let buffer = session.buffer(1)?;
        let err = queue
            .lock()
            .add(buffer, Buffer::describe)
            .err()
            .ok_or(EINVAL)?;

        ensure_eq!((err.error, err.token.id), (EIO, 1));
        ensure_eq!(queue.notify(), Err(EIO));
        ensure!(queue.lock().pop().is_none());
        Ok(())
    }

    #[test]
    fn a_failed_mapping_gives_the_token_back_and_leaves_none_behind() -> Result {
        let table: &[(&str, &[u32])] = &[
            ("split", &[]),
            ("split, in order", &[bindings::VIRTIO_F_IN_ORDER]),
            ("packed", &[bindings::VIRTIO_F_RING_PACKED]),
            (
                "packed, indirect",
                &[
                    bindings::VIRTIO_F_RING_PACKED,
                    bindings::VIRTIO_RING_F_INDIRECT_DESC,
                ],
            ),
            (
                "packed, in order",
                &[bindings::VIRTIO_F_RING_PACKED, bindings::VIRTIO_F_IN_ORDER],
            ),
        ];

        for &(name, bits) in table {
            let options = MODERN
                .with_features(&[bindings::VIRTIO_F_ACCESS_PLATFORM])
                .with_features(bits);
            let mut session = Session::new(POLLED, options)?;
            let queue = session.queue(0)?;
            let mappings = session.device().mappings();

            session.device().knobs.fail_maps.store(true, Relaxed);
            ensure_eq!((name, add(&session, &queue, 1)), (name, Err(ENOMEM)));
            ensure_eq!((name, session.device().mappings()), (name, mappings));
            ensure_eq!(session.buffers(), 0);

            session.device().knobs.fail_maps.store(false, Relaxed);
            ensure_eq!((name, add(&session, &queue, 2)), (name, Ok(())));
            ensure!(session.device().mappings() > mappings);

            // That the queue is broken is another matter.
            session.device().break_queue(0);
            ensure_eq!((name, add(&session, &queue, 3)), (name, Err(EIO)));
            session.remove_device();
            ensure_eq!((name, session.device().mappings()), (name, 0));
            ensure_eq!((name, session.device().bad_unmaps()), (name, 0));
        }
        Ok(())
    }

    #[test]
    fn the_largest_mapping_is_that_of_the_platform() -> Result {
        let session = Session::new(POLLED, MODERN)?;
        ensure_eq!(session.fake()?.bound()?.max_dma_size(), usize::MAX);
        drop(session);

        let options = MODERN.with_features(&[bindings::VIRTIO_F_ACCESS_PLATFORM]);
        let session = Session::new(POLLED, options)?;
        ensure_eq!(session.fake()?.bound()?.max_dma_size(), map::MAX_MAPPING);
        Ok(())
    }
}
