// SPDX-License-Identifier: GPL-2.0

//! How queues are asked for and brought up.

use super::{
    super::{
        fake::{
            Event,
            Options, //
        },
        Affinity,
        Callback,
        Device,
        PendingQueue,
        VirtqueueSetup, //
    },
    bench::{
        Bench,
        Plan,
        Session,
        DEVICE,
        MODERN,
        VENDOR, //
    },
    driver::{
        Buffer,
        Context,
        Echo,
        Foreign,
        Minimal, //
    },
};
use crate::{
    bindings,
    device::Core,
    prelude::*,
    static_lock_class,
    sync::{
        atomic::ordering::Relaxed,
        Arc, //
    },
};

/// Whether the device was told to start.
fn started(status: u32) -> bool {
    status & bindings::VIRTIO_CONFIG_S_DRIVER_OK != 0
}

/// The events that are writes of `DRIVER_OK`.
fn starts(events: &[Event]) -> usize {
    events
        .iter()
        .filter(|event| matches!(event, Event::Status(status) if started(*status)))
        .count()
}

/// Adds a queue.
fn add<'q>(setup: &mut VirtqueueSetup<'q>, bench: &Arc<Bench>) -> Result<PendingQueue<'q, Echo>> {
    let context = Context(bench.clone());

    setup.add(
        c"own",
        Callback::Interrupt,
        4,
        context,
        static_lock_class!(),
    )
}

#[kunit_tests(rust_virtio_setup)]
mod cases {
    use super::*;

    #[test]
    fn a_device_tells_what_it_is() -> Result {
        let session = Session::new(Plan::DEFAULT, MODERN)?;
        let dev = session.fake()?.bound()?;

        ensure_eq!((dev.device_id(), dev.vendor_id()), (DEVICE, VENDOR));
        ensure!(dev.index() >= 0);

        let other = Session::<Minimal>::with_driver(Plan::DEFAULT, MODERN)?;

        ensure!(dev.index() != other.device().normal().index());
        Ok(())
    }

    #[test]
    fn a_driver_is_for_the_kinds_and_vendors_in_its_table() -> Result {
        for (device, vendor, bound) in [
            (DEVICE, VENDOR + 1, true),
            (DEVICE, VENDOR, false),
            (DEVICE + 1, VENDOR + 1, false),
        ] {
            let options = Options {
                device,
                vendor,
                ..MODERN
            };
            let session = Session::<Foreign>::with_driver(Plan::DEFAULT, options)?;

            ensure_eq!(
                (device, vendor, session.device().is_bound()),
                (device, vendor, bound)
            );
        }
        Ok(())
    }

    #[test]
    fn queues_are_numbered_and_named_in_order() -> Result {
        let plan = Plan {
            queues: 3,
            ..Plan::DEFAULT
        };
        let options = Options {
            queues: &[8, 16, 4, 8],
            ..MODERN
        };
        let session = Session::new(plan, options)?;

        for (i, (name, size)) in [(c"first", 8), (c"second", 16), (c"third", 4)]
            .into_iter()
            .enumerate()
        {
            let queue = session.queue(i)?;

            ensure_eq!(queue.index() as usize, i);
            ensure_eq!(queue.name().to_bytes(), name.to_bytes());
            ensure_eq!(queue.lock().vring_size(), size);

            let (index, seen) = session.device().queue_name(i).ok_or(ENODEV)?;

            ensure_eq!(index as usize, i);
            ensure_eq!(seen.to_bytes(), name.to_bytes());
        }
        ensure_eq!(session.device().rings(), 3);
        Ok(())
    }

    #[test]
    fn the_affinity_reaches_the_transport() -> Result {
        for (affinity, seen) in [
            (Affinity::Default, None),
            (
                Affinity::Spread {
                    pre_vectors: 0,
                    post_vectors: 1,
                },
                Some((0, 1)),
            ),
        ] {
            let plan = Plan {
                queues: 2,
                affinity,
                ..Plan::DEFAULT
            };
            let session = Session::new(plan, MODERN)?;
            let event = Event::FindVqs {
                count: 2,
                affinity: seen,
            };

            ensure_eq!(session.log.count(event), 1);
        }
        Ok(())
    }

    #[test]
    fn leaving_out_more_queues_than_there_are_is_refused() -> Result {
        for (pre_vectors, post_vectors) in [(2, 1), (3, 0), (u32::MAX - 1, 2), (1, u32::MAX)] {
            let plan = Plan {
                queues: 2,
                affinity: Affinity::Spread {
                    pre_vectors,
                    post_vectors,
                },
                ..Plan::DEFAULT
            };
            let session = Session::new(plan, MODERN)?;

            ensure!(!session.device().is_bound());
            ensure_eq!(session.device().rings(), 0);
        }
        Ok(())
    }

    #[test]
    fn a_queue_without_parts_is_refused() -> Result {
        let plan = Plan {
            max_parts: 0,
            ..Plan::DEFAULT
        };
        let session = Session::new(plan, MODERN)?;

        ensure!(!session.device().is_bound());
        ensure_eq!(session.device().rings(), 0);
        Ok(())
    }

    #[test]
    fn finding_no_queues_is_refused() -> Result {
        fn set_up(
            _dev: &Device<Core<'_>>,
            bench: &Arc<Bench>,
            setup: VirtqueueSetup<'_>,
        ) -> Result {
            let err = setup.find(Affinity::Default).err();

            bench.note.store(u64::from(err == Some(EINVAL)), Relaxed);
            Ok(())
        }

        let plan = Plan {
            set_up: Some(set_up),
            ..Plan::DEFAULT
        };
        let session = Session::new(plan, MODERN)?;

        ensure_eq!(session.note.load(Relaxed), 1);
        // The driver can do without.
        ensure!(session.device().is_bound());
        ensure_eq!(session.log.count(Event::DelVqs), 0);
        Ok(())
    }

