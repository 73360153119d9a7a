// SPDX-License-Identifier: GPL-2.0

//! Driver for virtio block devices.
//!
//! The files, by the parts of `drivers/block/virtio_blk.c` that they correspond to: `wire` has the
//! formats of the header, `limits` what `virtblk_read_limits` does, `request` sets requests up and
//! looks at their status, `queue` has `virtio_mq_ops` and `virtblk_done`, and this one the rest:
//! `init_vq`, `virtblk_probe`, and what comes after.

#![deny(unsafe_code)]

mod limits;
mod queue;
mod request;
mod wire;

use kernel::{
    block::blk_mq::{
        self,
        NewDisk,
        QueueLimits,
        TagSet,
        TagSetOptions, //
    },
    device::{
        Bound,
        Core, //
    },
    fmt::{
        self,
        Write, //
    },
    prelude::*,
    str::CString,
    sync::Arc,
    virtio::{
        self,
        Affinity,
        Callback,
        DeviceId,
        DiskIndex,
        IdTable,
        PendingQueue,
        VirtqueueSetup, //
    }, //
};

use self::{
    queue::{
        Disk,
        DiskData,
        QueueContext,
        Queues,
        RequestQueue, //
    },
    wire::{
        Config,
        Features, //
    },
};

/// The id of block devices (virtio specification, section 5).
const ID_BLOCK: u32 = 2;

/// As many disks as C's driver has numbers for.
const MAX_INDEX: u32 = (1 << 16) - 1;

kernel::virtio_device_table!(ID_TABLE, [DeviceId::new(ID_BLOCK)]);

struct VirtioBlk;

/// What a bound device has.
struct Data {
    disk: blk_mq::Disk<Disk>,
}

/// The name of a disk: "vda" to "vdz", then "vdaa" and so on (C: `virtblk_name_format`).
struct Name(u32);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut letters = [0; 7];
        let mut start = letters.len();
        let mut rest = self.0;

        for letter in letters.iter_mut().rev() {
            *letter = b'a' + (rest % 26) as u8;
            start -= 1;
            if rest < 26 {
                break;
            }
            rest = rest / 26 - 1;
        }
        f.write_str("vd")?;
        for &letter in letters.iter().skip(start) {
            f.write_char(letter.into())?;
        }
        Ok(())
    }
}

/// Returns how many queues to use: one for each CPU, as far as the device has them.
fn num_queues(dev: &virtio::Device<Bound>) -> Result<u32> {
    let offered = match dev.config::<Config>().read_if(&Config::NUM_QUEUES)? {
        Some(0) => {
            dev_err!(dev, "several queues offered, but their number is 0\n");
            return Err(EINVAL);
        }
        Some(count) => count.into(),
        None => 1,
    };

    Ok(blk_mq::num_possible_queues(offered))
}

/// Adds the request queues of a device.
fn add_queues(
    dev: &virtio::Device<Bound>,
    setup: &mut VirtqueueSetup<'_, '_>,
    seg_max: u32,
) -> Result<KVec<PendingQueue<RequestQueue>>> {
    let context = QueueContext {
        order: dev.byte_order(),
        strict: !dev.is_legacy(),
    };
    let max_parts = usize::try_from(seg_max + limits::EXTRA_DESCRIPTORS)?;
    let mut queues = KVec::new();

    for i in 0..num_queues(dev)? {
        let name = CString::try_from_fmt(fmt!("req.{i}"))?;
        let queue = setup.add(&name, Callback::Interrupt, max_parts, context)?;

        queues.push(queue, GFP_KERNEL)?;
    }
    Ok(queues)
}

/// Logs the size of the disk, as C does.
fn log_capacity(dev: &virtio::Device<Bound>, sectors: u64, limits: &QueueLimits) {
    let block_size = limits.logical_block_size();

    dev_notice!(
        dev,
        "{} {}-byte logical blocks\n",
        sectors.div_ceil(u64::from(block_size) / 512),
        block_size
    );
}

impl VirtioBlk {
    fn probe_disk(dev: &virtio::Device<Core<'_>>) -> Result<Data> {
        let index = DiskIndex::new(MAX_INDEX)?;
        let seg_max = limits::seg_max(dev)?;
        let mut setup = dev.virtqueues()?;
        let pending = add_queues(dev, &mut setup, seg_max)?;
        let found = setup.find(Affinity::Spread {
            pre_vectors: 0,
            post_vectors: 0,
        })?;
        let vring_size = pending.first().map_or(0, PendingQueue::vring_size);
        let nr_hw_queues = u32::try_from(pending.len())?;

        let has_indirect = dev
            .features::<Features>()
            .has(virtio::feature::RingIndirectDesc);
        // Without indirect descriptors a request takes two at least.
        let queue_depth = if has_indirect {
            vring_size
        } else {
            vring_size / 2
        };
        let max_segments = limits::max_segments(dev, seg_max, vring_size);
        let mut limits = limits::read(dev, max_segments)?;
        limits.set_write_cache(dev.features::<Features>().has(wire::Flush));

        let capacity = dev.config::<Config>().read(&Config::CAPACITY)?;
        log_capacity(dev, capacity, &limits);

        let ready = found.ready();
        let mut queues = KVec::with_capacity(pending.len(), GFP_KERNEL)?;
        for queue in pending {
            queues.push(queue.into_ready(&ready), GFP_KERNEL)?;
        }
        let tag_set = Arc::pin_init(
            TagSet::new(
                TagSetOptions {
                    nr_hw_queues,
                    queue_depth,
                    ..TagSetOptions::default()
                },
                Ok::<_, Error>(Queues(queues)),
            ),
            GFP_KERNEL,
        )?;

        let name = Name(index.get());
        let mut disk = NewDisk::new(tag_set, &limits, Ok::<_, Error>(DiskData { _index: index }))?;

        disk.set_name(fmt!("{name}"))?;
        disk.set_capacity(capacity)?;
        disk.set_read_only(dev.features::<Features>().has(wire::Ro));
        let disk = disk.add(dev.as_ref())?;

        Ok(Data { disk })
    }
}

#[vtable]
impl virtio::Driver for VirtioBlk {
    type Features = Features;
    type Config = Config;
    type Data<'bound> = Data;

    const ID_TABLE: IdTable = &ID_TABLE;

    fn probe<'bound>(
        dev: &'bound virtio::Device<Core<'_>>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound {
        Self::probe_disk(dev)
    }

    fn config_changed<'bound>(dev: &'bound virtio::Device<Bound>, this: Pin<&Self::Data<'bound>>) {
        if let Ok(capacity) = dev.config::<Config>().read(&Config::CAPACITY) {
            let _ = this.disk.set_capacity_and_notify(capacity);
        }
    }
}

kernel::module_virtio_driver! {
    type: VirtioBlk,
    name: "virtio_blk_rs",
    authors: ["The linux-virtio-rs developers"],
    description: "Virtio block driver in Rust",
    license: "GPL v2",
}
