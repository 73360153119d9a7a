// SPDX-License-Identifier: GPL-2.0

//! Driver for virtio block devices.
//!
//! The files, by the parts of `drivers/block/virtio_blk.c` that they correspond to:
//!
//! - `wire`: the formats of `virtio_blk.h`,
//! - `disk`: `struct virtio_blk`, `struct virtio_blk_vq`,
//! - `limits`: `virtblk_read_limits`,
//! - `request`: `virtblk_setup_cmd`, `virtblk_add_req`, `virtblk_result`,
//! - `queue`: `virtio_mq_ops`, `virtblk_done`, `virtblk_poll`,
//! - `zoned`: `virtblk_report_zones`, `virtblk_read_zoned_limits`,
//! - `attributes`: `serial`, `cache_type`, `virtblk_getgeo`,
//! - `parameters`: the module parameters,
//! - `used_len`: what C does not look at,
//! - `recovery`: nothing; C waits for a device that has failed,
//! - this one: `init_vq`, `virtblk_probe`, and what comes after.

#![deny(unsafe_code)]

mod attributes;
mod disk;
mod limits;
mod parameters;
mod queue;
mod recovery;
mod request;
mod used_len;
mod wire;
mod zoned;

use kernel::{
    block::{
        blk_mq::{
            self,
            GenDisk,
            Major,
            MajorNumber,
            Maps,
            NewDisk,
            Size,
            TagSet,
            TagSetOptions, //
        },
        virtio::{
            irq_cpus,
            DiskIndex, //
        },
        SECTOR_SHIFT, //
    },
    device::{
        Bound,
        Core, //
    },
    driver,
    fmt::{
        self,
        Write, //
    },
    prelude::*,
    static_lock_class,
    str::CString,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    virtio::{
        self,
        Affinity,
        Callback,
        DeviceId,
        IdTable,
        PendingQueue,
        VirtqueueSetup, //
    },
    InPlaceModule,
    ModuleMetadata, //
};

use self::{
    attributes::Attributes,
    disk::{
        Disk,
        DiskData,
        QueueContext,
        Queues,
        Recovery,
        RequestQueue, //
    },
    used_len::{
        DeviceUsedLen,
        UsedLen, //
    },
    wire::{
        Config,
        Features, //
    },
};

/// The id of block devices (virtio specification, section 5).
const ID_BLOCK: u32 = 2;

/// The major number, under the name that other programs know these disks by.
static MAJOR: Major = Major::new(c"virtblk");

/// Each disk has minor numbers for itself and 15 partitions; further ones get others.
const PART_BITS: u32 = 4;

/// As many disks as there are minor numbers for.
const MAX_INDEX: u32 = (1 << (MINOR_BITS - PART_BITS)) - 1;

/// The bits of a minor number.
const MINOR_BITS: u32 = 20;

/// Requests are described in memory of their own.
const MAX_PARTS: usize = 1;

kernel::virtio_device_table!(ID_TABLE, [DeviceId::new(ID_BLOCK)]);

struct VirtioBlk;

/// What a bound device has.
type Data = blk_mq::Disk<Disk>;

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

/// The numbers of queues that a device is used with.
struct QueueCounts {
    /// Those with interrupts, at least one.
    default: u32,
    /// Those that are polled.
    poll: u32,
}

impl QueueCounts {
    /// One queue for each CPU, as far as the device and the module parameters allow.
    fn new(dev: &virtio::Device<Bound>) -> Result<Self> {
        let offered = match dev.config::<Config>().read_if(&Config::NUM_QUEUES)? {
            Some(0) => {
                dev_err!(dev, "several queues offered, but their number is 0\n");
                return Err(EINVAL);
            }
            Some(count) => count.into(),
            None => 1,
        };
        let limit = match parameters::num_request_queues.value() {
            0 => offered,
            limit => offered.min(limit),
        };
        let total = blk_mq::num_possible_queues(limit).max(1);
        let poll = parameters::poll_queues.value().min(total - 1);
        let counts = Self {
            default: total - poll,
            poll,
        };

        dev_info!(
            dev,
            "{}/0/{} default/read/poll queues\n",
            counts.default,
            counts.poll
        );
        Ok(counts)
    }

