// SPDX-License-Identifier: GPL-2.0

//! Drivers of block devices with several hardware queues.
//!
//! C headers:
//! [`include/linux/blk-mq.h`](srctree/include/linux/blk-mq.h),
//! [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)
//!
//! # Writing a driver
//!
//! 1. Implement [`Operations`] for a type of the driver. It names the data that belongs to the tag
//!    set, the disk, each hardware queue and each request.
//! 2. Make a [`TagSet`]: so many hardware queues, so many requests in flight on each.
//! 3. Describe the device with [`QueueLimits`], and make a [`NewDisk`] with them.
//! 4. [`add`](NewDisk::add) the disk. The [`Disk`] that this returns goes away when it is dropped.
//!
//! # The life of a request
//!
//! A request has one owner, and ownership moves. There is no reference count.
//!
//! ```text
//! block layer --queue_rq--> Request<T, Idle> --start--> Request<T, Started> --end--> block layer
//!                                  |                     |   ^        |
//!                                  +------ reject -------+   |        +-- complete --> T::complete
//!                                  |                     v   |
//!                                  |            queue of the device
//!                                  +--> Rejected<T> --> block layer
//! ```
//!
//! What ends a request consumes it, so it cannot be ended twice or used afterwards, and an error
//! can only be returned together with the request that it is for. A request that is dropped fails
//! with [`Status::IOERR`]. So none gets lost unless it is leaked; then it hangs, and so does
//! dropping the disk. A [`Disk`] that is leaked stays until the module of the driver goes; then it
//! is removed as if it was dropped.
//!
//! # What lives how long
//!
//! | Data | Type | From | Until |
//! |---|---|---|---|
//! | [`Operations::TagSetData`] | shared | [`TagSet::new`] | the last disk of the set is closed |
//! | [`Operations::RequestData`] | exclusive | [`TagSet::new`], a scheduler | the end of that |
//! | [`Operations::QueueData`] | shared | [`NewDisk::new`] | the disk is closed by its last user |
//! | [`Operations::HwData`] | shared | [`NewDisk::new`] | [`Disk`] is dropped |
//!
//! When dropping a [`Disk`] returns, all requests have ended, and none of the functions of
//! [`Operations`] runs or is called again, except for [`getgeo`](Operations::getgeo) and
//! [`report_zones`](Operations::report_zones), by those who have the disk still open. In such
//! functions themselves it cannot be waited for: see [`Disk`].
//!
//! # C and Rust
//!
//! | C | Rust |
//! |---|---|
//! | `struct blk_mq_ops`, `struct block_device_operations` | [`Operations`] |
//! | `struct blk_mq_tag_set` | [`TagSet`], [`TagSetOptions`] |
//! | `struct blk_mq_hw_ctx` | [`HwQueue`] |
//! | `struct blk_mq_queue_map` | [`QueueMaps`], [`CpuQueues`] |
//! | `struct gendisk` | [`NewDisk`], [`Disk`], [`GenDisk`] |
//! | `struct queue_limits` | [`QueueLimits`], [`Hints`] |
//! | `struct request` | [`Request`], [`TimedOutRequest`] |
//! | `blk_mq_rq_to_pdu()` | [`Request::data`], [`Request::parts`] |
//! | `blk_mq_tag_to_rq()` | [`RequestTable`] |
//! | `struct rq_list` | [`RequestList`] |
//! | `struct io_comp_batch`, `blk_mq_add_to_batch()` | [`CompletionBatch`] |
//! | `blk_status_t` | [`Status`] |
//! | `blk_mq_freeze_queue()`, `blk_mq_quiesce_queue()` | [`Disk::freeze`], [`QuiesceGuard`] |
//! | `blk_mq_alloc_request()`, `blk_execute_rq()` | [`GenDisk::execute`] |
//! | `queue_limits_start_update()` | [`Disk::update_limits`] |
//! | `register_blkdev()` | [`Major`] |
//! | `struct device_attribute` | [`Attribute`], [`Contents`] |
//! | `disk_report_zone()` | [`ZoneReporter`] |
//! | `string_get_size()` | [`Size`] |
//!
//! # Examples
//!
//! A disk that reads as zeroes and forgets what is written:
//!
//! ```
//! use kernel::{
//!     block::blk_mq::{
//!         HwQueue, Idle, NewDisk, Op, Operations, QueueLimits, Rejected, Request, Status, TagSet,
//!         TagSetOptions,
//!     },
//!     prelude::*,
//!     sync::Arc,
//! };
//!
//! struct Null;
//!
//! #[vtable]
//! impl Operations for Null {
//!     type TagSetData = ();
//!     type QueueData = ();
//!     type HwData = ();
//!     type RequestData = ();
//!
//!     fn init_request_data(_set: &()) -> impl PinInit<(), Error> {
//!         Ok(())
//!     }
//!
//!     fn init_hctx(_set: &(), _index: u32) -> impl PinInit<(), Error> {
//!         Ok(())
//!     }
//!
//!     fn queue_rq(
//!         _hctx: HwQueue<'_, Self>,
//!         rq: Request<Self, Idle>,
//!         _last: bool,
//!     ) -> Result<(), Rejected<Self>> {
//!         if !matches!(rq.op(), Op::Read | Op::Write) {
//!             return Err(rq.reject(Status::NOTSUPP));
//!         }
//!
//!         let rq = rq.start();
//!         if !rq.is_write() {
//!             for mut segment in rq.payload().segments() {
//!                 if let Err(error) = segment.fill_zero() {
//!                     rq.end(error.into());
//!                     return Ok(());
//!                 }
//!             }
//!         }
//!         rq.end(Status::OK);
//!         Ok(())
//!     }
//!
//!     fn complete(rq: Request<Self>) {
//!         rq.end(Status::OK);
//!     }
//! }
//!
//! let tag_set = Arc::pin_init(TagSet::<Null>::new(TagSetOptions::default(), ()), GFP_KERNEL)?;
//! let mut disk = NewDisk::new(tag_set, &QueueLimits::new(), ())?;
//!
//! disk.set_name(fmt!("blk_mq_doc"))?;
//! disk.set_capacity(2048)?;
//! let disk = disk.add_virtual()?;
//! assert_eq!(disk.capacity(), 2048);
//! # Ok::<(), Error>(())
//! ```

