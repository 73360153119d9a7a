// SPDX-License-Identifier: GPL-2.0

//! The request queues: from the block layer to the rings and back.

use super::request::{
    self,
    RequestData, //
};
use kernel::{
    block::blk_mq::{
        HwQueue,
        Idle,
        Operations,
        Rejected,
        Request,
        RequestList,
        Run,
        Status, //
    },
    prelude::*,
    sync::Arc,
    virtio::{
        config::ByteOrder,
        DiskIndex,
        Handler,
        LockedVirtqueue,
        Virtqueue, //
    },
};

/// The driver's side of the block layer.
pub(crate) struct Disk;

/// A virtqueue that carries block requests.
pub(crate) struct RequestQueue;

/// What a queue knows about its device.
#[derive(Clone, Copy)]
pub(crate) struct QueueContext {
    /// The byte order of headers.
    pub(crate) order: ByteOrder,
    /// Whether the used length counts.
    pub(crate) strict: bool,
}

/// The queues of a device, by number.
pub(crate) struct Queues(pub(crate) KVec<Arc<Virtqueue<RequestQueue>>>);

/// What lives as long as somebody has the disk open.
pub(crate) struct DiskData {
    /// Keeps the name of the disk from being used again.
    pub(crate) _index: DiskIndex,
}

impl Handler for RequestQueue {
    type Token = Request<Disk>;
    type Context = QueueContext;

    fn done(queue: &Virtqueue<Self>) {
        let strict = queue.context().strict;
        let mut room = false;

        queue.lock().drain(|used| {
            let rq = request::finish(used, strict);

            // While the request has not ended, its hardware queue exists. The worker that this
            // wakes up waits for the lock, so it finds the room that all of them have made.
            if !room {
                rq.hw_queue().start_stopped(Run::Async);
                room = true;
            }
            rq.complete();
        });
    }
}

/// Starts a request and puts it into the ring.
///
/// # Errors
///
/// The request, if there is no room or the device does not know such requests.
fn add(
    queue: &mut LockedVirtqueue<'_, RequestQueue>,
    mut rq: Request<Disk, Idle>,
    order: ByteOrder,
) -> Result<(), Rejected<Disk>> {
    if let Err(status) = request::prepare(&mut rq, order) {
        return Err(rq.reject(status));
    }

    let Err(err) = queue.add(rq.start(), |(data, payload), parts| {
        data.describe(payload, parts)
    }) else {
        return Ok(());
    };

    Err(match err.error {
        ENOSPC => {
            // `done` starts the queue again under the same lock.
            err.token.hw_queue().stop();
            err.token.reject(Status::DEV_RESOURCE)
        }
        // Bouncing a buffer may have failed, which other devices can make go away.
        ENOMEM => err.token.reject(Status::RESOURCE),
        _ => err.token.reject(Status::IOERR),
    })
}

/// Publishes what was added and tells the device, if it wants to know.
fn kick(queue: &Virtqueue<RequestQueue>, mut locked: LockedVirtqueue<'_, RequestQueue>) {
    let notify = locked.kick_prepare();

    drop(locked);
    if notify {
        // A broken device is found out when its requests do not come back.
        let _ = queue.notify();
    }
}

#[vtable]
impl Operations for Disk {
    type TagSetData = Queues;
    type QueueData = DiskData;
    type HwData = Arc<Virtqueue<RequestQueue>>;
    type RequestData = RequestData;

    fn init_request_data(_set: &Queues) -> impl Init<RequestData, Error> {
        Ok::<_, Error>(RequestData::new())
    }

    fn init_hctx(set: &Queues, index: u32) -> impl PinInit<Self::HwData, Error> {
        usize::try_from(index)
            .ok()
            .and_then(|index| set.0.get(index))
            .cloned()
            .ok_or(EINVAL)
    }

    fn queue_rq(
        hctx: HwQueue<'_, Self>,
        rq: Request<Self, Idle>,
        last: bool,
    ) -> Result<(), Rejected<Self>> {
        let queue = hctx.data();
        let mut locked = queue.lock();
        let result = add(&mut locked, rq, queue.context().order);

        if last || result.is_err() {
            kick(queue, locked);
        }
        result
    }

    fn queue_rqs(list: &mut RequestList<'_, Self>) {
        while let Some(hctx) = list.peek_hw_queue() {
            let queue = hctx.data().clone();
            let index = hctx.index();
            let mut locked = queue.lock();

            while list
                .peek_hw_queue()
                .is_some_and(|next| next.index() == index)
            {
                let Some(rq) = list.pop() else { break };

                // Dropping a rejected request sends it the way that its status says.
                let _ = add(&mut locked, rq, queue.context().order);
            }
            kick(&queue, locked);
        }
    }

    fn commit_rqs(hctx: HwQueue<'_, Self>) {
        let queue = hctx.data();

        kick(queue, queue.lock());
    }

    fn complete(rq: Request<Self>) {
        let outcome = rq.data().outcome();

        rq.end(outcome);
    }
}
