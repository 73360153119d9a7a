// SPDX-License-Identifier: GPL-2.0

//! One queue cannot be restarted, or must not be (laws 5, 6 and 8).

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
    reset::{
        leave_two,
        reset,
        resettable,
        resize,
        serve,
        works,
        TWO_CAME_BACK, //
    },
};
use crate::{
    bindings,
    prelude::*,
    sync::atomic::ordering::Relaxed, //
};

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

#[kunit_tests(rust_virtio_reset_failures)]
mod cases {
    use super::*;

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
}
