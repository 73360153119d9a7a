// SPDX-License-Identifier: GPL-2.0

//! A virtio driver, third stage: the device works ahead.
//!
//! It has buffers to fill while nobody reads. A reader of `/sys/kernel/debug/virtio_3-N/random`
//! takes one that is full, and gives it back to the device when it is empty. So buffers are
//! allocated once, and only who reads faster than the device sends has to wait.

#![deny(unsafe_code)]

use kernel::{
    debugfs,
    device::Core,
    fmt,
    new_condvar,
    new_spinlock_irq,
    prelude::*,
    str::CString,
    sync::{
        Arc,
        CondVar,
        CondVarTimeoutResult,
        SpinLockIrq, //
    },
    time::msecs_to_jiffies,
    virtio::{
        self,
        Affinity,
        Callback,
        PendingQueue,
        RingBox,
        Used,
        Virtqueue,
        VirtqueueSetup, //
    }, //
};

kernel::virtio_features! { struct Features {} }
kernel::virtio_device_table!(ID_TABLE, [virtio::DeviceId::new(4)]);

/// How many buffers there are. The ring of the device has room for them.
const BUFFERS: usize = 4;

type Buffer = RingBox<[u8; 32]>;

struct Requests;

/// Buffers that are full.
#[pin_data]
struct Pool {
    #[pin]
    full: SpinLockIrq<KVec<Used<Buffer>>>,
    #[pin]
    filled: CondVar,
}

impl Pool {
    fn new() -> Result<Arc<Self>> {
        // An interrupt cannot wait for memory: there is room for all.
        let full = KVec::with_capacity(BUFFERS, GFP_KERNEL)?;

        Arc::pin_init(
            pin_init!(Self {
                full <- new_spinlock_irq!(full),
                filled <- new_condvar!(),
            }),
            GFP_KERNEL,
        )
    }

    fn put(&self, used: Used<Buffer>) {
        let result = self.full.lock().push_within_capacity(used);

        // There are no more buffers than there is room for.
        drop(result);
        self.filled.notify_one();
    }

    fn take(&self) -> Result<Used<Buffer>> {
        let mut full = self.full.lock();
        let mut left = msecs_to_jiffies(2000);

        loop {
            if let Some(used) = full.pop() {
                return Ok(used);
            }
            match self.filled.wait_interruptible_timeout(&mut full, left) {
                CondVarTimeoutResult::Woken { jiffies } => left = jiffies,
                CondVarTimeoutResult::Signal { .. } => return Err(ERESTARTSYS),
                CondVarTimeoutResult::Timeout => return Err(ETIMEDOUT),
            }
        }
    }
}

impl virtio::Handler for Requests {
    type Token = Buffer;
    type Context = Arc<Pool>;

    fn done(queue: &Virtqueue<Self>) {
        queue.lock().drain(|used| queue.context().put(used));
    }
}

/// Lets the device fill a buffer.
fn fill(queue: &Virtqueue<Requests>, buffer: Buffer) -> Result {
    let mut locked = queue.lock();

    locked
        .add(buffer, |bytes, parts| parts.device_writable(bytes))
        .map_err(|failed| failed.error)?;

    let notify = locked.kick_prepare();

    drop(locked);
    if notify {
        queue.notify()?;
    }
    Ok(())
}

/// Writes the file.
fn show(queue: &Arc<Virtqueue<Requests>>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let used = queue.context().take().map_err(|_| fmt::Error)?;

    for byte in used.token.iter().take(used.len() as usize) {
        f.write_fmt(fmt!("{byte:02x}"))?;
    }
    f.write_fmt(fmt!("\n"))?;
    fill(queue, used.token).map_err(|_| fmt::Error)
}

struct TheDriver;

#[pin_data]
struct Data {
    #[pin]
    _file: debugfs::File<Arc<Virtqueue<Requests>>>,
}

fn set_up(mut setup: VirtqueueSetup<'_>) -> Result<Arc<Virtqueue<Requests>>> {
    let class = kernel::static_lock_class!();
    let pending: PendingQueue<'_, Requests> =
        setup.add(c"requests", Callback::Interrupt, 1, Pool::new()?, class)?;
    let queue = pending.into_ready(&setup.find(Affinity::Default)?.ready());

    for _ in 0..BUFFERS {
        fill(&queue, Buffer::new([0; 32], GFP_KERNEL)?)?;
    }
    Ok(queue)
}

#[vtable]
impl virtio::Driver for TheDriver {
    type Features = Features;
    type Config = virtio::config::NoConfig<Features>;
    type Data<'bound> = Data;

    const ID_TABLE: virtio::IdTable = &ID_TABLE;

    fn probe<'bound>(
        dev: &'bound virtio::Device<Core<'_>>,
        setup: VirtqueueSetup<'bound>,
    ) -> impl PinInit<Data, Error> + 'bound {
        pin_init::pin_init_scope(move || {
            let queue = set_up(setup)?;
            let name = CString::try_from_fmt(fmt!("virtio_3-{}", dev.index()))?;
            let dir = debugfs::Dir::new(&name);

            Ok(try_pin_init!(Data {
                _file <- dir.read_callback_file(c"random", queue, &show),
            }? Error))
        })
    }
}

kernel::module_virtio_driver! {
    type: TheDriver,
    name: "virtio_3_pool",
    authors: ["The linux-virtio-rs developers"],
    description: "A virtio driver, third stage",
    license: "GPL",
}
