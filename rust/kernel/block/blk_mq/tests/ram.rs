// SPDX-License-Identifier: GPL-2.0

//! A RAM disk that can be told to misbehave.

use super::{
    census::spend,
    ram_data::{
        HwData,
        Mode,
        QueueData,
        RequestData,
        SetData, //
    }, //
};
use crate::{
    block::blk_mq::{
        CompletionBatch,
        CpuQueues,
        GenDisk,
        Geometry,
        HwQueue,
        Idle,
        Kick,
        MapType,
        Op,
        Operations,
        QueueMaps,
        Rejected,
        Request,
        RequestList,
        Status,
        TimedOutRequest,
        TimeoutAction, //
    },
    prelude::*,
    sync::atomic::{
        Acquire,
        Relaxed, //
    },
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

pub(super) struct Ram;

#[vtable]
impl Operations for Ram {
    type TagSetData = SetData;
    type QueueData = QueueData;
    type HwData = HwData;
    type RequestData = RequestData;

    fn init_request_data(set: &SetData) -> impl PinInit<RequestData, Error> {
        pin_init::pin_init_scope(move || RequestData::new(set))
    }

    fn init_hctx(set: &SetData, index: u32) -> impl PinInit<HwData, Error> {
        spend(&set.census.hw_budget).map(|()| HwData::new(&set.census, index))
    }

    fn queue_rq(
        hctx: HwQueue<'_, Self>,
        rq: Request<Self, Idle>,
        _last: bool,
    ) -> Result<(), Rejected<Self>> {
        let data = hctx.queue_data();
        let mode = data.mode();

        data.queued.fetch_add(1, Relaxed);

        match mode {
            Mode::Serve => {
                let rq = rq.start();
                let status = data.serve(&rq);

                rq.end(status);
            }
            Mode::Complete => {
                let mut rq = rq.start();

                *rq.data_mut().project().status = data.serve(&rq);
                rq.complete();
            }
            Mode::Park => data.park(rq.start()),
            Mode::ParkIdle => data.park_idle(rq),
            Mode::Reject => {
                return Err(rq.reject(data.status()));
            }
            Mode::RejectOnce => {
                data.serve_next();
                return Err(rq.reject(data.status()));
            }
            Mode::RejectStartedOnce => {
                data.serve_next();
                return Err(rq.start().reject(data.status()));
            }
            Mode::DropIdle => drop(rq),
            Mode::DropStarted => drop(rq.start()),
            Mode::RejectAnother => {
                let another = data.unpark();

                data.park(rq.start());
                return match another {
                    Some(another) => Err(another.reject(data.status())),
                    None => Ok(()),
                };
            }
            Mode::RequeueOnce => {
                data.serve_next();
                rq.start().requeue(Kick::Now);
            }
            Mode::StopOnce => {
                data.serve_next();
                hctx.stop();
                return Err(rq.reject(Status::RESOURCE));
            }
            Mode::DropRejectedOnce => {
                data.serve_next();
                drop(rq.reject(data.status()));
            }
            Mode::Linger => {
                let census = &data.counted.census;

                data.park(rq.start());
                while census.go_on.load(Acquire) == 0 {
                    fsleep(Delta::from_millis(1));
                    if hctx.data().alive.load(Relaxed) != 1 {
                        census.ghosts.fetch_add(1, Relaxed);
                    }
                }
                census.lingered.fetch_add(1, Relaxed);
            }
            Mode::DropOther => {
                let other = data.other.lock().take();
                let rq = rq.start();
                let status = data.serve(&rq);

                drop(other);
                rq.end(status);
            }
        }
        Ok(())
    }

    fn queue_rqs(list: &mut RequestList<'_, Self>) {
        let Some(hctx) = list.peek_hw_queue() else {
            return;
        };
        let data = hctx.queue_data();
        let mut put_back = data.put_back.load(Relaxed);

        data.lists.fetch_add(1, Relaxed);
        while let Some(rq) = data.unpark_idle() {
            list.push_back(rq);
        }
        // There is only this hardware queue.
        if let Some(rq) = list.pop_if(hctx.index() + 1) {
            drop(rq);
        }
        while let Some(rq) = list.pop_if(hctx.index()) {
            if put_back > 0 {
                put_back -= 1;
                list.push_back(rq);
                if put_back == 0 {
                    return;
                }
                continue;
            }

            let rq = rq.start();

            if data.park_list.load(Relaxed) != 0 {
                data.park(rq);
                continue;
            }
            let status = data.serve(&rq);

            rq.end(status);
        }
    }

    fn commit_rqs(hctx: HwQueue<'_, Self>) {
        hctx.queue_data().committed.fetch_add(1, Relaxed);
    }

    fn complete(rq: Request<Self>) {
        let status = rq.data().status;

        rq.queue_data().completed.fetch_add(1, Relaxed);
        rq.end(status);
    }

    fn poll(hctx: HwQueue<'_, Self>, batch: &mut CompletionBatch<'_, Self>) -> u32 {
        let data = hctx.queue_data();
        let mut found = 0;

        hctx.data().polled.fetch_add(1, Relaxed);
        while let Some(rq) = data.unpark() {
            let status = data.serve(&rq);

            batch.end(rq, status);
            found += 1;
        }
        found
    }

    fn timeout(rq: &TimedOutRequest<'_, Self>) -> TimeoutAction {
        let data = rq.queue_data();

        if rq.op() == Op::Read && rq.hw_queue().index() == rq.hw_queue().data().index {
            let in_flight = rq.in_flight();
            let age = in_flight.oldest.map_or(0, |age| age.as_millis());

            if !rq.has_ended() {
                data.late.store(in_flight.count, Relaxed);
                data.late_ms.store(u64::try_from(age).unwrap_or(0), Relaxed);
            }
            data.timeouts.fetch_add(1, Relaxed);
        }
        if data.drop_other.load(Relaxed) != 0 {
            let other = data.other.lock().take();

            drop(other);
        }
        if data.take_withheld.load(Relaxed) != 0 {
            if let Some(taken) = rq.take_withheld() {
                if rq.take_withheld().is_some() {
                    data.taken_twice.fetch_add(1, Relaxed);
                }
                taken.end(Status::TIMEOUT);
                return TimeoutAction::Done;
            }
        }
        if data.promise.load(Relaxed) != 0 {
            TimeoutAction::Done
        } else {
            TimeoutAction::ResetTimer
        }
    }

    fn map_queues(maps: &mut QueueMaps<'_>, _set: &SetData) {
        let queues = maps.nr_hw_queues();

        // What is wrong is refused and changes nothing.
        let too_many = CpuQueues::spread(queues + 1);
        let wrong = too_many.map_or(true, |cpus| maps.assign(MapType::Default, 0, &cpus).is_ok())
            || CpuQueues::spread(0).is_ok()
            || maps.spread(MapType::Default, 1, queues).is_ok()
            || maps.spread(MapType::Default, 0, 0).is_ok()
            || maps.spread(MapType::Default, u32::MAX, 2).is_ok();

        if wrong {
            // The tests find all requests on the first queue.
            return;
        }
        if !maps.has(MapType::Poll) {
            if let Ok(cpus) = CpuQueues::spread(queues) {
                let _ = maps.assign(MapType::Default, 0, &cpus);
            }
            return;
        }

        // Half of the queues are polled, reads have none of their own.
        let polled = queues / 2;
        let _ = maps.spread(MapType::Default, 0, queues - polled);
        let _ = maps.spread(MapType::Read, 0, 0);
        let _ = maps.spread(MapType::Poll, queues - polled, polled);
    }

    fn getgeo(disk: &GenDisk<Self>) -> Result<Geometry> {
        Ok(Geometry {
            heads: 4,
            sectors: 8,
            // The capacity is gone along with the disk, the data is not.
            cylinders: u16::try_from(disk.queue_data().storage.lock().len())? / 512,
        })
    }
}
