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
    sync::{Arc, CondVar, SpinLockIrq},
    virtio::{self, Affinity, Callback, Used, Virtqueue}, //
};

// An entropy device has no features of its own.
kernel::virtio_features! { struct Features {} }

// And the device is number 4 in section 5 of the specification.
kernel::virtio_device_table!(ID_TABLE, [virtio::DeviceId::new(4)]);

/// What the device is given: memory that it fills.
type Buffer = virtio::RingBox<[u8; 32]>;

/// The queue of the device. The type names what travels through it and what happens then.
struct RequestQueue;

/// Filled buffers, on their way from the interrupt to the readers. [`None`]: the device is gone.
#[pin_data]
struct Pool {
    #[pin]
    filled: SpinLockIrq<Option<KVec<Used<Buffer>>>>,
    #[pin]
    changed: CondVar,
}

impl virtio::Handler for RequestQueue {
    type Token = Buffer;
    type Context = Arc<Pool>;

    fn done(queue: &Virtqueue<Self>) {
        queue.lock().drain(|used| {
            // Nothing may sleep here, so without memory the bytes are lost.
            if let Some(filled) = &mut *queue.context().filled.lock() {
                let _ = filled.push(used, GFP_ATOMIC);
            }
        });
        queue.context().changed.notify_all();
    }
}

/// Asks the device for random bytes and waits for them.
fn read(queue: &Virtqueue<RequestQueue>) -> Result<Used<Buffer>> {
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
    let mut filled = pool.filled.lock();
    loop {
        if let Some(used) = (*filled).as_mut().ok_or(ENODEV)?.pop() {
            return Ok(used);
        }
        if pool.changed.wait_interruptible(&mut filled) {
            return Err(EINTR);
        }
    }
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
    pool: Arc<Pool>,
    #[pin]
    _random: debugfs::File<Arc<Virtqueue<RequestQueue>>>,
}

#[vtable]
impl virtio::Driver for RngDriver {
    type Features = Features;
    type Config = virtio::config::NoConfig<Features>;
    type Data<'bound> = Data;

    const ID_TABLE: virtio::IdTable = &ID_TABLE;

    fn probe<'bound>(dev: &'bound virtio::Device<Core<'_>>) -> impl PinInit<Data, Error> + 'bound {
        pin_init::pin_init_scope(move || {
            let pool = pin_init!(Pool {
                filled <- kernel::new_spinlock_irq!(Some(KVec::new())),
                changed <- kernel::new_condvar!(),
            });
            let pool = Arc::pin_init(pool, GFP_KERNEL)?;

            // Name the queue, find it in the device, tell the device to start, use it.
            let mut setup = dev.virtqueues()?;
            let queue =
                setup.add::<RequestQueue>(c"input", Callback::Interrupt, 1, pool.clone())?;
            let ready = setup.find(Affinity::Default)?.ready();
            let queue = queue.into_ready(&ready);

            let name = CString::try_from_fmt(fmt!("rust_virtio_rng-{}", dev.index()))?;
            let dir = debugfs::Dir::new(&name);

            Ok(try_pin_init!(Data {
                pool,
                _random <- dir.read_callback_file(c"random", queue, &show),
            }))
        })
    }

    fn unbind<'bound>(_dev: &'bound virtio::Device<Core<'_>>, this: Pin<&Data>) {
        // Readers that still wait give up.
        *this.pool.filled.lock() = None;
        this.pool.changed.notify_all();
    }
}

kernel::module_virtio_driver! {
    type: RngDriver,
    name: "rust_virtio_rng",
    authors: ["The linux-virtio-rs developers"],
    description: "Rust virtio entropy device sample",
    license: "GPL v2",
}