    /// Adds the queues.
    fn add<'q>(
        &self,
        setup: &mut VirtqueueSetup<'q>,
        context: impl Fn() -> QueueContext,
    ) -> Result<KVec<PendingQueue<'q, RequestQueue>>> {
        let mut queues = KVec::new();

        for i in 0..self.default + self.poll {
            let (name, callback) = if i < self.default {
                (CString::try_from_fmt(fmt!("req.{i}"))?, Callback::Interrupt)
            } else {
                (
                    CString::try_from_fmt(fmt!("req_poll.{i}"))?,
                    Callback::Polled,
                )
            };

            let class = static_lock_class!();
            let queue = setup.add(&name, callback, MAX_PARTS, context(), class)?;

            queues.push(queue, GFP_KERNEL)?;
        }
        Ok(queues)
    }

    fn options(&self, queue_depth: u32) -> TagSetOptions {
        TagSetOptions {
            nr_hw_queues: self.default + self.poll,
            queue_depth,
            maps: if self.poll > 0 {
                Maps::Three
            } else {
                Maps::One
            },
            ..TagSetOptions::default()
        }
    }
}

/// Logs the size of the disk.
fn log_capacity(dev: &virtio::Device<Bound>, disk: &GenDisk<Disk>, prefix: &str, sectors: u64) {
    let block_size = disk.logical_block_size();
    let blocks = sectors.div_ceil(u64::from(block_size) >> SECTOR_SHIFT);
    let (name, size) = (disk.name(), Size::new(blocks, block_size));

    dev_notice!(
        dev,
        "[{name}] {prefix}{blocks} {block_size}-byte logical blocks ({size})\n"
    );
}

impl VirtioBlk {
    /// Brings up the queues and the disk (C: `virtblk_probe`).
    fn set_up(dev: &virtio::Device<Core<'_>>, mut setup: VirtqueueSetup<'_>) -> Result<Data> {
        let features = dev.features::<Features>();
        let index = DiskIndex::new(MAX_INDEX)?;
        let zone_sectors = zoned::zone_sectors(dev)?;

        let counts = QueueCounts::new(dev)?;
        let seg_max = limits::seg_max(dev)?;
        let used_len = DeviceUsedLen::new(dev, parameters::check_used_len.value())?;
        let context = || QueueContext {
            order: dev.byte_order(),
            used_len: UsedLen::new(used_len.clone()),
            zone_sectors: zone_sectors.unwrap_or(0),
        };
        let pending = counts.add(&mut setup, context)?;
        let found = setup.find(Affinity::Spread {
            pre_vectors: 0,
            post_vectors: 0,
        })?;

        let vring_size = pending.iter().map(PendingQueue::vring_size).min();
        let vring_size = vring_size.unwrap_or(0);
        let max_segments = limits::max_segments(dev, seg_max, vring_size);
        let max_segment_size = limits::max_segment_size(dev)?;
        let limits = {
            let mut limits = limits::read(dev, max_segments, max_segment_size)?;

            limits.set_write_cache(attributes::has_write_cache(dev)?);
            limits
        };
        let queue_depth = match parameters::queue_depth.value() {
            0 if features.has(virtio::feature::RingIndirectDesc) => vring_size,
            // A request takes two descriptors at least.
            0 => vring_size / 2,
            depth => depth,
        };
        let capacity = limits::capacity(dev)?;

        let ready = found.ready();
        let irq_cpus = irq_cpus(&ready, 0, counts.default)?;
        let mut vqs = KVec::with_capacity(pending.len(), GFP_KERNEL)?;
        for queue in pending {
            vqs.push(queue.into_ready(&ready), GFP_KERNEL)?;
        }

        let queues = Queues {
            vqs,
            irq_cpus,
            num_default: counts.default,
            num_poll: counts.poll,
        };
        let tag_set = Arc::pin_init(
            TagSet::new(counts.options(queue_depth), Ok::<_, Error>(queues)),
            GFP_KERNEL,
        )?;
        let name = Name(index.get());
        let first_minor = index.get() << PART_BITS;
        let major = MAJOR.get().ok_or(ENODEV)?;
        let data = DiskData {
            _index: index,
            dev: dev.handle()?,
            zone_sectors,
            max_segments,
            max_segment_size,
            recovery: Recovery::new(),
            write_through: Atomic::new(false),
        };
        let mut disk = NewDisk::new(tag_set, &limits, Ok::<_, Error>(data))?;

        disk.set_name(fmt!("{name}"))?;
        disk.set_minors(major, first_minor, 1 << PART_BITS)?;
        disk.set_capacity(capacity)?;
        disk.set_read_only(features.has(wire::Ro));
        disk.set_attributes::<Attributes>();
        log_capacity(dev, &disk, "", capacity);

        let disk = disk.add(dev.as_ref())?;

        // What was read then, was not.
        disk.queue_data()
            .recovery
            .unscanned
            .store(dev.has_failed(), Relaxed);
        Ok(disk)
    }

