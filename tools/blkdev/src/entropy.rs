// SPDX-License-Identifier: GPL-2.0

//! An entropy device (virtio specification, section 5.4): one queue, and each buffer in it comes back full of random
//! bytes. It has no options and does nothing wrong; it is there to be driven.

use std::io::{self, Write};
use std::ops::Deref;

use vhost::vhost_user::message::{VhostUserProtocolFeatures, VhostUserVirtioFeatures};
use vhost_user_backend::{VhostUserBackend, VringRwLock, VringT};
use virtio_queue::{QueueOwnedT, Writer};
use vm_memory::{GuestAddressSpace, GuestMemoryAtomic, GuestMemoryMmap};
use vmm_sys_util::epoll::EventSet;
use vmm_sys_util::event::{EventConsumer, EventFlag, EventNotifier, new_event_consumer_and_notifier};

/// `VIRTIO_F_VERSION_1`: no legacy device.
const VERSION_1: u64 = 1 << 32;

/// Descriptors of the largest ring.
const MAX_QUEUE_SIZE: usize = 1024;

type Memory = GuestMemoryAtomic<GuestMemoryMmap>;

/// The device.
pub struct Entropy {
    memory: Memory,
}

impl Entropy {
    /// A device for the driver whose `memory` this is.
    pub fn new(memory: Memory) -> Self {
        Self { memory }
    }

    /// Fills all buffers of a ring. Returns whether there were any.
    fn fill(&self, vring: &VringRwLock) -> io::Result<bool> {
        let mut were_any = false;
        loop {
            let memory = self.memory.memory();
            let mut state = vring.get_mut();
            let chain = state.get_queue_mut().iter(memory.clone()).map_err(io::Error::other)?.next();
            drop(state);
            let Some(chain) = chain else { return Ok(were_any) };
            let head = chain.head_index();
            let mut writer = Writer::new(memory.deref(), chain).map_err(io::Error::other)?;
            let mut bytes = vec![0; writer.available_bytes()];
            fastrand::fill(&mut bytes);
            writer.write_all(&bytes)?;
            vring.add_used(head, u32::try_from(bytes.len()).unwrap_or(u32::MAX)).map_err(io::Error::other)?;
            were_any = true;
        }
    }
}

impl VhostUserBackend for Entropy {
    type Bitmap = ();
    type Vring = VringRwLock;

    fn num_queues(&self) -> usize {
        1
    }

    fn max_queue_size(&self) -> usize {
        MAX_QUEUE_SIZE
    }

    fn features(&self) -> u64 {
        VERSION_1 | VhostUserVirtioFeatures::PROTOCOL_FEATURES.bits()
    }

    fn protocol_features(&self) -> VhostUserProtocolFeatures {
        VhostUserProtocolFeatures::REPLY_ACK
    }

    fn set_event_idx(&self, _enabled: bool) {}

    fn update_memory(&self, _memory: Memory) -> io::Result<()> {
        Ok(())
    }

    fn exit_event(&self, _thread: usize) -> Option<(EventConsumer, EventNotifier)> {
        new_event_consumer_and_notifier(EventFlag::NONBLOCK | EventFlag::CLOEXEC).ok()
    }

    fn handle_event(&self, _queue: u16, _set: EventSet, vrings: &[VringRwLock], _thread: usize) -> io::Result<()> {
        for vring in vrings {
            if self.fill(vring)? {
                vring.signal_used_queue()?;
            }
        }
        Ok(())
    }
}
