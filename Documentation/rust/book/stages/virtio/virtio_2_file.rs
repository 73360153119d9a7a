// SPDX-License-Identifier: GPL-2.0

//! A virtio driver, second stage: whoever reads a file gets fresh bytes.
//!
//! The file is `/sys/kernel/debug/virtio_2-N/random`. To read it asks the device, and waits for the
//! interrupt.

#![deny(unsafe_code)]

use kernel::{
    debugfs,
    device::Core,
    fmt,
    new_condvar,
    new_mutex,
    new_spinlock_irq,
    prelude::*,
    str::CString,
    sync::{
        Arc,
        CondVar,
        CondVarTimeoutResult,
        Mutex,
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

type Buffer = RingBox<[u8; 32]>;

struct Requests;

/// Where the interrupt and the reader meet.
#[pin_data]
struct Meeting {
    /// Whose turn it is to ask.
    #[pin]
    turn: Mutex<()>,
    #[pin]
    answer: SpinLockIrq<Option<Result<Used<Buffer>>>>,
    #[pin]
    answered: CondVar,
}

impl Meeting {
    fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                turn <- new_mutex!(()),
                answer <- new_spinlock_irq!(None),
                answered <- new_condvar!(),
            }),
            GFP_KERNEL,
        )
    }

    fn tell(&self, answer: Result<Used<Buffer>>) {
        *self.answer.lock() = Some(answer);
        self.answered.notify_all();
    }

    /// Waits for the answer, but not for ever: the file cannot go while it is read.
    fn wait(&self) -> Result<Used<Buffer>> {
        let mut answer = self.answer.lock();
        let mut left = msecs_to_jiffies(2000);

        loop {
            if let Some(answer) = answer.take() {
                return answer;
            }
            match self.answered.wait_interruptible_timeout(&mut answer, left) {
                CondVarTimeoutResult::Woken { jiffies } => left = jiffies,
                CondVarTimeoutResult::Signal { .. } => return Err(ERESTARTSYS),
                CondVarTimeoutResult::Timeout => return Err(ETIMEDOUT),
            }
        }
    }
}

impl virtio::Handler for Requests {
    type Token = Buffer;
    type Context = Arc<Meeting>;

    fn done(queue: &Virtqueue<Self>) {
        queue.lock().drain(|used| queue.context().tell(Ok(used)));
    }

    // The device was reset before it has answered.
    fn detached(queue: &Virtqueue<Self>, _buffer: Buffer) {
        queue.context().tell(Err(EIO));
    }
}

/// Asks the device, and waits.
fn ask(queue: &Virtqueue<Requests>) -> Result<Used<Buffer>> {
    let meeting = queue.context();
    let buffer = Buffer::new([0; 32], GFP_KERNEL)?;
    let _turn = meeting.turn.lock();

    // An answer that came too late for the last one is not for us.
    *meeting.answer.lock() = None;

    let mut locked = queue.lock();

    locked
        .add(buffer, |bytes, parts| parts.device_writable(bytes))
        .map_err(|failed| failed.error)?;

    let notify = locked.kick_prepare();

    drop(locked);
    if notify {
        queue.notify()?;
    }
    meeting.wait()
}

/// Writes the file.
fn show(queue: &Arc<Virtqueue<Requests>>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let used = ask(queue).map_err(|_| fmt::Error)?;

    for byte in used.token.iter().take(used.len() as usize) {
        f.write_fmt(fmt!("{byte:02x}"))?;
    }
    f.write_fmt(fmt!("\n"))
}

struct TheDriver;

#[pin_data]
struct Data {
    // Is gone, and nobody reads it any more, before the device is reset.
    #[pin]
    _file: debugfs::File<Arc<Virtqueue<Requests>>>,
}

fn set_up(mut setup: VirtqueueSetup<'_>) -> Result<Arc<Virtqueue<Requests>>> {
    let class = kernel::static_lock_class!();
    let pending: PendingQueue<'_, Requests> =
        setup.add(c"requests", Callback::Interrupt, 1, Meeting::new()?, class)?;

    Ok(pending.into_ready(&setup.find(Affinity::Default)?.ready()))
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
            let name = CString::try_from_fmt(fmt!("virtio_2-{}", dev.index()))?;
            let dir = debugfs::Dir::new(&name);

            Ok(try_pin_init!(Data {
                _file <- dir.read_callback_file(c"random", queue, &show),
            }? Error))
        })
    }
}

kernel::module_virtio_driver! {
    type: TheDriver,
    name: "virtio_2_file",
    authors: ["The linux-virtio-rs developers"],
    description: "A virtio driver, second stage",
    license: "GPL",
}