    /// Takes over the size that the device has now (C: `virtblk_update_capacity`).
    fn update_capacity(dev: &virtio::Device<Bound>, disk: &Data) -> Result {
        let capacity = limits::capacity(dev)?;

        if capacity == disk.capacity() {
            return Ok(());
        }
        log_capacity(dev, disk, "new size: ", capacity);
        disk.set_capacity_and_notify(capacity)?;
        Ok(())
    }

    /// Forgets what the device has shown so far: another one may have taken its place.
    fn forget(disk: &Data) {
        for queue in &disk.tag_set().data().vqs {
            queue.context().used_len.forget();
        }
    }

    /// Takes over the mode that the cache has now. Waits for all requests, and polls for those that
    /// others would: user space may sleep already, and the suspend waits for this.
    fn update_write_cache(dev: &virtio::Device<Bound>, disk: &Data) -> Result {
        if attributes::has_write_cache(dev)? == disk.has_write_cache() {
            return Ok(());
        }
        disk.update_limits_polling(
            |limits| {
                limits.set_write_cache(attributes::has_write_cache(dev)?);
                Ok::<_, Error>(())
            },
            || disk.tag_set().data().poll(),
        )
    }

    /// Looks at a device that has been stopped, before it gets requests: whether it still is what
    /// the disk was made for, and how large it is.
    ///
    /// The rest of what may have changed is left to `config_changed`. This here runs with the lock
    /// of the device held, so the device would not be recovered while requests are waited for.
    fn come_back(dev: &virtio::Device<Bound>, disk: &Data) -> Result {
        Self::forget(disk);
        recovery::check(dev, disk)?;
        // Caches are switched on by a reset, perhaps. Nobody flushes one that the block layer does
        // not know of.
        attributes::keep_write_through(dev, disk)?;

        // The device works again, so this is not a reason to give it up.
        if let Err(err) = Self::update_capacity(dev, disk) {
            dev_err!(dev, "cannot take over the new size: {:?}\n", err);
        }
        dev.look_at_config();
        Ok(())
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
        setup: VirtqueueSetup<'bound>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound {
        Self::set_up(dev, setup)
    }

    fn config_changed<'bound>(dev: &'bound virtio::Device<Bound>, disk: Pin<&Data>) {
        if let Err(err) = Self::update_capacity(dev, &disk) {
            dev_err!(dev, "cannot take over the new size: {:?}\n", err);
        }
        if let Err(err) = Self::update_write_cache(dev, &disk) {
            dev_err!(dev, "cannot take over the mode of the cache: {:?}\n", err);
        }
    }

    fn freeze<'bound>(_dev: &'bound virtio::Device<Core<'_>>, disk: Pin<&Data>) -> Result {
        // A restore that failed has left it so, and what gathered since must not be waited for:
        // without rings it fails.
        disk.unquiesce();
        // Waits for what the device has; what comes later waits in the block layer. User space
        // sleeps, and does not poll.
        disk.freeze_polling(
            || disk.tag_set().data().poll(),
            // A worker can have seen that the queue is not quiesced, and would issue what comes
            // now.
            || disk.quiesce().leave(),
        );
        Ok(())
    }

    fn restore<'bound>(dev: &'bound virtio::Device<Core<'_>>, disk: Pin<&Data>) -> Result {
        Self::come_back(dev, &disk)?;
        disk.unquiesce();
        Ok(())
    }

    fn recovery_prepare<'bound>(_dev: &'bound virtio::Device<Core<'_>>, disk: Pin<&Data>) {
        recovery::prepare(&disk);
    }

    fn recovery_done<'bound>(dev: &'bound virtio::Device<Core<'_>>, disk: Pin<&Data>) -> Result {
        Self::come_back(dev, &disk)?;
        recovery::done(&disk);
        Ok(())
    }

    fn recovery_failed<'bound>(_dev: &'bound virtio::Device<Core<'_>>, disk: Pin<&Data>) {
        recovery::failed(&disk);
    }
}

/// What is there as long as the module is loaded.
#[pin_data]
struct Module {
    #[pin]
    _driver: driver::Registration<virtio::Adapter<VirtioBlk>>,
    /// Goes after the disks, which take their numbers from it.
    _major: MajorNumber,
}

impl InPlaceModule for Module {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _major: MAJOR.register()?,
            _driver <- driver::Registration::new(<Self as ModuleMetadata>::NAME, module),
        })
    }
}

module! {
    type: Module,
    name: "virtio_blk_rs",
    authors: ["The linux-virtio-rs developers"],
    description: "Virtio block driver in Rust",
    license: "GPL v2",
}
