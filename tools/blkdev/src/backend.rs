// SPDX-License-Identifier: GPL-2.0

//! Between the rings and the device: the vhost-user side.

use std::io;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context, Result};
use vhost::vhost_user::Backend as BackendChannel;
use vhost::vhost_user::message::{VhostUserProtocolFeatures, VhostUserVirtioFeatures};
use vhost_user_backend::{VhostUserBackend, VringRwLock, VringT};
use vm_memory::{GuestMemoryAtomic, GuestMemoryMmap};
use vmm_sys_util::epoll::EventSet;
use vmm_sys_util::event::{EventConsumer, EventFlag, EventNotifier, new_event_consumer_and_notifier};

use crate::chaos::Chaos;
use crate::conduct::{Conduct, Step, millis};
use crate::config::WCE_OFFSET;
use crate::device::Device;
use crate::features::Features;
use crate::lie::{Lie, Lies};
use crate::notify::{Before, Channel};

/// Descriptors of the largest ring. User-mode Linux makes rings of 256.
const MAX_QUEUE_SIZE: usize = 1024;

type Memory = GuestMemoryAtomic<GuestMemoryMmap>;

/// A device behind a vhost-user socket.
pub struct Backend {
    device: Mutex<Device>,
    pub(crate) memory: Memory,
    queues: usize,
    sockets: Mutex<Before>,
    channel: Mutex<Option<Channel>>,
    /// The rings, once the driver has told of something.
    pub(crate) vrings: Mutex<Vec<VringRwLock>>,
    /// Held while a ring is served.
    pub(crate) serving: Mutex<()>,
    pub(crate) conduct: Mutex<Conduct>,
    pub(crate) lies: Mutex<Lies>,
    pub(crate) chaos: Mutex<Option<Chaos>>,
}

/// What a command came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// What to say; may be empty.
    pub answer: String,
    /// Whether this was the end of the device.
    pub is_gone: bool,
}

impl Backend {
    /// The back end of `device`, with `queues` queues in the driver's `memory`.
    pub fn new(device: Device, queues: usize, memory: Memory) -> Arc<Self> {
        let sockets = Mutex::new(Before::default());
        Arc::new(Self {
            device: Mutex::new(device),
            memory,
            queues,
            sockets,
            channel: Mutex::default(),
            vrings: Mutex::default(),
            serving: Mutex::default(),
            conduct: Mutex::default(),
            lies: Mutex::default(),
            chaos: Mutex::default(),
        })
    }

    /// Does what a line says and returns the answer: see [`crate::command`].
    ///
    /// # Errors
    ///
    /// It is no command, or cannot be done.
    pub fn command(self: &Arc<Self>, line: &str) -> Result<Reply> {
        let words: Vec<_> = line.split_whitespace().collect();
        if lock(&self.conduct).command(&words)? {
            if words == ["behave"] {
                lock(&self.lies).clear();
                *lock(&self.chaos) = None;
                self.device().command(line)?;
            }
            self.act_on(&words)?;
            return Ok(Reply::default());
        }
        let mut answer = String::new();
        match words[..] {
            ["lie", lie] => lock(&self.lies).add(Lie::parse(lie)?),
            ["chaos", seed, per_mille] => *lock(&self.chaos) = Some(Chaos::new(seed.parse()?, per_mille.parse()?)),
            ["count", "lies"] => answer = lock(&self.lies).told().to_string(),
            ["interrupts", count] => (0..count.parse::<u32>()?).try_for_each(|_| self.interrupt_all())?,
            ["changes", count] => (0..count.parse::<u32>()?).try_for_each(|_| self.config_changed())?,
            _ => return self.device_command(line),
        }
        Ok(Reply { answer, is_gone: false })
    }

    fn device_command(&self, line: &str) -> Result<Reply> {
        let mut device = self.device();
        let done = device.command(line)?;
        if done.is_gone {
            // Nothing is served any more.
            mem::forget(device);
        } else {
            drop(device);
        }
        if done.config_changed {
            self.config_changed()?;
        }
        Ok(Reply { answer: done.answer, is_gone: done.is_gone })
    }

