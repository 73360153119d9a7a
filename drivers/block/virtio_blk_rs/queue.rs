// SPDX-License-Identifier: GPL-2.0

//! The request queues: from the block layer to the rings and back.

use super::{
    attributes,
    disk::{
        Disk,
        DiskData,
        QueueContext,
        Queues,
        RequestQueue, //
    },
    recovery,
    request::{
        self,
        RequestData, //
    },
    zoned, //
};
use kernel::{
    block::{
        blk_mq::{
            CompletionBatch,
            GenDisk,
            Geometry,
            HwQueue,
            Idle,
            MapType,
            Operations,
            QueueMaps,
            Rejected,
            Request,
            RequestList,
            Run,
            TimedOutRequest,
            TimeoutAction,
            ZoneReporter, //
        },
        virtio::DescribedList, //
    },
    prelude::*,
    sync::Arc,
    virtio::{
        Described,
        Handler,
        LockedVirtqueue,
        Used,
        Virtqueue, //
    },
};

impl Queues {
    /// Ends what the device has used of the queues that are polled.
    pub(crate) fn poll(&self) {
        for queue in self.vqs.iter().skip(self.num_default as usize) {
            CompletionBatch::with(|batch| poll(queue, batch));
        }
    }
}

/// Ends what the device has used of a queue, and returns how many requests that were.
fn poll(queue: &Virtqueue<RequestQueue>, batch: &mut CompletionBatch<'_, Disk>) -> u32 {
    let mut completer = Completer::new(queue.context(), batch);
    let mut locked = queue.lock();
    let mut found = 0;

    while let Some(used) = locked.pop() {
        completer.take(used);
        found += 1;
    }
    found
}

/// Ends what the device has used, along with a batch where it may end on this CPU.
struct Completer<'a, 'b> {
    context: &'a QueueContext,
    batch: &'a mut CompletionBatch<'b, Disk>,
    is_first: bool,
}

impl<'a, 'b> Completer<'a, 'b> {
    fn new(context: &'a QueueContext, batch: &'a mut CompletionBatch<'b, Disk>) -> Self {
        Self {
            context,
            batch,
            is_first: true,
        }
    }

    #[inline(always)]
    fn take(&mut self, used: Used<Request<Disk>>) {
        let rq = request::finish(used, self.context);

        // While the request has not ended, its hardware queue exists. The worker that this wakes
        // up waits for the lock, so it finds the room that all of them have made.
        if self.is_first {
            rq.hw_queue().start_stopped(Run::Async);
            self.is_first = false;
        }
        if let Some(mut rq) = rq.complete_remote() {
            let outcome = rq.data_mut().release();

            self.batch.end(rq, outcome);
        }
    }
}

impl Handler for RequestQueue {
    type Token = Request<Disk>;
    type Context = QueueContext;

    fn done(queue: &Virtqueue<Self>) {
        // Ends the requests after the lock was released.
        CompletionBatch::with(|batch| {
            let mut completer = Completer::new(queue.context(), batch);

            queue.lock().drain(|used| completer.take(used));
        });
    }

    fn detached(_queue: &Virtqueue<Self>, rq: Request<Disk>) {
        recovery::take_back(rq);
    }
}

/// Puts a request into the ring.
///
/// # Errors
///
/// The request, if there is no room.
#[inline]
fn add(
    queue: &mut LockedVirtqueue<'_, RequestQueue>,
    rq: Described<Request<Disk>>,
) -> Result<(), Rejected<Disk>> {
    queue.add_described(rq).map_err(|err| {
        if err.error == ENOSPC {
            // The completer starts the queue again under the same lock.
            err.token.hw_queue().stop();
        }
        request::reject(err)
    })
}

/// Publishes what was added and tells the device, if it wants to know.
fn kick(queue: &Virtqueue<RequestQueue>, mut locked: LockedVirtqueue<'_, RequestQueue>) {
    let notify = locked.kick_prepare();

    drop(locked);
    if notify {
        // A device that cannot be told is recovered, and what it has comes back.
        let _ = queue.notify();
    }
}

#[vtable]
impl Operations for Disk {
    type TagSetData = Queues;
    type QueueData = DiskData;
    type HwData = Arc<Virtqueue<RequestQueue>>;
    type RequestData = RequestData;

    fn init_request_data(_set: &Queues) -> impl PinInit<RequestData, Error> {
        Ok::<_, Error>(RequestData::new())
    }

    fn init_hctx(set: &Queues, index: u32) -> impl PinInit<Self::HwData, Error> {
        usize::try_from(index)
            .ok()
            .and_then(|index| set.vqs.get(index))
            .cloned()
            .ok_or(EINVAL)
    }

    #[inline]
    fn queue_rq(
        hctx: HwQueue<'_, Self>,
        rq: Request<Self, Idle>,
        last: bool,
    ) -> Result<(), Rejected<Self>> {
        let queue = hctx.data();
        let rq = request::prepare(rq, queue.context().order)?;
        let mut locked = queue.lock();
        let result = add(&mut locked, rq);

        if last || result.is_err() {
            kick(queue, locked);
        }
        result
    }

    #[inline]
    fn queue_rqs(list: &mut RequestList<'_, Self>) {
        while let Some(hctx) = list.peek_hw_queue() {
            let queue = hctx.data();
            let mut described = DescribedList::new();

            // Dropping a rejected request, here and below, sends it the way that its status says.
            while let Some(rq) = list.pop_if(hctx.index()) {
                if let Ok(rq) = request::prepare(rq, queue.context().order) {
                    described.push(rq);
                }
            }

            let mut locked = queue.lock();

            while let Some(rq) = described.pop() {
                let _ = add(&mut locked, rq);
            }
            kick(queue, locked);
        }
    }

    fn commit_rqs(hctx: HwQueue<'_, Self>) {
        let queue = hctx.data();

        kick(queue, queue.lock());
    }

    fn complete(mut rq: Request<Self>) {
        let outcome = rq.data_mut().release();

        rq.end(outcome);
    }

    fn poll(hctx: HwQueue<'_, Self>, batch: &mut CompletionBatch<'_, Self>) -> u32 {
        poll(hctx.data(), batch)
    }

    fn timeout(rq: &TimedOutRequest<'_, Self>) -> TimeoutAction {
        let queue = rq.hw_queue().data();

        // Where faults are injected, the block layer may not have been told that the device has
        // used it: it ends as it would have then.
        if let Some(rq) = rq.take_withheld() {
            Self::complete(rq);
            return TimeoutAction::Done;
        }
        recovery::timeout(rq, || CompletionBatch::with(|batch| poll(queue, batch)))
    }

    fn map_queues(maps: &mut QueueMaps<'_>, set: &Queues) {
        // Where the set has got fewer hardware queues than there are virtqueues, the maps of the
        // block layer do.
        let _ = maps.assign(MapType::Default, 0, &set.irq_cpus);

        if maps.has(MapType::Poll) {
            let _ = maps.spread(MapType::Read, 0, 0);
            let _ = maps.spread(MapType::Poll, set.num_default, set.num_poll);
        }
    }

    fn getgeo(disk: &GenDisk<Self>) -> Result<Geometry> {
        attributes::geometry(disk)
    }

    fn report_zones(disk: &GenDisk<Self>, sector: u64, reporter: &mut ZoneReporter<'_>) -> Result {
        zoned::report(disk, sector, reporter)
    }
}