    #[test]
    fn a_device_with_too_few_queues_is_not_bound() -> Result {
        let plan = Plan {
            queues: 4,
            ..Plan::DEFAULT
        };
        let session = Session::new(plan, MODERN)?;

        ensure!(!session.device().is_bound());
        ensure_eq!(session.log.count(Event::DelVqs), 0);
        Ok(())
    }

    #[test]
    fn an_error_of_the_transport_reaches_the_driver() -> Result {
        fn set_up(
            _dev: &Device<Core<'_>>,
            bench: &Arc<Bench>,
            mut setup: VirtqueueSetup<'_>,
        ) -> Result {
            add(&mut setup, bench)?;
            let err = setup.find(Affinity::Default).err().ok_or(EINVAL)?;

            bench.note.store(u64::from(err == EREMOTEIO), Relaxed);
            Err(err)
        }

        let plan = Plan {
            set_up: Some(set_up),
            ..Plan::DEFAULT
        };
        let mut session = Session::new(plan, MODERN)?;

        session.fake_mut()?.unbind();
        session
            .device()
            .knobs
            .find_errno
            .store(EREMOTEIO.to_errno(), Relaxed);
        session.note.store(0, Relaxed);

        ensure!(!session.fake_mut()?.attach());
        ensure_eq!(session.note.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn a_transport_that_forgets_a_queue_is_found_out() -> Result {
        for forgotten in 0..3 {
            let plan = Plan {
                queues: 3,
                ..Plan::DEFAULT
            };
            let mut session = Session::new(plan, MODERN)?;

            session.fake_mut()?.unbind();
            session.device().knobs.null_queue.store(forgotten, Relaxed);
            session.events()?;

            ensure!(!session.fake_mut()?.attach());
            // The others are deleted all the same.
            ensure_eq!(session.log.count(Event::DelVqs), 1);
            ensure_eq!(session.device().rings(), 0);
        }
        Ok(())
    }

    #[test]
    fn queues_are_filled_before_the_device_is_told_to_start() -> Result {
        fn set_up(
            dev: &Device<Core<'_>>,
            bench: &Arc<Bench>,
            mut setup: VirtqueueSetup<'_>,
        ) -> Result {
            let mut queue = add(&mut setup, bench)?;

            if queue.vring_size() != 0 {
                return Err(EINVAL);
            }

            let found = setup.find(Affinity::Default)?;

            if queue.vring_size() != 8 {
                return Err(EINVAL);
            }
            // Until it is full.
            while queue
                .fill(&found, bench.buffer(0)?, Buffer::describe)
                .is_ok()
            {
                bench.note.fetch_add(1, Relaxed);
            }
            if dev.state().is_none() || starts(&bench.log.take()?) != 0 {
                return Err(EINVAL);
            }

            let ready = found.ready();

            if starts(&bench.log.take()?) != 1 {
                return Err(EINVAL);
            }

            let mut queues = KVec::new();

            queues.push(queue.into_ready(&ready), GFP_KERNEL)?;
            bench.publish(queues);
            Ok(())
        }

        let plan = Plan {
            queues: 0,
            set_up: Some(set_up),
            ..Plan::DEFAULT
        };
        let session = Session::new(plan, MODERN)?;

        ensure!(session.device().is_bound());
        ensure_eq!(session.note.load(Relaxed), 4);
        // The device sees them.
        session.serve(0)?;
        ensure!(session.queue(0)?.lock().pop().is_some());
        Ok(())
    }

    #[test]
    fn the_device_is_told_to_start_once_by_whomever() -> Result {
        for ready in [true, false] {
            for queues in [0, 1] {
                let plan = Plan {
                    ready,
                    queues,
                    ..Plan::DEFAULT
                };
                let session = Session::new(plan, MODERN)?;

                ensure!(started(session.device().status()));
                ensure_eq!(
                    (ready, queues, starts(&session.events()?)),
                    (ready, queues, 1)
                );
            }
        }
        Ok(())
    }

    #[test]
    fn queues_that_do_not_exist_have_no_affinity() -> Result {
        fn set_up(
            _dev: &Device<Core<'_>>,
            bench: &Arc<Bench>,
            mut setup: VirtqueueSetup<'_>,
        ) -> Result {
            for _ in 0..2 {
                add(&mut setup, bench)?;
            }

            let ready = setup.find(Affinity::Default)?.ready();
            // The transport of the test does not know which CPUs it interrupts.
            let right = [0, 1]
                .into_iter()
                .all(|index| ready.vq_affinity(index).is_ok_and(|cpus| cpus.is_none()))
                && [2, u32::MAX]
                    .into_iter()
                    .all(|index| ready.vq_affinity(index).err() == Some(EINVAL));

            bench.note.store(right.into(), Relaxed);
            Ok(())
        }

        let plan = Plan {
            queues: 0,
            set_up: Some(set_up),
            ..Plan::DEFAULT
        };
        let session = Session::new(plan, MODERN)?;

        ensure_eq!(session.note.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn a_device_that_needs_a_reset_is_seen() -> Result {
        let session = Session::new(Plan::DEFAULT, MODERN)?;
        let dev = session.fake()?.bound()?;

        ensure!(!dev.needs_reset());
        session
            .device()
            .add_status(bindings::VIRTIO_CONFIG_S_NEEDS_RESET);
        ensure!(dev.needs_reset());
        Ok(())
    }
}
