// SPDX-License-Identifier: GPL-2.0

//! One queue starts anew while its device goes on.

use super::{
    super::{
        fake::{
            Event,
            Fake,
            FakeDevice,
            Options, //
        },
        Affinity,
        Callback,
        Device,
        Virtqueue, //
    },
    bench::{
        Bench,
        Plan,
        Session,
        MODERN, //
    },
    driver::{
        Buffer,
        Context,
        Echo, //
    },
};
use crate::{
    bindings,
    device::Core,
    prelude::*,
    sync::{
        atomic::ordering::Relaxed,
        Arc, //
    },
};

/// What a case works with, in the probe of its driver.
struct Case<'a> {
    fake: &'a FakeDevice,
    queue: &'a Virtqueue<Echo>,
    bench: &'a Arc<Bench>,
}

impl Case<'_> {
    /// Puts a buffer into the ring.
    fn add(&self, id: u32) -> Result {
        let buffer = self.bench.buffer(id)?;
        let ret = self.queue.lock().add(buffer, Buffer::describe);

        ret.map_err(|err| err.error)
    }

    /// Lets the device use the next buffer, and returns its number.
    fn serve(&self) -> Result<u32> {
        let chain = self.fake.pop(0)?.ok_or(ENOENT)?;

        self.fake.push(0, &chain, 0)?;
        Ok(self.queue.lock().pop().ok_or(ENOENT)?.token.id)
    }

    /// Checks that a ring with `num` descriptors works.
    fn works(&self, num: u32) -> Result {
        ensure_eq!(self.queue.lock().vring_size(), num);
        ensure_eq!(self.queue.lock().num_free(), num);
        for id in 100..100 + 2 * num {
            self.add(id)?;
            ensure_eq!(self.serve()?, id);
        }
        Ok(())
    }
}

/// A device whose queues can be reset.
fn resettable() -> Options {
    MODERN.with_features(&[bindings::VIRTIO_F_RING_RESET])
}

/// Makes a queue that works.
fn make_queue(dev: &Device<Core<'_>>, bench: &Arc<Bench>) -> Result<Arc<Virtqueue<Echo>>> {
    let mut setup = dev.virtqueues()?;
    let context = Context(bench.clone());
    let queue = setup.add::<Echo>(c"reset", Callback::Polled, 4, context)?;
    let ready = setup.find(Affinity::Default)?.ready();

    Ok(queue.into_ready(&ready))
}

