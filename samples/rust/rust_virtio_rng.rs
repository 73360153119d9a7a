// SPDX-License-Identifier: GPL-2.0

//! Rust virtio sample: an entropy device (virtio specification, section 5.4).
//!
//! The smallest complete virtio driver. Reading `/sys/kernel/debug/rust_virtio_rng-N/random` asks
//! the device for fresh bytes. To make use of it, start QEMU with `-device virtio-rng-pci`.

#![deny(unsafe_code)]

use kernel::{
    debugfs,
    device::Core,
    fmt,
    prelude::*,
    str::CString,
    sync::{Arc, CondVar, CondVarTimeoutResult, Mutex, SpinLockIrq},
    virtio::{self, Affinity, Callback, Used, Virtqueue}, //
};

// An entropy device has no features of its own, and is number 4 in section 5 of the specification.
kernel::virtio_features! { struct Features {} }
kernel::virtio_device_table!(ID_TABLE, [virtio::DeviceId::new(4)]);

/// What the device is given: memory that it fills.
type Buffer = virtio::RingBox<[u8; 32]>;

/// The queue of the device. The type names what travels through it and what happens then.
struct RequestQueue;

/// Where interrupt and reader meet.
#[pin_data]
struct Exchange {
    #[pin]
    reader: Mutex<()>,
    #[pin]
    answer: SpinLockIrq<Option<Result<Used<Buffer>>>>,
    #[pin]
    changed: CondVar,
}

impl Exchange {
    fn tell(&self, answer: Result<Used<Buffer>>) {
        *self.answer.lock() = Some(answer);
        self.changed.notify_all();
    }

    /// Waits a second at most: the file cannot go while somebody reads it.
    fn wait(&self) -> Result<Used<Buffer>> {
        let mut answer = self.answer.lock();
        let mut left = kernel::time::msecs_to_jiffies(1000);
        while answer.is_none() {
            match self.changed.wait_interruptible_timeout(&mut answer, left) {
                CondVarTimeoutResult::Woken { jiffies } => left = jiffies,
                _ => return Err(EINTR),
            }
        }
        answer.take().unwrap_or(Err(EIO))
    }
}

impl virtio::Handler for RequestQueue {
    type Token = Buffer;
    type Context = Arc<Exchange>;

    fn done(queue: &Virtqueue<Self>) {
        queue.lock().drain(|used| queue.context().tell(Ok(used)));
    }

    fn detached(queue: &Virtqueue<Self>, _buffer: Buffer) {
        // The device was reset, and has not filled it.
        queue.context().tell(Err(EIO));
    }
}

/// Asks the device for random bytes and waits for them.
fn read(queue: &Virtqueue<RequestQueue>) -> Result<Used<Buffer>> {
    let exchange = queue.context();
    let buffer = Buffer::new([0; 32], GFP_KERNEL)?;
    let _turn = exchange.reader.lock();
    *exchange.answer.lock() = None;
    let mut locked = queue.lock();
    // The buffer moves into the ring: until the device has filled it, nobody can touch it.
    locked
        .add(buffer, |bytes, parts| parts.device_writable(bytes))
        .map_err(|err| err.error)?;
    let notify = locked.kick_prepare();
    drop(locked);
    if notify {
        queue.notify()?;
    }
    exchange.wait()
}

/// Prints random bytes as hexadecimal digits.
fn show(queue: &Arc<Virtqueue<RequestQueue>>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let used = read(queue).map_err(|_| fmt::Error)?;
    // The length is the device's word, cut to the size of the buffer.
    for byte in used.token.iter().take(used.len() as usize) {
        f.write_fmt(fmt!("{byte:02x}"))?;
    }
    f.write_fmt(fmt!("\n"))
}

struct RngDriver;

/// What a bound device has. It is dropped before the device is reset, so no reader is left then.
#[pin_data]
struct Data {
    #[pin]
    _random: debugfs::File<Arc<Virtqueue<RequestQueue>>>,
}

#[vtable]
impl virtio::Driver for RngDriver {
    type Features = Features;
    type Config = virtio::config::NoConfig<Features>;
    type Data<'bound> = Data;

    const ID_TABLE: virtio::IdTable = &ID_TABLE;

    fn probe<'bound>(
        dev: &'bound virtio::Device<Core<'_>>,
        mut setup: virtio::VirtqueueSetup<'bound>,
    ) -> impl PinInit<Data, Error> + 'bound {
        pin_init::pin_init_scope(move || {
            let exchange = Arc::pin_init(
                pin_init!(Exchange {
                    reader <- kernel::new_mutex!(()),
                    answer <- kernel::new_spinlock_irq!(None),
                    changed <- kernel::new_condvar!(),
                }),
                GFP_KERNEL,
            )?;

            // Name the queue, find it in the device, tell the device to start, use it.
            let class = kernel::static_lock_class!();
            let vq: virtio::PendingQueue<'_, RequestQueue> =
                setup.add(c"input", Callback::Interrupt, 1, exchange, class)?;
            let queue = vq.into_ready(&setup.find(Affinity::Default)?.ready());
            let name = CString::try_from_fmt(fmt!("rust_virtio_rng-{}", dev.index()))?;
            let dir = debugfs::Dir::new(&name);

            Ok(try_pin_init!(Data {
                _random <- dir.read_callback_file(c"random", queue, &show),
            }))
        })
    }
}

kernel::module_virtio_driver! {
    type: RngDriver,
    name: "rust_virtio_rng",
    authors: ["The linux-virtio-rs developers"],
    description: "Rust virtio entropy device sample",
    license: "GPL v2",
}
