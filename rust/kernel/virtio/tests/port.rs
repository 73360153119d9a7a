// SPDX-License-Identifier: GPL-2.0

//! A driver that receives and transmits, as one for a network does: two queues without locks of
//! their own, under the one lock of the driver (laws 1, 2 and 5).

use super::{
    super::{
        Affinity,
        Callback,
        Device,
        Exclusive,
        ExclusiveVirtqueue,
        Handler,
        RingBox,
        Virtqueue,
        VirtqueueSetup, //
    },
    bench::{
        Bench,
        Plan,
        Session,
        MODERN, //
    },
    driver::Minimal,
};
use crate::{
    bindings,
    device::Core,
    prelude::*,
    sync::{
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
        new_spinlock_irq,
        Arc,
        Completion,
        SpinLockIrq, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
    workqueue, //
};

/// The bytes of a frame.
const LEN: usize = 8;

/// What travels through both queues.
type Frame = RingBox<[u8; LEN]>;

/// The frames that wait to be filled.
const RECEIVE_BUFFERS: usize = 4;

/// The queues, by number.
const RECEIVE: usize = 0;
const TRANSMIT: usize = 1;

/// The queue on which frames come.
pub(super) struct Receive;

/// The queue on which frames go.
pub(super) struct Transmit;

/// The handles, under one lock.
struct Rings {
    receive: ExclusiveVirtqueue<Receive>,
    transmit: ExclusiveVirtqueue<Transmit>,
}

/// What callbacks and others share.
#[pin_data]
pub(super) struct Port {
    #[pin]
    rings: SpinLockIrq<Option<Rings>>,
    #[pin]
    received: SpinLockIrq<KVec<[u8; LEN]>>,
    /// The frames that went.
    transmitted: Atomic<i32>,
    /// The frames that came back by [`Handler::detached`].
    detached: Atomic<i32>,
}

impl Handler<Exclusive> for Receive {
    type Token = Frame;
    type Context = Arc<Port>;

    fn done(queue: &Virtqueue<Self, Exclusive>) {
        queue.context().receive();
    }

    fn detached(queue: &Virtqueue<Self, Exclusive>, _frame: Frame) {
        queue.context().detached.fetch_add(1, Relaxed);
    }
}

impl Handler<Exclusive> for Transmit {
    type Token = Frame;
    type Context = Arc<Port>;

    fn done(queue: &Virtqueue<Self, Exclusive>) {
        let port = queue.context();

        if let Some(rings) = &mut *port.rings.lock() {
            port.reap(&mut rings.transmit);
        }
    }

    fn detached(queue: &Virtqueue<Self, Exclusive>, _frame: Frame) {
        queue.context().detached.fetch_add(1, Relaxed);
    }
}

impl Port {
    fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                rings <- new_spinlock_irq!(None),
                received <- new_spinlock_irq!(KVec::new()),
                transmitted: Atomic::new(0),
                detached: Atomic::new(0),
            }),
            GFP_KERNEL,
        )
    }

    /// Takes the frames that came, and gives their memory back to the device.
    fn receive(&self) {
        let mut guard = self.rings.lock();
        let Some(rings) = &mut *guard else {
            return;
        };
        let mut ring = rings.receive.ring();
        let mut again = KVec::<Frame>::new();

        ring.drain(|used| {
            if used.len() as usize == LEN {
                let _ = self.received.lock().push(*used.token, GFP_ATOMIC);
            }
            let _ = again.push(used.token, GFP_ATOMIC);
        });
        for frame in again.drain_all() {
            let _ = ring.add(frame, |bytes, parts| parts.device_writable(bytes));
        }

        let queue = ring.kick_prepare().then(|| rings.receive.queue().clone());

        drop(guard);
        if let Some(queue) = queue {
            let _ = queue.notify();
        }
    }

    /// Counts the frames that went.
    fn reap(&self, transmit: &mut ExclusiveVirtqueue<Transmit>) {
        transmit.ring().drain(|_| {
            self.transmitted.fetch_add(1, Relaxed);
        });
    }

    /// Sends a frame.
    fn transmit(&self, bytes: [u8; LEN]) -> Result {
        let frame = Frame::new(bytes, GFP_KERNEL)?;
        let mut guard = self.rings.lock();
        let transmit = &mut (*guard).as_mut().ok_or(ENODEV)?.transmit;

        self.reap(transmit);

        let mut ring = transmit.ring();

        ring.add(frame, |bytes, parts| parts.device_readable(bytes))
            .map_err(|err| err.error)?;

        let queue = ring.kick_prepare().then(|| transmit.queue().clone());

        drop(guard);
        queue.map_or(Ok(()), |queue| queue.notify())
    }

    fn set_up(
        _dev: &Device<Core<'_>>,
        bench: &Arc<Bench>,
        mut setup: VirtqueueSetup<'_>,
    ) -> Result {
        let port = Self::new()?;
        let mut receive =
            setup.add_exclusive::<Receive>(c"rx", Callback::Interrupt, 1, port.clone())?;
        let transmit =
            setup.add_exclusive::<Transmit>(c"tx", Callback::Interrupt, 1, port.clone())?;
        let found = setup.find(Affinity::Default)?;

        for _ in 0..RECEIVE_BUFFERS {
            receive
                .fill(&found, Frame::new([0; LEN], GFP_KERNEL)?, |bytes, parts| {
                    parts.device_writable(bytes)
                })
                .map_err(|err| err.error)?;
        }

        let ready = found.ready();

        *port.rings.lock() = Some(Rings {
            receive: receive.into_ready(&ready),
            transmit: transmit.into_ready(&ready),
        });
        *bench.port.lock() = Some(port);
        Ok(())
    }

    /// Ends the circle of port and queues.
    fn unlink(&self) {
        let rings = self.rings.lock().take();

        drop(rings);
    }
}