/// Makes a queue and lets `case` use it.
fn run(
    dev: &Device<Core<'_>>,
    bench: &Arc<Bench>,
    case: impl FnOnce(&Case<'_>) -> Result,
) -> Result {
    let queue = make_queue(dev, bench)?;

    bench.log.take()?;
    case(&Case {
        fake: bench.device.as_ref().ok_or(ENODEV)?,
        queue: &queue,
        bench,
    })
}

/// Binds a driver whose probe is the case.
fn with_probe(options: Options, in_probe: fn(&Device<Core<'_>>, &Arc<Bench>) -> Result) -> Result {
    let plan = Plan {
        queues: 0,
        in_probe,
        ..Plan::DEFAULT
    };
    let mut session = Session::new(plan, options)?;

    ensure!(session.device().is_bound());
    session.remove_device();
    ensure_eq!(session.buffers(), 0);
    Ok(())
}

#[kunit_tests(rust_virtio_reset)]
mod cases {
    use super::*;

    #[test]
    fn a_resized_ring_works() -> Result {
        for options in [
            resettable(),
            resettable().with_features(&[bindings::VIRTIO_F_RING_PACKED]),
        ] {
            with_probe(options, |dev, bench| {
                run(dev, bench, |case| {
                    case.works(8)?;
                    case.queue.resize(dev, 4)?;
                    case.works(4)?;
                    case.queue.resize(dev, 8)?;
                    case.works(8)
                })
            })?;
        }
        Ok(())
    }

    #[test]
    fn what_was_in_a_ring_that_is_resized_comes_back() -> Result {
        with_probe(resettable(), |dev, bench| {
            run(dev, bench, |case| {
                for id in [1, 2, 3] {
                    case.add(id)?;
                }
                ensure_eq!(case.serve()?, 1);
                case.queue.resize(dev, 4)?;
                ensure_eq!(
                    bench.log.take()?[..],
                    [
                        Event::StopQueue(0),
                        Event::Detached { queue: 0, id: 2 },
                        Event::Detached { queue: 0, id: 3 },
                        Event::StartQueue(0),
                    ]
                );
                case.works(4)
            })
        })
    }

    #[test]
    fn a_reset_empties_the_ring() -> Result {
        with_probe(resettable(), |dev, bench| {
            run(dev, bench, |case| {
                for id in [1, 2] {
                    case.add(id)?;
                }
                case.queue.reset(dev)?;
                ensure_eq!(
                    bench.log.take()?[..],
                    [
                        Event::StopQueue(0),
                        Event::Detached { queue: 0, id: 1 },
                        Event::Detached { queue: 0, id: 2 },
                        Event::StartQueue(0),
                    ]
                );
                case.works(8)
            })
        })
    }

    #[test]
    fn a_size_that_is_impossible_changes_nothing() -> Result {
        with_probe(resettable(), |dev, bench| {
            run(dev, bench, |case| {
                case.add(1)?;
                ensure_eq!(case.queue.resize(dev, 0), Err(EINVAL));
                ensure_eq!(case.queue.resize(dev, 9), Err(E2BIG));
                ensure_eq!(case.queue.resize(dev, 8), Ok(()));
                ensure!(bench.log.take()?.is_empty());
                ensure_eq!(case.serve()?, 1);
                case.works(8)
            })
        })
    }

    #[test]
    fn without_the_feature_a_queue_stays_as_it_is() -> Result {
        with_probe(MODERN, |dev, bench| {
            run(dev, bench, |case| {
                case.add(1)?;
                ensure_eq!(case.queue.resize(dev, 4), Err(ENOENT));
                ensure_eq!(case.queue.reset(dev), Err(ENOENT));
                ensure_eq!(case.serve()?, 1);
                case.works(8)
            })
        })
    }

    #[test]
    fn a_queue_that_does_not_stop_stays_as_it_is() -> Result {
        with_probe(resettable(), |dev, bench| {
            run(dev, bench, |case| {
                case.add(1)?;
                case.fake.knobs.stop_errno.store(EIO.to_errno(), Relaxed);
                ensure_eq!(case.queue.reset(dev), Err(EIO));
                ensure_eq!(case.serve()?, 1);
                case.works(8)
            })
        })
    }

    #[test]
    fn a_queue_that_does_not_start_again_is_broken() -> Result {
        with_probe(resettable(), |dev, bench| {
            run(dev, bench, |case| {
                case.add(1)?;
                case.fake.knobs.start_errno.store(EIO.to_errno(), Relaxed);
                ensure_eq!(case.queue.resize(dev, 4), Err(EBUSY));
                ensure!(case.queue.lock().is_broken());
                ensure_eq!(case.add(2), Err(EIO));
                ensure_eq!(bench.log.count(Event::Detached { queue: 0, id: 1 }), 1);
                Ok(())
            })
        })
    }

    #[test]
    fn a_queue_of_another_device_is_refused() -> Result {
        let plan = Plan {
            queues: 0,
            in_probe: |dev, bench| {
                if let Ok(other) = bench.queue(0) {
                    ensure_eq!(other.resize(dev, 4), Err(EINVAL));
                    ensure_eq!(other.reset(dev), Err(EINVAL));
                    ensure_eq!(other.lock().vring_size(), 8);
                    return Ok(());
                }
                let mut queues = KVec::new();

                queues.push(make_queue(dev, bench)?, GFP_KERNEL)?;
                bench.publish(queues);
                Ok(())
            },
            ..Plan::DEFAULT
        };
        let session = Session::new(plan, resettable())?;
        let options = Options {
            platform_data: core::ptr::from_ref::<Bench>(&session).cast(),
            ..resettable()
        };
        let second = Fake::new(options, session.log.clone())?;

        ensure!(session.device().is_bound());
        ensure!(second.device().is_bound());
        Ok(())
    }
}
