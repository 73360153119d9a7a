// SPDX-License-Identifier: GPL-2.0

//! Serving a ring: what is available is carried out and comes back, truly or not.

use std::io::{self, Write};
use std::ops::Deref;
use std::thread;
use std::time::Duration;

use vhost_user_backend::{VringRwLock, VringT};
use virtio_queue::{DescriptorChain, QueueOwnedT, QueueT, Writer};
use vm_memory::{
    Bytes, GuestAddressSpace, GuestMemoryBackend, GuestMemoryLoadGuard, GuestMemoryMmap, GuestMemoryRegion,
};

use crate::backend::{Backend, lock};
use crate::chaos::Wrong;
use crate::conduct::{Conduct, Step};
use crate::device::Shape;
use crate::lie::{Done, LieKind};
use crate::ring::Ring;

/// How often a device looks for requests that it does not want to be notified of.
const LOOK: Duration = Duration::from_millis(200);

type Chain = DescriptorChain<GuestMemoryLoadGuard<GuestMemoryMmap>>;

impl Backend {
    /// Serves all requests that are in the ring with this number.
    pub(crate) fn serve(&self, index: u16, vring: &VringRwLock) -> io::Result<()> {
        let _one_at_a_time = lock(&self.serving);
        if self.conduct().stalled {
            return Ok(());
        }
        let mut was_missed = false;
        loop {
            vring.disable_notification().map_err(io::Error::other)?;
            let mut is_empty = true;
            while let Some(chain) = self.next(index, vring) {
                is_empty = false;
                let conduct = self.conduct();
                thread::sleep(conduct.pace);
                let (done, wrong) = self.carry_out(chain);
                match wrong {
                    Some(kind) => self.tell_a_lie(kind, index, vring, done)?,
                    None => vring.add_used(done.head, done.used).map_err(io::Error::other)?,
                }
                // The queue does not count what a lie has written.
                self.interrupt(&conduct, wrong.is_some(), vring)?;
                if self.conduct().stalled {
                    return Ok(());
                }
            }
            let missed = vring.enable_notification().map_err(io::Error::other)?;
            if self.conduct().deaf {
                self.stop_its_ears(vring)?;
            }
            // The memory of a ring that was taken down can say for ever that there is more.
            if !missed || (was_missed && is_empty) {
                return Ok(());
            }
            was_missed = missed;
        }
    }

    /// Serves all rings, whether or not the driver has told of anything, and interrupts it for what it has missed.
    pub(crate) fn look(&self) -> io::Result<()> {
        let vrings = lock(&self.vrings).clone();
        for (index, vring) in (0..).zip(&vrings) {
            let is_up = {
                let state = vring.get_ref();
                state.is_enabled() && state.get_queue().ready()
            };
            if is_up {
                self.serve(index, vring)?;
            }
        }
        Ok(())
    }

    /// Looks again and again while the device is deaf.
    pub(crate) fn look_while_deaf(&self) {
        while self.conduct().deaf {
            // A ring that is being taken down is no reason to stop.
            let _ = self.look();
            thread::sleep(LOOK);
        }
    }

    fn interrupt(&self, conduct: &Conduct, is_due: bool, vring: &VringRwLock) -> io::Result<()> {
        let wanted = vring.needs_notification().map_err(io::Error::other)?;
        if !(wanted || is_due || conduct.eager) || !lock(&self.conduct).interrupts() {
            return Ok(());
        }
        thread::sleep(conduct.delay);
        vring.signal_used_queue()
    }

    /// Says that no notification is wanted, in both ways that there are.
    fn stop_its_ears(&self, vring: &VringRwLock) -> io::Result<()> {
        let memory = self.memory.memory();
        let mut state = vring.get_mut();
        let ring = Ring::new(&memory, state.get_queue_mut());
        ring.set_used_flags(1)?;
        ring.set_avail_event(ring.next_avail().wrapping_add(1 << 14))
    }

    fn tell_a_lie(&self, kind: LieKind, index: u16, vring: &VringRwLock, done: Done) -> io::Result<()> {
        let mut others = Vec::new();
        while let Some(chain) = self.next(index, vring) {
            others.push(self.carry_out(chain).0);
        }
        let memory = self.memory.memory();
        let mut state = vring.get_mut();
        let mut ring = Ring::new(&memory, state.get_queue_mut());
        lock(&self.lies).tell(kind, index, &mut ring, done, &others).map(drop)
    }

    /// The next request that the driver still waits for.
    fn next(&self, index: u16, vring: &VringRwLock) -> Option<Chain> {
        loop {
            let memory = self.memory.memory();
            let mut state = vring.get_mut();
            lock(&self.lies).mend(index, &Ring::new(&memory, state.get_queue_mut())).ok()?;
            let chain = state.get_queue_mut().iter(memory).ok()?.next()?;
            drop(state);
            if !lock(&self.lies).is_owed(index, chain.head_index()) {
                return Some(chain);
            }
        }
    }

    /// Carries out a request, and says which lie is to be told of it.
    fn carry_out(&self, chain: Chain) -> (Done, Option<LieKind>) {
        let head = chain.head_index();
        let chaos = lock(&self.chaos).as_mut().and_then(|chaos| chaos.choose());
        let done = self.handle(chain, chaos).unwrap_or_else(|error| {
            eprintln!("blkdev: a request cannot be served: {error}");
            Done { head, used: 0, name: "malformed" }
        });
        let lie = match chaos {
            Some(Wrong::Lie(kind)) => Some(kind),
            _ => lock(&self.lies).next_for(done.name),
        };
        (done, lie)
    }

    fn handle(&self, chain: Chain, chaos: Option<Wrong>) -> io::Result<Done> {
        let head = chain.head_index();
        let memory = self.memory.memory();
        let lengths: Vec<_> = chain.clone().map(|descriptor| u64::from(descriptor.len())).collect();
        // The first is the header and the last the status; Linux puts each into a buffer of its own.
        let data = lengths.get(1..lengths.len().saturating_sub(1)).unwrap_or_default();
        let shape = Shape { segments: data.len() as u64, longest: data.iter().copied().max().unwrap_or(0) };
        let readable = read_all(&memory, chain.clone())?;
        let mut writer = Writer::new(memory.deref(), chain).map_err(io::Error::other)?;
        let mut device = self.device();
        lock(&self.conduct).perhaps_die(Step::Before(device.name_of(&readable, writer.available_bytes())));
        if let Some(Wrong::Fault(kind)) = chaos {
            device.do_wrong(kind);
        }
        let answer = device.execute(&readable, writer.available_bytes(), shape);
        drop(device);
        lock(&self.conduct).perhaps_die(Step::After(answer.name));
        writer.write_all(&answer.bytes)?;
        Ok(Done { head, used: answer.used, name: answer.name })
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
