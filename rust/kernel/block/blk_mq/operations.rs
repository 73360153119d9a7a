// SPDX-License-Identifier: GPL-2.0

//! What a driver implements.
//!
//! C header: [`include/linux/blk-mq.h`](srctree/include/linux/blk-mq.h)

use super::{
    disk_data::DiskData,
    hw_queue::HwQueue,
    pdu::{
        Pdu,
        RingSlot, //
    },
    CompletionBatch,
    GenDisk,
    Geometry,
    Idle,
    QueueMaps,
    Rejected,
    Request,
    RequestList,
    Started,
    Status,
    TagSet,
    TimedOutRequest,
    TimeoutAction,
    ZoneReporter, //
};
use crate::{
    error::{
        from_result,
        VTABLE_DEFAULT_ERROR, //
    },
    prelude::*,
    sync::atomic::Atomic, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// A driver of a blk-mq device.
///
/// Equivalent to C's `struct blk_mq_ops`, and the parts of `struct block_device_operations` that
/// such drivers need. What a driver does not implement is absent there as well.
///
/// There is a type for each place that C has a `void *` for. The data of requests is exclusive to
/// the owner of the request; the other data is shared.
#[vtable]
pub trait Operations: Sized + 'static {
    /// Data of the [`TagSet`](super::TagSet). Lives as long as that.
    type TagSetData: Send + Sync + 'static;

    /// Data of the disk. Lives until the last user has closed the disk, which can be long after
    /// the [`Disk`](super::Disk) was dropped.
    type QueueData: Send + Sync + 'static;

    /// Data of each hardware queue of a disk. Is dropped along with the [`Disk`](super::Disk), when
    /// no callback runs any more that could use it.
    type HwData: Send + Sync + 'static;

    /// Data of each request. Is made once, along with the tag set or an I/O scheduler, and is then
    /// used by one request after the other. Each hardware queue of a disk has another one, for the
    /// flushes that the block layer makes by itself.
    ///
    /// It is dropped along with what it was made for: when the user chooses another scheduler,
    /// while the disk goes on, when the [`Disk`](super::Disk) is dropped, or with the tag set. That
    /// happens in process context, and may sleep, but under locks of the block layer that starting
    /// I/O or removing a disk can need; so it must not wait for requests.
    ///
    /// It is pinned: it stays where it was made until it is dropped, so it can contain list nodes,
    /// timers or work items.
    type RequestData: Send + 'static;

    /// Makes the data of a request, in C `init_request`. Dropping the data is C's `exit_request`.
    ///
    /// # Context
    ///
    /// Process context, from [`TagSet::new`](super::TagSet::new), from
    /// [`NewDisk::new`](super::NewDisk::new), or whenever a disk of the set gets a scheduler: when
    /// it is added, or when the user writes to `queue/scheduler` in `/sys/block`, also on several
    /// CPUs at a time. May sleep, but must not start I/O: memory is to be allocated with
    /// `GFP_NOIO`.
    ///
    /// # Errors
    ///
    /// Those of [`TagSet::new`](super::TagSet::new) are returned as they are. Elsewhere the block
    /// layer makes [`ENOMEM`] of them; a disk without a scheduler stays as it is.
    fn init_request_data(set: &Self::TagSetData) -> impl PinInit<Self::RequestData, Error>;

    /// Makes the data of the hardware queue number `index` of a disk.
    ///
    /// # Context
    ///
    /// Process context, from [`NewDisk::new`](super::NewDisk::new). May sleep.
    ///
    /// # Errors
    ///
    /// [`NewDisk::new`](super::NewDisk::new) fails.
    fn init_hctx(set: &Self::TagSetData, index: u32) -> impl PinInit<Self::HwData, Error>;

    /// Takes a request.
    ///
    /// The driver owns it from here on. If it cannot serve it, it hands it back:
    /// `return Err(rq.reject(status))`. If `last` is false, more requests follow, and the driver
    /// may tell the device later, at the latest in [`commit_rqs`](Self::commit_rqs), which a
    /// driver must implement to make use of that.
    ///
    /// # Context
    ///
    /// Process context, on several CPUs at a time, also for the same queue. Must not sleep unless
    /// the tag set was made with [`blocking`](super::TagSetOptions::blocking).
    fn queue_rq(
        hctx: HwQueue<'_, Self>,
        rq: Request<Self, Idle>,
        last: bool,
    ) -> Result<(), Rejected<Self>>;

    /// Takes several requests of a disk, if there are some at once.
    ///
    /// What is left in the list is issued by [`queue_rq`](Self::queue_rq) instead.
    ///
    /// # Context
    ///
    /// As for [`queue_rq`](Self::queue_rq).
    fn queue_rqs(_list: &mut RequestList<'_, Self>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Tells the device of the requests that were queued with `last` being false.
    ///
    /// # Context
    ///
    /// As for [`queue_rq`](Self::queue_rq).
    fn commit_rqs(_hctx: HwQueue<'_, Self>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Ends a request for which the driver has called [`Request::complete`].
    ///
    /// # Context
    ///
    /// The context of [`Request::complete`], or softirq or hard interrupt context; process context
    /// if the completion was withheld (see [`Request::complete_remote`]). Must not sleep.
    fn complete(rq: Request<Self, Started>);

    /// Looks for requests that the device has completed, and returns the number found.
    ///
    /// Called for hardware queues of [`MapType::Poll`](super::MapType::Poll), by those who wait
    /// for a request on such a queue.
    ///
    /// # Context
    ///
    /// Process context, on several CPUs at a time. Must not sleep.
    fn poll(_hctx: HwQueue<'_, Self>, _batch: &mut CompletionBatch<'_, Self>) -> u32 {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Says what to do about a request that takes longer than the timeout of the tag set.
    ///
    /// The request still belongs to the device, and may end at any moment. A driver that has no
    /// means to get it back lets the timer run again. Where faults are injected, the completion may
    /// have been withheld from the block layer: see [`TimedOutRequest::take_withheld`]. If the
    /// driver leaves it there, the request is completed after this function, whatever that returns.
    ///
    /// # Context
    ///
    /// Process context. May sleep.
    fn timeout(_rq: &TimedOutRequest<'_, Self>) -> TimeoutAction {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Says which CPU uses which hardware queue.
    ///
    /// # Context
    ///
    /// Process context, from [`TagSet::new`](super::TagSet::new).
    fn map_queues(_maps: &mut QueueMaps<'_>, _set: &Self::TagSetData) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Tells the geometry that ancient partition tables are made for.
    ///
    /// # Context
    ///
    /// Process context. May sleep. The [`Disk`](super::Disk) may be gone.
    ///
    /// # Errors
    ///
    /// They go to user space.
    fn getgeo(_disk: &GenDisk<Self>) -> Result<Geometry> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Reports the zones of a zoned disk to `reporter`, starting with the one that contains
    /// `sector`, until that does not want more or there are no more.
    ///
    /// # Context
    ///
    /// Process context. May sleep. The [`Disk`](super::Disk) may be gone.
    ///
    /// # Errors
    ///
    /// They go to user space, or to the file system that asks.
    fn report_zones(
        _disk: &GenDisk<Self>,
        _sector: u64,
        _reporter: &mut ZoneReporter<'_>,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// The operations of `T` as C calls them.
pub(super) struct OperationsVTable<T: Operations>(PhantomData<T>);

impl<T: Operations> OperationsVTable<T> {
    /// # Safety
    ///
    /// `raw_hctx` must be a hardware queue of a `GenDisk<T>`, and `bd` point to a request of it
    /// that was issued to the driver.
    unsafe extern "C" fn queue_rq_callback(
        raw_hctx: *mut bindings::blk_mq_hw_ctx,
        bd: *const bindings::blk_mq_queue_data,
    ) -> bindings::blk_status_t {
        // SAFETY: By the requirement of this function, `bd` is valid.
        let bd = unsafe { &*bd };
        // SAFETY: By the requirement of this function, `bd.rq` is valid.
        let rq = unsafe { NonNull::new_unchecked(bd.rq) };
        // SAFETY: By the requirement of this function, `rq` is followed by a `Pdu<T>`.
        let pdu = unsafe { Pdu::<T>::of(rq) }.as_ptr();

        // SAFETY: The request belongs to this function, and with it the PDU.
        unsafe { (*pdu).issued_by = bd };
        // SAFETY: By the requirement of this function, the request is idle, and ownership passes
        // to the driver. `init_request_callback` has initialized its PDU.
        let rq = unsafe { Request::from_raw(rq) };
        // SAFETY: By the requirement of this function, it is valid. Its data stays until this
        // function has returned: see `disk::remove`.
        let hctx = unsafe { HwQueue::from_raw(raw_hctx) };

        match T::queue_rq(hctx, rq, bd.last) {
            Ok(()) => Status::OK,
            Err(rejected) => rejected.into_status(bd),
        }
        .as_raw()
    }

    /// # Safety
    ///
    /// `list` must contain requests of one queue of a `GenDisk<T>` that are issued to the driver.
    unsafe extern "C" fn queue_rqs_callback(list: *mut bindings::rq_list) {
        // SAFETY: By the requirement of this function, `list` is valid and ours.
        let list = unsafe { &mut *list };

        // SAFETY: By the requirement of this function.
        T::queue_rqs(&mut unsafe { RequestList::new(list) });
    }

    /// # Safety
    ///
    /// `hctx` must be a hardware queue of a `GenDisk<T>`.
    unsafe extern "C" fn commit_rqs_callback(hctx: *mut bindings::blk_mq_hw_ctx) {
        // SAFETY: By the requirement of this function, `hctx` is valid. Its data stays until this
        // function has returned: see `disk::remove`.
        T::commit_rqs(unsafe { HwQueue::from_raw(hctx) });
    }

    /// [`queue_rq_callback`](Self::queue_rq_callback) for tag sets that may block.
    ///
    /// # Safety
    ///
    /// As there.
    unsafe extern "C" fn queue_rq_blocking_callback(
        hctx: *mut bindings::blk_mq_hw_ctx,
        bd: *const bindings::blk_mq_queue_data,
    ) -> bindings::blk_status_t {
        // SAFETY: By the requirement of this function, `hctx` is valid.
        let set = unsafe { Self::set_of((*hctx).queue) };

        set.callers().enter(|| {
            // SAFETY: By the requirement of this function.
            unsafe { Self::queue_rq_callback(hctx, bd) }
        })
    }

    /// [`queue_rqs_callback`](Self::queue_rqs_callback) for tag sets that may block.
    ///
    /// # Safety
    ///
    /// As there.
    unsafe extern "C" fn queue_rqs_blocking_callback(list: *mut bindings::rq_list) {
        // SAFETY: By the requirement of this function, `list` is valid.
        let Some(first) = NonNull::new(unsafe { (*list).head }) else {
            return;
        };
        // SAFETY: By the requirement of this function, the request is valid.
        let set = unsafe { Self::set_of((*first.as_ptr()).q) };

        set.callers().enter(|| {
            // SAFETY: By the requirement of this function.
            unsafe { Self::queue_rqs_callback(list) }
        });
    }

    /// [`commit_rqs_callback`](Self::commit_rqs_callback) for tag sets that may block.
    ///
    /// # Safety
    ///
    /// As there.
    unsafe extern "C" fn commit_rqs_blocking_callback(hctx: *mut bindings::blk_mq_hw_ctx) {
        // SAFETY: By the requirement of this function, `hctx` is valid.
        let set = unsafe { Self::set_of((*hctx).queue) };

        set.callers().enter(|| {
            // SAFETY: By the requirement of this function.
            unsafe { Self::commit_rqs_callback(hctx) }
        });
    }

    /// Returns the tag set of a queue.
    ///
    /// # Safety
    ///
    /// `queue` must be the queue of a `GenDisk<T>` that lives for `'a`.
    unsafe fn set_of<'a>(queue: *mut bindings::request_queue) -> &'a TagSet<T> {
        // SAFETY: By the requirement of this function.
        let set = unsafe { (*queue).tag_set };

        // SAFETY: By the requirement of this function. `DiskData` keeps the set.
        unsafe { TagSet::from_raw(set) }
    }

    /// # Safety
    ///
    /// `rq` must be a request that `Request::complete_remote` gave to the block layer.
    unsafe extern "C" fn complete_callback(rq: *mut bindings::request) {
        // SAFETY: By the requirement of this function, `rq` is valid.
        let rq = unsafe { NonNull::new_unchecked(rq) };

        // SAFETY: By the requirement of this function, the ownership that was given up there
        // comes back here.
        T::complete(unsafe { Request::from_raw(rq) });
    }

    /// # Safety
    ///
    /// `hctx` must be a hardware queue of a `GenDisk<T>` that cannot go away, and `iob` null or
    /// valid.
    unsafe extern "C" fn poll_callback(
        hctx: *mut bindings::blk_mq_hw_ctx,
        iob: *mut bindings::io_comp_batch,
    ) -> c_int {
        // SAFETY: By the requirement of this function, `iob` is null or valid, and ours.
        let mut batch = unsafe { CompletionBatch::from_raw(iob) };
        // SAFETY: By the requirement of this function, `hctx` is valid.
        let found = T::poll(unsafe { HwQueue::from_raw(hctx) }, &mut batch);

        c_int::try_from(found).unwrap_or(c_int::MAX)
    }

    /// # Safety
    ///
    /// `rq` must be a request of a `GenDisk<T>` that cannot go away, though it may end.
    unsafe extern "C" fn timeout_callback(
        rq: *mut bindings::request,
    ) -> bindings::blk_eh_timer_return {
        // SAFETY: By the requirement of this function, `rq` is valid.
        let rq = unsafe { NonNull::new_unchecked(rq) };
        // SAFETY: By the requirement of this function.
        let set = unsafe { Self::set_of((*rq.as_ptr()).q) };
        // SAFETY: By the requirement of this function.
        let rq = unsafe { TimedOutRequest::new(rq) };

        let action = if T::HAS_TIMEOUT {
            set.callers().enter(|| T::timeout(&rq))
        } else {
            TimeoutAction::ResetTimer
        };

        match rq.take_withheld() {
            // Nobody else looks after it.
            Some(withheld) => {
                withheld.complete_for_real();
                TimeoutAction::Done
            }
            None => action,
        }
        .as_raw()
    }

    /// # Safety
    ///
    /// `hctx` must be a new hardware queue of a `GenDisk<T>` that is being made, and `set_data`
    /// point to a `T::TagSetData`.
    unsafe extern "C" fn init_hctx_callback(
        hctx: *mut bindings::blk_mq_hw_ctx,
        set_data: *mut c_void,
        index: c_uint,
    ) -> c_int {
        from_result(|| {
            // SAFETY: By the requirement of this function.
            let set_data = unsafe { &*set_data.cast_const().cast::<T::TagSetData>() };
            // SAFETY: By the requirement of this function, `hctx` is valid.
            let disk_data = unsafe { (*(*hctx).queue).queuedata };
            // SAFETY: By the requirement of this function, `hctx` is valid.
            let set = unsafe { Self::set_of((*hctx).queue) };
            let hw_data = set.callers().enter(|| {
                let hw_data = T::init_hctx(set_data, index);

                // SAFETY: `NewDisk::new` passes a `DiskData<T>`, and does nothing with it
                // until the hardware queues are made.
                unsafe { DiskData::<T>::add_hw_data(disk_data, hw_data) }
            })?;

            // SAFETY: By the requirement of this function, `hctx` is valid.
            unsafe { (*hctx).driver_data = hw_data.as_ptr().cast() };
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `rq` must be a new request of `set`, which is the inner part of a `TagSet<T>`.
    unsafe extern "C" fn init_request_callback(
        set: *mut bindings::blk_mq_tag_set,
        rq: *mut bindings::request,
        _hctx_index: c_uint,
        _numa_node: c_int,
    ) -> c_int {
        from_result(|| {
            // SAFETY: By the requirement of this function, `set` is valid.
            let set_data = unsafe { (*set).driver_data }.cast::<T::TagSetData>();
            // SAFETY: By the invariants of `TagSet`, that is its data.
            let set_data = unsafe { &*set_data };
            // SAFETY: By the requirement of this function, `rq` is valid.
            let rq = unsafe { NonNull::new_unchecked(rq) };
            // SAFETY: The set has reserved `Pdu::<T>::CMD_SIZE` bytes behind each request.
            let pdu = unsafe { Pdu::<T>::of(rq) }.as_ptr();
            // SAFETY: `pdu` is valid for writes and aligned: see `Pdu::CMD_SIZE`.
            let slot = unsafe { &raw mut (*pdu).ring_slot };
            // SAFETY: As above.
            let issued_by = unsafe { &raw mut (*pdu).issued_by };
            // SAFETY: As above.
            let is_withheld = unsafe { &raw mut (*pdu).is_withheld };
            // SAFETY: As above.
            let has_data = unsafe { &raw mut (*pdu).has_data };
            // SAFETY: As above.
            let data = unsafe { &raw mut (*pdu).data };

            let init = || {
                // SAFETY: `data` is valid for writes. On an error, it is not used. Otherwise it
                // stays where it is until `exit_request_callback` drops it.
                unsafe { pin_init::raw_try_init(data, T::init_request_data(set_data)) }
            };
            // SAFETY: By the requirement of this function.
            let callers = unsafe { TagSet::<T>::callers_of(set) };
            // SAFETY: As above.
            let result = callers.enter(|| unsafe { TagSet::<T>::try_construct(set, init) })?;

            // SAFETY: `slot` is valid for writes.
            unsafe { slot.write(RingSlot::new()) };
            // SAFETY: `issued_by` is valid for writes.
            unsafe { issued_by.write(core::ptr::null()) };
            // SAFETY: `is_withheld` is valid for writes.
            unsafe { is_withheld.write(Atomic::new(0)) };
            // SAFETY: `has_data` is valid for writes.
            unsafe { has_data.write(result.is_some()) };
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `rq` must be a request that `init_request_callback` has initialized for `set`, and that has
    /// no owner.
    unsafe extern "C" fn exit_request_callback(
        set: *mut bindings::blk_mq_tag_set,
        rq: *mut bindings::request,
        _hctx_index: c_uint,
    ) {
        // SAFETY: By the requirement of this function, `rq` is valid.
        let rq = unsafe { NonNull::new_unchecked(rq) };
        // SAFETY: By the requirement of this function.
        let pdu = unsafe { Pdu::<T>::of(rq) }.as_ptr();

        // SAFETY: By the requirement of this function, this was initialized.
        if unsafe { (*pdu).has_data } {
            // SAFETY: By the requirement of this function, it is the inner part of a `TagSet<T>`.
            let callers = unsafe { TagSet::<T>::callers_of(set) };

            // SAFETY: The data is initialized, not used after this, and dropped where it is.
            callers.enter(|| unsafe { (&raw mut (*pdu).data).drop_in_place() });
        }
    }

    /// # Safety
    ///
    /// `set` must be the inner part of a `TagSet<T>` that is being made.
    unsafe extern "C" fn map_queues_callback(set: *mut bindings::blk_mq_tag_set) {
        // SAFETY: By the requirement of this function, nobody else uses `set`.
        let set = unsafe { &mut *set };
        // SAFETY: By the requirement of this function.
        let set_data = unsafe { &*set.driver_data.cast_const().cast::<T::TagSetData>() };

        // SAFETY: The maps are allocated when C calls this.
        let mut maps = unsafe { QueueMaps::new(set) };

        T::map_queues(&mut maps, set_data);
        maps.finish();
    }

    const VTABLE: bindings::blk_mq_ops = bindings::blk_mq_ops {
        queue_rq: Some(Self::queue_rq_callback),
        queue_rqs: if T::HAS_QUEUE_RQS {
            Some(Self::queue_rqs_callback)
        } else {
            None
        },
        commit_rqs: if T::HAS_COMMIT_RQS {
            Some(Self::commit_rqs_callback)
        } else {
            None
        },
        complete: Some(Self::complete_callback),
        poll: if T::HAS_POLL {
            Some(Self::poll_callback)
        } else {
            None
        },
        timeout: Some(Self::timeout_callback),
        map_queues: if T::HAS_MAP_QUEUES {
            Some(Self::map_queues_callback)
        } else {
            None
        },
        init_hctx: Some(Self::init_hctx_callback),
        init_request: Some(Self::init_request_callback),
        exit_request: Some(Self::exit_request_callback),
        // `DiskData` owns the data of the hardware queues.
        exit_hctx: None,
        ..pin_init::zeroed()
    };

    const BLOCKING_VTABLE: bindings::blk_mq_ops = bindings::blk_mq_ops {
        queue_rq: Some(Self::queue_rq_blocking_callback),
        queue_rqs: if T::HAS_QUEUE_RQS {
            Some(Self::queue_rqs_blocking_callback)
        } else {
            None
        },
        commit_rqs: if T::HAS_COMMIT_RQS {
            Some(Self::commit_rqs_blocking_callback)
        } else {
            None
        },
        ..Self::VTABLE
    };

    /// Returns the operations for a tag set that may block, or for one that may not.
    pub(super) const fn build(blocking: bool) -> &'static bindings::blk_mq_ops {
        if blocking {
            &Self::BLOCKING_VTABLE
        } else {
            &Self::VTABLE
        }
    }
}