/// The driver that keeps its handles until the case drops them.
const PLAN: Plan = Plan {
    set_up: Some(Port::set_up),
    ..Plan::DEFAULT
};

/// A session and its port, whose handles are dropped at the end.
struct Setup {
    session: Session,
    port: Arc<Port>,
}

impl Setup {
    fn new(bits: &[u32]) -> Result<Self> {
        let session = Session::new(PLAN, MODERN.with_features(bits))?;
        let port = session.port.lock().take().ok_or(ENODEV)?;

        Ok(Self { session, port })
    }

    /// Lets the device fill the next receive buffer.
    fn deliver(&self, bytes: &[u8; LEN]) -> Result {
        let device = self.session.device();
        let chain = device.pop(RECEIVE)?.ok_or(ENOENT)?;
        let len = chain.write(bytes);

        device.push(RECEIVE, &chain, len)?;
        device.interrupt(RECEIVE);
        Ok(())
    }

    /// Lets the device take the next frame.
    fn collect(&self) -> Result<KVec<u8>> {
        let device = self.session.device();
        let chain = device.pop(TRANSMIT)?.ok_or(ENOENT)?;
        let bytes = chain.read()?;

        device.push(TRANSMIT, &chain, 0)?;
        device.interrupt(TRANSMIT);
        Ok(bytes)
    }

    /// Sends `count` frames each way.
    fn exchange(&self, count: u8) -> Result {
        let before = self.port.transmitted.load(Relaxed);

        self.port.received.lock().clear();
        for i in 0..count {
            self.deliver(&[i; LEN])?;
            self.port.transmit([!i; LEN])?;
            ensure_eq!(self.collect()?[..], [!i; LEN]);
        }

        let received = core::mem::take(&mut *self.port.received.lock());

        ensure_eq!(received.len(), count.into());
        for (i, frame) in (0..count).zip(&received) {
            ensure_eq!(*frame, [i; LEN]);
        }
        ensure_eq!(
            self.port.transmitted.load(Relaxed) - before,
            i32::from(count)
        );
        Ok(())
    }
}

impl Drop for Setup {
    fn drop(&mut self) {
        self.port.unlink();
    }
}

#[kunit_tests(rust_virtio_port)]
mod cases {
    use super::*;

    #[test]
    fn frames_come_and_go_without_the_locks_of_queues() -> Result {
        let table: &[(&str, &[u32])] = &[
            ("split", &[]),
            ("event index", &[bindings::VIRTIO_RING_F_EVENT_IDX]),
            ("indirect", &[bindings::VIRTIO_RING_F_INDIRECT_DESC]),
            ("in order", &[bindings::VIRTIO_F_IN_ORDER]),
            ("platform", &[bindings::VIRTIO_F_ACCESS_PLATFORM]),
            ("packed", &[bindings::VIRTIO_F_RING_PACKED]),
        ];

        for &(name, bits) in table {
            let mut setup = Setup::new(bits)?;

            // More than the rings have room for, so that they wrap.
            setup.exchange(30)?;
            setup.port.unlink();
            setup.session.remove_device();
            // Those that the device had not filled.
            ensure_eq!(
                (name, setup.port.detached.load(Relaxed)),
                (name, RECEIVE_BUFFERS as i32)
            );
            ensure_eq!((name, setup.session.device().mappings()), (name, 0));
        }
        Ok(())
    }

    #[test]
    fn a_handle_outlives_its_ring() -> Result {
        for is_broken in [false, true] {
            let mut setup = Setup::new(&[])?;

            setup.port.transmit([1; LEN])?;
            if is_broken {
                setup.session.device().break_device();
                ensure_eq!(setup.port.transmit([2; LEN]), Err(EIO));
            }
            setup.session.remove_device();
            ensure_eq!(
                (is_broken, setup.port.detached.load(Relaxed)),
                (is_broken, RECEIVE_BUFFERS as i32 + 1)
            );
            ensure_eq!(setup.port.transmit([3; LEN]), Err(ENODEV));

            let mut guard = setup.port.rings.lock();
            let rings = (*guard).as_mut().ok_or(ENODEV)?;
            let notified = rings.receive.notify();
            let mut ring = rings.receive.ring();
            let none = (
                ring.pop().is_none(),
                ring.kick_prepare(),
                ring.num_free(),
                ring.vring_size(),
                ring.is_broken(),
                ring.enable_cb(),
            );

            drop(guard);
            ensure_eq!(none, (true, false, 0, 0, true, true));
            ensure_eq!(notified, Err(ENODEV));
        }
        Ok(())
    }

