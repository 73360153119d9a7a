// SPDX-License-Identifier: GPL-2.0

//! Between the rings and the device: the vhost-user side.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use vhost::vhost_user::Backend as BackendChannel;
use vhost::vhost_user::message::{VhostUserProtocolFeatures, VhostUserVirtioFeatures};
use vhost_user_backend::{VhostUserBackend, VringRwLock, VringT};
use virtio_queue::{DescriptorChain, QueueOwnedT, Writer};
use vm_memory::{
    Bytes, GuestAddressSpace, GuestMemoryAtomic, GuestMemoryBackend, GuestMemoryLoadGuard, GuestMemoryMmap,
    GuestMemoryRegion,
};
use vmm_sys_util::epoll::EventSet;
use vmm_sys_util::event::{EventConsumer, EventFlag, EventNotifier, new_event_consumer_and_notifier};

use crate::config::WCE_OFFSET;
use crate::device::{Device, Shape};
use crate::features::Features;
use crate::notify::{Before, Channel};

/// Descriptors of the largest ring. User-mode Linux makes rings of 256.
const MAX_QUEUE_SIZE: usize = 1024;

type Memory = GuestMemoryAtomic<GuestMemoryMmap>;
type Chain = DescriptorChain<GuestMemoryLoadGuard<GuestMemoryMmap>>;

/// A device behind a vhost-user socket.
pub struct Backend {
    device: Mutex<Device>,
    memory: Memory,
    queues: usize,
    sockets: Mutex<Before>,
    channel: Mutex<Option<Channel>>,
}

impl Backend {
    /// The back end of `device`, with `queues` queues in the driver's `memory`.
    pub fn new(device: Device, queues: usize, memory: Memory) -> Arc<Self> {
        let sockets = Mutex::new(Before::default());
        Arc::new(Self { device: Mutex::new(device), memory, queues, sockets, channel: Mutex::new(None) })
    }

    /// Does what a line says and returns the answer: see [`crate::command`].
    ///
    /// # Errors
    ///
    /// It is no command, or cannot be done.
    pub fn command(&self, line: &str) -> Result<String> {
        let done = self.device().command(line)?;
        if done.config_changed {
            let mut channel = lock(&self.channel);
            let channel = channel.as_mut().context("there is no driver to tell it")?;
            channel.config_changed().context("cannot tell the driver")?;
        }
        Ok(done.answer)
    }

    fn device(&self) -> MutexGuard<'_, Device> {
        lock(&self.device)
    }

    /// Serves all requests that are in the ring.
    fn serve(&self, vring: &VringRwLock) -> io::Result<()> {
        loop {
            vring.disable_notification().map_err(io::Error::other)?;
            while let Some(chain) = self.next(vring) {
                let head = chain.head_index();
                let used = self.handle(chain).unwrap_or_else(|error| {
                    eprintln!("blkdev: a request cannot be served: {error}");
                    0
                });
                vring.add_used(head, used).map_err(io::Error::other)?;
                if vring.needs_notification().map_err(io::Error::other)? {
                    vring.signal_used_queue()?;
                }
            }
            if !vring.enable_notification().map_err(io::Error::other)? {
                return Ok(());
            }
        }
    }

    fn next(&self, vring: &VringRwLock) -> Option<Chain> {
        let mut state = vring.get_mut();
        state.get_queue_mut().iter(self.memory.memory()).ok()?.next()
    }

    fn handle(&self, chain: Chain) -> io::Result<u32> {
        let memory = self.memory.memory();
        let lengths: Vec<_> = chain.clone().map(|descriptor| u64::from(descriptor.len())).collect();
        // The first is the header and the last the status; Linux puts each into a buffer of its own.
        let data = lengths.get(1..lengths.len().saturating_sub(1)).unwrap_or_default();
        let shape = Shape { segments: data.len() as u64, longest: data.iter().copied().max().unwrap_or(0) };
        let readable = read_all(&memory, chain.clone())?;
        let mut writer = Writer::new(&*memory, chain).map_err(io::Error::other)?;
        let answer = self.device().execute(&readable, writer.available_bytes(), shape);
        writer.write_all(&answer.bytes)?;
        Ok(answer.used)
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
        self.device().read_config(offset as usize, size as usize)
    }

    fn set_config(&self, offset: u32, bytes: &[u8]) -> io::Result<()> {
        match bytes {
            [on] if offset as usize == WCE_OFFSET => self.device().set_cache(*on != 0).map_err(io::Error::other),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    fn update_memory(&self, _memory: Memory) -> io::Result<()> {
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
        match vrings.get(usize::from(queue)) {
            Some(vring) => self.serve(vring),
            None => Err(io::Error::other(format!("there is no queue {queue}"))),
        }
    }
}

/// Collects what the driver has made readable.
///
/// User-mode Linux shares its memory without the image of the kernel, which the page of zeroes is a part of, so what
/// lies below the shared memory is taken for zeroes.
fn read_all(memory: &GuestMemoryMmap, chain: Chain) -> io::Result<Vec<u8>> {
    let shared_from = memory.iter().map(|region| region.start_addr()).min();
    let mut bytes = Vec::new();
    for descriptor in chain.readable() {
        let at = bytes.len();
        bytes.resize(at + descriptor.len() as usize, 0);
        if Some(descriptor.addr()) >= shared_from {
            memory.read_slice(&mut bytes[at..], descriptor.addr()).map_err(io::Error::other)?;
        }
    }
    Ok(bytes)
}

/// What a panicking thread has left behind is still good: each change is complete in itself.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
