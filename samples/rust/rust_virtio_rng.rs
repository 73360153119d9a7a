// SPDX-License-Identifier: GPL-2.0

//! Rust virtio sample: an entropy device.
//!
//! The smallest complete virtio driver: one queue, and buffers that the device fills. Each read of
//! `/sys/kernel/debug/rust_virtio_rng-N/random` asks the device for fresh bytes.
//!
//! To make use of this sample, start QEMU with `-device virtio-rng-pci`.
//!
//! Virtio specification, section 5.4 "Entropy Device".

#![deny(unsafe_code)]

use kernel::{
    debugfs::{
        Dir,
        File, //
    },
    device::Core,
    fmt,
    new_condvar,
    new_spinlock_irq,
    prelude::*,
    str::CString,
    sync::{
        Arc,
        CondVar,
        SpinLockIrq, //
    },
    virtio::{
        self,
        config::NoConfig,
        Affinity,
        Callback,
        DeviceId,
        Handler,
        IdTable,
        RingBox,
        Virtqueue, //
    }, //
};

// An entropy device has no features of its own...
kernel::virtio_features! {
    struct Features {}
}

// ...and is number 4 in section 5 of the specification.
kernel::virtio_device_table!(ID_TABLE, [DeviceId::new(4)]);

/// What the device is given: memory that it fills.
type Buffer = RingBox<[u8; 32]>;

/// The queue of the device. The type names what travels through it and what happens then.
struct RequestQueue;

/// Filled buffers, shared between the interrupt and the readers.
#[pin_data]
struct Pool {
    #[pin]
    state: SpinLockIrq<PoolState>,
    #[pin]
    changed: CondVar,
}

#[derive(Default)]
struct PoolState {
    filled: KVec<(Buffer, usize)>,
    gone: bool,
}

impl Handler for RequestQueue {
    type Token = Buffer;
    type Context = Arc<Pool>;

    fn done(queue: &Virtqueue<Self>) {
        queue.lock().drain(|used| {
            // The length is the device's word. It is bounded by the size of the buffer.
            let len = used.len() as usize;
            let mut state = queue.context().state.lock();

            // There is no sleeping here, so without memory the bytes are lost.
            let _ = state.filled.push((used.token, len), GFP_ATOMIC);
        });
        queue.context().changed.notify_all();
    }

    fn detached(queue: &Virtqueue<Self>, _buffer: Buffer) {
        queue.context().state.lock().gone = true;
        queue.context().changed.notify_all();
    }
}

/// Asks the device for random bytes and waits for them.
fn read(queue: &Virtqueue<RequestQueue>) -> Result<(Buffer, usize)> {
    let buffer = Buffer::new([0; 32], GFP_KERNEL)?;
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

    let pool = queue.context();
    let mut state = pool.state.lock();
    loop {
        if let Some(filled) = state.filled.pop() {
            return Ok(filled);
        }
        if state.gone {
            return Err(ENODEV);
        }
        if pool.changed.wait_interruptible(&mut state) {
            return Err(EINTR);
        }
    }
}

/// Prints random bytes as hexadecimal digits.
fn show(queue: &Arc<Virtqueue<RequestQueue>>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (buffer, len) = read(queue).map_err(|_| fmt::Error)?;

    for byte in buffer.iter().take(len) {
        f.write_fmt(fmt!("{byte:02x}"))?;
    }
    f.write_fmt(fmt!("\n"))
}

struct RngDriver;

/// What a bound device has. It is dropped first at unbind, so no reader is left when the device is
/// reset.
#[pin_data]
struct Data {
    #[pin]
    _random: File<Arc<Virtqueue<RequestQueue>>>,
    _dir: Dir,
}

#[vtable]
impl virtio::Driver for RngDriver {
    type Features = Features;
    type Config = NoConfig<Features>;
    type Data<'bound> = Data;

    const ID_TABLE: IdTable = &ID_TABLE;

    fn probe<'bound>(dev: &'bound virtio::Device<Core<'_>>) -> impl PinInit<Data, Error> + 'bound {
        pin_init::pin_init_scope(move || {
            let pool = Arc::pin_init(
                pin_init!(Pool {
                    state <- new_spinlock_irq!(PoolState::default()),
                    changed <- new_condvar!(),
                }),
                GFP_KERNEL,
            )?;

            // Name the queue, find it in the device, tell the device to start, use it.
            let mut queues = dev.virtqueues()?;
            let queue = queues.add::<RequestQueue>(c"input", Callback::Interrupt, 1, pool)?;
            let ready = queues.find(Affinity::Default)?.ready();
            let queue = queue.into_ready(&ready);

            let dir = Dir::new(&CString::try_from_fmt(fmt!(
                "rust_virtio_rng-{}",
                dev.index()
            ))?);

            Ok(try_pin_init!(Data {
                _random <- dir.read_callback_file(c"random", queue, &show),
                _dir: dir,
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
