// SPDX-License-Identifier: GPL-2.0

//! Disks for the tests.

use super::{
    census::Census,
    ram::Ram,
    ram_data::{
        QueueData,
        SetData,
        SECTORS, //
    }, //
};
use crate::{
    block::blk_mq::{
        Disk,
        NewDisk,
        QueueLimits,
        TagSet,
        TagSetOptions, //
    },
    prelude::*,
    sync::Arc, //
};

/// A tag set of [`Ram`].
pub(super) fn tag_set(census: &Arc<Census>, options: TagSetOptions) -> Result<Arc<TagSet<Ram>>> {
    Arc::pin_init(TagSet::new(options, SetData::new(census)?), GFP_KERNEL)
}

/// The options of most tests: no I/O scheduler, so that requests are issued as they come.
pub(super) fn options() -> TagSetOptions {
    TagSetOptions {
        queue_depth: 32,
        no_sched_by_default: true,
        ..Default::default()
    }
}

/// A disk that was not added.
pub(super) fn new_disk(
    census: &Arc<Census>,
    options: TagSetOptions,
    limits: &QueueLimits,
    name: &str,
) -> Result<NewDisk<Ram>> {
    let mut disk = NewDisk::new(tag_set(census, options)?, limits, QueueData::new(census)?)?;

    disk.set_capacity(SECTORS)?;
    disk.set_name(fmt!("{name}"))?;
    Ok(disk)
}

/// A disk that was added.
pub(super) fn disk(census: &Arc<Census>, name: &str) -> Result<Disk<Ram>> {
    new_disk(census, options(), &QueueLimits::new(), name)?.add_virtual()
}