    /// Does what a new conduct begins with.
    fn act_on(self: &Arc<Self>, words: &[&str]) -> Result<()> {
        match words {
            ["deaf"] => {
                let backend = Arc::clone(self);
                thread::spawn(move || backend.look_while_deaf());
            }
            ["stall", time] => {
                let (backend, time) = (Arc::clone(self), millis(time)?);
                thread::spawn(move || {
                    thread::sleep(time);
                    lock(&backend.conduct).stalled = false;
                    backend.catch_up()
                });
            }
            ["behave" | "resume"] => self.catch_up()?,
            _ => {}
        }
        Ok(())
    }

    /// Serves what has waited, and tells of it.
    fn catch_up(&self) -> Result<()> {
        // A ring that is not there has nothing that waits.
        let _ = self.look();
        self.interrupt_all()
    }

    fn interrupt_all(&self) -> Result<()> {
        // The driver has closed the other end of those that it has taken down.
        lock(&self.vrings).iter().for_each(|vring| drop(vring.signal_used_queue()));
        Ok(())
    }

    fn config_changed(&self) -> Result<()> {
        let mut channel = lock(&self.channel);
        let channel = channel.as_mut().context("there is no driver to tell it")?;
        channel.config_changed().context("cannot tell the driver")
    }

    /// How it goes about its requests at the moment.
    pub(crate) fn conduct(&self) -> Conduct {
        lock(&self.conduct).clone()
    }

    pub(crate) fn device(&self) -> MutexGuard<'_, Device> {
        lock(&self.device)
    }
}

impl VhostUserBackend for Backend {
    type Bitmap = ();
    type Vring = VringRwLock;

    fn num_queues(&self) -> usize {
        self.queues
    }

    fn max_queue_size(&self) -> usize {
        MAX_QUEUE_SIZE
    }

    fn features(&self) -> u64 {
        self.device().offered().bits() | VhostUserVirtioFeatures::PROTOCOL_FEATURES.bits()
    }

    fn acked_features(&self, features: u64) {
        lock(&self.conduct).perhaps_die(Step::Features);
        lock(&self.lies).forget();
        self.device().negotiated(Features::from_bits(features));
    }

    fn protocol_features(&self) -> VhostUserProtocolFeatures {
        // The front end asks for these right before it hands over its socket.
        *lock(&self.sockets) = Before::now().unwrap_or_default();
        VhostUserProtocolFeatures::MQ
            | VhostUserProtocolFeatures::CONFIG
            | VhostUserProtocolFeatures::REPLY_ACK
            | VhostUserProtocolFeatures::BACKEND_REQ
    }

    fn set_event_idx(&self, _enabled: bool) {}

    fn get_config(&self, offset: u32, size: u32) -> Vec<u8> {
        lock(&self.conduct).perhaps_die(Step::Config(0));
        self.device().read_config(offset as usize, size as usize)
    }

    fn set_config(&self, offset: u32, bytes: &[u8]) -> io::Result<()> {
        match bytes {
            [on] if offset as usize == WCE_OFFSET => self.device().set_cache(*on != 0).map_err(io::Error::other),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    fn update_memory(&self, _memory: Memory) -> io::Result<()> {
        lock(&self.conduct).perhaps_die(Step::Memory);
        Ok(())
    }

    fn set_backend_req_fd(&self, channel: BackendChannel) {
        match lock(&self.sockets).channel(channel) {
            Ok(channel) => *lock(&self.channel) = Some(channel),
            Err(error) => eprintln!("blkdev: changes of the configuration cannot be told: {error}"),
        }
    }

    fn exit_event(&self, _thread: usize) -> Option<(EventConsumer, EventNotifier)> {
        new_event_consumer_and_notifier(EventFlag::NONBLOCK | EventFlag::CLOEXEC).ok()
    }

    fn handle_event(&self, queue: u16, _set: EventSet, vrings: &[VringRwLock], _thread: usize) -> io::Result<()> {
        lock(&self.conduct).perhaps_die(Step::Kick);
        *lock(&self.vrings) = vrings.to_vec();
        match vrings.get(usize::from(queue)) {
            Some(vring) => self.serve(queue, vring),
            None => Err(io::Error::other(format!("there is no queue {queue}"))),
        }
    }
}

/// What a panicking thread has left behind is still good: each change is complete in itself.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
