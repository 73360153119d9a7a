// SPDX-License-Identifier: GPL-2.0

//! A virtio driver, fourth stage: it goes on when the machine has slept, and when the device has
//! failed.
//!
//! Then the device is reset, and the buffers that it had come back unfilled. They are kept, and
//! given to it again when it works. What is full already can be read all the time, in
//! `/sys/kernel/debug/virtio_4-N/random`.

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

/// The buffers that the device does not have.
#[pin_data]
struct Pool {
    #[pin]
    full: SpinLockIrq<KVec<Used<Buffer>>>,
    /// Those that the device could not be given.
    #[pin]
    empty: SpinLockIrq<KVec<Buffer>>,
    #[pin]
    filled: CondVar,
}

impl Pool {
    fn new() -> Result<Arc<Self>> {
        // An interrupt cannot wait for memory: there is room for all.
        let full = KVec::with_capacity(BUFFERS, GFP_KERNEL)?;
        let mut empty = KVec::with_capacity(BUFFERS, GFP_KERNEL)?;

        for _ in 0..BUFFERS {
            empty.push(Buffer::new([0; 32], GFP_KERNEL)?, GFP_KERNEL)?;
        }
        Arc::pin_init(
            pin_init!(Self {
                full <- new_spinlock_irq!(full),
                empty <- new_spinlock_irq!(empty),
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

    fn keep(&self, buffer: Buffer) {
        let result = self.empty.lock().push_within_capacity(buffer);

        drop(result);
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

    // The device was reset before it has filled it.
    fn detached(queue: &Virtqueue<Self>, buffer: Buffer) {
        queue.context().keep(buffer);
    }
}

/// Lets the device fill all buffers that are empty. Those that it cannot be given stay.
fn fill(queue: &Virtqueue<Requests>) -> Result {
    let pool = queue.context();

    loop {
        let Some(buffer) = pool.empty.lock().pop() else {
            return Ok(());
        };
        let mut locked = queue.lock();
        let added = locked.add(buffer, |bytes, parts| parts.device_writable(bytes));
        let notify = locked.kick_prepare();

        drop(locked);
        if let Err(failed) = added {
            pool.keep(failed.token);
            return Err(failed.error);
        }
        if notify {
            queue.notify()?;
        }
    }
}

/// Writes the file.
fn show(queue: &Arc<Virtqueue<Requests>>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    // What the device could not be given before, it gets now.
    let _ = fill(queue);

    let used = queue.context().take().map_err(|_| fmt::Error)?;

    for byte in used.token.iter().take(used.len() as usize) {
        f.write_fmt(fmt!("{byte:02x}"))?;
    }
    f.write_fmt(fmt!("\n"))?;
    queue.context().keep(used.token);
    // If the device sleeps, or has failed, it gets it later.
    let _ = fill(queue);
    Ok(())
}

struct TheDriver;

#[pin_data]
struct Data {
    queue: Arc<Virtqueue<Requests>>,
    #[pin]
    _file: debugfs::File<Arc<Virtqueue<Requests>>>,
}

fn set_up(mut setup: VirtqueueSetup<'_>) -> Result<Arc<Virtqueue<Requests>>> {
    let class = kernel::static_lock_class!();
    let pending: PendingQueue<'_, Requests> =
        setup.add(c"requests", Callback::Interrupt, 1, Pool::new()?, class)?;
    let queue = pending.into_ready(&setup.find(Affinity::Default)?.ready());

    fill(&queue)?;
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
            let name = CString::try_from_fmt(fmt!("virtio_4-{}", dev.index()))?;
            let dir = debugfs::Dir::new(&name);

            Ok(try_pin_init!(Data {
                _file <- dir.read_callback_file(c"random", queue.clone(), &show),
                queue,
            }? Error))
        })
    }

    // After sleep. Unless a driver says otherwise, this is also what is done when the device was
    // reset, and when it was recovered after a failure.
    fn restore<'bound>(
        dev: &'bound virtio::Device<Core<'_>>,
        this: Pin<&Self::Data<'bound>>,
    ) -> Result {
        fill(&this.queue)?;
        dev_info!(dev, "goes on\n");
        Ok(())
    }
}

kernel::module_virtio_driver! {
    type: TheDriver,
    name: "virtio_4_lasting",
    authors: ["The linux-virtio-rs developers"],
    description: "A virtio driver, fourth stage",
    license: "GPL",
}