    #[test]
    fn a_handle_has_a_new_ring_after_a_pause() -> Result {
        let setup = Setup::new(&[])?;

        setup.exchange(3)?;
        setup.session.device().reset_prepare()?;
        ensure_eq!(setup.port.detached.load(Relaxed), RECEIVE_BUFFERS as i32);
        ensure_eq!(setup.port.transmit([1; LEN]), Err(ENODEV));
        setup.session.device().reset_done()?;

        let mut guard = setup.port.rings.lock();
        let rings = (*guard).as_mut().ok_or(ENODEV)?;
        let size = rings.receive.ring().vring_size();

        drop(guard);
        ensure_eq!(size, 8);
        setup.port.transmit([1; LEN])?;
        ensure_eq!(setup.collect()?[..], [1; LEN]);
        Ok(())
    }

    #[test]
    fn a_handle_has_a_new_ring_after_a_recovery() -> Result {
        let setup = Setup::new(&[])?;
        let device = setup.session.device();

        setup.exchange(3)?;
        device.knobs.recovers.store(true, Relaxed);
        device.push_bogus(TRANSMIT, 7, 0)?;
        device.interrupt(TRANSMIT);
        for _ in 0..6000 {
            if setup.session.fake()?.bound()?.recoveries() > 0 {
                break;
            }
            fsleep(Delta::from_millis(1));
        }
        // Takes the lock of the device, which the recovery holds.
        setup.session.fake()?.with_core(|_| ())?;
        ensure_eq!(setup.session.fake()?.bound()?.recoveries(), 1);
        ensure_eq!(setup.port.detached.load(Relaxed), RECEIVE_BUFFERS as i32);
        setup.port.transmit([1; LEN])?;
        ensure_eq!(setup.collect()?[..], [1; LEN]);
        Ok(())
    }

    #[test]
    fn a_handle_can_restart_its_queue() -> Result {
        let setup = Setup::new(&[bindings::VIRTIO_F_RING_RESET])?;
        // Out of the lock: a restart sleeps.
        let mut rings = setup.port.rings.lock().take().ok_or(ENODEV)?;
        let ret = setup.session.fake()?.with_core(|dev| {
            (
                rings.transmit.resize(dev, 4),
                rings.transmit.resize(dev, 9),
                rings.receive.reset(dev),
            )
        })?;

        ensure_eq!(ret, (Ok(()), Err(E2BIG), Ok(())));
        ensure_eq!(setup.port.detached.load(Relaxed), RECEIVE_BUFFERS as i32);
        ensure_eq!(rings.transmit.ring().vring_size(), 4);
        *setup.port.rings.lock() = Some(rings);
        setup.port.transmit([7; LEN])?;
        ensure_eq!(setup.collect()?[..], [7; LEN]);
        Ok(())
    }

    #[test]
    fn a_queue_of_another_device_is_not_restarted() -> Result {
        let setup = Setup::new(&[bindings::VIRTIO_F_RING_RESET])?;
        // Its device goes to the driver that was there first.
        let other = Session::<Minimal>::with_driver(Plan::DEFAULT, MODERN)?;
        let mut rings = setup.port.rings.lock().take().ok_or(ENODEV)?;
        let ret = other.fake()?.with_core(|dev| {
            (
                rings.transmit.resize(dev, 4),
                rings.receive.reset(dev), //
            )
        })?;

        ensure_eq!(ret, (Err(EINVAL), Err(EINVAL)));
        ensure_eq!(setup.port.detached.load(Relaxed), 0);
        *setup.port.rings.lock() = Some(rings);
        setup.exchange(3)
    }

    #[test]
    fn a_ring_does_not_go_while_its_user_is_at_it() -> Result {
        let mut setup = Setup::new(&[])?;
        let rings = setup.port.rings.lock().take().ok_or(ENODEV)?;
        let ended = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
        let adds = Arc::new(Atomic::new(0), GFP_KERNEL)?;
        let (signal, count) = (ended.clone(), adds.clone());

        // Uses the handle until that has no ring any more.
        workqueue::system_unbound().try_spawn(GFP_KERNEL, move || {
            let mut transmit = rings.transmit;

            loop {
                let Ok(frame) = Frame::new([5; LEN], GFP_KERNEL) else {
                    break;
                };
                let ret = transmit
                    .ring()
                    .add(frame, |bytes, parts| parts.device_readable(bytes));

                if ret.is_err_and(|err| err.error == ENODEV) {
                    break;
                }
                count.fetch_add(1, Relaxed);
                fsleep(Delta::from_micros(20));
            }
            drop(rings.receive);
            signal.complete_all();
        })?;

        while adds.load(Relaxed) < 20 {
            fsleep(Delta::from_millis(1));
        }
        setup.session.remove_device();
        ended.wait_for_completion();
        // All that were added, eight of those of the loop, came back.
        ensure_eq!(
            setup.port.detached.load(Relaxed),
            RECEIVE_BUFFERS as i32 + 8
        );
        Ok(())
    }
}