mod attributes;
mod batch;
mod callers;
mod disk;
mod disk_data;
mod fops;
mod freeze;
mod gen_disk;
mod hw_queue;
mod internal;
mod limits;
mod major;
mod new_disk;
mod op;
mod operations;
mod payload;
mod pdu;
mod queue_map;
mod ranges;
mod request;
mod request_list;
mod request_table;
mod size;
mod status;
mod tag_set;
mod timeout;
mod watch;
mod zones;

pub use attributes::{
    Access,
    AddedDisk,
    Attribute,
    AttributeList,
    Contents, //
};
pub use batch::CompletionBatch;
pub use disk::Disk;
pub use fops::Geometry;
pub use freeze::QuiesceGuard;
pub use gen_disk::GenDisk;
pub use hw_queue::{
    HwQueue,
    Kick,
    Run, //
};
pub use internal::Transfer;
pub use limits::{
    Adjusted,
    Hints,
    LimitError,
    QueueLimits,
    Rule,
    Zoned, //
};
pub use major::{
    Major,
    MajorNumber, //
};
pub use new_disk::{
    NewDisk,
    MAX_ZONES, //
};
pub use op::{
    Flags,
    Op, //
};
pub use operations::Operations;
pub use payload::{
    Payload,
    Segment,
    Segments, //
};
pub use queue_map::{
    num_possible_queues,
    CpuQueues,
    MapType,
    Maps,
    QueueMaps, //
};
pub use ranges::{
    Range,
    Ranges, //
};
pub use request::{
    Idle,
    Rejected,
    Request,
    Started,
    State, //
};
pub use request_list::RequestList;
#[cfg(CONFIG_RUST_BLK_VIRTIO)]
pub(super) use request_list::{
    pop_front,
    push, //
};
pub use request_table::RequestTable;
pub use size::Size;
pub use status::Status;
pub use tag_set::{
    TagSet,
    TagSetOptions, //
};
pub use timeout::{
    InFlight,
    TimedOutRequest,
    TimeoutAction, //
};
pub use zones::{
    Zone,
    ZoneCondition,
    ZoneReporter,
    ZoneType, //
};

#[cfg(CONFIG_RUST_BLK_MQ_KUNIT_TEST)]
mod tests;
